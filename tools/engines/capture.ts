// Records what the real tool prints, case by case, into test/engine/captures:
// `node tools/engines/capture.ts <version> [group...]`. Needs root (small file systems, dropped capabilities) and about ten
// minutes. All traffic stays on the loopback interface.
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer as createWebServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTLSServer } from 'node:tls';
import type { BackupType, Command } from '../../src/engine/engine.ts';
import { selectEngine } from '../../src/engine/select.ts';
import type { ToolSettings } from '../../src/run/request.ts';
import { parseNeostore } from '../../src/volume/neostore.ts';
import {
  countNodes,
  engine,
  engineVersions,
  storeFacts,
  type Engine,
  type EngineVersion,
} from '../engines.ts';
import { must } from '../run.ts';
import { steps } from '../steps.ts';
import { freePort, startServer, type RunningServer } from './server.ts';
import { slowProxy, type SlowProxy } from './slow-proxy.ts';
import { homeWith, layOut, makeCertificate, withTLS, type Material } from './tls.ts';
import { runTool, type Ended, type RunOptions } from './tool.ts';

const [asked, ...wanted] = process.argv.slice(2);
const version = engineVersions.find((known) => known === asked);
if (version === undefined) throw new Error(`name a version first, one of ${engineVersions.join(', ')}`);
const progress = steps();
const on = await engine(version, progress);
const isA = on.generation === 'A';
const work = mkdtempSync(join(tmpdir(), 'neo4j-capture-'));
const captures = join(import.meta.dirname, '../../test/engine/captures', version);
mkdirSync(captures, { recursive: true });

/** Ports by the number that stands for them in a capture, so that two recordings differ where the tool does. */
const ports = new Map<number, number>();

/** More than any run prints but those that lose themselves in stack traces; of such a one, both ends are kept. */
const mostBytes = 60_000;

function plain(text: string): string {
  let clean = text.replaceAll(work, '/w');
  for (const [port, shown] of ports) {
    clean = clean.replaceAll(new RegExp(`(:|Optional\\[|-port=)${port}\\b`, 'g'), `$1${shown}`);
  }
  if (clean.length <= mostBytes) return clean;
  const half = mostBytes / 2;
  return `${clean.slice(0, half)}\n[... ${clean.length - mostBytes} characters left out by the recorder ...]\n${clean.slice(-half)}`;
}

interface Case extends RunOptions {
  readonly name: string;
  /** The destination. */
  readonly to: string;
  /** Absent: a full one. */
  readonly type?: BackupType;
  /** Without the consistency check. */
  readonly unchecked?: true;
  readonly port: number;
  readonly host?: string;
  readonly more?: readonly string[];
  /** Another tool, of this version or another one. */
  readonly by?: Engine;
  readonly settings?: ToolSettings;
}

const reports = join(work, 'reports');

/** What the operator itself would have the tool do. */
function commandLine(by: Engine, command: Command): readonly string[] {
  const ours = selectEngine(by.version);
  if (ours === undefined) throw new Error(`the operator does not serve ${by.version}`);
  return ours.commandLine(command);
}

function argumentsOf(c: Case): readonly string[] {
  const check = c.unchecked !== true;
  const [, ...args] = commandLine(c.by ?? on, {
    type: c.type ?? 'Full',
    host: c.host ?? '127.0.0.1',
    port: c.port,
    database: 'graph.db',
    version: (c.by ?? on).version,
    parent: dirname(c.to),
    name: basename(c.to),
    reports,
    temporary: reports,
    check: { Full: check, Incremental: check },
    tool: c.settings ?? { options: {} },
  });
  return [...args, ...(c.more ?? [])];
}

function run({ by = on, home = join(work, 'home'), ...c }: Case): Promise<Ended> {
  return runTool(by, argumentsOf({ by, ...c }), { home, ...c });
}

/** Runs one case and writes what came of it. The command is shown as the image's launcher would be called. */
async function record(c: Case): Promise<void> {
  const begun = performance.now();
  const { rc, stdout, stderr } = await run(c);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  const shown = [
    ...(c.prefix ?? []),
    ...(isA ? [`JAVA_OPTS=-Xmx${c.heap ?? '256m'}`, 'neo4j-backup'] : []),
    ...(isA ? [] : ['NEO4J_DEBUG=1', `HEAP_SIZE=${c.heap ?? '256m'}`, 'neo4j-admin']),
    ...argumentsOf(c),
  ];
  const files = {
    cmd: `${shown.join(' ')}\n`,
    stdout,
    stderr,
    rc: `${rc}\n`,
    ls: await listing(dirname(c.to)),
  };
  for (const [kind, text] of Object.entries(files)) {
    writeFileSync(join(captures, `${c.name}.${kind}`), plain(text));
  }
  progress.note(`${c.name}: ${rc}, ${seconds} s`);
}

/** What is in the backup folder afterwards: sizes and paths, without the files that the cache keeps of itself. */
async function listing(folder: string): Promise<string> {
  if (!existsSync(folder)) return '(absent)\n';
  const printed = await must(['find', '.', '-not', '-name', '*.cacheprof', '-printf', '%y %10s %p\n'], {
    cwd: folder,
  });
  return (
    printed
      .split('\n')
      .filter(Boolean)
      .toSorted((a, b) => a.slice(13).localeCompare(b.slice(13)))
      .join('\n') + '\n'
  );
}

/** Ours and the kernel's reading of a store must agree; says both. */
async function measure(what: string, store: string): Promise<void> {
  try {
    await compare(what, store);
  } catch (error) {
    progress.note(`  ${what}: the kernel does not open it: ${String(error).slice(0, 300)}`);
  }
}

async function compare(what: string, store: string): Promise<void> {
  const mine = parseNeostore(readFileSync(join(store, 'neostore')));
  const nodes = await countNodes(on, store);
  const facts = await storeFacts(on, store);
  const id = mine.ok ? mine.neostore.lastTransactionId : mine.problem.kind;
  progress.note(
    `  ${what}: neostore says ${id}, the kernel reads ${facts['LAST_TRANSACTION_ID']} and, opened, ${facts['openedLastCommitted']}; ${nodes} nodes`,
  );
}

async function server(
  name: string,
  settings: Readonly<Record<string, string>>,
  of: Engine = on,
): Promise<RunningServer> {
  const running = await startServer(of, { store: join(work, `${name}.db`), settings });
  ports.set(running.port, 6362);
  return running;
}

function blank(name: string): string {
  const folder = join(work, name);
  mkdirSync(folder, { recursive: true });
  return join(folder, 'graph.db');
}

async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 600 && !isSo(); i += 1) await sleep(50);
}

async function portOf(listening: Server): Promise<number> {
  await once(listening, 'listening');
  return (listening.address() as AddressInfo).port;
}

function prepareTree(path: string): void {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
}

async function tmpfs(name: string, size: string): Promise<string> {
  const folder = join(work, name);
  mkdirSync(folder, { recursive: true });
  await must(['mount', '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder]);
  return folder;
}

async function slow(of: RunningServer, bytesPerSecond: number): Promise<SlowProxy> {
  const proxy = await slowProxy(of, bytesPerSecond);
  ports.set(proxy.port, 6363);
  return proxy;
}

const incremental = { type: 'Incremental' } as const;

const some = { 'x.nodes': '20000', 'x.rate': '50' };

/** The tool of generation B makes folders below its home; that of A has none. */
async function withoutHome(of: RunningServer, base: string, prefix: readonly string[]): Promise<void> {
  const home = join(work, 'closed-home');
  mkdirSync(home);
  chmodSync(home, 0o555);
  const full = blank('homeless');
  await record({ name: 'home-not-writable', to: full, port: of.port, prefix, home });
  const to = blank('homeless-incremental');
  cpSync(base, to, { recursive: true });
  await record({ name: 'home-not-writable-incremental', to, port: of.port, prefix, home, ...incremental });
}

/** The tool of generation A removes the old backup before it takes a full one: here that one does not fit. */
async function prunedWithoutSpace(of: RunningServer, base: string): Promise<void> {
  const small = await tmpfs('pruned-small', '8m');
  try {
    cpSync(base, join(small, 'graph.db'), { recursive: true });
    await record({
      name: 'pruned-disk-full',
      to: join(small, 'graph.db'),
      port: of.port,
      ...incremental,
    });
  } finally {
    await must(['umount', small]);
  }
}

/** Which version a store comes from, and which it goes on to. */
const older: Readonly<Partial<Record<EngineVersion, EngineVersion>>> = {
  '3.0.7': '2.3.3',
  '3.3.5': '3.0.7',
  '3.4.18': '3.3.5',
};
const newer: Readonly<Partial<Record<EngineVersion, EngineVersion>>> = {
  '2.3.3': '3.0.7',
  '3.0.7': '3.3.5',
  '3.3.5': '3.4.18',
};

/** A backup by one version, and then the server of another one on the same store, which it has brought up to itself. */
async function upgraded(
  name: string,
  from: Engine,
  to: Engine,
): Promise<{ readonly backup: string; readonly running: RunningServer }> {
  const before = await server(name, { 'x.nodes': '500' }, from);
  const backup = blank(name);
  const ended = await run({ name, to: backup, port: before.port, by: from });
  if (ended.rc !== 0) throw new Error(`no backup by ${from.version}: ${ended.stdout}${ended.stderr}`);
  await before.stop();
  return { backup, running: await server(name, { 'x.nodes': '600', ...to.upgrading }, to) };
}

const overTLS: ToolSettings = { tls: {}, options: {} };
function homeFor(name: string, policy: string): string {
  const rendered = selectEngine(on.version)?.configuration(overTLS)['neo4j.conf'] ?? '';
  return homeWith(rendered, { home: join(work, `${name}-home`), policy });
}

const good: Material = { key: 'client.key', certificate: 'client.crt', trusted: 'ca.crt' };

/** What stands in the way of a policy, or of a handshake with a server that demands a certificate of `ca`. */
const materials: Readonly<Record<string, Material>> = {
  'tls-key-pkcs1': { ...good, key: 'client-pkcs1.key' },
  'tls-key-ec': { ...good, key: 'client-ec.key', certificate: 'client-ec.crt' },
  'tls-key-sec1': { ...good, key: 'client-sec1.key', certificate: 'client-ec.crt' },
  'tls-key-encrypted': { ...good, key: 'client-encrypted.key' },
  'tls-key-missing': { trusted: 'ca.crt' },
  'tls-authority-missing': { key: 'client.key', certificate: 'client.crt' },
  'tls-key-of-another': { ...good, key: 'stranger.key' },
  'tls-server-not-trusted': { ...good, trusted: 'stranger-ca.crt' },
  'tls-client-not-trusted': { key: 'stranger.key', certificate: 'stranger.crt', trusted: 'ca.crt' },
  'tls-client-expired': { ...good, key: 'client-expired.key', certificate: 'client-expired.crt' },
};

async function makeCertificates(folder: string): Promise<void> {
  const at = (name: string): string => join(folder, name);
  mkdirSync(folder);
  for (const name of ['ca', 'stranger-ca']) await makeCertificate(folder, { name });
  for (const name of ['server', 'client']) await makeCertificate(folder, { name, by: 'ca' });
  await makeCertificate(folder, { name: 'client-ec', by: 'ca', key: 'ec' });
  await makeCertificate(folder, { name: 'stranger', by: 'stranger-ca' });
  for (const name of ['client-expired', 'server-expired'])
    await makeCertificate(folder, { name, by: 'ca', days: -1 });
  const convert = ['openssl', 'pkey', '-traditional', '-in'];
  await must([...convert, at('client.key'), '-out', at('client-pkcs1.key')]);
  await must([...convert, at('client-ec.key'), '-out', at('client-sec1.key')]);
  const encrypt = ['openssl', 'pkcs8', '-topk8', '-v2', 'aes-256-cbc', '-passout', 'pass:secret'];
  await must([...encrypt, '-in', at('client.key'), '-out', at('client-encrypted.key')]);
}

const groups: Readonly<Record<string, () => Promise<void>>> = {
  async versions() {
    const previous = older[on.version];
    if (previous !== undefined) {
      const of = await engine(previous, progress);
      const { backup, running } = await upgraded('older-version', of, on);
      await record({ name: 'older-version', to: backup, port: running.port, ...incremental });
      await running.stop();
      if (of.generation === on.generation) {
        const before = await server('older-server', { 'x.nodes': '500' }, of);
        await record({ name: 'older-server', to: blank('older-server'), port: before.port });
        await before.stop();
      }
    }
    const next = newer[on.version];
    if (next !== undefined) {
      const { backup, running } = await upgraded('newer-server', on, await engine(next, progress));
      await record({ name: 'newer-server-incremental', to: backup, port: running.port, ...incremental });
      await measure('an increment from a server of a newer version', backup);
      await record({ name: 'newer-server', to: blank('newer'), port: running.port });
      await running.stop();
    }
  },

  /** What generation B does in the place of an increment, where nothing forbids it, and where something does. */
  async fallback() {
    if (isA) return;
    const first = await server('first', { 'x.nodes': '500' });
    const base = blank('fallback-base');
    await run({ name: 'base', to: base, port: first.port });
    await first.stop();
    const second = await server('second', { 'x.nodes': '700' });
    const junk = blank('junk-fallback');
    mkdirSync(junk);
    writeFileSync(join(junk, 'notes.txt'), 'not a backup\n');
    await record({ name: 'junk-fallback-false', to: junk, port: second.port, ...incremental });
    const stranger = blank('other-store-fallback');
    cpSync(base, stranger, { recursive: true });
    await record({ name: 'other-store-fallback', to: stranger, port: second.port });
    await second.stop();
    const nobody = await freePort();
    ports.set(nobody, 6399);
    const away = blank('refused-fallback');
    cpSync(base, away, { recursive: true });
    await record({ name: 'refused-fallback', to: away, port: nobody });
  },

  /** A setting of the tool that takes effect; for 3.4.18, what TLS changes where there is no server at all. */
  async away() {
    if (on.version === '3.0.7') {
      const silent = createServer(() => {}).listen(0, '127.0.0.1');
      const port = await portOf(silent);
      ports.set(port, 6365);
      const settings = { options: { timeout: '5s' } };
      await record({
        name: 'silent-timeout',
        to: blank('silent-timeout'),
        port,
        settings,
        timeoutMs: 90_000,
      });
      silent.close();
    }
    if (on.version !== '3.4.18') return;
    const from = join(work, 'away-certificates');
    await makeCertificates(from);
    const home = homeFor('away', layOut(from, join(work, 'away-policy'), good));
    const secure = { by: await withTLS(on), home, settings: overTLS } as const;
    const nobody = await freePort();
    ports.set(nobody, 6399);
    await record({ name: 'tls-refused', to: blank('tls-refused'), port: nobody, ...secure });
    const host = 'no-such-host.invalid';
    await record({ name: 'tls-unknown-host', to: blank('tls-unknown'), port: 6362, host, ...secure });
    const web = createWebServer((_, response) => response.end('hello\n')).listen(0, '127.0.0.1');
    const port = await portOf(web);
    ports.set(port, 6364);
    await record({ name: 'tls-http', to: blank('tls-http'), port, timeoutMs: 45_000, ...secure });
    web.closeAllConnections();
    web.close();
  },

  /** A member of a causal cluster, which serves backups by another protocol than a single server. */
  async cluster() {
    if (on.version !== '3.4.18') return;
    const cluster = await startServer(await withTLS(on), {
      store: join(work, 'plain-cluster'),
      program: 'Cluster',
      settings: {
        'x.nodes': '500',
        'x.rate': '300',
        'x.bytes': '3000',
        ...on.pruning,
      },
    });
    ports.set(cluster.port, 6362);
    const to = blank('cluster');
    await record({ name: 'cluster-full', to, port: cluster.port });
    const single = await server('cluster-single', { 'x.nodes': '500' });
    ports.set(single.port, 6366);
    const other = blank('cluster-other');
    await run({ name: 'base', to: other, port: single.port });
    await record({ name: 'cluster-other-store', to: other, port: cluster.port, ...incremental });
    await record({ name: 'cluster-other-store-single', to, port: single.port, ...incremental });
    await single.stop();
    await sleep(25_000);
    await record({ name: 'cluster-pruned', to, port: cluster.port, ...incremental });
    await measure('after an increment that met pruned logs', to);
    await cluster.stop();
  },

  async tls() {
    if (on.version !== '3.4.18') return;
    const from = join(work, 'certificates');
    await makeCertificates(from);
    const by = await withTLS(on);
    const serverPolicy = layOut(from, join(work, 'server-policy'), {
      key: 'server.key',
      certificate: 'server.crt',
      trusted: 'ca.crt',
    });
    const cluster = await startServer(by, {
      store: join(work, 'cluster'),
      program: 'Cluster',
      settings: {
        'x.nodes': '500',
        'x.rate': '5',
        'dbms.backup.ssl_policy': 'backup',
        'dbms.ssl.policy.backup.base_directory': serverPolicy,
        'dbms.ssl.policy.backup.client_auth': 'REQUIRE',
      },
    });
    ports.set(cluster.port, 6362);
    const homeOf = (name: string, material: Material): string =>
      homeFor(name, layOut(from, join(work, `${name}-policy`), material));
    const home = homeOf('tls', good);
    const secure = { by, home, settings: overTLS } as const;

    // The tool and the server as they are published.
    await record({
      name: 'tls-unserved',
      to: blank('unserved'),
      port: cluster.port,
      home,
      settings: overTLS,
    });
    const single = await server('single', {
      'x.nodes': '500',
      'dbms.backup.ssl_policy': 'backup',
      'dbms.ssl.policy.backup.base_directory': serverPolicy,
    });
    ports.set(single.port, 6366);
    await record({ name: 'tls-server-single', to: blank('single'), port: single.port });
    await record({ name: 'tls-server-only', to: blank('server-only'), port: cluster.port });

    const to = blank('tls');
    await record({ name: 'tls-full', to, port: cluster.port, ...secure });
    await measure('full over TLS', to);
    await sleep(3000);
    await record({ name: 'tls-incremental', to, port: cluster.port, ...secure, ...incremental });
    await measure('incremental over TLS', to);
    await record({
      name: 'tls-wrong-name',
      to: blank('name'),
      port: cluster.port,
      host: 'localhost',
      ...secure,
    });
    for (const [name, material] of Object.entries(materials)) {
      const its = homeOf(name, material);
      await record({ name, to: blank(name), port: cluster.port, by, home: its, settings: overTLS });
    }
    // Without --protocol=catchup, which the operator gives: in the clear, and nobody says so.
    await record({ name: 'tls-client-only-any', to: blank('any'), port: single.port, by, home });
    await record({ name: 'tls-client-only', to: blank('client-only'), port: single.port, ...secure });
    await single.stop();
    await cluster.stop();

    const expired = createTLSServer({
      key: readFileSync(join(from, 'server-expired.key')),
      cert: readFileSync(join(from, 'server-expired.crt')),
    }).listen(0, '127.0.0.1');
    const expiredPort = await portOf(expired);
    ports.set(expiredPort, 6367);
    await record({ name: 'tls-server-expired', to: blank('expired'), port: expiredPort, ...secure });
    expired.close();
  },

  async plain() {
    const main = await server('plain', some);
    const to = blank('plain');
    await record({ name: 'full', to, port: main.port });
    await measure('full', to);
    await sleep(3000);
    await record({ name: 'incremental', to, port: main.port, ...incremental });
    await measure('incremental', to);
    await sleep(3000);
    await record({
      name: 'incremental-unchecked',
      to,
      port: main.port,
      ...incremental,
      unchecked: true,
    });
    await measure('incremental, not checked', to);
    const unchecked = blank('unchecked');
    await record({
      name: 'full-unchecked',
      to: unchecked,
      port: main.port,
      unchecked: true,
    });
    await measure('full, not checked', unchecked);
    if (isA) {
      await record({ name: 'usage', to: blank('usage'), port: main.port, more: ['-frobnicate=yes'] });
    } else {
      await record({ name: 'full-fallback-false', to: blank('fallback'), port: main.port, ...incremental });
      await record({ name: 'usage', to, port: main.port, more: ['--frobnicate=yes'] });
    }
    cpSync(join(work, 'plain.db'), join(work, 'live-copy'), { recursive: true });
    await measure('a copy of the live store', join(work, 'live-copy'));
    await main.kill();
    await measure('the store of the killed server', join(work, 'plain.db'));
  },

  async still() {
    const still = await server('still', { 'x.nodes': '500' });
    const to = blank('still');
    await record({ name: 'full-small', to, port: still.port });
    await record({ name: 'incremental-nothing-new', to, port: still.port, ...incremental });
    await measure('incremental, nothing new', to);
    const second = await server('other', { 'x.nodes': '700' });
    await record({ name: 'other-store', to, port: second.port, ...incremental });
    await measure('after an increment from another store was refused', to);
    await second.stop();

    const junk = blank('junk');
    mkdirSync(junk);
    writeFileSync(join(junk, 'notes.txt'), 'not a backup\n');
    await record({ name: 'junk', to: junk, port: still.port });
    const torn = blank('torn');
    cpSync(to, torn, { recursive: true });
    writeFileSync(join(torn, 'neostore'), new Uint8Array(8192));
    await record({ name: 'torn-neostore', to: torn, port: still.port, ...incremental });
    await measure('a torn neostore, after the tool', torn);
    const gutted = blank('gutted');
    cpSync(to, gutted, { recursive: true });
    rmSync(join(gutted, 'neostore.nodestore.db'));
    await record({ name: 'missing-nodestore', to: gutted, port: still.port, ...incremental });

    const noOverride = ['setpriv', '--bounding-set=-dac_override,-dac_read_search'];
    const closed = blank('closed');
    chmodSync(dirname(closed), 0o555);
    await record({ name: 'not-writable', to: closed, port: still.port, prefix: noOverride });
    const sealed = blank('sealed');
    cpSync(to, sealed, { recursive: true });
    await must(['chmod', '-R', 'a-w', sealed]);
    await record({
      name: 'not-writable-incremental',
      to: sealed,
      port: still.port,
      prefix: noOverride,
      ...incremental,
    });
    if (!isA) await withoutHome(still, to, noOverride);

    for (const heap of ['8m', '16m', '24m']) {
      await record({
        name: `out-of-memory-${heap}`,
        to: blank(`heap-${heap}`),
        port: still.port,
        heap,
        timeoutMs: 60_000,
      });
    }
    await still.stop();

    const nobody = await freePort();
    ports.set(nobody, 6399);
    await record({ name: 'refused', to: blank('refused'), port: nobody });
    await record({ name: 'refused-incremental', to, port: nobody, ...incremental });
    await record({ name: 'unknown-host', to: blank('unknown'), port: 6362, host: 'no-such-host.invalid' });
    await record({
      name: 'unknown-host-incremental',
      to,
      port: 6362,
      host: 'no-such-host.invalid',
      ...incremental,
    });
    await measure('after refusals', to);

    const web = createWebServer((_, response) => response.end('hello\n')).listen(0, '127.0.0.1');
    const webPort = await portOf(web);
    ports.set(webPort, 6364);
    await record({ name: 'http', to: blank('http'), port: webPort, timeoutMs: 45_000 });
    await record({ name: 'http-incremental', to, port: webPort, ...incremental, timeoutMs: 45_000 });
    web.closeAllConnections();
    web.close();

    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    const silentPort = await portOf(silent);
    ports.set(silentPort, 6365);
    // The tool of 2.3 gives up by itself after 40 s.
    await record({ name: 'silent', to: blank('silent'), port: silentPort, timeoutMs: isA ? 90_000 : 45_000 });
    if (!isA) {
      await record({
        name: 'silent-timeout',
        to: blank('silent'),
        port: silentPort,
        more: ['--timeout=5s'],
        timeoutMs: 90_000,
      });
    }
    silent.close();

    const other = await engine(isA ? '3.4.18' : '3.0.7', progress);
    const stranger = await server('stranger', { 'x.nodes': '500' }, other);
    await record({ name: 'wrong-generation', to: blank('stranger'), port: stranger.port });
    await record({ name: 'wrong-generation-incremental', to, port: stranger.port, ...incremental });
    await stranger.stop();
  },

  async pruned() {
    const pruned = await server('pruned', {
      'x.nodes': '500',
      'x.rate': '300',
      'x.bytes': '3000',
      ...on.pruning,
    });
    const to = blank('pruned');
    await record({ name: 'pruned-full', to, port: pruned.port });
    const base = join(work, 'pruned-base');
    cpSync(to, base, { recursive: true });
    await sleep(25_000);
    await record({ name: 'pruned', to, port: pruned.port, ...incremental });
    await measure('after an increment that met pruned logs', to);
    if (isA) {
      await prunedWithoutSpace(pruned, base);
    } else {
      await record({ name: 'pruned-fallback', to, port: pruned.port });
      await measure('after a full one in its place', to);
    }
    await pruned.stop();
  },

  async full() {
    const main = await server('disk', some);
    const small = await tmpfs('small', '1m');
    try {
      await record({ name: 'disk-full', to: join(small, 'graph.db'), port: main.port });
      await record({ name: 'disk-full-rerun', to: join(small, 'graph.db'), port: main.port });
    } finally {
      await must(['umount', small]);
    }
    const before = blank('disk');
    await record({
      name: 'disk-full-base',
      to: before,
      port: main.port,
      unchecked: true,
    });
    const tight = await tmpfs('tight', '4m');
    try {
      cpSync(before, join(tight, 'graph.db'), { recursive: true });
      await sleep(15_000);
      // All but 100 KB are taken: the increment of 15 s is larger.
      const [, free = '0'] = (await must(['df', '--output=avail', '-k', tight])).trim().split(/\s+/);
      writeFileSync(join(tight, 'filler'), new Uint8Array((Number(free) - 100) * 1024));
      await record({
        name: 'disk-full-incremental',
        to: join(tight, 'graph.db'),
        port: main.port,
        ...incremental,
      });
      rmSync(join(tight, 'filler'));
      await measure('an increment that met a full disk', join(tight, 'graph.db'));
      await record({
        name: 'disk-full-incremental-rerun',
        to: join(tight, 'graph.db'),
        port: main.port,
        ...incremental,
      });
    } finally {
      await must(['umount', tight]);
    }
    await main.stop();
  },

  async killed() {
    // The server sends in pieces of 4 MB, and the tool makes files only when the first one is there: the store must be
    // larger than a few, or a kill in the middle of the copy finds nothing.
    const main = await server('killed', { 'x.nodes': '20000', 'x.bytes': '500', 'x.rate': '50' });
    for (const [name, signal] of [
      ['sigterm', 'SIGTERM'],
      ['sigkill', 'SIGKILL'],
    ] as const) {
      const proxy = await slow(main, 1_000_000);
      const to = blank(name);
      await record({
        name,
        to,
        port: proxy.port,
        during: async (pid) => {
          await until(() => proxy.passed() > 6_000_000);
          process.kill(pid, signal);
        },
      });
      await proxy.close();
      await record({ name: `${name}-rerun`, to, port: main.port });
    }

    for (const [name, bytes] of [
      ['two-at-once-early', 100_000],
      ['two-at-once', 6_000_000],
    ] as const) {
      const proxy = await slow(main, 1_000_000);
      const to = blank(name);
      const first = record({ name: `${name}-first`, to, port: proxy.port });
      await until(() => proxy.passed() > bytes);
      await record({ name: `${name}-second`, to, port: main.port });
      await first;
      await proxy.close();
      await measure(name, to);
    }

    // The tool applies transactions by the hundred: many small ones, so that the kill finds it at that.
    const busy = await server('busy', {
      'x.nodes': '500',
      'x.rate': '1000',
      'x.batch': '2',
      'x.bytes': '2000',
    });
    const to = blank('busy');
    await record({
      name: 'killed-incremental-base',
      to,
      port: busy.port,
      unchecked: true,
    });
    await sleep(15_000);
    const narrow = await slow(busy, 1_000_000);
    await record({
      name: 'sigkill-incremental',
      to,
      port: narrow.port,
      ...incremental,
      during: async (pid) => {
        const log = join(to, 'neostore.transaction.db.0');
        await until(() => statSync(log).size > 1_000_000);
        process.kill(pid, 'SIGKILL');
      },
    });
    await narrow.close();
    await measure('increment killed half-way', to);
    await record({ name: 'sigkill-incremental-rerun', to, port: busy.port, ...incremental });
    await measure('and run again', to);
    await busy.stop();

    const dying = await slow(main, 1_000_000);
    await record({
      name: 'server-killed',
      to: blank('server-killed'),
      port: dying.port,
      during: async () => {
        await until(() => dying.passed() > 6_000_000);
        await main.kill();
      },
    });
    await dying.close();
  },

  async inconsistent() {
    const settings = { 'x.nodes': '500' };
    const before = await server('inconsistent', settings);
    await before.stop();
    // The first relationship of node 100 becomes one of other nodes: bytes 1 to 4 of its record of 15.
    const nodes = openSync(join(work, 'inconsistent.db', 'neostore.nodestore.db'), 'r+');
    writeSync(nodes, new Uint8Array([0, 0, 0, 3]), 0, 4, 100 * 15 + 1);
    closeSync(nodes);
    const after = await server('inconsistent', settings);
    const to = blank('inconsistent');
    await record({ name: 'inconsistent', to, port: after.port });
    await measure('inconsistent', to);
    await record({ name: 'inconsistent-incremental', to, port: after.port, ...incremental });
    await record({
      name: 'inconsistent-unchecked',
      to: blank('inconsistent-unchecked'),
      port: after.port,
      unchecked: true,
    });
    const report = (await must(['find', isA ? to : reports, '-name', 'inconsistencies*']))
      .trim()
      .split('\n')[0];
    if (report !== undefined && report !== '' && statSync(report).isFile()) {
      writeFileSync(join(captures, 'inconsistent.report'), plain(readFileSync(report, 'utf8')));
    }
    await after.stop();
  },
};

try {
  for (const [name, group] of Object.entries(groups)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    prepareTree(reports);
    await progress.run(`recording the cases of '${name}'`, group);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
