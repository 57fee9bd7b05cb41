// The runs that a resource's schedules come to: timetable, blackout windows and spread together. Pure.
import { firstStart } from '../backup/calendar.ts';
import type { Moment, Timetable } from '../backup/timetable.ts';
import type { Span, Windows } from '../backup/windows.ts';

export interface Timing {
  readonly timetable: Timetable;
  readonly windows: Windows;
  /** So much later than its moment does a run start at least, and at most. Milliseconds. */
  readonly spread: { readonly leastMs: number; readonly mostMs: number };
}

interface Start {
  /** As the schedule has it. */
  readonly moment: Date;
  /** With the least of the spread. */
  readonly start: Date;
  /** The offset, which nobody knows yet, may put it into a window, or out of one. */
  readonly isUnsure: boolean;
}

export interface PlannedRun extends Start {
  /** Owed: a full backup before it fell into a blackout window. */
  readonly full?: 'FullSchedule' | 'Owed';
}

/** A moment that a window takes away. */
export interface Dark extends Start {
  readonly isFull: boolean;
  /** The end of the window. */
  readonly until: Date;
}

export interface Runs {
  readonly runs: readonly PlannedRun[];
  readonly dark: readonly Dark[];
}

/** How many moments a span has: what is planned, or refused for being too many. */
export function countMoments({ timetable }: Timing, { from, until }: Span): number {
  return timetable.count(justBefore(from), justBefore(until));
}

/** What comes of the moments within a span. A full backup that a window takes away is not forgotten: the next run takes it. */
export function runsWithin(timing: Timing, span: Span): Runs {
  const runs: PlannedRun[] = [];
  const dark: Dark[] = [];
  const lookUp = windowsAlong(timing, span);
  let isOwed = false;
  for (const { time, isFull } of momentsIn(timing.timetable, span)) {
    const { until, ...start } = lookUp(time);
    if (until !== undefined) {
      dark.push({ ...start, isFull, until });
      isOwed ||= isFull;
      continue;
    }
    const full = isFull ? 'FullSchedule' : isOwed ? 'Owed' : undefined;
    runs.push(full === undefined ? start : { ...start, full });
    isOwed = false;
  }
  return { runs, dark };
}

function* momentsIn(timetable: Timetable, { from, until }: Span): Iterable<Moment> {
  let moment = timetable.next(justBefore(from));
  while (moment !== undefined && moment.time < until) {
    yield moment;
    moment = timetable.next(moment.time);
  }
}

/** Asked for moments in their order: the windows are read once. */
function windowsAlong(
  { windows, spread }: Timing,
  { from, until }: Span,
): (moment: Date) => Start & { readonly until: Date | undefined } {
  const spans = windows.within({ from: later(from, spread.leastMs), until: later(until, spread.mostMs) });
  let at = 0;
  return (moment) => {
    const start = later(moment, spread.leastMs);
    while ((spans[at]?.until ?? Infinity) <= start) at += 1;
    const last = later(moment, spread.mostMs);
    const span = spans[at];
    const isDark = span !== undefined && span.from <= start;
    const isUnsure = span !== undefined && (isDark ? span.until <= last : span.from <= last);
    return { moment, start, isUnsure, until: isDark ? windows.endOf(start) : undefined };
  };
}

/** Windows that take away so many moments in a row leave none that anybody would wait for. */
const mostTries = 1_000;

/** When the last run before a moment started, if there was one. */
export function startBefore({ timetable, windows, spread }: Timing, from: Date): Date | undefined {
  let moment = timetable.newest(justBefore(from));
  for (let tries = 0; moment !== undefined && tries < mostTries; tries += 1) {
    const start = later(moment.time, spread.leastMs);
    if (windows.endOf(start) === undefined) return start;
    moment = timetable.newest(justBefore(moment.time));
  }
  return undefined;
}

/** When the first run starts whose moment is not before this one, if there is one. */
export function startFrom({ timetable, windows, spread }: Timing, from: Date): Date | undefined {
  return firstStart({ timetable, windows, spreadMs: spread.leastMs }, justBefore(from));
}

function justBefore(time: Date): Date {
  return later(time, -1);
}

function later(time: Date, ms: number): Date {
  return new Date(time.getTime() + ms);
}
