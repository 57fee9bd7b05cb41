import * as fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { configMaps } from '../../test/contract/kube-client.ts';
import { FakeClock, quiet } from '../../test/support/fake-clock.ts';
import { FakeKube } from '../../test/support/fake-kube.ts';
import { quietLog } from '../../test/support/quiet-log.ts';
import { KubeError } from '../kube/errors.ts';
import { kubeObjectSchema, type KubeObject } from '../kube/resource.ts';
import { Reflector } from './reflector.ts';

const namespace = 'shop';
const key = { namespace, name: 'one' };

/** Reads also what our schema of ConfigMaps refuses. */
const anyConfigMaps = { ...configMaps, schema: kubeObjectSchema };

const stops: AbortController[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

interface Running {
  readonly fake: FakeKube;
  readonly clock: FakeClock;
  readonly reflector: Reflector<KubeObject>;
  readonly log: ReturnType<typeof quietLog>;
  /** `+name`, `~name`, `-name` per change, in order. */
  readonly changes: string[];
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

async function start(prepare: (fake: FakeKube) => void = () => undefined): Promise<Running> {
  const [fake, clock, log, stop] = [new FakeKube(), new FakeClock(), quietLog(), new AbortController()];
  prepare(fake);
  const indexes = { color: ({ metadata }: KubeObject) => [metadata.labels?.['color'] ?? 'none'] };
  const reflector = new Reflector<KubeObject>({
    client: fake,
    resource: configMaps,
    namespace,
    indexes,
    clock,
    random: () => 0.999,
    log,
  });
  const changes: string[] = [];
  reflector.onChange((before, after) => {
    const sign = before === undefined ? '+' : after === undefined ? '-' : '~';
    changes.push(`${sign}${(after ?? before)?.metadata.name}`);
  });
  stops.push(stop);
  const done = reflector.run(stop.signal);
  await quiet();
  return { fake, clock, reflector, log, changes, stop, done };
}

function aConfigMap(name: string, color = 'red'): object {
  return { metadata: { name, labels: { color } } };
}

/** Waits, turn by turn, for a call that is asked and not yet answered. */
async function untilAsked(fake: FakeKube, verb: string, times: number): Promise<void> {
  while (count(fake, verb) < times) await Promise.resolve();
}

function count(fake: FakeKube, verb: string): number {
  return fake.requests.filter((request) => request.verb === verb).length;
}

test('holds what is there when it starts, and is synced from then on', async () => {
  const { reflector, changes } = await start((fake) => fake.put(configMaps, namespace, aConfigMap('one')));
  expect(reflector.hasSynced()).toBe(true);
  expect(reflector.get(key)?.metadata.name).toBe('one');
  expect(changes).toEqual(['+one']);
});

test('follows what happens later, and tells handlers old and new', async () => {
  const { fake, reflector, changes } = await start();
  fake.put(configMaps, namespace, aConfigMap('one'));
  fake.edit(configMaps, key, (draft) => {
    draft.metadata.labels = { color: 'blue' };
  });
  await quiet();
  expect(reflector.get(key)?.metadata.labels).toEqual({ color: 'blue' });
  fake.remove(configMaps, key);
  await quiet();
  expect(reflector.list()).toEqual([]);
  expect(changes).toEqual(['+one', '~one', '-one']);
});

test('finds objects by index, under their present value only', async () => {
  const { fake, reflector } = await start();
  for (const name of ['one', 'two']) fake.put(configMaps, namespace, aConfigMap(name));
  fake.edit(configMaps, key, (draft) => {
    draft.metadata.labels = { color: 'blue' };
  });
  await quiet();
  expect(reflector.byIndex('color', 'red').map((object) => object.metadata.name)).toEqual(['two']);
  expect(reflector.byIndex('color', 'blue').map((object) => object.metadata.name)).toEqual(['one']);
  expect(() => reflector.byIndex('size', 'big')).toThrow('no index');
});

test('reopens a watch that was closed in good order where it ended, without a list', async () => {
  const { fake, clock, changes } = await start();
  fake.put(configMaps, namespace, aConfigMap('one'));
  await clock.advance(400_000);
  fake.closeWatches();
  fake.put(configMaps, namespace, aConfigMap('two'));
  await quiet();
  expect(changes).toEqual(['+one', '+two']);
  expect(count(fake, 'list')).toBe(1);
});

const cuts: readonly { name: string; afterMs: number }[] = [
  { name: 'at once', afterMs: 0 },
  { name: 'after a minute', afterMs: 60_000 },
];
test.for(cuts)(
  'resumes a watch that was cut $name without losing or repeating a change',
  async ({ afterMs }) => {
    const { fake, clock, changes } = await start();
    fake.put(configMaps, namespace, aConfigMap('one'));
    await clock.advance(afterMs);
    fake.breakWatches();
    await quiet();
    expect(fake.openWatches).toBe(0);
    fake.put(configMaps, namespace, aConfigMap('two'));
    await clock.advance(1_000);
    expect(changes).toEqual(['+one', '+two']);
    expect(count(fake, 'list')).toBe(1);
  },
);

const positions: readonly { name: string; isBookmarked: boolean; lists: number }[] = [
  { name: 'goes on from a bookmark where the last event is long forgotten', isBookmarked: true, lists: 1 },
  { name: 'lists anew where even the last event is forgotten', isBookmarked: false, lists: 2 },
];
test.for(positions)('$name', async ({ isBookmarked, lists }) => {
  const { fake, clock } = await start();
  fake.expireHistory();
  if (isBookmarked) fake.bookmark();
  fake.breakWatches();
  await clock.advance(5_000);
  expect(count(fake, 'list')).toBe(lists);
  expect(fake.openWatches).toBe(1);
});

const ends: readonly { name: string; error: Error }[] = [
  { name: 'expired', error: new KubeError('expired', 'too old') },
  { name: 'forbidden', error: new KubeError('forbidden', 'no longer') },
  { name: 'unreadable', error: new KubeError('unreadable', 'no JSON') },
  { name: 'a fault of our own', error: new TypeError('oops') },
];
test.for(ends)('lists anew when a watch ends with $name, and reports what is gone', async ({ error }) => {
  const { fake, clock, changes } = await start((world) =>
    world.put(configMaps, namespace, aConfigMap('one')),
  );
  fake.breakWatches(error);
  await quiet();
  fake.remove(configMaps, key);
  fake.put(configMaps, namespace, aConfigMap('two'));
  await clock.advance(1_000);
  expect(changes).toEqual(['+one', '-one', '+two']);
  expect(count(fake, 'list')).toBe(2);
});

test('tells of an object that was made anew during the gap as gone and new', async () => {
  const { fake, clock, changes } = await start((world) =>
    world.put(configMaps, namespace, aConfigMap('one')),
  );
  fake.breakWatches(new KubeError('expired', 'too old'));
  await quiet();
  fake.remove(configMaps, key);
  fake.put(configMaps, namespace, aConfigMap('one'));
  await clock.advance(1_000);
  expect(changes).toEqual(['+one', '-one', '+one']);
});

test('tells nothing of objects that a new list shows unchanged', async () => {
  const { fake, clock, changes } = await start((world) =>
    world.put(configMaps, namespace, aConfigMap('one')),
  );
  fake.breakWatches(new KubeError('expired', 'too old'));
  await clock.advance(1_000);
  expect(count(fake, 'list')).toBe(2);
  expect(changes).toEqual(['+one']);
});

test('finds what a watch lost within three quarters of an hour', async () => {
  const { fake, clock, changes } = await start();
  fake.loseEvents(1);
  fake.put(configMaps, namespace, aConfigMap('one'));
  for (let minutes = 0; minutes < 45; minutes += 5) {
    await clock.advance(300_000);
    fake.closeWatches();
    await quiet();
  }
  expect(changes).toEqual(['+one']);
});

test('is not synced while lists fail, and catches up at most 30 s after the server', async () => {
  const { fake, clock, reflector } = await start((world) => {
    world.put(configMaps, namespace, aConfigMap('one'));
    world.fail({ verbs: ['list'], times: 20, error: new KubeError('unavailable', 'down') });
  });
  await clock.advance(120_000);
  expect(reflector.hasSynced()).toBe(false);
  fake.clearFaults();
  await clock.advance(30_000);
  expect(reflector.hasSynced()).toBe(true);
});

const storms: readonly { name: string; prepare: (fake: FakeKube) => void }[] = [
  {
    name: 'every list fails',
    prepare: (fake) =>
      fake.fail({ verbs: ['list'], times: Infinity, error: new KubeError('unavailable', 'down') }),
  },
  {
    name: 'every watch is expired',
    prepare: (fake) =>
      fake.fail({ verbs: ['watch'], times: Infinity, error: new KubeError('expired', 'too old') }),
  },
  {
    name: 'every watch is refused',
    prepare: (fake) =>
      fake.fail({ verbs: ['watch'], times: Infinity, error: new KubeError('forbidden', 'no') }),
  },
];
test.for(storms)('asks less and less often when $name', async ({ prepare }) => {
  const { fake, clock } = await start(prepare);
  await clock.advance(60_000);
  const early = fake.requests.length;
  expect(early).toBeLessThanOrEqual(20);
  await clock.advance(540_000);
  expect(fake.requests.length - early).toBeLessThanOrEqual(2 * (540 / 29));
});

test('does not reopen in a hot loop a watch that is closed as soon as it is open', async () => {
  const { fake, clock } = await start();
  for (let seconds = 0; seconds < 60; seconds += 1) {
    fake.closeWatches();
    await clock.advance(1_000);
  }
  expect(count(fake, 'watch')).toBeLessThanOrEqual(12);
});

test('waits as long as the server asks', async () => {
  const refusal = new KubeError('tooManyRequests', 'slow down', { status: 429, retryAfterMs: 20_000 });
  const { fake, clock } = await start((world) => world.fail({ verbs: ['list'], error: refusal }));
  await clock.advance(19_999);
  expect(count(fake, 'list')).toBe(1);
  await clock.advance(1_000);
  expect(count(fake, 'list')).toBe(2);
});

test('goes on when a handler throws, and the other handlers hear of the change', async () => {
  const fake = new FakeKube();
  const log = quietLog();
  const reflector = new Reflector({
    client: fake,
    resource: configMaps,
    clock: new FakeClock(),
    random: () => 0,
    log,
  });
  const heard: string[] = [];
  reflector.onChange(() => {
    throw new Error('handler');
  });
  reflector.onChange((_before, after) => heard.push(after?.metadata.name ?? ''));
  const stop = new AbortController();
  stops.push(stop);
  fake.put(configMaps, namespace, aConfigMap('one'));
  void reflector.run(stop.signal);
  await quiet();
  fake.put(configMaps, namespace, aConfigMap('two'));
  await quiet();
  expect(heard).toEqual(['one', 'two']);
  expect(log.counts.error).toBe(2);
});

test('drops an object that became unreadable, and takes it back when it can be read', async () => {
  const { fake, changes } = await start((world) =>
    world.put(configMaps, namespace, { ...aConfigMap('one'), data: {} }),
  );
  fake.edit(anyConfigMaps, key, (draft) => {
    draft['data'] = 'no map';
  });
  await quiet();
  fake.edit(anyConfigMaps, key, (draft) => {
    draft['data'] = {};
  });
  await quiet();
  expect(changes).toEqual(['+one', '-one', '+one']);
});

test('delivers nothing after its stop, ends, and never comes back', async () => {
  const { fake, clock, reflector, changes, stop, done } = await start();
  fake.put(configMaps, namespace, aConfigMap('one'));
  stop.abort();
  await expect(done).resolves.toBeUndefined();
  fake.put(configMaps, namespace, aConfigMap('two'));
  await clock.advance(3_600_000);
  expect(changes).toEqual([]);
  expect(fake.openWatches).toBe(0);
  await expect(reflector.run(new AbortController().signal)).rejects.toThrow('already run');
});

test('ends when it is stopped during a list, and neither delivers it nor opens a watch', async () => {
  const fake = new FakeKube();
  fake.put(configMaps, namespace, aConfigMap('one'));
  const stop = new AbortController();
  const options = {
    client: fake,
    resource: configMaps,
    clock: new FakeClock(),
    random: () => 0,
    log: quietLog(),
  };
  const reflector = new Reflector(options);
  const done = reflector.run(stop.signal);
  // The list was asked for in the same turn and is not answered yet.
  expect(count(fake, 'list')).toBe(1);
  stop.abort();
  await done;
  await quiet();
  expect(count(fake, 'watch')).toBe(0);
  expect(reflector.hasSynced()).toBe(false);
});

test('says nothing of a failure that it was stopped for', async () => {
  const { fake, clock, stop, done, log } = await start();
  await clock.advance(400_000);
  fake.fail({ verbs: ['watch'], error: new KubeError('unavailable', 'the socket was closed') });
  fake.closeWatches();
  await untilAsked(fake, 'watch', 2);
  stop.abort();
  await done;
  expect(log.counts.warn).toBe(0);
});

test('delivers no more of a list once a handler has stopped it', async () => {
  const fake = new FakeKube();
  for (const name of ['one', 'two']) fake.put(configMaps, namespace, aConfigMap(name));
  const stop = new AbortController();
  const options = {
    client: fake,
    resource: configMaps,
    clock: new FakeClock(),
    random: () => 0,
    log: quietLog(),
  };
  const reflector = new Reflector(options);
  const heard: string[] = [];
  reflector.onChange((_before, after) => {
    heard.push(after?.metadata.name ?? '');
    stop.abort();
  });
  await reflector.run(stop.signal);
  expect(heard).toEqual(['one']);
});

test('ends when it is stopped during a pause', async () => {
  const { clock, stop, done } = await start((fake) =>
    fake.fail({ verbs: ['list'], times: Infinity, error: new KubeError('unavailable', 'down') }),
  );
  stop.abort();
  await expect(done).resolves.toBeUndefined();
  expect(clock.waiting).toBe(0);
});

test('whenSynced resolves with the first list and rejects with the signal', async () => {
  const { fake, clock, reflector } = await start((world) =>
    world.fail({ verbs: ['list'], error: new KubeError('unavailable', 'down') }),
  );
  const [patient, impatient] = [new AbortController(), new AbortController()];
  const waiting = reflector.whenSynced(patient.signal);
  const refused = reflector.whenSynced(impatient.signal);
  impatient.abort(new Error('enough'));
  await expect(refused).rejects.toThrow('enough');
  expect(fake.openWatches).toBe(0);
  await clock.advance(1_000);
  await expect(waiting).resolves.toBeUndefined();
});

test('knows for how long the server has been silent', async () => {
  const { fake, clock, reflector } = await start();
  await clock.advance(60_000);
  expect(reflector.silentMs()).toBe(60_000);
  fake.bookmark();
  await quiet();
  expect(reflector.silentMs()).toBe(0);
});

test('holds what the server holds in the end, whatever happened to objects, watches and history', async () => {
  const names = ['a', 'b', 'c'] as const;
  const acts = fc.record({
    act: fc.constantFrom(...allActs),
    name: fc.constantFrom(...names),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(acts, { maxLength: 40, size: 'max' }), async (steps) => {
      const { fake, clock, reflector, changes, stop } = await start();
      for (const { act, name } of steps) await perform(fake, clock, { act, name });
      await clock.advance(120_000);
      const held = reflector.list().toSorted((x, y) => (x.metadata.name < y.metadata.name ? -1 : 1));
      expect(held).toEqual(fake.all(configMaps));
      // Handlers who only count must come to the same world.
      const counted = names.filter((name) => balance(changes, name) === 1);
      expect(counted).toEqual(held.map((object) => object.metadata.name));
      stop.abort();
    }),
    { numRuns: 80 },
  );
});

const allActs = ['put', 'edit', 'remove', 'break', 'close', 'expire', 'fail', 'bookmark', 'advance'] as const;

type Act = (typeof allActs)[number];

interface Step {
  readonly act: Act;
  readonly name: string;
}

function touch(draft: { metadata: { annotations?: Record<string, string>; resourceVersion: string } }): void {
  draft.metadata.annotations = { touched: draft.metadata.resourceVersion };
}

function balance(changes: readonly string[], name: string): number {
  const seen = changes.filter((change) => change.slice(1) === name);
  return (
    seen.filter((change) => change[0] === '+').length - seen.filter((change) => change[0] === '-').length
  );
}

async function perform(fake: FakeKube, clock: FakeClock, { act, name }: Step): Promise<void> {
  const target = { namespace, name };
  const isThere = fake.peek(configMaps, target) !== undefined;
  const acts: Record<Act, () => unknown> = {
    put: () => isThere || fake.put(configMaps, namespace, aConfigMap(name)),
    edit: () => isThere && fake.edit(configMaps, target, touch),
    remove: () => isThere && fake.remove(configMaps, target),
    break: () => fake.breakWatches(),
    close: () => fake.closeWatches(),
    expire: () => fake.expireHistory(),
    fail: () => fake.fail({ error: new KubeError('unavailable', 'down') }),
    bookmark: () => fake.bookmark(),
    advance: () => clock.advance(700),
  };
  await acts[act]();
}

test('tells that it hangs only when its loop does, not when the server is away', async () => {
  const { fake, clock, reflector } = await start();
  await clock.advance(600_000);
  fake.fail({ verbs: ['list'], error: new KubeError('unavailable', 'away'), times: Infinity });
  fake.fail({ verbs: ['watch'], error: new KubeError('unavailable', 'away'), times: Infinity });
  fake.breakWatches();
  await clock.advance(3_600_000);
  expect(reflector.stillMs()).toBeLessThanOrEqual(30_000);
});

test('says why it sees nothing until it sees again', async () => {
  const { fake, clock, reflector } = await start();
  expect(reflector.problem).toBeUndefined();
  fake.fail({ verbs: ['watch'], error: new KubeError('forbidden', 'you may not'), times: 1 });
  fake.fail({ verbs: ['list'], error: new KubeError('forbidden', 'you may not'), times: 5 });
  fake.breakWatches();
  await clock.advance(10_000);
  expect(reflector.problem).toBe('you may not');
  await clock.advance(600_000);
  expect(reflector.problem).toBeUndefined();
});

test('says of a trouble one line when it begins, one when it changes and one when it is over', async () => {
  const { fake, clock, log } = await start((world) =>
    world.fail({ verbs: ['list'], times: Infinity, error: new KubeError('unavailable', 'answer 502') }),
  );
  await clock.advance(600_000);
  expect([log.counts.warn, log.counts.info]).toEqual([1, 0]);
  fake.clearFaults();
  fake.fail({ verbs: ['list'], times: Infinity, error: new KubeError('forbidden', 'not you') });
  await clock.advance(600_000);
  expect([log.counts.warn, log.counts.info]).toEqual([2, 0]);
  fake.clearFaults();
  fake.fail({ verbs: ['watch'], times: Infinity, error: new KubeError('forbidden', 'not you') });
  await clock.advance(600_000);
  expect([log.counts.warn, log.counts.info]).toEqual([3, 1]);
  fake.clearFaults();
  await clock.advance(60_000);
  fake.bookmark();
  await quiet();
  expect([log.counts.warn, log.counts.info]).toEqual([3, 2]);
});
