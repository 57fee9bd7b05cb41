// Backups on file systems of their own, as disks of a cluster are: with shared blocks and without.
import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { RunStatus } from '../../src/api/neo4jbackup.ts';
import { ensurePackages } from '../../tools/debian.ts';
import { must } from '../../tools/run.ts';
import { steps } from '../../tools/steps.ts';
import { aBackup, aClaim, aServer, nodesIn, on, rolledOut, runEnds, trigger } from './world.ts';

/** Most of the store is text that an increment does not touch. */
const args = [
  'dbms.backup.enabled=true',
  'dbms.backup.address=0.0.0.0:6362',
  'x.nodes=2000',
  'x.bytes=8000',
  'x.rate=5',
];

const fileSystemTypes = [
  { type: 'ext4', takes: (part: number) => part > 0.8 },
  { type: 'xfs', takes: (part: number) => part < 0.5 },
] as const;

export function fileSystems(): void {
  describe('a volume with a file system of its own', () => {
    beforeAll(async () => {
      await ensurePackages(['xfsprogs'], steps());
      await on().apply(...aServer('bulky', { args }));
      await rolledOut('bulky');
    });

    test.each(fileSystemTypes)('$type takes a full backup and an increment', async ({ type, takes }) => {
      const name = `on-${type}`;
      const claim = { namespace: on().namespace, name };
      const owner = { uid: 0, gid: 7474 };
      await on().cluster.addVolume({
        name,
        size: '1Gi',
        owner,
        claim,
        fileSystem: { sizeMiB: 512, type },
      });
      await on().apply(
        aClaim(name, { volumeName: name }),
        aBackup(name, { source: { serviceRef: { name: 'bulky' } } }, name),
      );
      const full = await runEnds(name);
      expect(full).toMatchObject({ reason: 'FullBackupTaken' });
      const before = usedBytes(name);
      await trigger(name, 'second');
      const increment = await runEnds(name, 'second');

      expect(increment).toMatchObject({ reason: 'IncrementalBackupTaken', storeID: full.storeID });
      expect(await nodesIn(name, increment)).toBeGreaterThan(await nodesIn(name, full));
      // The copy for the tool takes its whole size, or no more than what the increment changed.
      const taken = (usedBytes(name) - before) / (full.sizeBytes ?? 1);
      expect({ taken, asMeant: takes(taken) }).toEqual({ taken, asMeant: true });
      expect(await sharesBlocks(name, increment)).toBe(type === 'xfs');
    });
  });
}

function usedBytes(volume: string): number {
  const { blocks, bfree, bsize } = statfsSync(on().cluster.volumePath(volume));
  return (blocks - bfree) * bsize;
}

/** Whether the largest file of a point has blocks that another file has, too: the file system's own word. */
async function sharesBlocks(volume: string, { path = '' }: RunStatus): Promise<boolean> {
  const file = join(on().cluster.volumePath(volume), path, 'data/neostore.propertystore.db.strings');
  return /\bshared\b/.test(await must(['filefrag', '-v', file]));
}
