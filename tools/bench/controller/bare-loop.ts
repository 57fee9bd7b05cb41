// Loops that make the same Jobs with the same client while no operator runs: what the control plane and the client take for it.
import { Readable } from 'node:stream';
import { decide, type Decision } from '../../../src/backup/decide.ts';
import type { Observed } from '../../../src/backup/observe.ts';
import { backups, jobs, type Job, type Neo4jBackup } from '../../../src/backup/resources.ts';
import { nextStatus } from '../../../src/backup/status.ts';
import type { HttpKubeClient } from '../../../src/kube/http.ts';
import { keyOf } from '../../../src/kube/resource.ts';
import { anObserved } from '../../../test/support/builders.ts';
import { agentImage } from './operator.ts';
import { cpuSeconds } from './process.ts';
import { forEach } from './until.ts';
import { apply, clear, makeNamespaces, wishes, type World } from './workload.ts';

/** How many resources the operator works on at once. */
export const workers = 4;

/** Until the last Job was made. Seconds. */
interface Loop {
  readonly seconds: number;
  /** CPU time of etcd and the API server. */
  readonly serverCpu: number;
}

/**
 * - `one`: makes the Jobs, one call at a time.
 * - `several`: makes the Jobs, as many at a time as the operator has workers.
 * - `writes`: applies the resources, all at once, and meanwhile makes a Job of each and writes its status, as many at a
 *   time as the operator has workers: all that it writes, and nothing read or watched.
 */
export type Loops = Readonly<Record<'one' | 'several' | 'writes', Loop>>;

/** Makes so many Jobs by each loop. What they make is gone afterwards. */
export async function measureLoops(world: World, name: string, count: number): Promise<Loops> {
  const { plane, clients } = world;
  await makeNamespaces(plane, name);
  const all: Neo4jBackup[] = [];
  const applied = new Readable({ objectMode: true, read: () => undefined });
  const onApplied = (backup: Neo4jBackup): void => {
    all.push(backup);
    applied.push(backup);
  };
  const writes = await measure(world, async () => {
    const applying = apply(clients.admin, wishes(name, count), onApplied).then(() => applied.push(null));
    await applied.forEach((backup: Neo4jBackup) => start(clients.account, backup), { concurrency: workers });
    await applying;
  });
  await clear(plane, name, ['jobs']);
  const one = await measure(world, () =>
    forEach(all, 1, async (backup) => createJob(clients.account, backup)),
  );
  await clear(plane, name, ['jobs']);
  const several = await measure(world, () =>
    forEach(all, workers, async (backup) => createJob(clients.account, backup)),
  );
  await clear(plane, name);
  return { one, several, writes };
}

async function measure({ plane }: World, work: () => Promise<unknown>): Promise<Loop> {
  const { etcd, apiServer } = plane.pids;
  const [begun, before] = [performance.now(), cpuSeconds(etcd) + cpuSeconds(apiServer)];
  await work();
  const seconds = (performance.now() - begun) / 1000;
  return { seconds, serverCpu: cpuSeconds(etcd) + cpuSeconds(apiServer) - before };
}

/** What the operator decides, had it seen that nothing stands in the way. */
function decided(backup: Neo4jBackup): { readonly seen: Observed; readonly decision: Decision } {
  const seen = anObserved({ now: new Date(), backup, isServerReady: true });
  return { seen, decision: decide(seen, { agentImage, allowedHosts: [], allowedImages: [] }) };
}

/** Makes the Job of a resource that has had no run. */
export async function createJob(client: HttpKubeClient, backup: Neo4jBackup): Promise<Job> {
  const [action] = decided(backup).decision.actions;
  if (action?.kind !== 'createJob') throw new Error('no run is due');
  return client.create(jobs, keyOf(backup).namespace, action.job);
}

async function start(client: HttpKubeClient, backup: Neo4jBackup): Promise<void> {
  const { seen, decision } = decided(backup);
  const status = nextStatus(seen, decision, { kind: 'done', created: await createJob(client, backup) });
  await client.replaceStatus(backups, keyOf(backup), { ...backup, status });
}
