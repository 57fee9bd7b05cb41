import { describe, expect, test } from 'vitest';
import { parseSchedule, type Schedule } from './schedule.ts';

function valid(text: string, zone?: string): Schedule {
  const parsed = parseSchedule(text, zone);
  if (parsed.kind === 'invalid') throw new Error(parsed.problem);
  return parsed.schedule;
}

describe('a schedule', () => {
  interface Case {
    readonly text: string;
    readonly now: string;
    readonly newest: string;
    readonly next: string;
  }
  const cases: readonly Case[] = [
    {
      text: '0 3 * * 0',
      now: '2026-01-07T12:00:00Z',
      newest: '2026-01-04T03:00:00.000Z',
      next: '2026-01-11T03:00:00.000Z',
    },
    {
      text: '@daily',
      now: '2026-03-29T12:00:00Z',
      newest: '2026-03-29T00:00:00.000Z',
      next: '2026-03-30T00:00:00.000Z',
    },
    {
      text: '0 * * * *',
      now: '2026-01-01T13:00:00.000Z',
      newest: '2026-01-01T13:00:00.000Z',
      next: '2026-01-01T14:00:00.000Z',
    },
    {
      text: '0 * * * *',
      now: '2026-01-01T12:59:59.999Z',
      newest: '2026-01-01T12:00:00.000Z',
      next: '2026-01-01T13:00:00.000Z',
    },
    {
      text: '0 0 29 2 *',
      now: '2026-01-01T00:00:00Z',
      newest: '2024-02-29T00:00:00.000Z',
      next: '2028-02-29T00:00:00.000Z',
    },
  ];
  test.for(cases)('$text at $now', ({ text, now, newest, next }) => {
    const schedule = valid(text);
    expect(schedule.newest(new Date(now))?.toISOString()).toBe(newest);
    expect(schedule.next(new Date(now))?.toISOString()).toBe(next);
  });
});

describe('a schedule where the clocks jump', () => {
  interface Case {
    readonly text: string;
    readonly zone: string;
    readonly after: string;
    readonly moments: readonly string[];
  }
  const cases: readonly (Case & { readonly what: string })[] = [
    {
      what: 'what does not exist has the first moment after the gap',
      text: '30 2 * * *',
      zone: 'Europe/Madrid',
      after: '2026-03-28T12:00Z',
      moments: ['2026-03-29T01:00Z', '2026-03-30T00:30Z'],
    },
    {
      what: 'what falls together there is one',
      text: '0,15 2-3 * * *',
      zone: 'Europe/Madrid',
      after: '2026-03-28T12:00Z',
      moments: ['2026-03-29T01:00Z', '2026-03-29T01:15Z', '2026-03-30T00:00Z'],
    },
    {
      what: 'of what comes twice it is the first',
      text: '30 2 * * *',
      zone: 'Europe/Madrid',
      after: '2026-10-24T12:00Z',
      moments: ['2026-10-25T00:30Z', '2026-10-26T01:30Z'],
    },
    {
      what: 'every hour is an hour of time, where one is left out',
      text: '30 * * * *',
      zone: 'Europe/Madrid',
      after: '2026-03-29T00:00Z',
      moments: ['2026-03-29T00:30Z', '2026-03-29T01:30Z'],
    },
    {
      what: 'every hour is an hour of time, where one comes twice',
      text: '@hourly',
      zone: 'Europe/Madrid',
      after: '2026-10-24T23:30Z',
      moments: ['2026-10-25T00:00Z', '2026-10-25T01:00Z', '2026-10-25T02:00Z'],
    },
    {
      what: 'a midnight that does not exist',
      text: '0 */6 * * *',
      zone: 'America/Havana',
      after: '2026-03-08T00:00Z',
      moments: ['2026-03-08T05:00Z', '2026-03-08T10:00Z'],
    },
    {
      what: 'half an hour that comes twice',
      text: '*/15 1 * * *',
      zone: 'Australia/Lord_Howe',
      after: '2026-04-04T13:50Z',
      moments: [
        '2026-04-04T14:00Z',
        '2026-04-04T14:15Z',
        '2026-04-04T14:30Z',
        '2026-04-04T14:45Z',
        '2026-04-05T14:30Z',
      ],
    },
    {
      what: 'a whole day that does not exist',
      text: '0 9 30 12 *',
      zone: 'Pacific/Apia',
      after: '2011-12-01T00:00Z',
      moments: ['2011-12-30T10:00Z', '2012-12-29T19:00Z'],
    },
  ];
  test.for(cases)('$what: $text in $zone', ({ text, zone, after, moments }) => {
    const schedule = valid(text, zone);
    const [start, ...expected] = [after, ...moments].map((time) => new Date(time));
    const found: (Date | undefined)[] = [];
    for (let time = start; time !== undefined && found.length < expected.length; time = found.at(-1))
      found.push(schedule.next(time));
    expect(found).toEqual(expected);
    expect(expected.map((time) => schedule.newest(time))).toEqual(expected);
    const justBefore = expected.slice(1).map((time) => new Date(time.getTime() - 1));
    expect(justBefore.map((time) => schedule.newest(time))).toEqual(expected.slice(0, -1));
  });
});

const fields = 'there are five: minute, hour, day of the month, month, day of the week';

test.each([
  { text: '61 * * * *', problem: 'Invalid value for minute: 61' },
  {
    text: '0 0 3 * * 0',
    problem: `these are 6 fields, and ${fields}. There are no seconds and no years: it would be "0 3 * * 0"`,
  },
  { text: '0 3 * *', problem: `these are 4 fields, and ${fields}` },
  { text: 'daily', problem: `these are not five fields but one, and ${fields}` },
  {
    text: '@often',
    problem:
      'there is no @often: there are @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually',
  },
  { text: '0 0 31 2 *', problem: 'there is no such day' },
])('$text is none, and it is said why', ({ text, problem }) => {
  expect(parseSchedule(text)).toEqual({ kind: 'invalid', what: 'schedule', problem });
});

test('a zone that does not exist is told from a schedule that is none', () => {
  expect(parseSchedule('@daily', 'Europe/Atlantis')).toEqual({
    kind: 'invalid',
    what: 'zone',
    problem: 'there is no such time zone in the IANA database: names are like Europe/Madrid, or UTC',
  });
});

test.each([
  ['@hourly', '0 * * * *'],
  ['@midnight', '0 0 * * *'],
  ['@weekly', '0 0 * * 0'],
  ['@monthly', '0 0 1 * *'],
  ['@yearly', '0 0 1 1 *'],
  ['@annually', '0 0 1 jan *'],
  ['0 3 ? * SUN', '0 3 * * 7'],
])('%s is %s', (text, same) => {
  const now = new Date('2026-05-05T12:34:56Z');
  expect(valid(text).next(now)).toEqual(valid(same).next(now));
});
