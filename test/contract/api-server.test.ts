// The contracts of every KubeClient and of our kind, on a real API server.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, inject } from 'vitest';
import { kubeClient, type HttpKubeClient } from '../../src/kube/http.ts';
import { loadKubeConfig } from '../../src/kube/kube-config.ts';
import { must } from '../../tools/run.ts';
import { kindContract } from './kind.ts';
import { kubeClientContract, type ContractWorld } from './kube-client.ts';

let shared: HttpKubeClient | undefined;

afterAll(async () => {
  await shared?.close();
});

async function kubectl(...args: readonly string[]): Promise<void> {
  await must([inject('kubectl'), '--kubeconfig', inject('kubeconfig'), ...args]);
}

beforeAll(async () => {
  await kubectl('apply', '--server-side', '-f', join(import.meta.dirname, '../../crds'));
  const established = ['--for=condition=Established', 'crd/neo4jbackups.neo4j-backup.dev'];
  await kubectl('wait', '--timeout=30s', ...established);
});

async function realWorld(): Promise<ContractWorld> {
  shared ??= kubeClient({ kubeConfig: loadKubeConfig(inject('kubeconfig')), userAgent: 'contract' });
  const namespace = `contract-${randomBytes(4).toString('hex')}`;
  await kubectl('create', 'namespace', namespace);
  return { client: shared, namespace };
}

kubeClientContract('a real API server', realWorld);
kindContract('a real API server', realWorld);
