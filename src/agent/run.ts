// One container of a run, from its request to its exit code: shared by prepare and report.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCode, formatReport, mostPast, type RunReport } from '../run/report.ts';
import { readNewest } from '../volume/newest.ts';
import { pastRuns, writeRecord } from '../volume/records.ts';
import { readText } from '../volume/files.ts';
import { exchange } from '../run/exchange.ts';
import { keepEnds } from '../run/kept.ts';
import { foldersOf, volumeReason, type Context } from './context.ts';
import { keptOutput, stepsOfPlan } from './output.ts';
import { parsePlan } from './plan.ts';
import { endBefore } from './past.ts';
import { prepare } from './prepare.ts';
import { refuse } from './refuse.ts';
import { report } from './report.ts';
import { failedReport } from './results.ts';
import { tidy } from './tidy.ts';

/**
 * Runs a verb and ends the attempt where it ends: record on the volume, own staging removed, termination message.
 * @returns the exit code of the container
 */
export async function runContainer(
  verb: 'prepare' | 'report',
  context: Context,
  terminationLog: string,
): Promise<number> {
  const end = await attempt(verb, context);
  if (end === undefined) return 0;
  const tidied = verb === 'report' ? await tidy(context, end) : {};
  const ended = { ...end, ...tidied };
  // The message goes last: who reads it may count on the record. Without the record it is still the truth.
  await leave(context, ended).catch((error: unknown) =>
    context.say({ err: error }, 'the record of the run could not be written'),
  );
  await writeFile(terminationLog, formatReport({ ...ended, past: await pastOf(context) }));
  context.say({ ...ended }, 'the run ended');
  return exitCode(ended);
}

async function attempt(verb: 'prepare' | 'report', context: Context): Promise<RunReport | undefined> {
  try {
    if (verb === 'report') return await report(context);
    return (await endBefore(context)) ?? (await prepare(context));
  } catch (error) {
    context.say({ err: error }, 'the run failed');
    const detail = error instanceof Error ? error.message : String(error);
    return failedReport(context, volumeReason(error) ?? 'EngineFailed', `${verb}: ${detail}`);
  }
}

/** What the volume remembers that status may have lost. No memory is worth the report: where it cannot be read, there is none. */
async function pastOf(context: Context): Promise<RunReport['past']> {
  const { run, resource } = context.request;
  const past = await pastRuns(foldersOf(context).root, { run, resource }, mostPast).catch(() => []);
  return past.length === 0 ? undefined : past;
}

const lineBreak = Buffer.from('\n');

/** Bytes at either end of what all steps together leave in runs/<run>.log.gz, before it is packed: 4 MiB in all. */
const recordedOutputBytes = 2_097_152;

/** One step at a time: a run of many databases has many. */
async function* outputsOf(context: Context): AsyncGenerator<Buffer> {
  const plan = await readText(join(context.exchange, exchange.plan));
  let isFirst = true;
  for (const step of plan === undefined ? [] : stepsOfPlan(parsePlan(plan))) {
    const output = await keptOutput(context, step);
    if (output.length === 0) continue;
    if (!isFirst) yield lineBreak;
    yield output;
    isFirst = false;
  }
}

/** Writes runs/<run>.json and its log, and removes what this attempt staged. Never into a destination that is not ours. */
async function leave(context: Context, ended: RunReport): Promise<void> {
  const { request, engine, podUID, files } = context;
  const { root, staging } = foldersOf(context);
  if (refuse(context, await readNewest(root, request.run, request.resource.uid)) !== undefined) return;
  await files.remove(staging);
  const { resource, source, neo4jVersion, requestedType, triggerID, createdTime } = request;
  const record = {
    ...ended,
    resource,
    source,
    neo4jVersion,
    generation: engine.generation,
    requestedType,
    triggerID,
    createdTime,
    podUID,
  };
  await writeRecord(files, root, request.run, {
    record,
    output: await keepEnds(outputsOf(context), recordedOutputBytes),
  });
}
