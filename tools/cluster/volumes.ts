// Volumes that are made before anybody claims them.
import { chmodSync, chownSync, mkdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { must } from '../run.ts';
import { buildVolume, type VolumeSpec } from './manifests.ts';
import { insideMounts } from './node.ts';
import { placesIn } from './places.ts';

export interface NewVolume {
  /** Of the PersistentVolume. */
  readonly name: string;
  /** As a Kubernetes quantity: what claims are matched with. */
  readonly size: string;
  /** Who can write there, beside its group; the mode is 0770. */
  readonly owner: { readonly uid: number; readonly gid: number };
  /**
   * Gives it a file system of its own, with this size and no more: ext4, which holds a `lost+found`, as a new disk does; or
   * XFS, in which files can share their blocks, and which begins at 300 MiB.
   */
  readonly fileSystem?: { readonly sizeMiB: number; readonly type?: 'ext4' | 'xfs' };
  /** The one claim that may have it. Without this any claim that fits can, so let the claim say `volumeName`. */
  readonly claim?: { readonly namespace: string; readonly name: string };
  readonly accessModes?: readonly string[];
}

const makers = {
  // No blocks are kept for root: full is full for everybody.
  ext4: ['mkfs.ext4', '-q', '-F', '-m', '0'],
  xfs: ['mkfs.xfs', '-q', '-f', '-m', 'reflink=1'],
} as const;

async function mountFileSystem(
  folder: string,
  name: string,
  { sizeMiB, pid, type = 'ext4' }: { sizeMiB: number; pid: number; type?: 'ext4' | 'xfs' },
): Promise<void> {
  const path = placesIn(folder).volume(name);
  const disk = placesIn(folder).disk(name);
  writeFileSync(disk, '', { mode: 0o600 });
  truncateSync(disk, sizeMiB * 1024 * 1024);
  await must([...makers[type], disk]);
  await must(['mount', '-o', 'loop', disk, path]);
  // Once for this machine, so that a test can look, and once for the node, which sees no later mounts of ours.
  const device = (await must(['findmnt', '--noheadings', '--output', 'SOURCE', '--mountpoint', path])).trim();
  await must(insideMounts(pid, ['mount', device, path]));
}

/** Makes the folder, or file system, and gives the PersistentVolume that has still to be created. */
export async function prepareVolume(folder: string, pid: number, volume: NewVolume): Promise<unknown> {
  const { name, size, owner, fileSystem, claim, accessModes } = volume;
  const path = placesIn(folder).volume(name);
  if (statSync(path, { throwIfNoEntry: false })) throw new Error(`there is a volume "${name}" already`);
  mkdirSync(path);
  try {
    if (fileSystem) await mountFileSystem(folder, name, { ...fileSystem, pid });
  } catch (error) {
    rmSync(path, { recursive: true, force: true });
    throw error;
  }
  chownSync(path, owner.uid, owner.gid);
  chmodSync(path, 0o770);
  const spec: VolumeSpec = {
    name,
    path,
    size,
    reclaimPolicy: 'Retain',
    ...(claim && { claim }),
    ...(accessModes && { accessModes }),
  };
  return buildVolume(spec);
}
