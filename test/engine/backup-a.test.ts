// Whole attempts with the real tool of generation A on real servers, without Kubernetes.
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { readDestination } from '../../src/volume/catalogue.ts';
import { pointFolder } from '../../src/volume/layout.ts';
import type { Manifest } from '../../src/volume/manifest.ts';
import { parseNeostore } from '../../src/volume/neostore.ts';
import { countNodes, engine, storeFacts, toolCommand, type Engine } from '../../tools/engines.ts';
import { startServer, type RunningServer } from '../../tools/engines/server.ts';
import { output } from '../../tools/run.ts';
import { steps } from '../../tools/steps.ts';
import { attempt, type Attempted, type AttemptOptions, type Tool, type World } from '../support/agent.ts';
import { listing } from '../support/temporary.ts';

/** Enough for a cold cache: 50 MB and 100 MB from Maven Central over a slow line. */
const fetchTimeoutMs = 15 * 60_000;

/** A run of the tool takes 3 to 15 s here, by how busy the machine is; each test starts up to five JVMs. */
const runTimeoutMs = 180_000;

const version = '3.0.7';
const work = mkdtempSync(join(tmpdir(), 'neo4j-engine-a-test-'));
let on: Engine;
let server: RunningServer;

beforeAll(async () => {
  on = await engine(version, steps());
  server = await startServer(on, {
    store: join(work, 'server.db'),
    settings: { 'x.nodes': '1000', 'x.rate': '20' },
  });
}, fetchTimeoutMs);

afterAll(async () => {
  await server.stop();
  rmSync(work, { recursive: true, force: true });
});

/** The tool itself, in the place of the engine container. */
const realTool: Tool = async ({ argv }) => {
  const { command, env } = toolCommand(on, argv.slice(1));
  const { code, stdout, stderr } = await output(command, { env });
  return { exitCode: code, output: stdout + stderr };
};

function aVolume(name: string): World {
  const volume = join(work, name);
  return { volume, root: join(volume, 'orders'), port: 0 }; // each attempt names its server
}

/** Run n of the resource, an hour later each time. */
function backup(
  world: World,
  n: number,
  { port }: { readonly port: number },
  over: AttemptOptions = {},
): Promise<Attempted> {
  const options: AttemptOptions = {
    run: `orders-${n}`,
    createdTime: new Date(Date.UTC(2026, 0, 1, n)).toISOString(),
    pod: n,
    neo4jVersion: version,
    source: { host: '127.0.0.1', port },
    ...over,
  };
  return attempt(world, options, realTool);
}

async function pointsOf({ root }: World): Promise<readonly Manifest[]> {
  const destination = await readDestination(root);
  return destination.kind === 'ours' ? destination.points : [];
}

async function tipOf(world: World): Promise<{ readonly manifest: Manifest; readonly data: string }> {
  const manifest = (await pointsOf(world)).at(-1);
  if (manifest === undefined) throw new Error('nothing is published');
  return { manifest, data: join(world.root, pointFolder(manifest.chain, manifest.point), 'data') };
}

const publishedIn = ({ root }: World): Readonly<Record<string, string>> => listing(join(root, 'points'));

describe('neo4j-backup of 3.0.7', () => {
  const world = aVolume('volume');
  let nodesInFull: number;

  test(
    'takes a full backup, of which we read what the kernel reads',
    async () => {
      const { code, report } = await backup(world, 1, server);
      expect([code, report]).toMatchObject([
        0,
        { reason: 'FullBackupTaken', fullBecause: 'DestinationBlank' },
      ]);
      const { manifest, data } = await tipOf(world);
      expect(manifest).toMatchObject({ generation: 'A', storeVersion: 'v0.A.7', consistent: true });
      nodesInFull = await countNodes(on, data);
      expect(nodesInFull).toBeGreaterThanOrEqual(1000);
      const [creationTime, randomId] = manifest.storeID.split('-').map((part) => BigInt(`0x${part}`));
      expect(await storeFacts(on, data)).toMatchObject({
        storeVersionText: 'v0.A.7',
        TIME: String(creationTime),
        RANDOM_NUMBER: String(BigInt.asIntN(64, randomId ?? 0n)),
        openedLastCommitted: manifest.lastTransactionID,
      });
    },
    runTimeoutMs,
  );

  test(
    'goes on with an increment, which it does not check, and leaves the full one as it was',
    async () => {
      const before = publishedIn(world);
      const full = (await tipOf(world)).manifest;
      const { code, report } = await backup(world, 2, server, { consistencyCheck: 'Always' });
      expect([code, report]).toMatchObject([0, { reason: 'IncrementalBackupTaken' }]);
      expect(publishedIn(world)).toMatchObject(before);
      const { manifest, data } = await tipOf(world);
      expect(manifest).toMatchObject({ chain: full.chain, parent: full.point, storeID: full.storeID });
      expect(manifest).not.toHaveProperty('consistent');
      expect(manifest.files.map(({ path }) => path)).not.toContain('logs/debug.log');
      expect(readdirSync(data)).not.toContain('logs');
      expect(BigInt(manifest.lastTransactionID)).toBeGreaterThan(BigInt(full.lastTransactionID));
      expect(await countNodes(on, data)).toBeGreaterThan(nodesInFull);
      expect(await storeFacts(on, data)).toMatchObject({ openedLastCommitted: manifest.lastTransactionID });
    },
    runTimeoutMs,
  );

  test(
    'refuses the server of another store, and changes nothing',
    async () => {
      const before = publishedIn(world);
      const other = await startServer(on, { store: join(work, 'other.db'), settings: { 'x.nodes': '10' } });
      const { code, report } = await backup(world, 3, other);
      await other.stop();
      expect([code, report?.reason]).toEqual([20, 'StoreMismatch']);
      const theirs = parseNeostore(readFileSync(join(work, 'other.db', 'neostore')));
      const id = theirs.ok ? theirs.neostore.storeId.creationTime.toString(16) : theirs.problem.kind;
      expect(report?.message).toMatch(
        new RegExp(`The destination holds store .*, the server has store ${id}-`),
      );
      expect(publishedIn(world)).toEqual(before);
    },
    runTimeoutMs,
  );

  test(
    'does not understand a server of generation B, and says so with a backup in place and without',
    async () => {
      const before = publishedIn(world);
      const newer = await startServer(await engine('3.4.18', steps()), { store: join(work, 'newer.db') });
      const increment = await backup(world, 4, newer);
      const full = await backup(aVolume('blank'), 1, newer);
      await newer.stop();
      expect([increment, full].map(({ report }) => report?.reason)).toEqual([
        'ProtocolMismatch',
        'ProtocolMismatch',
      ]);
      expect(publishedIn(world)).toEqual(before);
    },
    runTimeoutMs,
  );

  test(
    'takes a full backup, checked and in a new chain, when the server has pruned its logs',
    async () => {
      const pruning = aVolume('pruning');
      const store = join(work, 'pruning.db');
      // A log file a second, and only the newest is kept.
      const busy = await startServer(on, {
        store,
        settings: {
          'x.nodes': '100',
          'x.rate': '300',
          'x.bytes': '3000',
          'dbms.tx_log.rotation.retention_policy': 'false',
          'dbms.tx_log.rotation.size': '1M',
          'dbms.checkpoint.interval.tx': '5',
          'dbms.checkpoint.interval.time': '3s',
        },
      });
      await backup(pruning, 1, busy);
      const { manifest: first, data } = await tipOf(pruning);
      const log = readdirSync(data).find((name) => name.startsWith('neostore.transaction.db.')) ?? '';
      await vi.waitFor(() => expect(existsSync(join(store, log))).toBe(false), {
        timeout: runTimeoutMs / 2,
        interval: 200,
      });
      const before = publishedIn(pruning);
      const { code, report, plan } = await backup(pruning, 2, busy);
      await busy.stop();
      expect(plan?.targets).toMatchObject([{ tries: [{ type: 'Incremental' }] }]);
      expect([code, report]).toMatchObject([0, { reason: 'FullBackupTaken', fullBecause: 'LogsPruned' }]);
      const { manifest, data: second } = await tipOf(pruning);
      expect(manifest).toMatchObject({ type: 'Full', storeID: first.storeID, consistent: true });
      expect(manifest.chain).not.toBe(first.chain);
      expect(await countNodes(on, second)).toBeGreaterThan(await countNodes(on, data));
      expect(publishedIn(pruning)).toMatchObject(before);
    },
    runTimeoutMs,
  );

  test(
    'publishes a store with inconsistencies as what it is',
    async () => {
      const store = join(work, 'inconsistent.db');
      const settings = { 'x.nodes': '500' };
      await (await startServer(on, { store, settings })).stop();
      // The first relationship of node 100 becomes one of other nodes: bytes 1 to 4 of its record of 15.
      const nodes = openSync(join(store, 'neostore.nodestore.db'), 'r+');
      writeSync(nodes, new Uint8Array([0, 0, 0, 3]), 0, 4, 100 * 15 + 1);
      closeSync(nodes);
      const damaged = await startServer(on, { store, settings });
      const volume = aVolume('inconsistent');
      const { code, report } = await backup(volume, 1, damaged);
      await damaged.stop();
      expect([code, report?.reason]).toEqual([0, 'Inconsistent']);
      const { manifest, data } = await tipOf(volume);
      expect(manifest.consistent).toBe(false);
      expect(await countNodes(on, data)).toBe(500);
    },
    runTimeoutMs,
  );

  test(
    'backs up a store to which nothing was ever written',
    async () => {
      const empty = await startServer(on, { store: join(work, 'empty.db') });
      const volume = aVolume('empty');
      const reports = [await backup(volume, 1, empty), await backup(volume, 2, empty)];
      await empty.stop();
      expect(reports.map(({ report }) => report?.reason)).toEqual([
        'FullBackupTaken',
        'IncrementalBackupTaken',
      ]);
    },
    runTimeoutMs,
  );
});
