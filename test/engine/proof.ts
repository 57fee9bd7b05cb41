// Whole attempts of our agent with the real tool on real servers, without Kubernetes: each story ends with the reason that
// people are told, and with every backup that was published before exactly as it was.
import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, cpSync, existsSync, mkdirSync, mkdtempSync, openSync } from 'node:fs';
import { readdirSync, readFileSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Plan } from '../../src/agent/plan.ts';
import type { RunReason } from '../../src/api/reasons.ts';
import { pointFolder } from '../../src/volume/layout.ts';
import type { Manifest } from '../../src/volume/manifest.ts';
import { parseNeostore, type Neostore } from '../../src/volume/neostore.ts';
import {
  countNodes,
  engine,
  storeFacts,
  toolCommand,
  type Engine,
  type EngineVersion,
} from '../../tools/engines.ts';
import { startServer, type RunningServer } from '../../tools/engines/server.ts';
import { slowProxy, type SlowProxy } from '../../tools/engines/slow-proxy.ts';
import { runTool, type RunOptions } from '../../tools/engines/tool.ts';
import { must } from '../../tools/run.ts';
import { steps } from '../../tools/steps.ts';
import { attempt, type Attempted, type AttemptOptions, type Tool, type World } from '../support/agent.ts';
import { commandsOf } from '../support/restore.ts';
import { listing } from '../support/temporary.ts';
import { readManifests } from '../support/volume.ts';

/** Enough for a cold cache: 50 MB to 100 MB each from Maven Central over a slow line. */
const fetchTimeoutMs = 15 * 60_000;

/** A run of the tool takes 3 to 15 s here, by how busy the machine is; each test starts up to six JVMs. */
const runTimeoutMs = 240_000;

/** The version before, whose stores a server of this one brings up to itself. */
interface OlderVersion {
  readonly version: EngineVersion;
  /** What comes of a full backup of a server of that version, by a tool of this one. */
  readonly full: RunReason;
  /** What comes of an increment on top of a backup by that version, when the server was upgraded since. */
  readonly increment: RunReason;
}

/** What a version does that another does not. */
export interface Row {
  readonly version: EngineVersion;
  readonly generation: string;
  /** The record format of its stores. */
  readonly storeVersion: string;
  readonly older?: OlderVersion;
  /** Whether the tool checks increments: otherwise nothing is claimed of them. */
  readonly checksIncrements: boolean;
  /** Whether it ends when it meets a full disk while it applies an increment: that of 2.3 may wait for ever. */
  readonly incrementEndsOnFullDisk: boolean;
}

export function proof(row: Row): void {
  describe(`the tool of Neo4j ${row.version}`, () => {
    stories(row);
  });
}

/** The server sends in pieces of 4 MB, and the tool makes no file before the first is there: two of them, in few nodes. */
const largeStore = { 'x.nodes': '2000', 'x.bytes': '4000', 'x.rate': '20' } as const;
const middleOfCopyBytes = 5_000_000;

const isRoot = process.getuid?.() === 0;

function stories(row: Row): void {
  const { version, generation, storeVersion, older } = row;
  const work = mkdtempSync(join(tmpdir(), 'neo4j-proof-'));
  const orders = aVolume('orders');
  const stock = aVolume('stock');
  const used: RunningServer[] = [];
  let on: Engine;
  let server: RunningServer;
  let runs = 0;

  beforeAll(async () => {
    on = await engine(version, steps());
    server = await started('orders', largeStore);
  }, fetchTimeoutMs);

  afterAll(async () => {
    await Promise.all(used.map((each) => each.stop()));
    rmSync(work, { recursive: true, force: true });
  });

  async function started(
    store: string,
    settings: Readonly<Record<string, string>>,
    by: Engine = on,
  ): Promise<RunningServer> {
    const running = await startServer(by, { store: join(work, `${store}.db`), settings });
    used.push(running);
    return running;
  }

  function aVolume(name: string): World {
    const volume = join(work, `${name}-volume`);
    return { volume, root: join(volume, 'orders'), port: 0 }; // each attempt names its server
  }

  /** The tool itself, in the place of the engine container. */
  function realTool(options: RunOptions = {}, by: Engine = on): Tool {
    return async ({ argv }) => {
      const { rc, stdout, stderr } = await runTool(by, argv.slice(1), {
        home: join(work, 'home'),
        ...options,
      });
      return { exitCode: rc, output: stdout + stderr };
    };
  }

  /** The next run of the resource, an hour later each time. Whatever comes of it, what is published stays as it is. */
  async function backup(
    world: World,
    { port }: { readonly port: number },
    over: AttemptOptions = {},
    tool: Tool = realTool(),
  ): Promise<Attempted> {
    runs += 1;
    const options: AttemptOptions = {
      run: `orders-${runs}`,
      createdTime: new Date(Date.UTC(2026, 0, 1, runs)).toISOString(),
      pod: runs,
      neo4jVersion: version,
      source: { host: '127.0.0.1', port },
      ...over,
    };
    const before = publishedIn(world);
    const ended = await attempt(world, options, tool);
    const isPublished = ended.report?.path !== undefined;
    const after = publishedIn(world);
    expect(after).toEqual(isPublished ? { ...after, ...before } : before);
    return ended;
  }

  const publishedIn = ({ root }: World): Readonly<Record<string, string>> =>
    existsSync(join(root, 'points')) ? listing(join(root, 'points')) : {};

  async function tipOf({ root }: World): Promise<{ readonly manifest: Manifest; readonly data: string }> {
    const destination = await readManifests(root);
    const manifest = destination.kind === 'ours' ? destination.points.at(-1) : undefined;
    if (manifest === undefined) throw new Error('nothing is published');
    return { manifest, data: join(root, pointFolder(manifest.chain, manifest.point), 'data') };
  }

  /** A full backup through a network that is slow enough for something to happen in the middle of the copy. */
  async function interrupted(happens: (pid: number) => Promise<void>): Promise<Attempted> {
    const proxy = await slowProxy(server, 2_000_000);
    const during = async (pid: number): Promise<void> => {
      await passed(proxy, middleOfCopyBytes);
      await happens(pid);
    };
    try {
      return await backup(orders, proxy, { requestedType: 'Full' }, realTool({ during }));
    } finally {
      await proxy.close();
    }
  }

  test(
    'takes a full backup, of which we read what the kernel reads',
    async () => {
      const { code, report } = await backup(orders, server);
      expect([code, report]).toMatchObject([
        0,
        { reason: 'FullBackupTaken', fullBecause: 'DestinationBlank' },
      ]);
      const { manifest, data } = await tipOf(orders);
      expect(manifest).toMatchObject({ generation, storeVersion, consistent: true });
      expect(await countNodes(on, data)).toBeGreaterThanOrEqual(2000);
      const { storeId, lastTransactionTime = 0n, logVersion } = read(data);
      const facts = await storeFacts(on, data);
      expect(facts).toMatchObject({
        storeVersionText: storeVersion,
        TIME: String(storeId.creationTime),
        RANDOM_NUMBER: String(storeId.randomId),
        LOG_VERSION: String(logVersion),
        openedStoreId: expect.stringContaining(`upgradeTime=${storeId.upgradeTime}, upgradeId=1}`) as string,
        openedLastCommitted: manifest.lastTransactionID,
      });
      // The kernel of 2.3 has no such record.
      expect(facts['LAST_TRANSACTION_COMMIT_TIMESTAMP'] ?? '0').toBe(String(lastTransactionTime));
    },
    runTimeoutMs,
  );

  test(
    'goes on with an increment, and claims no more of it than the tool can tell',
    async () => {
      const full = (await tipOf(orders)).manifest;
      const { code, report } = await backup(orders, server, { consistencyCheck: 'Always' });
      expect([code, report?.reason]).toEqual([0, 'IncrementalBackupTaken']);
      const { manifest, data } = await tipOf(orders);
      expect(manifest).toMatchObject({ chain: full.chain, parent: full.point, storeID: full.storeID });
      expect(manifest.consistent).toBe(row.checksIncrements ? true : undefined);
      expect(strangersIn(data)).toEqual([]);
      expect(BigInt(manifest.lastTransactionID)).toBeGreaterThan(BigInt(full.lastTransactionID));
      expect(await storeFacts(on, data)).toMatchObject({ openedLastCommitted: manifest.lastTransactionID });
    },
    runTimeoutMs,
  );

  test(
    'is restored by the commands of RESTORE.md, and opens',
    async () => {
      const { manifest, data } = await tipOf(orders);
      const home = join(work, 'restored');
      const bin = join(work, 'bin');
      for (const folder of [join(home, 'conf'), bin]) mkdirSync(folder, { recursive: true });
      const { command, env } = toolCommand(on, [], { home });
      const words = command.map((word) => `'${word}'`).join(' ');
      writeFileSync(join(bin, 'neo4j-admin'), `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
      const commands = commandsOf(readFileSync(join(orders.root, 'RESTORE.md'), 'utf8'));
      const { status, stdout, stderr } = spawnSync('sh', ['-c', commands], {
        cwd: orders.root,
        env: { ...process.env, ...env, PATH: `${bin}:${process.env['PATH']}` },
        encoding: 'utf8',
      });
      expect([status, stdout + stderr]).toEqual([0, expect.any(String)]);
      const restored = join(home, version === '2.3.3' ? 'data/graph.db' : 'data/databases/graph.db');
      expect(await storeFacts(on, restored)).toMatchObject({
        openedLastCommitted: manifest.lastTransactionID,
      });
      expect(await countNodes(on, restored)).toBe(await countNodes(on, data));
    },
    runTimeoutMs,
  );

  test(
    'adopts what a script took with the tool alone, goes on from it, and leaves it as it was',
    async () => {
      const found = aVolume('found');
      mkdirSync(found.volume);
      const byHand =
        on.generation === 'A'
          ? ['-host', '127.0.0.1', '-port', String(server.port), '-to', join(found.volume, 'cron')]
          : [
              'backup',
              `--from=127.0.0.1:${server.port}`,
              `--backup-dir=${join(found.volume, 'cron')}`,
              '--name=graph.db-backup',
            ];
      if (on.generation === 'B') mkdirSync(join(found.volume, 'cron'));
      expect(await runTool(on, byHand, { home: join(work, 'home') })).toMatchObject({ rc: 0 });
      const original = listing(join(found.volume, 'cron'));
      const { code, report, plan } = await backup(found, server, { adoptFrom: 'cron' });
      expect(firstTry(plan)).toBe('Incremental');
      expect([code, report?.reason]).toEqual([0, 'IncrementalBackupTaken']);
      expect(listing(join(found.volume, 'cron'))).toEqual(original);
      const { manifest, data } = await tipOf(found);
      const destination = await readManifests(found.root);
      const [adopted] = destination.kind === 'ours' ? destination.points : [];
      expect(adopted).toMatchObject({
        fullBecause: 'Adopted',
        storeVersion,
        generation,
        neo4jVersion: version,
      });
      expect(manifest).toMatchObject({ parent: adopted?.point, storeID: adopted?.storeID });
      expect(BigInt(manifest.lastTransactionID)).toBeGreaterThan(BigInt(adopted?.lastTransactionID ?? 0));
      expect(await storeFacts(on, data)).toMatchObject({ openedLastCommitted: manifest.lastTransactionID });
    },
    runTimeoutMs,
  );

  describe('on a store of another identity', () => {
    let other: RunningServer;

    test(
      'refuses to go on, and we name both',
      async () => {
        other = await started('stock', { 'x.nodes': '500' });
        const { code, report } = await backup(orders, other);
        expect([code, report?.reason]).toEqual([20, 'StoreMismatch']);
        const { creationTime } = read(join(work, 'stock.db')).storeId;
        const ours = (await tipOf(orders)).manifest.storeID;
        expect(report?.message).toMatch(
          new RegExp(`holds store ${ours}, the server has store ${creationTime.toString(16)}-`),
        );
      },
      runTimeoutMs,
    );

    test(
      'which turns out to be inconsistent, takes a backup that is published as what it is',
      async () => {
        await backup(stock, other);
        expect((await tipOf(stock)).manifest.consistent).toBe(true);
        await other.stop();
        // The first relationship of node 100 becomes one of other nodes: bytes 1 to 4 of its record of 15.
        const nodes = openSync(join(work, 'stock.db', 'neostore.nodestore.db'), 'r+');
        writeSync(nodes, new Uint8Array([0, 0, 0, 3]), 0, 4, 100 * 15 + 1);
        closeSync(nodes);
        const damaged = await started('stock', {});
        const { code, report } = await backup(stock, damaged, { requestedType: 'Full' });
        await damaged.stop();
        expect([code, report?.reason]).toEqual([0, 'Inconsistent']);
        const { manifest, data } = await tipOf(stock);
        expect(manifest.consistent).toBe(false);
        expect(strangersIn(data)).toEqual([]);
        expect(await countNodes(on, data)).toBe(500);
      },
      runTimeoutMs,
    );
  });

  test('is never started where something lies that is no backup of ours', async () => {
    const junk = aVolume('junk');
    mkdirSync(junk.root, { recursive: true });
    writeFileSync(join(junk.root, 'notes.txt'), 'not a backup\n');
    const before = listing(junk.root);
    const { code, report, calls } = await backup(junk, server);
    expect([code, report?.reason, calls]).toEqual([20, 'DestinationNotABackup', []]);
    expect(listing(junk.root)).toEqual(before);
  });

  test(
    'may not write where it should',
    async () => {
      const noOverride = ['setpriv', '--bounding-set=-dac_override,-dac_read_search'];
      const closed: Tool = (call) => {
        chmodSync(join(targetOf(call.argv), '..'), 0o555);
        return realTool(isRoot ? { prefix: noOverride } : {})(call);
      };
      const { code, report } = await backup(orders, server, { requestedType: 'Full' }, closed);
      expect([code, report?.reason]).toEqual([20, 'PermissionDenied']);
    },
    runTimeoutMs,
  );

  // Only root may mount a file system of its own.
  describe.runIf(isRoot)('on a volume that is full', () => {
    const types = ['Full', ...(row.incrementEndsOnFullDisk ? ['Auto'] : [])] as const;
    test.each(types)(
      'says so when asked for %s',
      async (type) => {
        const requestedType = type === 'Full' ? 'Full' : 'Auto';
        const small = aVolume(`small-${requestedType}`);
        mkdirSync(small.volume);
        await must(['mount', '-t', 'tmpfs', '-o', 'size=1g', 'tmpfs', small.volume]);
        try {
          cpSync(orders.volume, small.volume, { recursive: true });
          // Less room is left than the copy needs, but for an increment enough to begin with it.
          const tip = (await tipOf(orders)).manifest.sizeBytes;
          const size = usedBytes(small.volume) + (type === 'Full' ? tip / 2 : tip + 300_000);
          await must(['mount', '-o', `remount,size=${Math.ceil(size)}`, small.volume]);
          const { code, report } = await backup(small, server, { requestedType });
          expect([code, report?.reason]).toEqual([20, 'NoSpaceLeft']);
        } finally {
          await must(['umount', small.volume]);
        }
      },
      runTimeoutMs,
    );
  });

  describe('killed half-way', () => {
    test(
      'leaves no backup behind',
      async () => {
        const { code, report } = await interrupted((pid) => {
          process.kill(pid, 'SIGKILL');
          return Promise.resolve();
        });
        expect([code, report?.reason]).toEqual([20, 'EngineFailed']);
      },
      runTimeoutMs,
    );

    test(
      'nor a part of an increment',
      async () => {
        const proxy = await slowProxy(server, 100_000);
        const during = async (pid: number): Promise<void> => {
          await passed(proxy, 200_000);
          process.kill(pid, 'SIGKILL');
        };
        const { code, report, plan } = await backup(orders, proxy, {}, realTool({ during }));
        await proxy.close();
        expect(firstTry(plan)).toBe('Incremental');
        expect([code, report?.reason]).toEqual([20, 'EngineFailed']);
      },
      runTimeoutMs,
    );
  });

  test(
    'goes on from the last good backup after all that',
    async () => {
      const before = (await tipOf(orders)).manifest;
      const { code, report } = await backup(orders, server);
      expect([code, report?.reason]).toEqual([0, 'IncrementalBackupTaken']);
      const { manifest, data } = await tipOf(orders);
      expect(manifest.parent).toBe(before.point);
      expect(await countNodes(on, data)).toBeGreaterThan(2000);
    },
    runTimeoutMs,
  );

  test(
    'loses its server in the middle of the copy',
    async () => {
      const { code, report } = await interrupted(() => server.kill());
      expect([code, report?.reason]).toEqual([10, 'ServerClosedConnection']);
    },
    runTimeoutMs,
  );

  test(
    'takes a full backup, checked and in a new chain, when the server has pruned its logs',
    async () => {
      const pruning = aVolume('pruning');
      const busy = await started('pruning', {
        'x.nodes': '100',
        'x.rate': '300',
        'x.bytes': '3000',
        ...on.pruning,
      });
      await backup(pruning, busy);
      const { manifest: first, data } = await tipOf(pruning);
      const log = readdirSync(data).find((name) => name.startsWith('neostore.transaction.db.')) ?? '';
      await vi.waitFor(() => expect(existsSync(join(work, 'pruning.db', log))).toBe(false), {
        timeout: runTimeoutMs / 2,
        interval: 200,
      });
      const { code, report, plan } = await backup(pruning, busy);
      await busy.stop();
      expect(firstTry(plan)).toBe('Incremental');
      expect([code, report]).toMatchObject([0, { reason: 'FullBackupTaken', fullBecause: 'LogsPruned' }]);
      const { manifest, data: second } = await tipOf(pruning);
      expect(manifest).toMatchObject({ type: 'Full', storeID: first.storeID, consistent: true });
      expect(manifest.chain).not.toBe(first.chain);
      expect(await countNodes(on, second)).toBeGreaterThan(await countNodes(on, data));
    },
    runTimeoutMs,
  );

  if (older === undefined) return;

  test(
    `backs up a server of ${older.version} as it can, and that server once it is upgraded`,
    async () => {
      const archive = aVolume('archive');
      const before = await engine(older.version, steps());
      // Nothing was ever written to this store: some of its files are then not there.
      const old = await started('archive', {}, before);
      expect((await backup(aVolume('elsewhere'), old)).report?.reason).toBe(older.full);
      const { report: first } = await backup(
        archive,
        old,
        { neo4jVersion: older.version },
        realTool({}, before),
      );
      expect(first?.reason).toBe('FullBackupTaken');
      await old.stop();
      const upgraded = await started('archive', { 'x.nodes': '10', ...on.upgrading });
      const { report, plan } = await backup(archive, upgraded);
      expect(firstTry(plan)).toBe('Incremental');
      expect(report?.reason).toBe(older.increment);
      const { report: full } = await backup(archive, upgraded, { requestedType: 'Full' });
      await upgraded.stop();
      expect(full).toMatchObject({ reason: 'FullBackupTaken', storeID: first?.storeID });
      const { manifest, data } = await tipOf(archive);
      expect(manifest.consistent).toBe(true);
      expect(await countNodes(on, data)).toBe(10);
    },
    runTimeoutMs,
  );
}

/** Our own reading of a store's neostore file. */
function read(store: string): Neostore {
  const result = parseNeostore(readFileSync(join(store, 'neostore')));
  if (!result.ok) throw new Error(`not readable: ${result.problem.kind}`);
  return result.neostore;
}

/** The folder that the tool is told to put the backup into. */
function targetOf(argv: readonly string[]): string {
  const option = (name: string): string | undefined =>
    argv.find((argument) => argument.startsWith(`${name}=`))?.slice(name.length + 1);
  return option('-to') ?? join(option('--backup-dir') ?? '', option('--name') ?? '');
}

/** What lies in a store that is no part of it. */
function strangersIn(data: string): readonly string[] {
  return readdirSync(data).filter((name) => /^logs$|\.log(\.|$)|\.report$/.test(name));
}

function firstTry(plan: Plan | undefined): string | undefined {
  return plan?.targets[0]?.tries[0]?.type;
}

function usedBytes(folder: string): number {
  const { blocks, bfree, bsize } = statfsSync(folder);
  return (blocks - bfree) * bsize;
}

async function passed(proxy: SlowProxy, bytes: number): Promise<void> {
  await vi.waitFor(() => expect(proxy.passed()).toBeGreaterThan(bytes), {
    timeout: runTimeoutMs / 2,
    interval: 50,
  });
}
