import { describe, expect, test } from 'vitest';
import { parseSchedule, type Schedule } from './schedule.ts';

function valid(text: string): Schedule {
  const parsed = parseSchedule(text);
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

test.each([
  { text: '61 * * * *', problem: 'Invalid value for minute: 61' },
  { text: '0 0 3 * * 0', problem: expect.stringContaining('exactly 5 parts') },
  { text: '@often', problem: expect.stringContaining('@often') },
  { text: '0 0 31 2 *', problem: 'there is no such day' },
])('$text is none, and it is said why', ({ text, problem }) => {
  expect(parseSchedule(text)).toEqual({ kind: 'invalid', problem });
});
