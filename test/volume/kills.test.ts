// Real processes, really killed: before a system call that changes something, on files of a real file system. What the recorded
// port says is held against what the kernel saw, so that the campaigns on it count; and the same must be true afterwards.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensurePackages } from '../../tools/debian.ts';
import { steps } from '../../tools/steps.ts';
import type { Manifest } from '../../src/volume/manifest.ts';
import { aPod, aWorld, container, podUID, runTool, type Pod, type World } from '../support/agent.ts';
import { FakeClock, until } from '../support/fake-clock.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { concludeCampaign, enough } from './campaign.ts';
import { chosen, draw, seed } from './lots.ts';
import type { Operations, Told } from './process.ts';
import { begin, copyOf, leftIn, play, pointsIn, staysIn, stories, wrongFor, type Story } from './stories.ts';

const built = mkdtempSync(join(tmpdir(), 'neo4j-backup-volume-'));
const program = join(built, 'process.mjs');

afterAll(() => rmSync(built, { recursive: true }));

beforeAll(async () => {
  await ensurePackages(['strace'], steps());
  await build({
    entryPoints: [join(import.meta.dirname, 'process.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
});

/**
 * Every system call with which Node changes files, but for write: with that it wakes its event loop, too, and not always as
 * often. A write that is cut short is among the plans of the recorded port.
 */
const changes =
  'mkdir,rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,fsync,fdatasync,pwrite64,copy_file_range,sendfile,ftruncate';

interface Traced {
  readonly isKilled: boolean;
  /** The lines of strace of the one thread that works on files. */
  readonly calls: readonly string[];
  readonly told: Told;
}

/** A system call of a process: the n-th of its name. */
interface Call {
  readonly name: string;
  readonly n: number;
}

/** Runs a container in a process of its own. It is killed before a system call. */
async function trace(verb: Told['verb'], { context, terminationLog }: Pod, at?: Call): Promise<Traced> {
  const place = dirname(context.exchange);
  const log = join(place, `strace-${verb}`);
  const told: Told = {
    verb,
    request: JSON.stringify(context.request),
    podUID: context.podUID,
    volume: context.volume,
    exchange: context.exchange,
    terminationLog,
    operations: join(place, `operations-${verb}`),
  };
  const inject = at === undefined ? [] : ['-e', `inject=${at.name}:signal=SIGKILL:when=${at.n}`];
  const command = ['-f', '-qq', '-y', '-s', '16', '-o', log, '-e', `trace=${changes}`, ...inject];
  const isKilled = await new Promise<boolean>((resolve) => {
    const env = { ...process.env, UV_THREADPOOL_SIZE: '1', NODE_OPTIONS: '' };
    const argv = [...command, process.execPath, program, JSON.stringify(told)];
    const child = execFile('strace', argv, { env }, () =>
      resolve(child.signalCode === 'SIGKILL' || child.exitCode === 137),
    );
  });
  return { isKilled, calls: ofOneThread(readFileSync(log, 'utf8')), told };
}

/** Of all threads the one that did most: of the others each had its own share of calls to count. */
function ofOneThread(log: string): readonly string[] {
  const lines = log.split('\n').filter((line) => /^\d+ +[a-z]/.test(line));
  const byThread = Map.groupBy(lines, (line) => line.slice(0, line.indexOf(' ')));
  const [most = []] = [...byThread.values()].toSorted((a, b) => b.length - a.length);
  return most.map((line) => line.replace(/^\d+ +/, ''));
}

interface Part {
  readonly story: Story;
  readonly verb: Told['verb'];
  readonly world: World;
  /** What was there before, and stays. */
  readonly kept: readonly Manifest[];
}

/** A Pod right before its container: what goes before that was done. */
async function readyFor({ story, verb }: Part, world: World): Promise<Pod> {
  const { options, tool } = story.runs(story.before + 1, story.over);
  const pod = aPod(world, options);
  if (verb === 'prepare') return pod;
  const { code } = await container('prepare', pod);
  if (code !== 0) throw new Error(`${story.name}: prepare ended with ${code}`);
  await runTool(pod, tool);
  return pod;
}

async function partsOf(chosenStories: readonly Story[]): Promise<readonly Part[]> {
  const parts: Part[] = [];
  for (const story of chosenStories) {
    const world = await aWorld();
    await begin(world, story);
    const before = await pointsIn(world.root);
    const alone = copyOf(world, join(temporaryFolder(), 'volume'));
    await play(alone, story.runs(story.before + 1, story.over));
    const after = await pointsIn(alone.root);
    const kept = before.filter((point) => after.some((one) => isDeepStrictEqual(one, point)));
    for (const verb of ['prepare', 'report'] as const) parts.push({ story, verb, world, kept });
  }
  return parts;
}

/** Each as strace counts it: by name. */
function callsOf(lines: readonly string[]): readonly Call[] {
  const counts = new Map<string, number>();
  return lines.map((line) => {
    const name = line.slice(0, line.indexOf('('));
    const n = (counts.get(name) ?? 0) + 1;
    counts.set(name, n);
    return { name, n };
  });
}

/** What the kernel saw of the calls that put things in order: renames, links and syncs that went well. */
function seenByKernel(calls: readonly string[], volume: string): readonly string[] {
  return calls.flatMap((call) => {
    const [, name, from = '', to] =
      /^(rename|link)\("(.*?)", "(.*?)"\) += 0/.exec(call) ?? /^(fsync)\(\d+<(.*?)>\) += 0/.exec(call) ?? [];
    if (name === undefined || !from.startsWith(volume)) return [];
    return [[name, from, ...(to === undefined ? [] : [to])].join(' ')];
  });
}

/** What the port says that it did, in those terms. */
function saidByPort(operations: Operations, volume: string): readonly string[] {
  return operations.flatMap(([verb, ...paths]) => {
    if (paths[0]?.startsWith(volume) !== true) return [];
    if (verb === 'rename' || verb === 'link') return [[verb, ...paths].join(' ')];
    return ['sync', 'writeNew', 'rewrite'].includes(verb) ? [`fsync ${paths[0]}`] : [];
  });
}

test('the recorded port tells the truth: the kernel sees its operations, in their order', async () => {
  let compared = 0;
  for (const part of await partsOf(stories)) {
    const world = copyOf(part.world, join(temporaryFolder(), 'volume'));
    const { calls, told } = await trace(part.verb, await readyFor(part, world));
    const operations = JSON.parse(readFileSync(told.operations, 'utf8')) as Operations;
    const said = saidByPort(operations, world.volume);
    compared += said.length;
    expect(seenByKernel(calls, world.volume), `${part.story.name}, ${part.verb}`).toEqual(said);
  }
  expect(compared).toBeGreaterThan(150);
});

interface Plan {
  readonly part: Part;
  readonly at: Call;
}

async function playPlan({ part, at }: Plan, place: string): Promise<readonly string[]> {
  const { story, verb, kept } = part;
  const world = copyOf(part.world, join(place, 'volume'));
  const pod = await readyFor(part, world);
  const { isKilled } = await trace(verb, pod, at);
  rmSync(dirname(pod.context.exchange), { recursive: true });
  const problems = [...(await wrongFor(world.root, kept))];
  if (!isKilled) problems.push('it was not killed');
  const survivors = await staysIn(world.root, story);
  const clock = new FakeClock();
  const died = story.before + 1;
  const next = story.runs(died + 1, { ...story.over, clock, terminalPods: [podUID(died)] });
  const healed = await until(clock, play(world, next));
  if (healed?.code !== 0) problems.push(`it does not heal: ${JSON.stringify(healed?.report)}`);
  problems.push(...(await wrongFor(world.root, survivors)), ...(await leftIn(world.root)));
  return problems;
}

test('a process that is killed before any of its system calls harms nothing, and the next run heals', async () => {
  const random = draw(seed);
  const place = temporaryFolder();
  const all: Plan[] = [];
  for (const part of await partsOf(stories)) {
    const world = copyOf(part.world, join(place, `${part.story.name} ${part.verb}`));
    const { calls } = await trace(part.verb, await readyFor(part, world));
    all.push(...callsOf(calls).map((at) => ({ part, at })));
  }
  const plans = [...chosen(all, 200, random)];
  const violations: string[] = [];
  const count = plans.length;
  const work = async (): Promise<void> => {
    for (let plan = plans.pop(); plan !== undefined && violations.length < enough; plan = plans.pop()) {
      const at = mkdtempSync(join(place, 'plan-'));
      const problems = await playPlan(plan, at);
      rmSync(at, { recursive: true });
      const name = `${plan.part.story.name}, ${plan.part.verb} killed before ${plan.at.name} ${plan.at.n}`;
      if (problems.length > 0) violations.push(`seed ${seed}: ${name}: ${problems.join('; ')}`);
    }
  };
  await Promise.all([work(), work()]);
  concludeCampaign('real kills', count, violations);
});
