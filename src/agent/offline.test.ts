// What the two verbs without a cluster print of a volume, and how they end.
import { execFile } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
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
import { aPod, aWorld, attempt, failingTool, tool } from '../../test/support/agent.ts';
import { listing, temporaryFolder } from '../../test/support/temporary.ts';
import { aPointName, makeArtifact, makePoint, writeManifest } from '../../test/support/volume.ts';
import { ConfigError, offlineConfig } from '../config.ts';
import { writeCatalogue } from '../volume/catalogue-file.ts';
import { realFiles } from '../volume/files.ts';
import { placeOf } from '../volume/layout.ts';
import type { Manifest } from '../volume/manifest.ts';
import { newMark, writeMarks } from '../volume/marks.ts';
import { writeRecord } from '../volume/records.ts';
import { runOffline, type Printed } from './offline.ts';

function asked(verb: 'catalog' | 'verify', ...argv: readonly string[]): Promise<Printed> {
  return Promise.resolve().then(() => runOffline(offlineConfig(verb, argv)));
}

interface Volume {
  readonly volume: string;
  readonly root: string;
  readonly stores: readonly Manifest[];
  /** A chain of three. */
  readonly artifacts: readonly [Manifest, Manifest, Manifest];
}

const time = '2026-02-01T03:00:00.000Z';
const record = {
  schemaVersion: 1,
  run: 'orders-2',
  reason: 'EngineFailed',
  message: 'It failed.',
  completionTime: time,
};

async function aVolume(): Promise<Volume> {
  const volume = temporaryFolder();
  const root = join(volume, 'orders');
  mkdirSync(root);
  const stores = [
    await makePoint(root, { sequence: 1 }, { lastTransactionId: 8n }),
    await makePoint(root, { sequence: 2, consistent: false }, { lastTransactionId: 9n }),
  ];
  const chain = aPointName(3);
  const artifacts = [
    await makeArtifact(root, { sequence: 3, chain }),
    await makeArtifact(root, { sequence: 4, chain, type: 'Incremental', parent: aPointName(3) }),
    await makeArtifact(root, { sequence: 5, chain, type: 'Incremental', parent: aPointName(4) }),
  ] as const;
  await writeRecord(realFiles, root, 'orders-2', { record, output: 'what the tool said' });
  await writeMarks(realFiles, root, new Map(stores.map((point) => newMark(point, { time }))));
  await writeCatalogue(realFiles, root);
  return { volume, root, stores, artifacts };
}

describe('agent catalog', () => {
  test('prints points by database and chain, and the runs', async () => {
    const { root } = await aVolume();
    const { text, exitCode } = await asked('catalog', root);
    expect(exitCode).toBe(0);
    const lines = text.split('\n').map((line) => line.trim().split(/ {2,}/));
    const sizes = lines.filter(([, , , type]) => type === 'Full' || type === 'Incremental');
    expect(
      sizes.map(([database, , point, type, , tx, , consistent, verified]) => [
        database,
        point,
        type,
        tx,
        consistent,
        verified,
      ]),
    ).toEqual([
      ['graph.db', aPointName(1), 'Full', '8', 'yes', '2026-02-01T03:00:00Z'],
      ['graph.db', aPointName(2), 'Full', '9', 'NO', '2026-02-01T03:00:00Z'],
      ['neo4j', aPointName(3), 'Full', '30', 'yes', 'when taken'],
      ['neo4j', aPointName(4), 'Incremental', '40', 'yes', 'when taken'],
      ['neo4j', aPointName(5), 'Incremental', '50', 'yes', 'when taken'],
    ]);
    expect(lines).toContainEqual(['orders-2', '2026-02-01T03:00:00Z', 'EngineFailed', 'It failed.']);
    expect(text).toMatch(/^orders: 5 restore points, /);
  });

  test('says of a damaged point why, and gives the same as JSON', async () => {
    const { root, stores } = await aVolume();
    truncateSync(join(root, placeOf(stores[0] as Manifest).manifest), 50);
    const { text } = await asked('catalog', root);
    expect(text).toContain('4 restore points');
    expect(text).toMatch(/manifest\.json +its manifest is damaged: it is not JSON/);

    const json = JSON.parse((await asked('catalog', root, '--output', 'json')).text) as unknown;
    expect(json).toMatchObject({
      destinations: [
        {
          name: 'orders',
          points: [{ sequence: 2, verifiedTime: time }, { sequence: 3 }, { sequence: 4 }, { sequence: 5 }],
          damaged: [{ place: placeOf(stores[0] as Manifest).manifest }],
          runs: [{ run: 'orders-2', report: { reason: 'EngineFailed' } }],
        },
      ],
    });
  });

  test('prints all destinations of a volume, and follows no link to one', async () => {
    const { volume } = await aVolume();
    await makePoint(join(volume, 'customers'));
    symlinkSync('orders', join(volume, 'link'));
    mkdirSync(join(volume, 'lost+found'));
    const { text } = await asked('catalog', volume);
    expect(text.match(/^\S+: /gm)).toEqual(['customers: ', 'orders: ']);
  });

  test('prints nothing that a terminal could take for more than text', async () => {
    const { root } = await aVolume();
    const evil = 'x\u001b[2J\n\u009b31m\u202Eevil';
    mkdirSync(join(root, 'chains/neo4j', aPointName(9), '.manifests'), { recursive: true });
    writeFileSync(join(root, 'chains/neo4j', aPointName(9), '.manifests', `${evil}.json`), '');
    writeFileSync(join(root, 'runs', `${evil}.json`), '');
    writeFileSync(join(root, 'runs', evil), '');
    for (const verb of ['catalog', 'verify'] as const)
      for (const output of ['table', 'json']) {
        const { text } = await asked(verb, root, '--output', output);
        expect(text).toContain('evil');
        expect(text.replaceAll('…', '')).toMatch(/^[\n -~]*$/);
        expect(text.split('\n').filter((line) => /^\s*31m/.test(line))).toEqual([]);
      }
  });
});

describe('agent verify', () => {
  test('finds everything right, reads only, and ends with 0', async () => {
    const { volume, root } = await aVolume();
    const before = listing(volume);
    const { text, exitCode } = await asked('verify', root);
    expect([exitCode, text]).toEqual([
      0,
      expect.stringMatching(/^orders: 5 restore points are whole, all points weigh [\d.]+ KiB\n$/),
    ]);
    expect(await asked('verify', volume)).toMatchObject({ exitCode: 0 });
    expect(listing(volume)).toEqual(before);
  });

  test('finds right what real runs leave behind', async () => {
    const world = await aWorld();
    await attempt(world, { run: 'orders-1' }, tool());
    await attempt(world, { run: 'orders-2', pod: 2 }, tool({ lastTransactionId: 9n }));
    await attempt(world, { run: 'orders-3', pod: 3 }, failingTool('Boom'));
    expect(aPod(world)).toBeDefined();
    const { text, exitCode } = await asked('verify', world.root);
    expect([exitCode, text]).toEqual([0, expect.stringMatching(/^orders: 2 restore points are whole/)]);
  });

  interface Damage {
    readonly name: string;
    readonly damage: (volume: Volume) => unknown;
    /** What is named, and how many restore points it takes away. */
    readonly path: string;
    readonly takes: number;
    /** What is still whole of the five. */
    readonly sound: number;
  }
  const store = (n: number): string => `points/${aPointName(n)}/${aPointName(n)}`;
  const chain = `chains/neo4j/${aPointName(3)}`;
  const damages: readonly Damage[] = [
    {
      name: 'a file of a store with other content',
      damage: ({ root }) => writeFileSync(join(root, store(1), 'data/neostore.nodestore.db'), 'else'),
      path: `${store(1)}/data/neostore.nodestore.db`,
      takes: 1,
      sound: 4,
    },
    {
      name: 'a file of a store that is gone',
      damage: ({ root }) => rmSync(join(root, store(1), 'data/schema/index/lucene/1/segments_1')),
      path: `${store(1)}/data/schema/index/lucene/1/segments_1`,
      takes: 1,
      sound: 4,
    },
    {
      name: 'a file too many in a store',
      damage: ({ root }) => writeFileSync(join(root, store(1), 'data/neostore.more'), ''),
      path: `${store(1)}/data/neostore.more`,
      takes: 1,
      sound: 4,
    },
    {
      name: 'a file of a store that a link took the place of',
      damage: ({ root }) => {
        const data = join(root, store(1), 'data');
        renameSync(join(data, 'neostore'), join(root, '../away'));
        symlinkSync(join(root, '../away'), join(data, 'neostore'));
      },
      path: `${store(1)}/data/neostore`,
      takes: 1,
      sound: 4,
    },
    {
      name: 'a folder of a store that a link took the place of',
      damage: ({ root }) => {
        renameSync(join(root, store(1), 'data'), join(root, '../away'));
        symlinkSync('../../../../away', join(root, store(1), 'data'));
      },
      path: `${store(1)}/data`,
      takes: 1,
      sound: 4,
    },
    {
      name: 'the full backup of a chain, cut short',
      damage: ({ root, artifacts: [{ files }] }) => truncateSync(join(root, chain, files[0]?.path ?? ''), 50),
      path: `${chain}/neo4j-3.backup`,
      takes: 3,
      sound: 2,
    },
    {
      name: 'the last increment of a chain, gone',
      damage: ({ root }) => rmSync(join(root, chain, 'neo4j-5.backup')),
      path: `${chain}/neo4j-5.backup`,
      takes: 1,
      sound: 4,
    },
    {
      name: 'an artifact that says another thing of itself than its manifest',
      damage: async ({ root, artifacts: [, , last] }) => {
        await makeArtifact(root, { ...last, lastTransactionID: '55', files: [...last.files] });
        const other = await makeArtifact(temporaryFolder(), {
          sequence: 5,
          type: 'Incremental',
          lastTransactionID: '55',
        });
        await writeManifest(root, { ...last, files: [...other.files] });
        await writeCatalogue(realFiles, root);
      },
      path: `${chain}/neo4j-5.backup`,
      takes: 1,
      sound: 4,
    },
    {
      name: 'a manifest with one character changed',
      damage: ({ root }) => {
        const path = join(root, store(2), 'manifest.json');
        writeFileSync(path, readFileSync(path, 'utf8').replace('"9"', '"8"'));
      },
      path: `${store(2)}/manifest.json`,
      takes: 1,
      sound: 4,
    },
    {
      name: 'a good manifest that is another one than was catalogued',
      damage: ({ root, stores }) => writeManifest(root, { ...(stores[0] as Manifest), run: 'another' }),
      path: `${store(1)}/manifest.json`,
      takes: 1,
      sound: 4,
    },
    {
      name: 'a point that a scrub found damaged',
      damage: ({ root, stores }) =>
        writeMarks(realFiles, root, new Map([newMark(stores[0] as Manifest, { time, damaged: 'neostore' })])),
      path: 'verification.json',
      takes: 1,
      sound: 4,
    },
    {
      name: 'damaged marks',
      damage: ({ root }) => truncateSync(join(root, 'verification.json'), 9),
      path: 'verification.json',
      takes: 0,
      sound: 5,
    },
    {
      name: 'a damaged catalogue',
      damage: ({ root }) => truncateSync(join(root, 'catalog.json'), 9),
      path: 'catalog.json',
      takes: 0,
      sound: 5,
    },
    {
      name: 'a damaged record',
      damage: ({ root }) => truncateSync(join(root, 'runs/orders-2.json'), 9),
      path: 'runs/orders-2.json',
      takes: 0,
      sound: 5,
    },
    {
      name: 'the output of a tool, cut short',
      damage: ({ root }) => truncateSync(join(root, 'runs/orders-2.log.gz'), 20),
      path: 'runs/orders-2.log.gz',
      takes: 0,
      sound: 5,
    },
    {
      name: 'the output of a tool with something after its end',
      damage: ({ root }) => appendFileSync(join(root, 'runs/orders-2.log.gz'), 'more'),
      path: 'runs/orders-2.log.gz',
      takes: 0,
      sound: 5,
    },
    {
      name: 'something foreign',
      damage: ({ root }) => copyFileSync(join(root, 'catalog.json'), join(root, 'notes.txt')),
      path: 'notes.txt',
      takes: 0,
      sound: 0,
    },
  ];
  test.each(damages)('finds $name, and ends with 1', async ({ damage, path, takes, sound }) => {
    const made = await aVolume();
    await damage(made);
    const { exitCode, text } = await asked('verify', made.root, '--output', 'json');
    const json = JSON.parse(text) as {
      destinations: [{ faults: { path: string; takes: unknown[] }[]; sound: number }];
    };
    const [{ faults, sound: whole }] = json.destinations;
    expect(exitCode).toBe(1);
    expect(faults.map((fault) => [fault.path, fault.takes.length])).toEqual([[path, takes]]);
    expect(whole).toBe(sound);
    const forPeople = await asked('verify', made.root);
    expect(forPeople.exitCode).toBe(1);
    expect(forPeople.text).toContain(path);
    expect(forPeople.text.match(/takes away/g) ?? []).toHaveLength(takes);
  });

  test('is content with a catalogue that lags behind, and says so', async () => {
    const { root } = await aVolume();
    await makePoint(root, { sequence: 6 });
    expect(await asked('verify', root)).toEqual({
      exitCode: 0,
      text: expect.stringContaining('lacks 1 points') as string,
    });
  });
});

describe('both verbs', () => {
  test.each([
    { name: 'no folder', argv: [] },
    { name: 'two folders', argv: ['a', 'b'] },
    { name: 'a folder that is not there', argv: ['/nowhere'] },
    { name: 'a file', argv: [import.meta.filename] },
    { name: 'a folder without backups', argv: [import.meta.dirname] },
    { name: 'an output that is none', argv: ['.', '--output', 'yaml'] },
    { name: 'an option that is none', argv: ['.', '--all'] },
  ])('refuse $name', async ({ argv }) => {
    for (const verb of ['catalog', 'verify'] as const)
      await expect(asked(verb, ...argv)).rejects.toBeInstanceOf(ConfigError);
  });

  test('are verbs of the agent, with their exit codes', async () => {
    const { root } = await aVolume();
    const run = (
      ...args: readonly string[]
    ): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> =>
      new Promise((resolve) => {
        const program = join(import.meta.dirname, '../agent.ts');
        execFile(process.execPath, [program, ...args], (error, stdout, stderr) => {
          resolve({ code: Number(error?.code ?? 0), stdout, stderr });
        });
      });
    expect(await run('catalog', root)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('5 restore points') as string,
    });
    expect(await run('verify', root)).toMatchObject({ code: 0 });
    rmSync(join(root, 'chains/neo4j', aPointName(3), 'neo4j-3.backup'));
    expect(await run('verify', root)).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('neo4j-3.backup') as string,
    });
    expect(await run('verify')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('usage: agent verify DIR') as string,
    });
    expect(existsSync(join(root, '.lock'))).toBe(false);
  });
});
