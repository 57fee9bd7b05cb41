// The one port for everything that changes the volume: small, so that every story can be recorded, replayed and cut short.
import { constants } from 'node:fs';
import { copyFile, link, mkdir, open, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';

export interface Files {
  /** Makes a folder and what is missing above it. */
  makeFolder(path: string): Promise<void>;
  /** Writes a new file, durably. Fails when the name is taken. */
  writeNew(path: string, content: string | Uint8Array): Promise<void>;
  /** Copies a file: as a reflink where the file system has it. Not durable before {@link sync}. */
  copy(from: string, to: string): Promise<void>;
  /** Gives a file a second name, which costs no room; where the file system has no such links, copies it. */
  link(from: string, to: string): Promise<void>;
  /** Renames. An existing folder that is not empty is never replaced: fails with ENOTEMPTY or EEXIST. */
  rename(from: string, to: string): Promise<void>;
  /** Makes the content of a file, or the names in a folder, survive a loss of power. */
  sync(path: string): Promise<void>;
  /** Removes a file, or a folder and all below it. Absent is fine. */
  remove(path: string): Promise<void>;
}

function copyNew(from: string, to: string): Promise<void> {
  return copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
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

/** The names in a folder, sorted. Undefined: there is no such folder. */
export async function listFolder(path: string): Promise<readonly string[] | undefined> {
  try {
    return (await readdir(path)).toSorted();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
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
