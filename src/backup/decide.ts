// What to do about one Neo4jBackup, given everything seen in this pass. Pure: no clock, no client, no log.
import type { V1Job } from '@kubernetes/client-node';
import type { RunStatus } from '../api/neo4jbackup.ts';
import { explain, isReason, reasons, type WaitingReason } from '../api/reasons.ts';
import { selectEngine } from '../engine/select.ts';
import type { Next } from '../runtime/next.ts';
import { buildJob } from './job.ts';
import { objectionTo, type Objection, type Policy } from './objection.ts';
import type { Observed } from './observe.ts';
import {
  currentRunOf,
  isAtItsStart,
  isFinished,
  judgeRun,
  schedulingGraceSeconds,
  type Obstacle,
  type RunView,
} from './outcome.ts';
import type { Job } from './resources.ts';
import { isGoing, replacementOf, resumedRun, type CurrentRun } from './replacement.ts';
import { dueRun, rememberedRuns, type DueRun } from './run.ts';

export type Action =
  | { readonly kind: 'createJob'; readonly job: V1Job }
  /** A Job whose end is in status, or whose run is to start anew: then its Pods go before it does, and only then its name is free. */
  | {
      readonly kind: 'deleteJob';
      readonly job: Job;
      readonly propagationPolicy: 'Background' | 'Foreground';
    };

/** How the resource stands; the conditions follow from it. */
export type Standing =
  | Objection
  | { readonly kind: 'running'; readonly run: CurrentRun; readonly obstacle?: Obstacle }
  /** A Job is about to be made: whether it was, and when, the API server's answer tells. */
  | { readonly kind: 'starting' }
  | { readonly kind: 'idle' };

export interface Decision {
  readonly standing: Standing;
  /** Runs that have ended and are not in status yet, oldest first. */
  readonly ended: readonly RunStatus[];
  readonly actions: readonly Action[];
  readonly next: Next;
}

/** When to look again at what no watch will tell of. Milliseconds. */
const recheckMs = 15_000;
const slowestRecheckMs = 120_000;

/** What has waited for long is not looked at so often: a quarter of its age later. Milliseconds. */
function recheckAfterMs(ageMs: number): number {
  return Math.min(slowestRecheckMs, Math.max(recheckMs, ageMs / 4));
}

export function decide(seen: Observed, policy: Policy): Decision {
  const ended = endedRuns(seen);
  const actions = expiredJobs(seen);
  const active = seen.runs.find(({ job }) => !isFinished(job) || isGoing(seen.backup, job));
  if (active !== undefined) {
    const { standing, next, replacing } = underWay(seen, active, policy);
    return { standing, next, ended, actions: [...replacing, ...actions] };
  }

  const announced = resumedRun(seen.backup);
  // A Job that was to be made anew may end before it is deleted: then its run is over.
  const resumed = ended.some(({ id }) => id === announced?.id) ? undefined : announced;
  const jobs = seen.runs.map(({ job }) => job);
  const due = resumed ?? dueRun(seen.backup, jobs);
  const objection = objectionTo(seen, policy, due !== undefined);
  if (objection !== undefined) return { standing: objection, ended, actions, next: nextOf(objection, seen) };

  const job = due === undefined ? undefined : jobOf(seen, due, policy.agentImage);
  if (job === undefined) return { standing: { kind: 'idle' }, ended, actions, next: { kind: 'onChange' } };
  // The run first: tidying up that fails must not keep a backup from being taken.
  const first: Action = { kind: 'createJob', job };
  return {
    standing: { kind: 'starting' },
    ended,
    actions: [first, ...actions],
    next: { kind: 'onChange' },
  };
}

/** Of an edit, a claim and a Service the watches tell; of a server that is ready again nobody does. */
function nextOf({ reason }: Objection, { backup, now }: Observed): Next {
  if (reason !== 'NoReadyEndpoints') return { kind: 'onChange' };
  const ready = backup.status?.conditions?.find(({ type }) => type === 'Ready');
  const since = ready?.reason === reason ? Date.parse(ready.lastTransitionTime) : now.getTime();
  return { kind: 'after', delayMs: recheckAfterMs(now.getTime() - since) };
}

function jobOf(seen: Observed, run: DueRun | CurrentRun, agentImage: string): V1Job | undefined {
  const { backup, now } = seen;
  const engine = selectEngine(backup.spec.neo4j.version);
  if (engine === undefined) return undefined;
  const replaced = 'replacedPods' in run ? (run.replacedPods ?? []) : [];
  return buildJob(backup, {
    run,
    engine,
    agentImage,
    now,
    terminalPods: [...terminalPods(seen), ...replaced],
  });
}

/** Must this be decided on more than caches: does it start a run, end one, or go on with one that status knows as ended? */
export function needsFreshEyes({ backup }: Observed, { standing, ended }: Decision): boolean {
  if (standing.kind === 'starting' || ended.length > 0) return true;
  if (standing.kind !== 'running') return false;
  return standing.run.replacedPods !== undefined || knownRuns(backup).has(standing.run.id);
}

interface UnderWay extends Pick<Decision, 'standing' | 'next'> {
  readonly replacing: readonly Action[];
}

function underWay(seen: Observed, run: RunView, policy: Policy): UnderWay {
  const { backup, now } = seen;
  const outcome = judgeRun(run, now, lastObstacle(backup, run.job));
  const obstacle = outcome.kind === 'active' ? outcome.obstacle : undefined;
  // A Pod that is not placed becomes an obstacle by time alone, and no watch tells of time.
  const pod = run.pods.at(-1);
  const { creationTimestamp } = (pod ?? run.job).metadata;
  const ageMs = now.getTime() - Date.parse(creationTimestamp);
  const young = ageMs < 2 * schedulingGraceSeconds * 1000;
  const waits = pod === undefined || isAtItsStart(pod);
  const again = young || waits || backup.status?.currentRun === undefined;
  const { agentImage } = policy;
  const { doomed, ...marked } = replacementOf(backup, run, { isStuck: obstacle !== undefined, agentImage });
  return {
    standing: {
      kind: 'running',
      run: { ...currentRunOf(run.job), ...marked },
      ...(obstacle === undefined ? {} : { obstacle }),
    },
    next: again ? { kind: 'after', delayMs: recheckAfterMs(ageMs) } : { kind: 'onChange' },
    replacing: doomed === undefined ? [] : [deletion(doomed, 'Foreground')],
  };
}

/** Runs whose Job has finished, or has gone before its end was seen, and that status does not know as ended. */
function endedRuns({ backup, runs, now }: Observed): readonly RunStatus[] {
  const known = knownRuns(backup);
  const ended: RunStatus[] = [];
  const current = backup.status?.currentRun;
  const lost =
    current !== undefined &&
    resumedRun(backup) === undefined &&
    !known.has(current.id) &&
    runs.every(({ job }) => job.metadata.name !== current.id);
  if (lost) ended.push(lostRun(current, now));
  for (const run of runs) {
    if (known.has(run.job.metadata.name) || isGoing(backup, run.job)) continue;
    const outcome = judgeRun(run, now, lastObstacle(backup, run.job));
    if (outcome.kind === 'ended') ended.push(outcome.status);
  }
  return ended;
}

function lostRun({ replacedPods: _gone, ...run }: CurrentRun, now: Date): RunStatus {
  const message = explain('ResultLost', `The Job ${run.id} is gone`);
  return { ...run, result: 'Failed', reason: 'ResultLost', message, completionTime: now.toISOString() };
}

function knownRuns({ status }: Observed['backup']): ReadonlySet<string> {
  return new Set(rememberedRuns(status).map(({ id }) => id));
}

/** What the conditions of the pass before say stood in the way of this run. A Job made anew begins without. */
function lastObstacle({ status }: Observed['backup'], { metadata }: Job): Obstacle | undefined {
  if (status?.currentRun === undefined) return undefined;
  const { id, startTime } = status.currentRun;
  if (id !== metadata.name || startTime !== metadata.creationTimestamp) return undefined;
  const ready = status.conditions?.find(({ type }) => type === 'Ready');
  if (ready?.status !== 'False' || !isReason(ready.reason)) return undefined;
  const row = reasons[ready.reason];
  // The advice comes once, when the message is made anew.
  const detail = 'next' in row ? ready.message.replace(row.next, '').trim() : ready.message;
  return { reason: ready.reason as WaitingReason, detail };
}

/** Finished Jobs that status knows, but for the newest that succeeded and the newest that failed. */
function expiredJobs({ backup, runs }: Observed): readonly Action[] {
  const results = new Map(rememberedRuns(backup.status).map(({ id, result }) => [id, result]));
  const seen = new Set<string>();
  const expired: Action[] = [];
  for (const { job } of runs.toReversed()) {
    const result = results.get(job.metadata.name);
    if (result === undefined || !isFinished(job) || job.metadata.deletionTimestamp !== undefined) continue;
    if (seen.has(result)) expired.push(deletion(job, 'Background'));
    seen.add(result);
  }
  return expired;
}

function deletion(job: Job, propagationPolicy: 'Background' | 'Foreground'): Action {
  return { kind: 'deleteJob', job, propagationPolicy };
}

/** Pods that have ended: they will never write to the volume again. */
function terminalPods({ runs }: Observed): readonly string[] {
  return runs
    .flatMap(({ pods }) => pods)
    .filter(({ status }) => status?.phase === 'Succeeded' || status?.phase === 'Failed')
    .map(({ metadata }) => metadata.uid);
}
