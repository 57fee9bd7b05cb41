// The one thing that must never happen: a success that was none. And its sister: a good backup that is thrown away.
import { existsSync, mkdirSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  aPod,
  attempt,
  aWorld,
  container,
  type Attempted,
  type Tool,
  type World,
} from '../../test/support/agent.ts';
import { generations } from '../../test/support/captures.ts';
import { listing } from '../../test/support/temporary.ts';
import { filesWith, makeStore, readManifests, writeManifest } from '../../test/support/volume.ts';
import { refusedAs } from '../run/address.ts';
import type { Manifest } from '../volume/manifest.ts';
import { folders, placeOf } from '../volume/layout.ts';
import type { Space } from '../volume/space.ts';
import { inspectStore } from '../volume/verify.ts';

/** Ways in which the artifact may be left, and how each is made of a tip that goes up to transaction 8. */
const artifacts = {
  good: (store: string) => makeStore(store, { lastTransactionId: 29n }),
  missing: (store: string) => rmSync(store, { recursive: true, force: true }),
  empty: (store: string) => {
    rmSync(store, { recursive: true, force: true });
    mkdirSync(store, { recursive: true });
  },
  truncated: (store: string) => {
    makeStore(store, { lastTransactionId: 29n });
    truncateSync(join(store, 'neostore'), 40);
  },
  'half copied': (store: string) => {
    makeStore(store, { lastTransactionId: 29n });
    mkdirSync(join(store, 'temp-copy'), { recursive: true });
  },
  'without a file': (store: string) => {
    makeStore(store, { lastTransactionId: 29n });
    rmSync(join(store, 'neostore.nodestore.db'));
  },
  'of another store': (store: string) =>
    makeStore(store, { creationTime: 42n, randomId: 7n, lastTransactionId: 29n }),
  'as it was': (store: string) => makeStore(store, { lastTransactionId: 8n }),
  old: (store: string) => makeStore(store, { lastTransactionId: 5n }),
} as const satisfies Record<string, (store: string) => void>;

type Artifact = keyof typeof artifacts;

const exitCodes = [0, 1, 2, 3, 137, 143] as const;

/** Runs of one resource, an hour apart. */
function run(
  n: number,
  neo4jVersion: string,
): { run: string; createdTime: string; pod: number; neo4jVersion: string } {
  const createdTime = new Date(Date.UTC(2026, 0, 1, n)).toISOString();
  return { run: `orders-${n}`, createdTime, pod: n, neo4jVersion };
}

/** A tool that leaves this and says that, and ends so; a second command meets the same. */
function leaving(artifact: Artifact, exitCode: number, output = ''): Tool {
  return ({ store }) => {
    artifacts[artifact](store);
    return Promise.resolve({ exitCode, output });
  };
}

async function withTip(version: string): Promise<World> {
  const world = await aWorld();
  const { code } = await attempt(world, run(1, version), leaving('as it was', 0));
  if (code !== 0) throw new Error('the first backup failed');
  return world;
}

async function pointsIn({ root }: World): Promise<readonly Manifest[]> {
  const destination = await readManifests(root);
  return destination.kind === 'ours' ? destination.points : [];
}

/** `+` published, `~` published as inconsistent, `-` nothing published. */
function outcomeOf({ report }: Attempted): string {
  if (report?.path === undefined) return '-';
  return report.reason === 'Inconsistent' ? '~' : '+';
}

/** What is wrong with the volume after an attempt, beside the outcome itself. */
async function wrongWith(
  world: World,
  before: Readonly<Record<string, string>>,
  ended: Attempted,
): Promise<readonly string[]> {
  const after = listing(join(world.root, folders.points));
  const points = await pointsIn(world);
  const problems = Object.keys(before)
    .filter((path) => before[path] !== after[path])
    .map((path) => `${path} was changed`);
  if (ended.report?.path === undefined) {
    if (Object.keys(after).length !== Object.keys(before).length)
      problems.push('there is a point of a failed run');
    return problems;
  }
  for (const point of points) {
    const store = await inspectStore(join(world.root, placeOf(point).data));
    if (store.kind !== 'store') problems.push(`${point.point}: ${store.why}`);
    else if (store.storeID !== point.storeID || store.storeID !== points[0]?.storeID)
      problems.push(`${point.point} is of another store`);
  }
  return problems;
}

type Cells = Readonly<Record<Artifact, string>>;

const nothing = '- - - - - -';

/** What is no store is never published, whatever the tool says of it. */
const unsound = {
  missing: nothing,
  empty: nothing,
  truncated: nothing,
  'half copied': nothing,
  'without a file': nothing,
} as const;

/**
 * What is true of each cell: of what the tool left behind (rows) and how it ended (columns: 0, 1, 2, 3, 137, 143). A success
 * is believed only with its artifact, an artifact only with its success. With 3 the tools of 3.1 to 3.5 say that the copy is
 * complete and has inconsistencies; to those before it is a code like any other.
 */
const full = (row: string): Cells => ({
  ...unsound,
  good: row,
  'of another store': row, // there is none yet to compare it with
  'as it was': row,
  old: row,
});
const onto = (row: string): Cells => ({
  ...unsound,
  good: row,
  'of another store': nothing,
  'as it was': row, // nothing new on the server
  old: nothing,
});

/** A generation joins with a row. */
const truth: readonly {
  readonly version: string;
  readonly place: 'a blank volume' | 'a tip';
  readonly cells: Cells;
}[] = [
  { version: '2.3.3', place: 'a tip', cells: onto('+ - - - - -') },
  { version: '3.0.7', place: 'a blank volume', cells: full('+ - - - - -') },
  { version: '3.0.7', place: 'a tip', cells: onto('+ - - - - -') },
  { version: '3.3.5', place: 'a tip', cells: onto('+ - - ~ - -') },
  { version: '3.4.18', place: 'a blank volume', cells: full('+ - - ~ - -') },
  { version: '3.4.18', place: 'a tip', cells: onto('+ - - ~ - -') },
];

describe.each(truth)('the tool of $version onto $place', ({ version, place, cells }) => {
  const rows = Object.entries(cells).map(([artifact, row]) => ({ artifact: artifact as Artifact, row }));
  test.each(rows)('leaves what is $artifact: $row', async ({ artifact, row }) => {
    const outcomes: string[] = [];
    for (const exitCode of exitCodes) {
      const world = place === 'a tip' ? await withTip(version) : await aWorld();
      mkdirSync(join(world.root, folders.points), { recursive: true });
      const before = listing(join(world.root, folders.points));
      const ended = await attempt(world, run(2, version), leaving(artifact, exitCode));
      outcomes.push(outcomeOf(ended));
      expect(ended.report?.run).toBe('orders-2'); // it says so, however it ended
      expect(await wrongWith(world, before, ended)).toEqual([]);
    }
    expect(outcomes.join(' ')).toBe(row);
  });
});

/** Those that make stores: what a stand-in leaves of later ones is another matter. */
const stores = generations.filter(({ engine }) => engine.layout === 'store');

describe.each(stores)('whatever the tool of $version prints and leaves', ({ version, engine, captures }) => {
  test('nothing is published but a complete store of the right identity, and none is thrown away that the tool vouches for', async () => {
    const cell = fc.record({
      capture: fc.constantFrom(...captures),
      artifact: fc.constantFrom(...(Object.keys(artifacts) as Artifact[])),
      cutAt: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    await fc.assert(
      fc.asyncProperty(cell, async ({ capture, artifact, cutAt }) => {
        const world = await withTip(version);
        const before = listing(join(world.root, folders.points));
        const output = capture.output.slice(0, capture.output.length * cutAt);
        const ended = await attempt(world, run(2, version), leaving(artifact, capture.exitCode, output));
        expect(await wrongWith(world, before, ended)).toEqual([]);
        const verdict = engine.judge({ exitCode: capture.exitCode, output });
        const isSound = artifact === 'good' || artifact === 'as it was';
        expect(outcomeOf(ended) !== '-').toBe(
          isSound && verdict.kind === 'taken' && verdict.check !== 'failed',
        );
      }),
      { numRuns: 25 },
    );
  });
});

describe('a run that must not begin', () => {
  test('ends before anything is written where its server is at a refused address, and is not tried again', async () => {
    const world = await aWorld();
    const pod = aPod(world, { refusedAs });
    const { code, report } = await container('prepare', pod);
    expect([code, report]).toMatchObject([
      20,
      { reason: 'AddressNotAllowed', message: expect.stringContaining('127.0.0.1') },
    ]);
    expect([folders.points, folders.staging].filter((name) => existsSync(join(world.root, name)))).toEqual(
      [],
    );
  });

  test('gives the tool the address that was checked, not the name that may mean another one by then', async () => {
    const world = await aWorld();
    const { calls, code } = await attempt(
      world,
      { source: { host: 'localhost', port: world.port } },
      leaving('good', 0),
    );
    expect(code).toBe(0);
    expect(calls[0]?.argv).toContain(`--from=127.0.0.1:${world.port}`);
    expect(await pointsIn(world)).toMatchObject([{ source: { host: 'localhost' } }]);
  });

  test('copies nothing where the copy certainly finds no room, and says how much there is', async () => {
    const world = await withTip('3.4.18');
    const [tip] = await pointsIn(world);
    if (tip === undefined) throw new Error('no point');
    await writeManifest(world.root, { ...tip, sizeBytes: 5 * 1024 ** 3 });
    const files = filesWith(() => undefined);
    const readSpace = (): Promise<Space> => Promise.resolve({ type: 0xef53, freeBytes: 1024 ** 3 });
    const ended = await attempt(world, { ...run(2, '3.4.18'), files, readSpace }, leaving('good', 0));
    expect(ended).toMatchObject({ code: 20, calls: [], report: { reason: 'NoSpaceLeft' } });
    expect(ended.report?.message).toContain('takes 5.0 GiB, and the volume has 1.0 GiB left');
    expect(files.operations.filter(({ verb }) => verb === 'copy')).toEqual([]);
  });

  test('is begun where nobody can tell how much room there is', async () => {
    const world = await withTip('3.4.18');
    const readSpace = (): Promise<never> => Promise.reject(new Error('ENOSYS'));
    const ended = await attempt(world, { ...run(2, '3.4.18'), readSpace }, leaving('good', 0));
    expect(outcomeOf(ended)).toBe('+');
  });
});
