// What runs do to a volume, story by story; and what must be true of the volume afterwards, whatever happened meanwhile.
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { folders, manifestsFolder, placeOf } from '../../src/volume/layout.ts';
import type { Manifest } from '../../src/volume/manifest.ts';
import { verifyFiles } from '../../src/volume/stage.ts';
import { inspectStore } from '../../src/volume/verify.ts';
import {
  aPod,
  container,
  runTool,
  tool,
  type AttemptOptions,
  type Ended,
  type Pod,
  type Tool,
  type World,
} from '../support/agent.ts';
import { aChain, aStore } from '../support/adoption.ts';
import { toolC } from '../support/stand-ins.ts';
import { readManifests } from '../support/volume.ts';

const hourOf = (n: number): Date => new Date(Date.UTC(2026, 0, 1, n));

/** A run, as it is told to the agent; and the tool that works for it. */
export interface Run {
  readonly options: AttemptOptions;
  readonly tool: Tool;
}

/** Run n of a resource: an hour later each time, and up to a later transaction. */
export type Runs = (n: number, over?: AttemptOptions) => Run;

export const runsOfStores: Runs = (n, over = {}) => ({
  options: { run: `orders-${n}`, createdTime: hourOf(n).toISOString(), pod: n, ...over },
  tool: tool({ lastTransactionId: BigInt(10 + n) }),
});

export const runsOfArtifacts: Runs = (n, over = {}) => {
  const { pod = n } = over;
  const served = { neo4j: { lastTransactionId: BigInt(10 + n) } };
  const neo4jVersion = '5.26.28';
  return {
    options: { ...runsOfStores(n).options, neo4jVersion, databases: ['neo4j'], ...over },
    // Each Pod makes its artifact in a second of its own, as it mostly is.
    tool: toolC(served, () => new Date(hourOf(n).getTime() + pod * 1000)),
  };
};

export interface Story {
  readonly name: string;
  readonly runs: Runs;
  /** How many runs have succeeded before. */
  readonly before: number;
  readonly over: AttemptOptions;
  /** What lies on the volume beside the destination. */
  readonly beside?: (world: World) => void;
}

/** Runs on a blank destination, beside which lies what others took. */
function adopting(runs: Runs): Runs {
  return (n, over = {}) => {
    const { options, tool: work } = runs(n + 30, { adoptFrom: 'cron', ...over });
    return { options: { ...options, ...runsOfStores(n).options, adoptFrom: 'cron', ...over }, tool: work };
  };
}

/** Some of what was there goes. */
export const keepOne = { keepLast: 1, mode: 'Enforce' } as const;

export const stories: readonly Story[] = [
  { name: 'a first full one', runs: runsOfStores, before: 0, over: {} },
  { name: 'an incremental one', runs: runsOfStores, before: 2, over: {} },
  { name: 'a full one in a new chain', runs: runsOfStores, before: 2, over: { requestedType: 'Full' } },
  { name: 'a first full artifact', runs: runsOfArtifacts, before: 0, over: {} },
  { name: 'a differential artifact', runs: runsOfArtifacts, before: 2, over: {} },
  {
    name: 'a store that is adopted',
    runs: adopting(runsOfStores),
    before: 0,
    over: {},
    beside: (world) => aStore(world, 'cron'),
  },
  { name: 'a chain that is adopted', runs: adopting(runsOfArtifacts), before: 0, over: {}, beside: aChain },
  { name: 'retention', runs: runsOfStores, before: 4, over: { retention: keepOne } },
  {
    name: 'retention of a chain of artifacts',
    runs: (n, over) => runsOfArtifacts(n, { requestedType: 'Full', ...over }),
    before: 4,
    over: { retention: keepOne },
  },
];

/** A Pod's whole attempt, on a volume that may fail under it. Undefined: it died before it could end. */
export async function play(world: World, { options, tool: work }: Run): Promise<Ended | undefined> {
  const pod = aPod(world, options);
  try {
    return await live(pod, work);
  } catch {
    return undefined;
  } finally {
    rmSync(dirname(pod.context.exchange), { recursive: true, force: true });
  }
}

async function live(pod: Pod, work: Tool): Promise<Ended> {
  const prepared = await container('prepare', pod);
  if (prepared.code !== 0) return prepared;
  await runTool(pod, work);
  return container('report', pod);
}

/** Makes a world what it is before a story. */
export async function begin(
  world: World,
  { runs, before, beside }: Pick<Story, 'runs' | 'before' | 'beside'>,
): Promise<void> {
  beside?.(world);
  for (let n = 1; n <= before; n += 1) {
    const ended = await play(world, runs(n));
    if (ended?.code !== 0) throw new Error(`run ${n}: ${JSON.stringify(ended?.report)}`);
  }
}

/** The same world once more, elsewhere. */
export function copyOf(world: World, volume: string): World {
  cpSync(world.volume, volume, { recursive: true });
  return { ...world, volume, root: join(volume, 'orders') };
}

export async function pointsIn(root: string): Promise<readonly Manifest[]> {
  const destination = await readManifests(root);
  return destination.kind === 'ours' ? destination.points : [];
}

/**
 * What a reader must not see: anything that is not whole, or changed; and too much of one run.
 * @param kept what must be there, unchanged
 */
export async function wrongFor(root: string, kept: readonly Manifest[]): Promise<readonly string[]> {
  const destination = await readManifests(root);
  if (destination.kind === 'blank') return kept.length === 0 ? [] : ['everything is gone'];
  if (destination.kind !== 'ours') return [`the destination is ${JSON.stringify(destination)}`];
  const { points, damaged } = destination;
  const problems = damaged.map((folder) => `${folder} is damaged`);
  for (const point of points) {
    const wrong = await wrongWith(root, point);
    if (wrong !== undefined) problems.push(`${point.point}: ${wrong}`);
  }
  for (const point of kept)
    if (!points.some((one) => isDeepStrictEqual(one, point))) problems.push(`${point.point} is gone`);
  const repeated = (key: (point: Manifest) => unknown, of = points): boolean =>
    new Set(of.map(key)).size !== of.length;
  // What was adopted is of no run: a chain of it, and no more than one.
  const ofRun = ({ run, point, parent }: Manifest): string =>
    parent !== undefined && run === 'Adopted' ? point : run;
  if (repeated((one) => `${ofRun(one)} ${one.resource.uid} ${one.database}`))
    problems.push('a run has published twice');
  if (repeated(({ sequence }) => sequence)) problems.push('two have published at once');
  return problems;
}

async function wrongWith(root: string, point: Manifest): Promise<string | undefined> {
  const data = join(root, placeOf(point).data);
  const file = await verifyFiles(data, point.files);
  if (file !== undefined) return `${file} is not what was published`;
  if (point.layout === 'artifacts') return undefined;
  const store = await inspectStore(data);
  if (store.kind === 'noStore') return store.why;
  return isDeepStrictEqual(store.files, point.files) ? undefined : 'it holds more than was published';
}

/** What of a volume is still there, unchanged, after the run that heals it. Retention goes on with that. */
export async function staysIn(root: string, { over, runs }: Story): Promise<readonly Manifest[]> {
  const points = await pointsIn(root);
  if (over.retention === undefined) return points;
  return runs === runsOfStores ? points.slice(-1) : []; // the tip's predecessor; of chains, none
}

/** What no run may leave behind once all Pods before it are known to be gone. */
export async function leftIn(root: string): Promise<readonly string[]> {
  const staging = join(root, folders.staging);
  const left = existsSync(staging) ? readdirSync(staging).map((name) => `staging: ${name}`) : [];
  if (existsSync(join(root, '.lock'))) left.push('the lock');
  left.push(...filesBelow(root, folders.trash));
  const named = new Set(
    (await pointsIn(root)).map((point) => placeOf(point)).flatMap(({ data, manifest }) => [data, manifest]),
  );
  const artifacts = new Set(
    (await pointsIn(root))
      .filter(({ layout }) => layout === 'artifacts')
      .flatMap((point) => point.files.map(({ path }) => `${placeOf(point).data}/${path}`)),
  );
  for (const path of filesBelow(root, folders.chains)) {
    const isManifest = path.includes(`/${manifestsFolder}/`);
    if (isManifest ? !named.has(path) : !artifacts.has(path)) left.push(path);
  }
  return left;
}

function filesBelow(root: string, folder: string): readonly string[] {
  const path = join(root, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesBelow(root, `${folder}/${entry.name}`) : [`${folder}/${entry.name}`],
  );
}
