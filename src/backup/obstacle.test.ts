import { describe, expect, test } from 'vitest';
import { aPod, ended } from '../../test/support/builders.ts';
import type { Reason } from '../api/reasons.ts';
import { obstacleOf } from './obstacle.ts';
import type { Pod } from './resources.ts';

const now = new Date('2026-01-01T00:10:00Z');

type PodStatus = NonNullable<Pod['status']>;

/** What the scheduler says of a Pod that it has no place for. */
function unplaced(message: string, reason = 'Unschedulable'): PodStatus {
  return { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason, message }] };
}

function waiting(reason: string, message?: string): PodStatus {
  const said = message === undefined ? {} : { message };
  return {
    phase: 'Pending',
    initContainerStatuses: [{ name: 'engine', state: { waiting: { reason, ...said } } }],
  };
}

function ready(pod: string, containers: string): PodStatus {
  const conditions = [
    { type: 'ContainersReady', status: containers },
    { type: 'Ready', status: pod },
  ];
  return { phase: 'Running', conditions };
}

function disruptedBy(reason: string): PodStatus {
  return {
    phase: 'Running',
    conditions: [{ type: 'DisruptionTarget', status: 'True', reason, message: 'Why' }],
  };
}

interface Case {
  readonly name: string;
  readonly status: PodStatus;
  readonly reason?: Reason;
  readonly detail?: RegExp;
}

const cases: readonly Case[] = [
  { name: 'nothing while it works', status: { phase: 'Running' } },
  { name: 'nothing while containers are made', status: waiting('PodInitializing') },
  {
    name: 'an image',
    status: waiting('ImagePullBackOff', 'Back-off'),
    reason: 'ImagePullFailed',
    detail: /engine/,
  },
  { name: 'an image of no valid name', status: waiting('InvalidImageName'), reason: 'ImagePullFailed' },
  {
    name: 'a Secret of a variable',
    status: waiting('CreateContainerConfigError', 'secret "backup-tls" not found'),
    reason: 'SecretNotFound',
    detail: /^secret "backup-tls" not found$/,
  },
  {
    name: 'a key of a Secret',
    status: waiting('CreateContainerConfigError', "couldn't find key tls.key in Secret shop/backup-tls"),
    reason: 'SecretNotFound',
  },
  {
    name: 'a container that cannot be configured otherwise',
    status: waiting('CreateContainerConfigError', 'container has runAsNonRoot and image will run as root'),
    reason: 'ContainerNotStarted',
    detail: /The container engine cannot be started: container has runAsNonRoot/,
  },
  {
    name: 'a container that cannot be made',
    status: waiting('CreateContainerError'),
    reason: 'ContainerNotStarted',
  },
  {
    name: 'a place',
    status: unplaced('0/3 nodes are available: 3 Insufficient cpu.'),
    reason: 'Unschedulable',
  },
  {
    name: 'a claim that is to be bound at once, and is not',
    status: unplaced('0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found'),
    reason: 'ClaimNotBound',
  },
  {
    name: 'a claim that lost its volume',
    status: unplaced(
      '0/1 nodes are available: persistentvolumeclaim "backups" bound to non-existent persistentvolume "pv". not found',
    ),
    reason: 'ClaimNotBound',
  },
  {
    name: 'a claim for which there is no volume anywhere',
    status: unplaced(
      "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind. no new claims",
    ),
    reason: 'ClaimNotBound',
  },
  {
    name: 'a place, where only some nodes have no volume',
    status: unplaced(
      "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't find available persistent volumes to bind.",
    ),
    reason: 'Unschedulable',
  },
  {
    name: 'a volume that was given up',
    status: unplaced('running PreBind plugin "VolumeBinding": binding volumes: deadline', 'SchedulerError'),
    reason: 'ClaimNotBound',
  },
  {
    name: 'another Pod that has the claim for itself',
    status: unplaced(
      '0/1 nodes are available: 1 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod.',
    ),
    reason: 'VolumeAttachConflict',
  },
  {
    name: 'the same, in the words of Kubernetes 1.32',
    status: unplaced(
      '0/1 nodes are available: 1 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode.',
    ),
    reason: 'VolumeAttachConflict',
  },
  {
    name: 'a claim whose volume is gone',
    status: unplaced(
      '0/1 nodes are available: 1 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s).',
    ),
    reason: 'ClaimNotBound',
  },
  {
    name: 'a node that the taint manager gave up',
    status: disruptedBy('DeletionByTaintManager'),
    reason: 'NodeLost',
  },
  { name: 'a node that is gone', status: disruptedBy('DeletionByPodGC'), reason: 'NodeLost' },
  { name: 'nothing while it is preempted', status: disruptedBy('PreemptionByScheduler') },
  { name: 'a node that took Ready back', status: ready('False', 'True'), reason: 'NodeLost' },
  { name: 'nothing while its containers start', status: ready('False', 'False') },
  { name: 'a node of an old cluster', status: { phase: 'Unknown', reason: 'NodeLost' }, reason: 'NodeLost' },
  {
    name: 'its node before its image',
    status: { ...waiting('ErrImagePull'), phase: 'Unknown' },
    reason: 'NodeLost',
  },
];

describe('a Pod waits for', () => {
  test.for(cases)('$name', ({ status, reason, detail = /./ }) => {
    const found = obstacleOf(aPod({ status }), now, undefined);
    expect(found?.reason).toBe(reason);
    expect(found?.detail ?? 'nothing').toMatch(detail);
  });

  test.each([
    { name: 'the end that it was given', at: '2026-01-01T00:09:50Z', reason: undefined },
    { name: 'a node that does not end it', at: '2026-01-01T00:09:40Z', reason: 'NodeLost' },
  ])('$name', ({ at, reason }) => {
    const pod = aPod({ metadata: { deletionTimestamp: at }, status: { phase: 'Running' } });
    expect(obstacleOf(pod, now, undefined)?.reason).toBe(reason);
  });

  test('nothing once it has ended, wherever its node is', () => {
    const status = {
      ...disruptedBy('DeletionByPodGC'),
      phase: 'Failed',
      containerStatuses: [ended('report', 143)],
    };
    expect(obstacleOf(aPod({ status }), now, undefined)).toBeUndefined();
  });

  test('what others complain of, before a place', () => {
    const complaint = { reason: 'ClaimNotBound', detail: 'no StorageClass' } as const;
    expect(obstacleOf(aPod({ status: unplaced('0/1 nodes') }), now, complaint)).toEqual(complaint);
  });

  test('a place, but not in the first moments', () => {
    const metadata = { creationTimestamp: '2026-01-01T00:09:50Z' };
    expect(obstacleOf(aPod({ metadata, status: unplaced('0/1 nodes') }), now, undefined)).toBeUndefined();
  });

  test('what fits into status', () => {
    const found = obstacleOf(aPod({ status: waiting('ErrImagePull', 'x'.repeat(5000)) }), now, undefined);
    expect(found?.detail).toHaveLength(300);
  });
});
