// Which moments of the schedules had their run, which have none and why, and which is due now. Pure: all of it follows from
// spec, status, Jobs and the time, so that a crash loses nothing.
import { isDeepStrictEqual } from 'node:util';
import { annotations } from '../api/names.ts';
import type { MissedRuns, Neo4jBackupStatus, RunStatus, Timing } from '../api/neo4jbackup.ts';
import { calendarOf, newestStartable, splitMoments, type Calendar } from './calendar.ts';
import { currentRunOf, finishedCondition, type RunView } from './outcome.ts';
import type { Neo4jBackup } from './resources.ts';
import { rememberedRuns } from './run.ts';
import { instant, instantIn, timingOf } from './timing.ts';

/** What status keeps of it, between two runs. */
export type Ledger = Pick<
  Neo4jBackupStatus,
  | 'lastScheduleTime'
  | 'suspendedSince'
  | 'fullDueSince'
  | 'accountedThrough'
  | 'observedTiming'
  | 'missedRuns'
>;

type MissReason = MissedRuns['reason'];

/** A run, as far as the schedules are concerned. */
export type Taken = Pick<
  RunStatus,
  'id' | 'requestedType' | 'scheduledTime' | 'startTime' | 'completionTime'
>;

/** What is due, and when something will be. */
export interface Turn {
  readonly due?: { readonly time: Date; readonly isFull: boolean } | undefined;
  /** It must wait for the end of a blackout window. */
  readonly heldUntil?: Date | undefined;
  /** When it is too late for what is due. */
  readonly deadline?: Date | undefined;
  /** When the next run starts after that. */
  readonly next?: Date | undefined;
  readonly nextFull?: Date | undefined;
  /** How much later than its schedule says every run starts. Milliseconds. */
  readonly spreadMs: number;
}

/** What a pass sees, as far as the schedules are concerned. */
interface Seen {
  readonly backup: Neo4jBackup;
  readonly now: Date;
  readonly runs: readonly RunView[];
}

/** The moments between are told of, newest first. */
const keptRanges = 10;

/** Two ranges of one reason are one when no more time than this lies between them, though a run may. Milliseconds. */
const sameRangeMs = 86_400_000;

/** Status says that something is in the way only after a pass has seen it. Milliseconds. */
const slowToTellMs = 60_000;

/**
 * No clock that is right was ever so far ahead of itself: what was written then must not keep the schedules silent until that
 * time comes. Half an hour either way of a change of clocks, or a zone that was set wrongly, stays below. Milliseconds.
 */
const clockWasWrongMs = 25 * 3_600_000;

/** Times are milliseconds, of the schedule: without the spread. */
interface Account {
  readonly calendar: Calendar;
  readonly throughMs: number;
  readonly missed: readonly MissedRuns[];
  readonly lastMs: number | undefined;
  readonly fullDueMs: number | undefined;
}

// --- the ledger

/**
 * The ledger after this pass.
 * @param over runs whose end this pass has seen or found, or that it has just begun
 */
export function account(seen: Seen, over: readonly Taken[]): Ledger {
  const { backup } = seen;
  const timing = timingOf(backup);
  const calendar = calendarOf(timing, backup.metadata.uid);
  // What cannot be read says nothing of what was: an edit has to come, and begins anew.
  const old = closed(seen, over, timing);
  if (timing !== undefined && calendar === undefined) return old;
  if (calendar === undefined || timing === undefined) return { ...old, suspendedSince: undefined };
  const begun = opened(seen, old, calendar);
  const taken = withRuns(seen, begun, over);
  const { suspendedSince, account: judged } = withSuspension(seen, taken, old.suspendedSince);
  return written(withDarkness(seen, withDeadline(seen, judged, over), over), timing, suspendedSince);
}

function kept(status: Ledger): Ledger {
  const { lastScheduleTime, suspendedSince, fullDueSince, accountedThrough, observedTiming, missedRuns } =
    status;
  return { lastScheduleTime, suspendedSince, fullDueSince, accountedThrough, observedTiming, missedRuns };
}

/** What was due by schedules that are not those of the spec any more is told of, and never started. */
function closed(seen: Seen, over: readonly Taken[], timing: Timing | undefined): Ledger {
  const ledger = concluded(seen, over, timing);
  // Who has no schedule of full backups any more is owed none.
  return timing?.fullSchedule === undefined ? { ...ledger, fullDueSince: undefined } : ledger;
}

function concluded(seen: Seen, over: readonly Taken[], timing: Timing | undefined): Ledger {
  const before = kept(seen.backup.status ?? {});
  const { observedTiming, accountedThrough } = before;
  if (observedTiming === undefined || isDeepStrictEqual(observedTiming, timing)) return before;
  const calendar = calendarOf(observedTiming, seen.backup.metadata.uid);
  const forgotten = { ...before, observedTiming: undefined };
  if (calendar === undefined || accountedThrough === undefined) return forgotten;
  const endMs = seen.now.getTime() - calendar.spreadMs;
  const created = Date.parse(seen.backup.metadata.creationTimestamp) - calendar.spreadMs;
  const since = Math.max(created, Date.parse(accountedThrough));
  const taken = withRuns(seen, reopened(before, calendar, since), over);
  const ended =
    before.suspendedSince === undefined ? givenUp(seen, taken, over) : skip(taken, endMs, 'Suspended');
  // With less spread they would have started by now: nothing makes up for what was still to come.
  const spreadMs = calendarOf(timing, seen.backup.metadata.uid)?.spreadMs ?? 0;
  const all = skip(
    ended,
    seen.now.getTime() - spreadMs,
    before.suspendedSince === undefined ? 'DeadlinePassed' : 'Suspended',
  );
  return written(all, undefined, before.suspendedSince);
}

/** What would still be started, or is kept from it by a run that is under way. */
function givenUp(seen: Seen, before: Account, over: readonly Taken[]): Account {
  const { spreadMs } = before.calendar;
  const busy = allRuns(seen, over).find(({ completionTime }) => completionTime === undefined);
  const busyMs = busy === undefined ? Infinity : Date.parse(busy.startTime) - spreadMs;
  const endMs = seen.now.getTime() - spreadMs;
  return skip(unstarted(seen, before, Math.min(busyMs, endMs)), endMs, 'PreviousRunActive');
}

/** The account that status keeps; of schedules that were never seen before, a new one. */
function opened(seen: Seen, ledger: Ledger, calendar: Calendar): Account {
  const { backup, now } = seen;
  const nowMs = now.getTime() - calendar.spreadMs;
  const known = parsed(ledger.accountedThrough);
  const isSame = ledger.observedTiming !== undefined && known !== undefined;
  const created = Date.parse(backup.metadata.creationTimestamp) - calendar.spreadMs;
  if (isSame) {
    // Whoever may write a status must not make us count the moments of centuries.
    const since = Math.max(created, known);
    const so = reopened(ledger, calendar, since - clockWasWrongMs > now.getTime() ? nowMs : since);
    // Else no full backup would do until that time comes, and all of them would be full ones.
    return so.fullDueMs === undefined ? so : { ...so, fullDueMs: Math.min(so.fullDueMs, now.getTime()) };
  }
  // Who was never looked at was created with its schedules: they count from then on. Others were edited.
  const since = isBlank(backup) ? created : Math.max(nowMs, Math.min(known ?? nowMs, now.getTime()));
  return reopened(ledger, calendar, since);
}

function isBlank({ status }: Neo4jBackup): boolean {
  const { observedGeneration = -1, accountedThrough } = status ?? {};
  return observedGeneration === -1 && accountedThrough === undefined;
}

function reopened(ledger: Ledger, calendar: Calendar, throughMs: number): Account {
  return {
    calendar,
    throughMs,
    missed: ledger.missedRuns ?? [],
    lastMs: parsed(ledger.lastScheduleTime),
    fullDueMs: parsed(ledger.fullDueSince),
  };
}

function written(
  { throughMs, missed, lastMs, fullDueMs }: Account,
  observedTiming: Timing | undefined,
  suspendedSince: string | undefined,
): Ledger {
  return {
    lastScheduleTime: lastMs === undefined ? undefined : instant(lastMs),
    suspendedSince,
    fullDueSince: fullDueMs === undefined ? undefined : instant(fullDueMs),
    accountedThrough: instant(throughMs),
    observedTiming,
    missedRuns: missed.length === 0 ? undefined : [...missed],
  };
}

// --- what happened

/** Every run has its moment, if it has one, and keeps those away that come while it lasts. */
function withRuns(seen: Seen, begun: Account, over: readonly Taken[]): Account {
  return allRuns(seen, over).reduce((so, run) => withRun(seen, so, run), begun);
}

function allRuns({ runs, now }: Seen, over: readonly Taken[]): readonly Taken[] {
  const ofJobs = runs.map(({ job }) => takenBy(job, now));
  const known = new Set(ofJobs.map(({ id }) => id));
  return [...ofJobs, ...over.filter(({ id }) => !known.has(id))].toSorted(
    (a, b) => Date.parse(a.startTime) - Date.parse(b.startTime),
  );
}

/** The clock of the API server alone: those of the nodes may differ. */
function takenBy(job: RunView['job'], now: Date): Taken {
  const finished = finishedCondition(job);
  const completionTime = finished?.lastTransitionTime ?? instant(now.getTime());
  return { ...currentRunOf(job), ...(finished === undefined ? {} : { completionTime }) };
}

function withRun(seen: Seen, before: Account, run: Taken): Account {
  const { calendar } = before;
  const nowMs = seen.now.getTime();
  const startMs = Date.parse(run.startTime);
  const momentMs = parsed(run.scheduledTime);
  let so = before;
  if (momentMs !== undefined && momentMs > so.throughMs && momentMs <= nowMs) {
    so = { ...unstarted(seen, so, momentMs - 1), throughMs: momentMs, lastMs: momentMs };
    so = owing(so, before.throughMs, momentMs);
  }
  so = served(so, run);
  // While they are suspended that alone is the reason: what a trigger starts meanwhile keeps nothing away.
  if (run.completionTime === undefined || seen.backup.status?.suspendedSince !== undefined) return so;
  const endMs = Math.min(nowMs, Math.max(startMs, Date.parse(run.completionTime)));
  so = unstarted(seen, so, Math.min(startMs, endMs) - calendar.spreadMs);
  return skip(so, endMs - calendar.spreadMs, 'PreviousRunActive');
}

/** The API server's clock may be behind ours: what a run was made for is never later than the run. */
function served(so: Account, { requestedType, startTime, scheduledTime }: Taken): Account {
  const startMs = Date.parse(startTime);
  const servedMs = Math.max(startMs, parsed(scheduledTime) ?? startMs);
  const isServed = requestedType === 'Full' && (so.fullDueMs ?? Infinity) <= servedMs;
  return isServed ? { ...so, fullDueMs: undefined } : so;
}

interface Suspension {
  readonly account: Account;
  readonly suspendedSince: string | undefined;
}

/** What passes while they are suspended is told of when that ends: until then spec says all. */
function withSuspension(seen: Seen, before: Account, since: string | undefined): Suspension {
  const isSuspended = seen.backup.spec.suspend;
  if (isSuspended === (since !== undefined)) return { account: before, suspendedSince: since };
  const nowMs = seen.now.getTime();
  const skipped = skip(before, nowMs - before.calendar.spreadMs, 'Suspended');
  return { account: skipped, suspendedSince: isSuspended ? instant(nowMs) : undefined };
}

/** It could not start in time. */
function withDeadline(seen: Seen, before: Account, over: readonly Taken[]): Account {
  if (seen.backup.spec.suspend || isUnderWay(seen, over)) return before;
  const moment = newestEligible(before, seen.now);
  if (moment === undefined) return before;
  const limit = deadlineOf(seen, before.calendar, moment);
  return limit === undefined || seen.now <= limit ? before : unstarted(seen, before, moment.getTime());
}

/** However long windows leave nothing: what they took away is told of once a day, and not counted anew in every pass. */
function withDarkness(seen: Seen, before: Account, over: readonly Taken[]): Account {
  const untilMs = seen.now.getTime() - before.calendar.spreadMs;
  if (untilMs - before.throughMs < sameRangeMs || seen.backup.spec.suspend) return before;
  if (isUnderWay(seen, over) || newestEligible(before, seen.now) !== undefined) return before;
  return skip(before, untilMs, 'Blackout');
}

function deadlineOf({ backup }: Seen, { spreadMs }: Calendar, moment: Date): Date | undefined {
  const { startingDeadlineSeconds } = backup.spec;
  if (startingDeadlineSeconds === undefined) return undefined;
  return new Date(moment.getTime() + spreadMs + startingDeadlineSeconds * 1000);
}

function isUnderWay(seen: Seen, over: readonly Taken[]): boolean {
  return allRuns(seen, over).some(({ completionTime }) => completionTime === undefined);
}

/** Nobody started them: something was in the way that status tells of, or nobody was there. */
function unstarted({ backup }: Seen, before: Account, untilMs: number): Account {
  const sinceMs = blockedSince(backup.status);
  if (sinceMs === undefined) return skip(before, untilMs, 'ControllerDown');
  const toldMs = sinceMs - slowToTellMs - before.calendar.spreadMs;
  return skip(skip(before, Math.min(untilMs, toldMs), 'ControllerDown'), untilMs, 'DeadlinePassed');
}

function blockedSince(status: Neo4jBackupStatus | undefined): number | undefined {
  const find = (wanted: string): NonNullable<Neo4jBackupStatus['conditions']>[number] | undefined =>
    status?.conditions?.find(({ type }) => type === wanted);
  const ready = find('Ready');
  if (ready?.status === 'False') return Date.parse(ready.lastTransitionTime);
  const reconciling = find('Reconciling');
  const isWaiting = reconciling?.status === 'True' && reconciling.reason === 'Queued';
  return isWaiting ? Date.parse(reconciling.lastTransitionTime) : undefined;
}

/** Accounts for what comes until then: within a blackout window that is the reason, else this one. */
function skip(before: Account, untilMs: number, reason: MissReason): Account {
  if (untilMs <= before.throughMs) return before;
  const { calendar, throughMs } = before;
  const stretch = { after: new Date(throughMs), through: new Date(untilMs) };
  const { blacked, others } = splitMoments(calendar, stretch);
  const ranges = [
    ...(others === undefined ? [] : [{ reason, ...others }]),
    ...(blacked === undefined ? [] : [{ reason: 'Blackout' as const, ...blacked }]),
  ];
  const missed = ranges.reduce(
    (so, { first, last, ...range }) =>
      withRange(so, { ...range, firstTime: instant(first.getTime()), lastTime: instant(last.getTime()) }),
    before.missed,
  );
  return owing({ ...before, throughMs: untilMs, missed }, throughMs, untilMs);
}

function withRange(missed: readonly MissedRuns[], range: MissedRuns): readonly MissedRuns[] {
  const at = missed.findIndex((other) => other.reason === range.reason && isNear(other, range));
  const before = missed[at];
  if (before === undefined) return [range, ...missed].slice(0, keptRanges);
  const { firstTime } = before;
  return [{ ...range, firstTime, count: before.count + range.count }, ...missed.toSpliced(at, 1)];
}

function isNear(before: MissedRuns, { firstTime }: MissedRuns): boolean {
  const gapMs = Date.parse(firstTime) - Date.parse(before.lastTime);
  return gapMs >= 0 && gapMs <= sameRangeMs;
}

/** A full backup that was due and was not taken is not forgotten: the next run takes it. */
function owing(so: Account, afterMs: number, throughMs: number): Account {
  const full = so.calendar.timetable.newestFull(new Date(throughMs))?.getTime();
  if (full === undefined || full <= afterMs) return so;
  return { ...so, fullDueMs: so.fullDueMs ?? full };
}

// --- what is due

/** Nothing, where the schedules mean nothing or there are none. */
export function turnOf(seen: Seen, ledger: Ledger): Turn | undefined {
  const { backup, now } = seen;
  const calendar = calendarOf(timingOf(backup), backup.metadata.uid);
  if (calendar === undefined || ledger.accountedThrough === undefined) return undefined;
  const { spreadMs } = calendar;
  if (backup.spec.suspend) return { spreadMs };
  const so = reopened(ledger, calendar, Date.parse(ledger.accountedThrough));
  const turn = { ...comingStarts(so, now), spreadMs };
  const time = newestEligible(so, now);
  // A clock that was ahead for a while may have had it taken already: its name is not to be given again.
  if (time === undefined || isRemembered(seen, time)) return turn;
  const heldUntil = calendar.windows.endOf(now);
  const deadline = deadlineOf(seen, calendar, time);
  return { ...turn, due: { time, isFull: isFullDue(so, time) }, heldUntil, deadline };
}

function isFullDue({ calendar, fullDueMs, throughMs }: Account, moment: Date): boolean {
  const full = calendar.timetable.newestFull(moment)?.getTime();
  return fullDueMs !== undefined || (full !== undefined && full > throughMs);
}

function comingStarts(so: Account, now: Date): Pick<Turn, 'next' | 'nextFull'> {
  const { calendar } = so;
  const after = new Date(Math.max(so.throughMs, now.getTime() - calendar.spreadMs));
  const next = calendar.nextStart(after);
  return { next, nextFull: so.fullDueMs === undefined ? calendar.nextFullStart(after) : next };
}

/** The newest moment that nobody has accounted for and whose start lies in no window. */
function newestEligible({ calendar, throughMs }: Account, now: Date): Date | undefined {
  const through = new Date(now.getTime() - calendar.spreadMs);
  return newestStartable(calendar, { after: new Date(throughMs), through });
}

function isRemembered({ backup, runs }: Seen, moment: Date): boolean {
  const time = instant(moment.getTime());
  return (
    rememberedRuns(backup.status).some(({ scheduledTime }) => scheduledTime === time) ||
    runs.some(({ job }) => instantIn(job.metadata.annotations?.[annotations.scheduledTime]) === time)
  );
}

function parsed(time: string | undefined): number | undefined {
  const ms = Date.parse(time ?? '');
  // The API server takes offsets that no clock has.
  return Number.isNaN(ms) ? undefined : ms;
}
