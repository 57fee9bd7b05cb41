import { describe, expect, test } from 'vitest';
import { expectedIntervalSeconds, longestGapMs } from './interval.ts';
import type { Timetable } from './timetable.ts';
import type { Windows } from './windows.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const now = new Date('2026-03-04T10:20:00Z'); // a Wednesday

/** Moments at the full minutes that fit. */
function striking(fits: (time: Date) => boolean): Timetable {
  const search = (from: number, step: number): Date | undefined => {
    for (let at = from; Math.abs(at - from) < 800 * day; at += step)
      if (fits(new Date(at))) return new Date(at);
    return undefined;
  };
  const newest = (at: Date): Date | undefined => search(Math.floor(at.getTime() / minute) * minute, -minute);
  const next = (after: Date): Date | undefined =>
    search((Math.floor(after.getTime() / minute) + 1) * minute, minute);
  const moment = (time: Date | undefined): { time: Date; isFull: boolean } | undefined =>
    time === undefined ? undefined : { time, isFull: false };
  return {
    newest: (at) => moment(newest(at)),
    next: (after) => moment(next(after)),
    newestFull: () => undefined,
    nextFull: () => undefined,
    count: () => 0,
  };
}

const open: Windows = { endOf: () => undefined, within: () => [] };
/** Closed from six in the evening to six in the morning. */
const nights: Windows = {
  endOf: (at) => {
    const h = at.getUTCHours();
    if (h >= 6 && h < 18) return undefined;
    const end = new Date(at);
    end.setUTCHours(h >= 18 ? 30 : 6, 0, 0, 0);
    return end;
  },
  within: () => [],
};

const isFull = (time: Date): boolean => time.getUTCMinutes() === 0;
const isWorkday = (time: Date): boolean => time.getUTCDay() % 6 !== 0;

describe('the longest gap', () => {
  interface Case {
    readonly name: string;
    readonly fits: (time: Date) => boolean;
    readonly windows?: Windows;
    readonly ms: number | undefined;
  }
  const cases: readonly Case[] = [
    { name: 'of each minute', fits: () => true, ms: minute },
    { name: 'of each hour', fits: isFull, ms: hour },
    {
      name: 'of three moments of an hour',
      fits: (time) => [0, 5, 50].includes(time.getUTCMinutes()),
      ms: 45 * minute,
    },
    { name: 'of each day', fits: (time) => isFull(time) && time.getUTCHours() === 3, ms: day },
    {
      name: 'of each minute of the working hours: over the weekend',
      fits: (time) => isWorkday(time) && time.getUTCHours() >= 9 && time.getUTCHours() < 17,
      ms: 2 * day + 16 * hour + minute,
    },
    {
      name: 'of every ten minutes, with a pause of a few hours on Saturdays',
      fits: (time) =>
        time.getUTCMinutes() % 10 === 0 &&
        !(time.getUTCDay() === 6 && time.getUTCHours() > 9 && time.getUTCHours() < 12),
      ms: 2 * hour + 10 * minute,
    },
    {
      name: 'of each week',
      fits: (time) => isFull(time) && time.getUTCHours() === 3 && time.getUTCDay() === 0,
      ms: 7 * day,
    },
    {
      name: 'of each month: the longest one',
      fits: (time) => isFull(time) && time.getUTCHours() === 3 && time.getUTCDate() === 1,
      ms: 31 * day,
    },
    { name: 'with windows between', fits: isFull, windows: nights, ms: 13 * hour },
    {
      name: 'of each minute with windows between',
      fits: () => true,
      windows: nights,
      ms: 12 * hour + minute,
    },
    {
      name: 'where all lies in windows',
      fits: (time) => isFull(time) && time.getUTCHours() === 3,
      windows: nights,
      ms: undefined,
    },
    { name: 'of what never strikes', fits: () => false, ms: undefined },
  ];

  test.each(cases)('$name', ({ fits, windows = open, ms }) => {
    expect(longestGapMs(striking(fits), windows, now)).toBe(ms);
  });
});

test('there is none without a schedule', () => {
  expect(expectedIntervalSeconds({})).toBeUndefined();
});

test('there is none where windows leave nothing', () => {
  const blackoutWindows = [{ schedule: '0 0 1 1 *', duration: '99999d' }];
  expect(expectedIntervalSeconds({ schedule: '* * * * *', blackoutWindows })).toBeUndefined();
});
