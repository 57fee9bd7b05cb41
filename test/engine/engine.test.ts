// The real tool against a real server, without Kubernetes: what our reading of a backup rests on.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseNeostore, type Neostore } from '../../src/volume/neostore.ts';
import { countNodes, engine, storeFacts, toolCommand, type Engine } from '../../tools/engines.ts';
import { startServer, type RunningServer } from '../../tools/engines/server.ts';
import { output, type Output } from '../../tools/run.ts';
import { steps } from '../../tools/steps.ts';

/** Enough for a cold cache: 100 MB from Maven Central over a slow line. */
const fetchTimeoutMs = 15 * 60_000;

/** A run of the tool takes 4 to 15 s here, by how busy the machine is; each test starts up to five JVMs. */
const runTimeoutMs = 180_000;

const work = mkdtempSync(join(tmpdir(), 'neo4j-engine-test-'));
let on: Engine;
let server: RunningServer;

function backup(name: string, ...more: readonly string[]): Promise<Output> {
  const { command, env } = toolCommand(
    on,
    [
      'backup',
      `--backup-dir=${work}`,
      `--name=${name}`,
      `--from=127.0.0.1:${server.port}`,
      `--cc-report-dir=${work}`,
      ...more,
    ],
    { home: join(work, 'home') },
  );
  return output(command, { env: { ...env, NEO4J_DEBUG: '1' } });
}

/** Our own reading of a store's neostore file. */
function read(store: string): Neostore {
  const result = parseNeostore(readFileSync(join(store, 'neostore')));
  if (!result.ok) throw new Error(`not readable: ${result.problem.kind}`);
  return result.neostore;
}

/** The kernel's text of a store id, made from ours. It prints the version as a number, which we do not keep. */
function asKernelPrints({ storeId }: Neostore): RegExp {
  const { creationTime, randomId, upgradeTime, upgradeTransactionId } = storeId;
  return new RegExp(
    `^StoreId\\{creationTime=${creationTime}, randomId=${randomId}, storeVersion=\\d+, upgradeTime=${upgradeTime}, upgradeId=${upgradeTransactionId}\\}$`,
  );
}

beforeAll(async () => {
  on = await engine('3.4.18', steps());
  mkdirSync(join(work, 'home'));
  server = await startServer(on, {
    store: join(work, 'server.db'),
    settings: { 'x.nodes': '1000', 'x.rate': '20' },
  });
}, fetchTimeoutMs);

afterAll(async () => {
  await server.stop();
  rmSync(work, { recursive: true, force: true });
});

describe('Neo4j 3.4.18', () => {
  const store = join(work, 'orders');
  let full: Neostore;
  let nodesInFull: number;

  test(
    'a full backup holds the nodes, and we read its ids as the kernel does',
    async () => {
      expect(await backup('orders')).toMatchObject({ code: 0 });
      full = read(store);
      nodesInFull = await countNodes(on, store);
      expect(nodesInFull).toBeGreaterThanOrEqual(1000);
      const facts = await storeFacts(on, store);
      expect(facts['openedStoreId']).toMatch(asKernelPrints(full));
      expect(facts).toMatchObject({
        storeVersionText: full.storeId.storeVersion,
        openedLastCommitted: String(full.lastTransactionId),
        LAST_TRANSACTION_COMMIT_TIMESTAMP: String(full.lastTransactionTime),
        LOG_VERSION: String(full.logVersion),
      });
    },
    runTimeoutMs,
  );

  test(
    'an increment brings later transactions of the same store, and neostore tells the last one',
    async () => {
      expect(await backup('orders', '--fallback-to-full=false')).toMatchObject({ code: 0 });
      const now = read(store);
      expect(now.storeId).toEqual(full.storeId);
      expect(now.lastTransactionId).toBeGreaterThan(full.lastTransactionId);
      expect(await countNodes(on, store)).toBeGreaterThan(nodesInFull);
      expect(await storeFacts(on, store)).toMatchObject({
        openedLastCommitted: String(now.lastTransactionId),
      });
    },
    runTimeoutMs,
  );

  test(
    'a backup of another store is refused, left alone, and the refusal names the id of the server',
    async () => {
      const other = await startServer(on, { store: join(work, 'other.db') });
      try {
        const { command, env } = toolCommand(
          on,
          [
            'backup',
            `--backup-dir=${work}`,
            '--name=orders',
            `--from=127.0.0.1:${other.port}`,
            `--cc-report-dir=${work}`,
            '--fallback-to-full=false',
          ],
          { home: join(work, 'home') },
        );
        const before = read(store);
        const { code, stdout, stderr } = await output(command, { env: { ...env, NEO4J_DEBUG: '1' } });
        expect(code).toBe(1);
        expect(read(store)).toEqual(before);
        await other.stop();
        const { creationTime, randomId } = read(join(work, 'other.db')).storeId;
        expect(`${stdout}${stderr}`).toMatch(
          new RegExp(
            `MismatchingStoreIdException: Expected:StoreId\\{.*, encountered:StoreId\\{creationTime=${creationTime}, randomId=${randomId},`,
          ),
        );
      } finally {
        await other.stop();
      }
    },
    runTimeoutMs,
  );
});
