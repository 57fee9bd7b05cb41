// What to do about one Neo4jBackup, given everything seen in this pass. Pure: no clock, no client, no log.
import type { V1Job } from '@kubernetes/client-node';
import { labels } from '../api/names.ts';
import type { RunStatus } from '../api/neo4jbackup.ts';
import { factsIn, isReason, type WaitingReason } from '../api/reasons.ts';
import { selectEngine } from '../engine/select.ts';
import type { Next } from '../runtime/next.ts';
import { isAtItsStart } from './evidence.ts';
import { inspect, inspectionActions, inspectionOf } from './inspection.ts';
import { buildJob } from './job.ts';
import { objectiveDelayMs } from './objective.ts';
import { objectionTo, type Objection, type Policy } from './objection.ts';
import type { Observed, Starting } from './observe.ts';
import { schedulingGraceSeconds, type Obstacle } from './obstacle.ts';
import { currentRunOf, goneRun, isFinished, judgeRun, type RunView } from './outcome.ts';
import type { Job } from './resources.ts';
import { isGoing, replacementOf, resumedRun, type CurrentRun } from './replacement.ts';
import { dueRun, rememberedRuns, type DueRun } from './run.ts';
import { findings, tend, terminalPods, type Finding, type Tending } from './upkeep.ts';
import { clearing, waitsFor } from './way.ts';
import { account, turnOf, type Taken, type Turn } from './ledger.ts';
import { instant, timingOf } from './timing.ts';

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
  | {
      readonly kind: 'running';
      readonly run: CurrentRun;
      readonly obstacle?: Obstacle;
      readonly setback?: string;
    }
  /** A Job is about to be made: whether it was, and when, the API server's answer tells. */
  | { readonly kind: 'starting' }
  /** A run is due, and others use the claim, or all that may be under way at once are. */
  | {
      readonly kind: 'queued';
      readonly detail: string;
      /** It waits for the end of a blackout window, and for nobody: nor does anybody wait for it. */
      readonly isHeldBack?: true;
    }
  /** No backup is to be taken: the volume is asked how a run ended. */
  | { readonly kind: 'inspecting'; readonly run: RunStatus; readonly obstacle?: Obstacle }
  /** `tending`: the Job that tends the volume meanwhile. */
  | { readonly kind: 'idle'; readonly tending?: Job; readonly isSuspended?: true };

export interface Decision {
  readonly standing: Standing;
  /** Runs that have ended and are not in status yet, oldest first. */
  readonly ended: readonly RunStatus[];
  /** Runs that have ended and of which nobody saw how, oldest first. */
  readonly inspecting: readonly RunStatus[];
  /** Runs that are over, or whose Job is to be made anew: what the schedules are held against, beside the Jobs. */
  readonly taken: readonly Taken[];
  /** What is known of the volume now, and not in status yet, oldest first. */
  readonly findings: readonly Finding[];
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
  const judged = judgedRuns(seen);
  const { ended: answered, open: inspecting } = inspect(seen, judged.unclear);
  const over = [...judged.ended, ...judged.unclear];
  const resumed = resumedRun(seen.backup, over);
  const taken = [...over, ...(resumed === undefined ? [] : [resumed])];
  const { standing, next, actions } = wanted(seen, policy, {
    resumed,
    turn: turnOf(seen, account(seen, taken)),
  });
  const inspections = inspectionActions(seen, inspecting, {
    mayStart: mayInspect(standing),
    mayStay: mayInspect(standing) || isHeld(seen, standing),
    agentImage: policy.agentImage,
  });
  const [run] = inspecting;
  const ended = [...answered, ...judged.ended];
  const found = [...judged.findings, ...findings(seen)];
  // What has just ended may have done it: status is to know first.
  const isTold = ended.length === 0 && found.length === 0;
  const tending = tend(seen, {
    mayStart: run === undefined && isTold && mayTend(standing),
    mayStay: mayStay(seen, standing),
    agentImage: policy.agentImage,
  });
  const isAsking = standing.kind === 'idle' && run !== undefined;
  return {
    standing: isAsking ? askingFor(seen, run) : restWith(standing, tending),
    ended,
    inspecting,
    taken,
    findings: found,
    // The run first: tidying up that fails must not keep a backup from being taken.
    actions: [...actions, ...inspections, ...tending.actions, ...expiredJobs(seen)],
    next: soonest(
      soonest(next, run === undefined ? tending.delayMs : recheckMs),
      objectiveDelayMs(seen.backup, seen.now),
    ),
  };
}

function restWith(standing: Standing, { job }: Tending): Standing {
  return standing.kind === 'idle' && job !== undefined ? { ...standing, tending: job } : standing;
}

/** What a watch tells of comes first anyway. */
function soonest(next: Next, delayMs: number | undefined): Next {
  if (delayMs === undefined) return next;
  return { kind: 'after', delayMs: next.kind === 'after' ? Math.min(next.delayMs, delayMs) : delayMs };
}

/** What is amiss with the source alone: the volume can be tended meanwhile. */
const ofSource: ReadonlySet<string> = new Set<WaitingReason>([
  'ServiceNotFound',
  'PortNotExposed',
  'NoReadyEndpoints',
]);

/** Whoever waits for a folder, or a claim, has no business there. */
function mayTend(standing: Standing): boolean {
  return standing.kind === 'idle' || (standing.kind === 'waiting' && ofSource.has(standing.reason));
}

function mayStay(seen: Observed, standing: Standing): boolean {
  if (mayTend(standing) || isHeld(seen, standing)) return true;
  return seen.crowd === undefined && standing.kind !== 'waiting';
}

/** A backup that could not start with the volume to itself needs no room there yet. */
function isHeld({ hold }: Observed, standing: Standing): boolean {
  return standing.kind === 'queued' && (hold !== undefined || standing.isHeldBack === true);
}

/** A backup that is taken, or about to be, goes before; and who cannot reach the volume need not try. */
function mayInspect(standing: Standing): boolean {
  return standing.kind === 'idle' || (standing.kind === 'waiting' && standing.reason !== 'ClaimNotFound');
}

function askingFor(seen: Observed, run: RunStatus): Standing {
  const view = inspectionOf(seen, run);
  const outcome = view === undefined ? undefined : judgeRun(view, seen.now);
  const obstacle = outcome?.kind === 'active' ? outcome.obstacle : undefined;
  return { kind: 'inspecting', run, ...(obstacle === undefined ? {} : { obstacle }) };
}

type Wanted = Pick<Decision, 'standing' | 'actions' | 'next'>;

interface Due {
  readonly resumed: CurrentRun | undefined;
  readonly turn: Turn | undefined;
}

/** What is to be done for the backup that is under way, or due. */
function wanted(seen: Observed, policy: Policy, { resumed, turn }: Due): Wanted {
  const active = seen.runs.find(({ job }) => !isFinished(job) || isGoing(seen.backup, job));
  if (active !== undefined) return underWay(seen, active, policy);

  const { run, hasToWait } = dueNow(seen, resumed, turn);
  const objection = objectionTo(seen, policy, run !== undefined && !hasToWait);
  if (objection !== undefined) {
    const next = soonest(nextOf(objection, seen), untilTurn(turn, seen.now));
    return { standing: objection, actions: [], next };
  }
  const job = run === undefined ? undefined : jobOf(seen, run, policy.agentImage);
  if (job !== undefined && !hasToWait) return inTurn(job, seen, turn);
  const standing = job === undefined ? resting(seen) : heldBack(job, turn);
  return { standing, actions: [], next: waitingFor(turn, seen.now) };
}

interface DueNow {
  readonly run?: DueRun | CurrentRun | undefined;
  /** It must wait for the end of a blackout window, and what a trigger asks for goes before. */
  readonly hasToWait: boolean;
}

function dueNow({ backup, runs }: Observed, resumed: CurrentRun | undefined, turn: Turn | undefined): DueNow {
  const jobs = runs.map(({ job }) => job);
  if (resumed !== undefined) return { run: resumed, hasToWait: false };
  if (turn?.heldUntil === undefined) return { run: dueRun(backup, jobs, turn?.due), hasToWait: false };
  const asked = dueRun(backup, jobs);
  return asked === undefined
    ? { run: dueRun(backup, jobs, turn.due), hasToWait: true }
    : { run: asked, hasToWait: false };
}

/** Does it take a place, or stand in line for one? */
export function isInTurn(decision: Decision): boolean {
  return decision.standing.kind === 'starting' || isInLine(decision);
}

export function isInLine({ standing }: Decision): boolean {
  return standing.kind === 'queued' && standing.isHeldBack !== true;
}

/** The Job is made, or waits for its turn. */
function inTurn(job: V1Job, seen: Observed, turn: Turn | undefined): Wanted {
  const detail = waitsFor(seen, job.metadata?.name ?? '');
  if (detail === undefined) {
    const actions = [{ kind: 'createJob', job }] as const;
    return { standing: { kind: 'starting' }, actions, next: { kind: 'onChange' } };
  }
  return {
    standing: { kind: 'queued', detail },
    // Who has to wait anyway drives nobody out.
    actions: seen.hold === undefined ? clearing(seen) : [],
    // Of a Job that a cache never knew no watch tells that it has gone.
    next: soonest({ kind: 'after', delayMs: slowestRecheckMs }, untilTurn(turn, seen.now)),
  };
}

function heldBack(job: V1Job, turn: Turn | undefined): Standing {
  const until = instant(turn?.heldUntil?.getTime() ?? 0);
  return {
    kind: 'queued',
    isHeldBack: true,
    detail: `The run ${job.metadata?.name} waits for the end of the blackout window, which is at ${until}`,
  };
}

function resting({ backup }: Observed): Standing {
  const isSuspended = backup.spec.suspend && timingOf(backup) !== undefined;
  return { kind: 'idle', ...(isSuspended ? { isSuspended } : {}) };
}

/** However far away the next moment is: a clock may be set. Milliseconds. */
const mostWaitMs = 600_000;

function waitingFor(turn: Turn | undefined, now: Date): Next {
  const delayMs = untilTurn(turn, now);
  return delayMs === undefined ? { kind: 'onChange' } : { kind: 'after', delayMs };
}

/** Until the schedules want something, or give it up. */
function untilTurn(turn: Turn | undefined, now: Date): number | undefined {
  if (turn === undefined) return undefined;
  const { due, heldUntil, deadline, next } = turn;
  const times = [next, ...(due === undefined ? [] : [heldUntil, deadline])];
  const coming = times.filter((time) => time !== undefined && time >= now).map((time) => Number(time));
  // Windows that leave no moment for as far as anybody looks may end all the same.
  if (coming.length === 0) return 'next' in turn ? mostWaitMs : undefined;
  return Math.min(mostWaitMs, Math.min(...coming) + 1 - now.getTime());
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

/**
 * Must this be decided on more than caches: does it start a Job, or take one from a run whose end is not in status yet, does it
 * end a run, or go on with one that status knows as ended?
 */
export function needsFreshEyes({ backup }: Observed, decision: Decision): boolean {
  const { standing, ended, actions, findings: found } = decision;
  if (actions.some(isDelicate) || ended.length > 0 || found.length > 0) return true;
  if (standing.kind !== 'running') return false;
  return standing.run.replacedPods !== undefined || knownRuns(backup).has(standing.run.id);
}

function isDelicate({ kind, job }: Action): boolean {
  return kind === 'createJob' || job.metadata.labels?.[labels.task] !== undefined;
}

function underWay(seen: Observed, run: RunView, policy: Policy): Wanted {
  const { backup, now } = seen;
  const outcome = judgeRun(run, now, lastObstacle(backup, run.job));
  const { obstacle, setback } = outcome.kind === 'active' ? outcome : {};
  const { doomed, ...marked } = replacementOf(backup, run, {
    // What works on a node that is lost may still work.
    isStuck: obstacle !== undefined && obstacle.reason !== 'NodeLost',
    agentImage: policy.agentImage,
  });
  return {
    standing: {
      kind: 'running',
      run: { ...currentRunOf(run.job), ...marked },
      ...(obstacle === undefined ? {} : { obstacle }),
      ...(setback === undefined ? {} : { setback }),
    },
    next: nextLook(seen, run),
    actions: doomed === undefined ? [] : [deletion(doomed, 'Foreground')],
  };
}

/**
 * What a Job is to be made for, if one is. A run that waits counts as starting when others make room for it: it must be sure
 * that it can start, or it would drive them out for nothing, again and again.
 */
export function startingIn({ standing, actions }: Decision): Starting {
  const isTask = ({ job }: Action): boolean => job.metadata?.labels?.[labels.task] !== undefined;
  if (standing.kind === 'queued') return actions.some(isTask) ? 'run' : 'nothing';
  const made = actions.find(({ kind }) => kind === 'createJob');
  if (made === undefined) return 'nothing';
  return isTask(made) ? 'upkeep' : 'run';
}

/** A Pod that is not placed, or does not end, becomes an obstacle by time alone, and no watch tells of time. */
function nextLook({ backup, now }: Observed, { job, pods }: RunView): Next {
  const pod = pods.at(-1);
  const { creationTimestamp, deletionTimestamp } = (pod ?? job).metadata;
  const ageMs = now.getTime() - Date.parse(creationTimestamp);
  const young = ageMs < 2 * schedulingGraceSeconds * 1000;
  const waits = pod === undefined || isAtItsStart(pod) || deletionTimestamp !== undefined;
  const again = young || waits || backup.status?.currentRun === undefined;
  return again ? { kind: 'after', delayMs: recheckAfterMs(ageMs) } : { kind: 'onChange' };
}

interface Judged {
  readonly ended: readonly RunStatus[];
  readonly findings: readonly Finding[];
  readonly unclear: readonly RunStatus[];
}

/** Runs whose Job has finished, or has gone before its end was seen, and that status does not know as ended. */
function judgedRuns(seen: Observed): Judged {
  const { backup, runs, now } = seen;
  const known = knownRuns(backup);
  const judged = runs
    .filter(({ job }) => !known.has(job.metadata.name) && !isGoing(backup, job))
    .map((run) => judgeRun(run, now, lastObstacle(backup, run.job)));
  const gone = goneRunOf(seen, known);
  return {
    ended: judged.flatMap((outcome) => (outcome.kind === 'ended' ? [outcome.status] : [])),
    findings: judged.flatMap((outcome) => (outcome.kind === 'ended' ? (outcome.finding ?? []) : [])),
    unclear: [
      ...(gone === undefined ? [] : [gone]),
      ...judged.flatMap((outcome) => (outcome.kind === 'unclear' ? [outcome.status] : [])),
    ],
  };
}

/** The run that status knows as under way, when its Job is not there any more. */
function goneRunOf({ backup, runs, now }: Observed, known: ReadonlySet<string>): RunStatus | undefined {
  const { currentRun } = backup.status ?? {};
  if (currentRun === undefined || resumedRun(backup) !== undefined || known.has(currentRun.id))
    return undefined;
  if (runs.some(({ job }) => job.metadata.name === currentRun.id)) return undefined;
  const { replacedPods: _gone, ...run } = currentRun;
  return goneRun(run, now);
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
  // The advice comes once, when the message is made anew.
  return { reason: ready.reason as WaitingReason, detail: factsIn(ready.message, ready.reason) };
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
