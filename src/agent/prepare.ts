// The first container of a run: decides full or incremental, and stages what the tool will work on.
import { join } from 'node:path';
import { allDatabases, onlyDatabase } from '../engine/engine.ts';
import { exchange, formatSteps } from '../run/exchange.ts';
import type { RunReport } from '../run/report.ts';
import { pointsIn, pointsOf, pointsOfRun, tipOf, type Destination } from '../volume/catalogue.ts';
import { hasDamage, proveChains } from '../volume/chain.ts';
import { placeOf, stagingMark } from '../volume/layout.ts';
import type { Manifest } from '../volume/manifest.ts';
import { expectedBytes } from '../volume/forecast.ts';
import { readKnown, readNewest, readNewestAnew } from '../volume/newest.ts';
import { progressOf } from '../volume/progress.ts';
import { lackingForCopy, tightFor, type Space } from '../volume/space.ts';
import { stageCopy, stageLinks } from '../volume/stage.ts';
import { adopt } from './adopt.ts';
import { copyName, expectedOf, foldersOf, spaceOf, type Context } from './context.ts';
import { forsaken, isForsaken, removeLeftovers } from './leftovers.ts';
import type { Damaged, Known, Plan, Target } from './plan.ts';
import { preflight } from './preflight.ts';
import { refuse } from './refuse.ts';
import { failedReport, reportOf, type Result } from './results.ts';
import { makeRoom } from './retain.ts';
import { folderOf, planTries, stepsOf, temporaryOf, type Wanted } from './steps.ts';

/**
 * Kept back from the Pod's deadline: 5 s until a tool that ignores SIGTERM is killed, 4 s until the rest of its output is
 * given up, and 11 s for a report to say so.
 */
const reportMarginSeconds = 20;

/**
 * Prepares one attempt.
 *
 * Guarantees: nothing published is changed, and a destination that is not ours is not written to at all. Killed on any
 * line, it leaves no more than a staging folder.
 * @returns undefined when the tool can start; the report when the run ends here
 * @throws the system error of a failed call on the volume
 */
export async function prepare(context: Context): Promise<RunReport | undefined> {
  const { request, files } = context;
  const folders = foldersOf(context);
  const startedAt = context.now();
  const known = await readKnown(folders.root);
  const before = await readNewest(folders.root, request.run, request.resource.uid, known);
  const refused = refuse(context, before);
  if (refused !== undefined) return refused;

  const published = pointsOfRun(pointsIn(before), request.run, request.resource.uid);
  const missing = wantedDatabases(context).filter((name) =>
    published.every(({ database }) => database !== name),
  );
  if (missing.length === 0) {
    // An attempt before us published all of it, and died before it could say so.
    await writePlan(context, { startTime: startedAt.toISOString(), targets: [], known: [] });
    await files.writeNew(join(context.exchange, exchange.skip), '');
    return undefined;
  }

  const { host, port } = request.source;
  const reached = await preflight(host, port, expectedOf(context));
  if (reached.kind === 'failed') return withPublished(context, published, missing, reached);
  context.say({ host, port, address: reached.address }, 'the backup port accepts connections');

  await files.makeFolder(folders.root);
  await files.sync(context.volume); // or else a loss of power could take the folder with all that was published in it
  await removeLeftovers(context);
  const notAdopted = await adopt(context, before, wantedDatabases(context));
  if (notAdopted !== undefined) return withPublished(context, published, missing, notAdopted);
  const destination = await roomAndNewest(context, { known, before });
  const points = pointsIn(destination);
  await files.makeFolder(folders.reports);
  await files.writeNew(join(folders.staging, stagingMark), '');
  const space = await spaceOf(context);
  const possible = decideAll(context, destination, { databases: missing, space });
  if ('reason' in possible) return withPublished(context, published, missing, possible);
  if (space !== undefined) warnOfLittleRoom(context, possible, { points, space });
  const wanted = await stageAll(context, possible, points);
  if ('reason' in wanted) return withPublished(context, published, missing, wanted);

  const targets = [...planTries(context, wanted)];
  await writeSteps(addressing(context, reached.address), targets, startedAt);
  const setAside = new Map(wanted.flatMap((one) => [...(one.setAside ?? [])]));
  await writePlan(context, {
    startTime: startedAt.toISOString(),
    targets,
    known: knownOf(points, setAside),
    damaged: wanted.flatMap((one) => one.damaged ?? []),
  });
  for (const { database, tries, fullBecause } of targets)
    context.say({ database, type: tries[0]?.type, fullBecause }, 'prepared');
  return undefined;
}

/**
 * Makes room, and tells what the run goes on from. Where that turns out to be broken all manifests are read: that it is what
 * matters was not for the catalogue to say.
 * @param known what the catalogue said when this attempt began, and what is newest of that
 */
async function roomAndNewest(
  context: Context,
  { known, before }: { readonly known: Destination; readonly before: Destination<Manifest> },
): Promise<Destination<Manifest>> {
  const { adoptFrom, run, resource } = context.request;
  const { root } = foldersOf(context);
  const hasChanged = (await makeRoom(context, known)) || adoptFrom !== undefined;
  const newest = hasChanged ? await readNewest(root, run, resource.uid) : before;
  const isGood = newest.kind !== 'ours' || proveChains(newest.points).broken.length === 0;
  return isGood ? newest : readNewestAnew(root, run, resource.uid);
}

/** Names, or {@link allDatabases} alone. */
export function wantedDatabases({ engine, request }: Context): readonly string[] {
  if (engine.databases === 'one') return [onlyDatabase];
  if (request.allDatabases) return [allDatabases];
  return request.databases.length === 0 ? ['neo4j'] : [...new Set(request.databases)];
}

interface Problem {
  readonly reason: Extract<Result, { kind: 'failed' }>['reason'];
  readonly detail: string;
}

/** What an earlier attempt of the run published stays true, though this one can add nothing. */
function withPublished(
  context: Context,
  published: readonly Manifest[],
  missing: readonly string[],
  { reason, detail }: Problem,
): RunReport {
  if (published.length === 0) return failedReport(context, reason, detail);
  return reportOf(context, [
    ...published.map((manifest) => ({ kind: 'published', manifest }) as const),
    ...missing
      .filter((database) => database !== allDatabases)
      .map((database) => ({ kind: 'failed', database, reason, detail }) as const),
  ]);
}

/** What is to be taken of each database, or what is in the way of all. */
function decideAll(
  context: Context,
  destination: Destination<Manifest>,
  { databases, space }: { readonly databases: readonly string[]; readonly space: Space | undefined },
): readonly Wanted[] | Problem {
  const decided = databases.map((name) => decide(context, destination, name));
  const objection = decided.find((one) => 'reason' in one);
  if (objection !== undefined) return objection;
  const possible = decided.filter((one): one is Wanted => !('reason' in one));
  return tooLargeToCopy(space, possible) ?? possible;
}

/** What is to be taken of a database, and why, before anything was copied for it. */
function decide(context: Context, destination: Destination<Manifest>, database: string): Wanted | Problem {
  const { request, engine } = context;
  const { points, damaged } = destination.kind === 'ours' ? destination : { points: [], damaged: [] };
  const ours = database === allDatabases ? points : pointsOf(points, database);
  const tips = tipsOf(ours);
  if (tips.length === 0) {
    const fullBecause = damaged.length > 0 ? 'ArtifactCorrupt' : 'DestinationBlank';
    return { database, type: 'Full', fullBecause, tips: [] };
  }
  if (request.requestedType === 'Full') return { database, type: 'Full', fullBecause: 'Requested', tips: [] };
  const setAside = unprovenOf(context, tips, { points: ours, damaged });
  const proven = tips.filter((tip) => !setAside.has(tip.database));
  if (proven.length === 0) {
    const [fullBecause = 'ChainBroken'] = setAside.values();
    return { database, type: 'Full', fullBecause, tips: [], setAside };
  }
  const older = proven.find(({ layout }) => layout !== engine.layout);
  if (older === undefined) return { database, type: 'Incremental', tips: proven, setAside };
  // No tool can go on from what it has no notion of: that needs no try.
  if (request.onIncrementalFailure === 'NewChain')
    return { database, type: 'Full', fullBecause: 'OlderVersion', tips: [] };
  const detail = `The newest backup is one of Neo4j ${older.neo4jVersion}, which the tool of ${request.neo4jVersion} cannot go on from`;
  return { reason: 'OlderVersion', detail };
}

/** Tips that nothing may be built on, by database, and why a full backup is taken instead: what is there stays as it is. */
function unprovenOf(
  { say }: Context,
  tips: readonly Manifest[],
  { points, damaged }: { readonly points: readonly Manifest[]; readonly damaged: readonly string[] },
): ReadonlyMap<string, string> {
  const broken = new Map(proveChains(points).broken.map((one) => [one.point, one.why]));
  const unproven = new Map<string, string>();
  for (const tip of tips) {
    const why = broken.get(tip);
    if (why !== undefined) {
      say({ point: tip.point, why }, 'the chain of the newest backup is broken: a full one is taken instead');
      unproven.set(tip.database, 'ChainBroken');
    } else if (hasDamage(tip, damaged)) {
      say(
        { point: tip.point },
        'what followed the newest good backup is damaged: a full one is taken instead',
      );
      unproven.set(tip.database, 'ArtifactCorrupt');
    }
  }
  return unproven;
}

/** The tip of each database. */
function tipsOf(points: readonly Manifest[]): readonly Manifest[] {
  const names = [...new Set(points.map(({ database }) => database))];
  return names.flatMap((name) => tipOf(pointsOf(points, name)) ?? []);
}

/** Whether the copies that the tool is to work on certainly find no room: they are not begun then. */
function tooLargeToCopy(space: Space | undefined, wanted: readonly Wanted[]): Problem | undefined {
  const copied = wanted.flatMap(({ tips }) => tips).filter(({ layout }) => layout === 'store');
  if (space === undefined) return undefined;
  const detail = lackingForCopy(
    space,
    copied.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  );
  return detail === undefined ? undefined : { reason: 'NoSpaceLeft', detail };
}

/** What is merely likely is said, and tried. */
function warnOfLittleRoom(
  { volume, say }: Context,
  wanted: readonly Wanted[],
  { points, space }: { readonly points: readonly Manifest[]; readonly space: Space },
): void {
  const expected = wanted.flatMap(({ database, type }) => {
    const names = database === allDatabases ? new Set(points.map((point) => point.database)) : [database];
    return [...names].map((name) => expectedBytes(points, name, type));
  });
  const tight = tightFor(
    space,
    expected.reduce((sum, bytes) => sum + bytes, 0),
  );
  if (tight !== undefined) say({ volume }, tight);
}

/**
 * The tool is given the address that was checked and that answered, in the place of the name: it would resolve that once
 * more, and whoever answers for the name could say something else by then. But where it holds the name against a
 * certificate it needs the name, and then it is the certificate that gives away another server.
 */
function addressing(context: Context, address: string): Context {
  const { request } = context;
  if (holdsName(context)) return context;
  return { ...context, request: { ...request, source: { ...request.source, host: address } } };
}

function holdsName({ engine, request }: Context): boolean {
  const { tls } = request.tool;
  if (tls === undefined) return false;
  return tls.verifyHostname ?? engine.hostnameCheck(request.neo4jVersion) === 'on';
}

/** Without the folder to copy into nothing can be told of the tips: none of them must be marked as damaged for that. */
async function stageAll(
  context: Context,
  possible: readonly Wanted[],
  points: readonly Manifest[],
): Promise<readonly Wanted[] | Problem> {
  try {
    const wanted: Wanted[] = [];
    for (const one of possible) wanted.push(await stage(context, one, points));
    if (!(await isForsaken(context))) return wanted;
  } catch (error) {
    if (!(await isForsaken(context))) throw error;
  }
  return { reason: 'DestinationBusy', detail: forsaken };
}

/** Copies what an increment goes on from. What turns out to be damaged there is not gone on from. */
async function stage(context: Context, wanted: Wanted, points: readonly Manifest[]): Promise<Wanted> {
  const { files } = context;
  const { root, staging } = foldersOf(context);
  const parent = join(staging, folderOf(wanted.database, 'Incremental'));
  const good: Manifest[] = [];
  const setAside = new Map(wanted.setAside);
  const found: Damaged[] = [];
  for (const tip of wanted.tips) {
    const from = join(root, placeOf(tip).data);
    const progress = progressOf(context, tip.sizeBytes, 'staging the newest backup');
    const damaged =
      tip.layout === 'store'
        ? await stageCopy(
            files,
            { from, to: join(parent, copyName(context, tip.database)), progress },
            tip.files,
          )
        : await stageLinks(files, { from, to: parent, progress }, olderInChain(points, tip), tip.files);
    if (damaged === undefined) {
      good.push(tip);
      continue;
    }
    context.say(
      { point: tip.point, file: damaged },
      'the newest backup is damaged: a full one is taken instead',
    );
    setAside.set(tip.database, 'ArtifactCorrupt');
    found.push({ database: tip.database, point: ownerOf(points, tip, damaged).point, file: damaged });
    await files.remove(tip.layout === 'store' ? join(parent, copyName(context, tip.database)) : parent);
  }
  if (good.length > 0 || wanted.tips.length === 0) return { ...wanted, tips: good, setAside, damaged: found };
  const { database } = wanted;
  return { database, type: 'Full', fullBecause: 'ArtifactCorrupt', tips: [], setAside, damaged: found };
}

/** The point that a file is of, which was staged for a tip: in the folder of a chain lie those of all its points. */
function ownerOf(points: readonly Manifest[], tip: Manifest, file: string): Manifest {
  if (tip.layout === 'store') return tip;
  const chain = pointsOf(points, tip.database).filter((point) => point.chain === tip.chain);
  return chain.find(({ files }) => files.some(({ path }) => path === file)) ?? tip;
}

/** The files of a chain before its tip. */
function olderInChain(points: readonly Manifest[], tip: Manifest): Manifest['files'] {
  return pointsOf(points, tip.database)
    .filter(({ chain, sequence }) => chain === tip.chain && sequence < tip.sequence)
    .flatMap(({ files }) => files);
}

function knownOf(points: readonly Manifest[], setAside: ReadonlyMap<string, string>): Known[] {
  return tipsOf(points).map(({ database, chain, point, storeID, artifact, lastTransactionID }) => {
    const because = setAside.get(database);
    return {
      database,
      tip: { chain, point, storeID, lastTransactionID, ...(artifact === undefined ? {} : { artifact }) },
      newestSequence: Math.max(...pointsOf(points, database).map(({ sequence }) => sequence)),
      ...(because === undefined ? {} : { setAside: because }),
    };
  });
}

async function writeSteps(context: Context, targets: readonly Target[], startedAt: Date): Promise<void> {
  const { engine, files, request } = context;
  const { staging } = foldersOf(context);
  // The tool makes the copy of a full backup itself, but not the folder around it.
  const tried = targets.flatMap(({ tries }) => tries.map(({ folder }) => folder));
  const aside = engine.layout === 'artifacts' ? tried.map(temporaryOf) : [];
  const folders = [...tried, ...aside.flatMap((name) => [`${name}/backup`, `${name}/check`])];
  for (const folder of folders) await files.makeFolder(join(staging, folder));
  const write = (name: string, content: string): Promise<void> =>
    files.writeNew(join(context.exchange, name), content);
  for (const folder of [exchange.configuration, exchange.revoked])
    await files.makeFolder(join(context.exchange, folder));
  for (const [name, content] of Object.entries(engine.configuration(request.tool)))
    await write(join(exchange.configuration, name), content);
  await write(exchange.deadline, String(deadlineOf(context, startedAt)));
  for (const [name, content] of formatSteps(stepsOf(context, targets))) await write(name, content);
}

/**
 * Unix time at which the tool is ended. The Pod's time has run since before prepare began, and copying a large tip takes
 * its share. Never in the past: a tool that is ended at once still says why.
 */
function deadlineOf({ request, now }: Context, startedAt: Date): number {
  const latest = startedAt.getTime() / 1000 + request.podDeadlineSeconds - reportMarginSeconds;
  return Math.floor(Math.max(now().getTime() / 1000 + 1, latest));
}

async function writePlan({ files, exchange: folder }: Context, plan: Plan): Promise<void> {
  await files.writeNew(join(folder, exchange.plan), JSON.stringify(plan));
}
