import { describe, expect, test } from 'vitest';
import { aBackup, aRun } from '../../test/support/builders.ts';
import { Neo4jBackupStatus, type RunStatus } from '../api/neo4jbackup.ts';
import { pointMark } from '../run/point-mark.ts';
import { newestGood, objectiveCondition, objectiveDelayMs, objectiveNews } from './objective.ts';

const hour = 3_600_000;
const created = Date.parse('2026-01-01T00:00:00Z');
const at = (hours: number): Date => new Date(created + hours * hour);
const stamp = (hours: number): string => at(hours).toISOString().replace('.000Z', 'Z');

/** A run that began at this hour and took a quarter of one. */
function ran(id: string, hours: number, facts: Partial<RunStatus> = {}): RunStatus {
  return aRun({ id, startTime: stamp(hours), completionTime: stamp(hours + 0.25), ...facts });
}

const incremental = {
  type: 'Incremental',
  reason: 'IncrementalBackupTaken',
  consistencyCheck: 'NotChecked',
} as const;
const inconsistent = {
  result: 'Failed',
  reason: 'Inconsistent',
  consistencyCheck: 'Inconsistent',
} as const;
const failed = { result: 'Failed', reason: 'PortUnreachable', type: undefined, path: undefined } as const;

function found(...damaged: readonly { readonly point: string; readonly database?: string }[]): object {
  const files = damaged.map((one) => ({ ...one, file: 'neostore' }));
  const verdict = { result: 'Failed', reason: 'ArtifactCorrupt', message: 'Damaged.' } as const;
  return { lastVerification: { id: 'v', ...verdict, completionTime: stamp(9), damaged: files } };
}

describe('the newest backup that counts', () => {
  interface Case {
    readonly name: string;
    readonly status: object;
    readonly good: string | undefined;
  }
  const full = ran('full', 1);
  const later = ran('later', 2, incremental);
  const cases: readonly Case[] = [
    { name: 'is none where nothing is known', status: {}, good: undefined },
    { name: 'is the last full one', status: { lastFull: full }, good: 'full' },
    { name: 'is the newer of two', status: { lastFull: full, lastIncremental: later }, good: 'later' },
    {
      name: 'is a full one that is newer than the last incremental one',
      status: { lastFull: ran('new', 3), lastIncremental: later },
      good: 'new',
    },
    {
      name: 'is one of many databases, full and incremental, which only the history knows',
      status: { lastFull: full, history: [ran('mixed', 4, { type: 'Mixed', reason: 'BackupsTaken' })] },
      good: 'mixed',
    },
    {
      name: 'is none of some databases only',
      status: {
        lastFull: full,
        lastRun: ran('some', 4, { result: 'PartiallySucceeded', reason: 'PartiallySucceeded' }),
      },
      good: 'full',
    },
    { name: 'is none that failed', status: { lastFull: full, lastRun: ran('no', 4, failed) }, good: 'full' },
    {
      name: 'is none that is inconsistent',
      status: { lastFull: full, lastRun: ran('bad', 4, inconsistent) },
      good: 'full',
    },
    {
      name: 'is none that says so although it is called a success',
      status: { lastFull: full, lastIncremental: { ...later, consistencyCheck: 'Inconsistent' } },
      good: 'full',
    },
    {
      name: 'is an incremental one after an inconsistent one, where there was a good one to go on from',
      status: { lastFull: full, lastIncremental: later, history: [ran('bad', 1.5, inconsistent)] },
      good: 'later',
    },
    {
      name: 'is none that can only rest on an inconsistent one',
      status: { lastIncremental: later, lastFailure: ran('bad', 1.5, inconsistent) },
      good: undefined,
    },
    {
      name: 'is one on top of an inconsistent one that was checked itself',
      status: {
        lastIncremental: { ...later, consistencyCheck: 'Consistent' },
        lastFailure: ran('bad', 1.5, inconsistent),
      },
      good: 'later',
    },
    {
      name: 'is the one before the one that was found damaged',
      status: {
        lastFull: full,
        lastIncremental: later,
        ...found({ point: `20260101T020000Z-${pointMark('later')}` }),
      },
      good: 'full',
    },
    {
      name: 'is none of which one database was found damaged',
      status: {
        lastFull: full,
        lastIncremental: later,
        ...found({ point: `20260101T020000Z-${pointMark('later', 'neo4j')}`, database: 'neo4j' }),
      },
      good: 'full',
    },
    {
      name: 'is none that was found damaged, whatever time stands in its name',
      status: { lastFull: full, ...found({ point: `20251231T000000Z-${pointMark('full')}` }) },
      good: undefined,
    },
    {
      name: 'is one beside another that was found damaged',
      status: { lastFull: full, ...found({ point: `20260101T010000Z-${pointMark('other')}` }) },
      good: 'full',
    },
  ];

  test.each(cases)('$name', ({ status, good }) => {
    expect(newestGood(Neo4jBackupStatus.parse(status))?.id).toBe(good);
  });

  test('counts from the start of its run', () => {
    expect(newestGood({ lastFull: full })?.since).toEqual(at(1));
  });

  test('counts from its end where that was before the Job: an older one was found again', () => {
    const again = ran('again', 5, { completionTime: stamp(1.25) });
    expect(newestGood({ lastFull: again })?.since).toEqual(at(1.25));
  });
});

const objectives = { maxDataLossSeconds: 3 * 3_600 };
const lastFull = ran('orders-1', 1);

describe('the condition', () => {
  interface Case {
    readonly name: string;
    readonly status: Neo4jBackupStatus;
    readonly now: Date;
    readonly is: string;
    readonly says: string;
  }
  const cases: readonly Case[] = [
    {
      name: 'is unknown before the first backup',
      status: {},
      now: at(0),
      is: 'Unknown NoBackupYet',
      says: 'There is no verified and consistent backup yet; if none follows, the objective is broken at 2026-01-01T03:00:00Z.',
    },
    {
      name: 'is false when the first backup does not come',
      status: {},
      now: at(3),
      is: 'False MaxDataLossExceeded',
      says: 'There is no verified and consistent backup yet; the objective has been broken since 2026-01-01T03:00:00Z.',
    },
    {
      name: 'is true with a backup',
      status: { lastFull },
      now: new Date(at(4).getTime() - 1),
      is: 'True ObjectiveMet',
      says: 'The newest verified and consistent backup is that of the run orders-1, which began at 2026-01-01T01:00:00Z; if none follows, the objective is broken at 2026-01-01T04:00:00Z.',
    },
    {
      name: 'is false from the very moment on',
      status: { lastFull },
      now: at(4),
      is: 'False MaxDataLossExceeded',
      says: 'The newest verified and consistent backup is that of the run orders-1, which began at 2026-01-01T01:00:00Z; the objective has been broken since 2026-01-01T04:00:00Z.',
    },
  ];

  test.each(cases)('$name', ({ status, now, is, says }) => {
    const [condition, ...more] = objectiveCondition(aBackup({ spec: { objectives } }), status, now);
    expect(more).toEqual([]);
    expect(condition?.type).toBe('ObjectivesMet');
    expect(`${condition?.status} ${condition?.reason}`).toBe(is);
    expect(condition?.message).toContain(says);
  });

  test('is not there without objectives', () => {
    expect(objectiveCondition(aBackup(), { lastFull }, at(100))).toEqual([]);
  });

  test('says the same at every look until it is broken, and after', () => {
    const said = (now: Date): unknown =>
      objectiveCondition(aBackup({ spec: { objectives } }), { lastFull }, now);
    expect(said(at(1.5))).toEqual(said(at(3.9)));
    expect(said(at(4))).toEqual(said(at(400)));
  });
});

describe('the next look', () => {
  const backup = (
    status: Neo4jBackupStatus = {},
    maxDataLossSeconds = 3 * 3_600,
  ): ReturnType<typeof aBackup> => aBackup({ spec: { objectives: { maxDataLossSeconds } }, status });

  test('is when the objective will be broken', () => {
    expect(objectiveDelayMs(backup(), at(1))).toBe(2 * hour);
    expect(objectiveDelayMs(backup({ lastFull }), at(3.5))).toBe(hour / 2);
  });

  test('is after some hours at most: clocks are set', () => {
    expect(objectiveDelayMs(backup({ lastFull }, 7 * 86_400), at(1))).toBe(6 * hour);
  });

  test('is left to others where it is broken, or there is none', () => {
    expect(objectiveDelayMs(backup({ lastFull }), at(4))).toBeUndefined();
    expect(objectiveDelayMs(aBackup({ status: { lastFull } }), at(1))).toBeUndefined();
  });
});

describe('the news', () => {
  const status = (is?: 'True' | 'False' | 'Unknown', reason = 'ObjectiveMet'): Neo4jBackupStatus =>
    is === undefined
      ? {}
      : {
          conditions: [
            { type: 'ObjectivesMet', status: is, reason, message: 'Why.', lastTransitionTime: stamp(0) },
          ],
        };
  const broken = status('False', 'MaxDataLossExceeded');

  test('are that it is broken, once', () => {
    const news = [{ reason: 'MaxDataLossExceeded', note: 'Why.' }];
    for (const before of [undefined, status(), status('True'), status('Unknown', 'NoBackupYet')])
      expect(objectiveNews(before, broken)).toEqual(news);
    expect(objectiveNews(broken, broken)).toEqual([]);
  });

  test('are that it is met again, and not that it is met at last', () => {
    expect(objectiveNews(broken, status('True'))).toEqual([{ reason: 'ObjectiveMet', note: 'Why.' }]);
    expect(objectiveNews(status('Unknown', 'NoBackupYet'), status('True'))).toEqual([]);
    expect(objectiveNews(undefined, status('True'))).toEqual([]);
  });

  test('are none where it is not asked for any more', () => {
    expect(objectiveNews(broken, status())).toEqual([]);
  });
});
