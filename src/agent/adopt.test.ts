// Runs that begin with a backup that others took: what is adopted, what is refused, and a process that dies on the way.
import { existsSync, utimesSync, writeFileSync } from 'node:fs';
import { link, mkdir, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  aChain,
  artifact,
  aStore,
  cases,
  databaseID,
  diesAt,
  operationsOf,
  others,
  pointsOf,
  run,
  served,
  takenAt,
} from '../../test/support/adoption.ts';
import {
  aPod,
  attempt,
  aWorld,
  closedPort,
  container,
  runTool,
  tool,
  type AttemptOptions,
  type World,
} from '../../test/support/agent.ts';
import { FakeClock, until } from '../../test/support/fake-clock.ts';
import { toolB3 } from '../../test/support/stand-ins.ts';
import { temporaryFolder } from '../../test/support/temporary.ts';
import { filesWith, readManifests } from '../../test/support/volume.ts';
import { realFiles, type Files } from '../volume/files.ts';
import { folders } from '../volume/layout.ts';
import type { Manifest } from '../volume/manifest.ts';
import { entriesBelow, newestChain, storesIn } from '../volume/others.ts';

describe.each(cases)('$name', (one) => {
  const { options, make, tool: work } = one;

  test('is adopted, and the run goes on from it; the original stays, and none is adopted again', async () => {
    const world = await aWorld();
    make(world);
    const before = others(world);
    const { code, report } = await attempt(world, run(1, options), work);
    expect([code, report]).toMatchObject([
      0,
      { reason: 'IncrementalBackupTaken', type: 'Incremental', run: 'orders-1' },
    ]);
    const points = await pointsOf(world);
    const adopted = points.filter((point) => point.run === 'Adopted');
    const own = points.filter((point) => point.run === 'orders-1');
    expect(adopted.length + own.length).toBe(points.length);
    expect(points.map(({ sequence }) => sequence)).toEqual(points.map((_, i) => i + 1));
    for (const { database, chain, parent } of own) {
      const theirs = adopted.filter((point) => point.database === database);
      expect(theirs[0]).toMatchObject({
        type: 'Full',
        fullBecause: 'Adopted',
        chain,
        startTime: takenAt,
        completionTime: takenAt,
      });
      expect(theirs[0]).not.toHaveProperty('consistent');
      expect(parent).toBe(theirs.at(-1)?.point);
    }
    expect(others(world)).toEqual(before);
    expect(await readdir(join(world.root, folders.staging))).toEqual([]);

    const { report: next } = await attempt(world, run(2, options), work);
    expect(next?.reason).toBe('IncrementalBackupTaken');
    expect((await pointsOf(world)).filter((point) => point.run === 'Adopted')).toEqual(adopted);
  });

  test('is copied: nothing outside the destination is linked, moved, written or removed', async () => {
    const world = await aWorld();
    make(world);
    const { operations, ...files } = filesWith(() => undefined);
    await container('prepare', aPod(world, run(1, { ...options, files })));
    const outside = operations.filter(({ verb, paths }) => {
      const changed = verb === 'copy' ? paths.slice(1) : paths;
      return changed.some((path) => path.startsWith(world.volume) && !path.startsWith(world.root));
    });
    expect(outside).toEqual([{ verb: 'sync', paths: [world.volume] }]);
    expect(operations.some(({ verb }) => verb === 'copy')).toBe(true);
  });

  test('stays whole where the process dies over publishing it, and the next attempt heals it', async () => {
    const { publishing } = await operationsOf(one);
    expect(publishing.length).toBeGreaterThan(0);
    for (const at of publishing)
      for (const k of [at - 1, at, at + 1])
        for (const isLater of [false, true])
          expect([k, await diesAt(one, k, { half: true, isLater })]).toEqual([k, undefined]);
  });
});

describe('of a chain of artifacts', () => {
  const options: AttemptOptions = { neo4jVersion: '5.26.28' };

  async function adoptedFrom(make: (world: World) => void): Promise<readonly Manifest[]> {
    const world = await aWorld();
    make(world);
    await container('prepare', aPod(world, run(1, options)));
    return pointsOf(world);
  }

  test('the newest whole one is taken, and what brings nothing is left out', async () => {
    const points = await adoptedFrom(aChain);
    expect(
      points.map(({ type, files, firstTransactionID, lastTransactionID }) => [
        type,
        files[0]?.path,
        firstTransactionID,
        lastTransactionID,
      ]),
    ).toEqual([
      ['Full', 'neo4j-2026-01-01T03-00-00.backup', undefined, '20'],
      ['Incremental', 'neo4j-2026-01-01T04-00-00.backup', '21', '25'],
      ['Incremental', 'neo4j-2026-01-01T06-00-00.backup', '26', '29'],
    ]);
    expect(points.map(({ parent }) => parent)).toEqual([undefined, points[0]?.point, points[1]?.point]);
    expect(points.every(({ storeID }) => storeID === databaseID)).toBe(true);
  });

  test('what comes after a gap, or is of a database of the same name, is left out', async () => {
    const points = await adoptedFrom((world) => {
      aChain(world);
      artifact(world, 'cron/neo4j-2026-01-01T07-00-00.backup', {
        isFull: false,
        lowest: 40n,
        highest: 44n,
      });
      artifact(world, 'cron/neo4j-2026-01-01T08-00-00.backup', {
        isFull: false,
        lowest: 30n,
        highest: 50n,
        databaseID: databaseID.replace('6', '7'),
      });
    });
    expect(points.map(({ lastTransactionID }) => lastTransactionID)).toEqual(['20', '25', '29']);
  });

  test('one that goes on from the full backup itself is found, too', async () => {
    const points = await adoptedFrom((world) => {
      aChain(world);
      artifact(world, 'cron/neo4j-2026-01-01T07-00-00.backup', {
        isFull: false,
        lowest: 21n,
        highest: 44n,
      });
    });
    expect(points.map(({ lastTransactionID }) => lastTransactionID)).toEqual(['20', '44']);
  });

  test('an older one is taken where the newest full backup is damaged', async () => {
    const points = await adoptedFrom((world) => {
      aChain(world);
      writeFileSync(join(world.volume, 'cron/neo4j-2026-01-01T03-00-00.backup'), 'BTV1');
    });
    expect(points.map(({ lastTransactionID }) => lastTransactionID)).toEqual(['9', '12']);
  });

  test('all databases are taken where all are wanted', async () => {
    const world = await aWorld();
    aChain(world);
    await container('prepare', aPod(world, run(1, { ...options, allDatabases: true })));
    const points = await pointsOf(world);
    expect([...new Set(points.map(({ database }) => database))]).toEqual(['neo4j', 'stock']);
  });
});

describe('of stores', () => {
  test('the one that goes furthest is taken of those of one store, and what the tool moved aside is none', async () => {
    const world = await aWorld();
    aStore(world, 'cron/monday', { lastTransactionId: 12n });
    aStore(world, 'cron/tuesday', { lastTransactionId: 20n });
    aStore(world, 'cron/monday.err.0', { lastTransactionId: 90n, randomId: 7n });
    await writeFile(join(world.volume, 'cron/backup.log'), 'done\n');
    const { report } = await attempt(world, run(1), tool({ lastTransactionId: 29n }));
    expect(report?.reason).toBe('IncrementalBackupTaken');
    expect((await pointsOf(world))[0]).toMatchObject({ run: 'Adopted', lastTransactionID: '20' });
  });

  test('none of a log of the tool is taken along', async () => {
    const world = await aWorld();
    aStore(world, 'cron'); // with a debug.log
    await container('prepare', aPod(world, run(1)));
    const [point] = await pointsOf(world);
    expect(point?.files.map(({ path }) => path)).not.toContain('debug.log');
  });

  test('the version is one whose format it is, and the time is that of the run where its own cannot be right', async () => {
    const world = await aWorld();
    const folder = aStore(world, 'cron'); // of 3.4
    const later = new Date('2031-01-01T00:00:00Z');
    utimesSync(join(folder, 'neostore'), later, later);
    await container('prepare', aPod(world, run(1, { neo4jVersion: '3.0.7' })));
    expect((await pointsOf(world))[0]).toMatchObject({
      neo4jVersion: '3.5',
      generation: 'B2',
      storeVersion: 'v0.A.9',
      completionTime: '2026-01-02T01:00:00.000Z',
    });
  });

  test('a database that is not there begins with a full backup where another one is', async () => {
    const world = await aWorld();
    aStore(world, 'cron/neo4j');
    const options: AttemptOptions = { neo4jVersion: '4.4.48', databases: ['neo4j', 'system'] };
    const { report } = await attempt(world, run(1, options), toolB3(served(29n)));
    expect(report?.databases).toMatchObject([
      { name: 'neo4j', type: 'Incremental' },
      { name: 'system', type: 'Full', fullBecause: 'DestinationBlank' },
    ]);
  });

  test('the folder of the one database that is wanted may be named itself', async () => {
    const world = await aWorld();
    aStore(world, 'cron/neo4j');
    const options: AttemptOptions = { neo4jVersion: '4.4.48', adoptFrom: 'cron/neo4j' };
    const { report } = await attempt(world, run(1, options), toolB3(served(29n)));
    expect(report?.type).toBe('Incremental');
    const other = await aWorld();
    aStore(other, 'cron/neo4j');
    const wanting = { ...options, databases: ['stock'] };
    expect((await attempt(other, run(1, wanting), toolB3(served(29n)))).report).toMatchObject({
      reason: 'AdoptionFailed',
      message: expect.stringContaining('none is called stock') as string,
    });
  });
});

interface Refusal {
  readonly name: string;
  readonly options?: AttemptOptions;
  readonly make: (world: World) => unknown;
  readonly says: RegExp;
}

const refusals: readonly Refusal[] = [
  { name: 'nothing', make: () => undefined, says: /no folder cron on the volume/ },
  { name: 'an empty folder', make: ({ volume }) => mkdir(join(volume, 'cron')), says: /it holds nothing\./ },
  {
    name: 'the root of the volume with nothing but our own folder',
    options: { adoptFrom: '.' },
    make: () => undefined,
    says: /root of the volume holds no backup to adopt: it holds nothing\./,
  },
  {
    name: 'a file',
    make: ({ volume }) => writeFile(join(volume, 'cron'), ''),
    says: /cron in cron is no folder/,
  },
  {
    name: 'junk',
    make: async ({ volume }) => {
      await mkdir(join(volume, 'cron/photos'), { recursive: true });
      await writeFile(join(volume, 'cron/notes.txt'), 'no backup\n');
    },
    says: /it holds notes.txt, photos\. .*with a file neostore/,
  },
  {
    name: 'junk that is called neostore',
    make: async ({ volume }) => {
      await mkdir(join(volume, 'cron/old'), { recursive: true });
      await writeFile(join(volume, 'cron/old/neostore'), 'no backup\n');
    },
    says: /neostore in old cannot be read: TooShort/,
  },
  {
    name: 'a store that is not whole',
    make: (world) => rm(join(aStore(world, 'cron/db'), 'neostore.nodestore.db')),
    says: /db is no whole backup: neostore\.nodestore\.db is missing/,
  },
  {
    name: 'a copy that was not completed',
    make: (world) => mkdir(join(aStore(world, 'cron/db'), 'temp-copy')),
    says: /temp-copy is still there/,
  },
  {
    name: 'a store with a link in it',
    make: (world) => symlink('/etc/passwd', join(aStore(world, 'cron/db'), 'more')),
    says: /more is neither a file nor a folder/,
  },
  {
    name: 'a folder behind a link',
    make: async (world) => {
      aStore(world, 'elsewhere');
      await symlink('elsewhere', join(world.volume, 'cron'));
    },
    says: /cron in cron is a link/,
  },
  {
    name: 'a store whose neostore is a link',
    make: async (world) => {
      const folder = aStore(world, 'cron/db');
      await rm(join(folder, 'neostore'));
      await symlink(join(aStore(world, 'elsewhere'), 'neostore'), join(folder, 'neostore'));
    },
    says: /neostore in db is no file/,
  },
  {
    name: 'two stores of different identities',
    make: (world) => {
      aStore(world, 'cron/orders');
      aStore(world, 'cron/stock', { randomId: 7n });
    },
    says: /backups of different stores \(orders, stock\)/,
  },
  {
    name: 'two backups of one store that go equally far',
    make: (world) => {
      aStore(world, 'cron/a');
      aStore(world, 'cron/b');
    },
    says: /a and b both go up to transaction \d+/,
  },
  {
    name: 'the destination itself',
    options: { adoptFrom: 'orders/points' },
    make: () => undefined,
    says: /that is the destination itself/,
  },
  {
    name: 'more entries than anybody looks through',
    make: async ({ volume }) => {
      await mkdir(join(volume, 'cron'));
      for (let i = 0; i <= 10_000; i += 1) writeFileSync(join(volume, `cron/${i}`), '');
    },
    says: /more than 10000 entries/,
  },
  {
    name: 'stores of other databases',
    options: { neo4jVersion: '4.4.48' },
    make: (world) => aStore(world, 'cron/stock'),
    says: /stores in it \(stock\) none is called neo4j/,
  },
  {
    name: 'a store where artifacts are to be',
    options: { neo4jVersion: '5.26.28' },
    make: (world) => aStore(world, 'cron/neo4j'),
    says: /it holds neo4j\. .*files like neo4j-2026/,
  },
  {
    name: 'artifacts of other databases',
    options: { neo4jVersion: '5.26.28' },
    make: (world) => artifact(world, 'cron/stock-2026-01-01T03-00-00.backup', { database: 'stock' }),
    says: /artifacts of stock alone/,
  },
  {
    name: 'an artifact that was renamed',
    options: { neo4jVersion: '5.26.28' },
    make: (world) => artifact(world, 'cron/neo4j-2026-01-01T03-00-00.backup', { database: 'stock' }),
    says: /is of the database stock/,
  },
  {
    name: 'increments without a full backup',
    options: { neo4jVersion: '5.26.28' },
    make: (world) => artifact(world, 'cron/neo4j-2026-01-01T03-00-00.backup', { isFull: false }),
    says: /no full backup among them/,
  },
  {
    name: 'half an artifact',
    options: { neo4jVersion: '5.26.28' },
    make: async (world) => {
      artifact(world, 'cron/neo4j-2026-01-01T03-00-00.backup');
      await truncate(join(world.volume, 'cron/neo4j-2026-01-01T03-00-00.backup'), 200);
    },
    says: /cannot be read: /,
  },
];

describe('is refused, and nothing is written', () => {
  test.each(refusals)('$name', async ({ options = {}, make, says }) => {
    const world = await aWorld();
    await make(world);
    const before = others(world);
    const { code, report, calls } = await attempt(world, run(1, options), tool());
    expect([code, report?.reason, calls]).toEqual([20, 'AdoptionFailed', []]);
    expect(report?.message).toMatch(says);
    expect(others(world)).toEqual(before);
    expect(await readManifests(world.root)).toEqual({ kind: 'blank' });
    expect((await readdir(world.root)).toSorted()).toEqual(['runs']);
  });

  test('where the volume certainly has no room for it', async () => {
    const world = await aWorld();
    await truncate(join(aStore(world, 'cron'), 'neostore.nodestore.db'), 50_000_000);
    const readSpace = () => Promise.resolve({ type: 0xef53, freeBytes: 1_000_000 });
    const { code, report } = await attempt(world, run(1, { readSpace }), tool());
    expect([code, report?.reason]).toEqual([20, 'NoSpaceLeft']);
    expect(report?.message).toContain('that is to be adopted takes');
    expect(await readManifests(world.root)).toEqual({ kind: 'blank' });
  });

  test('not one of two databases where the other one cannot be copied', async () => {
    const world = await aWorld();
    aStore(world, 'cron/neo4j');
    const second = aStore(world, 'cron/system');
    const files = {
      ...realFiles,
      async copy(...[from, to, seen]: Parameters<Files['copy']>): Promise<void> {
        if (from.startsWith(second)) writeFileSync(from, 'another transaction');
        await realFiles.copy(from, to, seen);
      },
    };
    const options: AttemptOptions = { neo4jVersion: '4.4.48', databases: ['neo4j', 'system'], files };
    expect((await attempt(world, run(1, options), tool())).report?.reason).toBe('AdoptionFailed');
    expect(await readManifests(world.root)).toEqual({ kind: 'blank' });
  });

  test.each([
    ['a file', 'neostore.nodestore.db', /neostore\.nodestore\.db changed while it was read/],
    ['the list of files', 'neostore.transaction.db.1', /files came or went while it was read/],
  ])('where somebody changes %s of it meanwhile', async (_, name, says) => {
    const world = await aWorld();
    const folder = aStore(world, 'cron');
    const files = {
      ...realFiles,
      async copy(...[from, to, seen]: Parameters<Files['copy']>): Promise<void> {
        writeFileSync(join(folder, name), 'another transaction');
        await realFiles.copy(from, to, seen);
      },
    };
    const { report } = await attempt(world, run(1, { files }), tool());
    expect(report?.reason).toBe('AdoptionFailed');
    expect(report?.message).toMatch(says);
    expect(await readManifests(world.root)).toEqual({ kind: 'blank' });
  });
});

describe('once something is published', () => {
  test('nothing is adopted any more, and a folder that is gone is in nobody’s way', async () => {
    const world = await aWorld();
    const { report } = await attempt(world, run(1, { neo4jVersion: '3.4.18' }), tool());
    expect(report?.reason).toBe('AdoptionFailed');
    const blank = await aWorld();
    const { adoptFrom: _, ...without } = run(1);
    await attempt(blank, without, tool());
    aStore(blank, 'cron', { randomId: 7n });
    expect((await attempt(blank, run(2), tool({ lastTransactionId: 29n }))).report?.reason).toBe(
      'IncrementalBackupTaken',
    );
    expect((await pointsOf(blank)).map((point) => point.run)).toEqual(['orders-1', 'orders-2']);
  });

  test('a run that failed after it has adopted leaves the next one to go on', async () => {
    const world = await aWorld();
    aStore(world, 'cron');
    const { report } = await attempt(world, run(1), () => Promise.resolve({ exitCode: 1, output: 'boom' }));
    expect(report?.path).toBeUndefined();
    const points = await pointsOf(world);
    expect(points.map((point) => point.run)).toEqual(['Adopted']);
    await rm(join(world.volume, 'cron'), { recursive: true });
    const { report: next } = await attempt(world, run(2), tool({ lastTransactionId: 29n }));
    expect(next?.reason).toBe('IncrementalBackupTaken');
  });

  test('of several databases the rest is no obstacle when it is gone', async () => {
    const world = await aWorld();
    const options: AttemptOptions = { neo4jVersion: '4.4.48', databases: ['neo4j', 'system'] };
    aStore(world, 'cron/neo4j');
    const failing = { exitCode: 1, output: 'boom' };
    await attempt(world, run(1, options), () => Promise.resolve(failing));
    await rm(join(world.volume, 'cron'), { recursive: true });
    const { report } = await attempt(world, run(2, options), toolB3(served(29n)));
    expect(report?.databases).toMatchObject([
      { name: 'neo4j', type: 'Incremental' },
      { name: 'system', type: 'Full' },
    ]);
  });

  test('what is there already is not adopted anew, though the original has gone on', async () => {
    const world = await aWorld();
    const options: AttemptOptions = { neo4jVersion: '4.4.48', allDatabases: true };
    aStore(world, 'cron/neo4j');
    await container('prepare', aPod(world, run(1, options)));
    aStore(world, 'cron/neo4j', { lastTransactionId: 20n });
    aStore(world, 'cron/system');
    await container('prepare', aPod(world, run(2, options)));
    expect((await pointsOf(world)).map(({ database }) => database)).toEqual(['neo4j', 'system']);
  });

  test('another resource of that folder does not add to it', async () => {
    const world = await aWorld();
    const options: AttemptOptions = { neo4jVersion: '4.4.48', databases: ['neo4j', 'system'] };
    aStore(world, 'cron/neo4j');
    await container('prepare', aPod(world, run(1, options)));
    aStore(world, 'cron/system');
    const resource = { namespace: 'shop', name: 'orders', uid: '7d1e6f0e-0000-4000-8000-000000000002' };
    await container('prepare', aPod(world, run(2, { ...options, resource })));
    expect((await pointsOf(world)).map(({ database }) => database)).toEqual(['neo4j']);
  });
});

test('two Pods that adopt at the same time publish it once', async () => {
  for (const { options, make, tool: work } of cases) {
    const world = await aWorld();
    make(world);
    const clock = new FakeClock();
    const pods = [1, 2].map((pod) => aPod(world, run(1, { ...options, pod, clock })));
    const ended = await until(clock, Promise.all(pods.map((pod) => container('prepare', pod))));
    expect(ended.map(({ code }) => code)).toEqual([0, 0]);
    const adopted = await pointsOf(world);
    expect(new Set(adopted.map(({ point }) => point)).size).toBe(adopted.length);
    const [pod] = pods;
    if (pod === undefined) throw new Error('no Pod');
    await runTool(pod, work);
    expect((await container('report', pod)).report?.reason).toBe('IncrementalBackupTaken');
  }
});

test('a server that is away is said before anything is read', async () => {
  const world = await aWorld();
  aStore(world, 'cron');
  const source = { host: '127.0.0.1', port: await closedPort() };
  expect((await attempt(world, run(1, { source }), tool())).report?.reason).toBe('PortUnreachable');
  expect(existsSync(join(world.root, folders.points))).toBe(false);
});

describe('looking within bounds', () => {
  test('counts no further than it must, and not into links', async () => {
    const folder = temporaryFolder();
    await mkdir(join(folder, 'a/b'), { recursive: true });
    await writeFile(join(folder, 'a/b/c'), '');
    await symlink('/', join(folder, 'a/b/d'));
    expect([await entriesBelow(folder), await entriesBelow(folder, 3)]).toEqual([4, undefined]);
  });

  test('does not wait for a pipe, and takes a hard link for the file that it is', async () => {
    const world = await aWorld();
    const folder = aStore(world, 'cron/db');
    await link(join(folder, 'neostore'), join(world.volume, 'second-name'));
    expect(await storesIn(join(world.volume, 'cron'), '')).toMatchObject({ kind: 'found' });
  });

  test('reads no more artifacts than a year has days', async () => {
    const world = await aWorld();
    const names = Array.from({ length: 401 }, (_, i) => `neo4j-2026-01-01T03-00-00-${1000 - i}.backup`);
    for (const name of names) artifact(world, `cron/${name}`, { isFull: name === names.at(-1) });
    const folder = join(world.volume, 'cron');
    expect((await newestChain(folder, 'neo4j', names)).kind).toBe('nothing');
    expect((await newestChain(folder, 'neo4j', names.slice(1))).kind).toBe('found');
  });
});
