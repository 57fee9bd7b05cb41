// A backup that others took, a cron script or a Helm chart, becomes the first chain: verified, copied, published. Once.
import { dirname, join } from 'node:path';
import { databaseName } from '../api/patterns.ts';
import { allDatabases, onlyDatabase } from '../engine/engine.ts';
import { selectEngine } from '../engine/select.ts';
import { nextSequence, pointsIn, readDestination, type Destination } from '../volume/catalogue.ts';
import { placeOf, pointEntries, pointName } from '../volume/layout.ts';
import { isLockError, withLock, type Held } from '../volume/lock.ts';
import type { FileEntry, Manifest, Point } from '../volume/manifest.ts';
import {
  artifactsIn,
  entriesBelow,
  entryOf,
  newestChain,
  newestStore,
  objectionToFolder,
  storesIn,
  type FoundArtifact,
  type Search,
  type StoreLook,
} from '../volume/others.ts';
import { progressOf } from '../volume/progress.ts';
import {
  keepPublished,
  publishChain,
  publishPoint,
  settleArtifacts,
  settlePoint,
} from '../volume/publish.ts';
import { lackingForCopy } from '../volume/space.ts';
import { stageCopy } from '../volume/stage.ts';
import { inspectStore } from '../volume/verify.ts';
import { foldersOf, holderOf, spaceOf, type Context } from './context.ts';

/** Why nothing was adopted. */
export interface Refused {
  readonly reason: 'AdoptionFailed' | 'NoSpaceLeft' | 'DestinationBusy';
  readonly detail: string;
}

/** In the place of a run's name: what is adopted is the result of none. No run is called so, having no capital letters. */
const adoptedRun = 'Adopted';

/** What will be published of a database: manifests without the number that each gets at the end, and where to copy from. */
interface Original {
  readonly from: string;
  /** How many entries a store's folder had when it was read. */
  readonly entries?: number;
  readonly points: readonly Omit<Manifest, 'sequence'>[];
}

/**
 * Publishes what spec.destination.adoptFrom holds as the first chain of each database that is wanted, while nothing else is
 * published.
 *
 * Guarantees: the original is read and nothing more. All of it is copied and read back before the first is published, each by
 * one rename; killed on any line, a later attempt completes it under the same names.
 * @returns why it cannot be; then nothing was published
 * @throws the system error of a failed call on the volume
 */
export async function adopt(
  context: Context,
  destination: Destination<Point>,
  wanted: readonly string[],
): Promise<Refused | undefined> {
  const { adoptFrom } = context.request;
  if (adoptFrom === undefined || !isOpen(context, destination)) return undefined;
  await keepAdopted(context, foldersOf(context).root, pointsIn(destination));
  const done = pointsIn(destination).map(({ database }) => database);
  const open = wanted.filter((database) => !done.includes(database));
  if (open.length === 0) return undefined;
  const failed = await adoptThose(context, adoptFrom, { open, done });
  if (failed === undefined || done.length === 0) return failed;
  // It began well. What is in the way by now, of a folder that others write to, must not be in the way of every later run.
  context.say({ ...failed }, 'no more is adopted');
  return undefined;
}

/** Nothing is published, or nothing but what was adopted for this resource: an attempt may have died half-way. */
function isOpen({ request }: Context, destination: Destination<Point>): boolean {
  if (destination.kind === 'blank') return true;
  if (destination.kind !== 'ours' || destination.damaged.length > 0) return false;
  return destination.points.every(
    ({ run, resource }) => run === adoptedRun && resource.uid === request.resource.uid,
  );
}

interface Scope {
  /** Databases to look for, and those of which there is something already. */
  readonly open: readonly string[];
  readonly done: readonly string[];
}

async function adoptThose(context: Context, path: string, scope: Scope): Promise<Refused | undefined> {
  const search = await originalsIn(context, path, scope);
  if (search.kind === 'nothing') return refusal(context, path, search.why);
  const tooLarge = await tooLargeToCopy(context, search.found);
  if (tooLarge !== undefined) return tooLarge;
  const staged: Staged[] = [];
  for (const [i, original] of search.found.entries()) {
    const one = await stage(context, original, i);
    if (typeof one === 'string') return refusal(context, path, one);
    staged.push(one);
  }
  return publishAll(context, staged);
}

function refusal({ request, engine }: Context, path: string, why: string): Refused {
  const right =
    engine.layout === 'artifacts'
      ? 'files like neo4j-2026-01-31T03-00-00.backup right in that folder'
      : engine.databases === 'one'
        ? 'a folder with a file neostore, as the tool made it, or the folder around it'
        : 'the folder in which the tool made one for each database, with a file neostore in it';
  const where = path === '.' ? 'The root of the volume' : `The folder ${path} of the volume`;
  const detail = `${where} holds no backup to adopt: ${why}. Of Neo4j ${request.neo4jVersion} it would be ${right}`;
  return { reason: 'AdoptionFailed', detail };
}

// --- looking

async function originalsIn(
  context: Context,
  path: string,
  scope: Scope,
): Promise<Search<readonly Original[]>> {
  const { request, engine, volume } = context;
  if (path.split('/')[0] === request.path) return nothing('that is the destination itself');
  const objection = await objectionToFolder(volume, path);
  if (objection !== undefined) return nothing(objection);
  const folder = join(volume, path);
  if (engine.layout === 'artifacts') return chainsIn(context, folder, scope);
  const stores = await storesIn(folder, path === '.' ? request.path : '');
  if (stores.kind === 'nothing') return stores;
  if (engine.databases === 'one') return onlyStore(context, stores.found);
  const wanted = namedStores(context, scope, stores.found);
  return wanted.length > 0 ? readStores(context, wanted) : nothing(noneOf(scope, stores.found));
}

function noneOf({ open }: Scope, looks: readonly StoreLook[]): string {
  const names = looks.map(({ name }) => name).slice(0, 3);
  const wanted = open.includes(allDatabases)
    ? 'no name of a database'
    : `none is called ${open.join(' or ')}`;
  return `of the stores in it (${names.join(', ')}) ${wanted}`;
}

function nothing(why: string): { readonly kind: 'nothing'; readonly why: string } {
  return { kind: 'nothing', why };
}

async function onlyStore(
  context: Context,
  looks: readonly StoreLook[],
): Promise<Search<readonly Original[]>> {
  const newest = newestStore(looks);
  if (newest.kind === 'nothing') return newest;
  return readStores(context, [[onlyDatabase, newest.found]]);
}

/** Each in the folder that has its name. The folder itself may be the one of the only database that is wanted. */
function namedStores(
  { request, volume }: Context,
  scope: Scope,
  looks: readonly StoreLook[],
): readonly (readonly [database: string, look: StoreLook])[] {
  const [first] = looks;
  if (request.adoptFrom === undefined || first === undefined) return [];
  if (first.folder !== join(volume, request.adoptFrom))
    return looks.filter(({ name }) => isWanted(scope, name)).map((look) => [look.name, look]);
  const [only, ...more] = scope.open;
  const isAlone = only !== undefined && only !== allDatabases && more.length === 0;
  return isAlone && (request.adoptFrom === '.' || first.name === only) ? [[only, first]] : [];
}

function isWanted({ open, done }: Scope, name: string): boolean {
  if (done.includes(name) || !databaseName.test(name)) return false;
  return open.includes(allDatabases) || open.includes(name);
}

async function readStores(
  context: Context,
  looks: readonly (readonly [database: string, look: StoreLook])[],
): Promise<Search<readonly Original[]>> {
  const found: Original[] = [];
  for (const [database, { name, folder, writtenMs }] of looks) {
    const entries = await entriesBelow(folder);
    if (entries === undefined) return nothing(`${name} holds more files than a store can have`);
    context.say({ folder: name, database }, 'reading the backup that is to be adopted');
    const store = await inspectStore(folder, (bytes) =>
      progressOf(context, bytes, 'reading the backup that is to be adopted'),
    );
    if (store.kind === 'noStore') return nothing(`${name} is no whole backup: ${store.why}`);
    const { kind: _, files, ...facts } = store;
    const { at, isTrusted } = timeOf(context, writtenMs);
    if (!isTrusted) context.say({ folder: name }, 'when it was taken cannot be told: now counts');
    const identity = `${store.storeID} ${store.lastTransactionID}`;
    const point = nameOf(context, { at, identity, database });
    found.push({
      from: folder,
      entries,
      points: [
        {
          ...commonFacts(context, { at, database, point, chain: point }),
          ...versionOf(context, store.storeVersion),
          layout: 'store',
          type: 'Full',
          fullBecause: 'Adopted',
          ...facts,
          files: [...files],
        },
      ],
    });
  }
  return { kind: 'found', found };
}

async function chainsIn(
  context: Context,
  folder: string,
  scope: Scope,
): Promise<Search<readonly Original[]>> {
  const { request } = context;
  const groups = await artifactsIn(folder, request.adoptFrom === '.' ? request.path : '');
  if (groups.kind === 'nothing') return groups;
  const wanted = [...groups.found].filter(([database]) => isWanted(scope, database));
  if (wanted.length === 0)
    return nothing(`it holds artifacts of ${[...groups.found.keys()].slice(0, 3).join(', ')} alone`);
  const found: Original[] = [];
  for (const [database, files] of wanted) {
    context.say({ database, artifacts: files.length }, 'reading the artifacts that are to be adopted');
    const chain = await newestChain(folder, database, files);
    if (chain.kind === 'nothing') return chain;
    found.push(await originalOfChain(context, folder, chain.found));
  }
  return { kind: 'found', found };
}

async function originalOfChain(
  context: Context,
  folder: string,
  chain: readonly FoundArtifact[],
): Promise<Original> {
  const points: Omit<Manifest, 'sequence'>[] = [];
  for (const { file, header } of chain) {
    const { database, databaseID, lowestTransactionID, highestTransactionID } = header;
    const { at } = timeOf(context, Date.parse(header.backupTime));
    const parent = points.at(-1);
    const point = nameOf(context, { at, identity: `${databaseID} ${file}`, database });
    const entry = await entryOf(folder, file);
    points.push({
      ...commonFacts(context, { at, database, point, chain: parent?.chain ?? point }),
      generation: context.engine.generation,
      neo4jVersion: context.request.neo4jVersion,
      layout: 'artifacts',
      ...(parent === undefined
        ? { type: 'Full', fullBecause: 'Adopted' }
        : {
            type: 'Incremental',
            parent: parent.point,
            firstTransactionID: lowestTransactionID.toString(),
          }),
      storeID: databaseID,
      storeVersion: 'artifact',
      artifact: { storeID: header.storeID, recovered: header.isRecovered },
      lastTransactionID: highestTransactionID.toString(),
      sizeBytes: entry.size,
      files: [entry],
    });
  }
  return { from: folder, points };
}

// --- what is said of it

interface Place {
  readonly at: string;
  readonly database: string;
  readonly point: string;
  readonly chain: string;
}

function commonFacts(
  { request }: Context,
  { at, ...place }: Place,
): Pick<
  Manifest,
  | 'schemaVersion'
  | 'run'
  | 'resource'
  | 'source'
  | 'startTime'
  | 'completionTime'
  | 'database'
  | 'point'
  | 'chain'
> {
  const { resource, source } = request;
  return { schemaVersion: 1, run: adoptedRun, resource, source, startTime: at, completionTime: at, ...place };
}

/** Neo4j has taken backups since 2010: whatever claims to be older has been touched by a clock that was not set. */
const earliestMs = Date.UTC(2010);

/** When it was taken, by the clock of who wrote it. One that cannot be right is not believed: then it is the time of this run. */
function timeOf({ request }: Context, ms: number): { readonly at: string; readonly isTrusted: boolean } {
  const isTrusted = ms >= earliestMs && ms <= Date.parse(request.createdTime);
  return { at: isTrusted ? new Date(ms).toISOString() : request.createdTime, isTrusted };
}

interface Named {
  readonly at: string;
  readonly identity: string;
  readonly database: string;
}

/** By what it is, so that each attempt, of whichever run, publishes it under one name. */
function nameOf({ engine }: Context, { at, identity, database }: Named): string {
  return pointName(at, `${adoptedRun} ${identity}`, engine.databases === 'one' ? undefined : database);
}

/** Versions to which a record format is native, the newest last (docs/engines.md). */
const nativeFormats: Readonly<Record<string, readonly string[]>> = {
  'v0.A.6': ['2.3'],
  'v0.A.7': ['3.0', '3.1'],
  'v0.A.8': ['3.2', '3.3'],
  'v0.A.9': ['3.4', '3.5'],
};

/** Nothing says which version took it: the one at hand, where that writes such stores; else one that does. */
function versionOf(
  { request, engine }: Context,
  storeVersion: string,
): Pick<Manifest, 'neo4jVersion' | 'generation'> {
  const natives = nativeFormats[storeVersion] ?? [];
  const isOurs = natives.length === 0 || natives.some((one) => request.neo4jVersion.startsWith(`${one}.`));
  const neo4jVersion = isOurs ? request.neo4jVersion : (natives.at(-1) ?? request.neo4jVersion);
  return { neo4jVersion, generation: (selectEngine(neo4jVersion) ?? engine).generation };
}

// --- copying

async function tooLargeToCopy(
  context: Context,
  originals: readonly Original[],
): Promise<Refused | undefined> {
  const space = await spaceOf(context);
  if (space === undefined) return undefined;
  const bytes = originals.flatMap(({ points }) => points).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const detail = lackingForCopy(space, bytes, 'The copy of the backup that is to be adopted');
  return detail === undefined ? undefined : { reason: 'NoSpaceLeft', detail };
}

/** A copy that survives a loss of power. */
interface Staged extends Original {
  readonly folder: string;
  readonly files: readonly FileEntry[];
}

/** The original may be written to meanwhile. What is copied is what was read and found whole, or it is not adopted. */
async function stage(context: Context, original: Original, number: number): Promise<Staged | string> {
  const { files, podUID } = context;
  const folder = join(foldersOf(context).staging, `adopted.${number}`);
  const [first] = original.points;
  if (first === undefined) return 'there is nothing in it';
  const to = first.layout === 'store' ? join(folder, pointEntries.data) : folder;
  const entries: readonly FileEntry[] = original.points.flatMap((point) => point.files);
  const bytes = original.points.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const progress = progressOf(context, bytes, 'copying the backup that is to be adopted');
  const changed = await stageCopy(files, { from: original.from, to, progress }, entries);
  if (changed !== undefined) return `${changed} changed while it was read: somebody still writes to it`;
  if (first.layout === 'artifacts') await settleArtifacts(files, { folder, podUID }, entries);
  else if ((await entriesBelow(original.from)) === original.entries)
    await settlePoint(files, folder, entries);
  else return 'files came or went while it was read: somebody still writes to it';
  return { ...original, folder, files: entries };
}

/** Under the lock, and after another look: another attempt may have been faster, or another resource. */
async function publishAll(context: Context, staged: readonly Staged[]): Promise<Refused | undefined> {
  const { root } = foldersOf(context);
  try {
    await withLock(context.files, root, holderOf(context), async (held) => {
      for (const one of staged) await publish(context, held, one);
    });
    return undefined;
  } catch (error) {
    if (!isLockError(error)) throw error;
    return { reason: 'DestinationBusy', detail: error.message };
  }
}

async function publish(
  context: Context,
  held: Held,
  { folder, files: entries, points }: Staged,
): Promise<void> {
  const { files, podUID } = context;
  const destination = await readDestination(held.root);
  const there = pointsIn(destination);
  const next = nextSequence(destination);
  const [first, ...more] = points.map((point, i): Manifest => ({ ...point, sequence: next + i }));
  if (first === undefined || !isOpen(context, destination)) return;
  if (there.some(({ database }) => database === first.database)) return;
  const end =
    first.layout === 'store'
      ? await publishPoint(files, held, { folder, files: entries }, first)
      : await publishChain(files, held, { folder, podUID, files: entries }, [first, ...more]);
  const { database, chain, lastTransactionID } = more.at(-1) ?? first;
  context.say({ database, chain, lastTransactionID, points: points.length }, `adopted: ${end}`);
}

/** Another attempt may have died after it had published, and before that was durable: then nothing may build on it yet. */
async function keepAdopted({ files }: Context, root: string, points: readonly Point[]): Promise<void> {
  for (const point of points) {
    if (point.layout === 'store') await keepPublished(files, root, point);
    else await files.sync(dirname(join(root, placeOf(point).data)));
  }
}
