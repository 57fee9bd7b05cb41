// A published point read back: is all of it what was written?
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { readArtifact, type ArtifactHeader } from './artifact.ts';
import { errorCode } from './files.ts';
import { placeOf } from './layout.ts';
import type { FileEntry, Manifest } from './manifest.ts';
import { silent, type Progress } from './progress.ts';
import { firstAstray, isPlain, unreadable, verifyFiles } from './stage.ts';
import { inspectStore, type Inspected } from './verify.ts';

export interface Damage {
  /** The first file of the point that is not what was written, below its folder of data. */
  readonly file: string;
  readonly why: string;
}

/**
 * Reads a point as it was read before it was published: every byte once, and what a store or an artifact says of itself.
 * @throws the system error of a call that says nothing of the files
 */
export async function damageIn(
  root: string,
  point: Manifest,
  progress: Progress = silent,
): Promise<Damage | undefined> {
  const data = join(root, placeOf(point).data);
  if (point.layout === 'store') return damageInStore(data, point, progress);
  for (const entry of point.files) {
    const why = await faultOfArtifact(data, entry, { point, progress });
    if (why !== undefined) return { file: entry.path, why };
  }
  return undefined;
}

async function damageInStore(data: string, point: Manifest, progress: Progress): Promise<Damage | undefined> {
  const store = await orUnreadable(() => inspectStore(data, () => progress));
  if (typeof store === 'string' || store.kind === 'noStore') {
    // It does not say which file it stumbled over: that takes a second look.
    const file = (await verifyFiles(data, point.files)) ?? 'neostore';
    return { file, why: typeof store === 'string' ? store : store.why };
  }
  const other = firstOther(point.files, store.files);
  if (other !== undefined) return { file: other, why: 'it is not what was written' };
  return saysOtherwise(point, store) ? { file: 'neostore', why: 'it tells of another store' } : undefined;
}

function saysOtherwise(point: Manifest, store: Extract<Inspected, { kind: 'store' }>): boolean {
  return store.storeID !== point.storeID || store.lastTransactionID !== point.lastTransactionID;
}

/** A file that is there and was not written, or was written and is not there, or is another one. */
function firstOther(written: readonly FileEntry[], found: readonly FileEntry[]): string | undefined {
  const left = new Map(found.map((entry) => [entry.path, entry]));
  for (const entry of written) {
    if (!isDeepStrictEqual(left.get(entry.path), entry)) return entry.path;
    left.delete(entry.path);
  }
  return left.keys().next().value;
}

interface Expected {
  readonly point: Manifest;
  readonly progress: Progress;
}

/** Why the file of an artifact is not what was published. All of it is read, once. */
export async function faultOfArtifact(
  folder: string,
  entry: FileEntry,
  { point, progress }: Expected,
): Promise<string | undefined> {
  const path = join(folder, entry.path);
  if ((await firstAstray(folder, [entry])) !== undefined) return 'it is not there';
  const read = await orUnreadable(async () =>
    (await isPlain(path, entry.size))
      ? await readArtifact(path, progress)
      : 'it has another size, or is no file',
  );
  if (typeof read === 'string') return read;
  if (read.kind === 'noArtifact') return read.why;
  if (read.sha256 !== entry.sha256) return 'it is not what was written';
  if (read.kind === 'unknownFormat') return undefined; // so it was when it was published, by the tool's own word
  return otherThanTold(read.header, point);
}

/** What an artifact says of itself against what its manifest says of it. */
function otherThanTold(header: ArtifactHeader, point: Manifest): string | undefined {
  const { databaseID, database, isFull, highestTransactionID: highest } = header;
  if (database !== point.database) return `it is one of the database ${database}`;
  if (databaseID !== point.storeID) return 'it is one of another database of that name';
  if (isFull !== (point.type === 'Full')) return 'it says something else of itself than its manifest does';
  // One that brings nothing new says 0.
  return highest === 0n || String(highest) === point.lastTransactionID
    ? undefined
    : `it goes up to transaction ${highest}, not ${point.lastTransactionID}`;
}

/** What a file that is gone, or that the disk cannot read, comes to. */
async function orUnreadable<T>(read: () => Promise<T>): Promise<T | string> {
  try {
    return await read();
  } catch (error) {
    const code = errorCode(error) ?? '';
    if (!unreadable.has(code)) throw error;
    return code === 'EIO' ? 'the disk cannot read it' : 'it is not there';
  }
}
