import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { FakeClock } from '../../test/support/fake-clock.ts';
import type { ObjectKey } from '../kube/resource.ts';
import { WorkQueue } from './work-queue.ts';

const a: ObjectKey = { namespace: 'shop', name: 'a' };
const b: ObjectKey = { namespace: 'shop', name: 'b' };

function aQueue(clock = new FakeClock()): { queue: WorkQueue; clock: FakeClock } {
  const queue = new WorkQueue({ clock, backoff: { baseMs: 100, capMs: 1_000 }, random: () => 1 });
  return { queue, clock };
}

test('hands keys out in the order they came, each once', async () => {
  const { queue } = aQueue();
  for (const key of [a, b, a, { ...a }]) queue.add(key);
  expect(queue.depth).toBe(2);
  expect([await queue.take(), await queue.take()]).toEqual([a, b]);
  expect(queue.depth).toBe(0);
});

test('keeps keys of the same name in two namespaces apart', async () => {
  const { queue } = aQueue();
  const other = { namespace: 'lab', name: 'a' };
  queue.add(a);
  queue.add(other);
  expect([await queue.take(), await queue.take()]).toEqual([a, other]);
});

test('gives a key to a taker who was waiting', async () => {
  const { queue } = aQueue();
  const [first, second] = [queue.take(), queue.take()];
  queue.add(a);
  queue.add(b);
  expect([await first, await second]).toEqual([a, b]);
});

test('hands a key that was added during its pass out again, once, and only after it', async () => {
  const { queue } = aQueue();
  queue.add(a);
  await queue.take();
  queue.add(a);
  queue.add(a);
  expect(queue.depth).toBe(0);
  queue.done(a);
  expect(await queue.take()).toEqual(a);
  queue.done(a);
  expect(queue.depth).toBe(0);
});

test('hands a delayed key out at its time, not before', async () => {
  const { queue, clock } = aQueue();
  queue.addAfter(a, 1_000);
  await clock.advance(999);
  expect(queue.depth).toBe(0);
  await clock.advance(1);
  expect(queue.depth).toBe(1);
});

const delays: readonly { name: string; delaysMs: readonly number[] }[] = [
  { name: 'the earlier one comes first', delaysMs: [1_000, 5_000] },
  { name: 'the earlier one comes second', delaysMs: [5_000, 1_000] },
];
test.for(delays)('keeps the earlier of two delays when $name', async ({ delaysMs }) => {
  const { queue, clock } = aQueue();
  for (const delayMs of delaysMs) queue.addAfter(a, delayMs);
  await clock.advance(1_000);
  expect(queue.depth).toBe(1);
  await queue.take();
  queue.done(a);
  await clock.advance(10_000);
  expect(queue.depth).toBe(0);
});

test('delays each failure in a row longer, up to the cap, and starts anew once forgotten', () => {
  const { queue } = aQueue();
  expect([1, 2, 3, 4, 5, 6].map(() => queue.retry(a))).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  expect(queue.retry(b)).toBe(100);
  queue.forget(a);
  expect(queue.retry(a)).toBe(100);
});

test('waits at least as long as the server asked', async () => {
  const { queue, clock } = aQueue();
  queue.retry(a, 5_000);
  await clock.advance(5_000);
  expect(queue.depth).toBe(0);
  await clock.advance(100);
  expect(queue.depth).toBe(1);
});

test('sends its takers home when it closes, and hands out nothing that waited', async () => {
  const { queue, clock } = aQueue();
  queue.addAfter(b, 1_000);
  const waiting = queue.take();
  queue.close();
  expect(clock.waiting).toBe(0);
  queue.add(a);
  queue.addAfter(a, 1_000);
  await clock.advance(1_000);
  expect([await waiting, await queue.take()]).toEqual([undefined, undefined]);
});

test('hands a key that was added during its pass not out again once it is closed', async () => {
  const { queue } = aQueue();
  queue.add(a);
  await queue.take();
  queue.add(a);
  queue.close();
  queue.done(a);
  expect(await queue.take()).toBeUndefined();
});

/** What workers saw of one key. */
interface Seen {
  running: number;
  overlaps: number;
  wanted: boolean;
}

test('never runs a key twice at once and never loses the last wish, whatever the order of events', async () => {
  const step = fc.record({
    key: fc.integer({ min: 0, max: 4 }),
    act: fc.constantFrom('add', 'addAfter', 'retry', 'advance'),
    delayMs: fc.integer({ min: 0, max: 300 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.infiniteStream(fc.nat(50)),
      async (steps, passMs) => {
        const { queue, clock } = aQueue();
        const seen = Array.from({ length: 5 }, (): Seen => ({ running: 0, overlaps: 0, wanted: false }));
        const workers = [1, 2, 3].map(() => work(queue, clock, { seen, passMs }));
        for (const { key, act, delayMs } of steps) {
          const wish = { namespace: 'shop', name: String(key) };
          if (act === 'advance') await clock.advance(delayMs);
          else {
            (seen[key] as Seen).wanted = true;
            queue[act](wish, delayMs);
          }
        }
        await clock.advance(10_000);
        queue.close();
        await Promise.all(workers);
        expect(seen).toEqual(seen.map(() => ({ running: 0, overlaps: 0, wanted: false })));
      },
    ),
    { numRuns: 60 },
  );
});

async function work(
  queue: WorkQueue,
  clock: FakeClock,
  { seen, passMs }: { seen: readonly Seen[]; passMs: Iterator<number> },
): Promise<void> {
  for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
    const mine = seen[Number(key.name)] as Seen;
    mine.wanted = false;
    mine.running += 1;
    if (mine.running > 1) mine.overlaps += 1;
    await clock.sleep(passMs.next().value as number, new AbortController().signal);
    mine.running -= 1;
    queue.done(key);
  }
}
