import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/support/temporary.ts';
import { lackingForCopy, readSpace, tightFor } from './space.ts';

const [ext4, tmpfs, xfs, btrfs, zfs, nfs] = [0xef53, 0x01021994, 0x58465342, 0x9123683e, 0x2fc12fc1, 0x6969];
const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

describe('a copy', () => {
  interface Case {
    readonly name: string;
    readonly type: number;
    readonly free: number;
    readonly copy: number;
    readonly says: string | undefined;
  }
  const cases: readonly Case[] = [
    { name: 'fits', type: ext4, free: GiB, copy: GiB / 2, says: undefined },
    { name: 'fits to the byte', type: ext4, free: GiB, copy: GiB, says: undefined },
    { name: 'may just fit', type: ext4, free: GiB, copy: GiB + 4 * MiB, says: undefined },
    {
      name: 'cannot fit',
      type: ext4,
      free: 4.5 * GiB,
      copy: 12.25 * GiB,
      says: '12.3 GiB, and the volume has 4.5 GiB left',
    },
    {
      name: 'cannot fit in memory',
      type: tmpfs,
      free: MiB,
      copy: 6 * MiB,
      says: '6.0 MiB, and the volume has 1.0 MiB left',
    },
    { name: 'of nothing fits on a full volume', type: ext4, free: 0, copy: 0, says: undefined },
    {
      name: 'cannot fit on a full volume',
      type: ext4,
      free: 0,
      copy: GiB,
      says: '1.0 GiB, and the volume has 0.0 KiB left',
    },
    {
      name: 'of a store of petabytes cannot fit',
      type: ext4,
      free: 2000,
      copy: 3 * 1024 ** 5,
      says: '3.0 PiB, and the volume has 2.0 KiB left',
    },
    { name: 'may share its blocks on XFS', type: xfs, free: 0, copy: GiB, says: undefined },
    { name: 'may share its blocks on Btrfs', type: btrfs, free: 0, copy: GiB, says: undefined },
    { name: 'may be compressed on ZFS', type: zfs, free: 0, copy: GiB, says: undefined },
    {
      name: 'may be compressed by who knows what behind NFS',
      type: nfs,
      free: 0,
      copy: GiB,
      says: undefined,
    },
  ];
  test.each(cases)('$name', ({ type, free, copy, says }) => {
    const lacking = lackingForCopy({ type, freeBytes: free }, copy);
    expect(lacking?.replace(/^The copy .* takes /, '')).toBe(says);
  });
});

test('what will probably not fit is said of any file system, and of no more than that', () => {
  expect(tightFor({ type: nfs, freeBytes: GiB }, 2 * GiB)).toMatch('will write some 2.0 GiB');
  expect(tightFor({ type: nfs, freeBytes: GiB }, GiB)).toBeUndefined();
});

test('what is read is what the system says', async () => {
  const folder = temporaryFolder();
  const said = execFileSync('stat', ['--file-system', '--format=%t %a %S %b', folder], { encoding: 'utf8' });
  const [type = '', available, size, blocks] = said.trim().split(' ');
  const space = await readSpace(folder);
  expect(space.type).toBe(Number.parseInt(type, 16));
  expect(space.totalBytes).toBe(Number(blocks) * Number(size));
  // Others write to the same disk meanwhile.
  expect(Math.abs(space.freeBytes - Number(available) * Number(size))).toBeLessThan(GiB);
});

test('a folder that is not there has no space to read', async () => {
  await expect(readSpace('/no/such/folder')).rejects.toThrow('ENOENT');
});
