// A run of the operator, as the audit log and containerd's log tell it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunStatus } from '../../src/api/neo4jbackup.ts';
import type { BackupType } from '../../src/engine/engine.ts';
import type { AuditEntry } from '../cluster/audit.ts';
import { demoManifests, operatorAccount, type Manifest, type Playground } from '../playground.ts';
import { timelineOf, type Timeline } from './timeline.ts';

export interface OperatedRun {
  /** When the API server was asked for the Job. Milliseconds since 1970, as all times here. */
  readonly jobCreatedAt: number;
  readonly timeline: Timeline;
  /** When it was asked to store the status that tells of the end. */
  readonly statusWrittenAt: number;
  /** All that the operator asked of the API server, but for its lease, from before the Job to after the end. */
  readonly requests: readonly AuditEntry[];
}

interface Seen {
  readonly status?: { readonly lastRun?: RunStatus };
}

const name = 'orders';

/** When the operator is done with a run: it asks nothing any more for so long. Milliseconds. */
const quietMs = 2_000;

function wish(id: string, type: BackupType): Manifest {
  const [backup] = demoManifests('backup.yaml');
  const spec = backup?.['spec'] as object;
  const trigger = { id, type: type === 'Full' ? 'Full' : 'Auto' };
  return { ...backup, spec: { ...spec, trigger } };
}

function requestsOf(on: Playground): readonly AuditEntry[] {
  const isAsked = ({ user, resource }: AuditEntry): boolean =>
    user === operatorAccount && resource !== 'leases';
  return on.cluster.auditLog().filter(isAsked);
}

async function untilQuiet(on: Playground): Promise<readonly AuditEntry[]> {
  for (let before = -1; ;) {
    const requests = requestsOf(on);
    if (requests.length === before) return requests;
    before = requests.length;
    await sleep(quietMs);
  }
}

/** Has the operator take a backup. @throws Error when it takes none, or one of another type */
export async function runOperated(on: Playground, type: BackupType, id: string): Promise<OperatedRun> {
  const before = (await untilQuiet(on)).length;
  await on.apply(wish(id, type));
  const run = await on.until(
    `end of the run ${id}`,
    async () => {
      const { status } = ((await on.get('neo4jbackup', name)) ?? {}) as Seen;
      return status?.lastRun?.triggerID === id ? status.lastRun : undefined;
    },
    300,
  );
  if (run.type !== type) throw new Error(`the run ${id} took no ${type} backup: ${run.message}`);
  const pod = await on.kubectl(['get', 'pods', '-l', `job-name=${run.id}`, '-o', 'name']);
  const timeline = timelineOf(on.cluster.log('containerd'), pod.trim().replace('pod/', ''));
  const requests = (await untilQuiet(on)).slice(before);
  const job = requests.find(({ verb, resource }) => verb === 'create' && resource === 'jobs');
  const written = requests.findLast(
    ({ verb, subresource, code }) => verb === 'update' && subresource === 'status' && code === 200,
  );
  if (!job || !written) throw new Error(`the audit log tells no beginning or no end of the run ${id}`);
  return { jobCreatedAt: job.time, timeline, statusWrittenAt: written.time, requests };
}
