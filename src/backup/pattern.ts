// The times on the wall that a line of cron names: croner reads it and knows the calendar. No zone is known here. Pure.
import { Cron, CronPattern } from 'croner';
import { dayMs } from './zone.ts';

export interface Pattern {
  /** Of each day that it names: minutes since midnight, ascending. One at least. */
  readonly minutes: readonly number[];
  /** It names every hour of a day: who writes it means the time that passes, and no hour of the clock. */
  readonly isHourly: boolean;
  readonly days: Days;
}

/** Days are numbered from the first one of 1970. */
interface Days {
  /** The first day that is named, from this one on. */
  readonly first: (from: number) => number | undefined;
  /** The last one, up to this one. */
  readonly last: (to: number) => number | undefined;
}

export const minuteMs = 60_000;

/** Years without a single day: the 29th of February is missed for eight at most. */
const mostEmptyYears = 40;

/** Between the wall's midnight and the next one. */
const minutesOfDay = 1_440;

const nicknames: ReadonlyMap<string, string> = new Map([
  ['@hourly', '0 * * * *'],
  ['@daily', '0 0 * * *'],
  ['@midnight', '0 0 * * *'],
  ['@weekly', '0 0 * * 0'],
  ['@monthly', '0 0 1 * *'],
  ['@yearly', '0 0 1 1 *'],
  ['@annually', '0 0 1 1 *'],
]);

const theFields = 'minute, hour, day of the month, month, day of the week';

/** @returns a sentence when it is no line of cron, which goes on after `it is "…": ` */
export function readPattern(text: string): Pattern | string {
  const fields = fieldsOf(text.trim());
  if (typeof fields === 'string') return fields;
  const read = croner(() => new CronPattern(fields.join(' '), undefined, { mode: '5-part' }));
  if (typeof read === 'string') return read;
  const hours = indexesOf(read.hour);
  const minutes = hours.flatMap((hour) => indexesOf(read.minute).map((minute) => hour * 60 + minute));
  const days = daysOf(fields.slice(2).join(' '));
  return typeof days === 'string' ? days : { minutes, isHourly: hours.length === 24, days };
}

function fieldsOf(text: string): readonly string[] | string {
  const line = text.startsWith('@') ? nicknames.get(text.toLowerCase()) : text;
  if (line === undefined) return `there is no ${text}: there are ${[...nicknames.keys()].join(', ')}`;
  const fields = line.split(/\s+/);
  return fields.length === 5 ? fields : miscounted(fields);
}

function miscounted(fields: readonly string[]): string {
  const found = `these are ${fields.length === 1 ? 'not five fields but one' : `${fields.length} fields`}, and there are five: ${theFields}`;
  return fields.length === 6 || fields.length === 7
    ? `${found}. There are no seconds and no years: it would be "${fields.slice(1, 6).join(' ')}"`
    : found;
}

/** @returns what croner says when it refuses, without its own name in front */
function croner<T>(make: () => T): T | string {
  try {
    return make();
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    return said.replace(/^\w+: /, '');
  }
}

function indexesOf(flags: readonly number[]): readonly number[] {
  return flags.flatMap((flag, i) => (flag === 0 ? [] : [i]));
}

// --- days

/** Few differ, however many schedules there are, and each of croner's holds ten thousand years. */
const knownDays = new Map<string, Days>();
const mostKnown = 100;

const everyDay: Days = { first: (from) => from, last: (to) => to };

function daysOf(fields: string): Days | string {
  if (/^[*?]( [*?]){2}$/.test(fields)) return everyDay;
  const before = knownDays.get(fields);
  if (before !== undefined) return before;
  const cron = croner(() => new Cron(`0 0 ${fields}`, { utcOffset: 0, mode: '5-part' }));
  if (typeof cron === 'string') return cron;
  if (cron.nextRun(new Date('2026-01-01T00:00:00Z')) === null) return 'there is no such day';
  const days = makeDays(cron);
  if (knownDays.size >= mostKnown) knownDays.clear();
  knownDays.set(fields, days);
  return days;
}

function makeDays(cron: Cron): Days {
  const years = new Map<number, readonly number[]>();
  const daysIn = (year: number): readonly number[] => {
    const before = years.get(year);
    if (before !== undefined) return before;
    if (years.size > 2 * mostEmptyYears) years.clear();
    const [from, until] = [Date.UTC(year, 0, 1) / dayMs, Date.UTC(year + 1, 0, 1) / dayMs];
    const all = Array.from({ length: until - from }, (_, i) => from + i);
    const days = all.filter((day) => cron.match(new Date(day * dayMs)));
    years.set(year, days);
    return days;
  };
  return {
    first(from) {
      const year = yearOf(from);
      for (let i = 0; i <= mostEmptyYears; i++) {
        const days = daysIn(year + i);
        const day = days[countBelow(days, from)];
        if (day !== undefined) return day;
      }
      return undefined;
    },
    last(to) {
      const year = yearOf(to);
      for (let i = 0; i <= mostEmptyYears; i++) {
        const days = daysIn(year - i);
        const day = days[countBelow(days, to + 1) - 1];
        if (day !== undefined) return day;
      }
      return undefined;
    },
  };
}

function yearOf(day: number): number {
  return new Date(day * dayMs).getUTCFullYear();
}

// --- times on the wall

/** How many of the numbers, which ascend, are less than this one. */
export function countBelow(ascending: readonly number[], bound: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? Infinity) < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first time on the wall that is named, from this one on. */
export function firstWall({ days, minutes }: Pattern, from: number): number | undefined {
  const today = Math.floor(from / dayMs);
  const minute = Math.ceil((from - today * dayMs) / minuteMs);
  const left = minutes[countBelow(minutes, minute)];
  const day = days.first(left === undefined ? today + 1 : today);
  if (day === undefined) return undefined;
  return day * dayMs + ((day === today ? left : minutes[0]) ?? minutesOfDay) * minuteMs;
}

/** The last one, up to this one. */
export function lastWall({ days, minutes }: Pattern, to: number): number | undefined {
  const today = Math.floor(to / dayMs);
  const minute = Math.floor((to - today * dayMs) / minuteMs);
  const left = minutes[countBelow(minutes, minute + 1) - 1];
  const day = days.last(left === undefined ? today - 1 : today);
  if (day === undefined) return undefined;
  return day * dayMs + ((day === today ? left : minutes.at(-1)) ?? 0) * minuteMs;
}
