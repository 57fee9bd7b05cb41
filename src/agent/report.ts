// The last container of a run: judges what the tool did, verifies what arrived, publishes it, and says so.
import { join } from 'node:path';
import { allDatabases, type BackupType } from '../engine/engine.ts';
import { exchange } from '../run/exchange.ts';
import type { RunReport } from '../run/report.ts';
import {
  nextSequence,
  pointsIn,
  pointsOf,
  pointsOfRun,
  tipOf,
  type Destination,
} from '../volume/catalogue.ts';
import { isOtherStore } from '../volume/chain.ts';
import { readManifest, type Entry } from '../volume/entry.ts';
import { listFolder, readText } from '../volume/files.ts';
import { isLockError, withLock, type Held } from '../volume/lock.ts';
import { pointEntries, pointName } from '../volume/layout.ts';
import type { FileEntry, Manifest } from '../volume/manifest.ts';
import { readKnown, readNewest } from '../volume/newest.ts';
import { progressOf } from '../volume/progress.ts';
import {
  keepPublished,
  publishArtifacts,
  publishPoint,
  settleArtifacts,
  settlePoint,
} from '../volume/publish.ts';
import { damageIn } from '../volume/readback.ts';
import { inspectStore, isLeftover } from '../volume/verify.ts';
import { foldersOf, holderOf, type Context } from './context.ts';
import { judgeTarget, type Candidate, type Failure, type Judged } from './judge.ts';
import { forsaken, isForsaken } from './leftovers.ts';
import { parsePlan, type Known, type Plan } from './plan.ts';
import { refuse } from './refuse.ts';
import { failedReport, reportOf, type Result } from './results.ts';

/**
 * Ends one attempt with a report.
 *
 * Guarantees: a report that names a path speaks of points that were read back, verified and published. Nothing that was
 * published before is changed.
 * @throws the system error of a failed call on the volume
 */
export async function report(context: Context): Promise<RunReport> {
  const text = await readText(join(context.exchange, exchange.plan));
  if (text === undefined) return failedReport(context, 'EngineFailed', 'prepare left no plan behind');
  const plan = parsePlan(text);
  const { root } = foldersOf(context);
  const destination = await readKnown(root);
  const refused = refuse(context, destination);
  if (refused !== undefined) return refused;
  const points = pointsIn(destination);
  const ours = pointsOfRun(points, context.request.run, context.request.resource.uid);

  const published = new Set(points.flatMap(({ file }) => file ?? []));
  const results: Result[] = [];
  if (plan.targets.length > 0 && (await isForsaken(context))) results.push(...nothingOf(plan, ours));
  else
    for (const target of plan.targets)
      for (const one of await judgeTarget(context, target, { plan, published }))
        results.push(await conclude(context, plan, one));
  for (const entry of ours)
    if (results.every((result) => nameOf(result) !== entry.database))
      results.push(await tellOf(context, entry));
  return results.length > 0
    ? reportOf(context, results)
    : failedReport(context, 'ArtifactMissing', 'The points of this run are gone');
}

/** How the targets of an attempt end that has nothing left: what another attempt of the run published is told of instead. */
function nothingOf({ targets }: Plan, ours: readonly Entry[]): readonly Result[] {
  const isTaken = (database: string): boolean =>
    ours.some((point) => database === allDatabases || point.database === database);
  return targets
    .filter(({ database }) => !isTaken(database))
    .map(({ database }) => failedResult(database, { reason: 'DestinationBusy', detail: forsaken }));
}

async function conclude(context: Context, plan: Plan, judged: Judged): Promise<Result> {
  if (judged.kind === 'failed') return judged;
  const { database, type, fullBecause } = judged;
  context.say({ database, type, fullBecause }, 'the tool ended well; reading the backup back');
  return publish(context, plan, judged);
}

function nameOf(result: Result): string {
  return result.kind === 'published' ? result.manifest.database : result.database;
}

async function tellOf(context: Context, entry: Entry): Promise<Result> {
  const manifest = await readManifest(foldersOf(context).root, entry);
  return manifest === undefined ? gone(entry.database) : tellAgain(context, manifest);
}

function gone(database: string): Result {
  return failedResult(database, { reason: 'ArtifactMissing', detail: 'The point of this run is gone' });
}

/**
 * Tells of what another attempt of this run published, after reading it back: no report rests on somebody else's word.
 * That attempt may have died, or may die, before it made the point's name durable.
 */
export async function tellAgain(context: Context, point: Manifest): Promise<Result> {
  const { root } = foldersOf(context);
  await keepPublished(context.files, root, point);
  const progress = progressOf(context, point.sizeBytes, 'reading back what another attempt published');
  const damage = await damageIn(root, point, progress);
  if (damage === undefined) return { kind: 'published', manifest: point };
  return {
    kind: 'failed',
    database: point.database,
    reason: 'ArtifactCorrupt',
    detail: `The point ${point.point} of this run is not what was published (${damage.file}: ${damage.why})`,
  };
}

/** What a candidate turned out to be when it was read back. */
interface Found {
  readonly storeID: string;
  readonly storeVersion: string;
  readonly artifact?: NonNullable<Manifest['artifact']>;
  readonly firstTransactionID?: string;
  readonly lastTransactionID: string;
  readonly files: readonly FileEntry[];
}

async function publish(context: Context, plan: Plan, candidate: Candidate): Promise<Result> {
  const { database } = candidate;
  const known = plan.known.find((one) => one.database === database);
  const found = await readBack(context, candidate, known);
  if (typeof found === 'string')
    return failedResult(database, {
      reason: 'ArtifactMissing',
      detail: `The tool reported success, but ${found}`,
    });
  const made: Made = { plan, candidate, found, known };
  const put = await settle(context, made);
  try {
    return await withLock(context.files, foldersOf(context).root, holderOf(context), (held) =>
      publishLocked(context, held, made, put),
    );
  } catch (error) {
    if (isLockError(error))
      return failedResult(database, { reason: 'DestinationBusy', detail: error.message });
    // What is there is no failure, whatever went wrong after it was: if it can be read back, and outlives a loss of power.
    const mine = await pointOfRun(context, database);
    if (mine === undefined) throw error;
    return tellAgain(context, mine);
  }
}

function failedResult(database: string, { reason, detail }: Objection): Result {
  return { kind: 'failed', database, reason, ...(detail === undefined ? {} : { detail }) };
}

/** What was true before we had the lock may have changed until then: it is read anew, and compared with that. */
async function publishLocked(context: Context, held: Held, made: Made, put: Put): Promise<Result> {
  const { candidate, found, known } = made;
  const { database, type } = candidate;
  const destination = await newestIn(context);
  const points = pointsIn(destination);
  const faster = publishedOf(context, points, database);
  if (faster !== undefined) return tellAgain(context, faster);
  const objection = compare(type, candidate, { found, known }) ?? moved(pointsOf(points, database), known);
  if (objection !== undefined) return failedResult(database, objection);

  const manifest = manifestOf(context, made, nextSequence(destination));
  const outcome = await put(held, manifest);
  if (outcome === 'published') return { kind: 'published', manifest };
  if (outcome === 'taken')
    return failedResult(database, {
      reason: 'DestinationBusy',
      detail: `A file of another run has the name ${manifest.files[0]?.path}`,
    });
  const other = await pointOfRun(context, database);
  return other === undefined ? gone(database) : tellAgain(context, other);
}

/** What matters to this run of all that is there now. */
function newestIn(context: Context): Promise<Destination<Manifest>> {
  const { run, resource } = context.request;
  return readNewest(foldersOf(context).root, run, resource.uid);
}

/** What this run has published of a database, in any of its attempts. */
async function pointOfRun(context: Context, database: string): Promise<Manifest | undefined> {
  return publishedOf(context, pointsIn(await newestIn(context)), database);
}

function publishedOf(
  { request }: Context,
  points: readonly Manifest[],
  database: string,
): Manifest | undefined {
  const ours = pointsOfRun(points, request.run, request.resource.uid);
  return ours.find((point) => point.database === database);
}

/** @returns what is there, or why it is no backup */
async function readBack(
  context: Context,
  candidate: Candidate,
  known: Known | undefined,
): Promise<Found | string> {
  return candidate.layout === 'store'
    ? readStore(context, candidate, known)
    : foundInArtifact(candidate, known);
}

async function readStore(
  context: Context,
  { data, type }: Extract<Candidate, { layout: 'store' }>,
  known: Known | undefined,
): Promise<Found | string> {
  const store = await inspectStore(data, (total) => progressOf(context, total, 'reading the backup back'));
  if (store.kind === 'noStore') return store.why;
  const first = BigInt(known?.tip.lastTransactionID ?? 0) + 1n;
  const isNew = type === 'Incremental' && BigInt(store.lastTransactionID) >= first;
  return { ...store, ...(isNew ? { firstTransactionID: String(first) } : {}) };
}

/** All of it was read when it was judged. */
function foundInArtifact(
  { file, says, read }: Extract<Candidate, { layout: 'artifacts' }>,
  known: Known | undefined,
): Found {
  const { lowestTransactionID: lowest, highestTransactionID: highest, isFull, databaseID } = says;
  const { size, sha256, artifact } = read;
  // Nothing new: such an artifact holds the transactions 0 to 0.
  const isEmpty = lowest === 0n && highest === 0n;
  return {
    storeID: databaseID,
    storeVersion: 'artifact',
    ...(artifact === undefined ? {} : { artifact }),
    ...(isEmpty || isFull ? {} : { firstTransactionID: String(lowest) }),
    lastTransactionID: isEmpty ? (known?.tip.lastTransactionID ?? '0') : String(highest),
    files: [{ path: file, size, sha256 }],
  };
}

interface Made {
  readonly plan: Plan;
  readonly candidate: Candidate;
  readonly found: Found;
  readonly known: Known | undefined;
}

function pointOf({ request, engine }: Context, database: string): string {
  return pointName(request.createdTime, request.run, engine.databases === 'one' ? undefined : database);
}

function manifestOf(context: Context, { plan, candidate, found, known }: Made, sequence: number): Manifest {
  const { request, engine, now } = context;
  const { database, type, fullBecause, consistent, layout } = candidate;
  const point = pointOf(context, database);
  const parent = type === 'Incremental' ? known?.tip : undefined;
  const { files, ...facts } = found;
  return {
    schemaVersion: 1,
    run: request.run,
    resource: request.resource,
    chain: parent === undefined ? point : parent.chain,
    point,
    ...(parent === undefined ? {} : { parent: parent.point }),
    sequence,
    type,
    ...(fullBecause === undefined ? {} : { fullBecause }),
    generation: engine.generation,
    layout,
    neo4jVersion: request.neo4jVersion,
    source: request.source,
    database,
    storeID: facts.storeID,
    storeVersion: facts.storeVersion,
    ...(facts.artifact === undefined ? {} : { artifact: facts.artifact }),
    ...(facts.firstTransactionID === undefined ? {} : { firstTransactionID: facts.firstTransactionID }),
    lastTransactionID: facts.lastTransactionID,
    ...(consistent === undefined ? {} : { consistent }),
    startTime: plan.startTime,
    completionTime: now().toISOString(),
    sizeBytes: files.reduce((sum, { size }) => sum + size, 0),
    files: [...files],
  };
}

type Objection = Omit<Failure, 'kind' | 'database'>;

/** Somebody published between our decision and now: what was staged would no longer be the next point. */
function moved(points: readonly Manifest[], known: Known | undefined): Objection | undefined {
  const newest = points.at(-1);
  const isSame = tipOf(points)?.point === known?.tip.point && newest?.sequence === known?.newestSequence;
  return isSame
    ? undefined
    : { reason: 'DestinationBusy', detail: `${newest?.point ?? 'Nothing'} is the newest point now` };
}

/** Is what arrived what may stand in this destination, and at this place of it? */
function compare(
  type: BackupType,
  candidate: Candidate,
  { found, known }: { readonly found: Found; readonly known: Known | undefined },
): Objection | undefined {
  if (known === undefined || (known.setAside !== undefined && type === 'Incremental'))
    return type === 'Full'
      ? undefined
      : {
          reason: 'ChainBroken',
          detail: 'The tool took an increment where there is nothing that it could go on from',
        };
  const { tip } = known;
  if (found.storeID !== tip.storeID)
    return {
      reason: 'StoreMismatch',
      detail: `The destination holds store ${tip.storeID}, the server has store ${found.storeID}`,
    };
  return type === 'Full' ? undefined : gapAfter(tip, candidate.layout, found);
}

/** What keeps an increment from being the next point after the tip. */
function gapAfter(tip: Known['tip'], layout: Candidate['layout'], found: Found): Objection | undefined {
  const before = BigInt(tip.lastTransactionID);
  if (isOtherStore(found, tip))
    return {
      reason: 'ChainBroken',
      detail: `The artifact is of store ${found.artifact?.storeID}, the newest backup of ${tip.artifact?.storeID}`,
    };
  if (BigInt(found.lastTransactionID) < before)
    return {
      reason: 'ArtifactMissing',
      detail: `The backup goes up to transaction ${found.lastTransactionID}, its parent up to ${before}`,
    };
  const first = layout === 'artifacts' ? found.firstTransactionID : undefined;
  return first !== undefined && BigInt(first) > before + 1n
    ? {
        reason: 'ChainBroken',
        detail: `The artifact begins with transaction ${first}, and the newest backup ends with ${before}`,
      }
    : undefined;
}

/** Publishes what was settled. */
type Put = (held: Held, manifest: Manifest) => ReturnType<typeof publishArtifacts>;

/** All that can be done to a candidate before it is published, and what is left to do then. */
async function settle(context: Context, { candidate, found }: Made): Promise<Put> {
  const { files, podUID } = context;
  if (candidate.layout === 'artifacts') {
    const settled = await settleArtifacts(files, { folder: candidate.folder, podUID }, found.files);
    return (held, manifest) => publishArtifacts(files, held, settled, manifest);
  }
  // The tool's own log files lie in the store's folder, and what it renamed away beside it: neither is part of the point.
  for (const entry of (await listFolder(candidate.data)) ?? [])
    if (isLeftover(entry)) await files.remove(join(candidate.data, entry));
  const staged = join(foldersOf(context).staging, `point.${pointOf(context, candidate.database)}`);
  await files.makeFolder(staged);
  await files.rename(candidate.data, join(staged, pointEntries.data));
  const settled = await settlePoint(files, staged, found.files);
  return (held, manifest) => publishPoint(files, held, settled, manifest);
}
