// runs/: how each run ended, failed ones too, and what the tool printed. The volume's own memory.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { listFolder, type Files } from './files.ts';
import { folders } from './layout.ts';

/** Runs whose records stay. A run an hour for a week, and as many again that failed. */
const keptRuns = 336;

/** Writes the record of a run, replacing that of an earlier attempt, and removes the oldest beyond the bound. */
export async function writeRecord(
  files: Files,
  root: string,
  run: string,
  content: { readonly record: object; readonly output: string },
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
  await removeOldest(files, folder);
}

async function removeOldest(files: Files, folder: string): Promise<void> {
  const runs = ((await listFolder(folder)) ?? []).filter((name) => name.endsWith('.json'));
  if (runs.length <= keptRuns) return;
  const aged = await Promise.all(
    runs.map(async (name) => ({ name, at: (await stat(join(folder, name))).mtimeMs })),
  );
  for (const { name } of aged.toSorted((a, b) => a.at - b.at).slice(0, -keptRuns)) {
    await files.remove(join(folder, name));
    await files.remove(join(folder, name.replace(/json$/, 'log.gz')));
  }
}
