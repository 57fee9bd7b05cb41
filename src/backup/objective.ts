// Whether no more can be lost than spec.objectives allows, and until when. Pure.
import type { Condition, Neo4jBackupStatus, RunStatus } from '../api/neo4jbackup.ts';
import { explain, type Reason } from '../api/reasons.ts';
import { pointMark } from '../run/point-mark.ts';
import type { Neo4jBackup } from './resources.ts';
import { rememberedRuns } from './run.ts';
import { instant } from './timing.ts';

export const objectiveType = 'ObjectivesMet';

type Judgement = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/** Clocks are set, and then the moment is nearer than it seemed: so long is waited at most. Milliseconds. */
const mostWaitMs = 6 * 3_600_000;

/** A backup that counts. */
export interface Good {
  /** Its run. */
  readonly id: string;
  /** All that was committed before this moment is in it. */
  readonly since: Date;
}

/**
 * The newest backup that status knows to be verified, not known to be damaged since, and not inconsistent.
 *
 * Guarantees: its moment is never later than the first byte that was copied. A run that found a backup which it had published
 * before its Job was made tells when that was complete: then nothing later is believed.
 */
export function newestGood(status: Neo4jBackupStatus): Good | undefined {
  let good: RunStatus | undefined;
  let isFlawed = false;
  for (const run of rememberedRuns(status).toSorted((a, b) => sinceOf(a) - sinceOf(b))) {
    if (isInconsistent(run)) isFlawed = true;
    // The tool goes on from an inconsistent backup only where there is none other: then what it takes is as bad.
    const isTainted = isFlawed && good === undefined && rests(run);
    if (isWhole(run) && !isTainted && !isDamaged(run, status)) good = run;
  }
  return good === undefined ? undefined : { id: good.id, since: new Date(sinceOf(good)) };
}

function sinceOf({ startTime, completionTime }: RunStatus): number {
  return Math.min(Date.parse(startTime), Date.parse(completionTime ?? startTime));
}

function isInconsistent({ reason, consistencyCheck }: RunStatus): boolean {
  return reason === 'Inconsistent' || consistencyCheck === 'Inconsistent';
}

/** Of all that was asked for. */
function isWhole(run: RunStatus): boolean {
  return run.result === 'Succeeded' && !isInconsistent(run);
}

function rests({ type, consistencyCheck }: RunStatus): boolean {
  return type !== 'Full' && consistencyCheck !== 'Consistent';
}

/**
 * Does the last verification name a restore point of this run? It names those too that rest on a damaged one. By the mark
 * alone: the time in the name may differ from what a run knows that was told late.
 */
function isDamaged({ id }: RunStatus, { lastVerification }: Neo4jBackupStatus): boolean {
  const { damaged = [] } = lastVerification ?? {};
  return damaged.some(({ point, database }) =>
    [pointMark(id), pointMark(id, database)].some((mark) => point.endsWith(`-${mark}`)),
  );
}

/** When the objective is broken if nothing newer is taken; without any backup, from the creation of the resource. Undefined: there is none. */
function brokenAt({ metadata, spec }: Neo4jBackup, good: Good | undefined): Date | undefined {
  if (spec.objectives === undefined) return undefined;
  const since = good?.since.getTime() ?? Date.parse(metadata.creationTimestamp);
  return new Date(since + spec.objectives.maxDataLossSeconds * 1_000);
}

/**
 * Only where there are objectives: kstatus and its like need not know of it. Its message has moments, no ages, or status would
 * be another one at every look.
 * @param status what is known now, which may be newer than what the resource has
 */
export function objectiveCondition(
  backup: Neo4jBackup,
  status: Neo4jBackupStatus,
  now: Date,
): readonly Judgement[] {
  const good = newestGood(status);
  const broken = brokenAt(backup, good);
  if (broken === undefined) return [];
  const isBroken = now.getTime() >= broken.getTime();
  const held =
    good === undefined
      ? 'There is no verified and consistent backup yet'
      : `The newest verified and consistent backup is that of the run ${good.id}, which began at ${instant(good.since.getTime())}`;
  const verdict = isBroken
    ? `the objective has been broken since ${instant(broken.getTime())}`
    : `if none follows, the objective is broken at ${instant(broken.getTime())}`;
  const judged = (is: Condition['status'], reason: Reason): readonly Judgement[] => [
    { type: objectiveType, status: is, reason, message: explain(reason, `${held}; ${verdict}`) },
  ];
  if (isBroken) return judged('False', 'MaxDataLossExceeded');
  return good === undefined ? judged('Unknown', 'NoBackupYet') : judged('True', 'ObjectiveMet');
}

/** In how long the objective will be broken, as far as status knows. Undefined: it is, or there is none. */
export function objectiveDelayMs(backup: Neo4jBackup, now: Date): number | undefined {
  if (backup.spec.objectives === undefined) return undefined;
  const broken = brokenAt(backup, newestGood(backup.status ?? {}));
  const leftMs = (broken?.getTime() ?? 0) - now.getTime();
  return leftMs > 0 ? Math.min(mostWaitMs, leftMs) : undefined;
}

interface News {
  readonly reason: string;
  readonly note: string;
}

/** That the objective is broken, and that it is met again. That it is met at last is no news: a backup was told of. */
export function objectiveNews(
  before: Neo4jBackupStatus | undefined,
  after: Neo4jBackupStatus,
): readonly News[] {
  const was = conditionOf(before);
  const is = conditionOf(after);
  if (is === undefined || is.status === was?.status) return [];
  const isNews = is.status === 'False' || (is.status === 'True' && was?.status === 'False');
  return isNews ? [{ reason: is.reason, note: is.message }] : [];
}

function conditionOf(status: Neo4jBackupStatus | undefined): Condition | undefined {
  return status?.conditions?.find(({ type }) => type === objectiveType);
}
