// Whole attempts on servers with several databases: generations B3 and C, with stand-ins for their tools.
import { existsSync, readdirSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  attempt,
  aPod,
  aWorld,
  container,
  podUID,
  runTool,
  type AttemptOptions,
  type Attempted,
  type Tool,
  type World,
} from '../../test/support/agent.ts';
import { toolB3, toolC, type Served } from '../../test/support/stand-ins.ts';
import { listing } from '../../test/support/temporary.ts';
import { dyingFiles, readManifests } from '../../test/support/volume.ts';
import { realFiles } from '../volume/files.ts';
import { placeOf } from '../volume/layout.ts';
import type { Manifest } from '../volume/manifest.ts';

const hourOf = (n: number): Date => new Date(Date.UTC(2026, 0, 1, n));

/** Run n of the resource, an hour later each time. */
function run(n: number, over: AttemptOptions = {}): AttemptOptions {
  return { run: `orders-${n}`, createdTime: hourOf(n).toISOString(), pod: n, ...over };
}

async function pointsOf({ root }: World): Promise<readonly Manifest[]> {
  const destination = await readManifests(root);
  return destination.kind === 'ours' ? destination.points : [];
}

function published({ root }: World): Readonly<Record<string, string>> {
  const there = ['points', 'chains'].map((name) => join(root, name)).filter((folder) => existsSync(folder));
  return Object.assign({}, ...there.map(listing)) as Readonly<Record<string, string>>;
}

const two: Served = { neo4j: { lastTransactionId: 20n }, system: { lastTransactionId: 7n } };
const later: Served = { neo4j: { lastTransactionId: 29n }, system: { lastTransactionId: 9n } };
const boom = { exitCode: 1, output: 'java.net.ConnectException: Connection refused\n' };

interface Generation {
  readonly name: string;
  readonly neo4jVersion: string;
  readonly toolOf: (served: Served, n: number) => Tool;
}

const generations: readonly Generation[] = [
  { name: 'B3 (4.4)', neo4jVersion: '4.4.48', toolOf: toolB3 },
  { name: 'C (5.26)', neo4jVersion: '5.26.28', toolOf: (served, n) => toolC(served, () => hourOf(n)) },
  { name: 'C (2026)', neo4jVersion: '2026.06.0', toolOf: (served, n) => toolC(served, () => hourOf(n)) },
];

describe.each(generations)('$name', ({ neo4jVersion, toolOf }) => {
  const both: AttemptOptions = { neo4jVersion, databases: ['neo4j', 'system'] };
  const back = (world: World, n: number, served: Served, over: AttemptOptions = {}): Promise<Attempted> =>
    attempt(world, run(n, { ...both, ...over }), toolOf(served, n));

  test('takes a full backup of each database, then an increment of each', async () => {
    const world = await aWorld();
    const full = await back(world, 1, two);
    expect([full.code, full.report]).toMatchObject([
      0,
      { reason: 'FullBackupTaken', type: 'Full', path: 'orders', databasesSucceeded: 2, databasesFailed: 0 },
    ]);
    const before = published(world);
    const { code, report } = await back(world, 2, later);
    expect([code, report]).toMatchObject([0, { reason: 'IncrementalBackupTaken', type: 'Incremental' }]);
    expect(report?.databases).toMatchObject([
      { name: 'neo4j', type: 'Incremental', firstTransactionID: '21', lastTransactionID: '29' },
      { name: 'system', type: 'Incremental', firstTransactionID: '8', lastTransactionID: '9' },
    ]);
    expect(published(world)).toMatchObject(before);
    const points = await pointsOf(world);
    expect(points.map(({ database, sequence }) => [database, sequence])).toEqual([
      ['neo4j', 1],
      ['system', 2],
      ['neo4j', 3],
      ['system', 4],
    ]);
    expect(points[2]).toMatchObject({ chain: points[0]?.chain, parent: points[0]?.point });
    expect(points[0]?.chain).not.toBe(points[1]?.chain);
  });

  test('takes the database neo4j where none is named, and tells of it like of any', async () => {
    const world = await aWorld();
    const { report } = await back(world, 1, two, { databases: [] });
    expect(report).toMatchObject({
      reason: 'FullBackupTaken',
      lastTransactionID: '20',
      databasesSucceeded: 1,
    });
    expect(report?.databases).toMatchObject([{ name: 'neo4j', path: report?.path }]);
  });

  test('takes an increment that brings nothing new', async () => {
    const world = await aWorld();
    await back(world, 1, two);
    const { code, report } = await back(world, 2, two);
    expect([code, report?.reason]).toEqual([0, 'IncrementalBackupTaken']);
    for (const database of report?.databases ?? []) expect(database).not.toHaveProperty('firstTransactionID');
    expect(report?.databases).toMatchObject([{ lastTransactionID: '20' }, { lastTransactionID: '7' }]);
    expect((await back(world, 3, later)).report).toMatchObject({ reason: 'IncrementalBackupTaken' });
  });

  test('keeps what was taken when another database fails, and says which and why', async () => {
    const world = await aWorld();
    const failing: Served = { ...two, neo4j: { lastTransactionId: 20n, fails: boom } };
    const { code, report } = await back(world, 1, failing);
    expect([code, report]).toMatchObject([
      10, // what failed can heal: another attempt may complete it
      { reason: 'PartiallySucceeded', type: 'Full', databasesSucceeded: 1, databasesFailed: 1 },
    ]);
    expect(report?.databases).toMatchObject([
      { name: 'neo4j', reason: 'PortUnreachable', message: expect.stringContaining('Connection refused') },
      { name: 'system', reason: 'FullBackupTaken' },
    ]);
    expect(report?.message).toContain('neo4j: PortUnreachable');

    const again = await attempt(world, run(1, { ...both, pod: 11 }), toolOf(two, 1));
    expect(again.plan?.targets.map(({ database }) => database)).toEqual(['neo4j']);
    expect([again.code, again.report]).toMatchObject([
      0,
      { reason: 'FullBackupTaken', databasesSucceeded: 2 },
    ]);
  });

  test('says that none was taken, and why, when all fail', async () => {
    const world = await aWorld();
    const failing: Served = {
      neo4j: { lastTransactionId: 20n, fails: boom },
      system: { lastTransactionId: 7n, fails: boom },
    };
    const { code, report } = await back(world, 1, failing);
    expect([code, report?.reason, report?.databasesFailed]).toEqual([10, 'PortUnreachable', 2]);
    expect(report).not.toHaveProperty('path');
    expect(await pointsOf(world)).toEqual([]);
  });

  test('still tells of what one attempt published when the next finds the server away', async () => {
    const world = await aWorld();
    const failing: Served = { ...two, neo4j: { lastTransactionId: 20n, fails: boom } };
    await back(world, 1, failing);
    const source = { host: 'no-such-host.invalid', port: 6362 };
    const { report } = await attempt(world, run(1, { ...both, pod: 11, source }), toolOf(two, 1));
    expect(report).toMatchObject({ reason: 'PartiallySucceeded', databasesSucceeded: 1, databasesFailed: 1 });
    expect(report?.databases?.[0]).toMatchObject({ name: 'neo4j', reason: 'HostNotFound' });
  });

  test('takes all databases, the new ones in full', async () => {
    const world = await aWorld();
    const all = { databases: [], allDatabases: true };
    expect((await back(world, 1, two, all)).report).toMatchObject({
      reason: 'FullBackupTaken',
      databasesSucceeded: 2,
    });
    const before = published(world);
    const more: Served = {
      ...later,
      orders: { id: '0d1820c3-3ac6-4b15-a0b3-bf7e7becc8d0', lastTransactionId: 3n },
    };
    const { code, report } = await back(world, 2, more, all);
    expect([code, report?.databasesSucceeded, report?.databasesFailed]).toEqual([0, 3, 0]);
    expect(report?.databases?.find(({ name }) => name === 'orders')).toMatchObject({
      type: 'Full',
      fullBecause: 'DestinationBlank',
    });
    expect(published(world)).toMatchObject(before);
  });

  test('calls it no success when there is no database at all', async () => {
    const world = await aWorld();
    const { code, report } = await back(world, 1, {}, { databases: [], allDatabases: true });
    expect([code, report?.reason]).toEqual([20, 'ArtifactMissing']);
  });

  test('refuses a database that came anew under the name of another, and changes nothing', async () => {
    const world = await aWorld();
    await back(world, 1, two);
    const before = published(world);
    const anew: Served = {
      ...two,
      neo4j: {
        id: '0e1820c3-3ac6-4b15-a0b3-bf7e7becc8d0',
        creationTime: 99n,
        lastTransactionId: 30n,
        oldestLogged: 25n,
      },
    };
    for (const over of [{}, { requestedType: 'Full' }, { onIncrementalFailure: 'NewChain' }] as const) {
      const { report } = await back(world, 2, anew, { ...over, databases: ['neo4j'] });
      expect([over, report?.reason]).toEqual([over, 'StoreMismatch']);
      expect(published(world)).toEqual(before);
    }
  });

  test(
    'ends well, wherever an attempt died, with one point of each database',
    { timeout: 60_000 },
    async () => {
      for (let k = 3; k < 400; k += 37) {
        const world = await aWorld();
        await back(world, 1, two);
        const before = published(world);
        const pod = aPod(world, run(2, { ...both, files: dyingFiles(k) }));
        if ((await container('prepare', pod)).code === 0) {
          await runTool(pod, toolOf(later, 2));
          await container('report', pod);
        }
        const again = await attempt(
          world,
          run(2, { ...both, pod: 22, terminalPods: [podUID(2)] }),
          toolOf(later, 3),
        );
        expect([again.code, again.report?.reason, again.report?.databasesSucceeded], `died at ${k}`).toEqual([
          0,
          'IncrementalBackupTaken',
          2,
        ]);
        expect((await pointsOf(world)).map(({ run: id }) => id)).toEqual([
          'orders-1',
          'orders-1',
          'orders-2',
          'orders-2',
        ]);
        expect(published(world)).toMatchObject(before);
        // What the dead one had placed beside the chain without committing it is gone.
        const named = new Set((await pointsOf(world)).flatMap(({ files }) => files.map(({ path }) => path)));
        const artifacts = Object.keys(published(world)).filter((path) => path.endsWith('.backup'));
        expect(artifacts.filter((path) => !named.has(path.split('/').at(-1) ?? ''))).toEqual([]);
      }
    },
  );
});

describe('artifacts', () => {
  const version = '5.26.28';
  const one: AttemptOptions = { neo4jVersion: version, databases: ['neo4j'] };
  const back = (world: World, n: number, served: Served, over: AttemptOptions = {}): Promise<Attempted> =>
    attempt(
      world,
      run(n, { ...one, ...over }),
      toolC(served, () => hourOf(n)),
    );

  test('lie in one folder per chain, under the names that the tool gave', async () => {
    const world = await aWorld();
    await back(world, 1, two);
    const { report } = await back(world, 2, later);
    expect(report?.path).toMatch(/^orders\/chains\/neo4j\/[^/]+\/neo4j-2026-01-01T02-00-00\.backup$/);
    const [chain = ''] = readdirSync(join(world.root, 'chains/neo4j'));
    expect(readdirSync(join(world.root, 'chains/neo4j', chain)).toSorted()).toEqual([
      '.manifests',
      'neo4j-2026-01-01T01-00-00.backup',
      'neo4j-2026-01-01T02-00-00.backup',
    ]);
  });

  test('are told for full ones, in a new chain, where the tool fell back for pruned logs', async () => {
    const world = await aWorld();
    await back(world, 1, two);
    const { report } = await back(world, 2, { neo4j: { lastTransactionId: 90n, oldestLogged: 50n } });
    expect(report).toMatchObject({
      reason: 'FullBackupTaken',
      fullBecause: 'LogsPruned',
      lastTransactionID: '90',
    });
    const [first, second] = await pointsOf(world);
    expect(second?.chain).not.toBe(first?.chain);
  });

  test('are believed, and not the exit code: 0 without one is no success, 1 with a good one is', async () => {
    const world = await aWorld();
    const absent = await back(world, 1, two, { databases: ['orders'] });
    expect([absent.code, absent.report?.reason]).toEqual([20, 'ArtifactMissing']);
    const work = toolC(two, () => hourOf(2));
    const { code, report } = await attempt(world, run(2, one), async (call) => {
      const result = await work(call);
      return result === undefined || call.step !== '1' ? result : { ...result, exitCode: 1 };
    });
    expect([code, report?.reason]).toEqual([0, 'FullBackupTaken']);
  });

  test('are not published where the tool lists something else than they say', async () => {
    const world = await aWorld();
    const work = toolC(two, () => hourOf(1));
    const { report } = await attempt(world, run(1, one), async (call) => {
      const result = await work(call);
      const output = result?.output?.replace('| 20 |', '| 21 |');
      return result === undefined || output === undefined ? result : { ...result, output };
    });
    expect(report).toMatchObject({
      reason: 'ArtifactMissing',
      message: expect.stringContaining('something else'),
    });
  });

  test('that leave a gap to the newest one break the chain, and are not published', async () => {
    const world = await aWorld();
    await back(world, 1, two);
    const before = published(world);
    // The parent in the staged folder is replaced: the tool goes on from a transaction that we never published.
    const { code, report } = await attempt(world, run(2, one), async (call) => {
      const folder = call.argv.find((argument) => argument.startsWith('--to-path='))?.slice(10) ?? '';
      if (call.argv.includes('--type=DIFF')) {
        await toolC({ neo4j: { lastTransactionId: 25n } }, () => hourOf(2))(call);
        const result = await toolC(later, () => hourOf(3))(call);
        await rm(join(folder, 'neo4j-2026-01-01T02-00-00.backup'));
        return result;
      }
      return toolC(later, () => hourOf(2))(call);
    });
    expect([code, report?.reason]).toEqual([20, 'ChainBroken']);
    expect(published(world)).toEqual(before);
  });

  test.each([
    { says: 'consistent', check: { exitCode: 0, output: '' }, reason: 'FullBackupTaken', told: 'Consistent' },
    {
      says: 'inconsistent',
      check: { exitCode: 1, output: "Inconsistencies found. See '/x/inconsistencies.report' for details.\n" },
      reason: 'Inconsistent',
      told: 'Inconsistent',
    },
    {
      says: 'not checked to the end',
      check: { exitCode: 70, output: 'Consistency checking failed. \n' },
      reason: 'ConsistencyCheckFailed',
      told: undefined,
    },
  ])('are $says by the check that follows a full one', async ({ check, reason, told }) => {
    const world = await aWorld();
    const { report } = await back(world, 1, { neo4j: { lastTransactionId: 20n, check } });
    expect([report?.reason, report?.consistencyCheck]).toEqual([reason, told]);
    expect(await pointsOf(world)).toHaveLength(told === undefined ? 0 : 1);
  });

  test('are no backup where the volume has no links, and what it copied is something else', async () => {
    const world = await aWorld();
    const link = async (from: string, to: string): Promise<void> => {
      const bytes = await readFile(from);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      await writeFile(to, bytes);
    };
    const { code, report } = await back(world, 1, two, { files: { ...realFiles, link } });
    expect([code, report?.path]).toEqual([20, undefined]);
    expect(await pointsOf(world)).toEqual([]);
    expect((await back(world, 2, two, { terminalPods: [podUID(1)] })).report?.reason).toBe('FullBackupTaken');
  });

  test('start a chain of their own where the newest backup is of an older generation, when that is wished', async () => {
    const world = await aWorld();
    await attempt(world, run(1, { ...one, neo4jVersion: '4.4.48' }), toolB3(two));
    const before = published(world);
    const refused = await back(world, 2, later);
    expect([refused.code, refused.report?.reason, refused.calls]).toEqual([20, 'OlderVersion', []]);
    expect(refused.report?.message).toContain('4.4.48');
    expect(published(world)).toEqual(before);
  });

  test('that are gone from the chain are not gone on from', async () => {
    const world = await aWorld();
    const { report: full } = await back(world, 1, two);
    await rm(join(world.volume, full?.path ?? ''));
    const { report } = await back(world, 2, later);
    expect(report).toMatchObject({ reason: 'FullBackupTaken', fullBecause: 'ArtifactCorrupt' });
    await writeFile(join(world.volume, report?.path ?? ''), 'rotten');
    expect((await back(world, 3, later)).report).toMatchObject({ fullBecause: 'ArtifactCorrupt' });
  });

  const manifestPath = ({ root }: World, point: Manifest): string => join(root, placeOf(point).manifest);

  test('are gone on from only as long as every link is there; else a full one starts a new chain', async () => {
    const world = await aWorld();
    for (const n of [1, 2, 3]) await back(world, n, { neo4j: { lastTransactionId: BigInt(n * 10) } });
    const [, second] = await pointsOf(world);
    if (second === undefined) throw new Error('no second point');
    await rm(manifestPath(world, second));
    const before = published(world);
    const { report, plan } = await back(world, 4, later);
    expect(report).toMatchObject({ reason: 'FullBackupTaken', fullBecause: 'ChainBroken' });
    expect(plan?.targets.map(({ tries }) => tries.map(({ type }) => type))).toEqual([['Full']]);
    expect(published(world)).toMatchObject(before);
    expect((await pointsOf(world)).at(-1)?.chain).not.toBe(second.chain);
    expect((await back(world, 5, later)).report?.reason).toBe('IncrementalBackupTaken');
  });

  test('are not gone on from below a damaged one: its place is taken', async () => {
    const world = await aWorld();
    await back(world, 1, two);
    await back(world, 2, later);
    const second = (await pointsOf(world)).at(-1);
    if (second === undefined) throw new Error('no second point');
    await writeFile(manifestPath(world, second), 'rotten');
    const { report } = await back(world, 3, later);
    expect(report).toMatchObject({ reason: 'FullBackupTaken', fullBecause: 'ArtifactCorrupt' });
  });

  test('of one database start a new chain, and those of the others go on, where all are taken', async () => {
    const world = await aWorld();
    const all: AttemptOptions = { databases: [], allDatabases: true };
    for (const n of [1, 2, 3])
      await back(
        world,
        n,
        { neo4j: { lastTransactionId: BigInt(n * 10) }, system: { lastTransactionId: BigInt(n) } },
        all,
      );
    const [, , second] = await pointsOf(world);
    if (second?.database !== 'neo4j') throw new Error('no second point of neo4j');
    await rm(manifestPath(world, second));
    const { report } = await back(
      world,
      4,
      { neo4j: { lastTransactionId: 40n }, system: { lastTransactionId: 4n } },
      all,
    );
    expect(report?.databases).toMatchObject([
      { name: 'neo4j', reason: 'FullBackupTaken', fullBecause: 'ChainBroken' },
      { name: 'system', reason: 'IncrementalBackupTaken' },
    ]);
  });

  test('tell of the store in their database, and one of another store does not go on from them', async () => {
    const world = await aWorld();
    await back(world, 1, two);
    expect(await pointsOf(world)).toMatchObject([{ artifact: { storeID: '1-2', recovered: false } }]);
    const before = published(world);
    const replaced: Served = { neo4j: { lastTransactionId: 29n, creationTime: 9n } };
    const { code, report } = await back(world, 2, replaced);
    expect([code, report?.reason]).toEqual([20, 'ChainBroken']);
    expect(report?.message).toContain('store 9-2');
    expect(published(world)).toEqual(before);
    // The database is the same: a full backup of what is in it now is what helps.
    const full = await back(world, 3, replaced, { requestedType: 'Full' });
    expect(full.report?.reason).toBe('FullBackupTaken');
  });
});
