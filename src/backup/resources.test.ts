// What the API server sends must be readable, also where nobody has set a value.
import { expect, test } from 'vitest';
import { jobs, pods } from './resources.ts';

const metadata = {
  name: 'orders-1',
  namespace: 'shop',
  uid: 'uid',
  resourceVersion: '1',
  creationTimestamp: '2026-01-01T00:00:00Z',
};

test('a Pod whose container the kubelet could not find any more is read: its times are null', () => {
  const terminated = {
    exitCode: 137,
    reason: 'ContainerStatusUnknown',
    message: 'The container could not be located when the pod was terminated',
    startedAt: null,
    finishedAt: null,
  };
  const status = {
    phase: 'Failed',
    conditions: [{ type: 'DisruptionTarget', status: 'True', lastTransitionTime: null }],
    containerStatuses: [{ name: 'report', state: { terminated } }],
  };
  const pod = pods.schema.parse({ apiVersion: 'v1', kind: 'Pod', metadata, status });
  expect(pod.status?.containerStatuses?.[0]?.state?.terminated?.reason).toBe('ContainerStatusUnknown');
});

test('a condition of a Job without a time is read', () => {
  const status = { conditions: [{ type: 'Complete', status: 'True', lastTransitionTime: null }] };
  const job = jobs.schema.parse({ apiVersion: 'batch/v1', kind: 'Job', metadata, status });
  expect(job.status?.conditions).toHaveLength(1);
});
