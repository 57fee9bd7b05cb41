// How far apart scheduled runs of a resource are at most: what a person means by "it runs every day". Pure.
import type { Timing } from '../api/neo4jbackup.ts';
import { timetableOf, type Timetable } from './timetable.ts';
import { windowsOf, type Windows } from './windows.ts';

/** Longer than a week, so that each night and each weekend is in it; of what strikes seldom so many gaps that no month is longer. Milliseconds. */
const spanMs = 8 * 86_400_000;
const leastGaps = 4;

/** What strikes more often than this is not walked through moment by moment, but for the first ones. Milliseconds. */
const strideMs = 1_800_000;
const firstGaps = 60;

/** A Monday in a winter, from which one looks ahead: what is expected of a schedule changes with no clock. */
const anyMonday = new Date('2026-01-05T00:00:00Z');

/** More than that takes: a schedule that plays tricks ends here. */
const mostSteps = 2_000;

/** Windows may leave nothing, and each look may go through a year: the 29th of February is missed for eight at most. Milliseconds. */
const mostAheadMs = 9 * 366 * 86_400_000;

/** It takes milliseconds, and whoever scrapes asks for every resource. */
const known = new Map<string, number | undefined>();
const mostKnown = 10_000;

/**
 * The longest time between two runs of the schedules, blackout windows left out. In seconds.
 *
 * Guarantees: exact from half an hour on, as far as eight days, and four moments, show it; the same at all times.
 * @returns undefined when there is no schedule, or one that starts nothing
 */
export function expectedIntervalSeconds(timing: Timing): number | undefined {
  const { schedule, fullSchedule, timeZone, blackoutWindows } = timing;
  const key = JSON.stringify([schedule, fullSchedule, timeZone, blackoutWindows]);
  if (known.has(key)) return known.get(key);
  const timetable = timetableOf(timing);
  const windows = windowsOf(timing);
  const longestMs =
    timetable?.kind === 'valid' && windows.kind === 'valid'
      ? longestGapMs(timetable.timetable, windows.windows, anyMonday)
      : undefined;
  if (known.size >= mostKnown) known.clear();
  const seconds = longestMs === undefined ? undefined : longestMs / 1_000;
  known.set(key, seconds);
  return seconds;
}

export function longestGapMs(timetable: Timetable, windows: Windows, from: Date): number | undefined {
  const begin = freeMoment(timetable, windows, from);
  if (begin === undefined) return undefined;
  let [at, gaps, longest] = [begin, 0, 0];
  for (let step = 0; step < mostSteps; step += 1) {
    if (gaps >= leastGaps && at - begin >= spanMs) break;
    const leap = gaps < firstGaps ? at : leapFrom(at, longest, { timetable, windows });
    const next = leap > at ? leap : freeMoment(timetable, windows, new Date(at));
    if (next === undefined) break;
    if (leap === at) [gaps, longest] = [gaps + 1, Math.max(longest, next - at)];
    at = next;
  }
  return gaps === 0 ? undefined : longest;
}

/** As far as no gap can be longer than the longest one. Where that leads nowhere, it is the moment itself. */
function leapFrom(
  at: number,
  longest: number,
  { timetable, windows }: { readonly timetable: Timetable; readonly windows: Windows },
): number {
  const far = timetable.newest(new Date(at + Math.max(longest, strideMs)))?.time;
  return far === undefined || windows.endOf(far) !== undefined ? at : far.getTime();
}

/** The first moment after this one that lies in no window. */
function freeMoment(timetable: Timetable, windows: Windows, after: Date): number | undefined {
  const most = after.getTime() + mostAheadMs;
  let moment = timetable.next(after)?.time;
  for (let step = 0; moment !== undefined && step < mostSteps && moment.getTime() < most; step += 1) {
    const end = windows.endOf(moment);
    if (end === undefined) return moment.getTime();
    moment = timetable.next(new Date(end.getTime() - 1))?.time;
  }
  return undefined;
}
