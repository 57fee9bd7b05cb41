// An image as a folder: what a node would make of its archive, and a way to start it.
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { must, output, type Output } from '../../tools/run.ts';

interface Descriptor {
  readonly digest: string;
  readonly size: number;
}

/** What the image says about itself, as far as the tests look. */
interface ImageConfig {
  readonly config: {
    readonly User: string;
    readonly Env: readonly string[];
    readonly Entrypoint: readonly string[];
    readonly Cmd?: readonly string[];
    readonly WorkingDir: string;
    readonly Labels: Readonly<Record<string, string>>;
  };
  readonly history: readonly unknown[];
}

interface FileFacts {
  readonly path: string;
  /** Permission bits, with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly isFolder: boolean;
}

export interface UnpackedImage {
  /** The folder that is `/` of a container. */
  readonly root: string;
  readonly image: ImageConfig;
  /** Bytes to pull: the layers as they are in the archive. */
  readonly pulled: number;
  /** Everything in it, paths relative to the root. */
  readonly files: readonly FileFacts[];
  /** Starts a program as a restricted container would: as `user`, on a root that cannot be written to, with the image's environment. */
  start(command: readonly string[], user?: string): Promise<Output>;
  remove(): void;
}

function factsOf(root: string): readonly FileFacts[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const { mode, uid } = lstatSync(path);
      return { path: relative(root, path), mode: mode & 0o7777, uid, isFolder: entry.isDirectory() };
    })
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** Needs root: owners count. */
export async function unpack(archive: string): Promise<UnpackedImage> {
  const work = mkdtempSync(join(tmpdir(), 'image-'));
  const root = join(work, 'root');
  const layout = join(work, 'layout');
  for (const folder of [root, layout]) mkdirSync(folder, { mode: 0o755 });
  await must(['tar', '-xf', archive, '-C', layout]);
  const blob = ({ digest }: Descriptor): string => join(layout, 'blobs', digest.replace(':', '/'));
  const read = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
  const { manifests } = read(join(layout, 'index.json')) as { manifests: readonly [Descriptor] };
  const { config, layers } = read(blob(manifests[0])) as {
    config: Descriptor;
    layers: readonly Descriptor[];
  };
  const image = read(blob(config)) as ImageConfig;
  for (const layer of layers) await must(['tar', '-xpf', blob(layer), '-C', root]);
  // A mount of its own, so that it ends with the program.
  const readOnly = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';
  return {
    root,
    image,
    pulled: layers.reduce((sum, { size }) => sum + size, 0),
    files: factsOf(root),
    async start(command, user = image.config.User) {
      const isolated = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', readOnly, root];
      const alone = ['/usr/bin/env', '-i', ...image.config.Env];
      return output([
        ...isolated,
        ...alone,
        '/usr/sbin/chroot',
        `--userspec=${user}`,
        '--groups=',
        root,
        ...command,
      ]);
    },
    remove: () => rmSync(work, { recursive: true, force: true }),
  };
}
