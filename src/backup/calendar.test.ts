import { expect, test } from 'vitest';
import { calendarOf } from './calendar.ts';

const now = new Date('2026-01-01T00:00:00Z');

/** All of it is looked at in every pass, and one resource must not hold up the others: without a bound this takes minutes. */
test.each([
  [
    'for centuries',
    { schedule: '0 3 * * *', blackoutWindows: [{ schedule: '0 0 1 1 *', duration: '99999d' }] },
  ],
  [
    'whenever there is a moment, years apart',
    { schedule: '0 3 29 2 *', blackoutWindows: [{ schedule: '0 2 29 2 *', duration: '5h' }] },
  ],
])('windows that leave no moment %s are found out soon', (_, timing) => {
  const calendar = calendarOf({ ...timing, timeZone: 'Europe/Madrid' }, 'uid');
  for (let i = 0; i < 100; i++)
    expect(calendar?.nextStart(new Date(now.getTime() + i * 1_000))).toBeUndefined();
});

test('that there is none is not said of a time before, nor for long', () => {
  const timing = {
    schedule: '*/2 * * * *',
    blackoutWindows: [{ schedule: '*/2 * 1-20 * *', duration: '1m' }],
  };
  const calendar = calendarOf(timing, 'uid');
  expect(calendar?.nextStart(now)).toBeUndefined();
  expect(calendar?.nextStart(new Date('2025-12-31T00:00:00Z'))).toEqual(new Date('2025-12-31T00:02:00Z'));
  expect(calendar?.nextStart(new Date('2026-01-20T12:00:00Z'))).toEqual(new Date('2026-01-21T00:00:00Z'));
});
