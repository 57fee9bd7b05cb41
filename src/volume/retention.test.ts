import { describe, expect, test } from 'vitest';
import type { RetentionPolicy } from '../api/neo4jbackup.ts';
import { isRunReason, reasons, type RunReason } from '../api/reasons.ts';
import { aManifest, aPointName } from '../../test/support/volume.ts';
import { chainFolder, pointFolder } from './layout.ts';
import type { Manifest } from './manifest.ts';
import { planRetention, type Marks } from './retention.ts';

/** Points taken at such times, in this order: full ones, unless something else is said of one. */
function pointsAt(...times: readonly (string | Partial<Manifest>)[]): readonly Manifest[] {
  return times.map((given, i) => {
    const over = typeof given === 'string' ? { completionTime: given } : given;
    return aManifest({ sequence: i + 1, completionTime: `2026-03-01T00:00:00.000Z`, ...over });
  });
}

/** At noon of such a day. */
function day(month: number, date: number, hour = 12): string {
  return new Date(Date.UTC(2026, month - 1, date, hour)).toISOString();
}

function verdicts(
  points: readonly Manifest[],
  policy: Omit<RetentionPolicy, 'mode'>,
  marks: Partial<Marks> = {},
): readonly string[] {
  const plan = planRetention(
    points,
    { mode: 'Enforce', ...policy },
    { damaged: [], newestRun: [], ...marks },
  );
  return plan.verdicts.map(({ stays, because }) => (stays ? because : `gone: ${because}`));
}

const gone = 'gone: no rule keeps it';
const [newest, before] = ['the newest good one', 'the one before it'];

/** A chain of artifacts of `neo4j`: a full one, and increments on top of it. */
function aChain(first: number, length: number, over: readonly Partial<Manifest>[] = []): readonly Manifest[] {
  return Array.from({ length }, (_, i) => {
    const sequence = first + i;
    return aManifest({
      sequence,
      layout: 'artifacts',
      database: 'neo4j',
      chain: aPointName(first),
      ...(i === 0 ? {} : { type: 'Incremental', parent: aPointName(sequence - 1), consistent: undefined }),
      files: [{ path: `neo4j-${sequence}.backup`, size: 12, sha256: 'a'.repeat(64) }],
      completionTime: day(1, sequence),
      ...over[i],
    });
  });
}

describe('the rules', () => {
  interface Case {
    readonly name: string;
    readonly points: readonly Manifest[];
    readonly policy: Omit<RetentionPolicy, 'mode'>;
    readonly says: readonly string[];
  }
  const hours = [0, 1, 1.5, 2, 3].map((hour) => day(1, 1, hour));
  const cases: readonly Case[] = [
    { name: 'nothing is kept of nothing', points: [], policy: { keepLast: 1 }, says: [] },
    {
      name: 'keepLast keeps the newest so many',
      points: pointsAt(day(1, 1), day(1, 2), day(1, 3), day(1, 4)),
      policy: { keepLast: 3 },
      says: [gone, 'keepLast', `${before}, keepLast`, `${newest}, keepLast`],
    },
    {
      name: 'the newest two stay, whatever the policy says',
      points: pointsAt(day(1, 1), day(1, 2), day(1, 3)),
      policy: { keepLast: 1 },
      says: [gone, before, `${newest}, keepLast`],
    },
    {
      name: 'keepHourly keeps the newest of an hour',
      points: pointsAt(...hours.map((time) => time)),
      policy: { keepHourly: 4 },
      says: [
        'keepHourly 2026-01-01T00',
        gone,
        'keepHourly 2026-01-01T01',
        `${before}, keepHourly 2026-01-01T02`,
        `${newest}, keepHourly 2026-01-01T03`,
      ],
    },
    {
      name: 'keepDaily counts days that have a point, and no others',
      points: pointsAt(day(1, 1), day(1, 2, 1), day(1, 2, 23), day(1, 9), day(3, 1, 1), day(3, 1, 2)),
      policy: { keepDaily: 3 },
      says: [
        gone,
        gone,
        'keepDaily 2026-01-02',
        'keepDaily 2026-01-09',
        before,
        `${newest}, keepDaily 2026-03-01`,
      ],
    },
    {
      // 2025-12-28 is a Sunday, and Thursday of the next week is the first of January.
      name: 'keepWeekly begins on Monday, and a week belongs to the year of its Thursday',
      points: pointsAt(
        '2025-12-22T00:00:00.000Z',
        '2025-12-28T23:59:59.999Z',
        '2025-12-29T00:00:00.000Z',
        '2026-01-04T23:59:59.000Z',
        '2026-01-05T00:00:00.000Z',
        '2026-01-05T01:00:00.000Z',
      ),
      policy: { keepWeekly: 3 },
      says: [
        gone,
        'keepWeekly 2025-W52',
        gone,
        'keepWeekly 2026-W01',
        before,
        `${newest}, keepWeekly 2026-W02`,
      ],
    },
    {
      // The Thursday of that week is the 35th day of its year.
      name: 'keepWeekly puts the last hour of a day into the week of the first one',
      points: pointsAt(
        '2027-01-31T12:00:00.000Z',
        '2027-02-01T00:00:00.000Z',
        '2027-02-01T23:00:00.000Z',
        '2027-02-08T00:00:00.000Z',
        '2027-02-08T01:00:00.000Z',
      ),
      policy: { keepWeekly: 3 },
      says: ['keepWeekly 2027-W04', gone, 'keepWeekly 2027-W05', before, `${newest}, keepWeekly 2027-W06`],
    },
    {
      name: 'keepMonthly and keepYearly together: one reason is enough, and all are told',
      points: pointsAt(
        '2024-05-01T00:00:00.000Z',
        '2025-12-31T23:59:59.000Z',
        day(1, 1),
        day(1, 31),
        day(2, 1),
        day(2, 2),
      ),
      policy: { keepMonthly: 2, keepYearly: 2 },
      says: [
        gone,
        'keepYearly 2025',
        gone,
        'keepMonthly 2026-01',
        before,
        `${newest}, keepMonthly 2026-02, keepYearly 2026`,
      ],
    },
    {
      name: 'keepWithin counts back from the newest point, to the millisecond',
      points: pointsAt(
        '2026-01-01T11:59:59.999Z',
        '2026-01-01T12:00:00.000Z',
        day(1, 2),
        '2026-01-03T00:00:00.000Z',
      ),
      policy: { keepWithin: '36h' },
      says: [gone, 'keepWithin 36h', `${before}, keepWithin 36h`, `${newest}, keepWithin 36h`],
    },
    {
      name: 'keepWithin knows days and weeks',
      points: pointsAt(day(1, 1), day(1, 7), day(1, 8), day(1, 15)),
      policy: { keepWithin: '1w' },
      says: [gone, gone, `${before}, keepWithin 1w`, `${newest}, keepWithin 1w`],
    },
    {
      name: 'one time far from all others takes nothing out of keepWithin',
      points: pointsAt(day(1, 1), day(1, 2), day(1, 3), '2036-01-03T00:00:00.000Z'),
      policy: { keepWithin: '1d' },
      says: [gone, 'keepWithin 1d', `${before}, keepWithin 1d`, `${newest}, keepWithin 1d`],
    },
    {
      name: 'databases have nothing to do with each other',
      points: pointsAt(
        { database: 'stock', completionTime: day(1, 1) },
        { database: 'orders', completionTime: day(1, 2) },
        { database: 'orders', completionTime: day(1, 3) },
        { database: 'orders', completionTime: day(1, 4) },
      ),
      policy: { keepLast: 1 },
      says: [`${newest}, keepLast`, gone, before, `${newest}, keepLast`],
    },
  ];
  test.each(cases)('$name', ({ points, policy, says }) => {
    expect(verdicts(points, policy)).toEqual(says);
  });

  test('order is by sequence, whatever the order in which points are given', () => {
    const points = pointsAt(day(1, 1), day(1, 2), day(1, 3));
    expect(verdicts(points.toReversed(), { keepLast: 1 })).toEqual(verdicts(points, { keepLast: 1 }));
  });
});

describe('a clock that was wrong', () => {
  test('keeps what has an older time than a point before it, and lets it count for nothing', () => {
    const points = pointsAt(day(1, 2), day(1, 3), day(1, 4), '2016-01-01T00:00:00.000Z', day(1, 5));
    expect(verdicts(points, { keepLast: 2 })).toEqual([
      gone,
      gone,
      'keepLast',
      `${before}, ClockSkewed`,
      `${newest}, keepLast`,
    ]);
  });

  test('takes nothing from rules when it goes back for good', () => {
    const points = pointsAt('2036-01-01T00:00:00.000Z', '2036-01-02T00:00:00.000Z', day(1, 1), day(1, 2));
    expect(verdicts(points, { keepDaily: 2 })).toEqual([
      'keepDaily 2036-01-01',
      'keepDaily 2036-01-02',
      `${before}, ClockSkewed`,
      `${newest}, ClockSkewed`,
    ]);
  });

  test('is forgotten with the last point that spoke against it, in the same plan', () => {
    const points = pointsAt(day(1, 9), day(1, 2), day(1, 10), day(1, 11), day(1, 12));
    expect(verdicts(points, { keepLast: 1 })).toEqual([gone, gone, gone, before, `${newest}, keepLast`]);
  });
});

describe('what is not good', () => {
  test('an inconsistent point displaces nothing', () => {
    const bad = { consistent: false } as const;
    expect(verdicts(pointsAt({}, {}, bad, bad, bad), { keepLast: 1 })).toEqual([
      before,
      `${newest}, keepLast`,
      'inconsistent',
      'inconsistent',
      'inconsistent',
    ]);
  });

  test('an inconsistent point goes when two good ones have come after it', () => {
    const bad = { consistent: false } as const;
    expect(verdicts(pointsAt({}, bad, {}), { keepLast: 1 })[1]).toBe('inconsistent');
    expect(verdicts(pointsAt({}, bad, {}, {}), { keepLast: 1 })[1]).toBe(gone);
  });

  test('nor does one that was taken on top of it and never checked', () => {
    const onTop = { chain: aPointName(3), parent: aPointName(3), type: 'Incremental' } as const;
    const points = pointsAt({}, {}, { consistent: false }, { ...onTop, consistent: undefined });
    expect(verdicts(points, { keepLast: 1 })).toEqual([
      before,
      `${newest}, keepLast`,
      'inconsistent',
      'inconsistent',
    ]);
    expect(
      verdicts([...points.slice(0, 3), { ...points[3], consistent: true } as Manifest], { keepLast: 1 }),
    ).toEqual([gone, before, 'inconsistent', `${newest}, keepLast`]);
  });

  test('what tells that a point is not good stays for as long as that one', () => {
    const chain = aPointName(1);
    const points = pointsAt(
      { consistent: false, completionTime: day(1, 1) },
      { chain, parent: chain, type: 'Incremental', consistent: undefined, completionTime: day(1, 9) },
      { completionTime: day(1, 10) },
      { completionTime: day(1, 11) },
    );
    expect(verdicts(points, { keepWithin: '3d' }).slice(0, 2)).toEqual(['inconsistent', 'inconsistent']);
    expect(verdicts(points, { keepWithin: '1d' }).slice(0, 2)).toEqual([gone, gone]);
  });

  test('a damaged point counts for nothing and stays', () => {
    const points = pointsAt({}, {}, {}, {});
    const [, , , last] = points as readonly [Manifest, Manifest, Manifest, Manifest];
    expect(verdicts(points, { keepLast: 1 }, { damaged: [pointFolder(last.chain, last.point)] })).toEqual([
      gone,
      before,
      `${newest}, keepLast`,
      'damaged: never removed by itself',
    ]);
  });

  test('with no good point at all everything stays', () => {
    const points = pointsAt({ consistent: false }, { consistent: false }, { consistent: false });
    expect(verdicts(points, { keepLast: 1 }).filter((one) => one === gone)).toEqual([]);
  });
});

describe('a chain of artifacts', () => {
  const goneChain = 'gone: no rule keeps a point of its chain';
  const part = 'part of a chain that stays';

  test('goes as a whole, and stays as one', () => {
    const points = [...aChain(1, 3), ...aChain(4, 3), ...aChain(7, 2)];
    expect(verdicts(points, { keepDaily: 3 })).toEqual([
      goneChain,
      goneChain,
      goneChain,
      part,
      part,
      'keepDaily 2026-01-06',
      `${before}, keepDaily 2026-01-07`,
      `${newest}, keepDaily 2026-01-08`,
    ]);
    const plan = planRetention(points, { mode: 'Enforce', keepDaily: 3 }, { damaged: [], newestRun: [] });
    expect(plan.condemned.map(({ folder, points: those }) => [folder, those.length])).toEqual([
      [chainFolder('neo4j', aPointName(1)), 3],
    ]);
  });

  test('the chain before the newest stays while that one has a single point', () => {
    const points = [...aChain(1, 2), ...aChain(3, 2), ...aChain(5, 1)];
    expect(verdicts(points, { keepLast: 1 })).toEqual([
      goneChain,
      goneChain,
      part,
      before,
      `${newest}, keepLast`,
    ]);
  });

  test('what comes after a gap cannot be restored, so it counts for nothing and nothing of it goes', () => {
    const broken = aChain(4, 4).filter(({ sequence }) => sequence !== 5);
    const points = [...aChain(1, 3), ...broken];
    expect(verdicts(points, { keepLast: 1 })).toEqual([
      part,
      part,
      before,
      `${newest}, keepLast`,
      'damaged: never removed by itself',
      'damaged: never removed by itself',
    ]);
    // Also when there is a newer chain.
    expect(verdicts([...points, ...aChain(8, 2)], { keepLast: 1 })).toEqual([
      goneChain,
      goneChain,
      goneChain,
      part,
      'damaged: never removed by itself',
      'damaged: never removed by itself',
      before,
      `${newest}, keepLast`,
    ]);
  });

  const marks: readonly string[] = ['.manifests', `.manifests/${aPointName(2)}.json`, 'neo4j-2.backup'];
  test.each(marks)('stays with something damaged in it: %s', (name) => {
    const points = [...aChain(1, 3), ...aChain(4, 2)];
    const says = verdicts(
      points,
      { keepLast: 1 },
      { damaged: [`${chainFolder('neo4j', aPointName(1))}/${name}`] },
    );
    expect(says.filter((one) => one.startsWith('gone'))).toEqual([]);
  });

  test('with an inconsistent beginning is not good, link by link', () => {
    const points = [...aChain(1, 3), ...aChain(4, 3, [{ consistent: false }])];
    expect(verdicts(points, { keepLast: 1 })).toEqual([
      part,
      before,
      `${newest}, keepLast`,
      'inconsistent',
      'inconsistent',
      'inconsistent',
    ]);
  });
});

describe('the newest run', () => {
  const points = pointsAt({}, {}, {});
  const blocking: readonly RunReason[] = [
    'ArtifactCorrupt',
    'ArtifactMissing',
    'ChainBroken',
    'DestinationNotABackup',
    'LayoutTooNew',
    'StoreMismatch',
  ];
  const all = Object.keys(reasons).filter(isRunReason);
  test.each(all)('%s blocks only if it casts doubt on the destination', (reason) => {
    const newestRun = ['PartiallySucceeded', reason] as const;
    const plan = planRetention(points, { mode: 'Enforce', keepLast: 1 }, { damaged: [], newestRun });
    expect(plan.blockedBecause).toBe(blocking.includes(reason) ? reason : undefined);
    expect(plan.condemned).toHaveLength(1); // what would go is told all the same
  });
});

test('what goes goes from the newest to the oldest', () => {
  const points = pointsAt({}, {}, {}, {}, {});
  const plan = planRetention(points, { mode: 'Enforce', keepLast: 1 }, { damaged: [], newestRun: [] });
  expect(plan.condemned.map(({ points: [point] }) => point?.sequence)).toEqual([3, 2, 1]);
});
