// Whether a run has ended before its Job was made.
import type { RunReport } from '../run/report.ts';
import { pointsIn, pointsOfRun } from '../volume/catalogue.ts';
import { readNewest } from '../volume/newest.ts';
import { readRecord } from '../volume/records.ts';
import { foldersOf, type Context } from './context.ts';

/**
 * How this run failed before its Job was made. Where a cluster has lost status and Job, the volume has not: then there is
 * nothing to run. Undefined: it is new, or an attempt of this Job, or of one that was made anew, has failed; or it has
 * published, which prepare tells of.
 */
export async function endBefore(context: Context): Promise<RunReport | undefined> {
  const { run, resource, terminalPods, createdTime } = context.request;
  const { root } = foldersOf(context);
  const record = await readRecord(root, run);
  if (record === undefined || terminalPods.includes(record.podUID)) return undefined;
  const { report } = record;
  const isOld = Date.parse(report.completionTime) < Date.parse(createdTime);
  if (!isOld || report.path !== undefined) return undefined;
  const points = pointsIn(await readNewest(root, run, resource.uid));
  return pointsOfRun(points, run, resource.uid).length > 0 ? undefined : report;
}
