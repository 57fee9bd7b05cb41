import { describe, expect, test } from 'vitest';
import type { RetentionPolicy } from '../api/neo4jbackup.ts';
import { aManifest, aPointName } from '../../test/support/volume.ts';
import { expectedBytes, volumeStatus } from './forecast.ts';
import type { Manifest } from './manifest.ts';
import type { Space } from './space.ts';

const GB = 1_000_000_000;
const now = new Date('2026-02-01T00:00:00.000Z');

/** Stores of such sizes, one a day, in gigabytes. */
function stores(...sizes: readonly (number | Partial<Manifest>)[]): readonly Manifest[] {
  return sizes.map((given, i) =>
    aManifest({
      sequence: i + 1,
      completionTime: new Date(Date.UTC(2026, 0, i + 1)).toISOString(),
      ...(typeof given === 'number' ? { sizeBytes: given * GB } : given),
    }),
  );
}

/** A chain of artifacts, one a day: of such sizes in gigabytes, the first one full. */
function aChain(first: number, ...sizes: readonly number[]): readonly Manifest[] {
  return sizes.map((size, i) =>
    aManifest({
      sequence: first + i,
      layout: 'artifacts',
      chain: aPointName(first),
      type: i === 0 ? 'Full' : 'Incremental',
      completionTime: new Date(Date.UTC(2026, 0, first + i)).toISOString(),
      sizeBytes: size * GB,
    }),
  );
}

describe('what the next run will write', () => {
  interface Case {
    readonly name: string;
    readonly points: readonly Manifest[];
    readonly type: Manifest['type'];
    readonly gigabytes: number;
  }
  const cases: readonly Case[] = [
    { name: 'is not known of a blank destination', points: [], type: 'Full', gigabytes: 0 },
    {
      name: 'in full is as much as the last full one',
      points: aChain(1, 7, 1, 2),
      type: 'Full',
      gigabytes: 7,
    },
    {
      name: 'in full is as much as the newest store, where no full one is left',
      points: stores({ type: 'Incremental', sizeBytes: 3 * GB }),
      type: 'Full',
      gigabytes: 3,
    },
    {
      name: 'on top of a store is the copy and what it mostly grows by',
      points: stores(10, 11, 12, 90, 91),
      type: 'Incremental',
      gigabytes: 92,
    },
    {
      name: 'on top of artifacts is as much as most increments',
      points: aChain(1, 70, 2, 2, 9, 3, 2),
      type: 'Incremental',
      gigabytes: 2,
    },
    {
      name: 'does not go by other databases',
      points: [...stores(5), aManifest({ sequence: 9, database: 'other', sizeBytes: 99 * GB })],
      type: 'Full',
      gigabytes: 5,
    },
  ];
  test.each(cases)('$name', ({ points, type, gigabytes }) => {
    expect(expectedBytes(points, 'graph.db', type)).toBe(gigabytes * GB);
  });
});

const space: Space = { type: 0xef53, freeBytes: 20 * GB, totalBytes: 100 * GB };

function statusOf(
  points: readonly Manifest[],
  policy?: RetentionPolicy,
  free: Space | undefined = space,
): ReturnType<typeof volumeStatus> {
  return volumeStatus({ points, space: free, policy, now });
}

describe('the volume', () => {
  test('is told of as it is, and when it will be full', () => {
    expect(statusOf(stores(2, 2, 2, 2, 2))).toEqual({
      time: now.toISOString(),
      totalBytes: 100 * GB,
      freeBytes: 20 * GB,
      backupBytes: 10 * GB,
      points: 5,
      growthBytesPerDay: 2 * GB,
      fullTime: '2026-02-11T00:00:00.000Z',
    });
  });

  test('is told of as far as the file system tells', () => {
    const { freeBytes, totalBytes, fullTime, backupBytes } = volumeStatus({
      points: stores(1, 1, 1),
      space: undefined,
      policy: undefined,
      now,
    });
    expect([freeBytes, totalBytes, fullTime, backupBytes]).toEqual([undefined, undefined, undefined, 3 * GB]);
  });

  const wrong = { sizeBytes: 2 * GB, completionTime: '2016-01-01T00:00:00.000Z' };
  interface Growth {
    readonly name: string;
    readonly points: readonly Manifest[];
    readonly perDay: number | undefined;
  }
  const growths: readonly Growth[] = [
    { name: 'two points', points: stores(1, 1), perDay: undefined },
    {
      name: 'an hour',
      points: [0, 20, 40].map((minute, i) =>
        aManifest({
          sequence: i + 1,
          completionTime: new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString(),
        }),
      ),
      perDay: undefined,
    },
    { name: 'points of which one has a wrong clock', points: stores(2, 2, wrong, 2, 2), perDay: 1.5 },
    { name: 'points in any order', points: stores(2, 2, 2).toReversed(), perDay: 2 },
  ];
  test.each(growths)('grows as far as $name can tell', ({ points, perDay }) => {
    expect(statusOf(points).growthBytesPerDay).toBe(perDay === undefined ? undefined : perDay * GB);
  });

  test('is never full in a time that nobody plans for', () => {
    const most = { ...space, freeBytes: Number.MAX_SAFE_INTEGER };
    expect(statusOf(stores(1, 1, 1), undefined, most).fullTime).toBeUndefined();
  });

  test('is not told to be larger than JSON carries exactly', () => {
    const huge = { type: 0x6969, freeBytes: 2 ** 63, totalBytes: 2 ** 64 };
    const policy: RetentionPolicy = { keepWithin: '99999w', mode: 'Plan' };
    const { freeBytes, totalBytes, policyBytes } = statusOf(
      stores({ sizeBytes: 2 ** 50 }, { sizeBytes: 2 ** 50 }),
      policy,
      huge,
    );
    const most = Number.MAX_SAFE_INTEGER;
    expect([freeBytes, totalBytes, policyBytes]).toEqual([most, most, most]);
  });
});

describe('a policy', () => {
  interface Case {
    readonly name: string;
    readonly points: readonly Manifest[];
    readonly policy: Omit<RetentionPolicy, 'mode'>;
    readonly gigabytes: number;
  }
  const chains = [...aChain(1, 10, 1, 1, 1, 1, 1, 1), ...aChain(8, 10, 1, 1)];
  const cases: readonly Case[] = [
    { name: 'takes nothing of nothing', points: [], policy: { keepLast: 3 }, gigabytes: 0 },
    {
      name: 'takes a store of today for each point that it keeps',
      points: stores(1, 2, 3),
      policy: { keepLast: 4, keepDaily: 7 },
      gigabytes: 33,
    },
    { name: 'keeps two at least', points: stores(1, 2, 3), policy: { keepLast: 1 }, gigabytes: 6 },
    {
      name: 'keeps as many within a time as there are runs in it',
      points: stores(1, 1, 1),
      policy: { keepWithin: '1w' },
      gigabytes: 8,
    },
    {
      name: 'takes chains of artifacts, of which one holds many points',
      points: chains,
      policy: { keepDaily: 14 },
      gigabytes: 3 * 16,
    },
    { name: 'takes a chain for each month', points: chains, policy: { keepMonthly: 6 }, gigabytes: 6 * 16 },
    {
      name: 'takes the sum of all databases',
      points: [...stores(1, 1), aManifest({ sequence: 9, database: 'other', sizeBytes: 5 * GB })],
      policy: { keepLast: 2 },
      gigabytes: 12,
    },
  ];
  test.each(cases)('$name', ({ points, policy, gigabytes }) => {
    expect(statusOf(points, { mode: 'Plan', ...policy }).policyBytes).toBe(gigabytes * GB);
  });

  const fits: RetentionPolicy = { keepLast: 4, mode: 'Enforce' };
  test('that fits never fills the volume', () => {
    expect(statusOf(stores(2, 2, 2), fits).fullTime).toBeUndefined();
  });

  test.each<[string, RetentionPolicy]>([
    ['removes nothing', { ...fits, mode: 'Plan' }],
    ['asks for more than there is', { ...fits, keepLast: 400 }],
  ])('that %s lets it fill', (_, policy) => {
    expect(statusOf(stores(2, 2, 2), policy).fullTime).toBe('2026-02-11T00:00:00.000Z');
  });
});
