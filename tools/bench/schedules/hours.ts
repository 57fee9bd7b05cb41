// Hours in which nothing strikes, on a clock that is moved: what a controller takes of them, beside one whose passes do nothing.
import { BackupController } from '../../../src/backup/controller.ts';
import { backups, claims, endpointSlices, services } from '../../../src/backup/resources.ts';
import { Controller } from '../../../src/runtime/controller.ts';
import { noMetrics, type RuntimeMetrics } from '../../../src/runtime/metrics.ts';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { FakeKube } from '../../../test/support/fake-kube.ts';
import { quietLog } from '../../../test/support/quiet-log.ts';
import { agentImage } from '../controller/operator.ts';
import { mixedSpec } from './mixture.ts';

const namespaces = 5;
const hourMs = 3_600_000;

/** Within one second are applied what would be asked for in one second later on. */
const applySeconds = 600;

/** How often the controller looks at what waits for long: so often does the bare one, too. Milliseconds. */
const lookMs = 600_000;

/** The hours that count, after one that warms up. */
const repetitions = 3;

interface Hour {
  readonly cpuSeconds: number;
  readonly passes: number;
  readonly requests: number;
}

export interface Hours {
  readonly count: number;
  /** Hour by hour, in turns. */
  readonly waiting: readonly Hour[];
  readonly bare: readonly Hour[];
}

/** What works on a clock of its own. */
interface Scene {
  readonly clock: FakeClock;
  readonly counts: { passes: number };
  readonly requests: () => number;
  readonly stop: () => void;
}

export async function measureHours(count: number): Promise<Hours> {
  const scenes = { waiting: await waitingScene(count), bare: await bareScene(count) };
  await hourOf(scenes.bare);
  const hours = { waiting: [] as Hour[], bare: [] as Hour[] };
  for (let i = 0; i < repetitions; i += 1) {
    hours.waiting.push(await hourOf(scenes.waiting));
    hours.bare.push(await hourOf(scenes.bare));
  }
  for (const { stop } of Object.values(scenes)) stop();
  return { count, ...hours };
}

async function hourOf({ clock, counts, requests }: Scene): Promise<Hour> {
  const before = { cpu: process.cpuUsage(), passes: counts.passes, requests: requests() };
  await clock.advance(hourMs);
  const { user, system } = process.cpuUsage(before.cpu);
  return {
    cpuSeconds: (user + system) / 1e6,
    passes: counts.passes - before.passes,
    requests: requests() - before.requests,
  };
}

/** Applied a few each second, so that they are not all looked at together, until they have come to rest. */
async function waitingScene(count: number): Promise<Scene> {
  const clock = new FakeClock('2026-01-15T11:30:00Z');
  const kube = new FakeKube({ now: () => clock.now() });
  for (let i = 0; i < namespaces; i += 1) furnish(kube, namespaceOf(i));
  const { metrics, counts } = counting();
  const controller = new BackupController({
    client: kube,
    events: { record: () => undefined, flush: async () => undefined },
    clock,
    random: () => 0.5,
    log: quietLog(),
    metrics,
    policy: { agentImage, allowedHosts: [], allowedImages: [] },
  });
  const stop = new AbortController();
  void controller.run(stop.signal);
  await applied(clock, count, (i) =>
    kube.put(backups, namespaceOf(i), { metadata: { name: `orders-${i}` }, spec: mixedSpec(i) }),
  );
  return { clock, counts, requests: () => kube.requests.length, stop: () => stop.abort() };
}

/** The same queue, with the same looks at the same times, and nothing done in them. */
async function bareScene(count: number): Promise<Scene> {
  const clock = new FakeClock();
  const { metrics, counts } = counting();
  const controller = new Controller({
    name: 'bare',
    reflectors: [],
    reconcile: async () => ({ kind: 'after', delayMs: lookMs }),
    clock,
    random: () => 0.5,
    log: quietLog(),
    metrics,
  });
  const stop = new AbortController();
  void controller.run(stop.signal);
  await applied(clock, count, (i) => controller.enqueue({ namespace: namespaceOf(i), name: `orders-${i}` }));
  return { clock, counts, requests: () => 0, stop: () => stop.abort() };
}

async function applied(clock: FakeClock, count: number, apply: (i: number) => void): Promise<void> {
  let made = 0;
  for (let second = 1; second <= applySeconds; second += 1) {
    for (; made < (count * second) / applySeconds; made += 1) apply(made);
    await clock.advance(1_000);
  }
  // The hours that are measured begin when the first looks are over, and whatever they brought.
  await clock.advance(2 * lookMs);
}

function counting(): { readonly metrics: RuntimeMetrics; readonly counts: { passes: number } } {
  const counts = { passes: 0 };
  const passEnded = (): void => {
    counts.passes += 1;
  };
  return { metrics: { ...noMetrics, passEnded }, counts };
}

function namespaceOf(i: number): string {
  return `idle-${i % namespaces}`;
}

/** A server behind its Service, and a claim for all. */
function furnish(kube: FakeKube, namespace: string): void {
  const spec = { type: 'ClusterIP', clusterIP: '10.0.0.1', ports: [{ port: 6362 }] };
  kube.put(services, namespace, { metadata: { name: 'orders-neo4j' }, spec });
  const labels = { 'kubernetes.io/service-name': 'orders-neo4j' };
  const endpoints = [{ conditions: { ready: true } }];
  kube.put(endpointSlices, namespace, { metadata: { name: 'orders-neo4j-1', labels }, endpoints });
  const many = { accessModes: ['ReadWriteMany'] };
  kube.put(claims, namespace, { metadata: { name: 'backups' }, spec: many });
}
