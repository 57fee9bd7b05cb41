// The Job that asks the volume how a run ended. Pure.
import type { V1Job } from '@kubernetes/client-node';
import { annotations } from '../api/names.ts';
import type { RunStatus } from '../api/neo4jbackup.ts';
import { buildAgentJob } from './agent-job.ts';
import { requestOf } from './job.ts';
import type { Neo4jBackup } from './resources.ts';
import { jobName } from './run.ts';

/** Deterministic, as the run's own: whoever asks first has asked. */
export function inspectionName(backup: Neo4jBackup, run: string): string {
  return jobName(backup, `inspect\0${run}`, '-inspect');
}

export function buildInspection(
  backup: Neo4jBackup,
  { id, requestedType }: RunStatus,
  { agentImage, now }: { readonly agentImage: string; readonly now: Date },
): V1Job {
  const run = { id, requestedType };
  const { activeDeadlineSeconds } = backup.spec.job;
  return buildAgentJob(backup, {
    name: inspectionName(backup, id),
    task: 'inspect',
    agentImage,
    request: requestOf(backup, { run, now, terminalPods: [] }, activeDeadlineSeconds, {}), // no tool runs
    annotations: { [annotations.run]: id },
    access: 'read',
    graceSeconds: 1, // it has nothing to put in order
  });
}
