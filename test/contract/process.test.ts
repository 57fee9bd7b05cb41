// The operator as a process: what it says of its health, who of two works, and how it ends.
import { randomBytes } from 'node:crypto';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { must } from '../../tools/run.ts';
import { serve, type LocalServer } from '../support/fake-kube-server.ts';

const root = join(import.meta.dirname, '../..');

/** What Kubernetes and people have patience for. Milliseconds. */
const exitMs = 10_000;

interface Operator {
  readonly child: ChildProcess;
  readonly port: number;
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
  readonly namespace?: string;
  readonly name?: string;
  /** A module that runs in the process before it. */
  readonly before?: string;
}

async function start({
  kubeconfig,
  namespace = 'default',
  name = 'one',
  before,
}: Start = {}): Promise<Operator> {
  const port = await freePort();
  const args = [
    ...(before === undefined ? [] : ['--import', `data:text/javascript,${encodeURIComponent(before)}`]),
    join(root, 'src/main.ts'),
    `--kubeconfig=${kubeconfig ?? inject('kubeconfig')}`,
    '--agent-image=agent:1',
    `--namespaces=${namespace}`,
    `--leader-election-namespace=${namespace}`,
    `--health-port=${port}`,
  ];
  const env = { ...process.env, HOSTNAME: name };
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(text));
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  const operator = { child, port, lines, ended };
  operators.push(operator);
  return operator;
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
