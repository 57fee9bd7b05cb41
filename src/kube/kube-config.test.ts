import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { loadKubeConfig } from './kube-config.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kube-config-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

interface Parts {
  readonly currentContext?: string;
  readonly contexts?: readonly object[];
  readonly clusters?: readonly object[];
  readonly users?: readonly object[];
}

function written({ currentContext = 'lab', ...parts }: Parts): string {
  const path = join(folder, `${Math.random()}.yaml`);
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': currentContext,
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'me' } }],
    clusters: [{ name: 'lab', cluster: { server: 'https://10.0.0.1:6443' } }],
    users: [{ name: 'me', user: { token: 'secret' } }],
    ...parts,
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

test('reads server and user of the current context', () => {
  const kubeConfig = loadKubeConfig(written({}));
  expect(kubeConfig.getCurrentCluster()?.server).toBe('https://10.0.0.1:6443');
  expect(kubeConfig.getCurrentUser()?.token).toBe('secret');
});

const faults: readonly { name: string; parts: Parts; says: string }[] = [
  { name: 'no current context', parts: { currentContext: '' }, says: 'no current-context' },
  { name: 'an unknown context', parts: { currentContext: 'prod' }, says: 'no context "prod"' },
  { name: 'an unknown cluster', parts: { clusters: [] }, says: 'no cluster "lab"' },
  { name: 'an unknown user', parts: { users: [] }, says: 'no user "me"' },
  {
    name: 'an address that is none',
    parts: { clusters: [{ name: 'lab', cluster: { server: '10.0.0.1' } }] },
    says: 'no usable server for the cluster "lab"',
  },
];
test.for(faults)('refuses a file with $name, and says so', ({ parts, says }) => {
  expect(() => loadKubeConfig(written(parts))).toThrow(says);
});

test('refuses a file that is not there or no YAML, and names it', () => {
  const absent = join(folder, 'absent.yaml');
  expect(() => loadKubeConfig(absent)).toThrow(absent);
  const broken = join(folder, 'broken.yaml');
  writeFileSync(broken, '{ "a": ');
  expect(() => loadKubeConfig(broken)).toThrow(broken);
  const empty = join(folder, 'empty.yaml');
  writeFileSync(empty, '');
  expect(() => loadKubeConfig(empty)).toThrow(empty);
});

test('never falls back to another server when it is not in a cluster', () => {
  vi.stubEnv('KUBERNETES_SERVICE_HOST', undefined);
  vi.stubEnv('KUBERNETES_SERVICE_PORT', undefined);
  expect(() => loadKubeConfig()).toThrow('not in a Kubernetes cluster');
  vi.unstubAllEnvs();
});

test('takes the service account of the Pod it runs in', () => {
  vi.stubEnv('KUBERNETES_SERVICE_HOST', 'fd00::1');
  vi.stubEnv('KUBERNETES_SERVICE_PORT', '443');
  expect(loadKubeConfig().getCurrentCluster()?.server).toBe('https://[fd00::1]:443');
  vi.unstubAllEnvs();
});
