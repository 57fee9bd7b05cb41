// Folders that live as long as one test, and a look at everything in them.
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync } from 'node:fs';
import { lstat, readFile, readdir, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { onTestFinished } from 'vitest';

/** In memory where that can be had: our code syncs a lot, and a busy disk takes its time over each. */
const place = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** An empty folder that goes with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(place, 'neo4j-backup-unit-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Everything below a folder, by path: what kind it is, its mode, and of files the hash. Equal listings: nothing has changed. */
export async function listing(folder: string): Promise<Readonly<Record<string, string>>> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const lines = await Promise.all(
    entries.map(async (entry): Promise<[string, string]> => {
      const path = join(entry.parentPath, entry.name);
      const { mode } = await lstat(path);
      const content = entry.isFile()
        ? createHash('sha256')
            .update(await readFile(path))
            .digest('hex')
        : entry.isSymbolicLink()
          ? `-> ${await readlink(path)}`
          : '';
      return [relative(folder, path), `${mode.toString(8)} ${content}`];
    }),
  );
  return Object.fromEntries(lines.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
