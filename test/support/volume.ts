// Stores, points and manifests for tests, and ports that die or fail on the volume.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { destinationOf, readPoints, type Destination } from '../../src/volume/catalogue.ts';
import { entryOf, type Entry } from '../../src/volume/entry.ts';
import { realFiles, type Files } from '../../src/volume/files.ts';
import { placeOf, pointEntries, pointFolder, pointName } from '../../src/volume/layout.ts';
import { formatManifest, type Manifest, manifestSeal } from '../../src/volume/manifest.ts';
import { parseSealed } from '../../src/volume/seal.ts';
import { inspectStore } from '../../src/volume/verify.ts';
import { anArtifact } from './artifact.ts';

/** What sets one store apart from another, and one backup of it from the next. */
export interface StoreFacts {
  readonly creationTime?: bigint;
  readonly randomId?: bigint;
  readonly lastTransactionId?: bigint;
}

const recordOf = { creationTime: 0, randomId: 1, lastTransactionId: 3 } as const;

const fixture = readFileSync(join(import.meta.dirname, '../../src/volume/testdata/3.4.18-full.neostore'));

/** A `neostore` file that the real tool wrote, with other facts patched into its records. */
function aNeostore(facts: StoreFacts = {}): Uint8Array {
  const bytes = Uint8Array.from(fixture);
  const view = new DataView(bytes.buffer);
  for (const [key, record] of Object.entries(recordOf)) {
    const value = facts[key as keyof StoreFacts];
    if (value !== undefined) view.setBigInt64(record * 9 + 1, value);
  }
  return bytes;
}

/** Files that make a folder a store, without `neostore`, sorted. */
export const storeFiles = [
  'neostore.counts.db.a',
  'neostore.counts.db.b',
  'neostore.labelscanstore.db',
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
  'neostore.transaction.db.0',
  'schema/index/lucene/1/segments_1',
] as const;

/**
 * Writes a store as the tool leaves one: with a log of its own, and a folder below. Over an existing one it writes what
 * an increment would.
 */
export function makeStore(folder: string, facts: StoreFacts = {}): void {
  const content = `up to ${facts.lastTransactionId ?? 8n}`;
  mkdirSync(dirname(join(folder, 'schema/index/lucene/1/segments_1')), { recursive: true });
  for (const path of [...storeFiles, 'debug.log']) writeFileSync(join(folder, path), `${path} ${content}`);
  writeFileSync(join(folder, 'neostore'), aNeostore(facts));
}

/** The name of the n-th point. */
export function aPointName(n: number): string {
  return pointName(new Date(Date.UTC(2026, 0, n, 3)).toISOString(), `orders-${n}`);
}

/** The manifest of a full backup, one file long unless told. */
export function aManifest(over: Partial<Manifest> = {}): Manifest {
  const { sequence = 1 } = over;
  const point = over.point ?? aPointName(sequence);
  return {
    schemaVersion: 1,
    run: `orders-${sequence}`,
    resource: { namespace: 'shop', name: 'orders', uid: '7d1e6f0e-0000-4000-8000-000000000001' },
    chain: point,
    point,
    sequence,
    type: 'Full',
    fullBecause: 'DestinationBlank',
    generation: 'B2',
    layout: 'store',
    neo4jVersion: '3.4.18',
    source: { host: 'orders-neo4j.shop.svc', port: 6362 },
    database: 'graph.db',
    storeID: '1a2b-3c4d',
    storeVersion: 'v0.A.9',
    lastTransactionID: '8',
    consistent: true,
    startTime: '2026-01-01T03:00:00.000Z',
    completionTime: '2026-01-01T03:05:00.000Z',
    sizeBytes: 12,
    files: [{ path: 'neostore', size: 12, sha256: 'a'.repeat(64) }],
    ...over,
  };
}

/** Writes a published point: a store and a manifest that is true of it. */
export async function makePoint(
  root: string,
  over: Partial<Manifest> = {},
  facts: StoreFacts = {},
): Promise<Manifest> {
  const planned = aManifest(over);
  const folder = join(root, pointFolder(planned.chain, planned.point));
  const data = join(folder, pointEntries.data);
  makeStore(data, facts);
  await realFiles.remove(join(data, 'debug.log'));
  const store = await inspectStore(data);
  if (store.kind !== 'store') throw new Error(store.why);
  const { kind: _, files, ...read } = store;
  const manifest = { ...planned, ...read, files: [...files] };
  await writeFile(join(folder, pointEntries.manifest), formatManifest(manifest));
  return manifest;
}

/** A destination with the lists of files of all its points. */
export async function readManifests(root: string): Promise<Destination<Manifest>> {
  return destinationOf(await readPoints(root, ({ manifest }) => manifest));
}

/** What is held of a point whose manifest was read. */
export function anEntry(manifest: Manifest = aManifest()): Entry {
  return entryOf({ manifest, sha256: createHash('sha256').update(JSON.stringify(manifest)).digest('hex') });
}

/** Writes a manifest alone: enough for what reads no data. */
export async function writeManifest(root: string, manifest: Manifest): Promise<void> {
  const path = join(root, placeOf(manifest).manifest);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, formatManifest(manifest));
}

export interface Operation {
  readonly verb: keyof Files;
  readonly paths: readonly string[];
}

/** What happens at an operation: nothing, or it throws. `half`: a write leaves the first half of its content. */
export type Fault = (
  operation: Operation,
  position: number,
) => { readonly half: boolean; readonly error: Error } | undefined;

/** The real port, recorded, with faults before an operation. */
export function filesWith(fault: Fault): Files & { readonly operations: readonly Operation[] } {
  const operations: Operation[] = [];
  const guard = async <T>(
    operation: Operation,
    work: () => Promise<T>,
    half: () => Promise<void> = () => Promise.resolve(),
  ): Promise<T> => {
    operations.push(operation);
    const found = fault(operation, operations.length);
    if (found === undefined) return work();
    if (found.half) await half();
    throw found.error;
  };
  return {
    operations,
    makeFolder: (path) => guard({ verb: 'makeFolder', paths: [path] }, () => realFiles.makeFolder(path)),
    writeNew: (path, content) =>
      guard(
        { verb: 'writeNew', paths: [path] },
        () => realFiles.writeNew(path, content),
        () => writeFile(path, content.slice(0, content.length / 2)),
      ),
    copy: (from, to, seen) =>
      guard({ verb: 'copy', paths: [from, to] }, () => realFiles.copy(from, to, seen)),
    link: (from, to) => guard({ verb: 'link', paths: [from, to] }, () => realFiles.link(from, to)),
    rename: (from, to) => guard({ verb: 'rename', paths: [from, to] }, () => realFiles.rename(from, to)),
    rewrite: (path, expected, content) =>
      guard({ verb: 'rewrite', paths: [path] }, () => realFiles.rewrite(path, expected, content)),
    sync: (path) => guard({ verb: 'sync', paths: [path] }, () => realFiles.sync(path)),
    remove: (path) => guard({ verb: 'remove', paths: [path] }, () => realFiles.remove(path)),
  };
}

/** The process is gone from its k-th operation on: neither that one nor any later one happens. */
export function dyingFiles(k: number, half = false): ReturnType<typeof filesWith> {
  return filesWith((_, position) =>
    position < k ? undefined : { half: half && position === k, error: new Error('the process is dead') },
  );
}

/** A system call that the matching operations fail with. */
export function failingFiles(
  code: string,
  matches: (operation: Operation) => boolean,
): ReturnType<typeof filesWith> {
  return filesWith((operation) =>
    matches(operation)
      ? { half: false, error: Object.assign(new Error(`${code}: made to fail`), { code }) }
      : undefined,
  );
}

/** Writes a published artifact: one that says of itself what its manifest says. */
export async function makeArtifact(root: string, over: Partial<Manifest> = {}): Promise<Manifest> {
  const databaseID = '01010101-0101-0101-0101-010101010101';
  const { sequence = 1, database = 'neo4j', lastTransactionID = String(10 * sequence) } = over;
  const isFull = over.type !== 'Incremental';
  const lowest = isFull ? 1n : BigInt(lastTransactionID) - 9n;
  const content = anArtifact({
    database,
    databaseID,
    lowest,
    highest: BigInt(lastTransactionID),
    isFull,
  });
  const path = `${database}-${sequence}.backup`;
  const sha256 = createHash('sha256').update(content).digest('hex');
  const manifest = aManifest({
    generation: 'C',
    layout: 'artifacts',
    database,
    storeID: databaseID,
    storeVersion: 'artifact',
    ...(isFull ? {} : { firstTransactionID: String(lowest) }),
    lastTransactionID,
    sizeBytes: content.length,
    files: [{ path, size: content.length, sha256 }],
    ...over,
  });
  await writeManifest(root, manifest);
  await writeFile(join(root, placeOf(manifest).data, path), content);
  return manifest;
}

/** What a text is that stands for a manifest: the manifest in it, or why there is none. */
export function parseManifest(text: string): { readonly kind: string; readonly manifest?: Manifest } {
  const parsed = parseSealed(manifestSeal, text);
  return parsed.kind === 'good' ? { kind: parsed.kind, manifest: parsed.value } : parsed;
}
