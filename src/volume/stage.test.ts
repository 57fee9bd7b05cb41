import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { listing, temporaryFolder } from '../../test/support/temporary.ts';
import { failingFiles, makePoint } from '../../test/support/volume.ts';
import { realFiles } from './files.ts';
import { pointFolder } from './layout.ts';
import type { FileEntry } from './manifest.ts';
import { hashFile, stageCopy, verifyFiles } from './stage.ts';

interface Staged {
  readonly from: string;
  readonly to: string;
  readonly entries: readonly FileEntry[];
}

async function aPoint(): Promise<Staged> {
  const root = temporaryFolder();
  const { chain, point, files } = await makePoint(root);
  return { from: join(root, pointFolder(chain, point), 'data'), to: join(root, 'copy/data'), entries: files };
}

/** Files only: the modes of folders are ours to choose. */
async function filesIn(folder: string): Promise<Readonly<Record<string, string>>> {
  const entries = Object.entries(listing(folder));
  return Object.fromEntries(entries.filter(([, line]) => line.startsWith('100')));
}

async function flipByte(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  await writeFile(path, bytes);
}

describe('stageCopy', () => {
  test('makes a copy that equals the original, folders and all, and leaves the original alone', async () => {
    const { from, to, entries } = await aPoint();
    const before = listing(from);
    expect(await stageCopy(realFiles, { from, to }, entries)).toBeUndefined();
    expect(await filesIn(to)).toEqual(await filesIn(from));
    expect(listing(from)).toEqual(before);
  });

  test('makes a copy that shares no bytes: what the tool does to it stays there', async () => {
    const { from, to, entries } = await aPoint();
    await stageCopy(realFiles, { from, to }, entries);
    const before = listing(from);
    await writeFile(join(to, 'neostore'), 'overwritten', { flag: 'r+' });
    await truncate(join(to, 'neostore.nodestore.db'), 0);
    expect(listing(from)).toEqual(before);
  });

  test('copies nothing that the manifest does not name', async () => {
    const { from, to, entries } = await aPoint();
    await writeFile(join(from, 'store_lock'), '');
    expect(await stageCopy(realFiles, { from, to }, entries)).toBeUndefined();
    expect(Object.keys(listing(to))).not.toContain('store_lock');
  });

  interface Case {
    readonly name: string;
    readonly damage: (file: string) => Promise<unknown>;
  }
  const nested = 'schema/index/lucene/1/segments_1';
  const cases: readonly Case[] = [
    { name: 'one changed bit', damage: flipByte },
    { name: 'its end missing', damage: (file) => truncate(file, 3) },
    { name: 'nothing in it', damage: (file) => truncate(file, 0) },
    { name: 'something added', damage: (file) => writeFile(file, 'x', { flag: 'a' }) },
    { name: 'no file at all', damage: (file) => rm(file) },
    { name: 'no folder around it', damage: (file) => rm(join(file, '..'), { recursive: true }) },
    {
      name: 'a file in the place of its folder',
      damage: async (file) => {
        await rm(join(file, '..'), { recursive: true });
        await writeFile(join(file, '..'), '');
      },
    },
    {
      name: 'a folder in its place',
      damage: async (file) => {
        await rm(file);
        await mkdir(file);
      },
    },
    {
      name: 'a link that leads to itself in its place',
      damage: async (file) => {
        await rm(file);
        await symlink('segments_1', file);
      },
    },
  ];
  test('opens neither a pipe nor a link, which could lead anywhere, in the place of a file', async () => {
    for (const put of [
      (file: string) => execFileSync('mkfifo', [file]),
      (file: string) => symlink('moved', file),
    ]) {
      const { from, to, entries } = await aPoint();
      await rename(join(from, nested), join(from, nested, '../moved'));
      await put(join(from, nested));
      expect(await stageCopy(realFiles, { from, to }, entries)).toBe(nested);
      expect(await verifyFiles(from, entries)).toBe(nested);
    }
  });

  test('reads a copy back of which nothing was seen, as a reflink shows none of its bytes', async () => {
    const cloning = { ...realFiles, copy: (from: string, to: string) => copyFile(from, to) };
    const { from, to, entries } = await aPoint();
    expect(await stageCopy(cloning, { from, to }, entries)).toBeUndefined();
    await flipByte(join(from, nested));
    expect(await stageCopy(cloning, { from, to: `${to}.again` }, entries)).toBe(nested);
  });

  test('copies what is larger than its buffers, and tells of every byte', async () => {
    const { from, to } = await aPoint();
    const bytes = randomBytes(3_000_001);
    await writeFile(join(from, 'large'), bytes);
    const entry = {
      path: 'large',
      size: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    };
    let told = 0;
    const progress = (count: number): void => {
      told += count;
    };
    expect(await stageCopy(realFiles, { from, to, progress }, [entry])).toBeUndefined();
    expect([(await readFile(join(to, 'large'))).equals(bytes), told]).toEqual([true, bytes.length]);
    expect(await verifyFiles(to, [entry])).toBeUndefined();
  });

  test.each(cases)('names the file that has $name', async ({ damage }) => {
    const { from, to, entries } = await aPoint();
    await damage(join(from, nested));
    expect(await stageCopy(realFiles, { from, to }, entries)).toBe(nested);
  });

  test('names the file that the disk can no longer read', async () => {
    const { from, to, entries } = await aPoint();
    const files = failingFiles('EIO', ({ verb, paths: [path = ''] }) => {
      const isIt = verb === 'copy' && path === join(from, nested);
      if (isIt) rmSync(path); // as near as one comes to a disk that no longer reads it
      return isIt;
    });
    expect(await stageCopy(files, { from, to }, entries)).toBe(nested);
  });

  test.each(['EIO', 'ENOENT'])(
    'throws where %s is of the copy, and the original reads well',
    async (code) => {
      const { from, to, entries } = await aPoint();
      const files = failingFiles(code, ({ verb }) => verb === 'copy');
      await expect(stageCopy(files, { from, to }, entries)).rejects.toMatchObject({ cause: { code } });
    },
  );

  test.each(['ENOSPC', 'EACCES', 'EDQUOT'])(
    'throws %s: that says nothing about the original',
    async (code) => {
      const { from, to, entries } = await aPoint();
      const files = failingFiles(code, ({ verb }) => verb === 'copy');
      await expect(stageCopy(files, { from, to }, entries)).rejects.toMatchObject({ code });
    },
  );
});

test('hashFile hashes a file that is larger than its buffer', async () => {
  const path = join(temporaryFolder(), 'large');
  await writeFile(path, Buffer.alloc(3_000_000, 'a'));
  // As `head -c 3000000 /dev/zero | tr '\0' a | sha256sum` prints it.
  expect(await hashFile(path)).toBe('2a152c894398719c0570f83fac34ac03a0f6e8e474b995c2403aa5434f7b9dd4');
});
