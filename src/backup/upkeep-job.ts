// The Jobs that tend the volume: one reads everything back, one applies the policy of retention. Pure.
import type { V1Job } from '@kubernetes/client-node';
import { annotations } from '../api/names.ts';
import { buildAgentJob } from './agent-job.ts';
import { requestOf } from './job.ts';
import type { Neo4jBackup } from './resources.ts';
import { jobName } from './run.ts';

/** A Job that is wanted, and what it is for. */
export type Chore =
  | { readonly task: 'scrub'; readonly nominal: Date }
  /** `policy`: the hash of the one to apply. */
  | { readonly task: 'prune'; readonly policy: string };

/** Deterministic: the name is the lock, as that of a run is. */
export function choreName(backup: Neo4jBackup, chore: Chore): string {
  const cause = chore.task === 'scrub' ? chore.nominal.toISOString() : chore.policy;
  return jobName(backup, `${chore.task}\0${cause}`, `-${chore.task}`);
}

interface ChoreInput {
  readonly agentImage: string;
  readonly now: Date;
  /** Uids of Pods that have ended: a lock of theirs holds nobody up. */
  readonly terminalPods: readonly string[];
}

export function buildChore(
  backup: Neo4jBackup,
  chore: Chore,
  { agentImage, now, terminalPods }: ChoreInput,
): V1Job {
  const run = { id: choreName(backup, chore), requestedType: 'Auto' } as const;
  // What was read since then is not read again by a Job that goes on where another one was interrupted.
  const since = chore.task === 'scrub' ? chore.nominal : now;
  const { activeDeadlineSeconds } = backup.spec.job;
  return buildAgentJob(backup, {
    name: run.id,
    task: chore.task,
    agentImage,
    request: requestOf(backup, { run, now: since, terminalPods }, activeDeadlineSeconds, {}),
    annotations:
      chore.task === 'scrub'
        ? { [annotations.scheduledTime]: chore.nominal.toISOString() }
        : { [annotations.retention]: chore.policy },
    access: 'write',
    graceSeconds: 5, // the lock is given back
  });
}
