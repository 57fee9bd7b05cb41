// Which clusters there are: a record per name, which is also the lock on that name.
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { clustersFolder, markOf } from './places.ts';
import { pidsWithArgument, startOf } from './processes.ts';
import { tearDown } from './teardown.ts';

export interface ClusterRecord {
  readonly name: string;
  readonly folder: string;
  /** The process whose end is the cluster's end; absent where it is to stay until it is taken down. */
  readonly owner?: { readonly pid: number; readonly startedAt: string };
}

const fileOf = (name: string): string => join(clustersFolder(), `${name}.json`);

export function ownedByThisProcess(): { readonly pid: number; readonly startedAt: string } {
  return { pid: process.pid, startedAt: startOf(process.pid) ?? '' };
}

export function findRecord(name: string): ClusterRecord | undefined {
  try {
    return JSON.parse(readFileSync(fileOf(name), 'utf8')) as ClusterRecord;
  } catch {
    return undefined; // none of that name: the usual case
  }
}

/** Whether the cluster is in use: its owner lives, or, where it has none, its node does. */
export function isLive({ folder, owner }: ClusterRecord): boolean {
  if (owner) return startOf(owner.pid) === owner.startedAt;
  return pidsWithArgument(markOf(folder)).length > 0;
}

function writeBeside(record: ClusterRecord): string {
  const file = `${fileOf(record.name)}.${process.pid}`;
  writeFileSync(file, JSON.stringify(record), { mode: 0o600 });
  return file;
}

/** Takes the name, unless somebody has it. A link is made at once and with its content, or not at all. */
function tryClaim(record: ClusterRecord): boolean {
  const file = writeBeside(record);
  try {
    linkSync(file, fileOf(record.name));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(file, { force: true });
  }
}

/** Replaces the record of a cluster that is ours. */
export function updateRecord(record: ClusterRecord): void {
  renameSync(writeBeside(record), fileOf(record.name));
}

/** Gives the name back, if it still belongs to the cluster in that folder. */
export function releaseName(folder: string): void {
  const name = basename(folder).slice(0, -'-123456'.length);
  if (findRecord(name)?.folder === folder) rmSync(fileOf(name), { force: true });
}

/**
 * Takes the name for a new cluster. What a dead owner left behind is torn down first; it is in another folder, so
 * nothing of it can be mistaken for the new one's.
 * @throws Error if a living process has a cluster of that name
 */
export async function claimName(record: ClusterRecord): Promise<void> {
  while (!tryClaim(record)) {
    const present = findRecord(record.name);
    if (present === undefined) continue; // given back at this moment
    if (isLive(present)) {
      const holder = present.owner
        ? `process ${present.owner.pid} has it`
        : 'it stays up until it is taken down';
      throw new Error(`there is a cluster "${record.name}" already: ${holder}`);
    }
    await tearDown(present.folder);
    releaseName(present.folder);
  }
}
