// The election on a real API server: what a Lease takes, and who wins where only the server can tell.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { kubeClient, type HttpKubeClient } from '../../src/kube/http.ts';
import { loadKubeConfig } from '../../src/kube/kube-config.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { LeaderElector, leaseName, leases } from '../../src/runtime/leader.ts';
import { must } from '../../tools/run.ts';
import { quietLog } from '../support/quiet-log.ts';

let client: HttpKubeClient;

beforeAll(() => {
  client = kubeClient({ kubeConfig: loadKubeConfig(inject('kubeconfig')), userAgent: 'leader' });
});

afterAll(async () => {
  await client.close();
});

async function aNamespace(): Promise<string> {
  const name = `leader-${randomBytes(4).toString('hex')}`;
  await must([inject('kubectl'), '--kubeconfig', inject('kubeconfig'), 'create', 'namespace', name]);
  return name;
}

interface Candidate {
  readonly elector: LeaderElector;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

function join(namespace: string, identity: string): Candidate {
  const [clock, random, log] = [systemClock, Math.random, quietLog()];
  const elector = new LeaderElector({ client, namespace, identity, clock, random, log });
  const stop = new AbortController();
  const work = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  return { elector, stop, done: elector.run(stop.signal, work) };
}

async function leadOnce(namespace: string): Promise<void> {
  const { stop, done, elector } = join(namespace, 'earlier');
  await expect.poll(() => elector.isLeading, { timeout: 10_000 }).toBe(true);
  stop.abort();
  await done;
}

async function spec(namespace: string): Promise<object> {
  return (await client.get(leases, { namespace, name: leaseName }))?.spec ?? {};
}

test('makes the Lease, renews it, gives it back, and the next one takes it at once', async () => {
  const namespace = await aNamespace();
  const first = join(namespace, 'a');
  await expect.poll(() => first.elector.isLeading, { timeout: 10_000 }).toBe(true);
  const made = await spec(namespace);
  expect(made).toMatchObject({ holderIdentity: 'a', leaseDurationSeconds: 15, leaseTransitions: 0 });
  await expect.poll(() => spec(namespace), { timeout: 10_000 }).not.toEqual(made);
  first.stop.abort();
  await first.done;
  expect(await spec(namespace)).toMatchObject({ leaseDurationSeconds: 1, leaseTransitions: 0 });
  expect(first.elector.holder).toBeUndefined();

  const second = join(namespace, 'b');
  await expect.poll(() => second.elector.isLeading, { timeout: 10_000 }).toBe(true);
  expect(await spec(namespace)).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 });
  second.stop.abort();
  await second.done;
});

test.each([
  { name: 'before there is a Lease', prepare: async () => undefined },
  { name: 'to a Lease that was given back', prepare: leadOnce },
])('one of five who come together $name wins', async ({ prepare }) => {
  const namespace = await aNamespace();
  await prepare(namespace);
  const candidates = ['a', 'b', 'c', 'd', 'e'].map((identity) => join(namespace, identity));
  const leading = (): readonly Candidate[] => candidates.filter(({ elector }) => elector.isLeading);
  await expect
    .poll(() => candidates.every(({ elector }) => elector.holder !== undefined), { timeout: 20_000 })
    .toBe(true);
  expect(leading()).toHaveLength(1);
  for (const { elector } of candidates) expect(elector.holder).toBe(leading()[0]?.elector.holder);
  for (const { stop } of candidates) stop.abort();
  await Promise.all(candidates.map(({ done }) => done));
});
