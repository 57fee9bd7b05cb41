import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { listing, temporaryFolder } from '../../test/support/temporary.ts';
import {
  aManifest,
  dyingFiles,
  filesWith,
  parseManifest,
  readManifests,
  writeManifest,
} from '../../test/support/volume.ts';
import { realFiles, type Files } from './files.ts';
import { lockFolder, pointFolder } from './layout.ts';
import type { Manifest } from './manifest.ts';
import { publishPoint, settlePoint } from './publish.ts';
import { LockLost, withLock } from './lock.ts';

interface Staged {
  readonly root: string;
  readonly staged: string;
  readonly manifest: Manifest;
  readonly target: string;
}

const stagedPath = '.staging/orders-2.7d1e6f0e-0000-4000-8000-000000000001/first';

/** A destination with one point, and a second one staged for it: made once, copied for each test. */
const world = mkdtempSync(join(tmpdir(), 'neo4j-backup-publish-'));
let model: Manifest;

beforeAll(async () => {
  const tip = aManifest();
  await writeManifest(world, tip);
  const paths = ['neostore', 'neostore.nodestore.db', 'schema/index/lucene/1/segments_1'];
  const files = paths.map((path) => {
    const file = join(world, stagedPath, 'data', path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `content of ${path}`);
    return { path, size: 11 + path.length, sha256: hashOf(file) };
  });
  model = aManifest({ sequence: 2, chain: tip.chain, parent: tip.point, type: 'Incremental', files });
});

afterAll(() => rm(world, { recursive: true }));

function aStagedPoint(over: Partial<Manifest> = {}): Staged {
  const root = join(temporaryFolder(), 'orders');
  cpSync(world, root, { recursive: true });
  const manifest = { ...model, ...over };
  return {
    root,
    staged: join(root, stagedPath),
    manifest,
    target: join(root, pointFolder(manifest.chain, manifest.point)),
  };
}

/** As a run does it, one Pod after the other: whoever holds the lock still is gone. */
function publish(
  files: Files,
  root: string,
  staged: string,
  manifest: Manifest,
): ReturnType<typeof publishPoint> {
  const podUID = '7d1e6f0e-0000-4000-8000-000000000001';
  const holder = {
    podUID,
    run: manifest.run,
    terminalPods: [podUID],
    clock: new FakeClock(),
    patienceMs: 0,
  };
  return withLock(files, root, holder, async (held) =>
    publishPoint(files, held, await settlePoint(files, staged, manifest.files), manifest),
  );
}

/** Dead while it gives the lock back, it has published all the same. */
async function dies(publication: ReturnType<typeof publish>): Promise<void> {
  const end = await publication.catch(String);
  expect(['published', 'Error: the process is dead']).toContain(end);
}

const silent = (): undefined => undefined;

/** Before every operation of an undisturbed publication, and in the middle of every write. */
async function placesToDie(): Promise<readonly (readonly [k: number, half: boolean])[]> {
  const { root, staged, manifest } = aStagedPoint();
  const files = filesWith(silent);
  await publish(files, root, staged, manifest);
  return files.operations.flatMap(({ verb }, i) =>
    verb === 'writeNew' ? [[i + 1, false] as const, [i + 1, true] as const] : [[i + 1, false] as const],
  );
}

describe('publishPoint', () => {
  test('moves the staged bytes, unchanged, and a manifest that names them all', async () => {
    const { root, staged, manifest, target } = aStagedPoint();
    const before = listing(join(staged, 'data'));
    expect(await publish(realFiles, root, staged, manifest)).toBe('published');
    expect(listing(join(target, 'data'))).toEqual(before);
    expect(parseManifest(await readFile(join(target, 'manifest.json'), 'utf8'))).toEqual({
      kind: 'good',
      manifest,
    });
    expect(await readManifests(root)).toMatchObject({ kind: 'ours', damaged: [] });
  });

  test('publishes nothing out of the lock of another, who has taken ours at the last moment', async () => {
    const { root, staged, manifest, target } = aStagedPoint();
    const lock = join(root, lockFolder);
    const theirs = aStagedPoint();
    const stolen = vi.fn<() => void>(() => {
      // Another one, that of a Pod which holds it at this moment.
      rmSync(lock, { recursive: true });
      renameSync(join(theirs.root, lockFolder), lock);
    });
    const files: Files = {
      ...realFiles,
      rename: async (from, to) => {
        if (from === staged) stolen();
        return realFiles.rename(from, to);
      },
    };
    const holder = { podUID: '7d1e6f0e-0000-4000-8000-000000000002', run: 'other', terminalPods: [] };
    const clock = new FakeClock();
    await withLock(realFiles, theirs.root, { ...holder, clock, patienceMs: 0 }, async () => {
      await expect(publish(files, root, staged, manifest)).rejects.toThrow(LockLost);
    });
    expect(stolen).toHaveBeenCalledOnce();
    expect(existsSync(target)).toBe(false);
  });

  test('leaves the points that are there as they were', async () => {
    const { root, staged, manifest } = aStagedPoint();
    const others = join(root, 'points');
    const before = listing(others);
    await publish(realFiles, root, staged, manifest);
    expect(listing(others)).toMatchObject(before);
  });

  test('starts a chain where there is none', async () => {
    const { root, staged, manifest } = aStagedPoint({ chain: model.point, type: 'Full' });
    expect(await publish(realFiles, root, staged, manifest)).toBe('published');
    expect(await readManifests(root)).toMatchObject({ points: [{ sequence: 1 }, { sequence: 2 }] });
  });

  test('has published all of it or nothing, wherever the process dies', async () => {
    const seen: number[] = [];
    for (const [k, half] of await placesToDie()) {
      const { root, staged, manifest } = aStagedPoint();
      const [first = manifest] = await pointsOf(root);
      await dies(publish(dyingFiles(k, half), root, staged, manifest));
      const points = await pointsOf(root);
      expect(points).toEqual(points.length === 1 ? [first] : [first, manifest]);
      for (const point of points.filter(({ point: name }) => name === manifest.point))
        expect(bytesAreRight(root, point), `died at ${k}`).toBe(true);
      seen.push(points.length);
    }
    // Once it is published, it stays so.
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect([seen[0], seen.at(-1)]).toEqual([1, 2]);
  });

  test('gets it published by a second attempt, wherever the first one died', async () => {
    for (const [k, half] of await placesToDie()) {
      const { root, staged, manifest } = aStagedPoint();
      const again = join(dirname(staged), 'second');
      cpSync(staged, again, { recursive: true });
      await dies(publish(dyingFiles(k, half), root, staged, manifest));
      await publish(realFiles, root, again, manifest);
      expect(await pointsOf(root)).toEqual([expect.objectContaining({ sequence: 1 }), manifest]);
      expect(bytesAreRight(root, manifest)).toBe(true);
    }
  });

  test('makes everything durable before the rename, and the rename after it', async () => {
    const { root, staged, manifest, target } = aStagedPoint();
    const files = filesWith(silent);
    await publish(files, root, staged, manifest);
    const renamed = files.operations.findIndex(({ paths }) => paths[1] === target);
    const synced = (operations: typeof files.operations): ReadonlySet<string | undefined> =>
      new Set(operations.filter(({ verb }) => verb === 'sync').map(({ paths }) => paths[0]));
    const before = synced(files.operations.slice(0, renamed));
    for (const { path } of manifest.files)
      for (let at = join(staged, 'data', path); at !== dirname(staged); at = dirname(at))
        expect(before).toContain(at);
    expect(before).toContain(dirname(dirname(target)));
    expect(synced(files.operations.slice(renamed))).toContain(dirname(target));
  });

  test('leaves the point of a faster attempt alone', async () => {
    const { root, staged, manifest, target } = aStagedPoint();
    const slower = join(dirname(staged), 'second');
    cpSync(staged, slower, { recursive: true });
    await writeFile(join(slower, 'data/neostore'), 'another attempt');
    await publish(realFiles, root, staged, manifest);
    const before = listing(target);
    expect(await publish(realFiles, root, slower, manifest)).toBe('exists');
    expect(listing(target)).toEqual(before);
  });

  test('publishes nothing that its own manifest could not be read back for', async () => {
    const { root, staged, manifest } = aStagedPoint();
    await writeFile(join(staged, 'data', 'odd\\name'), '');
    const files = [...manifest.files, { path: 'odd\\name', size: 0, sha256: 'a'.repeat(64) }];
    await expect(publish(realFiles, root, staged, { ...manifest, files })).rejects.toThrow('path');
    expect(await pointsOf(root)).toHaveLength(1);
  });

  test('publishes nothing when a file that the manifest names is gone', async () => {
    const { root, staged, manifest } = aStagedPoint();
    await realFiles.remove(join(staged, 'data/neostore'));
    await expect(publish(realFiles, root, staged, manifest)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await pointsOf(root)).toHaveLength(1);
  });
});

/** The points that a reader sees: none of them may be damaged. */
async function pointsOf(root: string): Promise<readonly Manifest[]> {
  const destination = await readManifests(root);
  if (destination.kind !== 'ours' || destination.damaged.length > 0)
    throw new Error(`not whole: ${JSON.stringify(destination)}`);
  return destination.points;
}

function bytesAreRight(root: string, { chain, point, files }: Manifest): boolean {
  const data = join(root, pointFolder(chain, point), 'data');
  return files.every(({ path, sha256 }) => hashOf(join(data, path)) === sha256);
}

function hashOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
