// How far apart scheduled runs of a resource are at most: what a person means by "it runs every day". Pure.
import type { Timing } from '../api/neo4jbackup.ts';
import { calendarOf, firstStart } from './calendar.ts';
import { Recall } from './recall.ts';
import type { Timetable } from './timetable.ts';
import type { Windows } from './windows.ts';
import { dayMs } from './zone.ts';

/** Longer than a week, so that each night and each weekend is in it; of what strikes seldom so many gaps that no month is longer. Milliseconds. */
const spanMs = 8 * dayMs;
const leastGaps = 4;

/** What strikes more often than this is not walked through moment by moment, but for the first ones. Milliseconds. */
const strideMs = 1_800_000;
const firstGaps = 60;

/** A Monday in a winter, from which one looks ahead: what is expected of a schedule changes with no clock. */
const anyMonday = new Date('2026-01-05T00:00:00Z');

/** More than that takes: a schedule that plays tricks ends here. */
const mostSteps = 2_000;

/** It takes milliseconds, and whoever scrapes asks for every resource. */
const known = new Recall<number | undefined>(10_000);

/**
 * The longest time between two runs of the schedules, blackout windows left out. In seconds.
 *
 * Guarantees: exact from half an hour on, as far as eight days, and four moments, show it; the same at all times.
 * @returns undefined when there is no schedule, or one that starts nothing
 */
export function expectedIntervalSeconds(timing: Timing): number | undefined {
  const { schedule, fullSchedule, timeZone, blackoutWindows } = timing;
  const unspread = { schedule, fullSchedule, timeZone, blackoutWindows };
  return known.of(JSON.stringify(unspread), () => {
    const calendar = calendarOf(unspread, '');
    const longestMs = calendar && longestGapMs(calendar.timetable, calendar.windows, anyMonday);
    return longestMs === undefined ? undefined : longestMs / 1_000;
  });
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
  return firstStart({ timetable, windows, spreadMs: 0 }, after)?.getTime();
}
