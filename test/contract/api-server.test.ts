// The contract of every KubeClient, on a real API server.
import { randomBytes } from 'node:crypto';
import { afterAll, inject } from 'vitest';
import { kubeClient, type HttpKubeClient } from '../../src/kube/http.ts';
import { loadKubeConfig } from '../../src/kube/kube-config.ts';
import { must } from '../../tools/run.ts';
import { kubeClientContract } from './kube-client.ts';

let shared: HttpKubeClient | undefined;

afterAll(async () => {
  await shared?.close();
});

kubeClientContract('a real API server', async () => {
  const kubeconfig = inject('kubeconfig');
  shared ??= kubeClient({ kubeConfig: loadKubeConfig(kubeconfig), userAgent: 'contract' });
  const namespace = `contract-${randomBytes(4).toString('hex')}`;
  await must([inject('kubectl'), '--kubeconfig', kubeconfig, 'create', 'namespace', namespace]);
  return { client: shared, namespace };
});
