// What docs/schedules.md says, told once more, as a daemon would do it that looks at the clock on the wall with each minute.
// It knows nothing of croner, nor of the code that it is held against, and reads the clocks in another way.

const [minute, hour, day] = [60_000, 3_600_000, 86_400_000] as const;

/** The wall's own calendar. */
export interface Wall {
  readonly year: number;
  readonly month: number;
  readonly date: number;
  readonly hour: number;
  readonly minute: number;
  /** 0: Sunday. */
  readonly weekday: number;
  readonly lastDate: number;
}

/** A schedule, in the words of this file. */
export interface Told {
  readonly text: string;
  readonly names: (wall: Wall) => boolean;
  /** It names hours, and not every one: it means the clock on the wall. Else it means the time that passes. */
  readonly isOfTheWall: boolean;
}

function wallOf(shown: number): Wall {
  const date = new Date(shown);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth() + 1];
  return {
    year,
    month,
    date: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    weekday: date.getUTCDay(),
    lastDate: new Date(Date.UTC(year, month, 0)).getUTCDate(),
  };
}

// --- clocks

interface Change {
  readonly at: number;
  /** What the wall shows before and after, less UTC. */
  readonly before: number;
  readonly after: number;
}

export interface Clocks {
  readonly zone: string;
  readonly first: number;
  readonly changes: readonly Change[];
}

interface Reader {
  /** What the wall shows, less UTC, by its own figures. */
  readonly offset: (time: number) => number;
  /** Another text with another offset: it is made sooner. */
  readonly token: (time: number) => string;
}

function readerOf(timeZone: string): Reader {
  const figures = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
    hourCycle: 'h23',
  });
  const short = new Intl.DateTimeFormat('en-GB', { timeZone, timeZoneName: 'shortOffset' });
  return {
    offset(time) {
      const parts = new Map(figures.formatToParts(time).map(({ type, value }) => [type, Number(value)]));
      const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
      const shown = Date.UTC(
        part('year'),
        part('month') - 1,
        part('day'),
        part('hour'),
        part('minute'),
        part('second'),
      );
      return shown - Math.floor(time / 1000) * 1000;
    },
    token: (time) => short.format(time).slice(10),
  };
}

/** Every change of the clocks between two moments, found with steps of eight hours. */
export function clocksOf(zone: string, from: number, until: number): Clocks {
  const { offset, token } = readerOf(zone);
  const changes: Change[] = [];
  for (let time = from; time < until; time += 8 * hour) {
    if (token(time) === token(time + 8 * hour)) continue;
    let at = time;
    while (token(at) === token(time)) at += minute;
    changes.push({ at, before: offset(at - minute), after: offset(at) });
  }
  return { zone, first: offset(from), changes };
}

function offsetAt({ first, changes }: Clocks, time: number): number {
  return changes.findLast(({ at }) => at <= time)?.after ?? first;
}

// --- the daemon

/** What strikes with one minute: indexes of the schedules. */
export interface Tick {
  readonly time: number;
  readonly striking: readonly number[];
}

/**
 * Every minute of a span, from just after its start to its end, on which at least one of the schedules strikes. The daemon
 * starts a day sooner: it has to know what the wall has shown.
 */
export function* ticks(
  clocks: Clocks,
  told: readonly Told[],
  span: { readonly after: number; readonly through: number },
): Generator<Tick> {
  const start = Math.floor(span.after / minute) * minute - day;
  let highest = start + offsetAt(clocks, start) - minute;
  for (let time = start; time <= span.through; time += minute) {
    const shown = time + offsetAt(clocks, time);
    const missing: Wall[] = [];
    for (let gone = highest + minute; gone < shown; gone += minute) missing.push(wallOf(gone));
    const isAgain = shown <= highest;
    highest = Math.max(highest, shown);
    if (time <= span.after) continue;
    const wall = wallOf(shown);
    const striking = told.flatMap(({ names, isOfTheWall }, i) => {
      if (!isOfTheWall) return names(wall) ? [i] : [];
      return missing.some(names) || (!isAgain && names(wall)) ? [i] : [];
    });
    if (striking.length > 0) yield { time, striking };
  }
}
