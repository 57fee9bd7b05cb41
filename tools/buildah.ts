// Builds an image from a Dockerfile, with buildah: no daemon, and no registry but npm's.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { cacheFolder } from './cache.ts';
import { ensurePackages } from './debian.ts';
import { must } from './run.ts';
import type { Steps } from './steps.ts';

export interface ImageBuild {
  /** The folder with the Dockerfile. */
  readonly context: string;
  /** OCI archive of the image that the Dockerfile builds on. */
  readonly base: string;
  readonly args: Readonly<Record<string, string>>;
  readonly ref: string;
  /** The OCI archive to write. */
  readonly out: string;
}

/** Settings that say where packages come from and who we are there. The others are a matter of taste or of paths. */
const sourceSettings = /^(registry|@[^:=]+:registry|\/\/|_auth|strict-ssl|(https?-)?proxy|noproxy)/;

async function npmSetting(name: string): Promise<string | undefined> {
  const value = (await must(['npm', 'config', 'get', name])).trim();
  return value === '' || value === 'null' || value === 'undefined' ? undefined : value;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // both files of npm's settings are optional
  }
}

function withEnvironment(line: string): string {
  return line.replaceAll(/\$\{(\w+)\}/g, (whole, name: string) => process.env[name] ?? whole);
}

/** The certificates in which this machine trusts beside Node's own; files do not exist inside a build, so their text. */
async function extraCertificates(): Promise<readonly string[]> {
  const files = [await npmSetting('cafile'), process.env['NODE_EXTRA_CA_CERTS']];
  const texts = [...new Set(files)].map((file) => (file === undefined ? '' : readIfThere(file)));
  return texts.flatMap(
    (text) => text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [],
  );
}

/** This machine's way to its npm registry, as an .npmrc that works elsewhere. It may hold a token. */
async function npmrc(): Promise<string> {
  const files = [await npmSetting('globalconfig'), await npmSetting('userconfig')];
  const lines = files
    .flatMap((file) => (file === undefined ? [] : readIfThere(file).split('\n')))
    .map((line) => withEnvironment(line.trim()))
    .filter((line) => sourceSettings.test(line));
  const registry = await npmSetting('registry');
  const extra = await extraCertificates();
  const trusted = extra.length === 0 ? [] : [...rootCertificates, ...extra];
  return [
    ...lines,
    ...(registry === undefined ? [] : [`registry=${registry}`]),
    ...trusted.map((certificate) => `ca[]=${JSON.stringify(certificate)}`),
    '',
  ].join('\n');
}

/** Needs root. Times inside the image are those of 1970, so that the same files give the same image. */
export async function buildImage({ context, base, args, ref, out }: ImageBuild, steps: Steps): Promise<void> {
  await ensurePackages(['buildah', 'util-linux'], steps);
  const secrets = mkdtempSync(join(tmpdir(), 'build-secrets-'));
  const settings = join(secrets, 'npmrc');
  try {
    await steps.run(`building ${ref} from its Dockerfile`, async () => {
      writeFileSync(settings, await npmrc(), { mode: 0o600 });
      const flags = Object.entries(args).map(([name, value]) => `--build-arg=${name}=${value}`);
      const program = join(import.meta.dirname, 'buildah.sh');
      await must([
        program,
        join(cacheFolder(), 'buildah'),
        base,
        out,
        ref,
        `--secret=id=npmrc,src=${settings}`,
        '--timestamp=0',
        ...flags,
        context,
      ]);
    });
  } finally {
    rmSync(secrets, { recursive: true, force: true });
  }
}
