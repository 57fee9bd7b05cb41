// What a destination holds: its points, read from their manifests, and which of them the next run goes on from.
import type { Dirent } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { databaseName } from '../api/patterns.ts';
import { entryOf, type Entry } from './entry.ts';
import { errorCode, listEntries } from './files.ts';
import {
  folders,
  isKnown,
  manifestsFolder,
  placeOf,
  pointEntries,
  pointNamePattern,
  type EntryKind,
} from './layout.ts';
import { manifestSeal, type Manifest, type Point } from './manifest.ts';
import { markOf, parseMarks, type Mark, type Marks } from './marks.ts';
import { inParallel } from './parallel.ts';
import { readSealed } from './seal.ts';

/** `T`: what is held of each point. */
export type Destination<T extends Point = Entry> =
  /** Nothing there, or nothing yet. */
  | { readonly kind: 'blank' }
  | {
      readonly kind: 'ours';
      readonly points: readonly T[];
      readonly damaged: readonly string[];
      /** The highest one of all, of damaged points, too, as far as their manifests can be read. 0: of none. */
      readonly newestSequence: number;
    }
  /** Something there that this operator never wrote. */
  | { readonly kind: 'foreign'; readonly entries: readonly string[] }
  | { readonly kind: 'tooNew'; readonly schemaVersion: number };

/**
 * Reads a destination without changing anything, every manifest of it. `root` is <path> on the mounted volume. A point that
 * was read back and found damaged counts as one whose manifest is.
 */
export async function readDestination(root: string): Promise<Destination> {
  return destinationOf(await readPoints(root, entryOf));
}

/** What a destination is, by what was read of it. */
export function destinationOf<T extends Point>(read: PointsRead<T>): Destination<T> {
  if (read.kind !== 'ours') return read;
  const points = read.places.flatMap((one) => (one.kind === 'good' ? [one.kept] : []));
  const damaged = read.places.flatMap((one) => (one.kind === 'damaged' ? [nameOf(one.place)] : []));
  if (points.length === 0 && damaged.length === 0) return { kind: 'blank' };
  return {
    kind: 'ours',
    points: points.toSorted((a, b) => a.sequence - b.sequence),
    damaged,
    newestSequence: read.places.reduce((most, { kept }) => Math.max(most, kept?.sequence ?? 0), 0),
  };
}

/** What stands where the manifest of a point should. `T`: what is kept of a good one. */
export type PointRead<T> = { readonly place: string } & (
  | { readonly kind: 'good'; readonly kept: T }
  | {
      readonly kind: 'damaged';
      readonly why: string;
      /** There when the manifest is good, and a file of the point was found not to be. */
      readonly kept?: T;
    }
);

export type PointsRead<T> =
  | { readonly kind: 'ours'; readonly places: readonly PointRead<T>[] }
  | Extract<Destination, { kind: 'foreign' | 'tooNew' }>;

/** A manifest that was read just now. */
export interface Read {
  readonly manifest: Manifest;
  /** Another one as soon as anything in the manifest is. */
  readonly sha256: string;
  readonly mark: Mark | undefined;
}

/** How many manifests are read at a time. */
const atOnce = 16;

/**
 * Reads every manifest of a destination, and says of each that is damaged why.
 * @param keep what is held of each: the lists of files of many points take a lot of memory
 */
export async function readPoints<T>(root: string, keep: (read: Read) => T): Promise<PointsRead<T>> {
  const listed = await listPlaces(root);
  if (listed.kind !== 'ours') return listed;
  return readPlaces(root, listed, keep);
}

/** Where the manifests of a destination should be, and what is marked of them. */
export interface Listed {
  readonly kind: 'ours';
  readonly places: readonly Place[];
  readonly marks: Marks;
}

export async function listPlaces(
  root: string,
): Promise<Listed | Extract<Destination, { kind: 'foreign' | 'tooNew' }>> {
  const foreign = await foreignEntries(root);
  if (foreign.length > 0) return { kind: 'foreign', entries: foreign };
  const marks = await parseMarks(root);
  if (marks.kind === 'tooNew') return marks;
  const places = [...(await pointManifests(root)), ...(await chainManifests(root))];
  if (places.length > mostPoints) return { kind: 'foreign', entries: [`more than ${mostPoints} points`] };
  return { kind: 'ours', places, marks: marks.kind === 'good' ? marks.value : new Map<string, Mark>() };
}

export async function readPlaces<T>(
  root: string,
  { places, marks }: Listed,
  keep: (read: Read) => T,
): Promise<PointsRead<T>> {
  const read = await inParallel(places, atOnce, (place) => readPoint(root, place, { marks, keep }));
  const tooNew = read.find((one) => one.kind === 'tooNew');
  if (tooNew !== undefined) return { kind: 'tooNew', schemaVersion: tooNew.schemaVersion };
  return { kind: 'ours', places: read.filter((one) => one.kind !== 'tooNew') };
}

interface Keeping<T> {
  readonly marks: Marks;
  readonly keep: (read: Read) => T;
}

async function readPoint<T>(
  root: string,
  { place, isOurs }: Place,
  { marks, keep }: Keeping<T>,
): Promise<PointRead<T> | Extract<Destination, { kind: 'tooNew' }>> {
  const damaged = (why: string): PointRead<T> => ({ place, kind: 'damaged', why });
  if (!isOurs) return damaged('it is neither a file nor a folder of ours');
  const read = await readSealed(join(root, place), manifestSeal);
  if (read.kind === 'tooNew') return read;
  if (read.kind === 'absent') return damaged('its manifest is missing');
  if (read.kind === 'damaged') return damaged(`its manifest is damaged: ${read.why}`);
  const { value: manifest, sha256 } = read;
  if (placeOf(manifest).manifest !== place) return damaged('its manifest is that of another point');
  const mark = markOf(marks, manifest);
  const kept = keep({ manifest, sha256, mark });
  if (mark?.damaged === undefined) return { place, kind: 'good', kept };
  return { place, kind: 'damaged', why: `${mark.damaged} is not what was written`, kept };
}

/** How a point is named of which no manifest can be trusted: by its folder; an artifact by its manifest. */
export function nameOf(place: string): string {
  return place.startsWith(`${folders.points}/`) ? dirname(place) : place;
}

/** More than this no policy keeps. What has more was filled by somebody else, and would fill our memory. */
const mostPoints = 100_000;

/** Foreign names that are told of: the message has room for three. */
const mostForeign = 1_000;

/** A link is never ours: it could lead what we write, or remove, to anywhere. */
async function foreignEntries(root: string): Promise<readonly string[]> {
  const found = await lstat(root).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return [];
  if (!found.isDirectory()) return [basename(root)];
  let count = 0;
  const isForeign = (entry: Dirent): boolean => {
    const kind: EntryKind = entry.isDirectory() ? 'folder' : entry.isFile() ? 'file' : 'other';
    return !isKnown(entry.name, kind) && (count += 1) <= mostForeign;
  };
  return ((await listEntries(root, isForeign)) ?? []).map(({ name }) => name);
}

/** Where a manifest should be. Not ours: there, or above, is something that we never make and do not follow. */
interface Place {
  readonly place: string;
  readonly isOurs: boolean;
}

/** Where the manifests of points that are stores should be. A point without one counts as damaged. */
async function pointManifests(root: string): Promise<readonly Place[]> {
  const chains = await foldersIn(root, folders.points, pointNamePattern);
  let count = 0;
  const isPoint = ({ name }: Dirent): boolean =>
    pointNamePattern.test(name) && (count += 1) <= mostPoints + 1;
  const found = await inParallel(chains, atOnce, async (chain): Promise<readonly Place[]> => {
    if (!chain.isOurs) return [chain];
    const points = (await listEntries(join(root, chain.place), isPoint)) ?? [];
    return points.map((entry) => ({
      place: `${chain.place}/${entry.name}/${pointEntries.manifest}`,
      isOurs: !entry.isSymbolicLink(),
    }));
  });
  return found.flat();
}

/** The folders of all chains of artifacts with a folder for manifests, relative to `root`, also where that is still empty. */
export async function chainFolders(root: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const { place, isOurs } of await artifactChains(root))
    if (isOurs && (await manifestsOf(root, place))?.isOurs === true) found.push(place);
  return found;
}

async function artifactChains(root: string): Promise<readonly Place[]> {
  const found: Place[] = [];
  for (const database of await foldersIn(root, folders.chains, databaseName)) {
    const below = database.isOurs ? await foldersIn(root, database.place, pointNamePattern) : [database];
    found.push(...below);
  }
  return found;
}

/** Where the manifests of points that are artifacts are. An artifact without one was never published. */
async function chainManifests(root: string): Promise<readonly Place[]> {
  const found: Place[] = [];
  for (const chain of await artifactChains(root)) {
    const manifests = chain.isOurs ? await manifestsOf(root, chain.place) : chain;
    if (manifests?.isOurs !== true) {
      found.push(...(manifests === undefined ? [] : [manifests]));
      continue;
    }
    const isManifest = ({ name }: Dirent): boolean => name.endsWith('.json') && found.length <= mostPoints;
    for (const { name } of (await listEntries(join(root, manifests.place), isManifest)) ?? [])
      found.push({ place: `${manifests.place}/${name}`, isOurs: true });
  }
  return found;
}

async function manifestsOf(root: string, chain: string): Promise<Place | undefined> {
  const wanted = ({ name }: Dirent): boolean => name === manifestsFolder;
  const [found] = (await listEntries(join(root, chain), wanted)) ?? [];
  return found && { place: `${chain}/${manifestsFolder}`, isOurs: found.isDirectory() };
}

/** Folders, and links and the like in their place. A plain file is passed over: nothing can be below it. */
async function foldersIn(root: string, folder: string, pattern: RegExp): Promise<readonly Place[]> {
  const wanted = (entry: Dirent): boolean => pattern.test(entry.name) && !entry.isFile();
  const entries = (await listEntries(join(root, folder), wanted)) ?? [];
  return entries.map((entry) => ({ place: `${folder}/${entry.name}`, isOurs: entry.isDirectory() }));
}

/** What is published, whatever else there may be. */
export function pointsIn<T extends Point>(destination: Destination<T>): readonly T[] {
  return destination.kind === 'ours' ? destination.points : [];
}

/** The points of one database, in their order. */
export function pointsOf<T extends Point>(points: readonly T[], database: string): readonly T[] {
  return points.filter((point) => point.database === database);
}

/**
 * The point that an incremental backup goes on from: the newest one, but for those with inconsistencies as long as there
 * is one without. Newest by sequence, never by a clock.
 */
export function tipOf<T extends Point>(points: readonly T[]): T | undefined {
  const newest = points.toSorted((a, b) => b.sequence - a.sequence);
  return newest.find(({ consistent }) => consistent !== false) ?? newest[0];
}

/** The points that a run published: one for each database at most. */
export function pointsOfRun<T extends Point>(points: readonly T[], run: string, uid: string): readonly T[] {
  return points.filter((point) => point.run === run && point.resource.uid === uid);
}

/** No two points have the same number, and what is damaged today may have been put right tomorrow. */
export function nextSequence(destination: Destination<Point>): number {
  return destination.kind === 'ours' ? destination.newestSequence + 1 : 1;
}
