import { describe, expect, test } from 'vitest';
import { RunStatus } from '../api/neo4jbackup.ts';
import type { PastReport } from '../run/report.ts';
import { withPast } from './past.ts';

function at(hour: number): string {
  return new Date(Date.UTC(2026, 0, 1, hour)).toISOString();
}

function known(n: number): RunStatus {
  return {
    id: `orders-${n}`,
    requestedType: 'Auto',
    result: 'Succeeded',
    reason: 'IncrementalBackupTaken',
    message: 'as status told it',
    startTime: at(n),
  };
}

function recorded(n: number, over: Partial<PastReport> = {}): PastReport {
  return {
    run: `orders-${n}`,
    reason: 'FullBackupTaken',
    requestedType: 'Full',
    createdTime: at(n),
    completionTime: at(n),
    type: 'Full',
    path: `orders/points/${n}`,
    lastTransactionID: '8',
    sizeBytes: 12,
    ...over,
  };
}

const idsOf = (history: readonly RunStatus[]): readonly string[] => history.map(({ id }) => id);

describe('withPast', () => {
  test('leaves a history alone that has all of it', () => {
    const history = [known(3), known(2)];
    expect(withPast(history, [recorded(2)])).toEqual(history);
    expect(withPast(history)).toEqual(history);
  });

  test('fills in what is missing, where it belongs', () => {
    const history = withPast([known(4), known(2)], [recorded(3), recorded(2), recorded(1)]);
    expect(idsOf(history)).toEqual(['orders-4', 'orders-3', 'orders-2', 'orders-1']);
    expect(history[2]).toEqual(known(2));
  });

  test('tells of a run what its record says, in the words of status', () => {
    const [taken, failed, partly] = withPast(
      [],
      [
        recorded(3, { triggerID: 't' }),
        recorded(2, { reason: 'EngineFailed', path: undefined }),
        recorded(1, { reason: 'PartiallySucceeded' }),
      ],
    );
    expect(taken).toEqual({
      id: 'orders-3',
      requestedType: 'Full',
      triggerID: 't',
      result: 'Succeeded',
      reason: 'FullBackupTaken',
      message: expect.stringMatching(/\w/) as string,
      startTime: at(3),
      completionTime: at(3),
      type: 'Full',
      path: 'orders/points/3',
      lastTransactionID: '8',
      sizeBytes: 12,
    });
    expect([failed?.result, partly?.result]).toEqual(['Failed', 'PartiallySucceeded']);
    expect(RunStatus.safeParse(taken).success).toBe(true);
  });
});
