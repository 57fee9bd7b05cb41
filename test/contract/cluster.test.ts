// The contract of a cluster, on the real controllers.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, inject } from 'vitest';
import { kubeClient, type HttpKubeClient } from '../../src/kube/http.ts';
import { loadKubeConfig } from '../../src/kube/kube-config.ts';
import { must } from '../../tools/run.ts';
import { clusterContract, type ClusterWorld } from './cluster.ts';
import { Controllers } from './controllers.ts';

let controllers: Controllers;
let client: HttpKubeClient;
const over = new AbortController();

beforeAll(async () => {
  controllers = await Controllers.start(inject('controlPlaneParts'));
  client = kubeClient({ kubeConfig: loadKubeConfig(controllers.kubeconfig), userAgent: 'contract' });
});

afterAll(async () => {
  over.abort();
  await client.close();
  await controllers.stop();
});

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + 60_000;
  while (performance.now() < end) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('nothing within a minute');
}

clusterContract('the real controllers, newest Kubernetes only', async (): Promise<ClusterWorld> => {
  const namespace = `cluster-${randomBytes(4).toString('hex')}`;
  const kubectl = [inject('kubectl'), '--kubeconfig', controllers.kubeconfig];
  await must([...kubectl, 'create', 'namespace', namespace]);
  return { client, namespace, until, signal: over.signal };
});
