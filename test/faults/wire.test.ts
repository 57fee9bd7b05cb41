// The operator with its real client, over connections on which every fifth request goes wrong; by a seed.
import { afterEach, expect, test } from 'vitest';
import { BackupController } from '../../src/backup/controller.ts';
import { backups, claims, endpointSlices, events, jobs, pods, services } from '../../src/backup/resources.ts';
import { eventRecorder } from '../../src/kube/events.ts';
import { kubeClient } from '../../src/kube/http.ts';
import type { Resource } from '../../src/kube/resource.ts';
import { kubeObjectSchema } from '../../src/kube/resource.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { aReport, aSpec } from '../support/builders.ts';
import { FakeJobs } from '../support/fake-jobs.ts';
import { serveFakeKube } from '../support/fake-kube-server.ts';
import { WireFaults } from '../support/fake-kube-wire.ts';
import { FakeKube } from '../support/fake-kube.ts';
import { quietLog } from '../support/quiet-log.ts';
import { chance } from './plan.ts';

const told: Resource = {
  group: 'events.k8s.io',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
  schema: kubeObjectSchema,
};
const resources = [backups, claims, endpointSlices, events, jobs, pods, services, told];

/** A client in a hurry: what takes seconds on a real network takes tenths here. Milliseconds. */
const limits = { callMs: 2_000, readMs: 400, watchIdleMs: 1_500, baseMs: 20, maxWaitMs: 1_100 };

const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

function furnish(kube: FakeKube, namespace: string, name: string): void {
  kube.put(services, namespace, {
    metadata: { name: `${name}-neo4j` },
    spec: { type: 'ClusterIP', clusterIP: '10.0.0.1', ports: [{ port: 6362 }] },
  });
  kube.put(endpointSlices, namespace, {
    metadata: { name: `${name}-neo4j-1`, labels: { 'kubernetes.io/service-name': `${name}-neo4j` } },
    endpoints: [{ conditions: { ready: true } }],
  });
  kube.put(claims, namespace, { metadata: { name: `${name}-backups` } });
  kube.put(backups, namespace, {
    metadata: { name },
    spec: aSpec({
      source: { serviceRef: { name: `${name}-neo4j` } },
      destination: { persistentVolumeClaim: { claimName: `${name}-backups` } },
    }),
  });
}

/** Starts an operator on the fake, behind a wire with faults. */
async function start(kube: FakeKube, seed: number): Promise<WireFaults> {
  const faults = new WireFaults({ seed, share: 0.2, most: 120 });
  const server = await serveFakeKube(kube, resources, { faults });
  const random = chance(seed);
  const client = kubeClient({ kubeConfig: server.kubeConfig, userAgent: 'wire', limits, random });
  const stop = new AbortController();
  const controller = new BackupController({
    client,
    events: eventRecorder({
      client,
      now: () => systemClock.now(),
      reportingController: 'neo4j-backup.dev/operator',
      reportingInstance: 'wire',
    }),
    clock: systemClock,
    random: () => random() / 20, // waits are as long as they are: a twentieth of it is enough here
    log: quietLog(),
    policy: { agentImage: 'agent:1', allowedHosts: [], allowedImages: [] },
  });
  const done = controller.run(stop.signal);
  ends.push(async () => {
    stop.abort();
    await done;
    await client.close();
    await server.close();
  });
  return faults;
}

interface Outcome {
  readonly name: string;
  readonly result: string | undefined;
}

function outcomes(kube: FakeKube): readonly Outcome[] {
  return kube
    .all(backups)
    .map(({ metadata, status }) => ({ name: metadata.name, result: status?.lastRun?.reason }));
}

test.each([1, 2, 3, 4, 5, 6].map((seed) => ({ seed })))(
  'seed $seed: each resource gets its run, one Job, and a true status',
  { timeout: 240_000 },
  async ({ seed }) => {
    const kube = new FakeKube({ now: () => new Date() });
    const player = new FakeJobs({
      kube,
      clock: systemClock,
      script: () => [{ kind: 'reports', report: aReport() }],
    });
    player.start();
    ends.push(async () => player.stop());
    const names = ['one', 'two', 'three', 'four', 'five'];
    for (const name of names) furnish(kube, 'shop', name);
    const faults = await start(kube, seed);
    await expect
      .poll(() => outcomes(kube), { timeout: 200_000, interval: 200 })
      .toEqual(names.toSorted().map((name) => ({ name, result: 'FullBackupTaken' })));
    expect(faults.log.length).toBeGreaterThan(5);
    const made = kube.changes.filter(
      ({ type, before, after }) => type === 'jobs.batch' && before === undefined && after !== undefined,
    );
    expect(made).toHaveLength(names.length);
    for (const { status } of kube.all(backups)) expect(status?.history).toHaveLength(1);
  },
);
