// The one port for everything that changes the volume: small, so that every story can be recorded, replayed and cut short.
import { constants, type Dirent } from 'node:fs';
import {
  copyFile,
  link,
  mkdir,
  open,
  opendir,
  readFile,
  rename,
  rm,
  writeFile,
  type FileHandle,
} from 'node:fs/promises';
import { dirname } from 'node:path';
import { chunksOf } from './chunks.ts';

export interface Files {
  /** Makes a folder and what is missing above it. */
  makeFolder(path: string): Promise<void>;
  /** Writes a new file, durably. Fails when the name is taken. */
  writeNew(path: string, content: string | Uint8Array): Promise<void>;
  /**
   * Copies a file into a new one: as a reflink where the file system has it, and then nothing is `seen`; else chunk by chunk,
   * and `seen` is shown each of them, as it was read and is written. Not durable before {@link sync}.
   */
  copy(from: string, to: string, seen?: (chunk: Uint8Array) => void): Promise<void>;
  /** Gives a file a second name, which costs no room; where the file system has no such links, copies it. */
  link(from: string, to: string): Promise<void>;
  /** Renames. An existing folder that is not empty is never replaced: fails with ENOTEMPTY or EEXIST. */
  rename(from: string, to: string): Promise<void>;
  /**
   * Replaces the content of a file in place, where it is still what is expected; both are of one length. False: it is not,
   * or there is no such file. It is read and written through one descriptor: a file that came under its name in between is
   * never written to.
   */
  rewrite(path: string, expected: string, content: string): Promise<boolean>;
  /** Makes the content of a file, or the names in a folder, survive a loss of power. */
  sync(path: string): Promise<void>;
  /** Removes a file, or a folder and all below it. Absent is fine. */
  remove(path: string): Promise<void>;
}

async function copyNew(
  from: string,
  to: string,
  seen: (chunk: Uint8Array) => void = () => undefined,
): Promise<void> {
  if (await cloneNew(from, to)) return;
  const source = await openToRead(from);
  try {
    const { mode } = await source.stat();
    const target = await open(to, 'wx', mode & 0o777);
    try {
      for await (const chunk of chunksOf(source)) {
        seen(chunk);
        await writeAll(target, chunk);
      }
    } catch (error) {
      await rm(to, { force: true }); // of a full disk it is the room
      throw error;
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** One call may write less than it was given. */
async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray((await file.write(rest)).bytesWritten);
}

/**
 * Lets a new file share the blocks of another.
 * @returns false when that cannot be had: there are more ways to say so than are documented (NFS has its own), so any refusal
 * is one, and what is really wrong the copy meets again. But for a full disk: a copy would only fill it further
 */
async function cloneNew(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (error) {
    if (['ENOSPC', 'EDQUOT'].includes(errorCode(error) ?? '')) throw error;
    return false;
  }
}

/** What a file system says that has no hard links, or not there. */
const unlinkable: ReadonlySet<string> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EXDEV',
  'EMLINK',
]);

/** No link is followed, and no pipe waited for. */
const unfollowed = constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Opens what may stand there for a file of ours, and may be anything: never through a link, and without waiting for a writer. */
export function openToRead(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | unfollowed);
}

export const realFiles: Files = {
  async makeFolder(path) {
    await mkdir(path, { recursive: true, mode: 0o750 });
  },
  async writeNew(path, content) {
    const file = await open(path, 'wx', 0o640);
    try {
      await writeFile(file, content);
      await file.sync();
    } finally {
      await file.close();
    }
  },
  copy: copyNew,
  async link(from, to) {
    try {
      await link(from, to);
    } catch (error) {
      if (!unlinkable.has(errorCode(error) ?? '')) throw error;
      await copyNew(from, to);
    }
  },
  rename,
  async rewrite(path, expected, content) {
    let file;
    try {
      file = await open(path, constants.O_RDWR | unfollowed);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return false;
      throw error;
    }
    try {
      if ((await beginningOf(file, expected.length + 1)) !== expected) return false;
      await file.write(content, 0);
      await file.sync();
      return true;
    } finally {
      await file.close();
    }
  },
  async sync(path) {
    const file = await open(path, 'r');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  },
  remove: (path) => rm(path, { recursive: true, force: true }),
};

/** The error code of a failed system call, such as ENOENT. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/**
 * The names in a folder, sorted. Undefined: there is no such folder.
 * @param wanted which of them are kept: a folder that others can write to may hold a million
 */
export async function listFolder(
  path: string,
  wanted: (name: string) => boolean = () => true,
): Promise<readonly string[] | undefined> {
  const entries = await listEntries(path, ({ name }) => wanted(name));
  return entries?.map(({ name }) => name);
}

/** The same with what kind each one is. A link is a link, wherever it leads. */
export async function listEntries(
  path: string,
  wanted: (entry: Dirent) => boolean = () => true,
): Promise<readonly Dirent[] | undefined> {
  const found: Dirent[] = [];
  try {
    for await (const entry of await opendir(path, { bufferSize: 256 })) if (wanted(entry)) found.push(entry);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The text of a file. Undefined: there is no such file, or something else that can never be read as one. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}

/** The first bytes of a file, as text. Empty: there is no such file. A link is an error, like anything that cannot be read. */
export async function readBeginning(path: string, mostBytes: number): Promise<string> {
  let file;
  try {
    file = await openToRead(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  }
  try {
    return await beginningOf(file, mostBytes);
  } finally {
    await file.close();
  }
}

async function beginningOf(file: FileHandle, mostBytes: number): Promise<string> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(mostBytes), 0, mostBytes, 0);
  return buffer.toString('utf8', 0, bytesRead);
}

/** What a small file turned out to hold. */
export type SmallFile =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'damaged'; readonly why: string };

/** What opening says of links, sockets and devices, and reading of a disk that cannot. */
const unfit: ReadonlySet<string> = new Set(['ELOOP', 'EMLINK', 'ENXIO', 'ENODEV', 'EISDIR', 'EIO']);

/**
 * Reads a file of at most so many bytes. Follows no link, and waits for nobody: the opening of a pipe would.
 * @throws the system error of a call that fails for another reason than what stands there
 */
export async function readSmallFile(path: string, mostBytes: number): Promise<SmallFile> {
  let file;
  try {
    file = await openToRead(path);
    const found = await file.stat();
    if (!found.isFile()) return { kind: 'damaged', why: 'it is no file' };
    if (found.size > mostBytes) return { kind: 'damaged', why: `it is larger than ${mostBytes} bytes` };
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(found.size), 0, found.size);
    return { kind: 'text', text: buffer.toString('utf8', 0, bytesRead) };
  } catch (error) {
    const code = errorCode(error) ?? '';
    if (['ENOENT', 'ENOTDIR'].includes(code)) return { kind: 'absent' };
    if (unfit.has(code))
      return { kind: 'damaged', why: code === 'EIO' ? 'it cannot be read' : 'it is no file' };
    throw error;
  } finally {
    await file?.close();
  }
}

/**
 * Puts a file in the place of what has its name: the old one stays whole until the new one is, wherever power goes.
 * @param aside where the new one is written first, on the same file system. What a process left there that died is removed
 */
export async function replaceFile(
  files: Files,
  path: string,
  content: string | Uint8Array,
  aside: string,
): Promise<void> {
  await files.makeFolder(dirname(aside));
  await files.remove(aside);
  try {
    await files.writeNew(aside, content);
    await files.rename(aside, path);
  } catch (error) {
    await files.remove(aside).catch(() => undefined); // what has no room must not take any
    throw error;
  }
  await files.sync(dirname(path));
}
