import { describe, expect, test } from 'vitest';
import { aBackup, aRun } from '../../test/support/builders.ts';
import { account, turnOf, type Taken } from './ledger.ts';

const at = (minute: string): string => `2026-01-01T00:${minute}Z`;

describe('what is missed while the schedules are suspended', () => {
  test('is told of as that, also where somebody has started a run meanwhile', () => {
    const byHand: Taken = {
      id: 'by-hand',
      requestedType: 'Auto',
      startTime: at('03:10'),
      completionTime: at('05:30'),
    };
    const suspended = aBackup({
      spec: { schedule: '* * * * *', suspend: true },
      status: {
        suspendedSince: at('00:30'),
        accountedThrough: at('00:30'),
        observedTiming: { schedule: '* * * * *' },
      },
    });
    const during = account({ backup: suspended, now: new Date(at('05:31')), runs: [] }, [byHand]);
    expect(during.missedRuns).toBeUndefined();

    const resumed = { ...suspended, spec: { ...suspended.spec, suspend: false }, status: during };
    const after = account({ backup: resumed, now: new Date(at('06:30')), runs: [] }, []);

    expect(after.missedRuns).toEqual([
      { reason: 'Suspended', firstTime: at('01:00'), lastTime: at('06:00'), count: 6 },
    ]);
  });
});

test('a time in status that is none begins the account anew', () => {
  const schedule = '* * * * *';
  const time = '2026-01-01T00:00:00+99:99'; // the API server takes it
  const status = { accountedThrough: time, lastScheduleTime: time, observedTiming: { schedule } };
  const now = new Date('2026-01-01T00:10:00Z');
  const { accountedThrough } = account(
    { backup: aBackup({ spec: { schedule }, status }), now, runs: [] },
    [],
  );
  expect(accountedThrough).toBe('2026-01-01T00:10:00Z');
});

test('a full backup is not due from a time on that has not come: a clock was ahead', () => {
  const timing = { schedule: '0 * * * *', fullSchedule: '0 0 * * 0' };
  const status = {
    accountedThrough: at('00:00'),
    observedTiming: timing,
    fullDueSince: '2036-01-06T00:00:00Z',
  };
  const backup = aBackup({ spec: timing, status });
  const now = new Date(at('10:00'));
  expect(account({ backup, now, runs: [] }, []).fullDueSince).toBe(at('10:00'));
});

describe('after a clock that was years ahead', () => {
  const schedule = '* * * * *';
  const status = { accountedThrough: '2036-01-01T00:00:00Z', observedTiming: { schedule } };

  test('the schedules go on', () => {
    const backup = aBackup({ spec: { schedule }, status });
    const { accountedThrough } = account({ backup, now: new Date(at('10:30')), runs: [] }, []);
    expect(accountedThrough).toBe(at('10:30'));
  });

  test('a moment that had its run then has no second one', () => {
    const early = aRun({ id: 'orders-1', scheduledTime: at('11:00') });
    const known = { ...status, accountedThrough: at('10:30'), history: [early] };
    const backup = aBackup({ spec: { schedule }, status: known });
    const dueAt = (minute: string): string | undefined => {
      const seen = { backup, now: new Date(at(minute)), runs: [] };
      return turnOf(seen, account(seen, []))?.due?.time.toISOString();
    };
    expect(dueAt('11:10')).toBeUndefined();
    expect(dueAt('12:10')).toBe('2026-01-01T00:12:00.000Z');
  });
});
