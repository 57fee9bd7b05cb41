// Backups that others took and left on the volume. Foreign through and through: looked for within bounds, read, never changed.
import { lstat, opendir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { databaseName } from '../api/patterns.ts';
import { formatStoreID } from '../run/store-id.ts';
import { readArtifact, type ArtifactHeader } from './artifact.ts';
import { errorCode, openToRead } from './files.ts';
import type { FileEntry } from './manifest.ts';
import { parseNeostore } from './neostore.ts';
import { hashFile } from './stage.ts';

/** A folder that one looks through by hand has fewer. Whoever has more can name the folder of the backup itself. */
const mostEntries = 10_000;

/** What a manifest takes. A store of the largest kind has some hundred files, and some for each index. */
const mostFilesOfStore = 100_000;

/** A chain of this length is a year of daily ones. */
const mostArtifactsRead = 400;

/** The database of a store lies in its folder: where, which, and up to where it goes. Cheap: nothing else of it was read. */
export interface StoreLook {
  /** The name of its folder. */
  readonly name: string;
  readonly folder: string;
  readonly storeID: string;
  readonly lastTransactionID: bigint;
  /** When its main file was last written: the tool ends by closing the store. Milliseconds since 1970. */
  readonly writtenMs: number;
}

export interface FoundArtifact {
  readonly file: string;
  readonly header: ArtifactHeader;
}

/** A search that may find nothing: then `why` says to people what there is instead. */
export type Search<T> =
  { readonly kind: 'found'; readonly found: T } | { readonly kind: 'nothing'; readonly why: string };

function nothing(why: string): { readonly kind: 'nothing'; readonly why: string } {
  return { kind: 'nothing', why };
}

/**
 * Why a folder of the volume is none that may be read: each of its segments must be a real folder, since a link could lead
 * anywhere. Undefined: it is one.
 */
export async function objectionToFolder(volume: string, path: string): Promise<string | undefined> {
  let at = volume;
  for (const segment of path === '.' ? [] : path.split('/')) {
    at = join(at, segment);
    const found = await lstatIfThere(at);
    if (found === undefined) return `There is no folder ${path} on the volume: ${segment} is not there`;
    if (found.isSymbolicLink()) return `${segment} in ${path} is a link, and links are not followed`;
    if (!found.isDirectory()) return `${segment} in ${path} is no folder`;
  }
  return undefined;
}

async function lstatIfThere(path: string): Promise<Awaited<ReturnType<typeof lstat>> | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}

interface Entry {
  readonly name: string;
  readonly kind: 'folder' | 'file' | 'other';
}

/** What lies in a folder beside our own, sorted. Undefined: more than anybody would look through. */
async function entriesOf(folder: string, own: string): Promise<readonly Entry[] | undefined> {
  const found: Entry[] = [];
  for await (const entry of await opendir(folder)) {
    if (found.length === mostEntries) return undefined;
    const kind = entry.isDirectory() ? 'folder' : entry.isFile() ? 'file' : 'other';
    if (entry.name !== own && entry.name !== 'lost+found') found.push({ name: entry.name, kind });
  }
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** A few of the names in a folder, for people. */
function named(names: readonly string[]): string {
  if (names.length === 0) return 'nothing';
  const some = names.slice(0, 3).map((name) => name.slice(0, 64));
  return names.length > some.length
    ? `${some.join(', ')} and ${names.length - some.length} more`
    : some.join(', ');
}

/** Names that the tools give to what they move out of their way, and to what they have not completed. */
const asideName = /\.(err|temp|old)\.\d+$|^temp-copy$/;

/**
 * Where stores could be that others took, in a folder: itself, or one level below.
 * @param own the name of our own destination, which may be in it
 */
export async function storesIn(folder: string, own: string): Promise<Search<readonly StoreLook[]>> {
  const itself = await lookAtStore(folder);
  if (itself !== undefined)
    return itself.kind === 'found' ? { kind: 'found', found: [itself.found] } : itself;
  const entries = await entriesOf(folder, own);
  if (entries === undefined) return nothing(`it holds more than ${mostEntries} entries`);
  const names = entries.filter(({ kind, name }) => kind === 'folder' && !asideName.test(name));
  const looks: Search<StoreLook>[] = [];
  for (const { name } of names) {
    const look = await lookAtStore(join(folder, name));
    if (look !== undefined) looks.push(look);
  }
  const found = looks.flatMap((look) => (look.kind === 'found' ? [look.found] : []));
  if (found.length > 0) return { kind: 'found', found };
  return (
    looks.find((look) => look.kind === 'nothing') ??
    nothing(`it holds ${named(entries.map(({ name }) => name))}`)
  );
}

/** The first page of the file, with all of its records. Bytes. */
const neostoreBytes = 8192;

/** Undefined: there is no such file in the folder, so it does not even look like a store. */
async function lookAtStore(folder: string): Promise<Search<StoreLook> | undefined> {
  const path = join(folder, 'neostore');
  const name = basename(folder);
  const there = await lstatIfThere(path);
  if (there === undefined) return undefined;
  if (!there.isFile()) return nothing(`neostore in ${name} is no file`);
  const file = await openToRead(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(neostoreBytes), 0, neostoreBytes, 0);
    const parsed = parseNeostore(buffer.subarray(0, bytesRead));
    if (!parsed.ok) return nothing(`neostore in ${name} cannot be read: ${parsed.problem.kind}`);
    const { storeId, lastTransactionId } = parsed.neostore;
    const storeID = formatStoreID(storeId);
    const found = {
      name,
      folder,
      storeID,
      lastTransactionID: lastTransactionId,
      writtenMs: Number(there.mtimeMs),
    };
    return { kind: 'found', found };
  } finally {
    await file.close();
  }
}

/** The one that goes furthest, where all are of one store. */
export function newestStore(looks: readonly StoreLook[]): Search<StoreLook> {
  const [first, second] = looks.toSorted((a, b) => Number(b.lastTransactionID - a.lastTransactionID));
  if (first === undefined) return nothing('it holds no store');
  if (second === undefined) return { kind: 'found', found: first };
  const names = named(looks.map(({ name }) => name));
  if (looks.some(({ storeID }) => storeID !== first.storeID))
    return nothing(`it holds backups of different stores (${names}), and only one can be adopted`);
  if (first.lastTransactionID === second.lastTransactionID)
    return nothing(
      `${first.name} and ${second.name} both go up to transaction ${first.lastTransactionID}, and only one can be adopted`,
    );
  return { kind: 'found', found: first };
}

/** How many entries are below a folder, not followed into links. Undefined: more than a backup can have. */
export async function entriesBelow(folder: string, most = mostFilesOfStore): Promise<number | undefined> {
  const folders = [folder];
  let seen = 0;
  for (const each of folders)
    for await (const entry of await opendir(each)) {
      seen += 1;
      if (seen > most) return undefined;
      if (entry.isDirectory()) folders.push(join(each, entry.name));
    }
  return seen;
}

/** What a manifest says of a file. */
export async function entryOf(folder: string, path: string): Promise<FileEntry> {
  const file = join(folder, path);
  return { path, size: (await lstat(file)).size, sha256: await hashFile(file) };
}

/** As the tool names an artifact: the database, and when it was taken. */
const artifactName =
  /^(?<database>[a-z0-9][-a-z0-9.]{1,61}[a-z0-9])-(?<time>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d[\w.-]{0,32})\.backup$/;

/** The files in a folder that are called like artifacts, by database; the newest first, by their names. */
export async function artifactsIn(
  folder: string,
  own: string,
): Promise<Search<ReadonlyMap<string, readonly string[]>>> {
  const entries = await entriesOf(folder, own);
  if (entries === undefined) return nothing(`it holds more than ${mostEntries} entries`);
  const files = entries.filter(({ kind }) => kind === 'file').map(({ name }) => name);
  const groups = Map.groupBy(files, (name) => artifactName.exec(name)?.groups?.['database'] ?? '');
  const databases = [...groups].filter(([database]) => databaseName.test(database));
  if (databases.length === 0) return nothing(`it holds ${named(entries.map(({ name }) => name))}`);
  return { kind: 'found', found: new Map(databases.map(([name, group]) => [name, group.toReversed()])) };
}

/**
 * The newest whole chain of a database: a full backup, and what continues it without a gap. An artifact is taken by what it
 * says of itself; its name only tells where to begin.
 * @param files the names of its artifacts, the newest first
 */
export async function newestChain(
  folder: string,
  database: string,
  files: readonly string[],
): Promise<Search<readonly FoundArtifact[]>> {
  const increments: FoundArtifact[] = [];
  let why = 'there is no full backup among them';
  for (const file of files.slice(0, mostArtifactsRead)) {
    const read = await readArtifact(join(folder, file));
    if (read.kind !== 'artifact') {
      why = `${file} cannot be read: ${read.why}`;
    } else if (read.header.database !== database) {
      why = `${file} is of the database ${read.header.database}`;
    } else if (read.header.isFull) {
      return { kind: 'found', found: wholeChain({ file, header: read.header }, increments) };
    } else {
      increments.push({ file, header: read.header });
    }
  }
  return nothing(`it holds ${named(files)}, and ${why}`);
}

/** The longest way from a full backup on, each step beginning where the one before it ends. */
function wholeChain(full: FoundArtifact, increments: readonly FoundArtifact[]): readonly FoundArtifact[] {
  const usable = increments
    .filter(({ header }) => continues(full.header, header))
    .toSorted((a, b) => Number(b.header.highestTransactionID - a.header.highestTransactionID));
  for (const last of usable) {
    const chain = wayTo(last, full, usable);
    if (chain !== undefined) return chain;
  }
  return [full];
}

/** Of the same database, and not one that brings nothing, which holds the transactions 0 to 0. */
function continues(full: ArtifactHeader, one: ArtifactHeader): boolean {
  const isSame = one.databaseID === full.databaseID && one.storeID === full.storeID;
  const { lowestTransactionID: lowest, highestTransactionID: highest } = one;
  return isSame && lowest > full.highestTransactionID && lowest <= highest;
}

function wayTo(
  last: FoundArtifact,
  full: FoundArtifact,
  usable: readonly FoundArtifact[],
): readonly FoundArtifact[] | undefined {
  const way = [last];
  for (let { lowestTransactionID: lowest } = last.header; lowest !== full.header.highestTransactionID + 1n;) {
    const end = lowest - 1n; // strictly falling: an increment never ends before it begins
    const before = usable.find(({ header }) => header.highestTransactionID === end);
    if (before === undefined) return undefined;
    way.unshift(before);
    lowest = before.header.lowestTransactionID;
  }
  return [full, ...way];
}
