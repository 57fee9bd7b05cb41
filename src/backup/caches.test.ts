import { expect, test } from 'vitest';
import { labels, managedBy } from '../api/names.ts';
import { aSpec } from '../../test/support/builders.ts';
import { FakeClock, quiet } from '../../test/support/fake-clock.ts';
import { FakeKube } from '../../test/support/fake-kube.ts';
import { quietLog } from '../../test/support/quiet-log.ts';
import { Caches } from './caches.ts';
import { backups, claims, jobs } from './resources.ts';
import { claimMark } from './run.ts';

const namespace = 'shop';

/** Who is woken by a Job of `orders` on a claim that it has in common with `stock`, which waits for nothing. */
async function wokenByJob(accessMode: string): Promise<readonly string[]> {
  const [kube, clock] = [new FakeKube(), new FakeClock()];
  kube.put(claims, namespace, { metadata: { name: 'backups' }, spec: { accessModes: [accessMode] } });
  for (const name of ['orders', 'stock']) kube.put(backups, namespace, { metadata: { name }, spec: aSpec() });
  const woken: string[] = [];
  const caches = new Caches({
    client: kube,
    clock,
    random: () => 0,
    log: quietLog(),
    onWake: ({ name }) => woken.push(name),
    onJob: () => undefined,
    isInLine: () => false,
  });
  const stop = new AbortController();
  const done = caches.run(stop.signal);
  for (const reflector of caches.reflectors) await reflector.whenSynced(stop.signal);
  await quiet();
  woken.length = 0;
  const { uid = '' } = caches.backups.get({ namespace, name: 'orders' })?.metadata ?? {};
  kube.put(jobs, namespace, {
    metadata: {
      name: 'orders-0123456789',
      labels: { [labels.managedBy]: managedBy, [labels.claim]: claimMark('backups') },
      ownerReferences: [
        { apiVersion: `${backups.group}/${backups.version}`, kind: backups.kind, name: 'orders', uid },
      ],
    },
    spec: {},
  });
  await quiet();
  stop.abort();
  await done;
  return [...new Set(woken)].toSorted();
}

test('a Job wakes the others on a claim that is for one Pod at a time', async () => {
  expect(await wokenByJob('ReadWriteOnce')).toEqual(['orders', 'stock']);
});

test('a Job wakes its own resource alone where the claim is for many', async () => {
  expect(await wokenByJob('ReadWriteMany')).toEqual(['orders']);
});
