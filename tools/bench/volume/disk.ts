// An XFS with reflinks on a loop device, where this machine lets us have one.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePackages } from '../../debian.ts';
import { must } from '../../run.ts';
import type { Steps } from '../../steps.ts';

export interface Disk {
  readonly path: string;
  close(): Promise<void>;
}

/** @returns why there is none, where that is so */
export async function reflinkDisk(sizeBytes: number, progress: Steps): Promise<Disk | string> {
  const folder = mkdtempSync(join(tmpdir(), 'neo4j-backup-bench-xfs-'));
  const [image, path] = [join(folder, 'image'), join(folder, 'disk')];
  try {
    await ensurePackages(['xfsprogs'], progress);
    await must(['truncate', '-s', String(sizeBytes), image]);
    await must(['mkfs.xfs', '-q', '-m', 'reflink=1', image]);
    await must(['mkdir', path]);
    await must(['mount', '-o', 'loop', image, path]);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    return error instanceof Error ? error.message : String(error);
  }
  return {
    path,
    async close() {
      await must(['umount', path]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
