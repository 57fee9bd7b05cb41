// A real file system of a few MiB, for what happens when it is full. It is mounted where nobody else sees it, in a mount
// namespace of a process of ours, and goes with that process, however this one ends.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export type DiskKind = 'tmpfs' | 'ext4';

export interface SmallDisk {
  readonly path: string;
  close(): Promise<void>;
}

/** Whether we may mount what is no tmpfs: a namespace of users does not help there. */
export const isRoot = process.getuid?.() === 0;

const scripts: Readonly<Record<DiskKind, string>> = {
  tmpfs: 'mount -t tmpfs -o size="$2" tmpfs "$1"/disk',
  ext4: 'mkfs.ext4 -q -F -m 0 "$1"/image && mount -o loop "$1"/image "$1"/disk && rmdir "$1"/disk/lost+found',
};

/**
 * Mounts a file system of so many bytes.
 * @throws Error that says what is missing when that is not possible: a test of full disks must not pass for want of one
 */
export async function smallDisk(kind: DiskKind, sizeBytes: number): Promise<SmallDisk> {
  const folder = mkdtempSync(join(tmpdir(), 'neo4j-backup-disk-'));
  writeFileSync(join(folder, 'image'), '');
  truncateSync(join(folder, 'image'), sizeBytes);
  // Standard input ends with this process, and then `cat` does, and the namespace with all that is mounted in it.
  const script = `mkdir "$1"/disk && ${scripts[kind]} && echo ready && exec cat`;
  const child = spawn(
    'unshare',
    [isRoot ? '-m' : '-rm', 'sh', '-c', script, 'sh', folder, String(sizeBytes)],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const close = async (): Promise<void> => {
    child.stdin.end();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  for await (const line of createInterface(child.stdout))
    if (line === 'ready') return { path: join(`/proc/${child.pid}/root`, folder, 'disk'), close };
  await close();
  throw new Error(
    `no ${kind} of ${sizeBytes} bytes could be mounted (${said.trim() || 'unshare cannot be run'}): run it as root, or where \`unshare -rm\` is allowed`,
  );
}
