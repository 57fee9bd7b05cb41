import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { listing, temporaryFolder } from '../../test/support/temporary.ts';
import {
  aManifest,
  aPointName,
  dyingFiles,
  filesWith,
  readManifests,
  writeManifest,
} from '../../test/support/volume.ts';
import { readCatalogue, writeCatalogue } from './catalogue-file.ts';
import { nextSequence, pointsOfRun, type Destination } from './catalogue.ts';
import { realFiles } from './files.ts';
import { placeOf } from './layout.ts';
import type { Manifest } from './manifest.ts';
import { newMark, writeMarks } from './marks.ts';
import { newestOf, readNewest } from './newest.ts';

const uid = '7d1e6f0e-0000-4000-8000-000000000001';

async function destination(...points: readonly Manifest[]): Promise<string> {
  const root = join(temporaryFolder(), 'orders');
  mkdirSync(root);
  for (const point of points) await writeManifest(root, point);
  return root;
}

const [first, second, third] = [1, 2, 3].map((sequence) => aManifest({ sequence })) as [
  Manifest,
  Manifest,
  Manifest,
];

/** One of a chain of artifacts. */
function artifact(sequence: number, chain: number, over: Partial<Manifest> = {}): Manifest {
  const files = [{ path: `neo4j-${sequence}.backup`, size: 1, sha256: 'b'.repeat(64) }];
  const where = { layout: 'artifacts', database: 'neo4j', chain: aPointName(chain) } as const;
  return aManifest({ sequence, files, ...where, ...over });
}

const newest = (root: string, run = 'another'): Promise<Destination<Manifest>> => readNewest(root, run, uid);

function pointsIn(read: Destination<Manifest>): readonly Manifest[] {
  return read.kind === 'ours' ? read.points : [];
}

/** All that a run decides by. The number of a new point may be a higher one, as the catalogue knows more. */
function decidedBy(read: Destination<Manifest>, run: string): unknown {
  const points = pointsIn(read);
  return {
    ...read,
    points: newestOf(points, run, uid).toSorted((a, b) => a.sequence - b.sequence),
    ofRun: pointsOfRun(points, run, uid),
    newestSequence: undefined,
    isNew: points.every(({ sequence }) => sequence < nextSequence(read)),
  };
}

const catalogueOf = (root: string): string => join(root, 'catalog.json');

describe('readNewest', () => {
  test('gives the tip of stores alone, and of artifacts the whole chain of the tip', async () => {
    const chained = [4, 5, 6, 7].map((n) => artifact(n, n < 6 ? 4 : 6));
    const root = await destination(first, second, ...chained);
    for (const make of [() => Promise.resolve(), () => writeCatalogue(realFiles, root)]) {
      await make();
      expect(await newest(root)).toMatchObject({
        kind: 'ours',
        points: [second, ...chained.slice(2)],
        damaged: [],
      });
    }
  });

  test('gives the points of a run, however old, and the newest one beside the tip', async () => {
    const inconsistent = { ...third, consistent: false };
    const root = await destination(first, second, inconsistent);
    await writeCatalogue(realFiles, root);
    expect(pointsIn(await newest(root, first.run))).toEqual([first, second, inconsistent]);
  });

  test('opens no manifest that the run has no use for', async () => {
    const root = await destination(first, second, third);
    await writeCatalogue(realFiles, root);
    writeFileSync(join(root, placeOf(first).manifest), 'nobody looks');
    expect(await newest(root)).toMatchObject({ kind: 'ours', points: [third], damaged: [] });
  });

  interface Change {
    readonly name: string;
    readonly make: (root: string) => unknown;
  }
  const changes: readonly Change[] = [
    { name: 'a point came', make: (root) => writeManifest(root, aManifest({ sequence: 4 })) },
    {
      name: 'the tip went',
      make: (root) => rmSync(join(root, placeOf(third).manifest, '..'), { recursive: true }),
    },
    { name: 'the manifest of the tip went', make: (root) => rmSync(join(root, placeOf(third).manifest)) },
    {
      name: 'the manifest of the tip was damaged',
      make: (root) => truncateSync(join(root, placeOf(third).manifest), 100),
    },
    {
      name: 'the manifest of the tip became another one, a good one',
      make: (root) => writeManifest(root, { ...third, consistent: false }),
    },
    {
      name: 'the tip was found damaged',
      make: (root) =>
        writeMarks(
          realFiles,
          root,
          new Map([newMark(third, { time: third.startTime, damaged: 'neostore' })]),
        ),
    },
    { name: 'the catalogue is lost', make: (root) => rmSync(catalogueOf(root)) },
    { name: 'the catalogue was cut short', make: (root) => truncateSync(catalogueOf(root), 1000) },
    {
      name: 'the catalogue was edited',
      make: (root) =>
        writeFileSync(
          catalogueOf(root),
          readFileSync(catalogueOf(root), 'utf8').replace('"sequence": 1', '"sequence": 9'),
        ),
    },
    {
      name: 'the catalogue is that of another destination',
      make: async (root) => {
        const other = await destination(aManifest({ sequence: 9 }), { ...first, sequence: 8 });
        await writeCatalogue(realFiles, other);
        writeFileSync(catalogueOf(root), readFileSync(catalogueOf(other)));
      },
    },
  ];
  test.each(changes)('decides as if there were no catalogue after $name', async ({ make }) => {
    const root = await destination(first, second, third);
    await writeCatalogue(realFiles, root);
    await make(root);
    for (const run of ['another', third.run])
      expect(decidedBy(await newest(root, run), run)).toEqual(decidedBy(await readManifests(root), run));
  });

  test('knows the number of a point whose manifest cannot be read for a while', async () => {
    const root = await destination(first, second);
    await writeCatalogue(realFiles, root);
    writeFileSync(join(root, placeOf(second).manifest), '');
    const read = await newest(root);
    expect(pointsIn(read)).toEqual([first]);
    expect(nextSequence(read)).toBe(3);
  });

  test('decides as readManifests does, for any destination', async () => {
    const points = fc.uniqueArray(
      fc.record({
        sequence: fc.integer({ min: 1, max: 40 }),
        chain: fc.integer({ min: 1, max: 4 }),
        layout: fc.constantFrom('store', 'artifacts'),
        database: fc.constantFrom('neo4j', 'system'),
        consistent: fc.boolean(),
        isKnown: fc.boolean(),
      }),
      { maxLength: 12, selector: ({ sequence }) => sequence },
    );
    await fc.assert(
      fc.asyncProperty(points, fc.integer({ min: 1, max: 40 }), async (drawn, n) => {
        const made = drawn.map(({ isKnown, ...over }) => ({
          isKnown,
          manifest: aManifest({ ...over, chain: aPointName(over.chain) }),
        }));
        const of = (known: boolean): Manifest[] =>
          made.filter(({ isKnown }) => isKnown === known).map(({ manifest }) => manifest);
        const root = await destination(...of(true));
        await writeCatalogue(realFiles, root);
        for (const point of of(false)) await writeManifest(root, point);
        const run = `orders-${n}`;
        expect(decidedBy(await newest(root, run), run)).toEqual(decidedBy(await readManifests(root), run));
        rmSync(join(root, '..'), { recursive: true, force: true });
      }),
      { numRuns: 60 },
    );
  });

  test.each(['points', 'catalogue'])('says of newer %s that they are newer', async (what) => {
    const root = await destination(first);
    await writeCatalogue(realFiles, root);
    const name = what === 'points' ? 'manifest' : 'catalogue';
    const body = { ...first, schemaVersion: 7 };
    const sha256 = createHash('sha256').update(JSON.stringify(body)).digest('hex');
    const path = what === 'points' ? join(root, placeOf(first).manifest) : catalogueOf(root);
    if (what === 'points') rmSync(catalogueOf(root));
    writeFileSync(path, JSON.stringify({ [name]: body, sha256 }));
    expect(await newest(root)).toEqual({ kind: 'tooNew', schemaVersion: 7 });
  });

  test('calls blank what is, and foreign what is', async () => {
    const root = await destination();
    expect(await newest(root)).toEqual({ kind: 'blank' });
    writeFileSync(join(root, 'notes.txt'), '');
    expect(await newest(root)).toEqual({ kind: 'foreign', entries: ['notes.txt'] });
  });
});

describe('writeCatalogue', () => {
  test('tells of every point but its files, in their order, and of the damaged ones why', async () => {
    const root = await destination(third, first, second);
    truncateSync(join(root, placeOf(second).manifest), 100);
    await writeCatalogue(realFiles, root);
    const read = await readCatalogue(root);
    const { files: _, ...facts } = first;
    expect(read).toMatchObject({
      kind: 'good',
      value: {
        schemaVersion: 1,
        points: [{ ...facts, fileCount: 1 }, { sequence: 3 }],
        damaged: [{ place: placeOf(second).manifest, why: 'its manifest is damaged: it is not JSON' }],
      },
    });
    expect(readFileSync(catalogueOf(root), 'utf8')).not.toContain('"files"');
  });

  test('replaces one that is damaged', async () => {
    const root = await destination(first);
    writeFileSync(catalogueOf(root), 'nonsense');
    await writeCatalogue(realFiles, root);
    expect(await readCatalogue(root)).toMatchObject({ kind: 'good', value: { points: [{ sequence: 1 }] } });
  });

  test.each([
    { name: 'nothing is there', prepare: () => undefined },
    {
      name: 'something foreign is there',
      prepare: (root: string) => writeFileSync(join(root, 'notes.txt'), ''),
    },
    {
      name: 'a newer operator was there',
      prepare: (root: string) => {
        const body = { schemaVersion: 2 };
        const sha256 = createHash('sha256').update(JSON.stringify(body)).digest('hex');
        writeFileSync(catalogueOf(root), JSON.stringify({ catalogue: body, sha256 }));
      },
    },
  ])('writes nothing where $name', async ({ prepare }) => {
    const root = await destination();
    prepare(root);
    const before = listing(root);
    await writeCatalogue(realFiles, root);
    expect(listing(root)).toEqual(before);
  });

  test('leaves the old one whole or the new one, wherever the process dies', async () => {
    const made = async (): Promise<string> => {
      const root = await destination(first);
      await writeCatalogue(realFiles, root);
      await writeManifest(root, second);
      return root;
    };
    const files = filesWith(() => undefined);
    await writeCatalogue(files, await made());
    for (const half of [false, true])
      for (const k of files.operations.keys()) {
        const root = await made();
        await expect(writeCatalogue(dyingFiles(k + 1, half), root)).rejects.toThrow('dead');
        expect((await readCatalogue(root)).kind).toBe('good');
        expect(pointsIn(await newest(root))).toEqual([second]);
        await writeCatalogue(realFiles, root);
        expect(await readCatalogue(root)).toMatchObject({ value: { points: [{}, { sequence: 2 }] } });
        expect(readdirSync(join(root, '.staging'))).toEqual([]);
        expect(existsSync(`${catalogueOf(root)}.partial`)).toBe(false);
      }
  });
});
