// What a destination holds: its points, read from their manifests, and which of them the next run goes on from.
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode, listFolder, readText } from './files.ts';
import { databaseName } from '../api/patterns.ts';
import {
  chainFolder,
  folders,
  isKnown,
  manifestsFolder,
  placeOf,
  pointEntries,
  pointFolder,
  pointNamePattern,
  type EntryKind,
} from './layout.ts';
import { parseManifest, type Manifest } from './manifest.ts';

export type Destination =
  /** Nothing there, or nothing yet. */
  | { readonly kind: 'blank' }
  | { readonly kind: 'ours'; readonly points: readonly Manifest[]; readonly damaged: readonly string[] }
  /** Something there that this operator never wrote. */
  | { readonly kind: 'foreign'; readonly entries: readonly string[] }
  | { readonly kind: 'tooNew'; readonly schemaVersion: number };

/** Reads a destination without changing anything. `root` is <path> on the mounted volume. */
export async function readDestination(root: string): Promise<Destination> {
  const foreign = await foreignEntries(root);
  if (foreign.length > 0) return { kind: 'foreign', entries: foreign };

  const points: Manifest[] = [];
  const damaged: string[] = [];
  for (const place of [...(await pointManifests(root)), ...(await chainManifests(root))]) {
    const text = await readText(join(root, place));
    const parsed = text === undefined ? ({ kind: 'damaged' } as const) : parseManifest(text);
    if (parsed.kind === 'tooNew') return parsed;
    if (parsed.kind === 'good' && placeOf(parsed.manifest).manifest === place) points.push(parsed.manifest);
    else damaged.push(dirname(place));
  }
  if (points.length === 0 && damaged.length === 0) return { kind: 'blank' };
  return { kind: 'ours', points: points.toSorted((a, b) => a.sequence - b.sequence), damaged };
}

/** A link is never ours: it could lead what we write, or remove, to anywhere. */
async function foreignEntries(root: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(root, { withFileTypes: true });
    const kindOf = (entry: (typeof entries)[number]): EntryKind =>
      entry.isDirectory() ? 'folder' : entry.isFile() ? 'file' : 'other';
    return entries
      .filter((entry) => !isKnown(entry.name, kindOf(entry)))
      .map(({ name }) => name)
      .toSorted();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    if (errorCode(error) === 'ENOTDIR') return [basename(root)];
    throw error;
  }
}

/** Where the manifests of points that are stores should be. A point without one counts as damaged. */
async function pointManifests(root: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const chain of await namesIn(join(root, folders.points), pointNamePattern))
    for (const point of await namesIn(join(root, folders.points, chain), pointNamePattern))
      found.push(`${pointFolder(chain, point)}/${pointEntries.manifest}`);
  return found;
}

/** The folders of all chains of artifacts, relative to `root`, also of those in which nothing is published yet. */
export async function chainFolders(root: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const database of await namesIn(join(root, folders.chains), databaseName))
    for (const chain of await namesIn(join(root, folders.chains, database), pointNamePattern))
      found.push(chainFolder(database, chain));
  return found;
}

/** Where the manifests of points that are artifacts are. An artifact without one was never published. */
async function chainManifests(root: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const chain of await chainFolders(root))
    for (const name of await namesIn(join(root, chain, manifestsFolder), /\.json$/))
      found.push(`${chain}/${manifestsFolder}/${name}`);
  return found;
}

async function namesIn(folder: string, pattern: RegExp): Promise<readonly string[]> {
  return ((await listFolder(folder)) ?? []).filter((name) => pattern.test(name));
}

/** What is published, whatever else there may be. */
export function pointsIn(destination: Destination): readonly Manifest[] {
  return destination.kind === 'ours' ? destination.points : [];
}

/** The points of one database, in their order. */
export function pointsOf(points: readonly Manifest[], database: string): readonly Manifest[] {
  return points.filter((point) => point.database === database);
}

/**
 * The point that an incremental backup goes on from: the newest one, but for those with inconsistencies as long as there
 * is one without. Newest by sequence, never by a clock.
 */
export function tipOf(points: readonly Manifest[]): Manifest | undefined {
  const newest = points.toSorted((a, b) => b.sequence - a.sequence);
  return newest.find(({ consistent }) => consistent !== false) ?? newest[0];
}

/** The points that a run published: one for each database at most. */
export function pointsOfRun(points: readonly Manifest[], run: string, uid: string): readonly Manifest[] {
  return points.filter((point) => point.run === run && point.resource.uid === uid);
}

export function nextSequence(points: readonly Manifest[]): number {
  return Math.max(0, ...points.map(({ sequence }) => sequence)) + 1;
}
