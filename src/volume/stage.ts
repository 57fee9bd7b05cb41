// A private copy of the tip for the tool to work on: it updates in place, and the only good backup must never be that place.
import { createHash } from 'node:crypto';
import { lstat, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, type Files } from './files.ts';
import type { FileEntry } from './manifest.ts';

/** How much of a file is read at a time. */
const chunkBytes = 1_048_576;

/**
 * SHA-256 of a file, in constant memory.
 * @throws the system error when it cannot be read whole
 */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(size, chunkBytes))); // most files of a store are small
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

/** The original is gone, is no file any more, or lies where the disk cannot read. */
const unreadable = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'EIO']);

/**
 * Copies the files of a manifest and reads the copy back.
 * @returns the first file that is not what was once written, or undefined when all are
 */
export async function stageCopy(
  files: Files,
  from: string,
  to: string,
  entries: readonly FileEntry[],
): Promise<string | undefined> {
  await files.makeFolder(to);
  for (const folder of new Set(entries.map(({ path }) => dirname(path))))
    await files.makeFolder(join(to, folder));
  for (const { path, sha256 } of entries) {
    try {
      await files.copy(join(from, path), join(to, path));
    } catch (error) {
      if (unreadable.has(errorCode(error) ?? '')) return path;
      throw error;
    }
    if ((await hashFile(join(to, path))) !== sha256) return path;
  }
  return undefined;
}

/** @returns the first file that is not what was once written, or undefined when all are */
export async function verifyFiles(
  folder: string,
  entries: readonly FileEntry[],
): Promise<string | undefined> {
  for (const { path, size, sha256 } of entries) {
    try {
      const found = await lstat(join(folder, path));
      if (!found.isFile() || found.size !== size || (await hashFile(join(folder, path))) !== sha256)
        return path;
    } catch (error) {
      if (unreadable.has(errorCode(error) ?? '')) return path;
      throw error;
    }
  }
  return undefined;
}

/**
 * Gives the artifacts of a chain second names in another folder: the tool must see all of a chain, and changes none of its
 * files. The newest ones, which it goes on from, are read back; of those before them only the size is looked at, since a
 * chain may be a week long.
 * @returns the first file that is not what was once written, or undefined when none was found
 */
export async function stageLinks(
  files: Files,
  { from, to }: { readonly from: string; readonly to: string },
  older: readonly FileEntry[],
  newest: readonly FileEntry[],
): Promise<string | undefined> {
  await files.makeFolder(to);
  for (const entry of [...older, ...newest]) {
    const target = join(to, entry.path);
    try {
      await files.link(join(from, entry.path), target);
      const found = await lstat(target);
      if (!found.isFile() || found.size !== entry.size) return entry.path;
      if (newest.includes(entry) && (await hashFile(target)) !== entry.sha256) return entry.path;
    } catch (error) {
      if (unreadable.has(errorCode(error) ?? '')) return entry.path;
      throw error;
    }
  }
  return undefined;
}
