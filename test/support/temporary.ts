// Folders that live as long as one test, and a look at everything in them.
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { onTestFinished } from 'vitest';

/** In memory where that can be had: our code syncs a lot, and a busy disk takes its time over each. */
const place = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** An empty folder that goes with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(place, 'neo4j-backup-unit-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Everything below a folder, by path: what kind it is, its mode, and of files the hash. Equal listings: nothing has changed. */
export function listing(folder: string): Readonly<Record<string, string>> {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  const lines = entries.map((entry): [string, string] => {
    const path = join(entry.parentPath, entry.name);
    const content = entry.isFile()
      ? createHash('sha256').update(readFileSync(path)).digest('hex')
      : entry.isSymbolicLink()
        ? `-> ${readlinkSync(path)}`
        : '';
    return [relative(folder, path), `${lstatSync(path).mode.toString(8)} ${content}`];
  });
  return Object.fromEntries(lines.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
