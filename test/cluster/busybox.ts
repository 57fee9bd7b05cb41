// A small image with a shell, made from Debian's static busybox: what the Pods of these tests run.
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePackages } from '../../tools/debian.ts';
import { packImage } from '../../tools/oci.ts';
import type { Steps } from '../../tools/steps.ts';

export const busyboxImage = 'localhost/busybox:1';

const program = '/bin/busybox';

/** Hands the archive of {@link busyboxImage} to `use`, and removes it afterwards. */
export async function withBusybox(steps: Steps, use: (archive: string) => Promise<void>): Promise<void> {
  await ensurePackages(['busybox-static'], steps);
  const work = mkdtempSync(join(tmpdir(), 'busybox-'));
  try {
    const root = join(work, 'root');
    mkdirSync(join(root, 'bin'), { recursive: true });
    mkdirSync(join(root, 'tmp'));
    chmodSync(join(root, 'tmp'), 0o1777);
    copyFileSync(program, join(root, 'bin/busybox'));
    const applets = execFileSync(program, ['--list'], { encoding: 'utf8' }).trim().split('\n');
    for (const applet of applets.filter((name) => name !== 'busybox'))
      symlinkSync('busybox', join(root, 'bin', applet));
    const out = join(work, 'busybox.tar');
    await packImage({
      ref: busyboxImage,
      layers: [{ folder: root }],
      config: { entrypoint: ['/bin/sh', '-c'], user: '7474:7474' },
      out,
    });
    await use(out);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
