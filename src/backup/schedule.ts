// When a schedule strikes: arithmetic alone. Nothing is started by a timer of a library. Pure.
//
// The rule for clocks that jump (docs/schedules.md). A line that names hours means the clock on the wall: every time that it
// names has one moment. One that does not exist has the first moment after the gap, and of one that comes twice it is the
// first. A line of every hour means the time that passes: what does not exist is left out, what comes twice strikes twice.
import { firstWall, lastWall, readPattern, type Pattern } from './pattern.ts';
import { Recall } from './recall.ts';
import { dayMs, zoneOf, type Stretch, type Zone } from './zone.ts';

export interface Schedule {
  /** The newest moment that is not after this one. Undefined: there was none yet. */
  readonly newest: (now: Date) => Date | undefined;
  /** The first moment after this one. */
  readonly next: (now: Date) => Date | undefined;
  /** What it names, and where: for those who count. */
  readonly pattern: Pattern;
  readonly zone: Zone;
}

export type Parsed =
  | { readonly kind: 'valid'; readonly schedule: Schedule }
  /** In words that go on after `it is "…": `. */
  | { readonly kind: 'invalid'; readonly what: 'schedule' | 'zone'; readonly problem: string };

/** Each pass over a resource asks, and to read a schedule takes longer than all the rest of a pass. */
const known = new Recall<Parsed>(1_000);

/** Five fields, or a name such as @daily. Seconds are refused: nobody takes or reads a backup so often. */
export function parseSchedule(text: string, zone = 'UTC'): Parsed {
  return known.of(`${zone} ${text}`, () => parse(text, zone));
}

function parse(text: string, zoneName: string): Parsed {
  const pattern = readPattern(text);
  if (typeof pattern === 'string') return { kind: 'invalid', what: 'schedule', problem: pattern };
  const zone = zoneOf(zoneName);
  if (zone === undefined) {
    const problem = 'there is no such time zone in the IANA database: names are like Europe/Madrid, or UTC';
    return { kind: 'invalid', what: 'zone', problem };
  }
  const schedule: Schedule = {
    newest: (now) => dateOf(newestOf(pattern, zone, now.getTime())),
    next: (now) => dateOf(nextOf(pattern, zone, now.getTime())),
    pattern,
    zone,
  };
  return { kind: 'valid', schedule };
}

function dateOf(time: number | undefined): Date | undefined {
  return time === undefined ? undefined : new Date(time);
}

// --- one stretch, in which the wall is as good as UTC

/** The first time on the wall that counts in a stretch: to a line that names hours, those shown before are over. */
export function countsFrom({ isHourly }: Pattern, { from, offset, shown }: Stretch): number {
  return isHourly ? from + offset : Math.max(from + offset, shown);
}

/** Times that do not exist are made up for as the stretch begins. */
export function makesUp(pattern: Pattern, { from, offset, shown }: Stretch): boolean {
  if (pattern.isHourly || shown >= from + offset) return false;
  const missing = firstWall(pattern, shown);
  return missing !== undefined && missing < from + offset;
}

/** The first moment in the stretch that is not before this one, which lies in it. */
function firstIn(pattern: Pattern, stretch: Stretch, time: number): number | undefined {
  const { from, until, offset } = stretch;
  if (time === from && makesUp(pattern, stretch)) return from;
  const wall = firstWall(pattern, Math.max(time + offset, countsFrom(pattern, stretch)));
  return wall !== undefined && wall < until + offset ? wall - offset : undefined;
}

/** The last one that is not after this one. */
function lastIn(pattern: Pattern, stretch: Stretch, time: number): number | undefined {
  const { from, offset } = stretch;
  const wall = lastWall(pattern, time + offset);
  if (wall !== undefined && wall >= countsFrom(pattern, stretch)) return wall - offset;
  return makesUp(pattern, stretch) ? from : undefined;
}

// --- from stretch to stretch. No wall is more than a day away from UTC, and none jumps by more than a day: so a moment is
// less than two days away from the midnight of its day in UTC, and where no day is named no stretch need be looked at.

function nextOf(pattern: Pattern, zone: Zone, after: number): number | undefined {
  let time = after + 1;
  for (;;) {
    const stretch = zone.stretchAt(time);
    const found = firstIn(pattern, stretch, time);
    if (found !== undefined) return found;
    const day = pattern.days.first(Math.floor((stretch.until + stretch.offset) / dayMs) - 2);
    if (day === undefined) return undefined;
    time = Math.max(stretch.until, (day - 2) * dayMs);
  }
}

function newestOf(pattern: Pattern, zone: Zone, at: number): number | undefined {
  let time = at;
  for (;;) {
    const stretch = zone.stretchAt(time);
    const found = lastIn(pattern, stretch, time);
    if (found !== undefined) return found;
    const day = pattern.days.last(Math.floor((stretch.from + stretch.offset) / dayMs) + 2);
    if (day === undefined) return undefined;
    time = Math.min(stretch.from - 1, (day + 3) * dayMs);
  }
}
