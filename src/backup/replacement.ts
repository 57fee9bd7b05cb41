// Making the Job of a run anew, when the spec was corrected before its Pod could start. Pure.
import { isDeepStrictEqual } from 'node:util';
import { annotations } from '../api/names.ts';
import type { Neo4jBackupStatus, RunStatus } from '../api/neo4jbackup.ts';
import { specHash } from './job.ts';
import { causeOf, rememberedRuns, runName } from './run.ts';
import type { Job, Neo4jBackup } from './resources.ts';
import type { RunView } from './outcome.ts';

export type CurrentRun = NonNullable<Neo4jBackupStatus['currentRun']>;

export interface Replacement {
  /** For status.currentRun: the Job is, or will be, made anew. */
  readonly replacedPods?: string[];
  /** The Job that has to go now. */
  readonly doomed?: Job;
}

/**
 * A run that cannot start is made anew when the spec, or the operator's image, no longer is what its Job was made from.
 * Status says so first and the Job goes in a later pass: a crash in between must not look like a Job that got lost.
 */
export function replacementOf(
  backup: Neo4jBackup,
  { job, pods }: RunView,
  { isStuck, agentImage }: { readonly isStuck: boolean; readonly agentImage: string },
): Replacement {
  const current = backup.status?.currentRun;
  const announced = current?.id === job.metadata.name ? current.replacedPods : undefined;
  if (job.metadata.deletionTimestamp !== undefined)
    return announced === undefined ? {} : { replacedPods: announced };
  if (!isStuck || !isOutdated(backup, job, agentImage)) return {};
  const replacedPods = pods.map(({ metadata }) => metadata.uid).slice(-64);
  return isDeepStrictEqual(announced, replacedPods) ? { replacedPods, doomed: job } : { replacedPods };
}

/**
 * Is the Job on its way out to be made anew? However it ends until then says nothing of the run: its Pods are removed, and
 * the Job's controller may count that as their failure.
 */
export function isGoing({ status }: Neo4jBackup, { metadata }: Job): boolean {
  const current = status?.currentRun;
  const isAnnounced = current?.id === metadata.name && current.replacedPods !== undefined;
  return isAnnounced && metadata.deletionTimestamp !== undefined;
}

function isOutdated(backup: Neo4jBackup, { metadata }: Job, agentImage: string): boolean {
  const madeFrom = metadata.annotations?.[annotations.specHash];
  return madeFrom !== undefined && madeFrom !== specHash(backup, agentImage);
}

/**
 * The run whose Job was deleted to be made anew. Its name must be the one that we give: a status may be restored with
 * another resource, or written by somebody else, and a Job is made of this one.
 * @param over runs that are over, though status does not know it yet: a Job that was to be made anew may end before it is deleted
 */
export function resumedRun(
  backup: Neo4jBackup,
  over: readonly Pick<RunStatus, 'id'>[] = [],
): CurrentRun | undefined {
  const { currentRun } = backup.status ?? {};
  if (currentRun?.replacedPods === undefined) return undefined;
  const { id } = currentRun;
  const isEnded = [...rememberedRuns(backup.status), ...over].some((run) => run.id === id);
  return isEnded || id !== runName(backup, causeOf(currentRun)) ? undefined : currentRun;
}
