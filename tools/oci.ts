// Packs folders as a container image, without a container engine and without a registry.
import { createHash } from 'node:crypto';
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { must } from './run.ts';

/** One layer: the content of `folder` becomes the content of `/`. */
export interface ImageLayer {
  readonly folder: string;
  /** Who owns every file of the layer; root where absent, whoever owns it on this machine. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** What the image says about how to run it. */
export interface ImageConfig {
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** `uid` or `uid:gid`. A number, so that `runAsNonRoot` can be judged from it. */
  readonly user?: string;
  readonly workingDir?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface ImageSpec {
  /** What Pods call it, with a registry part (`localhost/agent:1`): a bare name would be read as one of a public registry. */
  readonly ref: string;
  /** Lowest first. */
  readonly layers: readonly ImageLayer[];
  readonly config?: ImageConfig;
  /** The archive to write. */
  readonly out: string;
}

interface Blob {
  readonly digest: string;
  readonly size: number;
}

const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const architecture = process.arch === 'x64' ? 'amd64' : process.arch;

/**
 * The flags that make an archive depend on names, modes and content alone: neither on when it was packed
 * nor on who did.
 */
const plain = ['--sort=name', '--mtime=@0', '--numeric-owner', '--format=gnu'];

/**
 * Archives what is in `folder`, but not the folder itself: it is often a temporary one with mode 0700,
 * and as `/` of a container nobody but root could pass it.
 */
async function archive(folder: string, out: string, owner = { uid: 0, gid: 0 }): Promise<void> {
  const names = readdirSync(folder).toSorted();
  await must(
    [
      'tar',
      ...plain,
      `--owner=${owner.uid}`,
      `--group=${owner.gid}`,
      `--directory=${folder}`,
      `--file=${out}`,
      '--create',
      '--null',
      '--files-from=-',
    ],
    { input: names.map((name) => `${name}\0`).join('') },
  );
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return `sha256:${hash.digest('hex')}`;
}

/** The content-addressed half of the layout. */
function blobsOf(layout: string): {
  addFile: (file: string) => Promise<Blob>;
  addJson: (value: unknown) => Blob;
} {
  const folder = join(layout, 'blobs', 'sha256');
  mkdirSync(folder, { recursive: true });
  const pathOf = (digest: string): string => join(folder, digest.slice('sha256:'.length));
  return {
    async addFile(file) {
      const digest = await digestOf(file);
      renameSync(file, pathOf(digest));
      return { digest, size: statSync(pathOf(digest)).size };
    },
    addJson(value) {
      const content = JSON.stringify(value);
      const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
      writeFileSync(pathOf(digest), content);
      return { digest, size: Buffer.byteLength(content) };
    },
  };
}

function configJson(config: ImageConfig, layers: readonly Blob[]): unknown {
  const env = { PATH: searchPath, ...config.env };
  return {
    created: '1970-01-01T00:00:00Z',
    architecture,
    os: 'linux',
    config: {
      Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      ...(config.entrypoint && { Entrypoint: config.entrypoint }),
      ...(config.cmd && { Cmd: config.cmd }),
      ...(config.user && { User: config.user }),
      ...(config.workingDir && { WorkingDir: config.workingDir }),
      ...(config.labels && { Labels: config.labels }),
    },
    // Layers are not compressed, so a layer's digest is also that of its content.
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
    // One entry per layer: buildah builds on no image that leaves them out.
    history: layers.map(() => ({ created: '1970-01-01T00:00:00Z', created_by: 'a folder' })),
  };
}

/**
 * Writes an OCI archive (what `ctr images import` and `podman load` read) and gives the digest of its manifest.
 * The same folders give the same bytes: modes and content count, times and owners on this machine do not.
 */
export async function packImage({ ref, layers, config = {}, out }: ImageSpec): Promise<string> {
  mkdirSync(dirname(out), { recursive: true });
  // Beside the result, so that the last step is a rename, and a half-written archive never has its name.
  const work = mkdtempSync(`${out}.partial-`);
  try {
    const layout = join(work, 'layout');
    const blobs = blobsOf(layout);
    const packed: Blob[] = [];
    for (const { folder, owner } of layers) {
      const file = join(work, 'layer.tar');
      await archive(folder, file, owner);
      packed.push(await blobs.addFile(file));
    }
    const manifest = blobs.addJson({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        ...blobs.addJson(configJson(config, packed)),
      },
      layers: packed.map((blob) => ({ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...blob })),
    });
    const index = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [
        {
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          ...manifest,
          annotations: { 'io.containerd.image.name': ref, 'org.opencontainers.image.ref.name': ref },
        },
      ],
    };
    writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    writeFileSync(join(layout, 'index.json'), JSON.stringify(index));
    await archive(layout, join(work, 'image.tar'));
    renameSync(join(work, 'image.tar'), out);
    return manifest.digest;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
