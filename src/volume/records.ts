// runs/: how each run ended, failed ones too, and what the tool printed. The volume's own memory.
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import * as z from 'zod';
import { reportInRecord, type PastReport, type RunReport } from '../run/report.ts';
import { listFolder, readSmallFile, type Files } from './files.ts';
import { folders } from './layout.ts';
import { inParallel } from './parallel.ts';
import { formatSealed, parseSealed, type Parsed, type Seal } from './seal.ts';

/** Runs whose records stay. A run an hour for a week, and as many again that failed. */
const keptRuns = 336;

/** Beside what the report says. All that a later writer adds is kept by the seal and passed over here. */
const Body = z.looseObject({
  schemaVersion: z.literal(1),
  podUID: z.string().max(64).optional(),
  requestedType: z.enum(['Auto', 'Full']).optional(),
  triggerID: z.string().max(63).optional(),
  createdTime: z.iso.datetime().optional(),
  resource: z.object({ namespace: z.string().max(63), name: z.string().max(253) }).optional(),
});

const seal: Seal<z.output<typeof Body>> = {
  name: 'record',
  version: 1,
  schema: Body,
  mostBytes: 4 * 1_048_576, // a report of a few thousand databases
};

/** Writes the record of a run, replacing that of an earlier attempt, and removes the oldest beyond the bound. */
export async function writeRecord(
  files: Files,
  root: string,
  run: string,
  content: { readonly record: object; readonly output: string | Buffer },
): Promise<void> {
  const folder = join(root, folders.runs);
  await files.makeFolder(folder);
  const parts: readonly (readonly [name: string, bytes: string | Uint8Array])[] = [
    [`${run}.log.gz`, await promisify(gzip)(content.output)],
    [`${run}.json`, formatSealed(seal, { ...content.record, schemaVersion: 1 })],
  ];
  for (const [name, bytes] of parts) {
    const partial = join(folder, `${name}.partial`);
    await files.remove(partial); // an attempt before us died here
    await files.writeNew(partial, bytes);
    await files.rename(partial, join(folder, name));
  }
  await files.sync(folder);
  await removeOldest(files, folder, run);
}

/** What is read of a record. */
export interface RunRecord {
  readonly report: RunReport;
  /** The Pod that wrote it. */
  readonly podUID: string;
  readonly requestedType: 'Auto' | 'Full';
  readonly triggerID?: string;
  /** When the Job of the run was made. Undefined: one that does not say so. */
  readonly createdTime?: string;
  /** Of the resource that the run was of. */
  readonly resource?: { readonly namespace: string; readonly name: string };
}

/** What stands where a record should. */
export type FoundRecord =
  | { readonly kind: 'good'; readonly record: RunRecord }
  | { readonly kind: 'absent' }
  | { readonly kind: 'tooNew'; readonly schemaVersion: number }
  | { readonly kind: 'damaged'; readonly why: string };

/** How the last attempt of a run ended. Undefined: there is no record, or none that can be believed. */
export async function readRecord(root: string, run: string): Promise<RunRecord | undefined> {
  const found = await findRecord(root, run);
  return found.kind === 'good' ? found.record : undefined;
}

/** The record of the run that ended last, by time of the file system. Undefined: there is none, or none that can be read. */
export async function newestRecord(root: string): Promise<RunRecord | undefined> {
  const runs = (await recordedRuns(root)).slice(0, mostRead);
  const aged = await inParallel(runs, 16, async (run) => {
    const found = await lstat(join(root, folders.runs, `${run}.json`)).catch(() => undefined);
    return { run, at: found?.mtimeMs ?? 0 };
  });
  const newest = aged.toSorted((a, b) => b.at - a.at)[0];
  return newest === undefined ? undefined : readRecord(root, newest.run);
}

/** The same, and says why a record is not believed. */
export async function findRecord(root: string, run: string): Promise<FoundRecord> {
  // Never through a link: what it leads to is not the memory of this volume.
  for (const folder of [root, join(root, folders.runs)])
    if ((await lstat(folder).catch(() => undefined))?.isDirectory() !== true) return { kind: 'absent' };
  const read = await readSmallFile(join(root, folders.runs, `${run}.json`), seal.mostBytes);
  if (read.kind !== 'text') return read;
  const parsed = parseAny(read.text);
  if (parsed.kind !== 'good') return parsed;
  const report = reportInRecord(parsed.value, run);
  if (report === undefined) return { kind: 'damaged', why: 'it tells of no run of its name' };
  const { podUID = '', requestedType = 'Auto', triggerID, createdTime, resource } = parsed.value;
  const more = { triggerID, createdTime, resource };
  return { kind: 'good', record: { report, podUID, requestedType, ...withoutUndefined(more) } };
}

/** Records of the first versions have no seal: they are the truth as far as anybody can tell. */
function parseAny(text: string): Parsed<z.output<typeof Body>> {
  const sealed = parseSealed(seal, text);
  if (sealed.kind !== 'damaged') return sealed;
  const json = Body.omit({ schemaVersion: true }).safeParse(parseJSON(text));
  if (!json.success || 'record' in json.data || 'sha256' in json.data) return sealed;
  return { kind: 'good', value: { ...json.data, schemaVersion: 1 }, sha256: '' };
}

function parseJSON(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The runs of which there is a record, by the names of the files. */
export async function recordedRuns(root: string): Promise<readonly string[]> {
  const names = (await listFolder(join(root, folders.runs), (name) => name.endsWith('.json'))) ?? [];
  return names.map((name) => name.slice(0, -'.json'.length));
}

/**
 * The newest runs before one, as its report tells of them.
 * @param most how many at most
 */
export async function pastRuns(
  root: string,
  {
    run,
    resource,
  }: { readonly run: string; readonly resource: { readonly namespace: string; readonly name: string } },
  most: number,
): Promise<readonly PastReport[]> {
  const others = (await recordedRuns(root)).filter((name) => name !== run);
  const records = await inParallel(others.slice(0, mostRead), 16, (name) => readRecord(root, name));
  return records
    .filter((record) => record !== undefined)
    .filter(
      (record) => record.resource?.name === resource.name && record.resource.namespace === resource.namespace,
    )
    .flatMap((record) => inShort(record) ?? [])
    .toSorted((a, b) => Date.parse(b.createdTime) - Date.parse(a.createdTime))
    .slice(0, most);
}

/** Records that are looked at for that: more than are kept were not left by us. */
const mostRead = 2 * keptRuns;

/** Undefined: it does not say when it began, and so has no place among others. */
function inShort({ report, requestedType, triggerID, createdTime }: RunRecord): PastReport | undefined {
  if (createdTime === undefined) return undefined;
  const { run, reason, completionTime, type, path, lastTransactionID, sizeBytes } = report;
  return {
    run,
    reason,
    requestedType,
    createdTime,
    completionTime,
    ...withoutUndefined({ triggerID, type, path, lastTransactionID, sizeBytes }),
  };
}

/** Only those that are there. */
function withoutUndefined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as ReturnType<
    typeof withoutUndefined<T>
  >;
}

/** What a run may have left in runs/, also one that died over it. */
const recordName = /^(?<run>.+)\.(?:json|log\.gz)(?:\.partial)?$/;

/** Runs whose records go at once: what has more was filled by somebody else, and need not be emptied today. */
const mostRemoved = 1_000;

/** By time of the file system. The run at hand always stays: no clock that went back makes it the oldest. */
async function removeOldest(files: Files, folder: string, current: string): Promise<void> {
  const names = (await listFolder(folder)) ?? [];
  const runs = Map.groupBy(names, (name) => recordName.exec(name)?.groups?.['run'] ?? current);
  runs.delete(current);
  if (runs.size < keptRuns) return;
  const aged: { readonly entries: readonly string[]; readonly at: number }[] = [];
  for (const entries of runs.values()) {
    const times = await Promise.all(entries.map(async (name) => (await lstat(join(folder, name))).mtimeMs));
    aged.push({ entries, at: Math.max(...times) });
  }
  const oldest = aged.toSorted((a, b) => a.at - b.at).slice(0, -(keptRuns - 1));
  for (const { entries } of oldest.slice(0, mostRemoved))
    for (const name of entries) await files.remove(join(folder, name));
}
