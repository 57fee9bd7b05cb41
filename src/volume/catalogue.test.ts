import { mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { listing, temporaryFolder } from '../../test/support/temporary.ts';
import { aManifest, aPointName, readManifests, writeManifest } from '../../test/support/volume.ts';
import { destinationOf, nextSequence, pointsOfRun, readDestination, tipOf } from './catalogue.ts';
import { placeOf, pointFolder } from './layout.ts';
import type { Manifest } from './manifest.ts';

const [first, second, third] = [1, 2, 3].map((sequence) => aManifest({ sequence })) as [
  Manifest,
  Manifest,
  Manifest,
];

/** A destination with such points in it. */
async function destination(...points: readonly Manifest[]): Promise<string> {
  const root = join(temporaryFolder(), 'orders');
  await mkdir(root);
  for (const point of points) await writeManifest(root, point);
  return root;
}

function folderOf({ chain, point }: Manifest): string {
  return pointFolder(chain, point);
}

describe('reading a destination', () => {
  interface BlankCase {
    readonly name: string;
    readonly make: (root: string) => Promise<unknown>;
  }
  const blanks: readonly BlankCase[] = [
    { name: 'an absent folder', make: (root) => rm(root, { recursive: true }) },
    { name: 'an empty folder', make: () => Promise.resolve() },
    { name: 'a fresh file system', make: (root) => mkdir(join(root, 'lost+found')) },
    {
      name: 'only the record of a run that failed',
      make: async (root) => {
        await mkdir(join(root, 'runs'));
        await writeFile(join(root, 'runs/orders-1.json'), '{}');
      },
    },
    {
      name: 'a chain whose first point was never renamed into place',
      make: (root) => mkdir(join(root, 'points', first.chain), { recursive: true }),
    },
    {
      name: 'a staged point, manifest and all',
      make: async (root) => {
        await mkdir(join(root, '.staging/orders-1.x/first'), { recursive: true });
        await writeFile(join(root, '.staging/orders-1.x/first/manifest.json'), '{}');
      },
    },
  ];
  test.each(blanks)('calls $name blank', async ({ make }) => {
    const root = await destination();
    await make(root);
    expect(await readManifests(root)).toEqual({ kind: 'blank' });
  });

  test('gives the points by sequence, whatever their names and the order on disk say', async () => {
    const late = aManifest({ sequence: 4, point: aPointName(0) });
    const root = await destination(third, late, first, second);
    expect(await readManifests(root)).toMatchObject({
      kind: 'ours',
      points: [first, second, third, late],
      damaged: [],
    });
  });

  test('holds no list of files, but the name of an artifact', async () => {
    const [file, sha256] = ['neo4j.backup', 'b'.repeat(64)];
    const files = [{ path: file, size: 1, sha256 }];
    const artifact = aManifest({ sequence: 2, layout: 'artifacts', database: 'neo4j', files });
    const read = await readDestination(await destination(first, artifact));
    expect(read).toMatchObject({ kind: 'ours', points: [{ point: first.point, fileCount: 1 }, { file }] });
    expect(JSON.stringify(read)).not.toContain('"files"');
  });

  interface ForeignCase {
    readonly name: string;
    readonly make: (root: string) => Promise<unknown>;
    readonly entries: readonly string[];
  }
  const foreigners: readonly ForeignCase[] = [
    {
      name: 'a backup that a script made',
      make: (root) => mkdir(join(root, 'graph.db')),
      entries: ['graph.db'],
    },
    { name: 'a hidden file', make: (root) => writeFile(join(root, '.snapshot'), ''), entries: ['.snapshot'] },
    {
      name: 'a name that only begins as ours',
      make: (root) => writeFile(join(root, 'points.old'), ''),
      entries: ['points.old'],
    },
    {
      name: 'a file where the folder of the points would be',
      make: async (root) => {
        await rm(join(root, 'points'), { recursive: true });
        await writeFile(join(root, 'points'), '');
      },
      entries: ['points'],
    },
    {
      name: 'a link where the folder of the points would be',
      make: async (root) => {
        await rm(join(root, 'points'), { recursive: true });
        await mkdir(join(root, '../elsewhere'));
        await symlink('../elsewhere', join(root, 'points'));
      },
      entries: ['points'],
    },
    {
      name: 'a link where the staging folder would be',
      make: (root) => symlink('..', join(root, '.staging')),
      entries: ['.staging'],
    },
  ];
  test.each(foreigners)('calls $name foreign, beside points of ours too', async ({ make, entries }) => {
    const root = await destination(first);
    await make(root);
    expect(await readManifests(root)).toEqual({ kind: 'foreign', entries });
  });

  test('calls a file in the place of the destination foreign', async () => {
    const root = await destination();
    await writeFile(join(root, 'file'), '');
    expect(await readManifests(join(root, 'file'))).toEqual({ kind: 'foreign', entries: ['file'] });
  });

  interface DamageCase {
    readonly name: string;
    readonly damage: (folder: string, root: string) => Promise<unknown>;
  }
  const damages: readonly DamageCase[] = [
    { name: 'no manifest', damage: (folder) => rm(join(folder, 'manifest.json')) },
    { name: 'an empty manifest', damage: (folder) => truncate(join(folder, 'manifest.json'), 0) },
    { name: 'a manifest cut short', damage: (folder) => truncate(join(folder, 'manifest.json'), 300) },
    {
      name: 'the manifest of another point',
      damage: async (folder, root) => {
        await rm(join(folder, 'manifest.json'));
        await symlink(join(root, folderOf(first), 'manifest.json'), join(folder, 'manifest.json'));
      },
    },
    {
      name: 'a folder in the place of its manifest',
      damage: async (folder) => {
        await rm(join(folder, 'manifest.json'));
        await mkdir(join(folder, 'manifest.json'));
      },
    },
    {
      name: 'a link that leads to itself in the place of its manifest',
      damage: async (folder) => {
        await rm(join(folder, 'manifest.json'));
        await symlink('manifest.json', join(folder, 'manifest.json'));
      },
    },
    {
      name: 'a file in its own place',
      damage: async (folder) => {
        await rm(folder, { recursive: true });
        await writeFile(folder, '');
      },
    },
  ];
  test.each(damages)('counts a point with $name as damaged, and keeps the others', async ({ damage }) => {
    const root = await destination(first, second);
    await damage(join(root, folderOf(second)), root);
    expect(await readManifests(root)).toMatchObject({
      kind: 'ours',
      points: [first],
      damaged: [folderOf(second)],
    });
  });

  test('is not blank when all it has is damaged', async () => {
    const root = await destination(first);
    await truncate(join(root, folderOf(first), 'manifest.json'), 10);
    expect(await readManifests(root)).toMatchObject({ kind: 'ours', points: [], damaged: [folderOf(first)] });
  });

  test('passes over a file in the place of a chain, and names that are none of a point', async () => {
    const root = await destination(first);
    await writeFile(join(root, 'points', aPointName(9)), '');
    await mkdir(join(root, 'points', 'old', 'x'), { recursive: true });
    await mkdir(join(root, 'points', first.chain, 'x'), { recursive: true });
    expect(await readManifests(root)).toMatchObject({ kind: 'ours', points: [first], damaged: [] });
  });

  test('says that a newer operator wrote there, whatever else is there', async () => {
    const root = await destination(first, second);
    const body = { ...second, schemaVersion: 7 };
    const sha256 = createHash('sha256').update(JSON.stringify(body)).digest('hex');
    await writeFile(
      join(root, folderOf(second), 'manifest.json'),
      JSON.stringify({ manifest: body, sha256 }),
    );
    expect(await readManifests(root)).toEqual({ kind: 'tooNew', schemaVersion: 7 });
  });

  test('changes nothing', async () => {
    const root = await destination(first, second);
    await truncate(join(root, folderOf(second), 'manifest.json'), 10);
    const before = listing(root);
    await readManifests(root);
    expect(listing(root)).toEqual(before);
  });
});

describe('tipOf', () => {
  const broken = { consistent: false } as const;
  const { consistent: _, ...unchecked } = aManifest({ sequence: 4 });
  interface Case {
    readonly name: string;
    readonly points: readonly Manifest[];
    readonly tip: Manifest | undefined;
  }
  const cases: readonly Case[] = [
    { name: 'nothing of nothing', points: [], tip: undefined },
    { name: 'the newest by sequence', points: [second, third, first], tip: third },
    {
      name: 'an older one when the newest is inconsistent',
      points: [first, second, { ...third, ...broken }],
      tip: second,
    },
    { name: 'one that was not checked', points: [first, unchecked], tip: unchecked },
    {
      name: 'the newest when all are inconsistent',
      points: [
        { ...first, ...broken },
        { ...second, ...broken },
      ],
      tip: { ...second, ...broken },
    },
    {
      name: 'the newest by sequence, though a clock that went back says otherwise',
      points: [
        { ...first, completionTime: '2027-01-01T00:00:00.000Z' },
        { ...second, completionTime: '2020-01-01T00:00:00.000Z' },
      ],
      tip: { ...second, completionTime: '2020-01-01T00:00:00.000Z' },
    },
  ];
  test.each(cases)('takes $name', ({ points, tip }) => {
    expect(tipOf(points)).toEqual(tip);
  });
});

test('the next sequence is above all that are there', () => {
  const sequences = fc.array(fc.integer({ min: 1, max: 1_000_000 }), { maxLength: 50 });
  fc.assert(
    fc.property(sequences, fc.array(fc.boolean(), { maxLength: 50 }), (taken, isDamaged) => {
      const places = taken.map((sequence, i) => {
        const kept = aManifest({ sequence, point: aPointName(1) });
        const { manifest: place } = placeOf(kept);
        return isDamaged[i] === true
          ? ({ place, kind: 'damaged', why: 'a file of it is', kept } as const)
          : ({ place, kind: 'good', kept } as const);
      });
      expect(nextSequence(destinationOf({ kind: 'ours', places }))).toBe(Math.max(0, ...taken) + 1);
    }),
  );
});

test('a point belongs to a run by its name and the uid of the resource: names can be given again', () => {
  const { run, resource } = second;
  expect(pointsOfRun([first, second], run, resource.uid)).toEqual([second]);
  expect(pointsOfRun([first, second], run, 'another')).toEqual([]);
  expect(pointsOfRun([first, second], 'another', resource.uid)).toEqual([]);
});
