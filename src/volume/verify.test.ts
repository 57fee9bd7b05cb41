import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { listing, temporaryFolder } from '../../test/support/temporary.ts';
import { makeStore, storeFiles, type StoreFacts } from '../../test/support/volume.ts';
import { formatStoreID } from '../run/store-id.ts';
import { inspectStore, isLeftover } from './verify.ts';

async function aStore(facts: StoreFacts = {}): Promise<string> {
  const folder = join(temporaryFolder(), 'data');
  makeStore(folder, facts);
  return folder;
}

/** Where stores before 3.2 keep their label index, by the version: a folder of Lucene. */
const lucene = {
  '2.3.3': 'schema/label/lucene',
  '3.0.7': 'schema/label/lucene/labelStore/1',
  '3.1.6': 'schema/label/lucene/labelStore/1',
} as const;

/** A store as older versions have it, by the file that a real backup of that format has. */
async function anOlderStore(version: keyof typeof lucene, name: string): Promise<string> {
  const folder = await aStore();
  await copyFile(join(testdata, `${version}-${name}.neostore`), join(folder, 'neostore'));
  await rm(join(folder, 'neostore.labelscanstore.db'));
  await mkdir(join(folder, lucene[version]), { recursive: true });
  for (const file of ['segments_4', '_28.cfs', 'write.lock'])
    await writeFile(join(folder, lucene[version], file), file);
  return folder;
}

const testdata = join(import.meta.dirname, 'testdata');

describe('inspectStore', () => {
  test('tells identity, last transaction and size of a store, and hashes every file of it', async () => {
    const folder = await aStore({ creationTime: 0x1a2bn, randomId: -1n, lastTransactionId: 4711n });
    const store = await inspectStore(folder);
    expect(store).toMatchObject({
      kind: 'store',
      storeID: '1a2b-ffffffffffffffff',
      storeVersion: 'v0.A.9',
      lastTransactionID: '4711',
    });
    const files = store.kind === 'store' ? store.files : [];
    expect(files.map(({ path }) => path)).toEqual(['neostore', ...storeFiles]);
    const text = 'schema/index/lucene/1/segments_1 up to 4711';
    expect(files.at(-1)).toEqual({
      path: 'schema/index/lucene/1/segments_1',
      size: text.length,
      sha256: createHash('sha256').update(text).digest('hex'),
    });
    expect(store.kind === 'store' && store.sizeBytes).toBe(files.reduce((sum, { size }) => sum + size, 0));
  });

  test('counts the logs of the tool out, but only where the tool writes them', async () => {
    const folder = await aStore();
    await writeFile(join(folder, 'debug.log.1795378001412'), 'x');
    await writeFile(join(folder, 'schema/debug.log'), 'x');
    const store = await inspectStore(folder);
    const paths = store.kind === 'store' ? store.files.map(({ path }) => path) : [];
    expect(paths.filter((path) => path.includes('debug'))).toEqual(['schema/debug.log']);
  });

  interface OlderStore {
    readonly version: keyof typeof lucene;
    readonly name: string;
    readonly storeVersion: string;
  }
  const olderStores: readonly OlderStore[] = [
    { version: '2.3.3', name: 'incremental', storeVersion: 'v0.A.6' },
    { version: '3.0.7', name: 'full', storeVersion: 'v0.A.7' },
    { version: '3.0.7', name: 'high-limit', storeVersion: 'vE.H.0b' },
    { version: '3.1.6', name: 'full', storeVersion: 'v0.A.7' },
    { version: '3.1.6', name: 'high-limit', storeVersion: 'vE.H.2' },
  ];

  test.each(olderStores)('reads a store of $version ($name)', async ({ version, name, storeVersion }) => {
    const store = await inspectStore(await anOlderStore(version, name));
    expect(store).toMatchObject({ kind: 'store', storeVersion });
    const paths = store.kind === 'store' ? store.files.map(({ path }) => path) : [];
    expect(paths).toContain(`${lucene[version]}/segments_4`);
  });

  test.each(olderStores)(
    'demands its label index of a store of $version ($name)',
    async ({ version, name }) => {
      const folder = await anOlderStore(version, name);
      await rm(join(folder, lucene[version], 'segments_4'));
      await writeFile(join(folder, 'neostore.labelscanstore.db'), 'that of a later version');
      expect(await inspectStore(folder)).toEqual({
        kind: 'noStore',
        why: `${lucene[version].replace(/\/1$/, '')} is missing`,
      });
    },
  );

  test.each([
    ['3.2.9', 'high-limit', 'vE.H.3'],
    ['3.3.5', 'incremental', 'v0.A.8'],
    ['3.4.18', 'full', 'v0.A.9'],
  ])('demands the file that it is there of a store of %s (%s)', async (version, name, storeVersion) => {
    const folder = await aStore();
    await copyFile(join(testdata, `${version}-${name}.neostore`), join(folder, 'neostore'));
    expect(await inspectStore(folder)).toMatchObject({ kind: 'store', storeVersion });
    await rm(join(folder, 'neostore.labelscanstore.db'));
    expect(await inspectStore(folder)).toEqual({
      kind: 'noStore',
      why: 'neostore.labelscanstore.db is missing',
    });
  });

  /** A store as 4.x has it, by the file that a real store of that format has. */
  async function aStoreOf4(fixture: string): Promise<string> {
    const folder = await aStore();
    await copyFile(join(import.meta.dirname, 'testdata', `${fixture}.neostore`), join(folder, 'neostore'));
    for (const old of ['a', 'b']) await rm(join(folder, `neostore.counts.db.${old}`));
    await writeFile(join(folder, 'neostore.counts.db'), 'counts');
    return folder;
  }
  const degrees = 'neostore.relationshipgroupstore.degrees.db';
  const labels = 'neostore.labelscanstore.db';

  test.each(['4.0.11-standard', '4.2.19-aligned'])(
    'demands of a store of 4.0 to 4.2 one file of counts and the label index (%s)',
    async (fixture) => {
      const folder = await aStoreOf4(fixture);
      const found = [await inspectStore(folder)];
      for (const file of [labels, 'neostore.counts.db']) {
        await rm(join(folder, file));
        found.push(await inspectStore(folder));
      }
      expect(found).toMatchObject([
        { kind: 'store', lastTransactionID: '10' },
        { kind: 'noStore', why: `${labels} is missing` },
        { kind: 'noStore', why: 'neostore.counts.db is missing' },
      ]);
    },
  );

  test.each(['4.4.44-standard', '4.4.44-aligned'])(
    'demands of a store of 4.3 and 4.4 the degrees, and not the label index, which may be dropped (%s)',
    async (fixture) => {
      const folder = await aStoreOf4(fixture);
      await rm(join(folder, labels));
      const without = await inspectStore(folder);
      await writeFile(join(folder, degrees), 'degrees');
      expect([without, await inspectStore(folder)]).toMatchObject([
        { kind: 'noStore', why: `${degrees} is missing` },
        { kind: 'store', lastTransactionID: '12' },
      ]);
    },
  );

  test('demands the second file of counts, but of a store to which something was written', async () => {
    const [empty, written] = [
      await aStore({ lastTransactionId: 1n }),
      await aStore({ lastTransactionId: 2n }),
    ];
    for (const folder of [empty, written]) await rm(join(folder, 'neostore.counts.db.b'));
    expect(await inspectStore(empty)).toMatchObject({ kind: 'store', lastTransactionID: '1' });
    expect(await inspectStore(written)).toEqual({
      kind: 'noStore',
      why: 'neostore.counts.db.b is missing',
    });
  });

  test('counts out the folder of logs that the tool of 3.0 makes in the store', async () => {
    const folder = await anOlderStore('3.0.7', 'full');
    const before = await inspectStore(folder);
    await mkdir(join(folder, 'logs'));
    await writeFile(join(folder, 'logs/debug.log'), 'x');
    await writeFile(join(folder, 'logs/inconsistencies-2026-11-22.17.32.33.report'), 'x');
    expect(await inspectStore(folder)).toEqual(before);
  });

  test('changes nothing', async () => {
    const folder = await aStore();
    const before = listing(folder);
    await inspectStore(folder);
    expect(listing(folder)).toEqual(before);
  });

  interface Case {
    readonly name: string;
    readonly damage: (folder: string) => Promise<unknown>;
    readonly why: string;
  }
  const cases: readonly Case[] = [
    { name: 'an absent folder', damage: (folder) => rm(folder, { recursive: true }), why: 'no such folder' },
    {
      name: 'an empty folder, as a full disk leaves it',
      damage: async (folder) => {
        await rm(folder, { recursive: true });
        await mkdir(folder);
      },
      why: 'neostore is missing',
    },
    {
      name: 'a file in the place of the folder',
      damage: async (folder) => {
        await rm(folder, { recursive: true });
        await writeFile(folder, '');
      },
      why: 'no such folder',
    },
    {
      name: 'a copy that was cut off',
      damage: async (folder) => {
        await rename(folder, `${folder}.x`);
        await mkdir(folder);
        await rename(`${folder}.x`, join(folder, 'temp-copy'));
      },
      why: 'temp-copy is still there',
    },
    {
      name: 'a whole store with the folder of an unfinished copy beside it',
      damage: (folder) => mkdir(join(folder, 'temp-copy')),
      why: 'temp-copy is still there',
    },
    ...[
      'neostore',
      'neostore.nodestore.db',
      'neostore.relationshipstore.db',
      'neostore.propertystore.db',
      'neostore.labeltokenstore.db',
      'neostore.relationshiptypestore.db',
    ].map((file) => ({
      name: `a store without ${file}`,
      damage: (folder: string) => rm(join(folder, file)),
      why: `${file} is missing`,
    })),
    {
      name: 'a store with a folder in the place of neostore',
      damage: async (folder) => {
        await rm(join(folder, 'neostore'));
        await mkdir(join(folder, 'neostore'));
      },
      why: 'neostore is missing',
    },
    {
      name: 'a neostore cut short',
      damage: (folder) => truncate(join(folder, 'neostore'), 40),
      why: 'neostore cannot be read: TooShort',
    },
    {
      name: 'a neostore of zeros',
      damage: (folder) => writeFile(join(folder, 'neostore'), Buffer.alloc(8192)),
      why: 'neostore cannot be read: RecordMissing',
    },
    {
      name: 'a store with a link to a file in it',
      damage: (folder) => symlink('/etc/hostname', join(folder, 'schema/link')),
      why: 'schema/link is neither a file nor a folder',
    },
    {
      name: 'a store with a link to a folder in it',
      damage: (folder) => symlink('/etc', join(folder, 'link')),
      why: 'link is neither a file nor a folder',
    },
    {
      name: 'a store with a link under the name of a log',
      damage: async (folder) => {
        await rm(join(folder, 'debug.log'));
        await symlink('/etc/hostname', join(folder, 'debug.log'));
      },
      why: 'debug.log is neither a file nor a folder',
    },
    {
      name: 'a store with a pipe in it',
      damage: (folder) => Promise.resolve(execFileSync('mkfifo', [join(folder, 'pipe')])),
      why: 'pipe is neither a file nor a folder',
    },
  ];
  test.each(cases)('finds no store in $name', async ({ damage, why }) => {
    const folder = await aStore();
    await damage(folder);
    expect(await inspectStore(folder)).toEqual({ kind: 'noStore', why: expect.stringContaining(why) });
  });

  test('sees a changed byte, in the hash of its file', async () => {
    const folder = await aStore();
    const before = await inspectStore(folder);
    await writeFile(join(folder, 'neostore.nodestore.db'), 'neostore.nodestore.db up to 9'); // it was 8
    expect(await inspectStore(folder)).not.toEqual(before);
  });
});

describe('formatStoreID', () => {
  const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  const positive = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n });

  test('is one word that differs where the identities differ, and fits where it goes', () => {
    fc.assert(
      fc.property(positive, int64, positive, int64, (creationTime, randomId, other, otherRandom) => {
        const id = formatStoreID({ creationTime, randomId });
        expect(id).toMatch(/^[0-9a-f]+-[0-9a-f]+$/);
        expect(id.length).toBeLessThanOrEqual(64);
        const same = creationTime === other && randomId === otherRandom;
        expect(id === formatStoreID({ creationTime: other, randomId: otherRandom })).toBe(same);
      }),
    );
  });
});

test.each([
  ['debug.log', true],
  ['debug.log.1795378001412', true],
  ['messages.log', true],
  ['messages.log.1796020075926', true],
  ['inconsistencies-2026-11-30.06.49.53.report', true],
  ['inconsistencies.report', false],
  ['schema/inconsistencies-2026-11-30.06.49.53.report', false],
  ['debug.log.bak', false],
  ['xdebug.log', false],
  ['schema/debug.log', false],
  ['logs', true],
  ['logs/debug.log', true],
  ['logs.db', false],
  ['schema/logs', false],
  ['neostore', false],
])('%s: a leftover is %s', (path, leftover) => {
  expect(isLeftover(path)).toBe(leftover);
});
