import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RetentionPolicy } from '../api/neo4jbackup.ts';
import type { Manifest } from '../volume/manifest.ts';
import { planRetention } from '../volume/retention.ts';
import { aManifest } from '../../test/support/volume.ts';
import { playPoints, type Points, type Wishes } from './points.ts';
import type { PlannedRun } from './runs.ts';

const stores = { layout: 'store', generation: 'B2' } as const;
const artifacts = { layout: 'artifacts', generation: 'C' } as const;
const hourMs = 3_600_000;

function runs(count: number, isFull: (at: number) => boolean, everyMs = hourMs): readonly PlannedRun[] {
  return Array.from({ length: count }, (_, i) => {
    const time = new Date(Date.UTC(2026, 0, 1) + i * everyMs);
    return {
      moment: time,
      start: time,
      isUnsure: false,
      ...(isFull(i) ? { full: 'FullSchedule' as const } : {}),
    };
  });
}

function enforced(policy: Partial<RetentionPolicy>): RetentionPolicy {
  return { mode: 'Enforce', ...policy };
}

function hours({ kept }: Points): readonly number[] {
  return kept.map(({ time }) => (time.getTime() - Date.UTC(2026, 0, 1)) / hourMs);
}

describe('what runs leave', () => {
  const wishes: Wishes = { engine: stores, policy: enforced({ keepLast: 3 }), sizes: undefined };

  test('begins with a full backup, and goes on with increments until the next full one', () => {
    const { taken, chainsStarted } = playPoints(
      runs(5, (i) => i === 3),
      wishes,
    );
    expect(taken.map(({ fullBecause }) => fullBecause)).toEqual([
      'DestinationBlank',
      undefined,
      undefined,
      'FullSchedule',
      undefined,
    ]);
    expect(taken.map(({ points, chains, pruned }) => [points, chains, pruned])).toEqual([
      [1, 1, 0],
      [2, 1, 0],
      [3, 1, 0],
      [3, 2, 1],
      [3, 2, 1],
    ]);
    expect(chainsStarted).toBe(2);
  });

  test('is most while a run publishes, before retention', () => {
    expect(
      playPoints(
        runs(9, () => false),
        wishes,
      ).most,
    ).toMatchObject({ points: 4, full: 1 });
    const sizes = { fullBytes: 100, growthBytes: 1 };
    const { most } = playPoints(
      runs(9, () => false),
      { ...wishes, sizes },
    );
    expect(most).toMatchObject({ points: 4, full: 0, bytes: 105 + 106 + 107 + 108 });
  });

  test('goes by whole chains where points are artifacts', () => {
    const of = { ...wishes, engine: artifacts };
    const result = playPoints(
      runs(12, (i) => i % 4 === 0),
      of,
    );
    expect(hours(result)).toEqual([8, 9, 10, 11]);
    expect(result.taken.map(({ points }) => points)).toEqual([1, 2, 3, 4, 5, 6, 3, 4, 5, 6, 3, 4]);
    // 2 full ones, and the rest of both chains but one
    expect(result.most).toMatchObject({ points: 7, full: 2 });
    const sized = playPoints(
      runs(12, (i) => i % 4 === 0),
      { ...of, sizes: { fullBytes: 100, growthBytes: 1 } },
    );
    expect(sized.most).toMatchObject({ points: 7, full: 2, bytes: 205 });
  });

  test('stays whole without a policy, and with one that only plans: then it says what would go', () => {
    const some = runs(5, () => false);
    expect(playPoints(some, { ...wishes, policy: undefined }).kept).toHaveLength(5);
    const planned = playPoints(some, { ...wishes, policy: { mode: 'Plan', keepLast: 3 } });
    expect(planned.taken.map(({ pruned }) => pruned)).toEqual([0, 0, 0, 0, 0]);
    expect(planned.kept.map(({ isCondemned }) => isCondemned)).toEqual([true, true, false, false, false]);
  });

  test('knows its chain when the full backup of that has gone', () => {
    const { kept } = playPoints(
      runs(9, (i) => i === 2),
      wishes,
    );
    expect(kept.map(({ chainTime }) => chainTime.getTime())).toEqual(
      kept.map(() => Date.UTC(2026, 0, 1) + 2 * hourMs),
    );
  });

  test('comes to what the policy comes to, as status would say it', () => {
    const sizes = { fullBytes: 100, growthBytes: 0 };
    const some = runs(9, () => false);
    expect(playPoints(some, { ...wishes, policy: enforced({ keepLast: 20 }), sizes }).policyBytes).toBe(2000);
    expect(playPoints(some, wishes).policyBytes).toBeUndefined();
  });

  test('of no runs is nothing', () => {
    expect(playPoints([], wishes)).toMatchObject({ taken: [], kept: [], most: undefined });
  });
});

interface Naive {
  readonly kept: readonly number[];
  readonly points: readonly number[];
}

/** By the function of the agent alone, after each run. */
function naive(of: readonly PlannedRun[], layout: Manifest['layout'], policy: RetentionPolicy): Naive {
  let standing: Manifest[] = [];
  let chain = 0;
  const points: number[] = [];
  for (const [i, { start, full }] of of.entries()) {
    const isFull = i === 0 || full !== undefined;
    if (isFull) chain = i;
    const time = start.toISOString();
    standing.push(
      aManifest({
        sequence: i + 1,
        chain: `chain-${chain}`,
        point: `point-${i}`,
        ...(isFull ? {} : { parent: `point-${i - 1}` }),
        type: isFull ? 'Full' : 'Incremental',
        layout,
        startTime: time,
        completionTime: time,
      }),
    );
    const { condemned } = planRetention(standing, policy, { damaged: [], newestRun: [] });
    const gone = new Set(condemned.flatMap((unit) => unit.points));
    standing = standing.filter((point) => !gone.has(point));
    points.push(standing.length);
  }
  return { kept: standing.map(({ sequence }) => sequence - 1), points };
}

const policies = fc
  .record(
    {
      keepLast: fc.integer({ min: 1, max: 40 }),
      keepHourly: fc.integer({ min: 1, max: 30 }),
      keepDaily: fc.integer({ min: 1, max: 8 }),
      keepWeekly: fc.integer({ min: 1, max: 3 }),
      keepWithin: fc.constantFrom('5h', '2d', '1w'),
    },
    { requiredKeys: [] },
  )
  .filter((policy) => Object.keys(policy).length > 0)
  .map(enforced);
const layouts = fc.constantFrom(stores, artifacts);

test('is what the agent leaves that comes after each run', () => {
  fc.assert(
    fc.property(policies, layouts, fc.integer({ min: 2, max: 30 }), (policy, engine, chain) => {
      const some = runs(120, (i) => i % chain === 0, 1.5 * hourMs);
      const { taken, kept, coarsest } = playPoints(some, { engine, policy, sizes: undefined });
      const right = naive(some, engine.layout, policy);
      expect(coarsest).toBe(1);
      expect(taken.map(({ points }) => points)).toEqual(right.points);
      expect(kept).toHaveLength(right.kept.length);
    }),
    { numRuns: 40 },
  );
});

test('of many points is in the end what it would be, and never less before', () => {
  const policy = enforced({ keepWithin: '8d', keepLast: 5 });
  const some = runs(1_200, (i) => i % 500 === 0, hourMs / 4);
  const { taken, kept, coarsest } = playPoints(some, { engine: stores, policy, sizes: undefined });
  const { points, kept: right } = naive(some, 'store', policy);
  expect(coarsest).toBeGreaterThan(1);
  expect(kept).toHaveLength(right.length);
  const late = taken.map((run, i) => run.points - (points[i] ?? 0));
  expect(Math.min(...late)).toBe(0);
  expect(Math.max(...late)).toBeLessThan(coarsest);
}, 60_000);
