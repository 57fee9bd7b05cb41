import { expect, test } from 'vitest';
import { FakeClock, quiet } from '../../test/support/fake-clock.ts';
import { quietLog } from '../../test/support/quiet-log.ts';
import { KubeError } from '../kube/errors.ts';
import type { ObjectKey } from '../kube/resource.ts';
import { Controller, type ControllerOptions } from './controller.ts';
import { noMetrics } from './metrics.ts';
import { TerminalError, type Next } from './next.ts';

const a: ObjectKey = { namespace: 'shop', name: 'a' };
const b: ObjectKey = { namespace: 'shop', name: 'b' };
const settled: Next = { kind: 'settled' };

interface Running {
  readonly clock: FakeClock;
  readonly controller: Controller;
  /** Names of the keys, in the order in which their passes began. */
  readonly passes: string[];
  /** `result after ms` of each pass, in the order in which they ended. */
  readonly results: string[];
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

async function start(
  reconcile: ControllerOptions['reconcile'],
  options: Partial<ControllerOptions> = {},
): Promise<Running> {
  const [clock, stop] = [new FakeClock(), new AbortController()];
  const [passes, results]: [string[], string[]] = [[], []];
  const controller = new Controller({
    name: 'test',
    reflectors: [],
    clock,
    random: () => 1,
    log: quietLog(),
    metrics: {
      ...noMetrics,
      passEnded: ({ result, durationMs }) => results.push(`${result} after ${durationMs}`),
    },
    workers: 2,
    passMs: 60_000,
    graceMs: 5_000,
    backoff: { baseMs: 1_000, capMs: 8_000 },
    reconcile: (key, signal) => {
      passes.push(key.name);
      return reconcile(key, signal);
    },
    ...options,
  });
  const done = controller.run(stop.signal);
  await quiet();
  return { clock, controller, passes, results, stop, done };
}

/** A pass that takes so long as its signal lets it, and rejects when that aborts. */
function untilAborted(_key: ObjectKey, signal: AbortSignal): Promise<Next> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

/** A pass that never ends. */
function never(): Promise<Next> {
  return new Promise(() => undefined);
}

test('passes over every key that was enqueued, also before it ran', async () => {
  const synced = Promise.withResolvers<void>();
  const { controller, passes } = await start(async () => settled, {
    reflectors: [{ whenSynced: () => synced.promise }],
  });
  controller.enqueue(a);
  controller.enqueue(b);
  await quiet();
  expect(passes).toEqual([]);
  synced.resolve();
  await quiet();
  expect(passes).toEqual(['a', 'b']);
});

const nexts: readonly { name: string; next: Next; passesInAnHour: number }[] = [
  { name: 'does not look again when settled', next: { kind: 'settled' }, passesInAnHour: 1 },
  { name: 'waits for a change', next: { kind: 'onChange' }, passesInAnHour: 1 },
  { name: 'looks again after the delay', next: { kind: 'after', delayMs: 600_000 }, passesInAnHour: 7 },
];
test.for(nexts)('$name', async ({ next, passesInAnHour }) => {
  const { clock, controller, passes } = await start(async () => next);
  controller.enqueue(a);
  await clock.advance(3_600_000);
  expect(passes).toHaveLength(passesInAnHour);
});

test('retries a pass that failed, later each time, and at once again after a success', async () => {
  let isBroken = true;
  const { clock, controller, passes } = await start(async () => {
    if (isBroken) throw new Error('transient');
    return settled;
  });
  controller.enqueue(a);
  await clock.advance(1_000 + 2_000 + 4_000 + 8_000 + 8_000);
  expect(passes).toHaveLength(6);
  isBroken = false;
  await clock.advance(8_000);
  isBroken = true;
  controller.enqueue(a);
  await clock.advance(1_000);
  expect(passes).toHaveLength(9);
});

test('retries a pass that throws before it returns a promise', async () => {
  const { clock, controller, passes } = await start(() => {
    throw new Error('at once');
  });
  controller.enqueue(a);
  await clock.advance(1_000);
  expect(passes).toHaveLength(2);
});

test('waits before a retry as long as the server asked', async () => {
  const { clock, controller, passes } = await start(async () => {
    throw new KubeError('tooManyRequests', 'slow down', { retryAfterMs: 30_000 });
  });
  controller.enqueue(a);
  await clock.advance(30_999);
  expect(passes).toHaveLength(1);
  await clock.advance(1);
  expect(passes).toHaveLength(2);
});

test('does not retry after a terminal error, until the object changes', async () => {
  const { clock, controller, passes } = await start(async () => {
    throw new TerminalError('NameConflict', 'taken');
  });
  controller.enqueue(a);
  await clock.advance(3_600_000);
  expect(passes).toHaveLength(1);
  controller.enqueue(a);
  await quiet();
  expect(passes).toHaveLength(2);
});

test('works on as many keys at once as it has workers, and on none twice at once', async () => {
  const ends = new Map<string, () => void>();
  const { controller, passes } = await start(
    (key) => new Promise((resolve) => ends.set(key.name, () => resolve(settled))),
  );
  for (const name of ['a', 'a', 'b', 'c']) controller.enqueue({ namespace: 'shop', name });
  await quiet();
  controller.enqueue(a);
  await quiet();
  expect(passes).toEqual(['a', 'b']);
  expect(controller.depth).toBe(1);
  ends.get('a')?.();
  await quiet();
  expect(passes).toEqual(['a', 'b', 'c']);
  ends.get('b')?.();
  await quiet();
  expect(passes).toEqual(['a', 'b', 'c', 'a']);
});

test('aborts a pass at its deadline and retries it', async () => {
  const { clock, controller, passes } = await start(untilAborted);
  controller.enqueue(a);
  await clock.advance(59_999);
  expect(controller.oldestPassMs()).toBe(59_999);
  await clock.advance(1);
  expect(controller.oldestPassMs()).toBe(0);
  await clock.advance(1_000);
  expect(passes).toEqual(['a', 'a']);
});

test('frees the worker of a pass that ignores its deadline, but starts no second pass over its key', async () => {
  const stuck = Promise.withResolvers<Next>();
  const { clock, controller, passes } = await start(
    (key) => (key.name === 'a' ? stuck.promise : Promise.resolve(settled)),
    {
      workers: 1,
    },
  );
  controller.enqueue(a);
  await clock.advance(61_000);
  controller.enqueue(a);
  controller.enqueue(b);
  await clock.advance(600_000);
  expect(passes).toEqual(['a', 'b']);
  expect(controller.oldestPassMs()).toBeGreaterThan(600_000);
  expect(controller.underWay).toBe(1);
  stuck.resolve(settled);
  await quiet();
  expect(passes).toEqual(['a', 'b', 'a']);
  expect(controller.underWay).toBe(0);
});

const endings: readonly {
  name: string;
  reconcile: ControllerOptions['reconcile'];
  results: readonly string[];
}[] = [
  { name: 'settled', reconcile: async () => settled, results: ['settled after 0'] },
  {
    name: 'waiting for a change',
    reconcile: async () => ({ kind: 'onChange' }),
    results: ['onChange after 0'],
  },
  {
    name: 'to be looked at again',
    reconcile: async () => ({ kind: 'after', delayMs: 900_000 }),
    results: ['after after 0'],
  },
  {
    name: 'failed',
    reconcile: () => Promise.reject(new KubeError('tooManyRequests', 'no', { retryAfterMs: 60_000 })),
    results: ['failed after 0', 'failed after 0', 'failed after 0'],
  },
  {
    name: 'not to be retried',
    reconcile: () => Promise.reject(new TerminalError('NameConflict', 'taken')),
    results: ['terminal after 0'],
  },
  {
    name: 'hung, though its signal ended it',
    reconcile: untilAborted,
    results: ['hung after 60000', 'hung after 60000'],
  },
  {
    name: 'hung, though it ended well a little later',
    reconcile: (_key, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve(settled));
      }),
    results: ['hung after 60000'],
  },
  { name: 'hung, as soon as its worker goes on', reconcile: never, results: ['hung after 61000'] },
];
test.for(endings)('counts a pass once, as $name', async ({ reconcile, results: expected }) => {
  const { clock, controller, results } = await start(reconcile);
  controller.enqueue(a);
  await clock.advance(125_000);
  expect(results).toEqual(expected);
});

test('counts a pass that ended after its worker had left it no second time', async () => {
  const [stuck, log] = [Promise.withResolvers<Next>(), quietLog()];
  const { clock, controller, results } = await start(() => stuck.promise, { log });
  controller.enqueue(a);
  await clock.advance(100_000);
  expect(log.counts.warn).toBe(1);
  stuck.resolve(settled);
  await quiet();
  expect(results).toEqual(['hung after 61000']);
});

test('a pass that the end of the process cut short is no failure', async () => {
  const log = quietLog();
  const { clock, controller, results, stop, done } = await start(
    (key, signal) => (key.name === 'a' ? untilAborted(key, signal) : never()),
    { log },
  );
  for (const key of [a, b]) controller.enqueue(key);
  await quiet();
  stop.abort();
  await clock.advance(6_000);
  await done;
  expect(results).toEqual(['stopped after 5000', 'stopped after 6000']);
  expect(log.counts.warn).toBe(0);
});

test('takes a delay that is no number for a failure, or it would pass for ever', async () => {
  const { clock, controller, passes } = await start(async () => ({ kind: 'after', delayMs: Number.NaN }));
  controller.enqueue(a);
  await clock.advance(60_000);
  expect(passes.length).toBeGreaterThan(1);
  expect(passes.length).toBeLessThan(15);
});

test('a pass replaces what an earlier one asked for', async () => {
  let next: Next = { kind: 'after', delayMs: 60_000 };
  const { clock, controller, passes } = await start(async () => next);
  controller.enqueue(a);
  await quiet();
  next = settled;
  controller.enqueue(a);
  await clock.advance(3_600_000);
  expect(passes).toHaveLength(2);
});

test('tells of waiting and of retries', async () => {
  const [waited, retried]: [number[], string[]] = [[], []];
  const { clock, controller } = await start(
    (key, signal) => (key.name === 'a' ? untilAborted(key, signal) : Promise.resolve(settled)),
    {
      workers: 1,
      metrics: {
        ...noMetrics,
        keyTaken: ({ waitedMs }) => waited.push(waitedMs),
        keyRetried: (controllerName) => retried.push(controllerName),
      },
    },
  );
  for (const key of [a, b]) controller.enqueue(key);
  await clock.advance(60_000);
  expect(waited).toEqual([0, 60_000]);
  expect(retried).toEqual(['test']);
  expect(controller.delayed).toBe(1);
});

test('lets the pass under way finish when it stops, and begins no other', async () => {
  const end = Promise.withResolvers<Next>();
  const { controller, passes, stop, done, clock } = await start(() => end.promise, { workers: 1 });
  controller.enqueue(a);
  controller.enqueue(b);
  await quiet();
  stop.abort();
  controller.enqueue(a);
  await clock.advance(4_000);
  end.resolve({ kind: 'after', delayMs: 1 });
  await expect(done).resolves.toBeUndefined();
  expect(clock.waiting).toBe(0);
  await clock.advance(3_600_000);
  expect(passes).toEqual(['a']);
});

test('aborts a pass that outlives the grace time, and leaves one behind that ignores that', async () => {
  const aborted: string[] = [];
  const { clock, controller, stop, done } = await start((key, signal) => {
    signal.addEventListener('abort', () => aborted.push(key.name));
    return key.name === 'a' ? untilAborted(key, signal) : new Promise(() => undefined);
  });
  controller.enqueue(a);
  controller.enqueue(b);
  await quiet();
  stop.abort();
  await clock.advance(4_999);
  expect(aborted).toEqual([]);
  await clock.advance(1_001);
  expect(aborted).toEqual(['a', 'b']);
  await expect(done).resolves.toBeUndefined();
});

test('begins no pass over a key that was on its way to a worker when the stop came', async () => {
  const { controller, passes, stop, done } = await start(async () => settled);
  controller.enqueue(a);
  stop.abort();
  await done;
  expect(passes).toEqual([]);
});

test('does not work on caches that will never be filled', async () => {
  const clock = new FakeClock();
  const controller = new Controller({
    name: 'test',
    reflectors: [{ whenSynced: () => Promise.reject(new Error('broken')) }],
    reconcile: never,
    clock,
    random: () => 1,
    log: quietLog(),
  });
  await expect(controller.run(new AbortController().signal)).rejects.toThrow('broken');
});

test('ends without a pass when it is stopped before it has synced', async () => {
  const { controller, passes, stop, done } = await start(async () => settled, {
    reflectors: [
      {
        whenSynced: (signal) =>
          new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      },
    ],
  });
  controller.enqueue(a);
  stop.abort();
  await expect(done).resolves.toBeUndefined();
  expect(passes).toEqual([]);
});
