// What was built once: one folder outside the tree, an entry per part, named by the hash of what it was built from.
import { createHash, type Hash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** `NEO4J_BACKUP_OPERATOR_CACHE`, else the user's cache folder. */
export function cacheFolder(): string {
  const folder =
    process.env['NEO4J_BACKUP_OPERATOR_CACHE'] ??
    join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'neo4j-backup-operator');
  mkdirSync(folder, { recursive: true });
  return folder;
}

function hashPath(hash: Hash, path: string, name: string): void {
  if (statSync(path).isDirectory()) {
    for (const entry of readdirSync(path).toSorted()) hashPath(hash, join(path, entry), `${name}/${entry}`);
  } else {
    hash.update(`${name}\0`).update(readFileSync(path)).update('\0');
  }
}

/** A short hash over files and folders (names and content) and plain words such as flags. */
export function hashOf(paths: readonly string[], words: readonly string[] = []): string {
  const hash = createHash('sha256');
  for (const [i, path] of paths.entries()) hashPath(hash, path, String(i));
  for (const word of words) hash.update(`${word}\0`);
  return hash.digest('hex').slice(0, 16);
}

/**
 * Gives the folder of a cached part, building it first where it is not there.
 * `build` fills a private folder that is renamed into place: killed half-way, it leaves nothing that looks finished,
 * and of two builds at once one wins.
 */
export async function cached(
  name: string,
  hash: string,
  build: (folder: string) => Promise<void>,
): Promise<string> {
  const final = join(cacheFolder(), `${name}-${hash}`);
  if (existsSync(final)) return final;
  const partial = `${final}.partial-${process.pid}`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  try {
    await build(partial);
    renameSync(partial, final);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    if (!existsSync(final)) throw error;
  }
  return final;
}
