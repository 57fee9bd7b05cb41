import { describe, expect, test } from 'vitest';
import { aBackup, aJob } from '../../test/support/builders.ts';
import { FakeKube } from '../../test/support/fake-kube.ts';
import { KubeError, type KubeErrorKind } from '../kube/errors.ts';
import { act, type ActOutcome } from './act.ts';
import type { Action } from './decide.ts';
import { jobs, type Job } from './resources.ts';

const key = { namespace: 'shop', name: 'orders-1' };
const owner = {
  apiVersion: 'neo4j-backup.dev/v1alpha1',
  kind: 'Neo4jBackup',
  name: 'orders',
  uid: aBackup().metadata.uid,
};
const draft = { metadata: { ...key, ownerReferences: [owner] } };
const create: Action = { kind: 'createJob', job: draft };

function doing(kube: FakeKube, ...actions: readonly Action[]): Promise<ActOutcome> {
  return act(actions, aBackup(), kube, new AbortController().signal);
}

describe('creating a Job', () => {
  test('makes it and tells what the server made of it', async () => {
    const kube = new FakeKube();
    expect(await doing(kube, create)).toEqual({ kind: 'done', created: kube.peek(jobs, key) });
  });

  test('adopts the one that is ours already', async () => {
    const kube = new FakeKube();
    const ours = kube.put(jobs, key.namespace, draft);
    expect(await doing(kube, create)).toEqual({ kind: 'done', created: ours });
  });

  test('adopts the one whose answer was lost', async () => {
    const kube = new FakeKube();
    kube.fail({ verbs: ['create'], when: 'after', error: new KubeError('unavailable', 'reset') });
    expect(await doing(kube, create)).toMatchObject({ kind: 'failed' });
    expect(await doing(kube, create)).toMatchObject({ kind: 'done', created: { metadata: key } });
  });

  const theirs: readonly { readonly name: string; readonly ownerReferences: unknown }[] = [
    { name: 'nobody', ownerReferences: undefined },
    {
      name: 'a resource of our name that was there before',
      ownerReferences: [{ ...owner, uid: 'old' }],
    },
  ];
  test.for(theirs)('never touches the Job of $name', async ({ ownerReferences }) => {
    const kube = new FakeKube();
    const job = kube.put(jobs, key.namespace, { metadata: { name: key.name, ownerReferences } });
    expect(await doing(kube, create)).toMatchObject({ kind: 'refused', reason: 'NameConflict' });
    expect(kube.peek(jobs, key)).toEqual(job);
  });

  test('tries again when the Job of its name has gone meanwhile', async () => {
    const kube = new FakeKube();
    kube.fail({ verbs: ['create'], error: new KubeError('alreadyExists', 'jobs "orders-1" already exists') });
    expect(await doing(kube, create)).toMatchObject({ kind: 'failed' });
  });

  const refusals: readonly { kind: KubeErrorKind; outcome: ActOutcome['kind'] }[] = [
    { kind: 'forbidden', outcome: 'refused' },
    { kind: 'invalid', outcome: 'refused' },
    { kind: 'unavailable', outcome: 'failed' },
    { kind: 'tooManyRequests', outcome: 'failed' },
    { kind: 'notFound', outcome: 'failed' },
  ];
  test.for(refusals)('is $outcome when the server says $kind', async ({ kind, outcome }) => {
    const kube = new FakeKube();
    kube.fail({ verbs: ['create'], error: new KubeError(kind, 'denied by a policy') });
    const refused = { kind: 'refused', reason: 'JobRejected', detail: 'denied by a policy' };
    expect(await doing(kube, create)).toMatchObject(outcome === 'refused' ? refused : { kind: 'failed' });
    expect(kube.all(jobs)).toEqual([]);
  });
});

test('a quota on Jobs is told apart from other refusals', async () => {
  const kube = new FakeKube();
  const error = new KubeError('forbidden', 'jobs.batch "a" is forbidden: exceeded quota: few, used: 1');
  kube.fail({ verbs: ['create'], error });
  expect(await doing(kube, create)).toMatchObject({ kind: 'refused', reason: 'QuotaExceeded' });
});

describe('deleting a Job', () => {
  const remove = (job: Job): Action => ({ kind: 'deleteJob', propagationPolicy: 'Background', job });

  test('takes its Pods along', async () => {
    const kube = new FakeKube();
    const job = kube.put(jobs, key.namespace, draft);
    expect(await doing(kube, remove(job))).toEqual({ kind: 'done' });
    expect(kube.all(jobs)).toEqual([]);
    expect(kube.requests.at(-1)?.body).toMatchObject({ propagationPolicy: 'Background' });
  });

  test('is content when it has gone already', async () => {
    expect(await doing(new FakeKube(), remove(aJob()))).toEqual({ kind: 'done' });
  });

  test('leaves another Job of the same name alone', async () => {
    const kube = new FakeKube();
    const job = kube.put(jobs, key.namespace, draft);
    expect(await doing(kube, remove(aJob()))).toMatchObject({ kind: 'failed', error: { kind: 'conflict' } });
    expect(kube.peek(jobs, key)).toEqual(job);
  });

  test('that fails does not hide the Job that was made before', async () => {
    const kube = new FakeKube();
    kube.fail({ verbs: ['delete'], error: new KubeError('forbidden', 'no') });
    const outcome = await doing(kube, create, remove(aJob({ metadata: { name: 'orders-0' } })));
    expect(outcome).toMatchObject({ kind: 'failed', created: { metadata: key } });
  });
});
