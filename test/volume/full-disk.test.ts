// A disk that is full, at every write that a run makes and on real file systems at many levels of fullness.
//
// Whatever happens then: what was published before stays as it is, byte for byte; no success is told without its backup; the
// reason is NoSpaceLeft; nothing of the attempt stays in staging; and once there is room the same run and the next one succeed.
import {
  appendFileSync,
  cpSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  statfsSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { errorCode, realFiles, type Files } from '../../src/volume/files.ts';
import { readPoints } from '../../src/volume/catalogue.ts';
import { folders, placeOf } from '../../src/volume/layout.ts';
import { damageIn } from '../../src/volume/readback.ts';
import {
  attempt,
  listen,
  podUID,
  tool,
  type AttemptOptions,
  type Attempted,
  type Tool,
  type World,
} from '../support/agent.ts';
import { FakeClock, until } from '../support/fake-clock.ts';
import { isRoot, smallDisk, type DiskKind } from '../support/small-disk.ts';
import { toolC } from '../support/stand-ins.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { filesWith, type Operation } from '../support/volume.ts';
import { concludeCampaign } from './campaign.ts';

const hourOf = (n: number): Date => new Date(Date.UTC(2026, 0, 1, n));

/** What the tool puts into a store or beside an artifact, so that levels of fullness differ in more than one block. */
const ballastBytes = 200_000;

interface Generation {
  readonly options: AttemptOptions;
  readonly toolOf: (n: number) => Tool;
}

const generations = {
  store: {
    options: {},
    toolOf: (n) => (call) => {
      const done = tool({ lastTransactionId: BigInt(n * 10) })(call);
      writeFileSync(join(call.store, 'neostore.nodestore.db'), Buffer.alloc(ballastBytes, n));
      return done;
    },
  },
  artifacts: {
    options: { neo4jVersion: '5.26.28', databases: ['neo4j'] },
    toolOf: (n) => async (call) => {
      const temporary = call.argv.find((argument) => argument.startsWith('--temp-path='))?.slice(12);
      if (temporary !== undefined) {
        writeFileSync(join(temporary, 'unpacked'), Buffer.alloc(ballastBytes, n));
        rmSync(join(temporary, 'unpacked'));
      }
      return toolC({ neo4j: { lastTransactionId: BigInt(n * 10) } }, () => hourOf(n))(call);
    },
  },
} as const satisfies Readonly<Record<string, Generation>>;

interface Story {
  readonly name: string;
  readonly generation: Generation;
  /** How many runs were there before. */
  readonly before: number;
}

const stories: readonly Story[] = Object.entries(generations).flatMap(([name, generation]) => [
  { name: `a first backup, ${name}`, generation, before: 0 },
  { name: `an increment, ${name}`, generation, before: 2 },
]);

/** As the tools say it (docs/engines.md). */
const full = { exitCode: 1, output: 'java.io.IOException: No space left on device\n' };

/** A tool that meets a full disk says so and fails. */
function honest(work: Tool): Tool {
  return async (call) => {
    try {
      return await work(call);
    } catch (error) {
      if (errorCode(error) === 'ENOSPC') return full;
      throw error;
    }
  };
}

/** Who cannot give its lock back for want of room is waited for: that takes no time here. */
function run(world: World, { generation }: Story, n: number, over: AttemptOptions = {}): Promise<Attempted> {
  const clock = new FakeClock();
  const options = {
    clock,
    run: `orders-${n}`,
    createdTime: hourOf(n).toISOString(),
    pod: n,
    ...generation.options,
    ...over,
  };
  return until(clock, attempt(world, options, honest(generation.toolOf(n))));
}

/** A volume with what was there before a story begins. */
async function modelOf(story: Story, port: number): Promise<string> {
  const volume = temporaryFolder();
  const world = { volume, root: join(volume, 'orders'), port };
  for (let n = 1; n <= story.before; n += 1) {
    const { report } = await run(world, story, n);
    if (report?.path === undefined) throw new Error(`run ${n} of ${story.name} failed: ${report?.message}`);
  }
  return volume;
}

/** All that is published, by path: manifests and the files that they name. */
async function published({ root }: World): Promise<Readonly<Record<string, string>>> {
  const read = await readPoints(root, ({ manifest }) => manifest);
  const points = read.kind === 'ours' ? read.places.flatMap(({ kept }) => kept ?? []) : [];
  const named = points.flatMap((point) => {
    const { data, manifest } = placeOf(point);
    return [manifest, ...point.files.map(({ path }) => `${data}/${path}`)];
  });
  return Object.fromEntries(
    named.map((path) => [
      path,
      createHash('sha256')
        .update(readFileSync(join(root, path)))
        .digest('hex'),
    ]),
  );
}

/** What is left of attempts in staging. */
function staged({ root }: World): readonly string[] {
  const folder = join(root, folders.staging);
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** The points that a reader sees, each read back; and what is wrong with them. */
async function pointsIn({
  root,
}: World): Promise<{ readonly runs: readonly string[]; readonly wrong: readonly string[] }> {
  const read = await readPoints(root, ({ manifest }) => manifest);
  if (read.kind !== 'ours') return { runs: [], wrong: [`the destination is ${read.kind}`] };
  const wrong: string[] = [];
  const runs: string[] = [];
  for (const place of read.places) {
    if (place.kind === 'damaged') {
      wrong.push(`${place.place}: ${place.why}`);
      continue;
    }
    runs.push(place.kept.run);
    const damage = await damageIn(root, place.kept);
    if (damage !== undefined) wrong.push(`${place.kept.point}: ${damage.file}: ${damage.why}`);
  }
  return { runs, wrong };
}

/** What does not hold after an attempt. */
async function wrongAfter(
  world: World,
  before: Readonly<Record<string, string>>,
  { run: name, ended }: { readonly run: string; readonly ended: Attempted },
): Promise<readonly string[]> {
  const after = await published(world);
  const { runs, wrong } = await pointsIn(world);
  const told = ended.report;
  return [
    ...wrong,
    ...Object.keys(before)
      .filter((path) => after[path] !== before[path])
      .map((path) => `${path} was changed`),
    ...(told === undefined ? ['there is no report'] : []),
    ...(told?.path !== undefined && !runs.includes(name) ? ['a success without a backup'] : []),
    ...(told !== undefined && told.path === undefined && told.reason !== 'NoSpaceLeft'
      ? [`the reason is ${told.reason}: ${told.message}`]
      : []),
    ...staged(world).map((entry) => `${entry} is left in staging`),
  ];
}

interface Disturbed {
  readonly story: Story;
  readonly world: World;
  readonly files?: Files;
  /** Makes room again. */
  readonly free?: () => void;
}

interface Played {
  /** How the first attempt ended. */
  readonly first: string;
  readonly wrong: readonly string[];
}

/** Plays a story on a disk that is full, then once more when it is not, and the next run. */
async function play({ story, world, files = realFiles, free }: Disturbed): Promise<Played> {
  const n = story.before + 1;
  const before = await published(world);
  const told = { run: `orders-${n}`, ended: await run(world, story, n, { files }) };
  const wrong = await wrongAfter(world, before, told);
  free?.();
  return {
    first: told.ended.report?.reason ?? 'none',
    wrong: [...wrong, ...(await wrongOnceFree(world, story, { ...before, ...(await published(world)) }))],
  };
}

/** What does not hold when there is room again. */
async function wrongOnceFree(
  world: World,
  story: Story,
  before: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const n = story.before + 1;
  const again = await run(world, story, n, { pod: 50, terminalPods: [podUID(n)] });
  const next = await run(world, story, n + 1, { terminalPods: [podUID(n), podUID(50)] });
  const { runs } = await pointsIn(world);
  return [
    ...(again.code === 0 ? [] : [`with room it still failed: ${again.report?.message}`]),
    ...(next.report?.reason === 'IncrementalBackupTaken' ? [] : [`the next run: ${next.report?.message}`]),
    ...(await wrongAfter(world, before, { run: `orders-${n + 1}`, ended: next })),
    ...(runs.filter((one) => one === `orders-${n}`).length === 1
      ? []
      : ['there is not one point of the run']),
  ];
}

/** Which of so many plans are played: as many as a minute has room for, spread evenly, or as many as PLANS says. */
function chosen<T>(plans: readonly T[]): readonly T[] {
  const most = Number(process.env['PLANS'] ?? 40);
  const step = Math.max(1, Math.ceil(plans.length / most));
  return plans.filter((_, i) => i % step === 0);
}

/** What a full disk refuses: removing is not among it, nor, as a rule, renaming and syncing. */
const growing: ReadonlySet<Operation['verb']> = new Set(['makeFolder', 'writeNew', 'copy', 'link']);

interface Injected {
  readonly k: number;
  /** From then on, or at this one call, which then may be any. */
  readonly stays: boolean;
  /** A write leaves half of what it was to write. */
  readonly half: boolean;
}

function fullFrom({ k, stays, half }: Injected): ReturnType<typeof filesWith> {
  return filesWith(({ verb }, position) => {
    // How often somebody looks whether the lock is free is never the same twice: what comes as the k-th may be a removal.
    const fails = stays ? position >= k && growing.has(verb) : position === k && verb !== 'remove';
    return fails
      ? {
          half,
          error: Object.assign(new Error(`ENOSPC: no space left on device, ${verb}`), { code: 'ENOSPC' }),
        }
      : undefined;
  });
}

function worldOn(volume: string, port: number): World {
  return { volume, root: join(volume, 'orders'), port };
}

test('a disk that is full from any operation on, or for one', async () => {
  const port = await listen();
  const violations: string[] = [];
  let count = 0;
  for (const story of stories) {
    const model = await modelOf(story, port);
    const copied = (): World => {
      const volume = temporaryFolder();
      cpSync(model, volume, { recursive: true });
      return worldOn(volume, port);
    };
    const undisturbed = filesWith(() => undefined);
    await run(copied(), story, story.before + 1, { files: undisturbed });
    const plans = undisturbed.operations.flatMap(({ verb }, i): Injected[] => [
      ...(growing.has(verb) ? [{ k: i + 1, stays: true, half: verb === 'writeNew' }] : []),
      ...(verb === 'remove' ? [] : [{ k: i + 1, stays: false, half: false }]),
    ]);
    for (const plan of chosen(plans)) {
      const world = copied();
      const { wrong } = await play({ story, world, files: fullFrom(plan) });
      violations.push(...wrong.map((what) => `${story.name}, ${JSON.stringify(plan)}: ${what}`));
      count += 1;
      rmSync(world.volume, { recursive: true, force: true });
    }
  }
  expect(count).toBeGreaterThan(0);
  concludeCampaign('full disk (injected)', count, violations);
});

const diskBytes = 8 * 1_048_576;

const blockBytes = 4096;

/** Fills a disk but for so many bytes. Gives what makes room again. */
function fill(path: string, leftBytes: number): () => void {
  const filler = join(path, 'filler');
  const { bavail, bsize } = statfsSync(path);
  // Nearly all in one piece, and then to the last block: what a file system takes for itself nobody tells.
  writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - 64 * blockBytes)));
  try {
    for (;;) appendFileSync(filler, Buffer.alloc(blockBytes));
  } catch (error) {
    if (errorCode(error) !== 'ENOSPC') throw error;
  }
  const { size } = statSync(filler);
  truncateSync(filler, Math.max(0, size - leftBytes));
  return () => rmSync(filler);
}

/** More than any story needs: at the last level all of them succeed. */
const needBytes = 655_360;
const levels = Array.from({ length: 17 }, (_, i) => (needBytes / 16) * i);

const disks: readonly DiskKind[] = isRoot ? ['tmpfs', 'ext4'] : ['tmpfs'];

describe.each(disks)('a real %s', (kind) => {
  test('that is full, at many levels of fullness', async () => {
    const disk = await smallDisk(kind, diskBytes);
    onTestFinished(() => disk.close());
    const port = await listen();
    const violations: string[] = [];
    const outcomes = new Set<string>();
    let count = 0;
    for (const story of stories) {
      const model = await modelOf(story, port);
      for (const leftBytes of chosen(levels)) {
        for (const name of readdirSync(disk.path)) rmSync(join(disk.path, name), { recursive: true });
        cpSync(model, disk.path, { recursive: true });
        const free = fill(disk.path, leftBytes);
        const { wrong, first } = await play({ story, world: worldOn(disk.path, port), free });
        violations.push(...wrong.map((what) => `${story.name}, ${leftBytes} bytes left on ${kind}: ${what}`));
        outcomes.add(first);
        count += 1;
      }
    }
    // Neither too full nor too empty for anything to be learnt.
    expect(outcomes).toContain('NoSpaceLeft');
    expect(outcomes).toContain('FullBackupTaken');
    concludeCampaign(`full disk (${kind})`, count, violations);
  });
});
