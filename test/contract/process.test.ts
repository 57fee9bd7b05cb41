// The operator as a process: what it says of its health, who of two works, and how it ends.
import { randomBytes } from 'node:crypto';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { loadKubeConfig } from '../../src/kube/kube-config.ts';
import { rulesOf, watchPermissions } from '../../tools/chart.ts';
import { must } from '../../tools/run.ts';
import { aSpec } from '../support/builders.ts';
import { serve, type LocalServer } from '../support/fake-kube-server.ts';

const root = join(import.meta.dirname, '../..');

/** What Kubernetes and people have patience for. Milliseconds. */
const exitMs = 10_000;

interface Operator {
  readonly child: ChildProcess;
  /** Of health, and of metrics. */
  readonly port: number;
  readonly metricsPort: number;
  readonly lines: string[];
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
}

const operators: Operator[] = [];
const servers: LocalServer[] = [];
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'process-'));
  await kubectl(['apply', '--server-side', '-f', join(root, 'crds')]);
});

afterEach(async () => {
  for (const { child } of operators) child.kill('SIGKILL');
  await Promise.all(operators.splice(0).map(({ ended }) => ended));
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function kubectl(args: readonly string[]): Promise<string> {
  return must([inject('kubectl'), '--kubeconfig', inject('kubeconfig'), ...args]);
}

async function aNamespace(): Promise<string> {
  const name = `process-${randomBytes(4).toString('hex')}`;
  await kubectl(['create', 'namespace', name]);
  return name;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0);
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  await once(probe.close(), 'close');
  return port;
}

interface Start {
  readonly kubeconfig?: string;
  /** Of the Lease. */
  readonly namespace?: string;
  /** To watch, by default that of the Lease. */
  readonly namespaces?: readonly string[];
  readonly name?: string;
  /** A module that runs in the process before it. */
  readonly before?: string;
}

async function start({
  kubeconfig,
  namespace = 'default',
  namespaces = [namespace],
  name = 'one',
  before,
}: Start = {}): Promise<Operator> {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const args = [
    ...(before === undefined ? [] : ['--import', `data:text/javascript,${encodeURIComponent(before)}`]),
    join(root, 'src/main.ts'),
    `--kubeconfig=${kubeconfig ?? inject('kubeconfig')}`,
    '--agent-image=agent:1',
    `--namespaces=${namespaces.join(',')}`,
    `--leader-election-namespace=${namespace}`,
    `--health-port=${port}`,
    `--metrics-port=${metricsPort}`,
  ];
  const env = { ...process.env, HOSTNAME: name };
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(text));
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  const operator = { child, port, metricsPort, lines, ended };
  operators.push(operator);
  return operator;
}

/**
 * The real API server, but for the requests that are held: nobody ever answers them.
 * @param isHeld asked with `POST /apis/...`
 */
async function holding(
  isHeld: (request: string) => boolean,
): Promise<{ readonly kubeconfig: string; readonly held: readonly string[] }> {
  const held: string[] = [];
  const kubeConfig = loadKubeConfig(inject('kubeconfig'));
  const server = kubeConfig.getCurrentCluster()?.server;
  const options: RequestOptions = {};
  await kubeConfig.applyToHTTPSOptions(options);
  const kubeconfig = await playedBy((request, response) => {
    const { method = '', url = '' } = request;
    if (isHeld(`${method} ${url}`)) {
      held.push(`${method} ${url}`);
      return;
    }
    const { host: _host, authorization: _authorization, ...theirs } = request.headers;
    const headers = { ...theirs, ...(options.headers as Record<string, string>) };
    const passedOn = httpsRequest(new URL(url, server), { ...options, method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
    });
    passedOn.on('error', () => response.destroy());
    response.on('close', () => passedOn.destroy());
    request.pipe(passedOn);
  });
  return { kubeconfig, held };
}

/** A resource with all that its run needs but a claim. */
async function furnish(namespace: string): Promise<void> {
  const objects = [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'orders-neo4j' },
      spec: { ports: [{ port: 6362 }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'orders-neo4j-1', labels: { 'kubernetes.io/service-name': 'orders-neo4j' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.1.0.1'], conditions: { ready: true } }],
    },
    {
      apiVersion: 'neo4j-backup.dev/v1alpha1',
      kind: 'Neo4jBackup',
      metadata: { name: 'orders' },
      spec: aSpec(),
    },
  ];
  await create(namespace, objects);
}

async function giveClaim(namespace: string): Promise<void> {
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
  const claim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'backups' }, spec };
  await create(namespace, [claim]);
}

async function create(namespace: string, objects: readonly object[]): Promise<void> {
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  await must(
    [inject('kubectl'), '--kubeconfig', inject('kubeconfig'), '-n', namespace, 'create', '-f', '-'],
    {
      input: list,
    },
  );
}

/** A kubeconfig for a server that answers as the test says, or where there is none. */
async function playedBy(listener: Parameters<typeof serve>[0] | undefined): Promise<string> {
  const server = await serve(listener ?? (() => undefined));
  if (listener === undefined) await server.close();
  else servers.push(server);
  const path = join(folder, randomBytes(4).toString('hex'));
  writeFileSync(path, server.kubeConfig.exportConfig());
  return path;
}

/** `503 ...` and the lines of the answer; empty while nobody answers. */
async function ask({ port }: Operator, path: '/healthz' | '/readyz'): Promise<string> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(1_000) });
    return `${response.status} ${await response.text()}`;
  } catch {
    return '';
  }
}

async function metricsOf({ metricsPort }: Operator): Promise<string> {
  return (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
}

/** Sends the signal. @returns how it ended. @throws {Error} when it takes longer than it may. */
async function end({ child, ended }: Operator, signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
  const tooLong = AbortSignal.timeout(exitMs);
  child.kill(signal);
  const late = once(tooLong, 'abort').then(() => 'too long');
  return Promise.race([ended, late]);
}

const patience = { timeout: 30_000 };

test('two replicas are ready, one works, and the other one goes on when it ends', async () => {
  const namespace = await aNamespace();
  const first = await start({ namespace, name: 'a' });
  await expect.poll(() => ask(first, '/readyz'), patience).toMatch(/^200 .*this one leads.*caches: filled/s);
  const second = await start({ namespace, name: 'b' });
  await expect.poll(() => ask(second, '/readyz'), patience).toMatch(/^200 .*a leads, this one stands by\n$/s);
  expect(await ask(first, '/healthz')).toMatch(/^200 /);
  expect(await metricsOf(first)).toContain('leader_election_master_status{name="neo4j-backup-operator"} 1\n');
  expect(await metricsOf(second)).toContain(
    'leader_election_master_status{name="neo4j-backup-operator"} 0\n',
  );
  expect(await end(first)).toBe(0);
  await expect.poll(() => ask(second, '/readyz'), patience).toMatch(/^200 .*this one leads.*caches: filled/s);
  expect(await end(second, 'SIGINT')).toBe(0);
});

test('a replica that loses the Lease ends with an exit code', async () => {
  const namespace = await aNamespace();
  const operator = await start({ namespace });
  await expect.poll(() => ask(operator, '/readyz'), patience).toMatch(/^200 /);
  const spec = { holderIdentity: 'other', leaseDurationSeconds: 15 };
  const patch = ['patch', 'lease', 'neo4j-backup-operator', '--type=merge', '-p', JSON.stringify({ spec })];
  await kubectl(['-n', namespace, ...patch]);
  expect(await operator.ended).toBe(1);
});

test('what nobody caught is logged as an error, and ends the process with an exit code', async () => {
  const namespace = await aNamespace();
  const before = `process.on('SIGUSR2', () => { Promise.reject(new Error('a bug')); });`;
  const operator = await start({ namespace, before });
  await expect.poll(() => ask(operator, '/readyz'), patience).toMatch(/^200 /);
  expect(await end(operator, 'SIGUSR2')).toBe(1);
  const last: unknown = JSON.parse(operator.lines.join('').trim().split('\n').at(-1) ?? '');
  expect(last).toMatchObject({ level: 50, err: { message: 'a bug' } });
});

test('who works and finds nobody to read its log any more ends, to be started anew', async () => {
  const namespace = await aNamespace();
  const operator = await start({ namespace });
  await expect.poll(() => ask(operator, '/readyz'), patience).toMatch(/^200 /);
  operator.child.stdout?.destroy();
  await furnish(namespace); // tells of a claim that is missing
  expect(await operator.ended).toBe(1);
});

test('a namespace that may not be read is named, and holds up no other', async () => {
  const [ours, theirs] = [await aNamespace(), await aNamespace()];
  await Promise.all([furnish(ours), furnish(theirs)]);
  const kubeconfig = await asOperatorIn(ours);
  const operator = await start({ kubeconfig, namespace: ours, namespaces: [theirs, ours] });
  await expect.poll(() => reasonIn(ours), patience).toBe('ClaimNotFound');
  const says = new RegExp(`BAD {2}caches: not filled yet: neo4jbackups in ${theirs} \\(.*forbidden`);
  expect(await ask(operator, '/readyz')).toMatch(says);
  expect(await ask(operator, '/healthz')).toMatch(/^200 /);
  expect(await reasonIn(theirs)).toBe('');

  await bind(theirs, ours);
  await expect.poll(() => reasonIn(theirs), { timeout: 60_000 }).toBe('ClaimNotFound');
  expect(await ask(operator, '/readyz')).toMatch(/^200 .*caches: filled\n/s);
  expect(await end(operator)).toBe(0);
});

/** A kubeconfig of an account that may do what the operator may, in that namespace alone. */
async function asOperatorIn(namespace: string): Promise<string> {
  await kubectl(['-n', namespace, 'create', 'serviceaccount', 'operator']);
  await bind(namespace, namespace);
  const lease = {
    apiGroups: ['coordination.k8s.io'],
    resources: ['leases'],
    verbs: ['get', 'update', 'create'],
  };
  await giveRole(namespace, 'lease', [lease], namespace);
  const token = (await kubectl(['-n', namespace, 'create', 'token', 'operator'])).trim();
  const path = join(folder, randomBytes(4).toString('hex'));
  writeFileSync(path, readFileSync(inject('kubeconfig')));
  await must([
    inject('kubectl'),
    '--kubeconfig',
    path,
    'config',
    'set-credentials',
    'admin',
    `--token=${token}`,
  ]);
  return path;
}

/** Lets the account of the other namespace work in this one. */
function bind(namespace: string, accountOf: string): Promise<void> {
  return giveRole(namespace, 'operator', rulesOf(watchPermissions), accountOf);
}

async function giveRole(
  namespace: string,
  name: string,
  rules: readonly object[],
  accountOf: string,
): Promise<void> {
  const [apiVersion, metadata] = ['rbac.authorization.k8s.io/v1', { name }];
  const subjects = [{ kind: 'ServiceAccount', name: 'operator', namespace: accountOf }];
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name };
  await create(namespace, [
    { apiVersion, kind: 'Role', metadata, rules },
    { apiVersion, kind: 'RoleBinding', metadata, roleRef, subjects },
  ]);
}

/** Of the condition Ready; empty while there is none. */
function reasonIn(namespace: string): Promise<string> {
  const path = '-o=jsonpath={.status.conditions[?(@.type=="Ready")].reason}';
  return kubectl(['-n', namespace, 'get', 'neo4jbackups.neo4j-backup.dev', 'orders', path]);
}

describe('ends when it is told to, although the API server holds', () => {
  const cases: readonly {
    readonly name: string;
    readonly isHeld: RegExp;
    readonly withClaim: boolean;
  }[] = [
    { name: 'its first list', isHeld: /^GET \/apis\/neo4j-backup.dev\/.*limit=/, withClaim: true },
    { name: 'a watch', isHeld: /^GET .*watch=true/, withClaim: true },
    { name: 'the creation of a Job', isHeld: /^POST .*\/jobs$/, withClaim: true },
    { name: 'the write of a status', isHeld: /^PUT .*\/status$/, withClaim: false },
    { name: 'an Event', isHeld: /^POST .*\/events$/, withClaim: false },
    { name: 'the renewal of the Lease', isHeld: /^PUT .*\/leases\//, withClaim: false },
  ];
  test.each(cases)('$name', async ({ isHeld, withClaim }) => {
    const namespace = await aNamespace();
    await furnish(namespace);
    if (withClaim) await giveClaim(namespace);
    const { kubeconfig, held } = await holding((request) => isHeld.test(request));
    const operator = await start({ kubeconfig, namespace });
    await expect.poll(() => held.length, patience).toBeGreaterThan(0);
    expect(await end(operator)).toBe(0);
  });
});

describe('while the API server', () => {
  const cases: readonly {
    readonly name: string;
    readonly listener: Parameters<typeof serve>[0] | undefined;
    readonly says: RegExp;
  }[] = [
    { name: 'is not there', listener: undefined, says: /BAD {2}API server: .*ECONNREFUSED/ },
    { name: 'does not answer', listener: () => undefined, says: /BAD {2}API server: not asked yet/ },
    {
      name: 'has no CRD',
      listener: (_request, response) => void response.writeHead(404).end('{}'),
      says: /good API server: reached\nBAD {2}schema: .*kubectl apply/,
    },
  ];
  test.each(cases)('$name: alive, not ready, says why, and ends when told', async ({ listener, says }) => {
    const operator = await start({ kubeconfig: await playedBy(listener) });
    await expect.poll(() => ask(operator, '/readyz'), patience).toMatch(says);
    expect(await ask(operator, '/readyz')).toMatch(/^503 /);
    expect(await ask(operator, '/healthz')).toMatch(/^200 /);
    expect(await end(operator)).toBe(0);
  });
});
