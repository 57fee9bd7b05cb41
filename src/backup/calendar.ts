// When scheduled runs start: timetable, blackout windows and spread together. Pure.
import { createHash } from 'node:crypto';
import type { Timing } from '../api/neo4jbackup.ts';
import { Recall } from './recall.ts';
import { timetableOf, type Timetable } from './timetable.ts';
import { spanMs } from './timing.ts';
import { windowsOf, type Windows } from './windows.ts';
import { dayMs } from './zone.ts';

/** Moments of a timetable, one at least. */
export interface Range {
  readonly first: Date;
  readonly last: Date;
  readonly count: number;
}

interface When {
  readonly timetable: Timetable;
  readonly windows: Windows;
  /** So much later than its moment does every run start. Milliseconds. */
  readonly spreadMs: number;
}

export interface Calendar extends When {
  /** When the first run starts whose moment is after this one. Undefined: the windows leave none for long. */
  readonly nextStart: (after: Date) => Date | undefined;
  /** The same, of full backups alone. */
  readonly nextFullStart: (after: Date) => Date | undefined;
}

/** After the one time, and not after the other. */
interface Stretch {
  readonly after: Date;
  readonly through: Date;
}

/** Windows that take away so many moments in a row leave none. */
const mostTries = 1_000;

/**
 * As do those that leave none for so long: the 29th of February is missed for eight years at most. Each try may look through a
 * year, and every resource waits for it. Milliseconds.
 */
const mostAheadMs = 9 * 366 * dayMs;

/** That there is none was found with much work, and each pass asks. Milliseconds. */
const noneForMs = dayMs / 24;

const known = new Recall<Calendar | undefined>(10_000);

/** @returns undefined when there is no schedule, or one that means nothing: objection.ts says what is wrong with it */
export function calendarOf(timing: Timing | undefined, uid: string): Calendar | undefined {
  if (timing === undefined) return undefined;
  const key = JSON.stringify([timing.spread === undefined ? '' : uid, timing]);
  return known.of(key, () => build(timing, uid));
}

function build(timing: Timing, uid: string): Calendar | undefined {
  const timetable = timetableOf(timing);
  const windows = windowsOf(timing);
  const spreadMs = spreadOf(timing.spread, uid);
  if (timetable?.kind !== 'valid' || windows.kind !== 'valid' || spreadMs === undefined) return undefined;
  const when = { timetable: timetable.timetable, windows: windows.windows, spreadMs };
  return {
    ...when,
    nextStart: remembered((after) => firstStart(when, after)),
    nextFullStart: remembered((after) => firstStart(when, after, when.timetable.nextFull)),
  };
}

/** What is wrong with the schedules, if anything: the field, what it says, and why that is nothing. */
export function timingProblem(timing: Timing | undefined, uid: string, now: Date): string | undefined {
  if (timing === undefined) return undefined;
  const calendar = calendarOf(timing, uid);
  return calendar === undefined ? fieldProblem(timing) : neverProblem(calendar, now);
}

/** The field that means nothing, and what it says. */
export function fieldProblem(timing: Timing): string | undefined {
  const timetable = timetableOf(timing);
  if (timetable?.kind === 'invalid')
    return `spec.${timetable.field} is "${timing[timetable.field] ?? ''}": ${timetable.problem}`;
  return windowProblem(timing);
}

function windowProblem(timing: Timing): string | undefined {
  const windows = windowsOf(timing);
  if (windows.kind === 'valid') return undefined;
  const { at, field, problem } = windows;
  if (field === 'timeZone') return `spec.timeZone is "${timing.timeZone ?? ''}": ${problem}`;
  return `spec.blackoutWindows[${at}].${field} is "${timing.blackoutWindows?.[at]?.[field] ?? ''}": ${problem}`;
}

/** A backup that silently never happens is the worst of all. */
function neverProblem(calendar: Calendar, now: Date): string | undefined {
  if (calendar.nextStart(now) !== undefined) return undefined;
  return 'spec.blackoutWindows leave no moment of the schedules';
}

/** The same for ever, whatever else is edited: a whole number of seconds within the span. Milliseconds. */
function spreadOf(spread: string | undefined, uid: string): number | undefined {
  if (spread === undefined) return 0;
  const ms = spanMs(spread);
  if (ms === undefined) return undefined;
  const hash = createHash('sha256').update(uid).digest().readUInt32BE(0);
  return Math.floor((hash / 2 ** 32) * (ms / 1_000)) * 1_000;
}

/** The moments of a stretch whose start lies in a window, and the others. */
export function splitMoments(
  calendar: Calendar,
  stretch: Stretch,
): { readonly blacked?: Range | undefined; readonly others?: Range | undefined } {
  const dark = darkParts(calendar, stretch);
  return {
    blacked: rangeOf(calendar.timetable, dark),
    others: rangeOf(calendar.timetable, between(dark, stretch)),
  };
}

/** The newest moment of a stretch whose start lies in no window. */
export function newestStartable(calendar: Calendar, stretch: Stretch): Date | undefined {
  const { timetable, windows } = calendar;
  const newest = timetable.newest(stretch.through)?.time;
  if (newest === undefined || newest <= stretch.after) return undefined;
  // Almost always the first one that is looked at.
  if (windows.endOf(startOf(calendar, newest)) === undefined) return newest;
  return rangeOf(timetable, between(darkParts(calendar, stretch), stretch))?.last;
}

/** When the first run starts whose moment is after this one, of all or of those that `nextOf` names. */
export function firstStart(
  calendar: When,
  after: Date,
  nextOf = (time: Date): Date | undefined => calendar.timetable.next(time)?.time,
): Date | undefined {
  const most = after.getTime() + mostAheadMs;
  let moment = nextOf(after);
  for (let tries = 0; moment !== undefined && tries < mostTries && moment.getTime() < most; tries += 1) {
    const start = startOf(calendar, moment);
    const end = calendar.windows.endOf(start);
    if (end === undefined) return start;
    moment = nextOf(momentOf(calendar, end));
  }
  return undefined;
}

/** @returns the same, that there is none for a while without looking again */
function remembered(look: (after: Date) => Date | undefined): (after: Date) => Date | undefined {
  let noneAt = -Infinity;
  return (after) => {
    const sinceMs = after.getTime() - noneAt;
    if (sinceMs >= 0 && sinceMs < noneForMs) return undefined;
    const found = look(after);
    if (found === undefined) noneAt = after.getTime();
    return found;
  };
}

function startOf({ spreadMs }: When, moment: Date): Date {
  return new Date(moment.getTime() + spreadMs);
}

/** The newest time whose start is before this one. */
function momentOf({ spreadMs }: When, start: Date): Date {
  return new Date(start.getTime() - spreadMs - 1);
}

/** What windows take away of a stretch, oldest first. */
function darkParts(calendar: Calendar, { after, through }: Stretch): readonly Stretch[] {
  const from = new Date(startOf(calendar, after).getTime() + 1);
  const until = new Date(startOf(calendar, through).getTime() + 1);
  return calendar.windows
    .within({ from, until })
    .map((span) => ({ after: momentOf(calendar, span.from), through: momentOf(calendar, span.until) }));
}

/** What they leave. */
function between(dark: readonly Stretch[], { after, through }: Stretch): readonly Stretch[] {
  const edges = [after, ...dark.flatMap((part) => [part.after, part.through]), through];
  const parts = edges.flatMap((edge, i) =>
    i % 2 === 0 ? [{ after: edge, through: edges[i + 1] ?? edge }] : [],
  );
  return parts.filter((part) => part.after < part.through);
}

function rangeOf(timetable: Timetable, parts: readonly Stretch[]): Range | undefined {
  const counted = parts
    .map((part) => ({ part, count: timetable.count(part.after, part.through) }))
    .filter(({ count }) => count > 0);
  const [oldest, newest] = [counted[0], counted.at(-1)];
  const first = oldest && timetable.next(oldest.part.after)?.time;
  const last = newest && timetable.newest(newest.part.through)?.time;
  if (first === undefined || last === undefined) return undefined;
  return { first, last, count: counted.reduce((sum, { count }) => sum + count, 0) };
}
