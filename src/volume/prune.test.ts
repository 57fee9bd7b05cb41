import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RetentionPolicy } from '../api/neo4jbackup.ts';
import { listing, temporaryFolder } from '../../test/support/temporary.ts';
import {
  aManifest,
  aPointName,
  dyingFiles,
  failingFiles,
  filesWith,
  readManifests,
} from '../../test/support/volume.ts';
import { realFiles, type Files } from './files.ts';
import { readDestination } from './catalogue.ts';
import { placeOf, pointFolder } from './layout.ts';
import { formatManifest, type Manifest } from './manifest.ts';
import { emptyTrash, prune, type Pruned } from './prune.ts';
import { restorable } from './restorable.ts';
import { unitOf } from './retention.ts';
import { verifyFiles } from './stage.ts';

const held = { check: () => Promise.resolve() };
const keepLast: RetentionPolicy = { keepLast: 1, mode: 'Enforce' };
const content = {
  text: 'twelve bytes',
  size: 12,
  sha256: 'd4ce2c527afe674c7a086bd74e256019e3d5dcdb31eeb6eaadef5ada8c4383b9',
};

/** Writes a published point of one file, of which all that its manifest says is true. */
function place(root: string, over: Partial<Manifest>): Manifest {
  const { sequence = 1 } = over;
  const { size, sha256 } = content;
  const manifest = aManifest({
    completionTime: new Date(Date.UTC(2026, 0, sequence)).toISOString(),
    files: [{ path: over.layout === 'artifacts' ? `${sequence}.backup` : 'neostore', size, sha256 }],
    ...over,
  });
  const { data, manifest: path } = placeOf(manifest);
  for (const file of manifest.files) put(join(root, data, file.path), content.text);
  put(join(root, path), formatManifest(manifest));
  return manifest;
}

function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

const onChain = { layout: 'artifacts', database: 'neo4j' } as const;
const onTop = { ...onChain, type: 'Incremental', consistent: undefined } as const;

/** Three stores, the first of which goes, and two chains of artifacts, of which the first goes. */
function aDestination(): string {
  const root = join(temporaryFolder(), 'orders');
  for (const sequence of [1, 2, 3]) place(root, { sequence });
  place(root, { ...onChain, sequence: 4 });
  place(root, { ...onTop, sequence: 5, chain: aPointName(4), parent: aPointName(4) });
  place(root, { ...onChain, sequence: 6 });
  place(root, { ...onTop, sequence: 7, chain: aPointName(6), parent: aPointName(6) });
  return root;
}

const whatGoes = [1, 4, 5];

async function pruned(root: string, files: Files = realFiles, over: object = {}): Promise<Pruned> {
  const destination = await readDestination(root);
  return prune(files, root, { policy: keepLast, newestRun: [], held, destination, ...over });
}

async function pointsOf(root: string): Promise<readonly Manifest[]> {
  const destination = await readManifests(root);
  return destination.kind === 'ours' ? destination.points : [];
}

async function sequences(root: string): Promise<readonly number[]> {
  return (await pointsOf(root)).map(({ sequence }) => sequence);
}

function folderOf(sequence: number): string {
  const name = aPointName(sequence);
  return sequence < 4 ? pointFolder(name, name) : unitOf(aManifest({ ...onChain, sequence }));
}

/** What must hold of a destination at any moment: all that is published is whole, and can be restored. */
async function expectWhole(root: string): Promise<void> {
  const destination = await readManifests(root);
  expect(destination).toMatchObject({ kind: 'ours', damaged: [] });
  const points = await pointsOf(root);
  for (const point of points)
    expect(await verifyFiles(join(root, placeOf(point).data), point.files)).toBeUndefined();
  expect(
    restorable(points, (point) =>
      point.files.every(({ path }) => existsSync(join(root, placeOf(point).data, path))),
    ),
  ).toEqual(points);
}

describe('prune', () => {
  test('takes what the policy condemns, whole chains of artifacts, and leaves the rest as it was', async () => {
    const root = aDestination();
    const before = listing(root);
    const { removed, untouched } = await pruned(root);
    expect(removed.map(({ sequence }) => sequence).toSorted((a, b) => a - b)).toEqual(whatGoes);
    expect(untouched).toEqual([]);
    expect(await sequences(root)).toEqual([2, 3, 6, 7]);
    const isLeft = ([path]: [string, string]): boolean =>
      ![1, 4].some((sequence) => path === folderOf(sequence) || path.startsWith(`${folderOf(sequence)}/`));
    expect(listing(root)).toEqual({
      ...Object.fromEntries(Object.entries(before).filter(isLeft)),
      '.trash': expect.any(String),
    });
    await expectWhole(root);
  });

  test('finds nothing to do the second time', async () => {
    const root = aDestination();
    await pruned(root);
    const { operations, ...files } = filesWith(() => undefined);
    expect(await pruned(root, files)).toMatchObject({ removed: [], plan: { condemned: [] } });
    expect(operations).toEqual([]);
  });

  interface Still {
    readonly name: string;
    readonly over: object;
  }
  const stills: readonly Still[] = [
    { name: 'in mode Plan', over: { policy: { ...keepLast, mode: 'Plan' } } },
    { name: 'while the newest run found the destination amiss', over: { newestRun: ['ChainBroken'] } },
    { name: 'without any rule', over: { policy: { mode: 'Enforce' } } },
  ];
  test.each(stills)('changes nothing $name', async ({ over }) => {
    const root = aDestination();
    const { operations, ...files } = filesWith(() => undefined);
    expect((await pruned(root, files, over)).removed).toEqual([]);
    expect(operations).toEqual([]);
  });

  test('makes each rename durable before it touches a file', async () => {
    const root = aDestination();
    const { operations, ...files } = filesWith(() => undefined);
    await pruned(root, files);
    const told = operations.map(({ verb, paths }) => [
      verb,
      ...paths.map((path) => path.slice(root.length + 1)),
    ]);
    const [chain, point] = [folderOf(4), folderOf(1)];
    const steps = (from: string, to: string): readonly (readonly string[])[] => [
      ['makeFolder', '.trash'],
      ['sync', ''],
      ['rename', from, to],
      ['sync', dirname(from)],
      ['sync', '.trash'],
      ['remove', to],
    ];
    expect(told).toEqual([
      ...steps(chain, `.trash/neo4j.${aPointName(4)}`),
      ...steps(point, `.trash/${aPointName(1)}.${aPointName(1)}`),
    ]);
  });

  test('killed before any operation, leaves whole points alone, and the next one ends it', async () => {
    const undisturbed = aDestination();
    const { operations, ...files } = filesWith(() => undefined);
    await pruned(undisturbed, files);
    for (let k = 1; k <= operations.length; k += 1) {
      const root = aDestination();
      await pruned(root, dyingFiles(k)).catch(() => undefined);
      await expectWhole(root);
      expect(await sequences(root)).toEqual(expect.arrayContaining([2, 3, 6, 7]));
      await emptyTrash(realFiles, root, held);
      await pruned(root);
      expect(listing(root)).toEqual(listing(undisturbed));
    }
    expect(operations.length).toBe(12);
  });

  test('killed in the middle of removing, leaves what only the next one sees', async () => {
    const root = aDestination();
    const files = failingFiles('EIO', ({ verb }) => verb === 'remove');
    await expect(pruned(root, files)).rejects.toThrow('EIO');
    const trash = join(root, `.trash/neo4j.${aPointName(4)}`);
    rmSync(join(trash, '4.backup'));
    await expectWhole(root);
    await emptyTrash(realFiles, root, held);
    expect(existsSync(trash)).toBe(false);
  });

  test('stops when the lock is lost', async () => {
    const root = aDestination();
    let checks = 0;
    const check = (): Promise<void> =>
      (checks += 1) > 1 ? Promise.reject(new Error('lost')) : Promise.resolve();
    await expect(pruned(root, realFiles, { held: { check } })).rejects.toThrow('lost');
    expect(await sequences(root)).toEqual([1, 2, 3, 6, 7]);
  });

  test('goes on where one folder cannot be moved', async () => {
    const root = aDestination();
    const files = failingFiles(
      'EACCES',
      ({ verb, paths }) => verb === 'rename' && paths[0]?.includes('chains') === true,
    );
    expect(await pruned(root, files)).toMatchObject({
      removed: [{ sequence: 1 }],
      untouched: [{ folder: folderOf(4), why: 'it cannot be moved: EACCES' }],
    });
    expect(await sequences(root)).toEqual([2, 3, 4, 5, 6, 7]);
  });
});

describe('what is not as it was told is not touched', () => {
  interface Case {
    readonly name: string;
    /** At which unit, by its first point. */
    readonly at: number;
    readonly make: (folder: string, root: string) => void;
    readonly says: RegExp;
  }
  const cases: readonly Case[] = [
    {
      name: 'a file beside the manifest',
      at: 1,
      make: (folder) => writeFileSync(join(folder, 'notes.txt'), ''),
      says: /notes\.txt is no part of it$/,
    },
    {
      name: 'a file within the store',
      at: 1,
      make: (folder) => put(join(folder, 'data/deep/down'), ''),
      says: /data\/deep\/down is no part of it$/,
    },
    {
      name: 'a link within the store',
      at: 1,
      make: (folder) => symlinkSync('/etc', join(folder, 'data/etc')),
      says: /data\/etc is no part of it$/,
    },
    {
      name: 'an artifact that nothing tells of',
      at: 4,
      make: (folder) => writeFileSync(join(folder, 'other.backup'), ''),
      says: /other\.backup is no part of it$/,
    },
    {
      name: 'a claim of somebody who is about to publish',
      at: 4,
      make: (folder) => writeFileSync(join(folder, '.manifests/x.claim'), ''),
      says: /x\.claim is no part of it$/,
    },
    {
      name: 'a link in the place of the chain',
      at: 1,
      make: (folder, root) => {
        renameSync(dirname(folder), join(root, '../elsewhere'));
        symlinkSync('../../elsewhere', dirname(folder));
      },
      says: /is no folder$/,
    },
    {
      name: 'a link in the place of the point',
      at: 1,
      make: (folder, root) => {
        renameSync(folder, join(root, '../elsewhere'));
        symlinkSync('../../../elsewhere', folder);
      },
      says: /is no folder$/,
    },
  ];
  test.each(cases)('$name', async ({ at, make, says }) => {
    const root = aDestination();
    let before: Readonly<Record<string, string>> | undefined;
    const check = (): Promise<void> => {
      // After the plan was made, and before anything is touched.
      if (before === undefined) make(join(root, folderOf(at)), root);
      before ??= listing(dirname(root));
      return Promise.resolve();
    };
    const { removed, untouched } = await pruned(root, realFiles, { held: { check } });
    expect(untouched).toEqual([
      expect.objectContaining({ folder: folderOf(at), why: expect.stringMatching(says) }),
    ]);
    expect(removed.map(({ sequence }) => sequence).toSorted((a, b) => a - b)).toEqual(
      at === 1 ? [4, 5] : [1],
    );
    const mattering = ([path]: readonly [string, string]): boolean =>
      path.includes('elsewhere') || path.includes(folderOf(at));
    expect(Object.entries(listing(dirname(root))).filter(mattering)).toEqual(
      Object.entries(before ?? {}).filter(mattering),
    );
  });

  test('a manifest that is another one by now', async () => {
    const root = aDestination();
    const check = (): Promise<void> => {
      place(root, { sequence: 1, lastTransactionID: '99' });
      return Promise.resolve();
    };
    const { untouched } = await pruned(root, realFiles, { held: { check } });
    expect(untouched).toMatchObject([{ folder: folderOf(1), why: expect.stringMatching(/has changed$/) }]);
    expect(await sequences(root)).toContain(1);
  });

  test('nor is what a flaw is told by, while what inherits it stays', async () => {
    const root = aDestination();
    const chain = aPointName(8);
    place(root, { sequence: 8, consistent: false });
    place(root, { sequence: 9, chain, parent: chain, type: 'Incremental', consistent: undefined });
    for (const sequence of [10, 11]) place(root, { sequence });
    writeFileSync(join(root, pointFolder(chain, aPointName(9)), 'notes.txt'), '');
    const { untouched } = await pruned(root);
    expect(untouched.map(({ folder }) => folder)).toEqual([
      pointFolder(chain, aPointName(9)),
      pointFolder(chain, chain),
    ]);
    expect(await sequences(root)).toEqual([6, 7, 8, 9, 10, 11]);
  });
});

describe('a newest backup that is not there', () => {
  interface Case {
    readonly name: string;
    readonly spoil: (root: string) => void;
  }
  const [newest, before] = [3, 2].map((sequence) => join(folderOf(sequence), 'data/neostore')) as [
    string,
    string,
  ];
  const cases: readonly Case[] = [
    { name: 'without its file', spoil: (root) => rmSync(join(root, newest)) },
    { name: 'shorter than it was', spoil: (root) => truncateSync(join(root, newest), 3) },
    {
      name: 'and the one before it neither',
      spoil: (root) => [newest, before].forEach((path) => rmSync(join(root, path))),
    },
  ];
  test.each(cases)('takes none with it: $name', async ({ spoil }) => {
    const root = aDestination();
    spoil(root);
    await pruned(root);
    expect(await sequences(root)).toEqual([1, 2, 3, 6, 7]);
  });

  test('of a chain is one of which any artifact is missing', async () => {
    const root = aDestination();
    rmSync(join(root, folderOf(6), '6.backup'));
    await pruned(root);
    expect(await sequences(root)).toEqual([2, 3, 4, 5, 6, 7]);
  });
});

describe('emptyTrash', () => {
  test.each([
    { sequence: 4, from: 'chains/neo4j', name: `neo4j.${aPointName(4)}` },
    { sequence: 1, from: `points/${aPointName(1)}`, name: `${aPointName(1)}.${aPointName(1)}` },
  ])('makes durable that $name was moved before it removes it: who moved it may have died', async (one) => {
    const root = aDestination();
    const dying = failingFiles(
      'EIO',
      ({ verb, paths }) => verb === 'sync' && paths[0] === join(root, one.from),
    );
    await expect(pruned(root, dying)).rejects.toThrow('EIO');
    const { operations, ...files } = filesWith(() => undefined);
    await emptyTrash(files, root, held);
    const told = operations.map(({ verb, paths }) => [verb, paths[0]?.slice(root.length + 1)]);
    expect(told.slice(-3)).toEqual([
      ['sync', one.from],
      ['sync', '.trash'],
      ['remove', `.trash/${one.name}`],
    ]);
  });

  test('removes what we put there, and nothing else', async () => {
    const root = aDestination();
    const ours = [`${aPointName(1)}.${aPointName(2)}`, `neo4j.${aPointName(1)}`, `a.b-c.${aPointName(1)}`];
    const others = ['notes', '..x', aPointName(1), `.${aPointName(1)}`, `neo4j.${aPointName(1)}.old`];
    for (const name of [...ours, ...others])
      mkdirSync(join(root, '.trash', name, 'data'), { recursive: true });
    await emptyTrash(realFiles, root, held);
    const left = Object.keys(listing(join(root, '.trash'))).filter((path) => !path.includes('/'));
    expect(left.toSorted()).toEqual(others.toSorted());
    await expectWhole(root);
  });

  test('does not follow links', async () => {
    const root = aDestination();
    const elsewhere = join(root, '../elsewhere');
    put(join(elsewhere, `neo4j.${aPointName(1)}/data/file`), 'theirs');
    symlinkSync('../elsewhere', join(root, '.trash'));
    await emptyTrash(realFiles, root, held);
    rmSync(join(root, '.trash'));
    mkdirSync(join(root, '.trash'));
    symlinkSync(`../../elsewhere/neo4j.${aPointName(1)}`, join(root, `.trash/neo4j.${aPointName(1)}`));
    await emptyTrash(realFiles, root, held);
    expect(listing(elsewhere)[`neo4j.${aPointName(1)}/data/file`]).toBeDefined();
  });

  test('stops when the lock is lost', async () => {
    const root = aDestination();
    mkdirSync(join(root, `.trash/neo4j.${aPointName(1)}`), { recursive: true });
    const lost = { check: () => Promise.reject(new Error('lost')) };
    await expect(emptyTrash(realFiles, root, lost)).rejects.toThrow('lost');
  });
});
