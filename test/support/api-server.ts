// A real API server (etcd and kube-apiserver on loopback, nothing else) for the tests of CRD and client. Needs no root.
import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { TestProject } from 'vitest/node';
import { controlPlaneParts, oldestControlPlaneParts } from '../../tools/parts.ts';
import { output } from '../../tools/run.ts';
import { steps } from '../../tools/steps.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of an administrator's kubeconfig, and of kubectl. */
    readonly kubeconfig: string;
    readonly kubectl: string;
  }
}

/** How long the server may take to be ready, on a machine that does something else besides. Milliseconds. */
const patienceMs = 60_000;

/** The project's name says which Kubernetes: the one that we build the node from, or the oldest that we support. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const gather = project.name === 'api-oldest' ? oldestControlPlaneParts : controlPlaneParts;
  const parts = await gather(steps());
  const folder = mkdtempSync(join(tmpdir(), 'api-server-'));
  const children: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const child of children.toReversed()) await end(child);
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', () => children.forEach((child) => child.kill('SIGKILL')));
  try {
    const [client = 0, peer = 0, secure = 0] = await freePorts(3);
    const token = randomBytes(16).toString('hex');
    writeFiles(folder, token);
    children.push(start(folder, 'etcd', [parts.etcd, ...etcdFlags(folder, client, peer)]));
    children.push(
      start(folder, 'kube-apiserver', [parts['kube-apiserver'], ...serverFlags(folder, client, secure)]),
    );
    const kubeconfig = writeKubeconfig(folder, secure, token);
    await ready([parts.kubectl, '--kubeconfig', kubeconfig, 'get', '--raw', '/readyz'], children, folder);
    project.provide('kubeconfig', kubeconfig);
    project.provide('kubectl', parts.kubectl);
    return stop;
  } catch (error) {
    await stop();
    throw error;
  }
}

function writeFiles(folder: string, token: string): void {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(join(folder, 'accounts.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }), {
    mode: 0o600,
  });
  writeFileSync(join(folder, 'tokens.csv'), `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
}

function etcdFlags(folder: string, client: number, peer: number): readonly string[] {
  const [clientURL, peerURL] = [`http://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`];
  return [
    `--data-dir=${join(folder, 'etcd')}`,
    '--unsafe-no-fsync',
    `--listen-client-urls=${clientURL}`,
    `--advertise-client-urls=${clientURL}`,
    `--listen-peer-urls=${peerURL}`,
    `--initial-advertise-peer-urls=${peerURL}`,
    `--initial-cluster=default=${peerURL}`,
  ];
}

function serverFlags(folder: string, etcd: number, port: number): readonly string[] {
  const key = join(folder, 'accounts.key');
  return [
    `--etcd-servers=http://127.0.0.1:${etcd}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    `--cert-dir=${join(folder, 'certificates')}`,
    `--token-auth-file=${join(folder, 'tokens.csv')}`,
    '--authorization-mode=RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${key}`,
    `--service-account-signing-key-file=${key}`,
    '--service-cluster-ip-range=10.0.0.0/24',
    '--disable-admission-plugins=ServiceAccount', // there is no controller that would make the accounts
    '--endpoint-reconciler-type=none',
  ];
}

function start(folder: string, name: string, [program = '', ...args]: readonly string[]): ChildProcess {
  const log = openSync(join(folder, `${name}.log`), 'a');
  return spawn(program, args, { stdio: ['ignore', log, log], cwd: folder });
}

function writeKubeconfig(folder: string, port: number, token: string): string {
  const path = join(folder, 'kubeconfig');
  const cluster = {
    server: `https://127.0.0.1:${port}`,
    'certificate-authority': join(folder, 'certificates/apiserver.crt'),
  };
  const content = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
    'current-context': 'test',
  };
  writeFileSync(path, stringify(content), { mode: 0o600 });
  return path;
}

async function ready(
  probe: readonly string[],
  children: readonly ChildProcess[],
  folder: string,
): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while ((await output(probe)).code !== 0) {
    const isDead = children.some(({ exitCode }) => exitCode !== null);
    if (isDead || performance.now() > deadline)
      throw new Error(
        `no API server:\n${readFileSync(join(folder, 'kube-apiserver.log'), 'utf8').slice(-2000)}`,
      );
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 3_000);
  await ended;
  clearTimeout(timer);
}

async function freePorts(count: number): Promise<readonly number[]> {
  const probes = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(probes.map((probe) => once(probe, 'listening')));
  const ports = probes.map((probe) => (probe.address() as AddressInfo).port);
  await Promise.all(probes.map((probe) => once(probe.close(), 'close')));
  return ports;
}
