// What the volume knows of a run of which nobody saw the end.
import { writeFile } from 'node:fs/promises';
import { allDatabases } from '../engine/engine.ts';
import { exitCodes, formatReport, type RunReport } from '../run/report.ts';
import { pointsIn, pointsOfRun } from '../volume/catalogue.ts';
import { readNewest } from '../volume/newest.ts';
import { readRecord } from '../volume/records.ts';
import { foldersOf, type Context } from './context.ts';
import { wantedDatabases } from './prepare.ts';
import { tellAgain } from './report.ts';
import { failedReport, reportOf, type Result } from './results.ts';

type Failed = Extract<Result, { readonly kind: 'failed' }>;

/**
 * Tells how a run ended, by what it left on the volume, and changes nothing there. What it published counts, read back and
 * hashed; for the rest, the record of its last attempt. `ResultLost`: there is neither.
 * @throws the system error of a failed call on the volume
 */
async function inspect(context: Context): Promise<RunReport> {
  const { run, resource } = context.request;
  const { root } = foldersOf(context);
  const points = pointsOfRun(pointsIn(await readNewest(root, run, resource.uid)), run, resource.uid);
  const record = (await readRecord(root, run))?.report;
  if (points.length === 0) {
    if (record?.path === undefined) return record ?? failedReport(context, 'ResultLost');
    return failedReport(context, 'ArtifactMissing', 'The points of this run are gone');
  }
  const results: Result[] = [];
  for (const point of points) results.push(await tellAgain(context, point));
  const taken = new Set(points.map(({ database }) => database));
  return reportOf(context, [
    ...results,
    ...failuresOf(context, record).filter(({ database }) => !taken.has(database)),
  ]);
}

/** Databases of which no backup was taken, as far as anybody knows. */
function failuresOf(context: Context, record: RunReport | undefined): readonly Failed[] {
  if (record?.databases !== undefined)
    return record.databases
      .filter(({ path }) => path === undefined)
      .map(({ name: database, reason, message }) => ({
        kind: 'failed',
        database,
        reason,
        ...(message === undefined ? {} : { detail: message }),
      }));
  return wantedDatabases(context)
    .filter((database) => database !== allDatabases)
    .map((database) => ({ kind: 'failed', database, reason: 'ResultLost' }));
}

/**
 * The container of a Job that asks: its answer is its termination message.
 * @returns its exit code: 0 with an answer, whatever it is; else another Pod may try
 */
export async function runInspection(context: Context, terminationLog: string): Promise<number> {
  try {
    const answer = await inspect(context);
    await writeFile(terminationLog, formatReport(answer));
    context.say({ ...answer }, 'this is how the run ended');
    return exitCodes.published;
  } catch (error) {
    context.say({ err: error }, 'the volume could not be asked');
    return exitCodes.retryable;
  }
}
