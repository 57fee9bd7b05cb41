// Which namespaces are watched, and that none waits for another.
import { afterEach, describe, expect, test } from 'vitest';
import { aSpec } from '../../test/support/builders.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { FakeKube } from '../../test/support/fake-kube.ts';
import { quietLog } from '../../test/support/quiet-log.ts';
import type { ListOptions, ListResult } from '../kube/client.ts';
import { KubeError } from '../kube/errors.ts';
import { keyOf, type KubeObject, type Resource } from '../kube/resource.ts';
import { BackupController, type StatusChange } from './controller.ts';
import { noLimits, type Limits } from './places.ts';
import { backups, claims, endpointSlices, jobs, services } from './resources.ts';

/** May be told what the operator may not list: `jobs in lab`. */
class Kube extends FakeKube {
  readonly forbidden = new Set<string>();
  /** What is not answered before this has come to its end. */
  readonly held = new Map<string, Promise<void>>();

  override async list<T extends KubeObject>(
    resource: Resource<T>,
    options: ListOptions = {},
  ): Promise<ListResult<T>> {
    const what = `${resource.plural} in ${options.namespace}`;
    if (this.forbidden.has(what)) throw new KubeError('forbidden', `list ${what}: forbidden`);
    await this.held.get(what);
    return super.list(resource, options);
  }
}

const stops: AbortController[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

class Scene {
  readonly clock = new FakeClock();
  readonly kube = new Kube({ now: () => this.clock.now() });
  readonly written: StatusChange[] = [];
  /** How long an operator works before the story goes on. */
  firstMs = 60_000;

  constructor(namespaces: readonly string[]) {
    for (const namespace of namespaces) this.#furnish(namespace);
  }

  #furnish(namespace: string): void {
    const spec = { type: 'ClusterIP', clusterIP: '10.0.0.1', ports: [{ port: 6362 }] };
    this.kube.put(services, namespace, { metadata: { name: 'orders-neo4j' }, spec });
    const labels = { 'kubernetes.io/service-name': 'orders-neo4j' };
    const endpoints = [{ conditions: { ready: true } }];
    this.kube.put(endpointSlices, namespace, { metadata: { name: 'orders-neo4j-1', labels }, endpoints });
    const many = { accessModes: ['ReadWriteMany'] }; // whose turn it is does not matter here
    this.kube.put(claims, namespace, { metadata: { name: 'backups' }, spec: many });
    this.kube.put(backups, namespace, { metadata: { name: 'orders' }, spec: aSpec() });
  }

  async start(namespaces?: readonly string[], limits?: Limits): Promise<BackupController> {
    const stop = new AbortController();
    stops.push(stop);
    const controller = new BackupController({
      client: this.kube,
      events: { record: () => undefined, flush: async () => undefined },
      clock: this.clock,
      random: () => 0.5,
      log: quietLog(),
      namespaces,
      policy: { agentImage: 'agent:1', allowedHosts: ['db.example.org'], allowedImages: [] },
      limits,
      onStatus: (change) => this.written.push(change),
    });
    void controller.run(stop.signal);
    await this.clock.advance(this.firstMs);
    return controller;
  }

  /** Namespaces that have a Job. */
  served(): readonly string[] {
    return this.kube
      .all(jobs)
      .map((job) => keyOf(job).namespace)
      .toSorted();
  }
}

test('watches the named namespaces, and asks for nothing of any other', async () => {
  const scene = new Scene(['lab', 'shop', 'other']);
  await scene.start(['shop', 'lab']);
  expect(scene.served()).toEqual(['lab', 'shop']);
  expect(new Set(scene.kube.requests.map(({ namespace }) => namespace))).toEqual(new Set(['lab', 'shop']));
});

test.each([undefined, []])('watches all namespaces when it is told %j', async (namespaces) => {
  const scene = new Scene(['lab', 'shop']);
  await scene.start(namespaces);
  expect(scene.served()).toEqual(['lab', 'shop']);
});

test.each(['neo4jbackups', 'jobs', 'pods'])(
  'a namespace whose %s may not be listed holds up no other, starts nothing, and goes on when they may',
  async (plural) => {
    const scene = new Scene(['lab', 'shop']);
    scene.kube.forbidden.add(`${plural} in lab`);
    const controller = await scene.start(['lab', 'shop']);
    expect(scene.served()).toEqual(['shop']);
    expect(controller.caches.map((each) => [each.namespace, each.hasSynced()])).toEqual([
      ['lab', false],
      ['shop', true],
    ]);
    const [lab] = controller.caches;
    expect(lab?.reflectors.flatMap(({ problem = [] }) => problem)).toEqual([
      `list ${plural} in lab: forbidden`,
    ]);
    scene.kube.forbidden.clear();
    await scene.clock.advance(60_000);
    expect(scene.served()).toEqual(['lab', 'shop']);
  },
);

test('hears of what changes in each of them later', async () => {
  const scene = new Scene(['lab', 'shop']);
  await scene.start(['lab', 'shop']);
  for (const namespace of ['lab', 'shop'])
    scene.kube.put(backups, namespace, { metadata: { name: 'second' }, spec: aSpec() });
  await scene.clock.advance(10_000);
  expect(scene.served()).toEqual(['lab', 'lab', 'shop', 'shop']);
});

test('tells of each status that was written, with what was there before', async () => {
  const scene = new Scene(['shop']);
  await scene.start();
  expect(scene.written).toMatchObject([
    { namespace: 'shop', name: 'orders', before: { observedGeneration: -1 }, ended: [] },
  ]);
  expect(scene.written[0]?.after).toEqual(scene.kube.all(backups)[0]?.status);
});

describe('a limit over all namespaces', () => {
  const limits = { ...noLimits, runningBackups: 1 };

  /** An operator that sees one namespace has started a run there, and is gone. */
  async function withRunInLab(): Promise<Scene> {
    const scene = new Scene(['lab', 'shop']);
    await scene.start(['lab']);
    for (const stop of stops.splice(0)) stop.abort();
    await scene.clock.advance(10_000);
    expect(scene.served()).toEqual(['lab']);
    return scene;
  }

  test('counts the Jobs of each, and waits for a list that takes its time', async () => {
    const scene = await withRunInLab();
    const answer = Promise.withResolvers<void>();
    scene.kube.held.set('jobs in lab', answer.promise);
    scene.firstMs = 10_000;
    const controller = await scene.start(['lab', 'shop'], limits);
    expect(scene.served()).toEqual(['lab']);
    answer.resolve();
    await scene.clock.advance(10_000);
    expect(scene.served()).toEqual(['lab']);
    expect(controller.queue.waiting()).toEqual([{ namespace: 'shop', name: 'orders' }]);
  });

  test.each(['may not be read', 'does not answer'])('does not wait for one that %s', async (how) => {
    const scene = await withRunInLab();
    if (how === 'may not be read') {
      scene.kube.forbidden.add('jobs in lab');
      scene.firstMs = 10_000;
    } else scene.kube.held.set('jobs in lab', new Promise(() => undefined));
    await scene.start(['lab', 'shop'], limits);
    expect(scene.served()).toEqual(['lab', 'shop']);
  });

  test('says nothing of one namespace in another', async () => {
    const scene = await withRunInLab();
    const source = { host: 'db.example.org' };
    for (const namespace of ['lab', 'shop'])
      scene.kube.put(backups, namespace, { metadata: { name: 'hosted' }, spec: aSpec({ source }) });
    await scene.start(['lab', 'shop'], { ...noLimits, runningBackupsPerServer: 1 });
    const messages = scene.kube
      .all(backups)
      .flatMap(({ status }) => status?.conditions ?? [])
      .filter(({ reason }) => reason === 'Queued')
      .map(({ message }) => message);
    expect(messages).toEqual([expect.stringContaining('a Job of another namespace')]);
  });
});
