import { afterEach, expect, test } from 'vitest';
import { kubeClient, type HttpKubeClient } from '../../src/kube/http.ts';
import { isKubeError } from '../../src/kube/errors.ts';
import { configMaps } from '../contract/kube-client.ts';
import { serveFakeKube, type LocalServer } from './fake-kube-server.ts';
import { WireFaults, type WireFaultKind, type WireFaultOptions } from './fake-kube-wire.ts';
import { FakeKube } from './fake-kube.ts';

const key = { namespace: 'shop', name: 'one' };
const object = { metadata: { name: 'one' }, data: { key: 'value' } };
const limits = { callMs: 2_000, readMs: 200, watchIdleMs: 200, attempts: 4, baseMs: 1, maxWaitMs: 1_500 };

let server: LocalServer | undefined;
let client: HttpKubeClient | undefined;

afterEach(async () => {
  await client?.close();
  await server?.close();
});

interface World {
  readonly fake: FakeKube;
  readonly kube: HttpKubeClient;
  readonly faults: WireFaults;
}

async function aWorld(options: WireFaultOptions): Promise<World> {
  const fake = new FakeKube();
  const faults = new WireFaults(options);
  server = await serveFakeKube(fake, [configMaps], { faults });
  client = kubeClient({ kubeConfig: server.kubeConfig, userAgent: 'wire', limits });
  return { fake, kube: client, faults };
}

const befores: readonly WireFaultKind[] = [
  'resetBefore',
  'silentBefore',
  'tooMany',
  'tooManyWait',
  'error500',
  'error502',
  'error503',
  'error504',
  'html200',
  'html502',
];

test.each(befores)('a read that meets %s is tried again', async (kind) => {
  const { fake, kube, faults } = await aWorld({ plan: [{ verb: 'get', nth: 1, kind }] });
  fake.put(configMaps, key.namespace, object);
  expect(await kube.get(configMaps, key)).toMatchObject({ data: { key: 'value' } });
  expect(faults.log).toEqual([{ verb: 'get', type: 'configmaps', name: 'one', nth: 1, kind }]);
});

test.each([
  { kind: 'resetAfter', isDone: true },
  { kind: 'silentAfter', isDone: true },
  { kind: 'lost504', isDone: true },
  { kind: 'halfAnswer', isDone: true },
  { kind: 'resetBefore', isDone: false },
  { kind: 'silentBefore', isDone: false },
  { kind: 'error500', isDone: false },
  { kind: 'error504', isDone: false },
] as const)('a write that meets $kind rejects, and is done: $isDone', async ({ kind, isDone }) => {
  const { fake, kube } = await aWorld({ plan: [{ verb: 'create', nth: 1, kind }] });
  await expect(kube.create(configMaps, key.namespace, object)).rejects.toSatisfy((error) =>
    isKubeError(error, 'unavailable', 'unreadable'),
  );
  expect(fake.peek(configMaps, key) !== undefined).toBe(isDone);
});

test.each([
  { kind: 'endsAtOnce', names: [], end: 'ended' },
  { kind: 'silentWatch', names: [], end: 'unavailable' },
  { kind: 'halfLine', names: [], end: 'unavailable' },
  { kind: 'cutAfterEvent', names: ['one'], end: 'unavailable' },
  { kind: 'duplicated', names: ['one', 'one', 'two', 'two'], end: 'unavailable' },
  { kind: 'delayed', names: ['one', 'two'], end: 'unavailable' },
  { kind: 'huge', names: ['one', 'two'], end: 'unavailable' },
  { kind: 'expired', names: [], end: 'expired' },
] as const)('a watch that meets $kind', async ({ kind, names, end }) => {
  const { fake, kube } = await aWorld({ plan: [{ verb: 'watch', nth: 1, kind }] });
  const { resourceVersion } = await kube.list(configMaps);
  for (const name of ['one', 'two']) fake.put(configMaps, key.namespace, { metadata: { name } });
  const seen: string[] = [];
  let ended: string = 'ended';
  try {
    // What ends well ends by the client's patience with a silent server.
    for await (const event of kube.watch(configMaps, {
      resourceVersion,
      signal: AbortSignal.timeout(20_000),
    }))
      if (event.type === 'added') seen.push(event.object.metadata.name);
  } catch (error) {
    if (isKubeError(error)) ended = error.kind;
  }
  expect({ seen, ended }).toEqual({ seen: names, ended: end });
});

test('the same seed strikes the same requests, in whatever order they come', () => {
  const requests = Array.from(
    { length: 50 },
    (_, i) => ({ verb: 'get', type: 'jobs.batch', name: `${i}` }) as const,
  );
  const struck = (seed: number, order: typeof requests): ReadonlyMap<string, string> => {
    const faults = new WireFaults({ seed, share: 0.3 });
    for (const request of order) faults.strike(request);
    return new Map(faults.log.map(({ name, kind }): [string, string] => [name, kind]));
  };
  const first = struck(1, requests);
  expect(struck(1, requests.toReversed())).toEqual(first);
  expect(struck(2, requests)).not.toEqual(first);
  expect(first.size).toBeGreaterThan(5);
  expect(first.size).toBeLessThan(30);
});

test('nothing strikes after the end, beyond the most, or of another kind', () => {
  const faults = new WireFaults({ seed: 1, share: 1, most: 2, kinds: ['error500'] });
  for (const name of ['a', 'b', 'c']) faults.strike({ verb: 'get', type: 'jobs.batch', name });
  expect(faults.log.map(({ name, kind }) => `${name} ${kind}`)).toEqual(['a error500', 'b error500']);
  const over = new WireFaults({ seed: 1, share: 1 });
  over.end();
  expect(over.strike({ verb: 'get', type: 'jobs.batch', name: 'a' })).toBeUndefined();
});

test('all pages of a list show one moment, and a moment that is forgotten makes it start over', async () => {
  const { fake, kube } = await aWorld({ plan: [] });
  for (let i = 0; i < 600; i += 1) fake.put(configMaps, 'shop', { metadata: { name: `${1000 + i}` } });
  const names = async (): Promise<readonly string[]> =>
    (await kube.list(configMaps)).items.map(({ metadata }) => metadata.name);
  let disturb: () => void = () => fake.put(configMaps, 'shop', { metadata: { name: '0000' } });
  const pages = fake.list.bind(fake);
  fake.list = async (...args) => {
    const page = await pages(...args);
    disturb();
    disturb = () => undefined;
    return page;
  };
  expect(await names()).toHaveLength(600);
  disturb = () => {
    fake.put(configMaps, 'shop', { metadata: { name: '0001' } });
    fake.expireHistory();
  };
  expect(await names()).toHaveLength(602);
});
