// When the schedules start nothing. Pure.
import type { Timing } from '../api/neo4jbackup.ts';
import { countBelow, minuteMs } from './pattern.ts';
import { countsFrom, makesUp, parseSchedule, type Schedule } from './schedule.ts';
import { spanMs } from './timing.ts';
import { dayMs, type Stretch, type Zone } from './zone.ts';

/** From the first moment on, until just before the second one. */
export interface Span {
  readonly from: Date;
  readonly until: Date;
}

export interface Windows {
  /** When the window that this time lies in ends, with those that follow upon it without a gap. Undefined: it lies in none. */
  readonly endOf: (at: Date) => Date | undefined;
  /** The windows that have a part in this span, without gaps put together, oldest first; cut to it. */
  readonly within: (span: Span) => readonly Span[];
}

export type ParsedWindows =
  | { readonly kind: 'valid'; readonly windows: Windows }
  /** `problem` goes on after `spec.blackoutWindows[<at>].<field> is "…": `; of a zone after `spec.timeZone is "…": `. */
  | {
      readonly kind: 'invalid';
      readonly at: number;
      readonly field: 'schedule' | 'duration' | 'timeZone';
      readonly problem: string;
    };

interface Window {
  readonly schedule: Schedule;
  /** Time that passes: over a jump of the clocks a window lasts as long as it always does. */
  readonly lengthMs: number;
}

/** What never leaves a gap ends for nobody: further than this nobody looks. */
const mostAheadMs = 366 * dayMs;

export function windowsOf({ blackoutWindows = [], timeZone }: Timing): ParsedWindows {
  const windows: Window[] = [];
  for (const [at, { schedule, duration }] of blackoutWindows.entries()) {
    const parsed = parseSchedule(schedule, timeZone);
    if (parsed.kind === 'invalid')
      return {
        kind: 'invalid',
        at,
        field: parsed.what === 'zone' ? 'timeZone' : 'schedule',
        problem: parsed.problem,
      };
    const lengthMs = spanMs(duration);
    if (lengthMs === undefined)
      return { kind: 'invalid', at, field: 'duration', problem: 'it is none: they are like 90m, 10h or 2d' };
    windows.push({ schedule: parsed.schedule, lengthMs });
  }
  return { kind: 'valid', windows: makeWindows(windows) };
}

function makeWindows(windows: readonly Window[]): Windows {
  const [one] = windows;
  if (one === undefined) return { endOf: () => undefined, within: () => [] };
  const { zone } = one.schedule;
  const daily = dailyOf(windows);
  return {
    endOf: remembered((at) => {
      const first = openUntil(windows, at);
      if (first === undefined) return undefined;
      const most = at + mostAheadMs;
      let end = first;
      for (const { from, until } of pieces({ windows, zone, daily }, { from: at, until: most })) {
        if (from > end || end >= most) break;
        end = Math.max(end, until);
      }
      return Math.min(end, most);
    }),
    within(span) {
      const [from, until] = [span.from.getTime(), span.until.getTime()];
      if (from >= until) return [];
      const spans: { from: number; until: number }[] = [];
      const add = (piece: Piece): void => {
        const last = spans.at(-1);
        if (last !== undefined && piece.from <= last.until) last.until = Math.max(last.until, piece.until);
        else spans.push({ ...piece });
      };
      const open = openUntil(windows, from);
      if (open !== undefined) add({ from, until: open });
      for (const piece of pieces({ windows, zone, daily }, { from, until })) add(piece);
      return spans.map((found) => ({
        from: new Date(found.from),
        until: new Date(Math.min(found.until, until)),
      }));
    },
  };
}

/** When the last of those ends that are open now. */
function openUntil(windows: readonly Window[], at: number): number | undefined {
  const now = new Date(at);
  const ends = windows.map(
    ({ schedule, lengthMs }) => (schedule.newest(now)?.getTime() ?? -Infinity) + lengthMs,
  );
  const end = Math.max(...ends);
  return end > at ? end : undefined;
}

/** Until a window ends the answer stays the same, and each pass asks. */
function remembered(look: (at: number) => number | undefined): Windows['endOf'] {
  let last: Piece | undefined;
  return (date) => {
    const at = date.getTime();
    if (last === undefined || at < last.from || at >= last.until) {
      const until = look(at);
      last = until === undefined ? undefined : { from: at, until };
    }
    return last === undefined ? undefined : new Date(last.until);
  };
}

// --- piece by piece
//
// A day of the wall has few pieces, also where windows begin with each minute: those that touch are put together once for all
// days on which the same windows begin.

/** Moments; or minutes, from midnight. */
interface Piece {
  readonly from: number;
  readonly until: number;
}

type Daily = (beginning: readonly Window[]) => readonly Piece[];

interface All {
  readonly windows: readonly Window[];
  readonly zone: Zone;
  readonly daily: Daily;
}

/** The windows that begin in this span, and not before. In the order of their beginnings; some may touch. */
function* pieces({ windows, zone, daily }: All, { from, until }: Piece): Generator<Piece> {
  let at = from;
  while (at < until) {
    const stretch = zone.stretchAt(at);
    const end = Math.min(stretch.until, until);
    if (at === stretch.from) yield* madeUp(windows, stretch);
    yield* piecesIn({ windows, zone, daily }, stretch, { from: at, until: end });
    at = end;
  }
}

function madeUp(windows: readonly Window[], stretch: Stretch): readonly Piece[] {
  const late = windows.filter(({ schedule }) => makesUp(schedule.pattern, stretch));
  return late.map(({ lengthMs }) => ({ from: stretch.from, until: stretch.from + lengthMs }));
}

/** In one stretch the wall is as good as UTC. */
function* piecesIn({ windows, daily }: All, stretch: Stretch, { from, until }: Piece): Generator<Piece> {
  const { offset } = stretch;
  let day = Math.floor((from + offset) / dayMs);
  while (day * dayMs < until + offset) {
    const today = day;
    const firsts = windows.map(({ schedule }) => schedule.pattern.days.first(today) ?? Infinity);
    day = Math.min(...firsts);
    if (day * dayMs >= until + offset) return;
    const beginning = windows.filter((_, i) => firsts[i] === day);
    const midnight = day * dayMs - offset;
    const isWhole = midnight >= from && midnight + dayMs <= until && stretch.shown <= midnight + offset;
    const found = isWhole ? daily(beginning) : clipped(beginning, stretch, { midnight, from, until });
    for (const piece of found)
      yield { from: midnight + piece.from * minuteMs, until: midnight + piece.until * minuteMs };
    day += 1;
  }
}

/** Of a day that is not whole: those that begin in its part. */
function clipped(
  windows: readonly Window[],
  stretch: Stretch,
  { midnight, from, until }: Piece & { readonly midnight: number },
): readonly Piece[] {
  return joined(
    windows.map((window) => {
      const { minutes } = window.schedule.pattern;
      const first = Math.max(from, countsFrom(window.schedule.pattern, stretch) - stretch.offset);
      const [low, high] = [first, until].map((time) => countBelow(minutes, (time - midnight) / minuteMs));
      return { window, minutes: minutes.slice(low, high) };
    }),
  );
}

function dailyOf(windows: readonly Window[]): Daily {
  const joinedOnce = new Map<string, readonly Piece[]>();
  return (beginning) => {
    const key = windows.map((window) => (beginning.includes(window) ? 1 : 0)).join('');
    const before = joinedOnce.get(key);
    if (before !== undefined) return before;
    const found = joined(beginning.map((window) => ({ window, minutes: window.schedule.pattern.minutes })));
    joinedOnce.set(key, found);
    return found;
  };
}

interface Beginnings {
  readonly window: Window;
  readonly minutes: readonly number[];
}

/** Those that touch are one. */
function joined(all: readonly Beginnings[]): readonly Piece[] {
  const single = all.flatMap(({ window, minutes }) =>
    minutes.map((from) => ({ from, until: from + window.lengthMs / minuteMs })),
  );
  const found: { from: number; until: number }[] = [];
  for (const piece of single.toSorted((a, b) => a.from - b.from)) {
    const last = found.at(-1);
    if (last !== undefined && piece.from <= last.until) last.until = Math.max(last.until, piece.until);
    else found.push(piece);
  }
  return found;
}
