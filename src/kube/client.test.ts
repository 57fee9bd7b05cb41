import { afterAll } from 'vitest';
import {
  configMaps,
  expiryContract,
  jobs,
  kubeClientContract,
  type ForgettingWorld,
} from '../../test/contract/kube-client.ts';
import { serveFakeKube } from '../../test/support/fake-kube-server.ts';
import { FakeKube } from '../../test/support/fake-kube.ts';
import { kubeClient } from './http.ts';

async function fakeWorld(): Promise<ForgettingWorld> {
  const fake = new FakeKube();
  fake.holdGarbage(); // the real API server of the other half has no collector either
  return { client: fake, namespace: 'contract', expiredVersion: () => expire(fake) };
}

const toClose: (() => Promise<void>)[] = [];

afterAll(async () => {
  await Promise.all(toClose.map((close) => close()));
});

async function httpWorld(): Promise<ForgettingWorld> {
  const fake = new FakeKube();
  fake.holdGarbage(); // the real API server of the other half has no collector either
  const server = await serveFakeKube(fake, [configMaps, jobs]);
  const client = kubeClient({ kubeConfig: server.kubeConfig, userAgent: 'contract/1' });
  toClose.push(async () => {
    await client.close();
    await server.close();
  });
  return { client, namespace: 'contract', expiredVersion: () => expire(fake) };
}

function expire(fake: FakeKube): string {
  fake.expireHistory();
  return '1';
}

kubeClientContract('the fake', fakeWorld);
expiryContract('the fake', fakeWorld);
kubeClientContract('HTTP, before the fake', httpWorld);
expiryContract('HTTP, before the fake', httpWorld);
