// What a reflector makes of servers that fail for good, say things late or twice, or fall silent.
import { afterEach, expect, test } from 'vitest';
import { configMaps } from '../../test/contract/kube-client.ts';
import { FakeClock, quiet } from '../../test/support/fake-clock.ts';
import { FakeKube } from '../../test/support/fake-kube.ts';
import { quietLog } from '../../test/support/quiet-log.ts';
import type { WatchEvent } from '../kube/client.ts';
import { KubeError } from '../kube/errors.ts';
import type { KubeObject } from '../kube/resource.ts';
import { noMetrics, type RuntimeMetrics } from './metrics.ts';
import { Reflector, type ReflectorOptions } from './reflector.ts';

const namespace = 'shop';
const key = { namespace, name: 'one' };

const stops: AbortController[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

/** Each of these goes on for ever; none of them may cost more than about a request per second. */
const faults: readonly {
  readonly name: string;
  readonly list?: KubeError;
  /** What each watch brings, and how it ends; absent: it works. */
  readonly watch?: { readonly events: number; readonly error?: KubeError };
}[] = [
  { name: 'lists find nobody', list: new KubeError('unavailable', 'connection refused') },
  {
    name: 'lists are answered by a page of a proxy',
    list: new KubeError('unavailable', 'answer 502, not from an API server'),
  },
  { name: 'lists are no lists', list: new KubeError('unreadable', 'the answer is no list') },
  { name: 'lists are forbidden', list: new KubeError('forbidden', 'no') },
  { name: 'lists expire between two pages', list: new KubeError('expired', 'the continue token is too old') },
  {
    name: 'lists are too many, and none is wanted for a second',
    list: new KubeError('tooManyRequests', 'no', { retryAfterMs: 1_000 }),
  },
  {
    name: 'watches find nobody',
    watch: { events: 0, error: new KubeError('unavailable', 'connection refused') },
  },
  { name: 'watches expire at once', watch: { events: 0, error: new KubeError('expired', 'too old') } },
  { name: 'watches are forbidden', watch: { events: 0, error: new KubeError('forbidden', 'no') } },
  { name: 'watches are closed at once', watch: { events: 0 } },
  { name: 'watches bring something and are closed', watch: { events: 1 } },
  {
    name: 'watches bring something and are cut',
    watch: { events: 1, error: new KubeError('unavailable', 'reset') },
  },
  {
    name: 'watches bring something and expire',
    watch: { events: 1, error: new KubeError('expired', 'too old') },
  },
  {
    name: 'watches bring something and then a line that is no event',
    watch: { events: 1, error: new KubeError('unreadable', 'no JSON') },
  },
  {
    name: 'watches are too many, and none is wanted for a second',
    watch: { events: 0, error: new KubeError('tooManyRequests', 'no', { retryAfterMs: 1_000 }) },
  },
];

interface Faulty {
  readonly clock: FakeClock;
  readonly fake: FakeKube;
  readonly reflector: Reflector<KubeObject>;
  /** Of each list and watch. Milliseconds. */
  readonly askedMs: number[];
  readonly heal: () => void;
}

/** A server with one fault. Its randomness is a plain sequence: what counts are sums. */
function startFaulty({ list, watch }: (typeof faults)[number]): Faulty {
  const [fake, clock, stop] = [new FakeKube({}), new FakeClock(), new AbortController()];
  let isBroken = true;
  let draws = 0;
  const askedMs: number[] = [];
  const reflector = new Reflector<KubeObject>({
    client: {
      list: (resource, options) => {
        askedMs.push(clock.monotonicMs());
        return isBroken && list !== undefined ? Promise.reject(list) : fake.list(resource, options);
      },
      watch: (resource, options) => {
        askedMs.push(clock.monotonicMs());
        return isBroken && watch !== undefined ? brokenWatch(watch) : fake.watch(resource, options);
      },
    },
    resource: configMaps,
    namespace,
    clock,
    random: () => ((draws += 1) * 0.618_034) % 1,
    log: quietLog(),
  });
  stops.push(stop);
  void reflector.run(stop.signal);
  return { clock, fake, reflector, askedMs, heal: () => (isBroken = false) };
}

async function* brokenWatch({
  events,
  error,
}: {
  readonly events: number;
  readonly error?: KubeError;
}): AsyncGenerator<WatchEvent<never>, void> {
  for (let sent = 0; sent < events; sent += 1) yield { type: 'bookmark', resourceVersion: '1' };
  await Promise.resolve();
  if (error !== undefined) throw error;
}

test.for(faults)('asks at most about once per second when $name', async (fault) => {
  const { clock, askedMs } = startFaulty(fault);
  await clock.advance(600_000);
  for (let minute = 0; minute < 10; minute += 1) {
    const asked = askedMs.filter((atMs) => Math.floor(atMs / 60_000) === minute).length;
    expect(asked).toBeGreaterThan(1);
    expect(asked).toBeLessThanOrEqual(65);
  }
});

test.for(faults)('notices within a minute what has changed when $name no more', async (fault) => {
  const { clock, fake, reflector, heal } = startFaulty(fault);
  await clock.advance(600_000);
  fake.put(configMaps, namespace, { metadata: { name: 'one' } });
  heal();
  await clock.advance(60_000);
  expect(reflector.list()).toHaveLength(1);
});

test.for(faults.filter(({ watch }) => watch?.events === 0))(
  'notices within a minute what has changed while $name, because lists work',
  async (fault) => {
    const { clock, fake, reflector } = startFaulty(fault);
    await clock.advance(600_000);
    fake.put(configMaps, namespace, { metadata: { name: 'one' } });
    await clock.advance(60_000);
    expect(reflector.list()).toHaveLength(1);
  },
);

/** What the watch of {@link startWith} brings next: an event, or its end. */
type Item = WatchEvent<KubeObject> | { readonly type: 'end'; readonly error?: Error };

interface Scripted {
  readonly clock: FakeClock;
  readonly reflector: Reflector<KubeObject>;
  /** From where each watch began; `list` for a list. */
  readonly asked: string[];
  /** Lets the watch that is open bring something. */
  readonly bring: (item: Item) => Promise<void>;
}

/** A reflector on a server that says what the test says. A list shows the objects, at revision 100. */
async function startWith(
  objects: readonly KubeObject[],
  options: Partial<ReflectorOptions<KubeObject>> = {},
): Promise<Scripted> {
  const [clock, stop] = [new FakeClock(), new AbortController()];
  const asked: string[] = [];
  let next = Promise.withResolvers<Item>();
  async function* watch(): AsyncGenerator<WatchEvent<KubeObject>, void> {
    for (let item = await next.promise; ; item = await next.promise) {
      next = Promise.withResolvers();
      if (item.type !== 'end') yield item;
      else if (item.error !== undefined) throw item.error;
      else return;
    }
  }
  const reflector = new Reflector<KubeObject>({
    client: {
      list: async () => {
        asked.push('list');
        return { items: objects as never[], resourceVersion: '100' };
      },
      watch: (_resource, { resourceVersion }) => {
        asked.push(resourceVersion);
        return watch() as AsyncIterable<WatchEvent<never>>;
      },
    },
    resource: configMaps,
    clock,
    random: () => 0,
    log: quietLog(),
    ...options,
  });
  stops.push(stop);
  void reflector.run(stop.signal);
  await quiet();
  return {
    clock,
    reflector,
    asked,
    bring: async (item) => {
      next.resolve(item);
      await quiet();
    },
  };
}

function anObject(resourceVersion: string, metadata: Partial<KubeObject['metadata']> = {}): KubeObject {
  const creationTimestamp = '2026-01-01T00:00:00Z';
  const common = { name: 'one', namespace, uid: 'u1', creationTimestamp };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...common, resourceVersion, ...metadata } };
}

function brought(type: 'added' | 'modified' | 'deleted', object: KubeObject): Item {
  return { type, object, resourceVersion: object.metadata.resourceVersion };
}

const late: readonly { readonly name: string; readonly item: Item }[] = [
  { name: 'an older version', item: brought('modified', anObject('90')) },
  { name: 'an older version with fewer digits', item: brought('modified', anObject('9')) },
  {
    name: 'the end of an object that had its name before',
    item: brought('deleted', anObject('94', { uid: 'u0' })),
  },
  { name: 'an old version that cannot be read', item: { type: 'unreadable', key, resourceVersion: '90' } },
];
test.for(late)('keeps what it has when a watch brings, late, $name', async ({ item }) => {
  const { clock, reflector, asked, bring } = await startWith([anObject('95')]);
  await bring(item);
  expect(reflector.get(key)?.metadata).toMatchObject({ uid: 'u1', resourceVersion: '95' });
  await bring(brought('modified', anObject('101')));
  expect(reflector.get(key)?.metadata.resourceVersion).toBe('101');
  await bring(brought('modified', anObject('99')));
  await bring({ type: 'end' });
  await clock.advance(1_000);
  expect(asked).toEqual(['list', '100', '101']);
});

test('believes a list that goes back, as after the restore of a server', async () => {
  const objects = [anObject('95')];
  const { clock, reflector, bring } = await startWith(objects);
  await bring(brought('modified', anObject('120')));
  objects[0] = anObject('96');
  await bring({ type: 'end', error: new KubeError('expired', 'too large resource version') });
  await clock.advance(1_000);
  expect(reflector.get(key)?.metadata.resourceVersion).toBe('96');
});

test('compares only revisions: versions that are no numbers are all new', async () => {
  const { reflector, bring } = await startWith([anObject('zz')]);
  await bring(brought('modified', anObject('aa')));
  expect(reflector.get(key)?.metadata.resourceVersion).toBe('aa');
});

const silences: readonly {
  readonly name: string;
  readonly isBookmarked: boolean;
  readonly asked: string[];
}[] = [
  {
    name: 'lists after a watch that was silent until the client gave up',
    isBookmarked: false,
    asked: ['list', '100', 'list', '100'],
  },
  { name: 'goes on after a watch that fell silent later', isBookmarked: true, asked: ['list', '100', '105'] },
];
test.for(silences)('$name', async ({ isBookmarked, asked: expected }) => {
  const { clock, asked, bring } = await startWith([]);
  if (isBookmarked) await bring({ type: 'bookmark', resourceVersion: '105' });
  await clock.advance(100_000);
  await bring({ type: 'end', error: new KubeError('unavailable', 'nothing came for 100 s') });
  await clock.advance(1_000);
  expect(asked).toEqual(expected);
});

test('keeps no copy of what kubectl applied, in a list or a watch, and every other annotation', async () => {
  const applied = { 'kubectl.kubernetes.io/last-applied-configuration': '{}', mine: 'yes' };
  const { reflector, bring } = await startWith([anObject('95', { annotations: applied })]);
  expect(reflector.get(key)?.metadata.annotations).toEqual({ mine: 'yes' });
  await bring(brought('modified', anObject('101', { annotations: applied })));
  expect(reflector.get(key)?.metadata.resourceVersion).toBe('101');
  expect(reflector.get(key)?.metadata.annotations).toEqual({ mine: 'yes' });
});

test('tells of lists, events and ends of watches', async () => {
  const told: string[] = [];
  const metrics: RuntimeMetrics = {
    ...noMetrics,
    listEnded: ({ resource, isGood, items }) => told.push(`list ${resource} ${isGood} ${items}`),
    watchEvent: ({ type }) => told.push(type),
    watchEnded: ({ how, durationMs }) => told.push(`${how} after ${durationMs}`),
    handlerThrew: (resource) => told.push(`threw ${resource}`),
  };
  const { clock, reflector, bring } = await startWith([anObject('95')], { metrics });
  reflector.onChange(() => {
    throw new Error('handler');
  });
  await clock.advance(60_000);
  await bring(brought('modified', anObject('101')));
  await bring({ type: 'end' });
  await bring({ type: 'end' });
  await clock.advance(1_000);
  await bring({ type: 'end', error: new KubeError('expired', 'too old') });
  await clock.advance(1_000);
  await bring({ type: 'bookmark', resourceVersion: '105' });
  await bring({ type: 'end', error: new KubeError('unavailable', 'cut') });
  expect(told).toEqual([
    'list configmaps true 1',
    'modified',
    'threw configmaps',
    'closed after 60000',
    'failed after 0',
    'expired after 900',
    'list configmaps true 1',
    'threw configmaps',
    'bookmark',
    'cut after 900',
  ]);
});

test('tells of a list that was given up', async () => {
  const told: unknown[] = [];
  const metrics = { ...noMetrics, listEnded: (list: object) => told.push(list) };
  const list = (): Promise<never> => Promise.reject(new KubeError('forbidden', 'no'));
  const { reflector } = await startWith([], { metrics, client: { list, watch: () => neverWatched() } });
  expect(told[0]).toEqual({ resource: 'configmaps', isGood: false, items: 0, durationMs: 0 });
  expect([reflector.size, reflector.resource]).toEqual([0, 'configmaps']);
});

function neverWatched(): never {
  throw new Error('it was never listed');
}
