// What tends the volume: which Job is due, and what those say that have ended. A backup always goes before. Pure.
import { annotations, containers, labels, tasks } from '../api/names.ts';
import type {
  Neo4jBackupStatus,
  RetentionStatus,
  VerificationStatus,
  VolumeStatus,
} from '../api/neo4jbackup.ts';
import { plain } from '../api/plain.ts';
import { explain } from '../api/reasons.ts';
import type { PastReport } from '../run/report.ts';
import { parseUpkeep, type UpkeepReport } from '../run/upkeep.ts';
import type { Action } from './decide.ts';
import { evidenceOf, hasEnded, statusesOf } from './evidence.ts';
import type { Observed } from './observe.ts';
import { finishedCondition, isFinished, type RunView } from './outcome.ts';
import type { Job, Neo4jBackup } from './resources.ts';
import { policyHash } from './run.ts';
import { parseSchedule, type Schedule } from './schedule.ts';
import { instantIn } from './timing.ts';
import { buildChore, choreName, type Chore } from './upkeep-job.ts';
import { isCrowded } from './way.ts';

/** What a Job that has ended saw on the volume, or did there. */
export interface Finding {
  readonly volume?: VolumeStatus | undefined;
  readonly retention?: RetentionStatus | undefined;
  readonly verification?: VerificationStatus | undefined;
  /** Runs that the volume remembers, which status may have lost. */
  readonly past?: readonly PastReport[] | undefined;
}

/** A Job is due whose turn has not come: who makes room tells nobody. Milliseconds. */
const recheckMs = 60_000;

/** However far away the next moment of a schedule is. Milliseconds. */
const mostWaitMs = 6 * 3_600_000;

// --- what is due

/** The policy first: it is done in a moment, and what it removes need not be read. */
export function dueChore(backup: Neo4jBackup, now: Date): Chore | undefined {
  return duePrune(backup) ?? dueScrub(backup, now);
}

/** When the next verification becomes due. */
function nextScrub({ spec }: Neo4jBackup, now: Date): Date | undefined {
  return scheduleOf(spec)?.next(now);
}

function scheduleOf({ verification }: Neo4jBackup['spec']): Schedule | undefined {
  if (verification === undefined) return undefined;
  const parsed = parseSchedule(verification.schedule);
  return parsed.kind === 'valid' ? parsed.schedule : undefined;
}

/** However many moments have passed, one verification makes up for all of them. Creation counts as one. */
function dueScrub(backup: Neo4jBackup, now: Date): Chore | undefined {
  const nominal = scheduleOf(backup.spec)?.newest(now);
  if (nominal === undefined) return undefined;
  const created = Date.parse(backup.metadata.creationTimestamp);
  const since = Math.max(created, verifiedFor(backup.status) ?? created);
  return nominal.getTime() > since ? { task: 'scrub', nominal } : undefined;
}

function verifiedFor(status: Neo4jBackupStatus | undefined): number | undefined {
  const { scheduledTime, completionTime } = status?.lastVerification ?? {};
  const time = scheduledTime ?? completionTime;
  return time === undefined ? undefined : Date.parse(time);
}

/**
 * Each run applies the policy that it was made with. What was edited since then is applied at once, or shown. A status that
 * knows of no backup says nothing: the next run applies the policy.
 */
function duePrune({ spec, status }: Neo4jBackup): Chore | undefined {
  if (spec.retention === undefined || status?.lastSuccessfulTime === undefined) return undefined;
  const policy = policyHash(spec.retention);
  return status.retention?.policy === policy ? undefined : { task: 'prune', policy };
}

// --- what was found

/** What the Jobs say that have ended and are not in status yet, oldest first. */
export function findings({ backup, upkeeps, now }: Observed): readonly Finding[] {
  return upkeeps
    .filter(({ job }) => isFinished(job))
    .map((view) => findingOf(view, backup, now))
    .filter((finding) => isNews(finding, backup));
}

function findingOf(view: RunView, backup: Neo4jBackup, now: Date): Finding {
  const said = reportIn(view);
  const finished = finishedCondition(view.job)?.lastTransitionTime ?? now.toISOString();
  const volume = said?.volume;
  if (taskOf(view.job) === 'scrub') return { volume, verification: verificationIn(view, said, finished) };
  return { volume, retention: retentionIn(view, said, { backup, finished }) };
}

function taskOf({ metadata }: Job): Chore['task'] {
  return metadata.labels?.[labels.task] === tasks.scrub ? tasks.scrub : tasks.prune;
}

/** Only its own container speaks in it. */
function reportIn({ job, pods }: RunView): UpkeepReport | undefined {
  return pods
    .flatMap(statusesOf)
    .filter(({ name }) => name === containers[taskOf(job)])
    .flatMap(({ state }) => parseUpkeep(state?.terminated?.message, job.metadata.name) ?? [])
    .at(-1);
}

function verificationIn(view: RunView, said: UpkeepReport | undefined, finished: string): VerificationStatus {
  const { name, annotations: marks } = view.job.metadata;
  const scheduledTime = instantIn(marks?.[annotations.scheduledTime]) ?? finished;
  if (said === undefined) {
    const [reason, message] = ['UpkeepFailed', explain('UpkeepFailed', failureOf(view))] as const;
    return { id: name, result: 'Failed', reason, message, scheduledTime, completionTime: finished };
  }
  const { reason, completionTime, verification, message } = said;
  return {
    ...verification,
    ...(verification?.damaged === undefined ? {} : { damaged: verification.damaged.map(plainly) }),
    id: name,
    result: reason === 'Verified' ? 'Succeeded' : 'Failed',
    reason,
    message: plain(verification?.message ?? message),
    scheduledTime,
    completionTime,
  };
}

type Damage = NonNullable<VerificationStatus['damaged']>[number];

/** Names of files are anybody's who can write to the volume. */
function plainly(damage: Damage): Damage {
  return { ...damage, file: plain(damage.file) };
}

function retentionIn(
  view: RunView,
  said: UpkeepReport | undefined,
  { backup, finished }: { readonly backup: Neo4jBackup; readonly finished: string },
): RetentionStatus {
  const { creationTimestamp: startTime, annotations: marks } = view.job.metadata;
  const policy = marks?.[annotations.retention]?.slice(0, 16) ?? '';
  const applied = said?.retention ?? notApplied(backup, said, finished);
  return { ...applied, policy, startTime };
}

/** As it was before, and why it stays so. */
function notApplied(
  { spec, status }: Neo4jBackup,
  said: UpkeepReport | undefined,
  finished: string,
): RetentionStatus {
  return {
    ...(status?.retention ?? { kept: 0, condemned: 0 }),
    mode: spec.retention?.mode ?? 'Plan',
    time: said?.completionTime ?? finished,
    removed: 0,
    blockedBecause: said?.reason ?? 'UpkeepFailed',
  };
}

/** How the Job failed, by the cluster's own evidence. */
function failureOf({ job, pods }: RunView): string {
  const ending = evidenceOf(pods);
  const how = ending?.detail ?? finishedCondition(job)?.message ?? 'none of its Pods said how it ended';
  return `The Job ${job.metadata.name} failed: ${how.slice(0, 300)}`;
}

function isNews(finding: Finding, backup: Neo4jBackup): boolean {
  const { verification } = finding;
  if (verification === undefined) return isNewsOfRetention(finding, backup);
  const known = verifiedFor(backup.status);
  return known === undefined || Date.parse(verification.scheduledTime ?? '') > known;
}

/** Status keeps nothing of a policy that is gone: what never gets there would be news for ever, and hold up all else. */
function isNewsOfRetention({ retention }: Finding, { spec, status }: Neo4jBackup): boolean {
  if (spec.retention === undefined) return false;
  const [told, known] = [startOf(retention), startOf(status?.retention)];
  return told > known || (told === known && retention?.policy !== status?.retention?.policy);
}

/** By the clock of the API server alone: those of the nodes may be ahead, and a Job whose end is never news is made for ever. */
function startOf(retention: RetentionStatus | undefined): number {
  return Date.parse(retention?.startTime ?? '1970-01-01T00:00:00Z');
}

// --- what is to be done

export interface Tending {
  readonly actions: readonly Action[];
  /** The Job that is under way. */
  readonly job?: Job;
  /** When to look again, whatever happens. Milliseconds. */
  readonly delayMs?: number;
}

interface Room {
  /** No backup is under way, or due. */
  readonly mayStart: boolean;
  /** What is under way may go on. */
  readonly mayStay: boolean;
  readonly agentImage: string;
}

/** The next Job that tends the volume, if one may start; and what is left of those before. */
export function tend(seen: Observed, { mayStart, mayStay, agentImage }: Room): Tending {
  const { backup, now, upkeeps } = seen;
  const active = upkeeps.filter(({ job }) => !isFinished(job));
  const inTheWay = mayStay ? active.filter(({ job }) => isUnwanted(backup, job)) : active;
  const removed = [...inTheWay, ...outdated(seen)].filter(
    ({ job }) => job.metadata.deletionTimestamp === undefined,
  );
  const deletions = removed.map(
    ({ job }) => ({ kind: 'deleteJob', job, propagationPolicy: 'Foreground' }) as const,
  );
  const [busy] = active;
  if (busy !== undefined) return { actions: deletions, job: busy.job };
  if (!mayStart) return { actions: deletions };
  const chore = dueChore(backup, now);
  if (chore === undefined) return { actions: deletions, ...waitOf(nextScrub(backup, now), now) };
  // The Job of the same name has ended, and is told of: it goes first.
  if (upkeeps.some(({ job }) => job.metadata.name === choreName(backup, chore)))
    return { actions: deletions };
  if (isCrowded(seen)) return { actions: deletions, delayMs: recheckMs };
  const job = buildChore(backup, chore, { agentImage, now, terminalPods: terminalPods(seen) });
  return { actions: [{ kind: 'createJob', job }, ...deletions] };
}

function waitOf(next: Date | undefined, now: Date): Pick<Tending, 'delayMs'> {
  return next === undefined ? {} : { delayMs: Math.min(mostWaitMs, next.getTime() - now.getTime()) };
}

/** Nobody asks for it any more. A policy that was edited must not go on removing what it no longer should. */
function isUnwanted({ spec }: Neo4jBackup, job: Job): boolean {
  if (taskOf(job) === 'scrub') return spec.verification === undefined;
  const { retention } = spec;
  return (
    retention === undefined || job.metadata.annotations?.[annotations.retention] !== policyHash(retention)
  );
}

/**
 * Of those that status knows the newest of each task stays for people to look at, unless its name is wanted again: a policy
 * may come back.
 */
function outdated({ backup, upkeeps, now }: Observed): readonly RunView[] {
  const known = upkeeps.filter(
    (view) => isFinished(view.job) && !isNews(findingOf(view, backup, now), backup),
  );
  const newest = new Map(known.map((view) => [taskOf(view.job), view]));
  const chore = dueChore(backup, now);
  const wanted = chore === undefined ? undefined : choreName(backup, chore);
  return known.filter((view) => {
    const task = taskOf(view.job);
    // Without a policy there is nothing to look at, and what it said must not pass for an answer to one that comes back.
    const isForgotten = task === 'prune' && backup.spec.retention === undefined;
    return isForgotten || newest.get(task) !== view || view.job.metadata.name === wanted;
  });
}

/** Pods that have ended: they will never write to the volume again. */
export function terminalPods({ runs, inspections, upkeeps }: Observed): readonly string[] {
  return [...runs, ...inspections, ...upkeeps]
    .flatMap(({ pods }) => pods)
    .filter(hasEnded)
    .map(({ metadata }) => metadata.uid);
}
