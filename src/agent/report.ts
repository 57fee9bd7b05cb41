// The last container of a run: judges what the tool did, verifies what arrived, publishes it, and says so.
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { RunReason } from '../api/reasons.ts';
import type { Verdict } from '../engine/engine.ts';
import { exchange, keptOutputBytes, type Attempt } from '../run/exchange.ts';
import type { RunReport } from '../run/report.ts';
import { nextSequence, pointOfRun, readDestination, tipOf } from '../volume/catalogue.ts';
import { listFolder, readText } from '../volume/files.ts';
import { pointEntries, pointFolder, pointName } from '../volume/layout.ts';
import type { Manifest } from '../volume/manifest.ts';
import { publishPoint } from '../volume/publish.ts';
import { inspectStore, isLeftover, type Inspected } from '../volume/verify.ts';
import { failedReport, foldersOf, publishedReport, type Context } from './context.ts';
import { parsePlan, type Take } from './plan.ts';
import { preflight } from './preflight.ts';
import { checksConsistency, refuse } from './prepare.ts';

type Store = Extract<Inspected, { kind: 'store' }>;

/** What the tool did, by its own account. */
interface Taken {
  readonly type: 'Full' | 'Incremental';
  readonly fullBecause: string | undefined;
  /** The folder that holds data/. */
  readonly staged: string;
  /** Undefined: not checked. */
  readonly consistent?: boolean;
}

/**
 * Ends one attempt with a report.
 *
 * Guarantees: a report that names a path speaks of a point that was read back, verified and published. Nothing that was
 * published before is changed.
 * @throws the system error of a failed call on the volume
 */
export async function report(context: Context): Promise<RunReport> {
  const text = await readText(join(context.exchange, exchange.plan));
  if (text === undefined) return failedReport(context, 'EngineFailed', 'prepare left no plan behind');
  const plan = parsePlan(text);
  if (plan.kind === 'published') return reportAgain(context);

  const taken = await judge(context, plan);
  if ('reason' in taken) return failedReport(context, taken.reason, taken.detail);
  context.say(
    { type: taken.type, fullBecause: taken.fullBecause },
    'the tool ended well; reading the backup back',
  );
  return publish(context, plan, taken);
}

/** Tells of what another attempt of this run published, after reading it back: no report rests on somebody else's word. */
async function reportAgain(context: Context): Promise<RunReport> {
  const { request } = context;
  const { root } = foldersOf(context);
  const destination = await readDestination(root);
  const points = destination.kind === 'ours' ? destination.points : [];
  const point = pointOfRun(points, request.run, request.resource.uid);
  if (point === undefined) return failedReport(context, 'ArtifactMissing', 'The point of this run is gone');
  const store = await inspectStore(join(root, pointFolder(point.chain, point.point), pointEntries.data));
  if (store.kind === 'store' && isDeepStrictEqual(store.files, point.files))
    return publishedReport(context, point);
  return failedReport(
    context,
    'ArtifactCorrupt',
    `The point ${point.point} of this run is not what was published`,
  );
}

interface Failure {
  readonly reason: RunReason;
  readonly detail?: string;
}

async function judge(context: Context, plan: Take): Promise<Taken | Failure> {
  const { first, second } = foldersOf(context);
  const verdict = await verdictOf(context, 'first');
  if (verdict.kind === 'failed') return failureOf(context, verdict);
  const { type, fullBecause } = plan;
  const inFull = { type: 'Full', fullBecause: 'LogsPruned' } as const;
  if (verdict.kind === 'taken')
    return checked(context, verdict, {
      ...(verdict.fellBack === true ? inFull : { type, fullBecause }),
      staged: first,
    });

  const again = await verdictOf(context, 'second');
  if (again.kind === 'failed') return { reason: again.reason, detail: again.detail };
  if (again.kind === 'taken') return checked(context, again, { ...inFull, staged: second });
  return { reason: 'EngineFailed', detail: 'The tool asked for pruned logs while it took a full backup' };
}

/** Prepare has reached the server, but that may be hours ago: a tip was copied and an image pulled since. */
async function failureOf(
  { request, engine }: Context,
  { reason, detail, ifReachable }: Extract<Verdict, { kind: 'failed' }>,
): Promise<Failure> {
  if (ifReachable !== true) return { reason, detail };
  const { host, port } = request.source;
  const reached = await preflight(host, port, { listenSetting: engine.listenSetting });
  return reached.kind === 'failed' ? reached : { reason, detail };
}

/** Adds what the consistency check found. A check that could not be completed leaves nothing to publish. */
function checked(
  { request, engine }: Context,
  { check }: Extract<Verdict, { kind: 'taken' }>,
  taken: Omit<Taken, 'consistent'>,
): Taken | Failure {
  if (check === 'failed') return { reason: 'ConsistencyCheckFailed' };
  if (check === 'inconsistent') return { ...taken, consistent: false };
  const wasChecked =
    checksConsistency(request.consistencyCheck, taken.type) && engine.checks.includes(taken.type);
  return wasChecked ? { ...taken, consistent: true } : taken;
}

/** Reads what the engine container left behind. */
async function verdictOf(context: Context, attempt: Attempt): Promise<Verdict> {
  const read = (name: string): Promise<string | undefined> => readText(join(context.exchange, name));
  const code = await read(exchange.exitCode(attempt));
  const ended = code !== undefined && /^\d+\s*$/.test(code) ? Number(code) : undefined;
  const cut = ended === 0 ? undefined : await cutShort(context, attempt);
  if (cut !== undefined) return cut;
  if (ended === undefined)
    return {
      kind: 'failed',
      reason: 'EngineFailed',
      detail: 'The container of the tool ended without a result',
    };
  const output = (await keptOutput(context, attempt)).toString('utf8');
  return context.engine.judge({ exitCode: ended, output });
}

/** Deadline and stop say something of the last command that ran: after either, no other one is started. */
async function cutShort(context: Context, attempt: Attempt): Promise<Verdict | undefined> {
  const has = async (name: string): Promise<boolean> =>
    (await readText(join(context.exchange, name))) !== undefined;
  if (attempt === 'first' && (await has(exchange.exitCode('second')))) return undefined;
  if (await has(exchange.expired))
    return {
      kind: 'failed',
      reason: 'DeadlineExceeded',
      detail: 'The tool was still at work when its time was up',
    };
  if (await has(exchange.stopped))
    return {
      kind: 'failed',
      reason: 'Interrupted',
      detail: 'The Pod was asked to stop while the tool was at work',
    };
  return undefined;
}

const elided = Buffer.from('\n[…]\n');

/** Head and tail of what the tool printed. Bounded by what the engine script keeps, and here once more. */
export async function keptOutput(context: Context, attempt: Attempt): Promise<Buffer> {
  const head = await readBounded(join(context.exchange, exchange.head(attempt)));
  const tail = await readBounded(join(context.exchange, exchange.tail(attempt)));
  // A tail that is not full goes on where the head ends.
  return Buffer.concat(tail.length < keptOutputBytes ? [head, tail] : [head, elided, tail]);
}

async function readBounded(path: string): Promise<Buffer> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return Buffer.alloc(0);
  const file = await open(path, 'r');
  try {
    const room = Buffer.alloc(Math.min(found.size, keptOutputBytes));
    const { bytesRead } = await file.read(room, 0, room.length, 0);
    return room.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function publish(context: Context, plan: Take, taken: Taken): Promise<RunReport> {
  const { root } = foldersOf(context);
  const data = join(taken.staged, pointEntries.data);
  const store = await inspectStore(data);
  if (store.kind === 'noStore')
    return failedReport(context, 'ArtifactMissing', `The tool reported success, but ${store.why}`);
  const destination = await readDestination(root);
  const refused = refuse(context, destination);
  if (refused !== undefined) return refused;
  const points = destination.kind === 'ours' ? destination.points : [];
  const { run, resource } = context.request;
  if (pointOfRun(points, run, resource.uid) !== undefined) return reportAgain(context); // another attempt was faster
  const objection = compare(plan, taken.type, store) ?? moved(plan, points);
  if (objection !== undefined) return failedReport(context, objection.reason, objection.detail);

  await removeLeftovers(context, taken.staged);
  const manifest = manifestOf(context, plan, taken, store);
  if ((await publishPoint(context.files, root, taken.staged, manifest)) === 'exists')
    return reportAgain(context);
  return publishedReport(context, manifest);
}

function manifestOf({ request, engine, now }: Context, plan: Take, taken: Taken, store: Store): Manifest {
  const { type, fullBecause, consistent } = taken;
  const point = pointName(request.createdTime, request.run);
  const parent = type === 'Incremental' ? plan.tip : undefined;
  const { storeID, storeVersion, lastTransactionID, sizeBytes, files } = store;
  return {
    schemaVersion: 1,
    run: request.run,
    resource: request.resource,
    chain: parent === undefined ? point : parent.chain,
    point,
    ...(parent === undefined ? {} : { parent: parent.point }),
    sequence: plan.nextSequence,
    type,
    ...(fullBecause === undefined ? {} : { fullBecause }),
    generation: engine.generation,
    neo4jVersion: request.neo4jVersion,
    source: request.source,
    database: 'graph.db',
    storeID,
    storeVersion,
    lastTransactionID,
    ...(consistent === undefined ? {} : { consistent }),
    startTime: plan.startTime,
    completionTime: now().toISOString(),
    sizeBytes,
    files: [...files],
  };
}

/** Somebody published between our decision and now: what was staged would no longer be the next point. */
function moved(plan: Take, points: readonly Manifest[]): Failure | undefined {
  const tip = tipOf(points);
  if (tip?.point === plan.tip?.point && nextSequence(points) === plan.nextSequence) return undefined;
  const newest = points.at(-1)?.point ?? 'Nothing';
  return { reason: 'DestinationBusy', detail: `${newest} is the newest point now` };
}

/** Is what arrived what may stand in this destination, and at this place of it? */
function compare(plan: Take, type: Taken['type'], store: Store): Failure | undefined {
  const { tip } = plan;
  if (tip === undefined) return undefined;
  if (store.storeID !== tip.storeID)
    return {
      reason: 'StoreMismatch',
      detail: `The destination holds store ${tip.storeID}, the server has store ${store.storeID}`,
    };
  if (type === 'Incremental' && BigInt(store.lastTransactionID) < BigInt(tip.lastTransactionID))
    return {
      reason: 'ArtifactMissing',
      detail: `The backup goes up to transaction ${store.lastTransactionID}, its parent up to ${tip.lastTransactionID}`,
    };
  return undefined;
}

/** The tool's own log files lie in the store's folder, and what it renamed away beside it: neither is part of the point. */
async function removeLeftovers({ files }: Context, staged: string): Promise<void> {
  for (const entry of (await listFolder(staged)) ?? [])
    if (entry !== pointEntries.data) await files.remove(join(staged, entry));
  const data = join(staged, pointEntries.data);
  for (const entry of (await listFolder(data)) ?? [])
    if (isLeftover(entry)) await files.remove(join(data, entry));
}
