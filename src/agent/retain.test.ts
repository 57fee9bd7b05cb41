// Retention in the Jobs, on a volume that is a folder.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  aPod,
  attempt,
  aWorld,
  container,
  failingTool,
  tool,
  type AttemptOptions,
  type World,
} from '../../test/support/agent.ts';
import { listing } from '../../test/support/temporary.ts';
import { aManifest, aPointName, failingFiles, makePoint, readManifests } from '../../test/support/volume.ts';
import type { RetentionPolicy } from '../api/neo4jbackup.ts';
import { parseUpkeep, type UpkeepReport } from '../run/upkeep.ts';
import { writeCatalogue } from '../volume/catalogue-file.ts';
import { realFiles, type Files } from '../volume/files.ts';
import type { Space } from '../volume/space.ts';
import { runPrune } from './prune.ts';

const keepLast: RetentionPolicy = { keepLast: 1, mode: 'Enforce' };
const plan: RetentionPolicy = { ...keepLast, mode: 'Plan' };
const outOfHeap = 'java.lang.OutOfMemoryError: Java heap space\n';

/** A volume with so many full backups of one store. */
async function withPoints(count: number): Promise<World> {
  const world = await aWorld();
  for (let sequence = 1; sequence <= count; sequence += 1)
    await makePoint(world.root, {
      sequence,
      completionTime: new Date(Date.UTC(2025, 11, sequence)).toISOString(),
    });
  return world;
}

async function sequences({ root }: World): Promise<readonly number[]> {
  const destination = await readManifests(root);
  return destination.kind === 'ours' ? destination.points.map(({ sequence }) => sequence) : [];
}

/** The n-th run of the resource, as the operator asks for it. */
function run(n: number, over: AttemptOptions = {}): AttemptOptions {
  return {
    run: `orders-${n}`,
    createdTime: new Date(Date.UTC(2026, 0, 1, n)).toISOString(),
    pod: n,
    retention: keepLast,
    ...over,
  };
}

describe('after a run', () => {
  test('what the policy condemns is gone, and the report tells of both', async () => {
    const world = await withPoints(2);
    const { code, report } = await attempt(world, run(3), tool({ lastTransactionId: 29n }));
    expect(code).toBe(0);
    expect(report).toMatchObject({
      reason: 'IncrementalBackupTaken',
      retention: { mode: 'Enforce', kept: 2, condemned: 0, removed: 1 },
      volume: { points: 2, policyBytes: expect.any(Number), freeBytes: expect.any(Number) },
    });
    expect(report?.retention?.points).toEqual([
      { point: aPointName(1), verdict: 'Removed', because: 'no rule keeps it' },
      { point: expect.any(String), verdict: 'Kept', because: 'the newest good one, keepLast' },
      { point: aPointName(2), verdict: 'Kept', because: 'the one before it' },
    ]);
    expect(await sequences(world)).toEqual([2, 3]);
  });

  test('in mode Plan it is only told of', async () => {
    const world = await withPoints(2);
    const { report } = await attempt(world, run(3, { retention: plan }), tool({ lastTransactionId: 29n }));
    expect(report?.retention).toMatchObject({
      mode: 'Plan',
      kept: 2,
      condemned: 1,
      removed: 0,
      condemnedBytes: expect.any(Number),
      points: [{ point: aPointName(1), verdict: 'Condemned' }, {}, {}],
    });
    expect(await sequences(world)).toEqual([1, 2, 3]);
  });

  test('what is damaged is told of: it stays', async () => {
    const world = await withPoints(3);
    writeFileSync(join(world.root, 'points', aPointName(2), aPointName(2), 'manifest.json'), '{}');
    const { report } = await attempt(world, run(4), tool({ lastTransactionId: 29n }));
    expect(report?.retention).toMatchObject({ removed: 1, kept: 2 });
    expect(report?.retention?.points?.map(({ point, because }) => [point, because]).slice(0, 2)).toEqual([
      [aPointName(1), 'no rule keeps it'],
      [aPointName(2), 'damaged: never removed by itself'],
    ]);
    expect(existsSync(join(world.root, 'points', aPointName(2)))).toBe(true);
  });

  test('what the run found damaged counts for nothing: the good one before it stays', async () => {
    const world = await withPoints(2);
    const data = join(world.root, 'points', aPointName(2), aPointName(2), 'data');
    writeFileSync(join(data, 'neostore.nodestore.db'), 'rotten');
    const { report } = await attempt(world, run(3), tool({ lastTransactionId: 29n }));
    expect(report).toMatchObject({ fullBecause: 'ArtifactCorrupt', retention: { removed: 0, kept: 2 } });
    const after = await readManifests(world.root);
    expect(after).toMatchObject({
      kind: 'ours',
      points: [{ point: aPointName(1) }, { type: 'Full' }],
      damaged: [`points/${aPointName(2)}/${aPointName(2)}`],
    });
  });

  test('without a policy everything stays, and nothing is told of retention', async () => {
    const world = await withPoints(2);
    const { report } = await attempt(
      world,
      run(3, { retention: undefined }),
      tool({ lastTransactionId: 29n }),
    );
    expect(report).not.toHaveProperty('retention');
    expect(report?.volume?.points).toBe(3);
    expect(await sequences(world)).toEqual([1, 2, 3]);
  });

  test('that failed since the server was of no use, retention goes on', async () => {
    const world = await withPoints(3);
    const { report } = await attempt(world, run(4), failingTool(outOfHeap));
    expect(report).toMatchObject({ reason: 'OutOfMemory', retention: { removed: 0, kept: 2 } });
    expect(await sequences(world)).toEqual([2, 3]); // prepare had made room before
  });

  test('that found the destination amiss nothing goes, now or before the next one', async () => {
    const world = await withPoints(2);
    const other = tool({ creationTime: 42n, randomId: 7n });
    const { report } = await attempt(world, run(3), other);
    expect(report).toMatchObject({ reason: 'StoreMismatch', retention: { removed: 0, condemned: 0 } });
    expect(report?.retention).not.toHaveProperty('blockedBecause');
    await makePoint(world.root, { sequence: 3 }); // now there is something to remove
    const next = await attempt(world, run(4), other);
    expect(next.report?.retention).toMatchObject({
      removed: 0,
      condemned: 1,
      blockedBecause: 'StoreMismatch',
    });
    expect(await sequences(world)).toEqual([1, 2, 3]);
  });

  test('a volume that fails under retention makes no backup a failure', async () => {
    const world = await withPoints(2);
    const files = failingFiles(
      'EIO',
      ({ verb, paths }) => verb === 'remove' && paths[0]?.includes('.trash/') === true,
    );
    const { code, report } = await attempt(world, run(3, { files }), tool({ lastTransactionId: 29n }));
    expect([code, report?.reason]).toEqual([0, 'IncrementalBackupTaken']);
    expect(await sequences(world)).toEqual([2, 3]);
    // Nor does it keep the newest backup out of the guide, and the volume out of the report.
    const newest = report?.path?.split('/').at(-1) ?? 'none';
    for (const name of ['catalog.json', 'RESTORE.md'])
      expect(readFileSync(join(world.root, name), 'utf8')).toContain(newest);
    expect(report?.volume?.points).toBe(2);
    await attempt(world, run(4), tool({ lastTransactionId: 30n }));
    expect(Object.keys(listing(join(world.root, '.trash')))).toEqual([]);
  });
});

describe('before a run', () => {
  test('what is condemned goes before anybody looks for room', async () => {
    const world = await withPoints(4);
    // Far too little for certain, which takes the margin and more, until what is condemned is gone.
    const readSpace = async (): Promise<Space> => ({
      type: 0xef53,
      freeBytes: (await sequences(world)).length > 2 ? -1_000_000_000 : 1_000_000_000,
    });
    const full = await attempt(world, run(5, { readSpace, retention: plan }), tool());
    expect(full.report?.reason).toBe('NoSpaceLeft');
    const { code } = await attempt(world, run(5, { readSpace }), tool({ lastTransactionId: 29n }));
    expect(code).toBe(0);
    expect(await sequences(world)).toEqual([4, 5]);
  });

  test('nothing goes in mode Plan, or while the newest run is one that found the destination amiss', async () => {
    const world = await withPoints(3);
    await container('prepare', aPod(world, run(4, { retention: plan })));
    expect(await sequences(world)).toEqual([1, 2, 3]);
    await attempt(world, run(5, { retention: plan }), tool({ creationTime: 42n, randomId: 7n }));
    await container('prepare', aPod(world, run(6)));
    expect(await sequences(world)).toEqual([1, 2, 3]);
  });

  test('the newest run is the one whose record was written last', async () => {
    const world = await withPoints(3);
    await attempt(world, run(4, { retention: plan }), tool({ creationTime: 42n, randomId: 7n }));
    await attempt(world, run(5, { retention: plan }), failingTool(outOfHeap));
    const at = (n: number, seconds: number): void =>
      utimesSync(join(world.root, `runs/orders-${n}.json`), seconds, seconds);
    at(4, 2_000);
    at(5, 1_000);
    await container('prepare', aPod(world, run(6)));
    expect(await sequences(world)).toEqual([1, 2, 3]);
    at(5, 3_000);
    await container('prepare', aPod(world, run(7)));
    expect(await sequences(world)).toEqual([2, 3]);
  });
});

describe('a Job that prunes', () => {
  async function pruned(
    world: World,
    options: AttemptOptions,
  ): Promise<{ code: number; told?: UpkeepReport | undefined }> {
    const { context, terminationLog } = aPod(world, options);
    const code = await runPrune(context, terminationLog);
    return { code, told: parseUpkeep(readFileSync(terminationLog, 'utf8'), context.request.run) };
  }

  test('applies the policy, and says so', async () => {
    const world = await withPoints(3);
    expect(await pruned(world, run(4))).toMatchObject({
      code: 0,
      told: {
        task: 'prune',
        id: 'orders-4',
        reason: 'RetentionApplied',
        message: '1 restore points were removed, 2 stay.',
        retention: { removed: 1, kept: 2 },
        volume: { points: 2 },
      },
    });
    expect(await sequences(world)).toEqual([2, 3]);
  });

  test('in mode Plan shows what would go', async () => {
    const world = await withPoints(3);
    const before = listing(join(world.root, 'points'));
    const { code, told } = await pruned(world, run(4, { retention: plan }));
    expect([code, told?.message]).toEqual([
      0,
      '0 restore points were removed, 2 stay, 1 are condemned and still there (mode Plan).',
    ]);
    expect(told?.retention?.points?.[0]).toMatchObject({ verdict: 'Condemned', point: aPointName(1) });
    expect(listing(join(world.root, 'points'))).toEqual(before);
  });

  test('does not touch a destination that is not ours', async () => {
    const world = await withPoints(3);
    mkdirSync(join(world.root, '.trash', `${aPointName(1)}.${aPointName(1)}`), { recursive: true });
    writeFileSync(join(world.root, 'notes'), '');
    const before = listing(world.root);
    expect(await pruned(world, run(4))).toMatchObject({
      code: 20,
      told: { reason: 'DestinationNotABackup' },
    });
    expect(listing(world.root)).toEqual(before);
  });

  /** As the catalogue does not know it: somebody has put another manifest into the place of one. */
  async function withNewerManifest(): Promise<World> {
    const world = await withPoints(3);
    await writeCatalogue(realFiles, world.root);
    const place = join(world.root, 'points', aPointName(1), aPointName(1), 'manifest.json');
    const manifest = { ...aManifest(), schemaVersion: 7 };
    const sha256 = createHash('sha256').update(JSON.stringify(manifest)).digest('hex');
    writeFileSync(place, JSON.stringify({ manifest, sha256 }));
    return world;
  }

  test('touches nothing of a newer operator, though the catalogue does not know of one', async () => {
    const world = await withNewerManifest();
    mkdirSync(join(world.root, '.trash', `${aPointName(1)}.${aPointName(1)}`), { recursive: true });
    const before = listing(join(world.root, '.trash'));
    expect(await pruned(world, run(4))).toMatchObject({ code: 20, told: { reason: 'LayoutTooNew' } });
    expect(listing(join(world.root, '.trash'))).toEqual(before);
  });

  test('of a run tells nothing of a volume where a newer operator was', async () => {
    const world = await withNewerManifest();
    const { report } = await attempt(world, run(4), tool({ lastTransactionId: 49n }));
    expect(report).not.toHaveProperty('retention');
    expect(report).not.toHaveProperty('volume');
  });

  test('says why it could not', async () => {
    const world = await withPoints(3);
    const files = failingFiles('EROFS', () => true);
    expect(await pruned(world, run(4, { files }))).toMatchObject({
      code: 20,
      told: { reason: 'PermissionDenied', message: expect.stringContaining('EROFS') },
    });
    expect(await sequences(world)).toEqual([1, 2, 3]);
  });

  test('that loses the lock removes nothing, and may be tried again', async () => {
    const world = await withPoints(3);
    const files: Files = {
      ...realFiles,
      async makeFolder(path) {
        await realFiles.makeFolder(path);
        if (path.endsWith('.trash')) rmSync(join(world.root, '.lock'), { recursive: true });
      },
    };
    expect(await pruned(world, run(4, { files }))).toMatchObject({
      code: 10,
      told: { reason: 'DestinationBusy' },
    });
    expect(await sequences(world)).toEqual([1, 2, 3]);
  });

  test('leaves a volume alone that is empty', async () => {
    const world = await aWorld();
    expect(await pruned(world, run(1))).toMatchObject({
      code: 0,
      told: { retention: { kept: 0, removed: 0 } },
    });
    expect(existsSync(join(world.root, 'points'))).toBe(false);
  });

  test('names what it left alone, and why', async () => {
    const world = await withPoints(3);
    const folder = join(world.root, 'points', aPointName(1), aPointName(1));
    writeFileSync(join(folder, 'notes'), '');
    const { told } = await pruned(world, run(4));
    expect(told?.retention).toMatchObject({ removed: 0, condemned: 1, kept: 2 });
    expect(told?.retention?.points?.[0]).toEqual({
      point: aPointName(1),
      verdict: 'Condemned',
      because: `points/${aPointName(1)}/${aPointName(1)}/notes is no part of it`,
    });
    rmSync(join(folder, 'notes'));
    expect((await pruned(world, run(5))).told?.retention).toMatchObject({ removed: 1, condemned: 0 });
  });
});
