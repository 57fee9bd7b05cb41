// runs/: how each run ended, failed ones too, and what the tool printed. The volume's own memory.
import { lstat, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { parseRecord, type RunReport } from '../run/report.ts';
import { listFolder, readText, type Files } from './files.ts';
import { folders } from './layout.ts';

/** Runs whose records stay. A run an hour for a week, and as many again that failed. */
const keptRuns = 336;

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
    [`${run}.json`, `${JSON.stringify(content.record, undefined, 1)}\n`],
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
}

/** A record is small: whatever is larger was not written by us. Bytes. */
const maxRecordBytes = 1_048_576;

/** How the last attempt of a run ended. Undefined: there is no record, or none that can be read. */
export async function readRecord(root: string, run: string): Promise<RunRecord | undefined> {
  const path = join(root, folders.runs, `${run}.json`);
  const found = await lstat(path).catch(() => undefined);
  if (found?.isFile() !== true || found.size > maxRecordBytes) return undefined;
  const text = (await readText(path)) ?? '';
  const report = parseRecord(text, run);
  return report === undefined ? undefined : { report, podUID: podUIDIn(text) };
}

/** The record of the run that ended last, by time of the file system. Undefined: there is none, or none that can be read. */
export async function newestRecord(root: string): Promise<RunRecord | undefined> {
  const names = ((await listFolder(join(root, folders.runs))) ?? []).filter((name) => name.endsWith('.json'));
  const aged = await Promise.all(
    names.map(async (name) => {
      const found = await lstat(join(root, folders.runs, name)).catch(() => undefined);
      return { name, at: found?.mtimeMs ?? 0 };
    }),
  );
  const newest = aged.toSorted((a, b) => b.at - a.at)[0];
  return newest === undefined ? undefined : readRecord(root, newest.name.slice(0, -'.json'.length));
}

function podUIDIn(text: string): string {
  const { podUID } = JSON.parse(text) as { readonly podUID?: unknown };
  return typeof podUID === 'string' ? podUID : '';
}

/** What a run may have left in runs/, also one that died over it. */
const recordName = /^(?<run>.+)\.(?:json|log\.gz)(?:\.partial)?$/;

/** By time of the file system. The run at hand always stays: no clock that went back makes it the oldest. */
async function removeOldest(files: Files, folder: string, current: string): Promise<void> {
  const names = (await listFolder(folder)) ?? [];
  const runs = Map.groupBy(names, (name) => recordName.exec(name)?.groups?.['run'] ?? current);
  runs.delete(current);
  if (runs.size < keptRuns) return;
  const aged = await Promise.all(
    [...runs.values()].map(async (entries) => {
      const times = entries.map(async (name) => (await stat(join(folder, name))).mtimeMs);
      return { entries, at: Math.max(...(await Promise.all(times))) };
    }),
  );
  for (const { entries } of aged.toSorted((a, b) => a.at - b.at).slice(0, -(keptRuns - 1)))
    for (const name of entries) await files.remove(join(folder, name));
}
