// Is there room for what is about to be written? Only a certain no is a no: what might fit is tried.
import { statfs } from 'node:fs/promises';

/** What the file system says of itself. */
export interface Space {
  /** Magic number of its type, as in statfs(2). */
  readonly type: number;
  /** What is left for those who are not root. Bytes. */
  readonly freeBytes: number;
  /** Size of it all. Absent: it does not tell. Bytes. */
  readonly totalBytes?: number;
}

/** @throws the system error of statfs */
export async function readSpace(path: string): Promise<Space> {
  const { type, bavail, blocks, bsize } = await statfs(path);
  return { type, freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

/**
 * File systems on which a copy takes its whole length, always: ext2 to ext4, and tmpfs. XFS and Btrfs may share blocks,
 * ZFS, and what is behind NFS and CIFS, may compress: there the size of a file says little of the room that it takes.
 */
const literal: readonly number[] = [0xef53, 0x01021994];

/** What small files may take less than their length, ext4 keeping them in its inodes, and a good deal more. Bytes. */
const marginBytes = 4 * 1024 * 1024;

/**
 * Why a copy of so many bytes cannot fit, if that is certain. What comes on top of it, such as what an increment brings,
 * nobody knows, so it does not count.
 */
export function lackingForCopy(
  { type, freeBytes }: Space,
  copyBytes: number,
  what = 'The copy of the newest backup, for the tool to work on,',
): string | undefined {
  if (!literal.includes(type) || freeBytes + marginBytes >= copyBytes) return undefined;
  return `${what} takes ${inWords(copyBytes)}, and the volume has ${inWords(freeBytes)} left`;
}

/** Why what a run will probably write may not fit. A guess: it is said in the log, and the run is tried. */
export function tightFor({ freeBytes }: Space, expectedBytes: number): string | undefined {
  if (freeBytes >= expectedBytes) return undefined;
  return `this run will write some ${inWords(expectedBytes)}, going by those before it, and the volume has ${inWords(freeBytes)} left`;
}

/** A size as people read it. Binary units, one decimal. */
export function inWords(bytes: number): string {
  const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;
  const at = Math.max(
    0,
    units.findLastIndex((_, index) => bytes >= 1024 ** (index + 1)),
  );
  return `${(bytes / 1024 ** (at + 1)).toFixed(1)} ${units[at]}`;
}
