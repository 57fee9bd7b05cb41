// A private copy of the tip for the tool to work on: it updates in place, and the only good backup must never be that place.
import { createHash } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { chunksOf } from './chunks.ts';
import { errorCode, openToRead, type Files } from './files.ts';
import type { FileEntry } from './manifest.ts';
import { inParallel } from './parallel.ts';
import { silent, type Progress } from './progress.ts';

/**
 * How many files are copied or hashed at a time, each with two buffers of 256 KiB. As many as Node has threads for waiting
 * on disks: while one chunk is hashed the next ones are read and written.
 *
 * All hashing is done by this one thread, on purpose. Measured on two cores: 1.0 to 1.1 GB/s where the processor has
 * instructions for SHA-256, and 0.3 GB/s without them; `sha256sum` of Debian 12 has 0.17 GB/s on the same machine, and most
 * volumes are slower than either. Worker threads would cost an isolate of some 10 MB each, and a second way to start the bundle.
 */
export const filesAtOnce = 4;

/**
 * SHA-256 of a file, in constant memory.
 * @throws the system error when it cannot be read whole
 */
export async function hashFile(path: string, progress: Progress = silent): Promise<string> {
  const hash = createHash('sha256');
  const file = await openToRead(path);
  try {
    for await (const chunk of chunksOf(file)) {
      hash.update(chunk);
      progress(chunk.length);
    }
    return hash.digest('hex');
  } finally {
    await file.close();
  }
}

/** The original is gone, is no file any more, or lies where the disk cannot read. */
export const unreadable: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'EIO']);

interface Copying {
  readonly from: string;
  readonly to: string;
  readonly progress?: Progress;
}

/**
 * Copies the files of a manifest, and reads each original once.
 *
 * What has to be proven is that the original is what was once written: the tool would carry on whatever it is. So the hash is
 * made of the bytes that were read, and the same bytes, from the same buffer, are what is written. A copy that is read back at
 * once comes from memory and not from the disk, and tells nothing that the write did not: what the disk refuses later, the
 * sync before publishing reports, and what it changes is found by nobody at this time. Of a reflink there are no bytes to see:
 * there the new file is hashed, which has the original's blocks.
 * @returns a file that is not what was once written, or undefined when all are
 * @throws the system error of a failed write, or an Error that has it as its cause
 */
export async function stageCopy(
  files: Files,
  { from, to, progress = silent }: Copying,
  entries: readonly FileEntry[],
): Promise<string | undefined> {
  const astray = await firstAstray(from, entries);
  if (astray !== undefined) return astray;
  await files.makeFolder(to);
  for (const folder of new Set(entries.map(({ path }) => dirname(path))))
    await files.makeFolder(join(to, folder));
  return firstDamaged(entries, async ({ path, size, sha256 }) => {
    const original = join(from, path);
    if (!(await isPlain(original, size))) return false;
    try {
      return (await copyHashed(files, { from: original, to: join(to, path), progress }, size)) === sha256;
    } catch (error) {
      // A disk that cannot write, or a folder that is gone, says nothing of the original. It alone is read now, and has its say.
      const code = errorCode(error) ?? '';
      if (!unreadable.has(code) || (await hashFile(original)) !== sha256) throw error;
      throw new Error(`${path} is as it was written, and cannot be copied: ${code}`, { cause: error });
    }
  });
}

/** @returns the hash of what was read, and is written */
async function copyHashed(
  files: Files,
  { from, to, progress }: Required<Copying>,
  size: number,
): Promise<string> {
  const hash = createHash('sha256');
  let seen = 0;
  await files.copy(from, to, (chunk) => {
    hash.update(chunk);
    seen += chunk.length;
    progress(chunk.length);
  });
  return seen > 0 || size === 0 ? hash.digest('hex') : hashFile(to, progress);
}

/** @returns a file that is not what was once written, or undefined when all are */
export async function verifyFiles(
  folder: string,
  entries: readonly FileEntry[],
  progress: Progress = silent,
): Promise<string | undefined> {
  const astray = await firstAstray(folder, entries);
  if (astray !== undefined) return astray;
  return firstDamaged(entries, async ({ path, size, sha256 }) => {
    const file = join(folder, path);
    return (await isPlain(file, size)) && (await hashFile(file, progress)) === sha256;
  });
}

/** The first file that is not below folders of ours alone: a link in the place of one leads to files of others. */
export async function firstAstray(
  folder: string,
  entries: readonly FileEntry[],
): Promise<string | undefined> {
  const isReal = new Map<string, boolean>();
  const lookAt = async (path: string): Promise<boolean> => {
    const known = isReal.get(path);
    if (known !== undefined) return known;
    const above = path === '.' || (await lookAt(dirname(path)));
    const found = above ? await lstat(join(folder, path)).catch(() => undefined) : undefined;
    const is = found?.isDirectory() === true;
    isReal.set(path, is);
    return is;
  };
  for (const { path } of entries) if (!(await lookAt(dirname(path)))) return path;
  return undefined;
}

/** A link could lead anywhere, and opening a pipe waits for a writer: neither is opened. */
export async function isPlain(path: string, size: number): Promise<boolean> {
  const found = await lstat(path);
  return found.isFile() && found.size === size;
}

/** Looks at several files at a time, and at no more of them once one is damaged. */
async function firstDamaged(
  entries: readonly FileEntry[],
  isGood: (entry: FileEntry) => Promise<boolean>,
): Promise<string | undefined> {
  let damaged: string | undefined;
  await inParallel(entries, filesAtOnce, async (entry) => {
    if (damaged !== undefined) return;
    if (!(await goodOrUnreadable(entry, isGood))) damaged ??= entry.path;
  });
  return damaged;
}

async function goodOrUnreadable(
  entry: FileEntry,
  isGood: (entry: FileEntry) => Promise<boolean>,
): Promise<boolean> {
  try {
    return await isGood(entry);
  } catch (error) {
    if (unreadable.has(errorCode(error) ?? '')) return false;
    throw error;
  }
}

/**
 * Gives the artifacts of a chain second names in another folder: the tool must see all of a chain, and changes none of its
 * files. The newest ones, which it goes on from, are read back; of those before them only the size is looked at, since a
 * chain may be a week long.
 * @returns a file that is not what was once written, or undefined when none was found
 */
export async function stageLinks(
  files: Files,
  { from, to, progress = silent }: Copying,
  older: readonly FileEntry[],
  newest: readonly FileEntry[],
): Promise<string | undefined> {
  await files.makeFolder(to);
  return firstDamaged([...older, ...newest], async (entry) => {
    const target = join(to, entry.path);
    await files.link(join(from, entry.path), target);
    if (!(await isPlain(target, entry.size))) return false;
    return !newest.includes(entry) || (await hashFile(target, progress)) === entry.sha256;
  });
}
