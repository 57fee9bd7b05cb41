// The moments of the schedules of one resource, without blackout windows and spread. Pure.
import type { Timing } from '../api/neo4jbackup.ts';
import { countBelow, firstWall, minuteMs } from './pattern.ts';
import { countsFrom, makesUp, parseSchedule, type Schedule } from './schedule.ts';
import { dayMs, type Stretch, type Zone } from './zone.ts';

/** A moment of the schedules. Both at once are one moment, of a full backup. */
export interface Moment {
  readonly time: Date;
  readonly isFull: boolean;
}

export interface Timetable {
  /** The newest moment that is not after this time. Undefined: there was none yet. */
  readonly newest: (at: Date) => Moment | undefined;
  /** The first moment after this time. */
  readonly next: (after: Date) => Moment | undefined;
  /** The same, of full backups alone. */
  readonly newestFull: (at: Date) => Date | undefined;
  readonly nextFull: (after: Date) => Date | undefined;
  /** How many moments are after the one time and not after the other. */
  readonly count: (after: Date, through: Date) => number;
}

export type ParsedTimetable =
  | { readonly kind: 'valid'; readonly timetable: Timetable }
  /** `problem` goes on after `spec.<field> is "…": `. */
  | {
      readonly kind: 'invalid';
      readonly field: 'schedule' | 'fullSchedule' | 'timeZone';
      readonly problem: string;
    };

interface Line {
  readonly schedule: Schedule;
  readonly isFull: boolean;
}

/** @returns undefined when there is no schedule */
export function timetableOf(timing: Timing): ParsedTimetable | undefined {
  const lines: Line[] = [];
  for (const field of ['schedule', 'fullSchedule'] as const) {
    const text = timing[field];
    if (text === undefined) continue;
    const parsed = parseSchedule(text, timing.timeZone);
    if (parsed.kind === 'invalid')
      return {
        kind: 'invalid',
        field: parsed.what === 'zone' ? 'timeZone' : field,
        problem: parsed.problem,
      };
    lines.push({ schedule: parsed.schedule, isFull: field === 'fullSchedule' });
  }
  const [one] = lines;
  return one === undefined
    ? undefined
    : { kind: 'valid', timetable: makeTimetable(lines, one.schedule.zone) };
}

function makeTimetable(lines: readonly Line[], zone: Zone): Timetable {
  const full = lines.find(({ isFull }) => isFull)?.schedule;
  const around = remembered((at) => ({
    newest: closest(lines, ({ newest }) => newest(at), Math.max),
    next: closest(lines, ({ next }) => next(at), Math.min),
  }));
  const aroundFull = remembered((at) => ({
    newest: momentOf(full?.newest(at)),
    next: momentOf(full?.next(at)),
  }));
  return {
    newest: (at) => around(at).newest,
    next: (after) => around(after).next,
    newestFull: (at) => aroundFull(at).newest?.time,
    nextFull: (after) => aroundFull(after).next?.time,
    count: counter(lines, zone),
  };
}

function momentOf(time: Date | undefined): Moment | undefined {
  return time === undefined ? undefined : { time, isFull: true };
}

/** Of two at once it is one, and a full one. */
function closest(
  lines: readonly Line[],
  ask: (schedule: Schedule) => Date | undefined,
  choose: (...times: readonly number[]) => number,
): Moment | undefined {
  const moments = lines.flatMap(({ schedule, isFull }) => {
    const time = ask(schedule);
    return time === undefined ? [] : [{ time, isFull }];
  });
  const chosen = choose(...moments.map(({ time }) => time.getTime()));
  const there = moments.filter(({ time }) => time.getTime() === chosen);
  return there.find(({ isFull }) => isFull) ?? there[0];
}

interface Around {
  readonly newest: Moment | undefined;
  readonly next: Moment | undefined;
}

/** From a moment until just before the next one the answer stays the same, and each pass asks. */
function remembered(look: (at: Date) => Around): (at: Date) => Around {
  let last: Around = { newest: undefined, next: undefined };
  return (at) => {
    const { newest, next } = last;
    const isSame = newest !== undefined && next !== undefined && newest.time <= at && at < next.time;
    if (!isSame) last = look(at);
    return last;
  };
}

// --- how many
//
// Within a stretch of the zone the wall is as good as UTC: moments are counted as times on the wall, day by day, of which each
// has the same minutes, or those of the other schedule, or those of both. Exact, as a moment of a stretch is either of a time
// that the wall shows in it, or what makes up for a gap, as it begins: and there the union is looked at once.

/** The minutes of the days on which just these of the lines strike. */
type Minutes = (lines: readonly Line[]) => readonly number[];

function counter(lines: readonly Line[], zone: Zone): Timetable['count'] {
  const union = [...new Set(lines.flatMap(({ schedule }) => schedule.pattern.minutes))].toSorted(
    (a, b) => a - b,
  );
  const minutesOf: Minutes = (striking) =>
    striking.length > 1 ? union : (striking[0]?.schedule.pattern.minutes ?? []);
  return (after, through) => {
    const end = through.getTime() + 1;
    let total = 0;
    let from = after.getTime() + 1;
    while (from < end) {
      const stretch = zone.stretchAt(from);
      const until = Math.min(stretch.until, end);
      total += countIn(lines, stretch, { from, until, minutesOf });
      from = until;
    }
    return total;
  };
}

interface Part {
  readonly from: number;
  readonly until: number;
  readonly minutesOf: Minutes;
}

function countIn(lines: readonly Line[], stretch: Stretch, { from, until, minutesOf }: Part): number {
  const [low, high] = [from + stretch.offset, until + stretch.offset];
  const starts = lines.map(({ schedule }) =>
    Math.min(high, Math.max(low, countsFrom(schedule.pattern, stretch))),
  );
  // The one may count sooner than the other, where times come twice.
  const edges = [...new Set([...starts, high])].toSorted((a, b) => a - b);
  let total = from === stretch.from ? countMadeUp(lines, stretch) : 0;
  for (const [i, edge] of edges.slice(0, -1).entries()) {
    const counting = lines.filter((_, at) => (starts[at] ?? Infinity) <= edge);
    total += countWalls(counting, { from: edge, until: edges[i + 1] ?? edge, minutesOf });
  }
  return total;
}

/** One, when something is made up for at a moment that is no other line's own. */
function countMadeUp(lines: readonly Line[], stretch: Stretch): number {
  const wall = stretch.from + stretch.offset;
  const isMadeUp = lines.some(({ schedule }) => makesUp(schedule.pattern, stretch));
  return isMadeUp && lines.every(({ schedule }) => firstWall(schedule.pattern, wall) !== wall) ? 1 : 0;
}

/** Times on the wall. */
function countWalls(lines: readonly Line[], { from, until, minutesOf }: Part): number {
  let total = 0;
  let day = Math.floor(from / dayMs);
  while (day * dayMs < until) {
    const today = day;
    const firsts = lines.map(({ schedule }) => schedule.pattern.days.first(today) ?? Infinity);
    day = Math.min(...firsts);
    const minutes = minutesOf(lines.filter((_, at) => firsts[at] === day));
    const [low, high] = [from, until].map((wall) => countBelow(minutes, (wall - day * dayMs) / minuteMs));
    total += (high ?? 0) - (low ?? 0);
    day += 1;
  }
  return total;
}
