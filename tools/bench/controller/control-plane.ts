// An etcd and an API server on loopback, and nothing else: no controller makes Pods of Jobs, no node runs them. Needs no root.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { AuditLog } from '../../cluster/audit.ts';
import { etcdFlags, freePorts, serverFlags } from '../../control-plane.ts';
import { controlPlaneParts } from '../../parts.ts';
import { companion, must, type Companion } from '../../run.ts';
import type { Steps } from '../../steps.ts';
import { until } from './until.ts';

const root = join(import.meta.dirname, '../../..');

/** Namespace and account of the operator in what the chart renders. */
export const operatorName = 'neo4j-backup-operator';

export interface ControlPlane {
  readonly folder: string;
  /** Paths of kubeconfigs: of an administrator, and of the operator's account with the rights that the chart gives it. */
  readonly kubeconfigs: Readonly<Record<'admin' | 'operator', string>>;
  /** What was asked in the name of the operator's account. */
  readonly audit: AuditLog;
  readonly pids: Readonly<Record<'etcd' | 'apiServer', number>>;
  /** As the administrator. @throws Error with what it printed when it fails */
  readonly kubectl: (args: readonly string[], input?: string) => Promise<string>;
  stop(): Promise<void>;
}

/** The CRD is served, and the operator's account has its rights. */
export async function startControlPlane(progress: Steps): Promise<ControlPlane> {
  const parts = await controlPlaneParts(progress);
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  const running: Companion[] = [];
  const stop = async (): Promise<void> => {
    for (const program of running.toReversed()) await program.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const [client = 0, peer = 0, secure = 0] = await freePorts(3);
    const tokens = writeFiles(folder);
    const etcd = companion([parts.etcd, ...etcdFlags(folder, { client, peer })], {
      log: join(folder, 'etcd.log'),
    });
    running.push(etcd);
    const flags = [...serverFlags(folder, { client, secure }), ...auditFlags(folder)];
    const apiServer = companion([parts['kube-apiserver'], ...flags], {
      log: join(folder, 'kube-apiserver.log'),
    });
    running.push(apiServer);
    const kubeconfigs = {
      admin: writeKubeconfig(folder, 'admin', secure, tokens.admin),
      operator: writeKubeconfig(folder, 'operator', secure, tokens.operator),
    };
    const kubectl = async (args: readonly string[], input?: string): Promise<string> =>
      must([parts.kubectl, '--kubeconfig', kubeconfigs.admin, ...args], input === undefined ? {} : { input });
    await install(kubectl, folder);
    const audit = new AuditLog(join(folder, 'audit.log'));
    const pids = { etcd: etcd.pid, apiServer: apiServer.pid };
    return { folder, kubeconfigs, audit, pids, kubectl, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function writeFiles(folder: string): Readonly<Record<'admin' | 'operator', string>> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = privateKey.export({ type: 'pkcs1', format: 'pem' });
  writeFileSync(join(folder, 'accounts.key'), key, { mode: 0o600 });
  const [admin, operator] = [randomBytes(16).toString('hex'), randomBytes(16).toString('hex')];
  const account = `system:serviceaccount:${operatorName}:${operatorName}`;
  const lines = [
    `${admin},admin,admin,"system:masters"`,
    `${operator},${account},operator,"system:serviceaccounts,system:authenticated"`,
  ];
  writeFileSync(join(folder, 'tokens.csv'), `${lines.join('\n')}\n`, { mode: 0o600 });
  writeFileSync(join(folder, 'audit.json'), JSON.stringify(auditPolicy(account)));
  mkdirSync(join(folder, 'kubeconfigs'));
  return { admin, operator };
}

/** Whatever the operator's account asks. The rest would only cost. */
function auditPolicy(account: string): unknown {
  return {
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    rules: [
      { level: 'None', nonResourceURLs: ['*'] },
      { level: 'Metadata', users: [account] },
      { level: 'None' },
    ],
  };
}

function auditFlags(folder: string): readonly string[] {
  return [
    `--audit-policy-file=${join(folder, 'audit.json')}`,
    `--audit-log-path=${join(folder, 'audit.log')}`,
  ];
}

function writeKubeconfig(folder: string, user: string, port: number, token: string): string {
  const path = join(folder, 'kubeconfigs', user);
  const cluster = {
    server: `https://127.0.0.1:${port}`,
    'certificate-authority': join(folder, 'certificates/apiserver.crt'),
  };
  const content = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'bench', cluster }],
    users: [{ name: user, user: { token } }],
    contexts: [{ name: 'bench', context: { cluster: 'bench', user } }],
    'current-context': 'bench',
  };
  writeFileSync(path, stringify(content), { mode: 0o600 });
  return path;
}

/** The CRD and what the chart renders, when the server is ready; nobody makes a Pod of its Deployment. */
async function install(kubectl: ControlPlane['kubectl'], folder: string): Promise<void> {
  const log = join(folder, 'kube-apiserver.log');
  const isReady = async (): Promise<boolean> => succeeds(kubectl(['get', '--raw', '/readyz']));
  await until('the API server', isReady).catch((error: unknown) => {
    throw new Error(readFileSync(log, 'utf8').slice(-2000), { cause: error });
  });
  const crds = join(root, 'crds');
  await kubectl(['create', 'namespace', operatorName]);
  await kubectl(['apply', '--server-side', '-f', crds]);
  await kubectl(['wait', '--for=condition=Established', '--timeout=60s', '-f', crds]);
  await kubectl(['apply', '--server-side', '-f', join(root, 'deploy/cluster/operator.yaml')]);
}

async function succeeds(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}
