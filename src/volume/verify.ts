// Reads a backup back: is it there, is it whole, of which store is it.
import { readFile, readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { errorCode } from './files.ts';
import type { FileEntry } from './manifest.ts';
import { formatStoreID } from '../run/store-id.ts';
import { baseTransactionId, parseNeostore, type Neostore } from './neostore.ts';
import { inParallel } from './parallel.ts';
import { silent, type Progress } from './progress.ts';
import { filesAtOnce, hashFile } from './stage.ts';

/** What a store folder turned out to be. */
export type Inspected =
  | {
      readonly kind: 'store';
      readonly storeID: string;
      readonly storeVersion: string;
      readonly lastTransactionID: string;
      readonly sizeBytes: number;
      readonly files: readonly FileEntry[];
    }
  | { readonly kind: 'noStore'; readonly why: string };

/**
 * Files that every store holds, whatever its format (docs/engines.md). All are demanded: a store that opens proves nothing,
 * since the kernel makes most missing ones anew, and empty.
 */
const required = [
  'neostore',
  'neostore.labeltokenstore.db',
  'neostore.labeltokenstore.db.names',
  'neostore.nodestore.db',
  'neostore.nodestore.db.labels',
  'neostore.propertystore.db',
  'neostore.propertystore.db.arrays',
  'neostore.propertystore.db.index',
  'neostore.propertystore.db.index.keys',
  'neostore.propertystore.db.strings',
  'neostore.relationshipgroupstore.db',
  'neostore.relationshipstore.db',
  'neostore.relationshiptypestore.db',
  'neostore.relationshiptypestore.db.names',
  'neostore.schemastore.db',
] as const;

interface Demand {
  /** What people are told is missing. */
  readonly name: string;
  readonly is: RegExp;
}

/** One file that is always called the same. */
function named(name: string): Demand {
  return { name, is: new RegExp(`^${name.replaceAll('.', String.raw`\.`)}$`) };
}

/** A store goes on from one at least; the number counts up. */
const transactionLog: Demand = { name: 'a transaction log', is: /^neostore\.transaction\.db\.\d+$/ };

/** Which nodes have a label: in a file of its own since 3.2, in a folder of Lucene before. */
const labelIndex = named('neostore.labelscanstore.db');
const luceneOf23: Demand = { name: 'schema/label/lucene', is: /^schema\/label\/lucene\/segments_\w+$/ };
const luceneOf30: Demand = {
  name: 'schema/label/lucene/labelStore',
  is: /^schema\/label\/lucene\/labelStore\/\d+\/segments_\w+$/,
};

/** Up to 3.5 the counts are written to two files in turn: until the first transaction there is one. Since 4.0 there is one file. */
const [countsA, countsB] = [named('neostore.counts.db.a'), named('neostore.counts.db.b')];
const counts = named('neostore.counts.db');

/** What a record format demands beyond what all do. */
interface Format {
  /** What `neostore` calls it: first the standard one, then `aligned`, then those of `high_limit`. */
  readonly storeVersions: readonly string[];
  readonly demands: readonly Demand[];
  /** In a store to which something was written. */
  readonly onceWritten?: Demand;
}

/** 3.2 to 3.5, and what we do not know. */
const usual: Format = {
  storeVersions: ['v0.A.8', 'v0.A.9', 'vE.H.3', 'vE.H.4'],
  demands: [countsA, labelIndex],
  onceWritten: countsB,
};

const formats: readonly Format[] = [
  { storeVersions: ['v0.A.6'], demands: [countsA, luceneOf23], onceWritten: countsB }, // 2.3
  {
    storeVersions: ['v0.A.7', 'vE.H.0', 'vE.H.0b', 'vE.H.2'], // 3.0 and 3.1
    demands: [countsA, luceneOf30],
    onceWritten: countsB,
  },
  usual,
  { storeVersions: ['SF4.0.0', 'AF4.1.a', 'HL4.0.0'], demands: [counts, labelIndex] }, // 4.0 to 4.2
  {
    // 4.3 and 4.4: what labels the nodes have is in an index like any other, which may be dropped
    storeVersions: ['SF4.3.0', 'AF4.3.0', 'HL4.3.0'],
    demands: [counts, named('neostore.relationshipgroupstore.degrees.db')],
  },
];

/** What is demanded of one store and not of another, or has no fixed name. */
function demanded({ storeId, lastTransactionId }: Neostore): readonly Demand[] {
  const { demands, onceWritten } =
    formats.find(({ storeVersions }) => storeVersions.includes(storeId.storeVersion)) ?? usual;
  const written = lastTransactionId > baseTransactionId;
  return [transactionLog, ...demands, ...(written && onceWritten !== undefined ? [onceWritten] : [])];
}

/** The folder that the tool copies into first; still there, the copy is not complete. */
const unfinished = 'temp-copy';

/**
 * What the tool leaves in a store folder that is no part of it: its logs and the findings of its check. 2.3 has them
 * directly in the store, under other names; 3.0 has a folder for both.
 */
export function isLeftover(path: string): boolean {
  return /^(debug|messages)\.log(\.\d+)?$|^inconsistencies-[-.\d]+\.report$|^logs(\/|$)/.test(path);
}

/**
 * Reads and hashes every file of a store folder, several at a time. Changes nothing. Anything but plain files and folders is
 * refused.
 */
export async function inspectStore(
  folder: string,
  progressFor: (totalBytes: number) => Progress = () => silent,
): Promise<Inspected> {
  const found = await plainFiles(folder);
  if (typeof found === 'string') return { kind: 'noStore', why: found };
  const missing = required.find((name) => !found.includes(name));
  if (missing !== undefined) return { kind: 'noStore', why: `${missing} is missing` };
  const parsed = parseNeostore(await readFile(join(folder, 'neostore')));
  if (!parsed.ok) return { kind: 'noStore', why: `neostore cannot be read: ${parsed.problem.kind}` };
  const lacking = demanded(parsed.neostore).find(({ is }) => !found.some((path) => is.test(path)));
  if (lacking !== undefined) return { kind: 'noStore', why: `${lacking.name} is missing` };

  const { storeId, lastTransactionId } = parsed.neostore;
  const sizes = await inParallel(found, filesAtOnce, async (path) => (await stat(join(folder, path))).size);
  const sizeBytes = sizes.reduce((sum, size) => sum + size, 0);
  const progress = progressFor(sizeBytes);
  const hashes = await inParallel(found, filesAtOnce, (path) => hashFile(join(folder, path), progress));
  const files = found.map((path, i): FileEntry => ({ path, size: sizes[i] ?? 0, sha256: hashes[i] ?? '' }));
  return {
    kind: 'store',
    storeID: formatStoreID(storeId),
    storeVersion: storeId.storeVersion,
    lastTransactionID: lastTransactionId.toString(),
    sizeBytes,
    files,
  };
}

/** Paths of the files below a folder, sorted; or why it cannot be a finished store. */
async function plainFiles(folder: string): Promise<readonly string[] | string> {
  const paths: string[] = [];
  let entries;
  try {
    entries = await readdir(folder, { withFileTypes: true, recursive: true });
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return 'there is no such folder';
    throw error;
  }
  for (const entry of entries) {
    const path = relative(folder, join(entry.parentPath, entry.name));
    if (entry.isDirectory()) {
      if (path === unfinished) return `${unfinished} is still there: the copy was not completed`;
    } else if (!entry.isFile()) {
      return `${path} is neither a file nor a folder`;
    } else if (!isLeftover(path)) {
      paths.push(path);
    }
  }
  return paths.toSorted();
}
