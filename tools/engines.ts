// Real Neo4j for the tests: fetched from Maven Central, never committed, never shipped.
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { cached, hashOf } from './cache.ts';
import { must } from './run.ts';
import type { Steps } from './steps.ts';

interface Row {
  /** The tool's generation: A is `neo4j-backup` of 1.x to 3.0, B is `neo4j-admin backup` of 3.1 to 4.4. */
  readonly generation: 'A' | 'B';
  readonly toolClass: string;
  /** The server's settings: is backup allowed, and on which address does it listen. */
  readonly settings: { readonly enabled: string; readonly address: string };
  /** Settings under which a server that writes 300 nodes of 3 KB a second has a new log each second, and keeps only the newest. */
  readonly pruning: Readonly<Record<string, string>>;
  /** Settings under which a server brings the store of an older version up to its own. */
  readonly upgrading: Readonly<Record<string, string>>;
}

const toolOfA = 'org.neo4j.backup.BackupTool';
const toolOfB = 'org.neo4j.commandline.admin.AdminTool';

const checkpoints = { 'dbms.checkpoint.interval.tx': '5', 'dbms.checkpoint.interval.time': '3s' } as const;

/** How the settings were called up to 2.3, and how since. */
const until2 = {
  settings: { enabled: 'online_backup_enabled', address: 'online_backup_server' },
  pruning: { keep_logical_logs: 'false', logical_log_rotation_threshold: '1M', ...checkpoints },
  upgrading: { allow_store_upgrade: 'true' },
} as const;
const since3 = {
  settings: { enabled: 'dbms.backup.enabled', address: 'dbms.backup.address' },
  pruning: {
    'dbms.tx_log.rotation.retention_policy': 'false',
    'dbms.tx_log.rotation.size': '1M',
    ...checkpoints,
  },
  upgrading: { 'dbms.allow_format_migration': 'true', 'dbms.allow_upgrade': 'true' },
} as const;

const rows = {
  '2.3.3': { generation: 'A', toolClass: toolOfA, ...until2 },
  '3.0.7': { generation: 'A', toolClass: toolOfA, ...since3 },
  '3.3.5': { generation: 'B', toolClass: toolOfB, ...since3 },
  '3.4.18': { generation: 'B', toolClass: toolOfB, ...since3 },
} as const satisfies Readonly<Record<string, Row>>;

export type EngineVersion = keyof typeof rows;

export const engineVersions = Object.keys(rows) as readonly EngineVersion[];

/** Our programs (`engines/java/`): each compiles with the API of every version above. */
const programs = ['Server', 'Count', 'StoreFacts'] as const;

/** One version of Neo4j, ready to run. */
export interface Engine extends Row {
  readonly version: EngineVersion;
  /** Folder of the jars: server and backup tool. */
  readonly jars: string;
  /** Folder of our compiled programs. */
  readonly classes: string;
}

/** How to start a program: for `output`, `must` and `spawn`. The first word is java itself, so signals reach it. */
export interface Launch {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const pom = join(import.meta.dirname, 'engines', 'pom.xml');
const sources = join(import.meta.dirname, 'engines', 'java');

/**
 * What a Neo4j of the Java 8 time reaches into, and Java 17 keeps closed. Found by running: without them the page cache
 * (java.nio, sun.nio.ch), the enterprise monitoring (management) and the network layer fail one after the other.
 * Java 8 itself knows none of the first ones.
 */
export const javaFlags: readonly string[] = [
  ...[
    'java.base/java.io',
    'java.base/java.lang',
    'java.base/java.net',
    'java.base/java.nio',
    'java.base/java.util',
    'java.base/java.util.concurrent',
    'java.base/sun.nio.ch',
    'java.management/sun.management',
    'jdk.management/com.sun.management.internal',
  ].map((name) => `--add-opens=${name}=ALL-UNNAMED`),
  '--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED',
  // Each of our JVMs lives for seconds: without the second compiler and with the plain collector a run costs half the CPU.
  '-XX:TieredStopAtLevel=1',
  '-XX:+UseSerialGC',
];

/** Fetches and compiles what is not there yet: 50 to 100 MB, half a minute to two minutes by the network's speed. */
export async function engine(version: EngineVersion, steps: Steps): Promise<Engine> {
  const row = rows[version];
  const jarsHash = hashOf([pom], [version]);
  const jars = await cached(`neo4j-${version}-jars`, jarsHash, (folder) =>
    steps.run(`fetching Neo4j ${version} from Maven Central (50 to 100 MB, for tests only)`, () =>
      fetchJars(pom, version, folder, 'neo4j-backup'),
    ),
  );
  const files = programs.map((name) => join(sources, `${name}.java`));
  const classes = await cached(`neo4j-${version}-classes`, hashOf(files, [jarsHash]), async (folder) => {
    await must([
      'javac',
      '--release',
      '8',
      '-nowarn',
      '-Xlint:none',
      '-cp',
      `${jars}/*`,
      '-d',
      folder,
      ...files,
    ]);
  });
  return { ...row, version, jars, classes };
}

/**
 * Fetches what a pom names, of one version, from Maven Central.
 * @throws Error when the jar that all this is about is not among it
 */
export async function fetchJars(
  pomFile: string,
  version: string,
  folder: string,
  jar: string,
): Promise<void> {
  await must([
    'mvn',
    '--batch-mode',
    '--quiet',
    '--strict-checksums',
    `--file=${pomFile}`,
    `-Dneo4j.version=${version}`,
    '-DincludeScope=runtime',
    `-DoutputDirectory=${folder}`,
    'dependency:copy-dependencies',
  ]);
  if (!readdirSync(folder).includes(`${jar}-${version}.jar`))
    throw new Error(`${jar} ${version} is not among what Maven fetched`);
}

function java(on: Engine, heap: string, program: readonly string[]): readonly string[] {
  const classPath = [on.classes, `${on.jars}/*`].join(delimiter);
  return ['java', `-Xmx${heap}`, ...javaFlags, '-Dfile.encoding=UTF-8', '-cp', classPath, ...program];
}

export interface ServerOptions {
  readonly store: string;
  /** The database's settings by their names, and ours: `x.nodes`, `x.rate`, `x.bytes` (engines/java/Server.java). */
  readonly settings?: Readonly<Record<string, string>>;
  /** Cluster: a causal cluster (engines/java-tls), which needs what `withTLS` gives. */
  readonly program?: 'Server' | 'Cluster';
}

/**
 * A server with online backup enabled. It prints READY when it has its nodes; SIGTERM ends it in order, with code 0.
 */
export function serverCommand(
  on: Engine,
  { store, settings = {}, program = 'Server' }: ServerOptions,
): Launch {
  const all = { [on.settings.enabled]: 'true', ...settings };
  const pairs = Object.entries(all).map(([key, value]) => `${key}=${value}`);
  return { command: java(on, '512m', [program, `x.store=${store}`, ...pairs]), env: {} };
}

export interface ToolOptions {
  /** 256m serves any store: the tools stream. Below 32m 3.4.18 fails in ways that name no memory (test/engine/captures). */
  readonly heap?: string;
  /** Its NEO4J_HOME. It must be able to make `logs` and `metrics` there, or it fails after the copy is there. */
  readonly home?: string;
}

/**
 * The backup tool. For generation A: `-host=... -port=... -to=...`; for B:
 * `backup --backup-dir=... --name=... --from=host:port ...`.
 */
export function toolCommand(on: Engine, args: readonly string[], options: ToolOptions = {}): Launch {
  const { heap = '256m', home = join(tmpdir(), 'neo4j-tool-home') } = options;
  return {
    command: java(on, heap, [on.toolClass, ...args]),
    env: { NEO4J_HOME: home, NEO4J_CONF: join(home, 'conf') },
  };
}

/** A damaged store can make the kernel wait for ten minutes; a sound one of the tests opens in 3 to 20 s. */
const openTimeoutMs = 120_000;

/** Opening a store replays its logs and writes to it: everything here works on a copy and leaves the original alone. */
async function onCopy(
  on: Engine,
  store: string,
  program: string,
): Promise<Readonly<Record<string, unknown>>> {
  const work = mkdtempSync(join(tmpdir(), 'neo4j-store-'));
  try {
    const copy = join(work, 'graph.db');
    cpSync(store, copy, { recursive: true });
    const printed = await must(java(on, '256m', [program, copy]), {
      signal: AbortSignal.timeout(openTimeoutMs),
    });
    return JSON.parse(printed) as Readonly<Record<string, unknown>>;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** How many nodes a store holds, asked of the database itself. The store must not be in use; it stays as it is. */
export async function countNodes(on: Engine, store: string): Promise<number> {
  const { nodes } = await onCopy(on, store, 'Count');
  return Number(nodes);
}

/** What the kernel says of a store: its ids before and after opening it (engines/java/StoreFacts.java). */
export async function storeFacts(on: Engine, store: string): Promise<Readonly<Record<string, string>>> {
  return (await onCopy(on, store, 'StoreFacts')) as Readonly<Record<string, string>>;
}
