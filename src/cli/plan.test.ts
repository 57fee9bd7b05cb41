import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { aSpec } from '../../test/support/builders.ts';
import { planFile, type Asked } from './plan.ts';
import { Report, type Plan } from './report.ts';

const asked: Asked = { from: new Date('2026-10-24T00:00:00Z'), days: 3, sizes: undefined };

function aFile(spec: Readonly<Record<string, unknown>>, status?: object): string {
  const head = { apiVersion: 'neo4j-backup.dev/v1alpha1', kind: 'Neo4jBackup', metadata: { name: 'orders' } };
  return stringify({ ...head, spec: aSpec(spec), ...(status === undefined ? {} : { status }) });
}

function answer(text: string, over: Partial<Asked> = {}): Report {
  const result = planFile(text, { ...asked, ...over });
  if (result.kind === 'wrong') throw new Error(result.problems.join('\n'));
  return Report.parse(JSON.parse(JSON.stringify(result.report)));
}

function planned(spec: Readonly<Record<string, unknown>>, over: Partial<Asked> = {}, status?: object): Plan {
  const [plan] = answer(aFile(spec, status), over).plans;
  if (plan === undefined) throw new Error('nothing was planned');
  return plan;
}

const everything = {
  schedule: '0 */6 * * *',
  fullSchedule: '0 0 * * 0',
  timeZone: 'Europe/Madrid',
  spread: '30m',
  blackoutWindows: [{ schedule: '0 12 * * 1', duration: '1h' }],
  objectives: { maxDataLossSeconds: 30_000 },
  retention: { keepLast: 3 },
  verification: { schedule: '0 3 * * *' },
};

describe('a plan', () => {
  test('of everything is as its schema says', () => {
    const plan = planned(everything, { sizes: { fullBytes: 1000, growthBytes: 10 } });
    expect(plan).toMatchObject({
      document: 1,
      name: 'orders',
      namespace: 'default',
      neo4jVersion: '3.4.18',
      from: '2026-10-24T02:00:00+02:00',
      until: '2026-10-27T01:00:00+01:00',
      timeZone: 'Europe/Madrid',
      schedule: '0 */6 * * *',
      fullSchedule: '0 0 * * 0',
      suspended: false,
      spread: { span: '30m' },
      clockChanges: [
        {
          time: '2026-10-25T02:00:00+01:00',
          date: '2026-10-25',
          offsetBefore: '+02:00',
          offsetAfter: '+01:00',
          runs: 4,
        },
      ],
      totals: { runs: 11, full: 2, incremental: 9, blackedOut: 1 },
      retention: { mode: 'Enforce', unit: 'Point', pointsTaken: 11, pointsPruned: 8, pointsKept: 3 },
      space: { points: 4, bytes: 4 * 1000 + 10 * (7 + 8 + 9 + 10), policyBytes: 3 * 1100 },
      verification: {
        schedule: '0 3 * * *',
        times: ['2026-10-24T03:00:00+00:00', '2026-10-25T03:00:00+00:00', '2026-10-26T03:00:00+00:00'],
      },
      blackedOut: [{ time: '2026-10-26T12:00:00+01:00', type: 'Auto', until: '2026-10-26T13:00:00+01:00' }],
    });
    expect(plan.runs.slice(0, 4)).toEqual([
      {
        time: '2026-10-24T06:00:00+02:00',
        type: 'Full',
        fullBecause: 'DestinationBlank',
        pruned: 0,
        points: 1,
        chains: 1,
      },
      { time: '2026-10-24T12:00:00+02:00', type: 'Incremental', pruned: 0, points: 2, chains: 1 },
      { time: '2026-10-24T18:00:00+02:00', type: 'Incremental', pruned: 0, points: 3, chains: 1 },
      {
        time: '2026-10-25T00:00:00+02:00',
        type: 'Full',
        fullBecause: 'FullSchedule',
        clocksChange: true,
        pruned: 1,
        points: 3,
        chains: 2,
      },
    ]);
  });

  test('marks the runs of days on which clocks change, and no others', () => {
    const { runs } = planned(everything);
    const days = new Set(
      runs.filter(({ clocksChange }) => clocksChange === true).map(({ time }) => time.slice(0, 10)),
    );
    expect([...days]).toEqual(['2026-10-25']);
  });

  test('knows the spread of a resource that was read from a cluster', () => {
    const plan = planned(everything, {}, { spreadSeconds: 90 });
    expect(plan.spread).toEqual({ span: '30m', seconds: 90 });
    expect(plan.runs[0]).toMatchObject({
      time: '2026-10-24T06:01:30+02:00',
      scheduledTime: '2026-10-24T06:00:00+02:00',
    });
    // An edit has made it shorter since.
    expect(planned({ ...everything, spread: '1m' }, {}, { spreadSeconds: 90 }).spread).toEqual({
      span: '1m',
    });
  });

  test('without schedules has no runs, and says why', () => {
    const plan = planned({ schedule: undefined });
    expect(plan).toMatchObject({ runs: [], dataLoss: { tooLong: [] }, retention: { mode: 'None' } });
    expect(plan.space).toBeUndefined();
    expect(plan.notes).toEqual([expect.stringContaining('no schedule')]);
  });

  test('of what is suspended is what would be', () => {
    const plan = planned({ ...everything, suspend: true });
    expect(plan.suspended).toBe(true);
    expect(plan.runs).toHaveLength(11);
    expect(plan.notes[0]).toContain('spec.suspend');
  });

  test('counts chains since Neo4j 5', () => {
    const version = { neo4j: { version: '5.26.0', acceptLicenseAgreement: true } };
    const { retention } = planned({ ...everything, ...version });
    expect(retention).toMatchObject({ unit: 'Chain', chainsStarted: 2, chainsKept: 1, pointsKept: 8 });
    expect(new Set(retention.kept.map(({ chain }) => chain))).toEqual(new Set(['2026-10-25T00:00:00+02:00']));
  });

  test('is one for each resource of the file', () => {
    const other = 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: x }\n';
    const { plans, ignored } = answer([aFile(everything), other, aFile({})].join('---\n'));
    expect(plans.map(({ document }) => document)).toEqual([1, 3]);
    expect(ignored).toEqual([{ document: 2, apiVersion: 'v1', kind: 'ConfigMap', name: 'x' }]);
  });
});

describe('what may be lost', () => {
  const daily = { schedule: '0 3 * * *' };
  const loss = (spec: Readonly<Record<string, unknown>>, over: Partial<Asked> = {}): Plan['dataLoss'] =>
    planned(spec, over).dataLoss;

  test('is the longest time between two starts, with when', () => {
    expect(loss(everything)).toEqual({
      longest: { from: '2026-10-26T06:00:00+01:00', until: '2026-10-26T18:00:00+01:00', seconds: 43_200 },
      maxDataLossSeconds: 30_000,
      met: false,
      tooLong: [{ from: '2026-10-26T06:00:00+01:00', until: '2026-10-26T18:00:00+01:00', seconds: 43_200 }],
    });
  });

  test('is of the time that passes: a night in which clocks go back is an hour longer', () => {
    expect(loss({ ...daily, timeZone: 'Europe/Madrid' }).longest?.seconds).toBe(25 * 3600);
    expect(loss(daily).longest?.seconds).toBe(24 * 3600);
  });

  test('reaches to the runs before and after the plan', () => {
    const weekly = { schedule: '0 3 * * 1' };
    expect(loss(weekly, { days: 1 }).longest).toEqual({
      from: '2026-10-19T03:00:00+00:00',
      until: '2026-10-26T03:00:00+00:00',
      seconds: 7 * 86_400,
    });
  });

  test.each([
    { maxDataLossSeconds: 86_401, met: true },
    { maxDataLossSeconds: 86_400, met: false }, // a run takes time, too
  ])('of a day with an objective of $maxDataLossSeconds seconds: $met', ({ maxDataLossSeconds, met }) => {
    expect(loss({ ...daily, objectives: { maxDataLossSeconds } })).toMatchObject({ met });
  });
});

test('an objective is not met where windows leave no runs, and unknown where there is no schedule', () => {
  const objectives = { maxDataLossSeconds: 86_400 };
  const blackoutWindows = [{ schedule: '0 0 1 10 *', duration: '60d' }];
  const dark = planned({ schedule: '@hourly', blackoutWindows, objectives });
  expect(dark).toMatchObject({
    totals: { runs: 0, blackedOut: 72 },
    dataLoss: { met: false, tooLong: [{ seconds: 60 * 86_400 + 3_600 }] },
  });
  expect(planned({ objectives }).dataLoss).toEqual({ ...objectives, tooLong: [] });
});

describe('refused is', () => {
  const wrong = (text: string, over: Partial<Asked> = {}): readonly string[] => {
    const result = planFile(text, { ...asked, ...over });
    return result.kind === 'wrong' ? result.problems : [];
  };

  test('a file without any of ours', () => {
    expect(wrong('apiVersion: v1\nkind: ConfigMap\n')).toEqual(['there is no Neo4jBackup in it']);
  });

  test('one of which a part is wrong, whole', () => {
    expect(wrong([aFile(everything), aFile({ spread: 'x' })].join('---\n'))).toEqual([
      expect.stringContaining('document 2, Neo4jBackup orders: spec.spread'),
    ]);
  });

  test.each([{ schedule: '* * * * *' }, { verification: { schedule: '* * * * *' } }])(
    'more than anybody reads: %j',
    (spec) => {
      expect(wrong(aFile(spec), { days: 3660 })).toEqual([
        expect.stringContaining('ask for fewer with --days'),
      ]);
      expect(wrong(aFile(spec), { days: 13 })).toEqual([]);
    },
  );
});
