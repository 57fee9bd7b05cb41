// Which run is due, and its name: pure. The name is the lock: whoever makes the Job of that name first has made the run.
import { createHash } from 'node:crypto';
import { annotations, wishes } from '../api/names.ts';
import type { Neo4jBackupStatus, RetentionPolicy, RunStatus } from '../api/neo4jbackup.ts';
import { plain } from '../api/plain.ts';
import { instant, timingOf } from './timing.ts';
import type { Job, Neo4jBackup } from './resources.ts';

/** What made a run due: one of these, or, of none, that the resource was created. */
export type RunCause = Pick<RunStatus, 'triggerID' | 'annotationTriggerID' | 'scheduledTime'>;

export interface DueRun extends RunCause {
  /** Name of the run and of its Job. */
  readonly id: string;
  readonly requestedType: 'Auto' | 'Full';
}

/**
 * Name of a run: from the uid of the resource and what made the run due, so that every pass, also after a crash, comes
 * to the same one, and a resource that was deleted and made anew to another. At most 63 characters.
 */
export function runName(backup: Neo4jBackup, cause: string): string {
  return jobName(backup, cause, '');
}

/** Name of a Job that follows from the resource and what made it due. What kind of Job it is may stand in it for people. */
export function jobName(backup: Neo4jBackup, cause: string, kind: string): string {
  const hash = createHash('sha256').update(`${backup.metadata.uid}\0${cause}`).digest('hex').slice(0, 10);
  return `${shortName(backup.metadata.name, 52 - kind.length)}${kind}-${hash}`;
}

/** A resource's name as one DNS label of at most so many characters. A name that had to change carries a hash of the whole. */
export function shortName(name: string, most: number): string {
  const label = name.replaceAll(/[^-a-z0-9]/g, '-');
  if (label === name && label.length <= most) return label;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return `${label.slice(0, most - hash.length - 1).replace(/-+$/, '')}-${hash}`;
}

/** The folder of the volume that a resource writes to. */
export function destinationPath(backup: Neo4jBackup): string {
  return backup.spec.destination.path ?? shortName(backup.metadata.name, 63);
}

/** The label of Jobs that use a claim: its name, or what fits of it and a hash. */
export function claimMark(claimName: string): string {
  return shortName(claimName, 63);
}

/** What the label of a server begins with that is no Service: no name of a Service has such a character. */
export const hostMark = 'host_';

/** The label of Jobs that copy from a server. */
export function serverMark({ serviceRef, host = '', port }: Neo4jBackup['spec']['source']): string {
  const longest = 63 - `_${port}`.length;
  if (serviceRef !== undefined) return `${shortName(serviceRef.name, longest)}_${port}`;
  return `${hostMark}${shortName(host.toLowerCase(), longest - hostMark.length)}_${port}`;
}

/** Two policies that say the same have the same hash, whatever the order of their fields. */
export function policyHash(policy: RetentionPolicy): string {
  const rules = Object.entries(policy).toSorted(([a], [b]) => a.localeCompare(b));
  return createHash('sha256').update(JSON.stringify(rules)).digest('hex').slice(0, 16);
}

/**
 * The run that is due now, if any. What the schedules ask for goes first, as it will be too late for it; a trigger waits. With
 * a trigger there is a run for each new id: one that status or a Job remembers never fires again, so a tool that reverts the
 * field starts nothing. With neither there is one run, at creation.
 * @param scheduled what the schedules ask for now
 */
export function dueRun(
  backup: Neo4jBackup,
  jobs: readonly Job[],
  scheduled?: { readonly time: Date; readonly isFull: boolean },
): DueRun | undefined {
  if (scheduled !== undefined) {
    const scheduledTime = instant(scheduled.time.getTime());
    return named(backup, { scheduledTime }, scheduled.isFull ? 'Full' : 'Auto');
  }
  return triggered(backup, jobs) ?? annotated(backup, jobs) ?? first(backup, jobs);
}

function named(backup: Neo4jBackup, cause: RunCause, requestedType: DueRun['requestedType']): DueRun {
  return { id: runName(backup, causeOf(cause)), requestedType, ...cause };
}

function triggered(backup: Neo4jBackup, jobs: readonly Job[]): DueRun | undefined {
  const { trigger } = backup.spec;
  if (trigger === undefined) return undefined;
  const fired = firedBy(backup, jobs, 'triggerID');
  return fired.has(trigger.id) ? undefined : named(backup, { triggerID: trigger.id }, trigger.type);
}

/** People cannot always edit what git owns. */
function annotated(backup: Neo4jBackup, jobs: readonly Job[]): DueRun | undefined {
  const wish = backup.metadata.annotations?.[wishes.runNow] ?? '';
  if (wish === '') return undefined;
  const annotationTriggerID = wishID(wish);
  if (firedBy(backup, jobs, 'annotationTriggerID').has(annotationTriggerID)) return undefined;
  const isFull = backup.metadata.annotations?.[wishes.runNowType]?.toLowerCase() === 'full';
  return named(backup, { annotationTriggerID }, isFull ? 'Full' : 'Auto');
}

/** An annotation may hold anything: told as it is where it fits, else what fits of it and a hash of the whole. */
function wishID(wish: string): string {
  const shown = plain(wish);
  if (shown === wish && wish.length <= 63) return wish;
  const hash = createHash('sha256').update(wish).digest('hex').slice(0, 16);
  // Half a character would come back from the API server as another one, and the wish as a new one.
  return `${shown.slice(0, 46).toWellFormed()}-${hash}`;
}

function first(backup: Neo4jBackup, jobs: readonly Job[]): DueRun | undefined {
  const { spec, status } = backup;
  const isByItself = spec.trigger === undefined && timingOf(backup) === undefined && !spec.suspend;
  // A schedule that was removed starts nothing.
  if (!isByItself || status?.accountedThrough !== undefined || hasRun(backup, jobs)) return undefined;
  return named(backup, {}, 'Auto');
}

/** What made a run due, in one word for its name. */
export function causeOf({ triggerID, annotationTriggerID, scheduledTime }: RunCause): string {
  if (scheduledTime !== undefined) return `schedule\0${scheduledTime}`;
  if (annotationTriggerID !== undefined) return `annotation\0${annotationTriggerID}`;
  return triggerID === undefined ? 'once' : `trigger\0${triggerID}`;
}

function hasRun({ status }: Neo4jBackup, jobs: readonly Job[]): boolean {
  return jobs.length > 0 || rememberedRuns(status).length > 0 || status?.currentRun !== undefined;
}

/** Every run that status knows as ended: the history is bounded, and the newest of a kind may be older than all of it. */
export function rememberedRuns(status: Neo4jBackupStatus | undefined): readonly RunStatus[] {
  const { history = [], inspecting = [], lastRun, lastFull, lastIncremental, lastFailure } = status ?? {};
  return [...history, ...inspecting, lastRun, lastFull, lastIncremental, lastFailure].filter(
    (run) => run !== undefined,
  );
}

function firedBy(
  { status }: Neo4jBackup,
  jobs: readonly Job[],
  source: 'triggerID' | 'annotationTriggerID',
): ReadonlySet<string | undefined> {
  const last = source === 'triggerID' ? status?.lastTriggerID : status?.lastAnnotationTriggerID;
  return new Set([
    last,
    status?.currentRun?.[source],
    ...rememberedRuns(status).map((run) => run[source]),
    ...jobs.map(({ metadata }) => metadata.annotations?.[annotations[source]]),
  ]);
}
