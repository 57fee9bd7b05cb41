// Where everything lies below <path> on the volume. Pure: names only.
import { databaseName } from '../api/patterns.ts';
import { pointMark } from '../run/point-mark.ts';

/** What may stand directly under <path>, and as what. Anything else means that the folder is not ours to write to. */
const known: ReadonlyMap<string, EntryKind> = new Map([
  ['points', 'folder'],
  ['chains', 'folder'],
  ['runs', 'folder'],
  ['catalog.json', 'file'],
  ['verification.json', 'file'],
  ['RESTORE.md', 'file'],
  ['.lock', 'folder'],
  ['.staging', 'folder'],
  ['.trash', 'folder'],
  ['lost+found', 'folder'],
]);

export type EntryKind = 'folder' | 'file' | 'other';

export function isKnown(name: string, kind: EntryKind): boolean {
  return known.get(name) === kind;
}

export const folders = {
  points: 'points',
  chains: 'chains',
  runs: 'runs',
  staging: '.staging',
  trash: '.trash',
} as const;

/** Where the lock is while somebody holds it. */
export const lockFolder = '.lock';

/** Files directly below <path>. */
export const rootFiles = { catalogue: 'catalog.json', marks: 'verification.json' } as const;

/** Where a file directly below <path> is written before it is put into its place. One at a time: whoever writes holds the lock. */
export function partialOf(name: string): string {
  return `${folders.staging}/${name}.partial`;
}

/** In a chain's folder: what tells which artifacts are published. */
export const manifestsFolder = '.manifests';

/** Names inside a point. */
export const pointEntries = { data: 'data', manifest: 'manifest.json' } as const;

/** A point's folder, relative to <path>. */
export function pointFolder(chain: string, point: string): string {
  return `${folders.points}/${chain}/${point}`;
}

/**
 * The folder of a chain of artifacts, relative to <path>. One folder for all of a chain: the tool looks for the parent of
 * an artifact, and for what a restore needs, beside it.
 */
export function chainFolder(database: string, chain: string): string {
  return `${folders.chains}/${database}/${chain}`;
}

/** Where a point's files and its manifest are, relative to <path>. */
export interface Place {
  readonly data: string;
  readonly manifest: string;
}

export function placeOf(point: {
  readonly layout: 'store' | 'artifacts';
  readonly database: string;
  readonly chain: string;
  readonly point: string;
}): Place {
  if (point.layout === 'artifacts') {
    const data = chainFolder(point.database, point.chain);
    return { data, manifest: `${data}/${manifestsFolder}/${point.point}.json` };
  }
  const folder = pointFolder(point.chain, point.point);
  return { data: `${folder}/${pointEntries.data}`, manifest: `${folder}/${pointEntries.manifest}` };
}

/** Whose a folder of an attempt is. */
export interface Attempt {
  readonly run: string;
  /** Of the resource. */
  readonly uid: string;
  readonly podUID: string;
}

/** An attempt's own folder, relative to <path>. Two Pods of one run never share one. */
export function stagingFolder({ run, uid, podUID }: Attempt): string {
  return `${folders.staging}/${run}.${uid}.${podUID}`;
}

/** In an attempt's own folder: a later run that took the folder for a leftover took this with it. */
export const stagingMark = 'attempt';

/** How a leftover is called once a run has taken it from whoever may still work in it. */
export function forsakenName(entry: string, run: string): string {
  return `${entry}.old-${run}`;
}

/**
 * Whose a folder in staging is. `uid` is absent of what belongs to a Pod alone, as what it makes for the lock does; `takenBy`
 * is the run of {@link forsakenName}. Undefined: the name is none that we give.
 */
export function stagingOwner(
  entry: string,
): (Omit<Attempt, 'uid'> & { readonly uid?: string; readonly takenBy?: string }) | undefined {
  const found = stagingName.exec(entry);
  if (found === null) return undefined;
  const [, run = '', uid, podUID = '', takenBy] = found;
  return {
    run,
    podUID,
    ...(uid === undefined ? {} : { uid }),
    ...(takenBy === undefined ? {} : { takenBy }),
  };
}

const stagingName =
  /^([a-z0-9][-a-z0-9]*)(?:\.([0-9A-Za-z-]{1,64}))?\.([0-9a-f-]{36})(?:\.old-([a-z0-9][-a-z0-9]*))?$/;

/**
 * Name of a chain, and of a point: sorts by time, and is the same for every attempt of a run. Databases of one run have
 * points of their own; the one database of a server before 4.0 has no name that would count.
 */
export function pointName(createdTime: string, run: string, database?: string): string {
  const stamp = new Date(createdTime).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  return `${stamp}-${pointMark(run, database)}`;
}

export const pointNamePattern = /^\d{8}T\d{6}Z-[0-9a-f]{8}$/;

const trashName = new RegExp(
  `^(?:${databaseName.source.slice(1, -1)}|${pointNamePattern.source.slice(1, -1)})\\.${pointNamePattern.source.slice(1)}`,
);

/** Where a folder of a point, or of a chain, waits for its end, relative to <path>: one rename away, and no name for two of them. */
export function trashFolder(folder: string): string {
  return `${folders.trash}/${folder.split('/').slice(-2).join('.')}`;
}

/** The folders that an entry of the trash may have been in, relative to <path>: {@link trashFolder} keeps the last two names. */
export function trashedFrom(entry: string): readonly string[] {
  const above = entry.slice(0, entry.lastIndexOf('.'));
  return [folders.points, folders.chains].map((top) => `${top}/${above}`);
}

/** Whether an entry of the trash has a name that we gave. */
export function isTrash(entry: string): boolean {
  return trashName.test(entry);
}
