import { describe, expect, test } from 'vitest';
import { timetableOf, type Moment, type ParsedTimetable, type Timetable } from './timetable.ts';

type Timing = Parameters<typeof timetableOf>[0];

function valid(timing: Timing): Timetable {
  const parsed = timetableOf(timing);
  if (parsed?.kind !== 'valid') throw new Error(JSON.stringify(parsed));
  return parsed.timetable;
}

function moment(time: string, isFull = false): Moment {
  return { time: new Date(time), isFull };
}

const hourly = { schedule: '0 * * * *', fullSchedule: '0 3 * * 0', timeZone: 'Europe/Madrid' };

test('of both schedules at once there is one moment, a full one', () => {
  const timetable = valid(hourly); // the 4th of January is a Sunday
  expect(timetable.newest(new Date('2026-01-04T01:59Z'))).toEqual(moment('2026-01-04T01:00Z'));
  expect(timetable.next(new Date('2026-01-04T01:59Z'))).toEqual(moment('2026-01-04T02:00Z', true));
  expect(timetable.newest(new Date('2026-01-04T02:00Z'))).toEqual(moment('2026-01-04T02:00Z', true));
  expect(timetable.next(new Date('2026-01-04T02:00Z'))).toEqual(moment('2026-01-04T03:00Z'));
  expect(timetable.count(new Date('2026-01-04T01:00Z'), new Date('2026-01-04T03:00Z'))).toBe(2);
});

test('the full ones alone', () => {
  const timetable = valid(hourly);
  expect(timetable.newestFull(new Date('2026-01-10T12:00Z'))).toEqual(new Date('2026-01-04T02:00Z'));
  expect(timetable.nextFull(new Date('2026-01-10T12:00Z'))).toEqual(new Date('2026-01-11T02:00Z'));
  const without = valid({ schedule: '@daily' });
  expect(without.newestFull(new Date('2026-01-10T12:00Z'))).toBeUndefined();
  expect(without.nextFull(new Date('2026-01-10T12:00Z'))).toBeUndefined();
});

test('asked forth and back, it says the same', () => {
  const timetable = valid(hourly);
  const times = ['2026-01-04T02:30Z', '2026-01-04T01:30Z', '2026-01-04T02:30Z', '2026-01-04T02:59:59.999Z'];
  expect(times.map((time) => timetable.newest(new Date(time))?.isFull)).toEqual([true, false, true, true]);
  expect(times.map((time) => timetable.next(new Date(time))?.isFull)).toEqual([false, true, false, false]);
});

describe('how many', () => {
  interface Case {
    readonly what: string;
    readonly timing: Timing;
    readonly after: string;
    readonly through: string;
    readonly count: number;
  }
  const cases: readonly Case[] = [
    {
      what: 'not at the one end, and at the other',
      timing: { schedule: '0 * * * *' },
      after: '2026-01-01T01:00Z',
      through: '2026-01-01T03:00Z',
      count: 2,
    },
    {
      what: 'none of no time',
      timing: { schedule: '* * * * *' },
      after: '2026-01-01T01:00Z',
      through: '2026-01-01T01:00Z',
      count: 0,
    },
    {
      what: 'none of time that goes back',
      timing: { schedule: '* * * * *' },
      after: '2026-01-02T01:00Z',
      through: '2026-01-01T01:00Z',
      count: 0,
    },
    {
      what: 'a day of 23 hours',
      timing: { schedule: '@hourly', fullSchedule: '30 2 * * *', timeZone: 'Europe/Madrid' },
      after: '2026-03-28T22:59Z',
      through: '2026-03-29T21:59Z',
      count: 23, // that of 02:30 is one with that of 03:00
    },
    {
      what: 'a day of 25 hours',
      timing: { schedule: '@hourly', fullSchedule: '30 2 * * *', timeZone: 'Europe/Madrid' },
      after: '2026-10-24T21:59Z',
      through: '2026-10-25T22:59Z',
      count: 26,
    },
    {
      what: 'from within an hour that comes again',
      timing: { schedule: '*/30 * * * *', fullSchedule: '0,15 2 * * *', timeZone: 'Europe/Madrid' },
      after: '2026-10-25T00:45Z',
      through: '2026-10-25T01:20Z',
      count: 1,
    },
    {
      what: 'what makes up for a gap, with none of its own then',
      timing: { schedule: '10,20 2 * * *', fullSchedule: '30 2 * * *', timeZone: 'Europe/Madrid' },
      after: '2026-03-29T00:00Z',
      through: '2026-03-29T20:00Z',
      count: 1,
    },
  ];
  test.for(cases)('$what', ({ timing, after, through, count }) => {
    expect(valid(timing).count(new Date(after), new Date(through))).toBe(count);
  });

  test('a million is as exact', () => {
    const timetable = valid({
      schedule: '* * * * *',
      fullSchedule: '15 2 * * 1-5',
      timeZone: 'America/New_York',
    });
    const [after, through] = [new Date('2024-11-30T12:34:56Z'), new Date('2026-11-30T12:00:00Z')];
    const count = timetable.count(after, through);
    // Each minute but for nothing: one that is left out has no time, and one that comes twice has two.
    expect(count).toBe(Math.floor((through.getTime() - after.getTime()) / 60_000) + 1);
  });
});

describe('what is none', () => {
  const cases: readonly (readonly [Timing, ParsedTimetable | undefined])[] = [
    [{ timeZone: 'Europe/Madrid' }, undefined],
    [{ schedule: '0 0 30 2 *' }, { kind: 'invalid', field: 'schedule', problem: 'there is no such day' }],
    [
      { schedule: '@daily', fullSchedule: '0 0 30 2 *' },
      { kind: 'invalid', field: 'fullSchedule', problem: 'there is no such day' },
    ],
    [
      { fullSchedule: '@daily', timeZone: 'Europe/Atlantis' },
      {
        kind: 'invalid',
        field: 'timeZone',
        problem: 'there is no such time zone in the IANA database: names are like Europe/Madrid, or UTC',
      },
    ],
  ];
  test.for(cases)('%j', ([timing, parsed]) => {
    expect(timetableOf(timing)).toEqual(parsed);
  });
});
