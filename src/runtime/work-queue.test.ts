import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { formatKey, type ObjectKey } from '../kube/resource.ts';
import { WorkQueue, type Taken } from './work-queue.ts';

const a: ObjectKey = { namespace: 'shop', name: 'a' };
const b: ObjectKey = { namespace: 'shop', name: 'b' };

function aQueue(clock = new FakeClock()): { queue: WorkQueue; clock: FakeClock } {
  const queue = new WorkQueue({ clock, backoff: { baseMs: 100, capMs: 1_000 }, random: () => 1 });
  return { queue, clock };
}

/** Takes so many keys, of which there have to be so many. */
async function take(queue: WorkQueue, count: number): Promise<ObjectKey[]> {
  const keys: ObjectKey[] = [];
  for (let taken = 0; taken < count; taken += 1) {
    const next = await queue.take();
    if (next !== undefined) keys.push(next.key);
  }
  return keys;
}

test('hands keys out in the order they came, each once', async () => {
  const { queue } = aQueue();
  for (const key of [a, b, a, { ...a }]) queue.add(key);
  expect(queue.depth).toBe(2);
  expect(await take(queue, 2)).toEqual([a, b]);
  expect(queue.depth).toBe(0);
});

test('keeps keys of the same name in two namespaces apart', async () => {
  const { queue } = aQueue();
  const other = { namespace: 'lab', name: 'a' };
  queue.add(a);
  queue.add(other);
  expect(await take(queue, 2)).toEqual([a, other]);
});

test('serves a single key of a namespace next but one, while another namespace has thousands, retries among them', async () => {
  const { queue, clock } = aQueue();
  for (let n = 0; n < 5_000; n += 1) queue.add({ namespace: 'big', name: String(n) });
  for (const key of await take(queue, 2_000)) queue.retry(key);
  await clock.advance(1_000);
  expect(queue.depth).toBe(5_000);
  queue.add(a);
  expect((await take(queue, 2)).map(({ namespace }) => namespace)).toEqual(['big', 'shop']);
});

test('gives a key to a taker who was waiting', async () => {
  const { queue } = aQueue();
  const [first, second] = [queue.take(), queue.take()];
  queue.add(a);
  queue.add(b);
  expect([(await first)?.key, (await second)?.key]).toEqual([a, b]);
});

test('tells for how long a key was ready, not for how long it was delayed', async () => {
  const { queue, clock } = aQueue();
  queue.add(a);
  await clock.advance(200);
  expect((await queue.take())?.waitedMs).toBe(200);
  queue.done(a, 1_000);
  await clock.advance(1_300);
  expect((await queue.take())?.waitedMs).toBe(300);
});

test('hands a key that was added during its pass out again, once, and only after it', async () => {
  const { queue } = aQueue();
  queue.add(a);
  await queue.take();
  queue.add(a);
  queue.add(a);
  expect(queue.depth).toBe(0);
  queue.done(a);
  expect(await take(queue, 1)).toEqual([a]);
  queue.done(a);
  expect(queue.depth).toBe(0);
});

test('hands a key out again at its time, not before', async () => {
  const { queue, clock } = aQueue();
  queue.add(a);
  await queue.take();
  queue.done(a, 1_000);
  await clock.advance(999);
  expect([queue.depth, queue.delayed]).toEqual([0, 1]);
  await clock.advance(1);
  expect([queue.depth, queue.delayed]).toEqual([1, 0]);
});

const answers: readonly { name: string; delayMs: number | undefined; passesAtMs: readonly number[] }[] = [
  { name: 'earlier', delayMs: 500, passesAtMs: [500] },
  { name: 'later', delayMs: 5_000, passesAtMs: [5_000] },
  { name: 'only after a change', delayMs: undefined, passesAtMs: [] },
];
test.for(answers)(
  'a later pass that wants another one $name replaces what an earlier one wanted',
  async (given) => {
    const { queue, clock } = aQueue();
    queue.add(a);
    await queue.take();
    queue.done(a, 1_000);
    queue.add(a);
    await queue.take();
    queue.done(a, given.delayMs);
    const passesAtMs: number[] = [];
    for (let taken = queue.take(); clock.monotonicMs() < 10_000; await clock.advance(100)) {
      if (queue.depth > 0) throw new Error('somebody was waiting');
      void taken.then(() => passesAtMs.push(clock.monotonicMs()));
      taken = new Promise(() => undefined);
    }
    expect(passesAtMs).toEqual(given.passesAtMs);
  },
);

test('delays each failure in a row longer, up to the cap, and starts anew once a pass went well', async () => {
  const { queue } = aQueue();
  const fail = async (key: ObjectKey): Promise<number> => {
    queue.add(key);
    await queue.take();
    return queue.retry(key);
  };
  const delaysMs: number[] = [];
  for (let failures = 0; failures < 6; failures += 1) delaysMs.push(await fail(a));
  expect(delaysMs).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  expect(await fail(b)).toBe(100);
  queue.add(a);
  await queue.take();
  queue.done(a);
  expect(await fail(a)).toBe(100);
});

test('waits at least as long as the server asked', async () => {
  const { queue, clock } = aQueue();
  queue.add(a);
  await queue.take();
  queue.retry(a, 5_000);
  await clock.advance(5_000);
  expect(queue.depth).toBe(0);
  await clock.advance(100);
  expect(queue.depth).toBe(1);
});

test('sends its takers home when it closes, and hands out nothing that waited', async () => {
  const { queue, clock } = aQueue();
  for (const key of [a, b]) queue.add(key);
  await take(queue, 2);
  queue.done(b, 1_000);
  const waiting = queue.take();
  queue.close();
  queue.retry(a);
  queue.add(b);
  expect(clock.waiting).toBe(0);
  expect([await waiting, await queue.take(), queue.depth]).toEqual([undefined, undefined, 0]);
});

test('hands out nothing that was ready when it closed', async () => {
  const { queue } = aQueue();
  queue.add(a);
  queue.close();
  expect([await queue.take(), queue.depth]).toEqual([undefined, 0]);
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

/** The same in lists, slow and plain. Its random delays are the longest, as those of the queue under test. */
class NaiveQueue {
  readonly #clock: FakeClock;
  readonly #ready: { readonly key: ObjectKey; readonly sinceMs: number }[] = [];
  readonly #taken: { readonly key: ObjectKey; isWanted: boolean }[] = [];
  readonly #delayed: { readonly key: ObjectKey; readonly dueMs: number }[] = [];
  readonly #failures = new Map<string, number>();
  /** Namespaces that have a ready key, the one whose turn comes last at the end. */
  readonly #turns: string[] = [];

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  get depth(): number {
    this.#keepTime();
    return this.#ready.length;
  }

  get delayed(): number {
    this.#keepTime();
    return this.#delayed.length;
  }

  add(key: ObjectKey, sinceMs = this.#clock.monotonicMs()): void {
    const running = this.#taken.find((other) => isSame(other.key, key));
    if (running !== undefined) running.isWanted = true;
    if (running !== undefined || this.#ready.some((other) => isSame(other.key, key))) return;
    drop(this.#delayed, key);
    if (!this.#turns.includes(key.namespace)) this.#turns.push(key.namespace);
    this.#ready.push({ key, sinceMs });
  }

  take(): Taken | undefined {
    this.#keepTime();
    const namespace = this.#turns.shift();
    const next = this.#ready.find(({ key }) => key.namespace === namespace);
    if (next === undefined) return undefined;
    drop(this.#ready, next.key);
    if (this.#ready.some(({ key }) => key.namespace === namespace)) this.#turns.push(next.key.namespace);
    this.#taken.push({ key: next.key, isWanted: false });
    return { key: next.key, waitedMs: this.#clock.monotonicMs() - next.sinceMs };
  }

  done(key: ObjectKey, delayMs?: number): void {
    this.#failures.delete(formatKey(key));
    this.#release(key, delayMs);
  }

  retry(key: ObjectKey, leastMs: number): number {
    const failures = (this.#failures.get(formatKey(key)) ?? 0) + 1;
    this.#failures.set(formatKey(key), failures);
    const delayMs = leastMs + Math.min(1_000, 100 * 2 ** (failures - 1));
    this.#release(key, delayMs);
    return delayMs;
  }

  #release(key: ObjectKey, delayMs: number | undefined): void {
    const isWanted = drop(this.#taken, key)?.isWanted === true;
    if (isWanted) this.add(key);
    else if (delayMs !== undefined) this.#delayed.push({ key, dueMs: this.#clock.monotonicMs() + delayMs });
  }

  #keepTime(): void {
    for (const { key, dueMs } of this.#delayed.toSorted((x, y) => x.dueMs - y.dueMs)) {
      if (dueMs <= this.#clock.monotonicMs()) this.add(key, dueMs);
    }
  }
}

function isSame(one: ObjectKey, other: ObjectKey): boolean {
  return formatKey(one) === formatKey(other);
}

function drop<T extends { readonly key: ObjectKey }>(list: T[], key: ObjectKey): T | undefined {
  const at = list.findIndex((one) => isSame(one.key, key));
  return at === -1 ? undefined : list.splice(at, 1)[0];
}

const step = fc.record({
  key: fc.record({ namespace: fc.constantFrom('x', 'y', 'z'), name: fc.constantFrom('1', '2', '3') }),
  act: fc.constantFrom('add', 'add', 'take', 'take', 'done', 'after', 'retry', 'advance'),
  delayMs: fc.nat(300),
});

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** Does the step, where there is something to do. A pass ends for the key that was taken first. */
async function perform(queue: WorkQueue | NaiveQueue, running: ObjectKey[], taken: Step): Promise<unknown> {
  const { key, act, delayMs } = taken;
  if (act === 'add') return queue.add(key);
  if (act === 'take') return queue.depth > 0 ? note(running, await queue.take()) : undefined;
  const ending = act === 'advance' ? undefined : running.shift();
  if (ending === undefined) return undefined;
  if (act === 'retry') return queue.retry(ending, delayMs);
  return queue.done(ending, act === 'after' ? delayMs : undefined);
}

function note(running: ObjectKey[], taken: Taken | undefined): Taken | undefined {
  if (taken !== undefined) running.push(taken.key);
  return taken;
}

test('does in every state what a slow and plain queue does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80, size: 'max' }), async (steps) => {
      const { queue, clock } = aQueue();
      const both = [queue, new NaiveQueue(clock)].map((one) => ({ one, running: [], did: [] as unknown[] }));
      for (const [at, given] of steps.entries()) {
        // Each delay its own, so that no two keys are due at once: then any order would do. Whole numbers: sums are exact.
        const delayMs = given.delayMs * 1_000 + 500 + at;
        if (given.act === 'advance') await clock.advance(delayMs);
        for (const { one, running, did } of both)
          did.push(await perform(one, running, { ...given, delayMs }), one.depth, one.delayed);
      }
      expect(both[0]?.did).toEqual(both[1]?.did);
    }),
    { numRuns: 200 },
  );
});

/** What workers saw of one key. */
interface Seen {
  running: number;
  overlaps: number;
  wanted: boolean;
}

test('never runs a key twice at once and never loses the last wish, with workers who wait for it', async () => {
  const wish = fc.record({ key: fc.nat(4), pauseMs: fc.nat(100) });
  const pass = fc.record({ passMs: fc.nat(50), end: fc.constantFrom('done', 'after', 'retry') });
  await fc.assert(
    fc.asyncProperty(
      fc.array(wish, { maxLength: 60, size: 'max' }),
      fc.infiniteStream(pass),
      async (wishes, passes) => {
        const { queue, clock } = aQueue();
        const seen = Array.from({ length: 5 }, (): Seen => ({ running: 0, overlaps: 0, wanted: false }));
        const workers = [1, 2, 3].map(() => work(queue, clock, { seen, passes }));
        for (const { key, pauseMs } of wishes) {
          (seen[key] as Seen).wanted = true;
          queue.add({ namespace: `n${key % 2}`, name: String(key) });
          await clock.advance(pauseMs);
        }
        await clock.advance(500);
        expect(seen.filter(({ wanted }) => wanted)).toEqual([]);
        queue.close();
        await clock.advance(100);
        await Promise.all(workers);
        expect(seen).toEqual(seen.map(() => ({ running: 0, overlaps: 0, wanted: false })));
      },
    ),
    { numRuns: 60 },
  );
});

interface Work {
  readonly seen: readonly Seen[];
  readonly passes: Iterator<{ readonly passMs: number; readonly end: 'done' | 'after' | 'retry' }>;
}

async function work(queue: WorkQueue, clock: FakeClock, { seen, passes }: Work): Promise<void> {
  for (let taken = await queue.take(); taken !== undefined; taken = await queue.take()) {
    const { key } = taken;
    const mine = seen[Number(key.name)] as Seen;
    mine.wanted = false;
    mine.running += 1;
    if (mine.running > 1) mine.overlaps += 1;
    const { passMs, end: how } = passes.next().value as { passMs: number; end: 'done' | 'after' | 'retry' };
    await clock.sleep(passMs, new AbortController().signal);
    mine.running -= 1;
    if (how === 'retry') queue.retry(key);
    else queue.done(key, how === 'after' ? passMs : undefined);
  }
}
