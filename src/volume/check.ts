// Reads everything of a destination back and says what is wrong with it. Changes nothing, and believes nothing.
import { createReadStream } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { readCatalogue } from './catalogue-file.ts';
import { readPoints, type PointRead } from './catalogue.ts';
import { proveChains } from './chain.ts';
import { entryOf, readManifest, type Entry } from './entry.ts';
import { errorCode, listEntries } from './files.ts';
import { folders, placeOf, rootFiles } from './layout.ts';
import type { FileEntry, Manifest, Point } from './manifest.ts';
import { parseMarks } from './marks.ts';
import { silent } from './progress.ts';
import { faultOfArtifact } from './readback.ts';
import { findRecord } from './records.ts';
import { verifyFiles } from './stage.ts';
import { inspectStore } from './verify.ts';

/** Something that is not as it was written. */
interface Fault {
  /** Of the file or folder, relative to the destination. */
  readonly path: string;
  readonly why: string;
  /** The restore points that nobody can count on because of it. */
  readonly takes: readonly Taken[];
}

export type Taken = Pick<Point, 'database' | 'chain' | 'point'> & { readonly lastTransactionID?: string };

export interface Checked {
  readonly faults: readonly Fault[];
  /** What is unusual and does no harm. */
  readonly notes: readonly string[];
  /** Restore points that are whole, with all that they rest on. */
  readonly sound: number;
  /** What all points weigh of which the manifest is good. */
  readonly sizeBytes: number;
}

/** One point as it was found, before anything is said of those that rest on it. */
interface Looked {
  readonly point: Entry;
  readonly faults: readonly Omit<Fault, 'takes'>[];
}

/** @throws the system error of a failed call on the volume */
export async function checkDestination(root: string): Promise<Checked> {
  const read = await readPoints(root, entryOf);
  if (read.kind === 'foreign') {
    const why = 'it is not of this operator, which does not touch a folder with anything foreign in it';
    return onlyFaults(read.entries.map((path) => ({ path, why, takes: [] })));
  }
  if (read.kind === 'tooNew') {
    const why = `a newer version of the operator was here: layout ${read.schemaVersion}`;
    return onlyFaults([{ path: '.', why, takes: [] }]);
  }
  const looked: Looked[] = [];
  for (const { kept } of read.places) if (kept !== undefined) looked.push(await lookAt(root, kept));
  const points = looked.map(({ point }) => point);
  const unread = read.places.flatMap((one) => (one.kept === undefined ? [faultOfPlace(one)] : []));
  const marked = read.places.flatMap((one) =>
    one.kind === 'damaged' && one.kept !== undefined ? [faultOfMark(one.kept, one.why)] : [],
  );
  const catalogue = await checkCatalogue(root, read.places);
  const runs = await checkRuns(root);
  const faults = [
    ...unread,
    ...looked.flatMap((one) => faultsOf(one, points)),
    ...brokenChains(points),
    ...marked,
    ...(await checkMarks(root)),
    ...catalogue.faults,
    ...runs.faults,
  ];
  const lost = new Set(faults.flatMap(({ takes }) => takes.map(keyOf)));
  return {
    faults,
    notes: [...catalogue.notes, ...runs.notes],
    sound: looked.filter(({ point }) => !lost.has(keyOf(point))).length,
    sizeBytes: looked.reduce((sum, { point }) => sum + point.sizeBytes, 0),
  };
}

function onlyFaults(faults: readonly Fault[]): Checked {
  return { faults, notes: [], sound: 0, sizeBytes: 0 };
}

function keyOf({ database, chain, point }: Taken): string {
  return `${database}/${chain}/${point}`;
}

/** The names of a point are in its path, where its manifest cannot be trusted: those of an artifact as far as they go. */
function faultOfPlace(one: PointRead<Entry>): Fault {
  const why = one.kind === 'damaged' ? one.why : '';
  const [top, a = '', b = '', , d = ''] = one.place.split('/');
  const taken =
    top === folders.points
      ? { database: '?', chain: a, point: b.replace(/\.json$/, '') }
      : { database: a, chain: b, point: d.replace(/\.json$/, '') };
  return { path: one.place, why, takes: [taken] };
}

function faultOfMark(point: Entry, why: string): Fault {
  return { path: rootFiles.marks, why: `it marks a point as damaged: ${why}`, takes: [takenOf(point)] };
}

function takenOf({ database, chain, point, lastTransactionID }: Point): Taken {
  return { database, chain, point, lastTransactionID };
}

/** A store is whole by itself; of a chain of artifacts all rests on each that was taken on top of it. */
function faultsOf({ point, faults }: Looked, all: readonly Entry[]): readonly Fault[] {
  if (faults.length === 0) return [];
  const lost = [point];
  for (const other of all.toSorted((a, b) => a.sequence - b.sequence))
    if (other.layout === 'artifacts' && lost.some((one) => isParent(one, other))) lost.push(other);
  return faults.map((fault) => ({ ...fault, takes: lost.map(takenOf) }));
}

function isParent(one: Point, other: Point): boolean {
  return one.database === other.database && one.point === other.parent;
}

/** Points that are all there, and do not continue what they should. */
function brokenChains(points: readonly Entry[]): readonly Fault[] {
  const { broken } = proveChains(points);
  return [...Map.groupBy(broken, ({ point, at }) => `${point.database}/${at}`).values()].flatMap((those) => {
    const [first] = those;
    if (first === undefined) return [];
    const why = `it does not continue its chain: ${first.why}`;
    return [{ path: placeOf(first.point).manifest, why, takes: those.map(({ point }) => takenOf(point)) }];
  });
}

async function lookAt(root: string, point: Entry): Promise<Looked> {
  const place = placeOf(point);
  const manifest = await readManifest(root, point);
  if (manifest === undefined)
    return { point, faults: [{ path: place.manifest, why: 'it changed while it was read' }] };
  const data = await lstat(join(root, place.data)).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (data?.isDirectory() !== true) return { point, faults: [{ path: place.data, why: 'it is no folder' }] };
  const look = point.layout === 'artifacts' ? lookAtArtifacts : lookAtStore;
  const found = await look(join(root, place.data), manifest).catch((error: unknown) => {
    if (errorCode(error) === undefined) throw error;
    return [{ path: '', why: `it cannot be read: ${errorCode(error)}` }];
  });
  return { point, faults: found.map(({ path, why }) => ({ path: join(place.data, path), why })) };
}

interface FileFault {
  readonly path: string;
  readonly why: string;
}

async function lookAtStore(data: string, manifest: Manifest): Promise<readonly FileFault[]> {
  const store = await inspectStore(data);
  if (store.kind === 'noStore') {
    const faults = await changedFiles(data, manifest.files);
    return faults.length > 0 ? faults : [{ path: '', why: `it is no store: ${store.why}` }];
  }
  const found = new Map(store.files.map((file) => [file.path, file]));
  const written = new Set(manifest.files.map(({ path }) => path));
  const changed = manifest.files.flatMap(({ path, sha256 }) => {
    const file = found.get(path);
    if (file === undefined) return [{ path, why: 'it is missing' }];
    return file.sha256 === sha256 ? [] : [{ path, why: 'it is not what was written' }];
  });
  const added = store.files.filter(({ path }) => !written.has(path));
  const isSame = store.storeID === manifest.storeID && store.lastTransactionID === manifest.lastTransactionID;
  return [
    ...changed,
    ...added.map(({ path }) => ({ path, why: 'it was not there when the point was published' })),
    ...(isSame || changed.length > 0
      ? []
      : [{ path: 'neostore', why: 'it is of another store, or of another state, than the manifest says' }]),
  ];
}

async function lookAtArtifacts(folder: string, manifest: Manifest): Promise<readonly FileFault[]> {
  const faults: FileFault[] = [];
  for (const entry of manifest.files) {
    const why = await faultOfArtifact(folder, entry, { point: manifest, progress: silent });
    if (why !== undefined) faults.push({ path: entry.path, why });
  }
  return faults;
}

async function changedFiles(folder: string, files: readonly FileEntry[]): Promise<readonly FileFault[]> {
  const faults: FileFault[] = [];
  for (const file of files)
    if ((await verifyFiles(folder, [file])) !== undefined)
      faults.push({ path: file.path, why: 'it is missing, or not what was written' });
  return faults;
}

async function checkMarks(root: string): Promise<readonly Fault[]> {
  const marks = await parseMarks(root);
  return marks.kind === 'damaged'
    ? [{ path: rootFiles.marks, why: `${marks.why}; the next verification writes it anew`, takes: [] }]
    : [];
}

type Part = Pick<Checked, 'faults' | 'notes'>;

/** A cache: what it lacks it is given by the next run. What it says of a manifest that is still there must be true. */
async function checkCatalogue(root: string, places: readonly PointRead<Entry>[]): Promise<Part> {
  const path = rootFiles.catalogue;
  const catalogue = await readCatalogue(root);
  if (catalogue.kind === 'absent') return { faults: [], notes: [] };
  if (catalogue.kind === 'tooNew')
    return { faults: [{ path, why: 'a newer version of the operator wrote it', takes: [] }], notes: [] };
  if (catalogue.kind === 'damaged')
    return {
      faults: [{ path, why: `${catalogue.why}; the next run writes it anew`, takes: [] }],
      notes: [],
    };
  const there = new Map(places.map((one) => [one.place, one.kept]));
  const known = new Set(catalogue.value.points.map((entry) => placeOf(entry).manifest));
  const faults = catalogue.value.points.flatMap((entry): Fault[] => {
    const kept = there.get(placeOf(entry).manifest);
    if (kept === undefined || kept.manifest === entry.manifest) return [];
    const why = `it is not the manifest that ${path} knows: somebody put another one in its place`;
    return [{ path: placeOf(entry).manifest, why, takes: [takenOf(kept)] }];
  });
  const gone = catalogue.value.points.filter((entry) => !there.has(placeOf(entry).manifest)).length;
  const fresh = places.filter(({ place, kept }) => kept !== undefined && !known.has(place)).length;
  const behind =
    gone + fresh === 0
      ? []
      : [`${path} lacks ${fresh} points and has ${gone} that are gone: the next run writes it anew`];
  return { faults, notes: behind };
}

/** Unpacked, a log takes 4 MiB and a few characters. What is larger is none of ours. Bytes. */
const maxLogBytes = 16 * 1_048_576;

async function checkRuns(root: string): Promise<Part> {
  const faults: Fault[] = [];
  const notes: string[] = [];
  for (const { name } of (await listEntries(join(root, folders.runs))) ?? []) {
    const path = `${folders.runs}/${name}`;
    const why = await runFault(root, name);
    if (why === 'unknown') notes.push(`${path} is none of ours`);
    else if (why !== undefined) faults.push({ path, why, takes: [] });
  }
  return { faults, notes };
}

/** @returns `unknown` for a name that we do not give */
async function runFault(root: string, name: string): Promise<string | undefined> {
  if (name.endsWith('.partial')) return undefined; // a process died over it, and the next one removes it
  if (name.endsWith('.log.gz')) return logFault(join(root, folders.runs, name));
  if (!name.endsWith('.json')) return 'unknown';
  const found = await findRecord(root, name.slice(0, -'.json'.length));
  if (found.kind === 'damaged') return found.why;
  return found.kind === 'tooNew' ? 'a newer version of the operator wrote it' : undefined;
}

async function logFault(path: string): Promise<string | undefined> {
  if (!(await lstat(path)).isFile()) return 'it is no file';
  let bytes = 0;
  try {
    await pipeline(createReadStream(path), createGunzip(), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        bytes += chunk.length;
        if (bytes > maxLogBytes) throw new TooLarge();
      }
    });
    return undefined;
  } catch (error) {
    if (error instanceof TooLarge) return 'it is larger than any that we write';
    const code = errorCode(error) ?? '';
    if (code.startsWith('Z_') || code === 'EIO') return 'it is damaged';
    throw error;
  }
}

class TooLarge extends Error {}
