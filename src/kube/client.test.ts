import { afterAll } from 'vitest';
import { configMaps, jobs, kubeClientContract } from '../../test/contract/kube-client.ts';
import { serveFakeKube } from '../../test/support/fake-kube-server.ts';
import { FakeKube } from '../../test/support/fake-kube.ts';
import { kubeClient } from './http.ts';

kubeClientContract('the fake', async () => {
  const fake = new FakeKube();
  return { client: fake, namespace: 'contract', expiredVersion: async () => expire(fake) };
});

const toClose: (() => Promise<void>)[] = [];

afterAll(async () => {
  await Promise.all(toClose.map((close) => close()));
});

kubeClientContract('HTTP, before the fake', async () => {
  const fake = new FakeKube();
  const server = await serveFakeKube(fake, [configMaps, jobs]);
  const client = kubeClient({ kubeConfig: server.kubeConfig, userAgent: 'contract/1' });
  toClose.push(async () => {
    await client.close();
    await server.close();
  });
  return { client, namespace: 'contract', expiredVersion: async () => expire(fake) };
});

function expire(fake: FakeKube): string {
  fake.expireHistory();
  return '1';
}
