// What we read of stores and artifacts of 4.0 and later, against what Neo4j's own community edition says of them.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readArtifact } from '../../src/volume/artifact.ts';
import { formatStoreID } from '../../src/run/store-id.ts';
import { inspectStore } from '../../src/volume/verify.ts';
import { kernel, kernelSays } from '../../tools/kernels.ts';
import { steps } from '../../tools/steps.ts';

/** Enough for a cold cache (100 MB over a slow line) and three JVMs on a busy machine. */
const timeoutMs = 15 * 60_000;

const work = mkdtempSync(join(tmpdir(), 'neo4j-kernel-test-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const databases = 'data/databases/neo4j';
const transactions = 'data/transactions/neo4j';

/** A home with a store to which something was written, closed in order; and what the kernel said of it. */
async function aHome(
  on: Awaited<ReturnType<typeof kernel>>,
): Promise<{ readonly home: string; readonly says: Readonly<Record<string, string>> }> {
  const home = join(work, on.version);
  const memory = on.version.startsWith('5') ? 'server' : 'dbms';
  const log = on.version.startsWith('5') ? 'db' : 'dbms';
  const says = await kernelSays(on, 'Store', {
    'x.home': home,
    'x.transactions': 3,
    'x.index': true,
    [`${memory}.memory.pagecache.size`]: '32M',
    [`${log}.tx_log.preallocate`]: false, // else a log takes 256 MB at once
  });
  return { home, says };
}

describe.each(['4.0.11', '4.4.44'] as const)('a store of %s', (version) => {
  test(
    'is read as the kernel reads it, once its files and its logs are in one folder, and opens when they are apart again',
    async () => {
      const on = await kernel(version, steps());
      const { home, says } = await aHome(on);
      const backup = join(work, `${version}-backup`);
      for (const part of [databases, transactions]) cpSync(join(home, part), backup, { recursive: true });
      const store = await inspectStore(backup);
      const creationTime = BigInt(says['CreationTime'] ?? 0);
      expect(store).toMatchObject({
        kind: 'store',
        storeID: formatStoreID({ creationTime, randomId: BigInt(says['RandomId'] ?? 0) }),
        lastTransactionID: says['LastTransaction'],
      });
      expect(Number(says['LastTransaction'])).toBeGreaterThan(3);

      const again = join(work, `${version}-again`);
      for (const part of [databases, transactions]) mkdirSync(join(again, part), { recursive: true });
      for (const name of readdirSync(backup)) {
        const part = /^(neostore\.transaction\.db|checkpoint)\.\d+$/.test(name) ? transactions : databases;
        cpSync(join(backup, name), join(again, part, name), { recursive: true });
      }
      const { storeID, nodes } = await kernelSays(on, 'Store', { 'x.home': again });
      expect({ storeID, nodes }).toEqual({ storeID: says['storeID'], nodes: '30' });
    },
    timeoutMs,
  );
});

describe('an artifact with a store of 5.26.12 in it', () => {
  test(
    'says to us what it says to Neo4j',
    async () => {
      const on = await kernel('5.26.12', steps());
      const { home, says } = await aHome(on);
      for (const format of ['BZV2', 'BTV2']) {
        const to = join(work, `neo4j-${format}.backup`);
        const read = await kernelSays(on, 'Artifact', {
          format,
          folder: join(home, databases),
          to,
          creationTime: says['CreationTime'] ?? '',
          random: says['Random'] ?? '',
          databaseID: says['databaseID'] ?? '',
          database: 'neo4j',
          seconds: 1_764_484_067,
          lowest: 1,
          highest: says['LastTransaction'] ?? '',
          recovered: true,
          full: true,
        });
        const creationTime = BigInt(read['creationTime'] ?? 0);
        expect(await readArtifact(to)).toMatchObject({
          kind: 'artifact',
          header: {
            storeID: formatStoreID({ creationTime, randomId: BigInt(read['random'] ?? 0) }),
            databaseID: read['databaseID'],
            database: read['database'],
            backupTime: `${read['backupTime']}.000Z`,
            lowestTransactionID: 1n,
            highestTransactionID: BigInt(says['LastTransaction'] ?? 0),
            isFull: true,
            isCompressed: read['compressed'] === 'true',
            isRecovered: true,
          },
        });
      }
    },
    timeoutMs,
  );
});
