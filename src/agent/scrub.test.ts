// Everything that lies on a volume read back, on a volume that is a folder.
import {
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  aPod,
  attempt,
  aWorld,
  podUID,
  tool,
  type AttemptOptions,
  type World,
} from '../../test/support/agent.ts';
import { toolC } from '../../test/support/stand-ins.ts';
import { listing } from '../../test/support/temporary.ts';
import { failingFiles } from '../../test/support/volume.ts';
import { parseUpkeep, type UpkeepReport } from '../run/upkeep.ts';
import { readPoints } from '../volume/catalogue.ts';
import { realFiles } from '../volume/files.ts';
import { placeOf } from '../volume/layout.ts';
import type { Manifest } from '../volume/manifest.ts';
import { markOf, newMark, readMarks, writeMarks } from '../volume/marks.ts';
import { runScrub } from './scrub.ts';

const hourOf = (n: number): Date => new Date(Date.UTC(2026, 0, 1, n));
const scrubbed = { run: 'orders-scrub', createdTime: '2026-01-02T00:00:00.000Z', pod: 90 };

/** Three points: of a server of 3.4, or artifacts of 5. */
const kinds = {
  store: async (world: World): Promise<void> => {
    for (const n of [1, 2, 3]) await attempt(world, runOf(n), tool({ lastTransactionId: BigInt(n * 10) }));
  },
  artifacts: async (world: World): Promise<void> => {
    for (const n of [1, 2, 3])
      await attempt(
        world,
        { ...runOf(n), ...five },
        toolC({ neo4j: { lastTransactionId: BigInt(n * 10) } }, () => hourOf(n)),
      );
  },
} as const;
const five: AttemptOptions = { neo4jVersion: '5.26.28', databases: ['neo4j'] };

function runOf(n: number): AttemptOptions {
  return { run: `orders-${n}`, createdTime: hourOf(n).toISOString(), pod: n };
}

interface Filled {
  readonly world: World;
  readonly points: readonly Manifest[];
}

async function filled(kind: keyof typeof kinds): Promise<Filled> {
  const world = await aWorld();
  await kinds[kind](world);
  const points = await pointsIn(world);
  expect(points).toHaveLength(3);
  return { world, points };
}

async function pointsIn({ root }: World): Promise<readonly Manifest[]> {
  const read = await readPoints(root, ({ manifest }) => manifest);
  if (read.kind !== 'ours') throw new Error(read.kind);
  return read.places
    .flatMap((one) => (one.kind === 'good' ? [one.kept] : []))
    .toSorted((a, b) => a.sequence - b.sequence);
}

interface Scrubbed {
  readonly code: number;
  readonly report: UpkeepReport;
}

async function scrub(world: World, over: AttemptOptions = {}): Promise<Scrubbed> {
  const pod = aPod(world, { ...scrubbed, ...over });
  const code = await runScrub(pod.context, pod.terminationLog);
  const report = parseUpkeep(readFileSync(pod.terminationLog, 'utf8'), pod.context.request.run);
  if (report === undefined) throw new Error('no report');
  return { code, report };
}

function fileOf({ root }: World, point: Manifest, name?: string): string {
  return join(root, placeOf(point).data, name ?? point.files[0]?.path ?? '');
}

/** One bit, in the middle. */
function flip(path: string): void {
  const bytes = readFileSync(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

/** Everything but the marks: a scrub writes nothing else. */
function unmarked({ root }: World): Readonly<Record<string, string>> {
  const { 'verification.json': _, '.staging': __, ...rest } = listing(root);
  return rest;
}

const sizeOf = (points: readonly Manifest[]): number =>
  points.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);

describe.each(['store', 'artifacts'] as const)('scrub of %s', (kind) => {
  test('reads every byte back, changes nothing, and remembers that it did', async () => {
    const { world, points } = await filled(kind);
    const before = unmarked(world);
    const { code, report } = await scrub(world);
    expect([code, report]).toMatchObject([
      0,
      {
        task: 'scrub',
        id: 'orders-scrub',
        reason: 'Verified',
        verification: { result: 'Succeeded', reason: 'Verified', points: 3, readBytes: sizeOf(points) },
      },
    ]);
    expect(unmarked(world)).toEqual(before);
    const marks = await readMarks(world.root);
    for (const point of points) expect(markOf(marks, point)).toMatchObject({ time: scrubbed.createdTime });
  });

  interface Case {
    readonly name: string;
    readonly damage: (file: string) => void;
  }
  const cases: readonly Case[] = [
    { name: 'a flipped bit', damage: flip },
    { name: 'its end missing', damage: (file) => truncateSync(file, 3) },
    { name: 'nothing in it', damage: (file) => truncateSync(file, 0) },
    { name: 'something added', damage: (file) => writeFileSync(file, 'x', { flag: 'a' }) },
    { name: 'no file at all', damage: (file) => rmSync(file) },
    {
      name: 'a link to itself as it was',
      damage: (file) => {
        renameSync(file, `${file}.moved`);
        symlinkSync(`${file}.moved`, file);
      },
    },
  ];
  test.each(cases)(
    'names the file that has $name, and the points that this takes away',
    async ({ damage }) => {
      const { world, points } = await filled(kind);
      const [first, second, third] = points as readonly [Manifest, Manifest, Manifest];
      const name = kind === 'store' ? 'neostore.nodestore.db' : (second.files[0]?.path ?? '');
      damage(fileOf(world, second, name));
      const { code, report } = await scrub(world);
      expect([code, report.reason, report.verification?.result]).toEqual([0, 'ArtifactCorrupt', 'Failed']);
      const lost = kind === 'store' ? [second] : [second, third];
      expect(report.verification?.damaged).toEqual(
        lost.map(({ point, database }) => ({ point, database, file: name })),
      );
      expect(report.message).toContain(`${name} of ${second.point}`);
      expect(report.message).toContain(
        kind === 'store' ? 'takes away 1 restore point:' : 'takes away 2 restore points:',
      );
      // What it found counts from now on: the damaged one alone, as the others are what they were.
      expect((await pointsIn(world)).map(({ point }) => point)).toEqual([first.point, third.point]);
    },
  );

  test('finds a manifest that cannot be read', async () => {
    const { world, points } = await filled(kind);
    const [, second, third] = points as readonly [Manifest, Manifest, Manifest];
    flip(join(world.root, placeOf(second).manifest));
    const { report } = await scrub(world);
    expect(report.reason).toBe('ArtifactCorrupt');
    expect(report.verification?.damaged?.map(({ point }) => point)).toEqual(
      kind === 'store' ? [second.point] : [second.point, third.point],
    );
    expect(report.verification?.damaged?.[0]?.file).toBe(placeOf(second).manifest);
  });

  test('goes on where one of its Pods was killed, without reading anything twice', async () => {
    const { world, points } = await filled(kind);
    const [first, second, third] = points as readonly [Manifest, Manifest, Manifest];
    const time = scrubbed.createdTime;
    await writeMarks(
      realFiles,
      world.root,
      new Map([newMark(first, { time }), newMark(third, { time, damaged: 'x' })]),
    );
    const { report } = await scrub(world, { pod: 91 });
    expect(report.verification).toMatchObject({ points: 3, readBytes: second.sizeBytes });
    expect(report.verification?.damaged).toMatchObject([{ point: third.point, file: 'x' }]);
  });

  test('reads again what another scrub has read, whatever the clock said then', async () => {
    const { world, points } = await filled(kind);
    const marks = points.map((point, i) => newMark(point, { time: `20${20 + 10 * i}-01-01T00:00:00.000Z` }));
    await writeMarks(realFiles, world.root, new Map(marks));
    const { report } = await scrub(world);
    expect(report.verification?.readBytes).toBe(sizeOf(points));
  });

  test('takes back that a point was damaged when it can be read again', async () => {
    const { world, points } = await filled(kind);
    const [, second] = points as readonly [Manifest, Manifest, Manifest];
    const marks = new Map([newMark(second, { time: '2025-01-01T00:00:00.000Z', damaged: 'neostore' })]);
    await writeMarks(realFiles, world.root, marks);
    expect((await scrub(world)).report.reason).toBe('Verified');
    expect(await pointsIn(world)).toHaveLength(3);
  });
});

describe('scrub', () => {
  test('keeps what it found every half a minute, those first that were read longest ago', async () => {
    const { world, points } = await filled('store');
    const [first, second, third] = points as readonly [Manifest, Manifest, Manifest];
    await writeMarks(realFiles, world.root, new Map([newMark(first, { time: '2026-01-01T12:00:00.000Z' })]));
    // Each look at the clock is 20 s after the last; the process dies when it keeps something for the second time.
    let looks = 0;
    let kept = 0;
    const files = failingFiles(
      'EIO',
      ({ verb, paths }) =>
        verb === 'rename' && paths[1]?.endsWith('verification.json') === true && (kept += 1) > 1,
    );
    const pod = aPod(world, { ...scrubbed, files });
    const context = { ...pod.context, now: () => new Date(Date.UTC(2026, 0, 2) + 20_000 * (looks += 1)) };
    expect(await runScrub(context, pod.terminationLog)).toBe(10);
    const marks = await readMarks(world.root);
    const isDone = (point: Manifest): boolean => markOf(marks, point)?.time === scrubbed.createdTime;
    expect([isDone(second), isDone(first)]).toEqual([true, false]);
    expect((await scrub(world)).report.verification?.readBytes).toBeLessThan(sizeOf([first, second, third]));
  });

  test('is content with a destination that holds nothing yet', async () => {
    expect((await scrub(await aWorld())).report).toMatchObject({
      reason: 'Verified',
      verification: { points: 0, readBytes: 0 },
    });
  });

  test('leaves alone what is not ours', async () => {
    const { world } = await filled('store');
    writeFileSync(join(world.root, 'thesis.doc'), '');
    const before = listing(world.root);
    const { code, report } = await scrub(world);
    expect([code, report.reason, report.verification?.result]).toEqual([
      0,
      'DestinationNotABackup',
      'Failed',
    ]);
    expect(listing(world.root)).toEqual(before);
  });

  test('finds a bit of an artifact that nothing but its hash vouches for', async () => {
    const { world, points } = await filled('artifacts');
    const file = fileOf(world, points[2]!);
    const bytes = readFileSync(file);
    // The time at which it was taken, in an artifact that is not compressed.
    const at = bytes.indexOf('neo4j') + 'neo4j'.length + 7;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    expect((await scrub(world)).report.verification?.damaged).toMatchObject([{ point: points[2]?.point }]);
  });

  test('counts a point as no loss that retention takes away while it is read', async () => {
    const { world, points } = await filled('store');
    const [first] = points as readonly [Manifest];
    // In the middle of things: the folder goes after the manifests were read.
    const folder = join(world.root, placeOf(first).data, '..');
    const pod = aPod(world, scrubbed);
    const say = (_: unknown, message: string): void => {
      if (message === 'never') throw new Error(message);
    };
    let looks = 0;
    const now = (): Date => {
      if ((looks += 1) === 2) rmSync(folder, { recursive: true, force: true });
      return new Date(Date.UTC(2026, 0, 2));
    };
    expect(await runScrub({ ...pod.context, say, now }, pod.terminationLog)).toBe(0);
    const report = parseUpkeep(readFileSync(pod.terminationLog, 'utf8'), 'orders-scrub');
    expect(report?.reason).toBe('Verified');
  });

  test('says so when the volume does not let it keep what it found, and another Pod may try', async () => {
    const { world } = await filled('store');
    const files = failingFiles('ENOSPC', ({ verb }) => verb === 'writeNew');
    const { code, report } = await scrub(world, { files });
    expect([code, report.reason, report.verification?.result]).toEqual([10, 'NoSpaceLeft', 'Failed']);
  });

  test.each(['ENOSPC', 'EROFS'])(
    'tells of what is damaged also where a volume (%s) takes no marks',
    async (code) => {
      const { world, points } = await filled('store');
      const [first] = points as readonly [Manifest];
      flip(fileOf(world, first, 'neostore.nodestore.db'));
      const files = failingFiles(code, () => true);
      const { code: exitCode, report } = await scrub(world, { files });
      expect([exitCode, report.reason]).toEqual([10, 'ArtifactCorrupt']);
      expect(report.verification?.damaged).toMatchObject([{ point: first.point }]);
    },
  );

  test('tells within what a kubelet keeps, and marks, what has the longest of names', async () => {
    const { world, points } = await filled('store');
    const [first] = points as readonly [Manifest];
    const folder = join(placeOf(first).data, ...Array<string>(13).fill('骨'.repeat(80)));
    mkdirSync(join(world.root, folder), { recursive: true });
    writeFileSync(join(world.root, folder, 'more'), '');
    const pod = aPod(world, scrubbed);
    expect(await runScrub(pod.context, pod.terminationLog)).toBe(0);
    const text = readFileSync(pod.terminationLog, 'utf8');
    expect(Buffer.byteLength(text)).toBeLessThan(4096);
    expect(parseUpkeep(text, 'orders-scrub')).toMatchObject({ reason: 'ArtifactCorrupt' });
    expect((await pointsIn(world)).map(({ point }) => point)).not.toContain(first.point);
  });

  test('tells of as many damaged points as there is room for, the newest ones, and of how many there are', async () => {
    const { world } = await filled('artifacts');
    for (let n = 4; n <= 30; n += 1)
      await attempt(
        world,
        { ...runOf(n), ...five, pod: n },
        toolC({ neo4j: { lastTransactionId: BigInt(n * 10) } }, () => hourOf(n)),
      );
    const points = await pointsIn(world);
    flip(fileOf(world, points[0]!));
    const { report } = await scrub(world, { terminalPods: [podUID(1)] });
    expect(report.verification?.damaged?.map(({ point }) => point)).toEqual(
      points.slice(-16).map(({ point }) => point),
    );
    expect(report.message).toContain('takes away 30 restore points');
  });
});
