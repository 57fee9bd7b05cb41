// What the clocks on the wall show in a zone: arithmetic on the offsets that the platform knows. Pure.
//
// A time on the wall is a number, too: of milliseconds, as if the wall were in UTC.

import { Recall } from './recall.ts';

/** The clocks run without a jump from the one moment until just before the other. Milliseconds all. */
export interface Stretch {
  readonly from: number;
  readonly until: number;
  /** What the wall shows, less UTC. */
  readonly offset: number;
  /**
   * Up to here (and not at it) the wall had shown times before the stretch began. Less than what it shows then: the times between
   * them do not exist. More: they come twice.
   */
  readonly shown: number;
}

export interface Zone {
  /** The stretch that a moment lies in. Each ends with the year of UTC at the latest, though nothing jumps there. */
  readonly stretchAt: (time: number) => Stretch;
}

export const dayMs = 86_400_000;

/** As many as the database of zones has names at most: each is kept under the one that the platform gives it. */
const zones = new Map<string, Zone>();

/** The same by the names that people write, in capitals or not: to ask the platform takes longer than to read a schedule. */
const named = new Recall<Zone | undefined>(1_000);

/** More than anybody looks at: a plan of a decade, and what was missed in one. */
const mostYears = 64;

/** @returns undefined when there is no zone of that name */
export function zoneOf(name: string): Zone | undefined {
  return named.of(name, () => findZone(name));
}

function findZone(name: string): Zone | undefined {
  const clock = clockOf(name);
  if (clock === undefined) return undefined;
  const { timeZone } = clock.resolvedOptions();
  const zone = zones.get(timeZone) ?? makeZone(clock);
  zones.set(timeZone, zone);
  return zone;
}

function clockOf(name: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' });
  } catch {
    return undefined; // a RangeError: nothing else can be wrong with it
  }
}

function makeZone(clock: Intl.DateTimeFormat): Zone {
  const years = new Map<number, readonly Stretch[]>();
  const stretchesOf = (year: number): readonly Stretch[] => {
    const before = years.get(year);
    if (before !== undefined) return before;
    if (years.size >= mostYears) years.clear();
    const stretches = stretchesIn(clock, year);
    years.set(year, stretches);
    return stretches;
  };
  return {
    stretchAt(time) {
      const stretches = stretchesOf(new Date(time).getUTCFullYear());
      const stretch = stretches.find(({ until }) => time < until);
      if (stretch === undefined) throw new Error(`there is no time ${time}`);
      return stretch;
    },
  };
}

function stretchesIn(clock: Intl.DateTimeFormat, year: number): readonly Stretch[] {
  const [start, end] = [Date.UTC(year, 0, 1), Date.UTC(year + 1, 0, 1)];
  const stretches: Stretch[] = [];
  // Times of the old year may come once more in the new one: no clock has ever gone back by more than a day.
  let from = start - 3 * dayMs;
  let shown = -Infinity;
  while (from < end) {
    const offset = offsetAt(clock, from);
    const until = jumpAfter(clock, { from, offset, end });
    if (from >= start) stretches.push({ from, until, offset, shown });
    // The new year cuts it: what it has shown until then is over.
    else if (until > start)
      stretches.push({ from: start, until, offset, shown: Math.max(shown, start + offset) });
    shown = Math.max(shown, until + offset);
    from = until;
  }
  return stretches;
}

/** When the offset is another one for the first time. Day by day: in no zone do the clocks jump and jump back within a day. */
function jumpAfter(
  clock: Intl.DateTimeFormat,
  { from, offset, end }: { readonly from: number; readonly offset: number; readonly end: number },
): number {
  let low = from;
  while (low < end) {
    let high = low + dayMs;
    if (offsetAt(clock, high) === offset) {
      low = high;
      continue;
    }
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (offsetAt(clock, middle) === offset) low = middle;
      else high = middle;
    }
    return Math.min(high, end);
  }
  return end;
}

const offsetName = /GMT(?:([+-])(\d+):(\d+)(?::(\d+))?)?$/;

function offsetAt(clock: Intl.DateTimeFormat, time: number): number {
  const [, sign, hours = '0', minutes = '0', seconds = '0'] = offsetName.exec(clock.format(time)) ?? [];
  const ms = Number(hours) * 3_600_000 + Number(minutes) * 60_000 + Number(seconds) * 1_000;
  return sign === '-' ? -ms : ms;
}
