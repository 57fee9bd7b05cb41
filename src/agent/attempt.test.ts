// Whole attempts: prepare, a tool, report, on a volume that is a folder.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, readdir, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import {
  aPod,
  aRequest,
  attempt,
  aWorld,
  closedPort,
  container,
  failingTool,
  planOf,
  podUID,
  runTool,
  tool,
  type Pod,
  type Tool,
  type World,
} from '../../test/support/agent.ts';
import { FakeClock, until } from '../../test/support/fake-clock.ts';
import { toolC } from '../../test/support/stand-ins.ts';
import { listing } from '../../test/support/temporary.ts';
import {
  dyingFiles,
  failingFiles,
  filesWith,
  makeStore,
  readManifests,
  type StoreFacts,
} from '../../test/support/volume.ts';
import { exchange, keptOutputBytes } from '../run/exchange.ts';
import { realFiles, type Files } from '../volume/files.ts';
import { folders, placeOf, pointFolder, stagingMark } from '../volume/layout.ts';
import { withLock } from '../volume/lock.ts';
import type { Manifest } from '../volume/manifest.ts';
import { readRecord } from '../volume/records.ts';
import { inspectStore } from '../volume/verify.ts';
import { foldersOf } from './context.ts';

const pruned = 'Caused by: org.neo4j.backup.IncrementalBackupNotPossibleException: It has been too long\n';
const otherStore = { creationTime: 42n, randomId: 7n } as const;

/** Run n of the resource: what the operator asks for an hour later each time. */
function run(n: number): { run: string; createdTime: string; pod: number } {
  return { run: `orders-${n}`, createdTime: new Date(Date.UTC(2026, 0, 1, n)).toISOString(), pod: n };
}

async function pointsOf({ root }: World): Promise<readonly Manifest[]> {
  const destination = await readManifests(root);
  return destination.kind === 'ours' ? destination.points : [];
}

async function stagingOf({ root }: World): Promise<readonly string[]> {
  return existsSync(join(root, folders.staging)) ? readdir(join(root, folders.staging)) : [];
}

/** What must never change: the published points. */
function published({ root }: World): Readonly<Record<string, string>> {
  return listing(join(root, folders.points));
}

/** A volume on which run 1 took a full backup: made once, copied for each test. */
const model = mkdtempSync(join(tmpdir(), 'neo4j-backup-agent-'));

afterAll(() => rm(model, { recursive: true }));

async function withFull(): Promise<World> {
  const world = await aWorld();
  if (!existsSync(join(model, 'orders'))) {
    const { code } = await attempt(world, run(1), tool());
    if (code !== 0) throw new Error('the first backup failed');
    cpSync(world.volume, model, { recursive: true });
  } else {
    cpSync(model, world.volume, { recursive: true });
  }
  return world;
}

function dataOf({ root }: World, { chain, point }: Pick<Manifest, 'chain' | 'point'>): string {
  return join(root, pointFolder(chain, point), 'data');
}

async function tipData(world: World): Promise<string> {
  const tip = (await pointsOf(world)).at(-1);
  if (tip === undefined) throw new Error('no point');
  return dataOf(world, tip);
}

describe('an attempt that takes a backup', () => {
  test('takes a full one into a blank destination', async () => {
    const world = await aWorld();
    const { code, report, calls } = await attempt(world, run(1), tool());
    expect(calls.map(({ step, incremental }) => [step, incremental])).toEqual([['1', false]]);
    expect([code, report]).toMatchObject([
      0,
      { reason: 'FullBackupTaken', type: 'Full', fullBecause: 'DestinationBlank', lastTransactionID: '8' },
    ]);
    const [point, ...more] = await pointsOf(world);
    expect(more).toEqual([]);
    expect(point).toMatchObject({ sequence: 1, type: 'Full', consistent: true, run: 'orders-1' });
    expect(`orders/${pointFolder(point?.chain ?? '', point?.point ?? '')}`).toBe(report?.path);
  });

  test('publishes exactly the store and its manifest: no log of the tool, nothing that it left beside', async () => {
    const world = await aWorld();
    await attempt(world, run(1), async (call) => {
      makeStore(`${call.store}.err.0`, otherStore);
      await mkdir(`${call.store}.temp.0`);
      return tool()(call);
    });
    const data = await tipData(world);
    expect((await readdir(join(data, '..'))).toSorted()).toEqual(['data', 'manifest.json']);
    const [point] = await pointsOf(world);
    const files = (await readdir(data, { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    );
    expect(files).toHaveLength(point?.files.length ?? 0);
    expect(await inspectStore(data)).toMatchObject({ files: point?.files });
  });

  test('goes on with an increment from a copy of the tip, and leaves the tip as it was', async () => {
    const world = await withFull();
    const before = published(world);
    let staged: unknown;
    const { code, report, calls } = await attempt(world, run(2), async (call) => {
      staged = await inspectStore(call.store);
      return tool({ lastTransactionId: 29n })(call);
    });
    const [full, increment] = await pointsOf(world);
    expect(staged).toMatchObject({ kind: 'store', lastTransactionID: '8', files: full?.files });
    expect(calls.map(({ step, incremental }) => [step, incremental])).toEqual([['1', true]]);
    expect([code, report]).toMatchObject([0, { reason: 'IncrementalBackupTaken', lastTransactionID: '29' }]);
    expect(report).not.toHaveProperty('fullBecause');
    expect(increment).toMatchObject({
      sequence: 2,
      chain: full?.chain,
      parent: full?.point,
      type: 'Incremental',
      lastTransactionID: '29',
    });
    expect(increment).not.toHaveProperty('consistent'); // OnFull: it was not checked
    expect(published(world)).toMatchObject(before);
  });

  test('takes an increment that brings nothing new', async () => {
    const world = await withFull();
    expect((await attempt(world, run(2), tool())).report).toMatchObject({
      reason: 'IncrementalBackupTaken',
      lastTransactionID: '8',
    });
  });

  test('starts a new chain when a full backup is asked for', async () => {
    const world = await withFull();
    const before = published(world);
    const { report, calls } = await attempt(
      world,
      { ...run(2), requestedType: 'Full' },
      tool({ lastTransactionId: 9n }),
    );
    expect(calls.map(({ incremental }) => incremental)).toEqual([false]);
    expect(report).toMatchObject({ reason: 'FullBackupTaken', fullBecause: 'Requested' });
    const [first, second] = await pointsOf(world);
    expect(second).toMatchObject({ sequence: 2, type: 'Full' });
    expect(second?.chain).not.toBe(first?.chain);
    expect(second).not.toHaveProperty('parent');
    expect(published(world)).toMatchObject(before);
  });

  test('takes a full one into a new chain when the logs are pruned', async () => {
    const world = await withFull();
    const before = published(world);
    const { code, report, calls } = await attempt(world, run(2), (call) =>
      call.incremental ? failingTool(pruned)(call) : tool({ lastTransactionId: 99n })(call),
    );
    expect(calls.map(({ step, incremental }) => [step, incremental])).toEqual([
      ['1', true],
      ['2', false],
    ]);
    expect([code, report]).toMatchObject([
      0,
      { reason: 'FullBackupTaken', type: 'Full', fullBecause: 'LogsPruned' },
    ]);
    const [first, second] = await pointsOf(world);
    expect(second).toMatchObject({ sequence: 2, lastTransactionID: '99', fullBecause: 'LogsPruned' });
    expect(second?.chain).not.toBe(first?.chain);
    expect(published(world)).toMatchObject(before);
  });

  describe('with the tool of generation A', () => {
    const byA = { neo4jVersion: '3.0.7' } as const;
    const fallingBack =
      'INFO Existing backup is too far out of date, a new full backup will be performed.\nDone\n';

    /** That tool names its folder in another way than the test's own reading of the command line. */
    const toolA =
      (facts: StoreFacts, output = 'Done\n'): Tool =>
      ({ argv }) => {
        const store = argv.find((argument) => argument.startsWith('-to='))?.slice('-to='.length) ?? '';
        return tool(facts, { output })({ step: '1', incremental: false, store, argv });
      };

    test('has one command, and publishes what it took for pruned logs as a full backup in a new chain', async () => {
      const world = await withFull();
      const before = published(world);
      const facts = { lastTransactionId: 99n };
      const { code, report, calls, plan } = await attempt(
        world,
        { ...run(2), ...byA },
        toolA(facts, fallingBack),
      );
      expect(plan?.targets).toMatchObject([{ tries: [{ type: 'Incremental' }] }]);
      expect(calls.map(({ step }) => step)).toEqual(['1']);
      expect([code, report]).toMatchObject([
        0,
        { reason: 'FullBackupTaken', fullBecause: 'LogsPruned', lastTransactionID: '99' },
      ]);
      const [first, second] = await pointsOf(world);
      expect(second).toMatchObject({ type: 'Full', generation: 'A', consistent: true });
      expect(second?.chain).not.toBe(first?.chain);
      expect(second).not.toHaveProperty('parent');
      expect(published(world)).toMatchObject(before);
    });

    test('leaves no second command behind, nor marks for one: an empty mark would be in any output', async () => {
      const pod = aPod(await withFull(), { ...run(2), ...byA });
      await container('prepare', pod);
      const written = await readdir(pod.context.exchange);
      expect(written).toContain(exchange.arguments('1'));
      expect(written).not.toContain(exchange.arguments('2'));
      expect(written).not.toContain(exchange.when('2'));
    });

    test('says nothing of the consistency of an increment, though it was to be checked', async () => {
      const world = await withFull();
      const { report } = await attempt(
        world,
        { ...run(2), ...byA, consistencyCheck: 'Always' },
        toolA({ lastTransactionId: 29n }),
      );
      expect(report?.reason).toBe('IncrementalBackupTaken');
      expect((await pointsOf(world)).at(-1)).not.toHaveProperty('consistent');
    });

    test.each([
      { server: 'went away before the tool came', away: true, reason: 'PortUnreachable', exits: 10 },
      { server: 'is there', away: false, reason: 'ProtocolMismatch', exits: 20 },
    ])('says what its one text for either means where the server $server', async (expected) => {
      const world = await aWorld();
      const pod = aPod(world, { ...run(1), ...byA });
      await container('prepare', pod);
      await runTool(pod, failingTool(`Backup failed.\nCouldn't connect to '127.0.0.1:${world.port}'\n`));
      const port = expected.away ? await closedPort() : world.port;
      const { request } = pod.context;
      const later = { ...pod.context, request: { ...request, source: { ...request.source, port } } };
      const { code, report } = await container('report', { ...pod, context: later });
      expect([report?.reason, code]).toEqual([expected.reason, expected.exits]);
    });

    test('has a full backup checked that an increment may end as', async () => {
      const world = await withFull();
      const { calls } = await attempt(world, { ...run(2), ...byA }, toolA({ lastTransactionId: 29n }));
      expect(calls[0]?.argv).toContain('-verify=true'); // OnFull
    });
  });

  interface DamageCase {
    readonly name: string;
    readonly damage: (data: string) => Promise<unknown>;
  }
  const damages: readonly DamageCase[] = [
    { name: 'lacks bytes', damage: (data) => truncate(join(data, 'neostore.nodestore.db'), 1) },
    { name: 'has others', damage: (data) => writeFile(join(data, 'neostore.nodestore.db'), 'rotten') },
    { name: 'is gone', damage: (data) => rm(join(data, 'neostore')) },
    {
      name: 'is a folder',
      damage: (data) =>
        rm(data, { recursive: true }).then(() => mkdir(join(data, 'neostore'), { recursive: true })),
    },
  ];
  test.each(damages)('takes a full one when a file of the tip $name', async ({ damage }) => {
    const world = await withFull();
    await damage(await tipData(world));
    const before = published(world);
    const { report, calls } = await attempt(world, run(2), tool({ lastTransactionId: 29n }));
    expect(calls.map(({ incremental }) => incremental)).toEqual([false]);
    expect(report).toMatchObject({ reason: 'FullBackupTaken', fullBecause: 'ArtifactCorrupt' });
    expect(published(world)).toMatchObject(before);
    expect((await attempt(world, run(3), tool({ lastTransactionId: 30n }))).report).toMatchObject({
      reason: 'IncrementalBackupTaken',
    });
  });

  test('says that what was there is damaged, not that nothing was', async () => {
    const world = await withFull();
    await truncate(join(await tipData(world), '../manifest.json'), 10);
    const { report } = await attempt(world, run(2), tool());
    expect(report).toMatchObject({ reason: 'FullBackupTaken', fullBecause: 'ArtifactCorrupt' });
    expect(await pointsOf(world)).toHaveLength(1);
  });

  test('publishes an inconsistent backup, says so, and goes on from a consistent one', async () => {
    const world = await withFull();
    const { code, report } = await attempt(
      world,
      { ...run(2), consistencyCheck: 'Always' },
      tool({ lastTransactionId: 20n }, { exitCode: 3 }),
    );
    expect([code, report]).toMatchObject([
      0,
      { reason: 'Inconsistent', type: 'Incremental', lastTransactionID: '20' },
    ]);
    const [full, bad] = await pointsOf(world);
    expect(bad).toMatchObject({ sequence: 2, consistent: false });

    const next = await attempt(world, run(3), tool({ lastTransactionId: 30n }));
    expect(next.report).toMatchObject({ reason: 'IncrementalBackupTaken' });
    expect((await pointsOf(world)).at(-1)).toMatchObject({ sequence: 3, parent: full?.point });
  });

  test.each([
    { check: 'Never', type: 'Full', flag: false, consistent: undefined },
    { check: 'OnFull', type: 'Full', flag: true, consistent: true },
    { check: 'Always', type: 'Full', flag: true, consistent: true },
    { check: 'Never', type: 'Incremental', flag: false, consistent: undefined },
    { check: 'OnFull', type: 'Incremental', flag: false, consistent: undefined },
    { check: 'Always', type: 'Incremental', flag: true, consistent: true },
  ] as const)(
    'with a check $check, a $type backup is checked: $flag',
    async ({ check, type, flag, consistent }) => {
      const world = await withFull();
      const requestedType = type === 'Full' ? 'Full' : 'Auto';
      const { calls } = await attempt(world, { ...run(2), consistencyCheck: check, requestedType }, tool());
      expect(calls[0]?.argv).toContain(`--check-consistency=${flag}`);
      expect((await pointsOf(world)).at(-1)?.consistent).toBe(consistent);
    },
  );
});

describe('an increment that fails', () => {
  const older =
    'Caused by: org.neo4j.kernel.impl.storemigration.UpgradeNotAllowedByConfigurationException: x\n';
  interface Case {
    readonly name: string;
    readonly output: string;
    readonly policy: 'Fail' | 'NewChain';
    readonly reason: string;
    readonly fullBecause?: string;
  }
  const cases: readonly Case[] = [
    { name: 'for an older version', output: older, policy: 'Fail', reason: 'OlderVersion' },
    {
      name: 'for an older version',
      output: older,
      policy: 'NewChain',
      reason: 'FullBackupTaken',
      fullBecause: 'OlderVersion',
    },
    {
      name: 'for something unknown',
      output: 'java.lang.IllegalStateException: odd\n',
      policy: 'Fail',
      reason: 'EngineFailed',
    },
    {
      name: 'for something unknown',
      output: 'java.lang.IllegalStateException: odd\n',
      policy: 'NewChain',
      reason: 'FullBackupTaken',
      fullBecause: 'IncrementalFailed',
    },
    {
      name: 'without a word of why',
      output: 'command failed: Execution of backup failed\n',
      policy: 'Fail',
      reason: 'FullBackupTaken',
      fullBecause: 'IncrementalFailed',
    },
    {
      name: 'for pruned logs',
      output: pruned,
      policy: 'NewChain',
      reason: 'FullBackupTaken',
      fullBecause: 'LogsPruned',
    },
    {
      name: 'for want of room',
      output: 'java.io.IOException: No space left on device\n',
      policy: 'NewChain',
      reason: 'NoSpaceLeft',
    },
    {
      name: 'for a server that is away',
      output: 'java.net.ConnectException: Connection refused\n',
      policy: 'NewChain',
      reason: 'PortUnreachable',
    },
    {
      name: 'for another store',
      output: 'MismatchingStoreIdException: Expected:x\n',
      policy: 'NewChain',
      reason: 'StoreMismatch',
    },
  ];
  test.each(cases)('$name, with $policy: $reason', async ({ output, policy, reason, fullBecause }) => {
    const world = await withFull();
    const before = published(world);
    const { report, calls } = await attempt(world, { ...run(2), onIncrementalFailure: policy }, (call) =>
      call.incremental ? failingTool(output)(call) : tool({ lastTransactionId: 29n })(call),
    );
    expect([report?.reason, report?.fullBecause]).toEqual([reason, fullBecause]);
    expect(calls.map(({ incremental }) => incremental)).toEqual(
      fullBecause === undefined ? [true] : [true, false],
    );
    expect(published(world)).toMatchObject(before);
    expect(await pointsOf(world)).toHaveLength(fullBecause === undefined ? 1 : 2);
  });

  test('and the full one after it, too: what the latter says is told', async () => {
    const world = await withFull();
    const { report } = await attempt(world, run(2), (call) =>
      failingTool(call.incremental ? pruned : 'java.io.IOException: No space left on device\n')(call),
    );
    expect(report?.reason).toBe('NoSpaceLeft');
  });
});

describe('an attempt that must not write', () => {
  interface ForeignCase {
    readonly name: string;
    readonly make: (root: string) => Promise<unknown>;
  }
  const foreigners: readonly ForeignCase[] = [
    {
      name: 'a backup that a script made',
      make: (root) => Promise.resolve(makeStore(join(root, 'graph.db'))),
    },
    { name: 'a store right in it', make: (root) => Promise.resolve(makeStore(root)) },
    { name: 'notes', make: (root) => mkdir(root).then(() => writeFile(join(root, 'notes.txt'), 'keep')) },
    {
      name: 'a link',
      make: (root) => mkdir(root).then(() => symlink(import.meta.dirname, join(root, 'points'))),
    },
  ];
  test.each(foreigners)('changes nothing in a destination that holds $name', async ({ make }) => {
    const world = await aWorld();
    await make(world.root);
    const before = listing(world.volume);
    const { code, report, calls } = await attempt(world, run(1), tool());
    expect([code, report, calls]).toMatchObject([20, { reason: 'DestinationNotABackup' }, []]);
    expect(listing(world.volume)).toEqual(before);
  });

  test('names what it found, bounded, in a message that fits', async () => {
    const world = await aWorld();
    await mkdir(world.root);
    for (const i of [1, 2, 3, 4, 5]) await writeFile(join(world.root, `${i}${'💾'.repeat(60)}`), '');
    const { report } = await attempt(world, run(1), tool());
    expect(report?.reason).toBe('DestinationNotABackup');
    expect(report?.message).toMatch(/1💾.* and 2 more/);
  });

  test('changes nothing where a newer operator wrote', async () => {
    const world = await withFull();
    const point = join(await tipData(world), '../manifest.json');
    const { manifest } = JSON.parse(readFileSync(point, 'utf8')) as { manifest: object };
    const body = { ...manifest, schemaVersion: 2 };
    const sha256 = createHash('sha256').update(JSON.stringify(body)).digest('hex');
    await writeFile(point, JSON.stringify({ manifest: body, sha256 }));
    const before = listing(world.volume);
    const { code, report } = await attempt(world, run(2), tool());
    expect([code, report]).toMatchObject([20, { reason: 'LayoutTooNew' }]);
    expect(listing(world.volume)).toEqual(before);
  });

  interface Mismatch {
    readonly name: string;
    readonly requestedType: 'Auto' | 'Full';
    readonly tool: Parameters<typeof attempt>[2];
  }
  const mismatches: readonly Mismatch[] = [
    {
      name: 'the tool refuses it',
      requestedType: 'Auto',
      tool: failingTool('Caused by: org.neo4j.kernel.impl.store.MismatchingStoreIdException: Expected:x\n'),
    },
    { name: 'the tool takes it all the same', requestedType: 'Auto', tool: tool(otherStore) },
    { name: 'a full backup was asked for', requestedType: 'Full', tool: tool(otherStore) },
    {
      name: 'the logs are said to be pruned',
      requestedType: 'Auto',
      tool: (call) => (call.incremental ? failingTool(pruned)(call) : tool(otherStore)(call)),
    },
  ];
  test.each(mismatches)(
    'publishes nothing of another store when $name',
    async ({ requestedType, tool: work }) => {
      const world = await withFull();
      const before = published(world);
      const { code, report } = await attempt(world, { ...run(2), requestedType }, work);
      expect([code, report]).toMatchObject([20, { reason: 'StoreMismatch' }]);
      expect(report).not.toHaveProperty('path');
      expect(published(world)).toEqual(before);
      expect(await stagingOf(world)).toEqual([]);
    },
  );

  interface Missing {
    readonly name: string;
    readonly spoil: (store: string) => Promise<unknown>;
  }
  const missing: readonly Missing[] = [
    { name: 'wrote nothing', spoil: (store) => rm(store, { recursive: true, force: true }) },
    { name: 'left its copy unfinished', spoil: (store) => mkdir(join(store, 'temp-copy')) },
    { name: 'wrote no neostore', spoil: (store) => rm(join(store, 'neostore')) },
    { name: 'wrote a neostore of nothing', spoil: (store) => truncate(join(store, 'neostore'), 0) },
    { name: 'left a link', spoil: (store) => symlink('/etc/passwd', join(store, 'link')) },
    {
      name: 'wrote a file in the place of the store',
      spoil: (store) => rm(store, { recursive: true }).then(() => writeFile(store, '')),
    },
  ];
  test.each(missing)('publishes nothing when the tool reports success, but $name', async ({ spoil }) => {
    const world = await withFull();
    const before = published(world);
    const { code, report } = await attempt(world, { ...run(2), requestedType: 'Full' }, async (call) => {
      const result = await tool()(call);
      await spoil(call.store);
      return result;
    });
    expect([code, report]).toMatchObject([20, { reason: 'ArtifactMissing' }]);
    expect(published(world)).toEqual(before);
  });

  test('publishes no increment that goes back behind its parent', async () => {
    const world = await aWorld();
    await attempt(world, run(1), tool({ lastTransactionId: 29n }));
    const before = published(world);
    const { report } = await attempt(world, run(2), tool({ lastTransactionId: 28n }));
    expect(report).toMatchObject({ reason: 'ArtifactMissing', message: expect.stringContaining('28') });
    expect(published(world)).toEqual(before);
  });

  test('publishes nothing when the check could not be completed', async () => {
    const world = await withFull();
    const before = published(world);
    const { code, report } = await attempt(world, run(2), tool({}, { exitCode: 2 }));
    expect([code, report]).toMatchObject([20, { reason: 'ConsistencyCheckFailed' }]);
    expect(published(world)).toEqual(before);
  });

  test('publishes nothing when another run published meanwhile', async () => {
    const world = await withFull();
    const { code, report } = await attempt(world, run(2), async (call) => {
      await attempt(world, run(3), tool({ lastTransactionId: 29n }));
      return tool({ lastTransactionId: 28n })(call);
    });
    expect([code, report]).toMatchObject([10, { reason: 'DestinationBusy' }]);
    expect((await pointsOf(world)).map((point) => point.run)).toEqual(['orders-1', 'orders-3']);
  });

  test('publishes nothing when another run published an inconsistent backup meanwhile', async () => {
    const world = await withFull();
    const { report } = await attempt(world, run(2), async (call) => {
      await attempt(world, run(3), tool({}, { exitCode: 3 }));
      return tool()(call);
    });
    expect(report).toMatchObject({ reason: 'DestinationBusy' });
    expect((await pointsOf(world)).map(({ sequence }) => sequence)).toEqual([1, 2]);
  });

  test('publishes nothing when something foreign came meanwhile', async () => {
    const world = await aWorld();
    const { report } = await attempt(world, run(1), async (call) => {
      makeStore(join(world.root, 'graph.db'));
      return tool()(call);
    });
    expect(report).toMatchObject({ reason: 'DestinationNotABackup' });
    expect(existsSync(join(world.root, folders.points))).toBe(false);
  });
});

describe('an attempt that fails', () => {
  interface Case {
    readonly name: string;
    readonly output: string;
    readonly exitCode: number;
    readonly reason: string;
    readonly code: number;
  }
  const cases: readonly Case[] = [
    {
      name: 'a full disk',
      output: 'java.io.IOException: No space left on device',
      exitCode: 1,
      reason: 'NoSpaceLeft',
      code: 20,
    },
    {
      name: 'a closed connection',
      output: 'ComException: Channel has been closed',
      exitCode: 1,
      reason: 'ServerClosedConnection',
      code: 10,
    },
    {
      name: 'a refusal',
      output: 'java.net.ConnectException: Connection refused',
      exitCode: 1,
      reason: 'PortUnreachable',
      code: 10,
    },
    { name: 'nothing known', output: 'Error: Boom\n', exitCode: 1, reason: 'EngineFailed', code: 20 },
    {
      name: 'no such tool',
      output: 'sh: neo4j-admin: not found\n',
      exitCode: 127,
      reason: 'EngineFailed',
      code: 20,
    },
  ];
  test.each(cases)(
    'reports $reason after $name, with exit code $code',
    async ({ output, exitCode, reason, code }) => {
      const world = await withFull();
      const before = published(world);
      const ended = await attempt(world, run(2), failingTool(output, exitCode));
      expect([ended.code, ended.report]).toMatchObject([code, { reason }]);
      expect(published(world)).toEqual(before);
      expect(await stagingOf(world)).toEqual([]);
      const record = JSON.parse(readFileSync(join(world.root, 'runs/orders-2.json'), 'utf8')) as unknown;
      expect(record).toMatchObject({
        record: { schemaVersion: 1, reason, run: 'orders-2', podUID: podUID(2), generation: 'B2' },
      });
      expect(gunzipSync(readFileSync(join(world.root, 'runs/orders-2.log.gz'))).toString()).toBe(output);
    },
  );

  test('names the setting of the server when nobody listens', async () => {
    const world = await withFull();
    const before = published(world);
    const port = await closedPort();
    const { code, report, calls } = await attempt(
      world,
      { ...run(2), source: { host: '127.0.0.1', port } },
      tool(),
    );
    expect([code, report, calls]).toMatchObject([10, { reason: 'PortUnreachable' }, []]);
    expect(report?.message).toContain(`dbms.backup.address=0.0.0.0:${port}`);
    expect(published(world)).toEqual(before);
  });

  test('names the host that does not resolve', async () => {
    const world = await aWorld();
    const source = { host: 'no-such-host.invalid', port: 6362 };
    const { code, report } = await attempt(world, { ...run(1), source }, tool());
    expect([code, report]).toMatchObject([10, { reason: 'HostNotFound' }]);
    expect(report?.message).toContain('no-such-host.invalid');
  });

  interface Evidence {
    readonly name: string;
    readonly files: Readonly<Record<string, string>>;
    readonly reason: string;
  }
  const evidence: readonly Evidence[] = [
    { name: 'nothing', files: {}, reason: 'EngineFailed' },
    { name: 'half an exit code', files: { [exchange.exitCode('1')]: '' }, reason: 'EngineFailed' },
    {
      name: 'a deadline',
      files: { [exchange.expired]: '', [exchange.exitCode('1')]: '143' },
      reason: 'DeadlineExceeded',
    },
    { name: 'a deadline alone', files: { [exchange.expired]: '' }, reason: 'DeadlineExceeded' },
    {
      name: 'a stop',
      files: { [exchange.stopped]: '', [exchange.exitCode('1')]: '143' },
      reason: 'Interrupted',
    },
    { name: 'a stop alone', files: { [exchange.stopped]: '' }, reason: 'Interrupted' },
  ];
  test.each(evidence)('reports $reason where the engine container left $name', async ({ files, reason }) => {
    const world = await withFull();
    const pod = aPod(world, run(2));
    await container('prepare', pod);
    for (const [name, content] of Object.entries(files))
      await writeFile(join(pod.context.exchange, name), content);
    expect((await container('report', pod)).report).toMatchObject({ reason });
    expect(await pointsOf(world)).toHaveLength(1);
  });

  test('counts a backup that was complete when the deadline came', async () => {
    const world = await aWorld();
    const pod = aPod(world, run(1));
    await container('prepare', pod);
    await runTool(pod, tool());
    await writeFile(join(pod.context.exchange, exchange.expired), '');
    expect((await container('report', pod)).report).toMatchObject({ reason: 'FullBackupTaken' });
  });

  test('counts a second command that was complete when the deadline came', async () => {
    const world = await withFull();
    const pod = aPod(world, run(2));
    await container('prepare', pod);
    await runTool(pod, (call) => (call.incremental ? failingTool(pruned)(call) : tool()(call)));
    await writeFile(join(pod.context.exchange, exchange.expired), '');
    expect((await container('report', pod)).report).toMatchObject({ reason: 'FullBackupTaken' });
  });

  test('reads a cause that falls onto the end of what is kept of the head', async () => {
    const world = await aWorld();
    const pod = aPod(world, run(1));
    await container('prepare', pod);
    const output = `${'x'.repeat(keptOutputBytes - 20)}\njava.io.IOException: No space left on device\n`;
    await runTool(pod, failingTool(''));
    await writeFile(join(pod.context.exchange, exchange.head('1')), output.slice(0, keptOutputBytes));
    await writeFile(join(pod.context.exchange, exchange.tail('1')), output.slice(keptOutputBytes));
    expect((await container('report', pod)).report).toMatchObject({ reason: 'NoSpaceLeft' });
    expect(gunzipSync(readFileSync(join(world.root, 'runs/orders-1.log.gz'))).toString()).toBe(output);
  });

  test('says that prepare left no plan', async () => {
    const world = await aWorld();
    expect(await container('report', aPod(world, run(1)))).toMatchObject({
      code: 20,
      report: { reason: 'EngineFailed' },
    });
  });

  interface CallCase {
    readonly code: string;
    readonly verb: 'makeFolder' | 'copy' | 'sync' | 'rename';
    readonly reason: string;
  }
  const calls: readonly CallCase[] = [
    { code: 'ENOSPC', verb: 'copy', reason: 'NoSpaceLeft' },
    { code: 'EDQUOT', verb: 'copy', reason: 'NoSpaceLeft' },
    { code: 'ENOSPC', verb: 'makeFolder', reason: 'NoSpaceLeft' },
    { code: 'ENOSPC', verb: 'sync', reason: 'NoSpaceLeft' },
    { code: 'EACCES', verb: 'makeFolder', reason: 'PermissionDenied' },
    { code: 'EROFS', verb: 'makeFolder', reason: 'PermissionDenied' },
    { code: 'EPERM', verb: 'rename', reason: 'PermissionDenied' },
    { code: 'EIO', verb: 'rename', reason: 'EngineFailed' },
  ];
  test.each(calls)(
    'reports $reason when the volume answers $verb with $code',
    async ({ code, verb, reason }) => {
      const world = await withFull();
      const before = published(world);
      const files = failingFiles(code, (operation) => operation.verb === verb);
      const ended = await attempt(world, { ...run(2), files }, tool({ lastTransactionId: 29n }));
      expect([ended.code, ended.report]).toMatchObject([
        20,
        { reason, message: expect.stringContaining(code) },
      ]);
      expect(published(world)).toEqual(before);
      expect(await stagingOf(world)).toEqual([]);
    },
  );

  test('tells how it ended when not even the record can be written', async () => {
    const world = await withFull();
    const files = failingFiles('ENOSPC', ({ paths }) => paths.some((path) => path.includes('/runs')));
    const { code, report } = await attempt(world, { ...run(2), files }, tool());
    expect([code, report]).toMatchObject([0, { reason: 'IncrementalBackupTaken' }]);
  });
});

describe('what a run asks of the tool', () => {
  const asked = { tls: {}, pageCacheMiB: 64, options: { timeout: '40m' } } as const;

  test('reaches it in arguments and in the configuration', async () => {
    const pod = aPod(await aWorld(), { ...run(1), tool: asked });
    expect((await container('prepare', pod)).code).toBe(0);
    const [call] = await runTool(pod, tool());
    expect(call?.argv).toEqual(
      expect.arrayContaining(['--protocol=catchup', '--pagecache=64m', '--timeout=40m']),
    );
    const { exchange: folder } = pod.context;
    expect(readFileSync(join(folder, exchange.configuration, 'neo4j.conf'), 'utf8')).toContain(
      '\ndbms.backup.ssl_policy=backup\n',
    );
    // The policy names it, and 3.4 ends where it is not there.
    expect(await readdir(join(folder, exchange.revoked))).toEqual([]);
  });

  test.each([
    { neo4jVersion: '3.4.18', tls: {}, from: '127.0.0.1' },
    { neo4jVersion: '4.4.48', tls: {}, from: '127.0.0.1' },
    { neo4jVersion: '4.4.48', tls: { verifyHostname: true }, from: 'localhost' },
    { neo4jVersion: '5.26.28', tls: {}, from: '127.0.0.1' },
    { neo4jVersion: '2025.11.2', tls: {}, from: 'localhost' },
    { neo4jVersion: '2025.11.2', tls: { verifyHostname: false }, from: '127.0.0.1' },
    { neo4jVersion: '2025.11.2', tls: undefined, from: '127.0.0.1' },
  ])(
    'has the name of the server where it is held against a certificate: $neo4jVersion, $tls',
    async (one) => {
      const world = await aWorld();
      const pod = aPod(world, {
        ...run(1),
        neo4jVersion: one.neo4jVersion,
        source: { host: 'localhost', port: world.port },
        tool: { ...(one.tls === undefined ? {} : { tls: one.tls }), options: {} },
      });
      expect((await container('prepare', pod)).code).toBe(0);
      const [call] = await runTool(pod, tool());
      expect(call?.argv).toContain(`--from=${one.from}:${world.port}`);
    },
  );

  test('is checked once more: no tool is started with a setting that is not allowed', async () => {
    const world = await aWorld();
    const { code, report, calls } = await attempt(
      world,
      { ...run(1), tool: { options: { 'backup-dir': 'x' } } },
      tool(),
    );
    expect([code, report?.reason, calls]).toEqual([20, 'EngineFailed', []]);
    expect(report?.message).toContain('there is no backup-dir');
    expect(await stagingOf(world)).toEqual([]);
  });

  test.each([
    { neo4jVersion: '3.4.18', setting: 'dbms.backup.ssl_policy' },
    { neo4jVersion: '4.4.48', setting: 'dbms.ssl.policy.backup.enabled' },
  ])('and where TLS fails, $setting of $neo4jVersion is named', async ({ neo4jVersion, setting }) => {
    const output = 'Caused by: javax.net.ssl.SSLHandshakeException: Received fatal alert: bad_certificate\n';
    const over = { ...run(1), neo4jVersion, tool: { tls: {}, options: {} } };
    const { code, report } = await attempt(await aWorld(), over, failingTool(output));
    expect([code, report?.reason]).toEqual([20, 'TLSHandshakeFailed']);
    expect(report?.message).toContain(setting);
    expect(report?.message).toContain('bad_certificate');
  });
});

describe('a second attempt', () => {
  test('tells of the point that the first one published before it died, and publishes nothing', async () => {
    const world = await withFull();
    const first = aPod(world, run(2));
    await container('prepare', first);
    await runTool(first, tool({ lastTransactionId: 29n }));
    const { report } = await container('report', first);
    const before = published(world);
    const again = await attempt(world, { ...run(2), pod: 22 }, tool({ lastTransactionId: 77n }));
    expect(again.plan?.targets).toEqual([]);
    expect([again.code, again.report, again.calls]).toEqual([
      0,
      { ...report, volume: expect.anything() },
      [],
    ]);
    expect(published(world)).toEqual(before);
  });

  test('is not called a success when what an earlier attempt published has changed since', async () => {
    const world = await withFull();
    const { report } = await attempt(world, { ...run(2), pod: 21 }, tool());
    const damaged = join(world.volume, report?.path ?? '', 'data/neostore.nodestore.db');
    await writeFile(damaged, 'what was not written');
    const again = await attempt(world, { ...run(2), pod: 22 }, tool());
    expect([again.code, again.report]).toMatchObject([20, { reason: 'ArtifactCorrupt' }]);
  });

  test('is not fooled by a run of the same name of another resource', async () => {
    const world = await withFull();
    const resource = { namespace: 'shop', name: 'orders', uid: 'another' };
    const { report } = await attempt(
      world,
      { ...run(2), run: 'orders-1', resource },
      tool({ lastTransactionId: 29n }),
    );
    expect(report).toMatchObject({ reason: 'IncrementalBackupTaken' });
    expect(await pointsOf(world)).toHaveLength(2);
  });

  test('tells of the point of a first one that was only slower', async () => {
    const world = await withFull();
    const [slow, fast] = [2, 22].map((pod) => aPod(world, { ...run(2), pod })) as [
      ReturnType<typeof aPod>,
      ReturnType<typeof aPod>,
    ];
    for (const pod of [slow, fast]) {
      await container('prepare', pod);
      await runTool(pod, tool({ lastTransactionId: 29n }));
    }
    const first = await container('report', fast);
    expect(first).toMatchObject({ code: 0, report: { reason: 'IncrementalBackupTaken' } });
    const before = published(world);
    expect(await container('report', slow)).toEqual({
      ...first,
      report: { ...first.report, volume: expect.anything() }, // others write to the same disk
    });
    expect(published(world)).toEqual(before);
  });

  test('that was overtaken reads back what the faster one published, and is no success when that is damaged', async () => {
    const world = await withFull();
    const slow = aPod(world, { ...run(2), pod: 2 });
    await container('prepare', slow);
    await runTool(slow, tool({ lastTransactionId: 29n }));
    const { report } = await attempt(world, { ...run(2), pod: 22 }, tool({ lastTransactionId: 29n }));
    await writeFile(
      join(world.volume, report?.path ?? '', 'data/neostore.nodestore.db'),
      'what was not written',
    );
    expect(await container('report', slow)).toMatchObject({
      code: 20,
      report: { reason: 'ArtifactCorrupt' },
    });
    expect(await pointsOf(world)).toHaveLength(2);
  });

  test('makes durable what it tells of: the first one may have died before it did', async () => {
    const world = await withFull();
    await attempt(world, { ...run(2), pod: 21 }, tool({ lastTransactionId: 29n }));
    const files = filesWith(() => undefined);
    const again = await attempt(world, { ...run(2), pod: 22, files }, tool());
    expect(again.code).toBe(0);
    const synced = files.operations.filter(({ verb }) => verb === 'sync').map(({ paths }) => paths[0]);
    expect(synced).toContain(dirname(join(world.volume, again.report?.path ?? '')));
  });

  test('ends well, wherever the first one died, with one point of the run', { timeout: 30_000 }, async () => {
    const probe = await withFull();
    const files = filesWith(() => undefined);
    await attempt(probe, { ...run(2), files }, tool({ lastTransactionId: 29n }));
    expect(files.operations.length).toBeGreaterThan(40);
    for (let k = 1; k <= files.operations.length; k += 7) {
      const world = await withFull();
      const before = published(world);
      await diesAt(world, k);
      const terminalPods = [podUID(2)];
      const again = await attempt(
        world,
        { ...run(2), pod: 22, terminalPods },
        tool({ lastTransactionId: 29n }),
      );
      expect([again.code, again.report], `died at ${k}`).toMatchObject([
        0,
        { reason: 'IncrementalBackupTaken' },
      ]);
      expect((await pointsOf(world)).map((point) => point.run)).toEqual(['orders-1', 'orders-2']);
      expect(published(world)).toMatchObject(before);
      if ((await stagingOf(world)).length === 0) continue;
      await attempt(world, { ...run(3), terminalPods }, failingTool('Boom'));
      expect(await stagingOf(world)).toEqual([]);
    }
  });
});

/** An attempt of run 2 whose process dies before its k-th change of volume or exchange folder. */
async function diesAt(world: World, k: number): Promise<void> {
  const pod = aPod(world, { ...run(2), files: dyingFiles(k) });
  const { code } = await container('prepare', pod);
  if (code !== 0 || planOf(pod) === undefined) return;
  await runTool(pod, tool({ lastTransactionId: 29n }));
  await container('report', pod);
}

async function leftover({ root }: World, name: string): Promise<void> {
  await mkdir(join(root, folders.staging, name), { recursive: true });
  await writeFile(join(root, folders.staging, name, 'data'), '');
}

describe('the lock', () => {
  /** Somebody else's lock, whose holder beats no more. */
  async function leaveLock({ root }: World, pod: number): Promise<void> {
    await mkdir(join(root, '.lock'), { recursive: true });
    const holder = { podUID: podUID(pod), run: 'orders-0', token: 'a'.repeat(32), beat: '0'.repeat(16) };
    await writeFile(join(root, '.lock/holder.json'), JSON.stringify(holder));
  }

  /** The same, of a holder that lives. */
  async function heldBy(world: World, pod: number): Promise<{ clock: FakeClock; release: () => void }> {
    const clock = new FakeClock();
    const done = Promise.withResolvers<undefined>();
    const holder = { podUID: podUID(pod), run: 'orders-0', terminalPods: [], clock, patienceMs: 0 };
    await new Promise<void>((resolve) => {
      void withLock(realFiles, world.root, holder, () => {
        resolve();
        return done.promise;
      });
    });
    return { clock, release: () => done.resolve(undefined) };
  }

  test('of another that lives ends a run as busy: it names the holder, may be tried again, and harms nothing', async () => {
    const world = await withFull();
    const before = published(world);
    const { clock, release } = await heldBy(world, 70);
    const ended = await until(clock, attempt(world, { ...run(2), clock }, tool({ lastTransactionId: 29n })));
    expect([ended.code, ended.report]).toMatchObject([
      10,
      { reason: 'DestinationBusy', message: expect.stringContaining(`Pod ${podUID(70)} of run orders-0`) },
    ]);
    expect(published(world)).toEqual(before);
    expect(await readdir(join(world.root, '.lock'))).toEqual(['holder.json']);
    release();
  });

  test('of another that is gone is waited for and taken: the run publishes', async () => {
    const world = await withFull();
    await leaveLock(world, 70);
    const clock = new FakeClock();
    const work = attempt(world, { ...run(2), clock }, tool({ lastTransactionId: 29n }));
    expect((await until(clock, work)).report?.reason).toBe('IncrementalBackupTaken');
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(60_000);
    expect(existsSync(join(world.root, '.lock'))).toBe(false);
  });

  test('is not held while a backup is hashed, synced or copied', async () => {
    const world = await withFull();
    const files = filesWith(() => undefined);
    await attempt(world, { ...run(2), files }, tool({ lastTransactionId: 29n }));
    const lock = join(world.root, '.lock');
    const from = files.operations.findIndex(({ paths }) => paths[1] === lock);
    const to = files.operations.findIndex(({ paths }) => paths[0] === lock);
    const locked = files.operations.slice(from + 1, to).map(({ verb }) => verb);
    expect(locked).toEqual(['writeNew', 'sync', 'makeFolder', 'sync', 'sync', 'rename', 'rename', 'sync']);
  });

  test('is taken and left by a run that is only looking after the destination, and never in a foreign one', async () => {
    const world = await aWorld();
    makeStore(join(world.root, 'graph.db'));
    const before = listing(world.volume);
    const pod = aPod(world, run(1));
    await writeFile(
      join(pod.context.exchange, exchange.plan),
      JSON.stringify({ startTime: pod.context.request.createdTime, targets: [], known: [] }),
    );
    expect((await container('report', pod)).report?.reason).toBe('DestinationNotABackup');
    expect(listing(world.volume)).toEqual(before);
  });
});

describe('a volume that fails right after the point is there', () => {
  const chainOf = (path: string): boolean => /points\/[^/]+$/.test(path);

  /** Syncs of the chain's folder fail, once the point is in it. */
  function failing(times: number): ReturnType<typeof filesWith> {
    let isThere = false;
    let failed = 0;
    return filesWith(({ verb, paths }) => {
      const [path = '', to = ''] = paths;
      if (verb === 'rename' && chainOf(dirname(to))) isThere = true;
      if (verb !== 'sync' || !isThere || !chainOf(path) || failed >= times) return undefined;
      failed += 1;
      return { half: false, error: Object.assign(new Error('EIO: made to fail'), { code: 'EIO' }) };
    });
  }

  test('once: it is asked again, and the run is a success', async () => {
    const world = await withFull();
    const ended = await attempt(world, { ...run(2), files: failing(1) }, tool({ lastTransactionId: 29n }));
    expect([ended.code, ended.report?.reason]).toEqual([0, 'IncrementalBackupTaken']);
    expect(await pointsOf(world)).toHaveLength(2);
  });

  test('for good: the point is taken back, so that the failure that is told is one', async () => {
    const world = await withFull();
    const before = published(world);
    const ended = await attempt(world, { ...run(2), files: failing(99) }, tool({ lastTransactionId: 29n }));
    expect([ended.code, ended.report]).toMatchObject([20, { message: expect.stringContaining('EIO') }]);
    expect(published(world)).toEqual(before);
    expect(await stagingOf(world)).toEqual([]);
  });
});

function filesOfArtifact(point: Manifest): readonly string[] {
  return point.files.map(({ path }) => `${placeOf(point).data}/${path}`);
}

describe('staging', () => {
  test('of an attempt is gone when it ends, however it ends', async () => {
    const world = await aWorld();
    await attempt(world, run(1), tool());
    expect(await stagingOf(world)).toEqual([]);
    await attempt(world, run(2), failingTool('Boom'));
    expect(await stagingOf(world)).toEqual([]);
    await attempt(world, { ...run(1), pod: 11 }, tool());
    expect(await stagingOf(world)).toEqual([]);
  });

  test('of other Pods stays, unless they are said to be gone', async () => {
    const world = await withFull();
    const gone = `orders-0.${podUID(70)}`;
    const alive = `orders-0.${podUID(71)}`;
    for (const name of [gone, alive, 'not-ours', `x.${podUID(70)}.bak`]) await leftover(world, name);
    await attempt(world, { ...run(2), terminalPods: [podUID(70)] }, tool());
    expect((await stagingOf(world)).toSorted()).toEqual(
      [alive, 'not-ours', `x.${podUID(70)}.bak`].toSorted(),
    );
  });

  const { uid } = aRequest().resource;
  const longAgo = new Date('2025-01-01T00:00:00Z');

  /** As an attempt leaves it, of whose Pod and Job nothing is left in the API. */
  async function forsaken(world: World, name: string, time = longAgo): Promise<string> {
    await leftover(world, name);
    await utimes(join(world.root, folders.staging, name), time, time);
    return name;
  }

  /** An attempt of run n that has come as far as its tool, a long time ago. */
  async function preparedLongAgo(world: World, n: number): Promise<Pod> {
    const pod = aPod(world, run(n));
    await container('prepare', pod);
    const [name = ''] = await stagingOf(world);
    await utimes(join(world.root, folders.staging, name), longAgo, longAgo);
    return pod;
  }

  test('of an earlier run of this resource goes, though nobody knows its Pod any more', async () => {
    const world = await withFull();
    const name = await forsaken(world, `orders-0.${uid}.${podUID(70)}`);
    await leftover(world, `orders-0.${uid}.${podUID(71)}.old-orders-1`); // half removed a moment ago
    const stays = [
      await forsaken(world, `orders-0.${uid.replace('7', '8')}.${podUID(72)}`), // of another resource
      await forsaken(world, `orders-2.${uid}.${podUID(73)}`), // of this very run
      await forsaken(world, `orders-3.${uid}.${podUID(74)}`, new Date(Date.parse(run(2).createdTime) + 1)), // of a later one
    ];
    await attempt(world, run(2), tool({ lastTransactionId: 29n }));
    // Taken from its Pod, which may know the folder by its old name for some time: what is in it goes with a later run.
    const taken = `${name}.old-orders-2`;
    expect((await stagingOf(world)).toSorted()).toEqual([...stays, taken].toSorted());
    await attempt(world, { ...run(2), pod: 22 }, tool({ lastTransactionId: 29n }));
    expect(await stagingOf(world)).toContain(taken);
    await attempt(world, { ...run(2), run: 'orders-9' }, tool({ lastTransactionId: 39n }));
    expect(await stagingOf(world)).not.toContain(taken);
  });

  test('of an earlier run goes in the end, wherever the process dies over that', async () => {
    const probe = filesWith(() => undefined);
    const name = `orders-0.${uid}.${podUID(70)}`;
    const first = await withFull();
    await forsaken(first, name);
    for (const n of [2, 3])
      await attempt(first, { ...run(n), files: probe }, tool({ lastTransactionId: 29n }));
    const concerned = probe.operations.flatMap(({ paths }, i) =>
      paths[0]?.includes(name) === true ? [i + 1] : [],
    );
    expect(concerned).toHaveLength(2);
    for (const k of concerned) {
      const world = await withFull();
      await forsaken(world, name);
      const files = dyingFiles(k);
      for (const n of [2, 3])
        await attempt(world, { ...run(n), files }, tool({ lastTransactionId: 29n })).catch(() => undefined);
      const terminalPods = [podUID(2), podUID(3)];
      for (const n of [4, 5])
        await attempt(world, { ...run(n), terminalPods }, tool({ lastTransactionId: 29n }));
      expect(await stagingOf(world)).toEqual([]);
    }
  });

  test('of an earlier run that still goes on, on a node that nobody reaches, costs that run and nothing else', async () => {
    const world = await withFull();
    const zombie = await preparedLongAgo(world, 2);
    const before = published(world);
    await attempt(world, run(3), failingTool('Boom'));
    await runTool(zombie, tool({ lastTransactionId: 40n })); // which makes its folder anew
    expect(await container('report', zombie)).toMatchObject({
      code: 10,
      report: { reason: 'DestinationBusy' },
    });
    expect(published(world)).toEqual(before);
  });

  test('of an earlier run costs no later one, where it cannot be removed or goes by itself', async () => {
    const name = `orders-0.${uid}.${podUID(70)}`;
    const gone = filesWith(({ verb, paths }) => {
      if (verb === 'rename' && paths[0]?.endsWith(name) === true)
        rmSync(paths[0], { recursive: true, force: true }); // its Pod has just ended
      return undefined;
    });
    const inUse = failingFiles(
      'ENOTEMPTY',
      ({ verb, paths }) => verb === 'remove' && paths[0]?.endsWith(`${name}.old-orders-1`) === true,
    );
    for (const [files, left] of [
      [gone, name],
      [inUse, `${name}.old-orders-1`],
    ] as const) {
      const world = await withFull();
      await forsaken(world, left);
      const ended = await attempt(world, { ...run(2), files }, tool({ lastTransactionId: 29n }));
      expect(ended.report?.reason).toBe('IncrementalBackupTaken');
      await attempt(world, run(3), tool({ lastTransactionId: 30n }));
      expect(await stagingOf(world)).toEqual([]);
    }
  });

  test('of an earlier run goes from the folder of a chain, too, though nobody knows its Pod any more', async () => {
    const version = { neo4jVersion: '5.26.28', databases: ['neo4j'] };
    const takes = (n: number): Tool =>
      toolC({ neo4j: { lastTransactionId: BigInt(10 * n) } }, () => new Date(run(n).createdTime));
    const begun = async (files: Files): Promise<World> => {
      const world = await aWorld();
      await attempt(world, { ...run(1), ...version }, takes(1));
      await attempt(world, { ...run(2), ...version, files }, takes(2)).catch(() => undefined);
      return world;
    };
    const probe = filesWith(() => undefined);
    await begun(probe);
    const placed = probe.operations.findIndex(
      ({ verb, paths }) => verb === 'link' && paths[1]?.includes(`/${folders.chains}/`) === true,
    );
    const world = await begun(dyingFiles(placed + 2));
    const clock = new FakeClock(); // the dead one had the lock
    const ended = await until(clock, attempt(world, { ...run(3), ...version, clock }, takes(3)));
    expect(ended.report?.reason).toBe('IncrementalBackupTaken');
    const points = await pointsOf(world);
    expect(points).toHaveLength(2);
    const files = points.flatMap((point) => [placeOf(point).manifest, ...filesOfArtifact(point)]);
    const left = Object.keys(listing(join(world.root, folders.chains))).filter((name) =>
      /\.(backup|json|claim)$/.test(name),
    );
    expect(left.map((name) => `${folders.chains}/${name}`).toSorted()).toEqual(files.toSorted());
  });

  test('that a later run takes while the tip is copied says nothing against the tip', async () => {
    const world = await withFull();
    const files = filesWith(({ verb, paths }) => {
      const [, to = ''] = paths;
      const own = join(world.root, folders.staging, `orders-2.${uid}.${podUID(2)}`);
      if (verb === 'copy' && to.startsWith(own)) rmSync(own, { recursive: true, force: true });
      return undefined;
    });
    const before = await pointsOf(world);
    const ended = await attempt(world, { ...run(2), files }, tool({ lastTransactionId: 29n }));
    expect([ended.code, ended.report?.reason]).toEqual([10, 'DestinationBusy']);
    expect(await pointsOf(world)).toEqual(before);
    const next = await attempt(world, run(3), tool({ lastTransactionId: 29n }));
    expect(next.report?.reason).toBe('IncrementalBackupTaken');
  });

  test('of an attempt that a later run took does not hide what another attempt of its run published', async () => {
    const world = await withFull();
    const zombie = await preparedLongAgo(world, 2);
    await attempt(world, { ...run(2), pod: 22 }, tool({ lastTransactionId: 29n }));
    await attempt(world, run(3), failingTool('Boom'));
    await runTool(zombie, tool({ lastTransactionId: 40n }));
    expect(await container('report', zombie)).toMatchObject({
      code: 0,
      report: { reason: 'IncrementalBackupTaken', lastTransactionID: '29' },
    });
    expect(await readRecord(world.root, run(2).run)).toMatchObject({
      report: { reason: 'IncrementalBackupTaken' },
    });
  });

  test('is not waited for, nor followed, where somebody put a pipe into it', async () => {
    const world = await withFull();
    const pod = aPod(world, run(2));
    await container('prepare', pod);
    const mark = join(foldersOf(pod.context).staging, stagingMark);
    await rm(mark);
    execFileSync('mkfifo', [mark]);
    await runTool(pod, tool({ lastTransactionId: 29n }));
    expect((await container('report', pod)).report?.reason).toBe('IncrementalBackupTaken');
  });

  test('of a Pod that is gone makes room before anything is copied', async () => {
    const world = await withFull();
    await leftover(world, `orders-0.${podUID(70)}`);
    const files = filesWith(() => undefined);
    await attempt(world, { ...run(2), files, terminalPods: [podUID(70)] }, tool());
    const first = (verb: string): number =>
      files.operations.findIndex((operation) => operation.verb === verb);
    expect(first('remove')).toBeLessThan(first('copy'));
  });
});

/** In seconds after prepare began; staging takes so long. */
async function deadlineOf(stagingSeconds: number, podDeadlineSeconds: number): Promise<number> {
  const world = await aWorld();
  const pod = aPod(world, { ...run(1), podDeadlineSeconds });
  const start = Date.parse(pod.context.request.createdTime);
  let asked = 0;
  const now = (): Date => new Date(start + (asked++ === 0 ? 0 : stagingSeconds * 1000));
  const context = { ...pod.context, now };
  await container('prepare', { ...pod, context });
  return Number(readFileSync(join(context.exchange, exchange.deadline), 'utf8')) - start / 1000;
}

describe('the deadline of the tool', () => {
  test('lies before that of the Pod, however long staging takes', async () => {
    for (const staging of [0, 60, 3000])
      expect(await deadlineOf(staging, 3600)).toBeLessThanOrEqual(3600 - 15);
  });

  test('leaves the tool most of the time that there is', async () => {
    expect(await deadlineOf(60, 3600)).toBeGreaterThan(3550);
  });

  test('is never in the past', async () => {
    expect(await deadlineOf(0, 1)).toBeGreaterThan(0);
    expect(await deadlineOf(4000, 3600)).toBeGreaterThan(4000);
  });
});

test('a destination that was just made outlives a loss of power: its name is durable too', async () => {
  const world = await aWorld();
  const files = filesWith(() => undefined);
  await attempt(world, { ...run(1), files }, tool());
  const synced = files.operations.filter(({ verb }) => verb === 'sync').map(({ paths }) => paths[0]);
  expect(synced).toContain(world.volume);
});

test('an attempt writes nothing outside of its destination, its exchange folder and the termination message', async () => {
  const world = await aWorld();
  await mkdir(join(world.volume, 'neighbour'));
  const files = filesWith(() => undefined);
  expect((await attempt(world, { ...run(1), files }, tool())).code).toBe(0);
  expect((await readdir(world.volume)).toSorted()).toEqual(['neighbour', 'orders']);
  expect(await readdir(join(world.volume, 'neighbour'))).toEqual([]);
});
