// What a destination holds: its points, read from their manifests, and which of them the next run goes on from.
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errorCode, listFolder, readText } from './files.ts';
import { folders, isKnown, pointEntries, pointFolder, pointNamePattern, type EntryKind } from './layout.ts';
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
  for (const folder of await pointFolders(root)) {
    const text = await readText(join(root, folder, pointEntries.manifest));
    const parsed = text === undefined ? ({ kind: 'damaged' } as const) : parseManifest(text);
    if (parsed.kind === 'tooNew') return parsed;
    if (parsed.kind === 'good' && pointFolder(parsed.manifest.chain, parsed.manifest.point) === folder)
      points.push(parsed.manifest);
    else damaged.push(folder);
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

async function pointFolders(root: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const chain of (await listFolder(join(root, folders.points))) ?? []) {
    if (!pointNamePattern.test(chain)) continue;
    for (const point of (await listFolder(join(root, folders.points, chain))) ?? [])
      if (pointNamePattern.test(point)) found.push(pointFolder(chain, point));
  }
  return found;
}

/**
 * The point that an incremental backup goes on from: the newest one, but for those with inconsistencies as long as there
 * is one without. Newest by sequence, never by a clock.
 */
export function tipOf(points: readonly Manifest[]): Manifest | undefined {
  const newest = points.toSorted((a, b) => b.sequence - a.sequence);
  return newest.find(({ consistent }) => consistent !== false) ?? newest[0];
}

/** The point that a run published. Undefined: none. */
export function pointOfRun(points: readonly Manifest[], run: string, uid: string): Manifest | undefined {
  return points.find((point) => point.run === run && point.resource.uid === uid);
}

export function nextSequence(points: readonly Manifest[]): number {
  return Math.max(0, ...points.map(({ sequence }) => sequence)) + 1;
}
