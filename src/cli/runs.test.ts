import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Timing as Fields } from '../api/neo4jbackup.ts';
import { timetableOf } from '../backup/timetable.ts';
import { windowsOf } from '../backup/windows.ts';
import { countMoments, runsWithin, startBefore, startFrom, type Timing } from './runs.ts';

function timing(fields: Fields, leastMinutes = 0, mostMinutes = leastMinutes): Timing {
  const timetable = timetableOf(fields);
  const windows = windowsOf(fields);
  if (timetable?.kind !== 'valid' || windows.kind !== 'valid') throw new Error(JSON.stringify(fields));
  return {
    timetable: timetable.timetable,
    windows: windows.windows,
    spread: { leastMs: leastMinutes * 60_000, mostMs: mostMinutes * 60_000 },
  };
}

function at(text: string): Date {
  return new Date(`2026-10-${text}:00Z`);
}

const day = { from: at('05T00:00'), until: at('06T00:00') }; // a Monday

function starts(of: Timing): readonly string[] {
  return runsWithin(of, day).runs.map(({ start }) => start.toISOString().slice(11, 16));
}

describe('runs', () => {
  test('of a moment at the beginning of the span, not of one at its end', () => {
    expect(starts(timing({ schedule: '0 */12 * * *' }))).toEqual(['00:00', '12:00']);
  });

  test('of both schedules at once are one, a full one', () => {
    const { runs } = runsWithin(timing({ schedule: '0 */8 * * *', fullSchedule: '0 8,9 * * *' }), day);
    expect(runs.map(({ full }) => full)).toEqual([undefined, 'FullSchedule', 'FullSchedule', undefined]);
  });

  test('start later by the spread, and that start is held against the windows', () => {
    const fields = {
      schedule: '0 * * * *',
      blackoutWindows: [{ schedule: '10 0 * * *', duration: '22h' }],
    };
    expect(starts(timing(fields))).toEqual(['00:00', '23:00']);
    expect(starts(timing(fields, 10))).toEqual(['22:10', '23:10']);
    expect(starts(timing(fields, 9))).toEqual(['00:09', '23:09']);
  });

  test('that windows take away are told, with the end of the window', () => {
    const fields = {
      schedule: '0 */6 * * *',
      fullSchedule: '0 12 * * *',
      blackoutWindows: [{ schedule: '0 6 * * *', duration: '7h' }],
    };
    const { runs, dark } = runsWithin(timing(fields), day);
    expect(dark.map(({ start, isFull, until }) => [start, isFull, until])).toEqual([
      [at('05T06:00'), false, at('05T13:00')],
      [at('05T12:00'), true, at('05T13:00')],
    ]);
    expect(runs.map(({ full }) => full)).toEqual([undefined, 'Owed']);
  });

  test('owe one full backup, however many were taken away', () => {
    const fields = {
      schedule: '0 22,23 * * *',
      fullSchedule: '0 1-9 * * *',
      blackoutWindows: [{ schedule: '0 0 * * *', duration: '12h' }],
    };
    expect(runsWithin(timing(fields), day).runs.map(({ full }) => full)).toEqual(['Owed', undefined]);
  });

  test('that a spread of which nobody knows the part may put over an edge are marked', () => {
    const fields = {
      schedule: '0 * * * *',
      blackoutWindows: [{ schedule: '30 5 * * *', duration: '2h' }],
    };
    const { runs, dark } = runsWithin(timing(fields, 0, 45), day);
    const hours = (of: readonly { readonly start: Date; readonly isUnsure: boolean }[]): readonly number[] =>
      of.filter(({ isUnsure }) => isUnsure).map(({ start }) => start.getUTCHours());
    expect(hours(runs)).toEqual([5]);
    expect(hours(dark)).toEqual([7]);
    expect(dark.map(({ start }) => start.getUTCHours())).toEqual([6, 7]);
  });
});

describe('the runs around a span', () => {
  const fields = {
    schedule: '0 12 * * *',
    blackoutWindows: [{ schedule: '0 0 * * 0,6', duration: '1d' }],
  };
  test('are those that no window takes away', () => {
    const spread = timing(fields, 30);
    expect(startBefore(spread, day.from)).toEqual(at('02T12:30'));
    expect(startFrom(spread, at('10T00:00'))).toEqual(at('12T12:30'));
    expect(startFrom(spread, at('05T12:00'))).toEqual(at('05T12:30'));
  });

  test('are not there where windows leave none', () => {
    const none = timing({
      schedule: '0 12 * * *',
      blackoutWindows: [{ schedule: '@daily', duration: '1d' }],
    });
    expect(startBefore(none, day.from)).toBeUndefined();
    expect(startFrom(none, day.from)).toBeUndefined();
  });
});

test('each moment is a run or taken away, by the sentence of the rule', () => {
  const schedule = fc.constantFrom('*/20 * * * *', '0 */3 * * *', '30 2 * * *', '0 12 * * 1-5');
  const window = fc.record({
    schedule: fc.constantFrom('0 1 * * *', '0 22 * * *', '15 */5 * * *', '0 0 * * 0'),
    duration: fc.constantFrom('20m', '3h', '1d'),
  });
  const fields = fc.record({
    schedule,
    fullSchedule: schedule,
    timeZone: fc.constantFrom('UTC', 'Europe/Madrid', 'America/Santiago'),
    blackoutWindows: fc.array(window, { maxLength: 3 }),
  });
  fc.assert(
    fc.property(fields, fc.nat(90), fc.nat(365), (of, spread, skipped) => {
      const asked = timing(of, spread);
      const from = new Date(Date.UTC(2026, 0, 1 + skipped));
      const span = { from, until: new Date(from.getTime() + 3 * 86_400_000) };
      const { runs, dark } = runsWithin(asked, span);
      const all = [...runs, ...dark].toSorted((a, b) => a.moment.getTime() - b.moment.getTime());
      expect(all.length).toBe(countMoments(asked, span));
      for (const run of runs) expect(asked.windows.endOf(run.start)).toBeUndefined();
      for (const one of dark) expect(asked.windows.endOf(one.start)).toEqual(one.until);
      for (const { moment, start } of all) expect(start.getTime() - moment.getTime()).toBe(spread * 60_000);
      const times = new Set(all.map(({ moment }) => moment.getTime()));
      expect(times.size).toBe(all.length);
      const [first] = runs;
      expect(first === undefined || startFrom(asked, from)?.getTime() === first.start.getTime()).toBe(true);
      const last = runs.at(-1);
      expect(last === undefined || startBefore(asked, span.until)?.getTime() === last.start.getTime()).toBe(
        true,
      );
    }),
    { numRuns: 200 },
  );
});
