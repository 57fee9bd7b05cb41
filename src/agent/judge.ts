// What the tool did, try by try: which copies or artifacts there may be of each database, and why there is none.
import { lstat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { databaseName } from '../api/patterns.ts';
import type { RunReason } from '../api/reasons.ts';
import { allDatabases, type BackupType, type Verdict } from '../engine/engine.ts';
import { parseInspection, type Inspected } from '../engine/inspection.ts';
import { readArtifact } from '../volume/artifact.ts';
import { listFolder } from '../volume/files.ts';
import { inParallel } from '../volume/parallel.ts';
import { progressOf } from '../volume/progress.ts';
import { copyName, expectedOf, foldersOf, type Context } from './context.ts';
import { cutShort, exitCodeOf, outputOf, verdictOf } from './output.ts';
import type { Known, Plan, Target, Try } from './plan.ts';
import { preflight } from './preflight.ts';
import { checksConsistency } from './steps.ts';

/** A copy or an artifact of one database that may be published, once it was read back. */
export type Candidate = {
  readonly kind: 'candidate';
  readonly database: string;
  readonly type: BackupType;
  readonly fullBecause?: string;
  /** Undefined: not checked. */
  readonly consistent?: boolean;
} & (
  | { readonly layout: 'store'; readonly data: string }
  | {
      readonly layout: 'artifacts';
      readonly folder: string;
      readonly file: string;
      readonly says: Inspected;
      readonly read: ReadBack;
    }
);

/** What reading an artifact has told, all of it in one pass: nothing reads it once more before it is published. */
interface ReadBack {
  readonly size: number;
  readonly sha256: string;
  /** Absent: of a format that we do not know. */
  readonly artifact?: { readonly storeID: string; readonly recovered: boolean };
}

export interface Failure {
  readonly kind: 'failed';
  readonly database: string;
  readonly reason: RunReason;
  readonly detail?: string;
}

export type Judged = Candidate | Failure;

/** What report knows beside the plan: the files that were in a try's folder before the tool came. */
export interface Situation {
  readonly plan: Plan;
  readonly published: ReadonlySet<string>;
}

/** How a target ended, by the tool's own account and by what lies there: one for each database that anything is known of. */
export async function judgeTarget(
  context: Context,
  target: Target,
  situation: Situation,
): Promise<readonly Judged[]> {
  if (context.engine.layout === 'artifacts') return judgeArtifacts(context, target, situation);
  if (target.database === allDatabases) return judgeAllStores(context, target, situation.plan);
  return [await judgeStore(context, target, situation.plan)];
}

async function judgeStore(context: Context, target: Target, plan: Plan): Promise<Judged> {
  const { tried, verdict, before } = await decisiveTry(context, target, plan);
  if (verdict.kind !== 'taken') return failureOf(context, target.database, verdict);
  if (before === undefined)
    return storeCandidate(context, {
      target,
      tried,
      verdict,
      fellBack: verdict.fellBack === true ? 'LogsPruned' : undefined,
    });
  return storeCandidate(context, { target, tried, verdict, fellBack: becauseOf(before) });
}

/** Why a full backup followed an increment that failed. */
function becauseOf(verdict: Verdict): string {
  if (verdict.kind === 'pruned') return 'LogsPruned';
  return verdict.kind === 'failed' && verdict.reason === 'OlderVersion'
    ? 'OlderVersion'
    : 'IncrementalFailed';
}

async function failureOf(
  context: Context,
  database: string,
  verdict: Exclude<Verdict, { kind: 'taken' }>,
): Promise<Failure> {
  if (verdict.kind === 'pruned') {
    const detail = 'The server has pruned the logs that an increment needs, and no full backup followed';
    return { kind: 'failed', database, reason: 'EngineFailed', detail };
  }
  const { reason, detail, ifReachable } = verdict;
  if (ifReachable !== true) return { kind: 'failed', database, reason, detail };
  // Prepare has reached the server, but that may be hours ago: a tip was copied and an image pulled since.
  const { host, port } = context.request.source;
  const reached = await preflight(host, port, expectedOf(context));
  return reached.kind === 'failed'
    ? { kind: 'failed', database, reason: reached.reason, detail: reached.detail }
    : { kind: 'failed', database, reason, detail };
}

interface Told {
  readonly target: Target;
  readonly tried: Try;
  readonly verdict: Extract<Verdict, { kind: 'taken' }>;
  readonly fellBack: string | undefined;
}

function storeCandidate(context: Context, { target, tried, verdict, fellBack }: Told): Judged {
  const { database } = target;
  const type = fellBack === undefined ? tried.type : 'Full';
  const check = checkedBy(context, verdict.check, type);
  if (check === 'failed') return { kind: 'failed', database, reason: 'ConsistencyCheckFailed' };
  const because = fellBack ?? target.fullBecause;
  return {
    kind: 'candidate',
    layout: 'store',
    database,
    type,
    ...(type === 'Full' && because !== undefined ? { fullBecause: because } : {}),
    data: join(foldersOf(context).staging, tried.folder, copyName(context, database)),
    ...check,
  };
}

/** What the tool's own check found. A check that could not be completed leaves nothing to publish. */
function checkedBy(
  { request, engine }: Context,
  check: 'none' | 'inconsistent' | 'failed',
  type: BackupType,
): 'failed' | { readonly consistent?: boolean } {
  if (check === 'failed') return 'failed';
  if (check === 'inconsistent') return { consistent: false };
  return checksConsistency(request.consistencyCheck, type) && engine.checks.includes(type)
    ? { consistent: true }
    : {};
}

/**
 * All databases in one command: only a good end says of each that it was done. After any other the copies of the first
 * try may be what they were before, so only the full backups of the second count, and of those none that is named as failed.
 */
async function judgeAllStores(context: Context, target: Target, plan: Plan): Promise<readonly Judged[]> {
  const [first] = target.tries;
  if (first === undefined) return [];
  const { tried, verdict } = await decisiveTry(context, target, plan);
  const isTrusted = verdict.kind === 'taken' || tried.type === 'Full';
  const names = isTrusted ? await namesIn(join(foldersOf(context).staging, tried.folder)) : [];
  const failures = await failuresIn(context, tried, verdict);
  const good = names.filter((name) => failures.every(({ database }) => database !== name));
  if (good.length + failures.length === 0) return [await nothingOfAll(context, verdict)];
  return [
    ...failures,
    ...good.map((name) => candidateOfAll(context, { target, tried, verdict, plan }, name)),
  ];
}

/** The first try where it ended well, or nothing followed it; else the second, and `before` how the first had ended. */
async function decisiveTry(
  context: Context,
  { tries: [first, second] }: Target,
  plan: Plan,
): Promise<{ readonly tried: Try; readonly verdict: Verdict; readonly before?: Verdict }> {
  if (first === undefined) throw new Error('a target has a try');
  const verdict = await verdictOf(context, plan, first.backup);
  const isFollowed = second !== undefined && (await exitCodeOf(context, second.backup)) !== undefined;
  if (verdict.kind === 'taken' || !isFollowed) return { tried: first, verdict };
  return { tried: second, verdict: await verdictOf(context, plan, second.backup), before: verdict };
}

/** The databases that the output names as failed. */
async function failuresIn(context: Context, tried: Try, verdict: Verdict): Promise<readonly Failure[]> {
  const named =
    context.engine.failedDatabases?.(await outputOf(context, tried.backup)) ?? new Map<string, string>();
  const reason = verdict.kind === 'failed' ? verdict.reason : 'EngineFailed';
  return [...named].map(([database, detail]) => ({ kind: 'failed', database, reason, detail }));
}

async function nothingOfAll(context: Context, verdict: Verdict): Promise<Failure> {
  if (verdict.kind !== 'taken') return failureOf(context, allDatabases, verdict);
  const detail = 'The tool reported success, but there is a backup of no database';
  return { kind: 'failed', database: allDatabases, reason: 'ArtifactMissing', detail };
}

interface ToldOfAll {
  readonly target: Target;
  readonly tried: Try;
  readonly verdict: Verdict;
  readonly plan: Plan;
}

function candidateOfAll(
  context: Context,
  { target, tried, verdict, plan }: ToldOfAll,
  database: string,
): Judged {
  const known = plan.known.find((one) => one.database === database);
  const isStaged = known !== undefined && known.setAside === undefined;
  const type = tried.type === 'Incremental' && isStaged ? 'Incremental' : 'Full';
  const unasked = tried === target.tries[0] ? target.fullBecause : 'IncrementalFailed';
  const because = known === undefined ? 'DestinationBlank' : (known.setAside ?? unasked);
  const taken = verdict.kind === 'taken' ? verdict : ({ kind: 'taken', check: 'none' } as const);
  const told = {
    target: { ...target, database, fullBecause: because },
    tried,
    verdict: taken,
    fellBack: undefined,
  };
  return storeCandidate(context, { ...told, tried: { ...tried, type } });
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return ((await listFolder(folder)) ?? []).filter((name) => databaseName.test(name));
}

/** The newest try that left an artifact tells: the tool says that it failed of a backup that is whole, too. */
async function judgeArtifacts(
  context: Context,
  target: Target,
  { plan, published }: Situation,
): Promise<readonly Judged[]> {
  for (const tried of target.tries.toReversed()) {
    if ((await exitCodeOf(context, tried.backup)) === undefined) continue;
    const found = await artifactsOf(context, target, { tried, published });
    if (found.length === 0) continue;
    const judged = await Promise.all(found.map((one) => candidateOf(context, { target, tried, plan }, one)));
    return [...judged, ...(await failedBeside(context, tried, found))];
  }
  return [await nothingLeft(context, target, plan)];
}

/** Why there is no artifact at all: the last try says it. */
async function nothingLeft(context: Context, { database, tries }: Target, plan: Plan): Promise<Failure> {
  let last = tries[0];
  for (const one of tries) if ((await exitCodeOf(context, one.backup)) !== undefined) last = one;
  if (last === undefined) return { kind: 'failed', database, reason: 'EngineFailed' };
  const verdict = await verdictOf(context, plan, last.backup);
  if (verdict.kind !== 'taken') return failureOf(context, database, verdict);
  const detail =
    'The tool ended with exit code 0, but left no artifact: it does so of a database that is not there';
  return { kind: 'failed', database, reason: 'ArtifactMissing', detail };
}

/** Of all databases: those that the output speaks of and of which nothing lies there. */
async function failedBeside(
  context: Context,
  tried: Try,
  found: readonly Artifact[],
): Promise<readonly Failure[]> {
  const failures = await failuresIn(context, tried, { kind: 'pruned' });
  return failures.filter(({ database }) => found.every(({ says }) => says?.database !== database));
}

interface Artifact {
  readonly folder: string;
  readonly file: string;
  /** Undefined: neither the artifact itself nor the tool's listing tells what it is. */
  readonly says?: Inspected;
  readonly read?: ReadBack;
  readonly why?: string;
}

interface Tried {
  readonly tried: Try;
  readonly published: ReadonlySet<string>;
}

/** What came into the folder of a try. Of the wanted database alone, where one was named. */
async function artifactsOf(
  context: Context,
  { database }: Target,
  { tried, published }: Tried,
): Promise<readonly Artifact[]> {
  const folder = join(foldersOf(context).staging, tried.folder);
  const names = ((await listFolder(folder)) ?? []).filter(
    (name) => name.endsWith('.backup') && !published.has(name),
  );
  const listings = await Promise.all(tried.inspect.map((step) => outputOf(context, step)));
  const listed = listings.map(parseInspection).find((rows) => rows.length > 0) ?? [];
  const all = await inParallel(names, artifactsAtOnce, (file) =>
    readOne(context, join(folder, file), listed),
  );
  return all.filter(
    ({ says }) => database === allDatabases || says === undefined || says.database === database,
  );
}

/** How many are read at a time: each may need 8 MiB to be unpacked. */
const artifactsAtOnce = 2;

/** The artifact's own word and the tool's must agree, where there are both. */
async function readOne(context: Context, path: string, listed: readonly Inspected[]): Promise<Artifact> {
  const [folder, file] = [dirname(path), basename(path)];
  const row = listed.find((one) => one.file === file);
  const { size } = await lstat(path);
  const read = await readArtifact(path, progressOf(context, size, `reading ${file} back`));
  if (read.kind === 'noArtifact') return { folder, file, why: read.why };
  const { sha256 } = read;
  const content = { size: read.size, sha256 };
  if (read.kind === 'unknownFormat')
    return { folder, file, ...(row === undefined ? { why: read.why } : { says: row, read: content }) };
  const { database, databaseID, isFull, lowestTransactionID, highestTransactionID } = read.header;
  const says = { file, database, databaseID, isFull, lowestTransactionID, highestTransactionID };
  if (!databaseName.test(database)) return { folder, file, why: `${file} names no database` }; // it would name a folder
  const differs =
    row !== undefined &&
    (row.databaseID !== databaseID ||
      row.isFull !== isFull ||
      row.highestTransactionID !== highestTransactionID);
  if (differs) return { folder, file, why: `${file} says something else of itself than the tool does` };
  const { storeID, isRecovered: recovered } = read.header;
  return { folder, file, says, read: { ...content, artifact: { storeID, recovered } } };
}

interface ToldOfArtifact {
  readonly target: Target;
  readonly tried: Try;
  readonly plan: Plan;
}

async function candidateOf(
  context: Context,
  { target, tried, plan }: ToldOfArtifact,
  { folder, file, says, read, why }: Artifact,
): Promise<Judged> {
  if (says === undefined || read === undefined)
    return {
      kind: 'failed',
      database: target.database,
      reason: 'ArtifactMissing',
      detail: `${file} cannot be told for a backup: ${why ?? 'nothing lists it'}`,
    };
  const { database } = says;
  const type = says.isFull ? 'Full' : 'Incremental';
  const check = type === 'Full' ? await checkOf(context, plan, tried) : {};
  if ('reason' in check) return { kind: 'failed', database, ...check };
  const known = plan.known.find((one) => one.database === database);
  return {
    kind: 'candidate',
    layout: 'artifacts',
    database,
    type,
    ...(type === 'Full' ? { fullBecause: whyFull(target, tried, known) } : {}),
    folder,
    file,
    says,
    read,
    ...check,
  };
}

function whyFull(target: Target, tried: Try, known: Known | undefined): string {
  if (known === undefined) return 'DestinationBlank';
  if (known.setAside !== undefined) return known.setAside;
  // It was to go on, and the tool took a full one instead, as it does for pruned logs; or we had a second try follow.
  if (tried.type === 'Incremental' || target.tries[0] !== tried) return 'LogsPruned';
  return target.fullBecause ?? 'Requested';
}

/** What the check of its own, which follows the backup, found. */
async function checkOf(
  context: Context,
  plan: Plan,
  { check }: Try,
): Promise<{ readonly consistent?: boolean } | { readonly reason: RunReason; readonly detail?: string }> {
  if (check === undefined) return {};
  const code = await exitCodeOf(context, check);
  if (code === 0) return { consistent: true };
  const output = await outputOf(context, check);
  if (code === 1 && output.includes('Inconsistencies found')) return { consistent: false };
  return (await cutShort(context, plan, check)) ?? { reason: 'ConsistencyCheckFailed' };
}
