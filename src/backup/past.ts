// Runs that the volume remembers and status does not: what is told of them once status or Jobs were lost. Pure.
import type { RunStatus } from '../api/neo4jbackup.ts';
import { isSuccess, reasons, type RunReason } from '../api/reasons.ts';
import type { PastReport } from '../run/report.ts';

/**
 * A history, the newest run first, with those of the past that are not in it. What status says of a run stays: it saw more
 * than the record tells.
 */
export function withPast(
  history: readonly RunStatus[],
  past: readonly PastReport[] = [],
): readonly RunStatus[] {
  const known = new Set(history.map(({ id }) => id));
  const unknown = past.filter(({ run }) => !known.has(run)).map(toldByRecord);
  // Sorting keeps the order of those that began at the same time, and of a history in which none is missing.
  return unknown.length === 0
    ? history
    : [...history, ...unknown].toSorted((a, b) => Date.parse(b.startTime) - Date.parse(a.startTime));
}

function toldByRecord({ run, reason, createdTime, ...facts }: PastReport): RunStatus {
  return {
    id: run,
    result: resultOf(reason),
    reason,
    message: reasons[reason].says,
    startTime: createdTime,
    ...facts,
  };
}

function resultOf(reason: RunReason): RunStatus['result'] {
  if (reason === 'PartiallySucceeded') return 'PartiallySucceeded';
  return isSuccess(reason) ? 'Succeeded' : 'Failed';
}
