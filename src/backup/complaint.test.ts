import { describe, expect, test } from 'vitest';
import { aJob, aPod, ended } from '../../test/support/builders.ts';
import { complaintOf, refusalReason, subjectOf, type Subject } from './complaint.ts';
import type { Claim, Event, Pod } from './resources.ts';

const now = new Date('2026-01-01T00:10:00Z');

function said(reason: string, message: string, at = '2026-01-01T00:09:00Z'): Event {
  const metadata = { name: 'x', uid: 'x', resourceVersion: '1', creationTimestamp: at };
  return { apiVersion: 'v1', kind: 'Event', metadata, reason, message };
}

function aClaim(phase: string): Claim {
  const metadata = {
    name: 'backups',
    uid: 'claim-uid',
    resourceVersion: '1',
    creationTimestamp: '2026-01-01T00:00:00Z',
  };
  return { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, status: { phase } };
}

const scheduled = { type: 'PodScheduled', status: 'True' };
const placed = aPod({ status: { phase: 'Pending', conditions: [scheduled] } });
const unplaced = aPod({ status: { phase: 'Pending' } });

describe('asks about', () => {
  const young = { creationTimestamp: '2026-01-01T00:09:55Z' };
  interface Case {
    readonly name: string;
    readonly pods: readonly Pod[];
    readonly claim?: Claim;
    readonly kind: string | undefined;
  }
  const cases: readonly Case[] = [
    { name: 'a Job that has no Pod', pods: [], kind: 'job' },
    {
      name: 'a Pod that has a node and does not begin',
      pods: [placed],
      claim: aClaim('Pending'),
      kind: 'pod',
    },
    { name: 'the claim of a Pod without a node', pods: [unplaced], claim: aClaim('Pending'), kind: 'claim' },
    { name: 'a claim that lost its volume', pods: [unplaced], claim: aClaim('Lost'), kind: 'claim' },
    { name: 'no claim that is bound', pods: [unplaced], claim: aClaim('Bound'), kind: undefined },
    { name: 'no claim that is not there', pods: [unplaced], kind: undefined },
    {
      name: 'no young Pod',
      pods: [aPod({ metadata: young, status: { phase: 'Pending' } })],
      kind: undefined,
    },
    {
      name: 'no Pod that has begun',
      pods: [aPod({ status: { phase: 'Pending', initContainerStatuses: [ended('prepare', 0)] } })],
      kind: undefined,
    },
  ];
  test.for(cases)('$name', ({ pods, claim, kind }) => {
    expect(subjectOf({ job: aJob(), pods }, claim, now)?.kind).toBe(kind);
  });
});

const ofPod: Subject = { kind: 'pod', object: placed };
const ofClaim: Subject = { kind: 'claim', object: aClaim('Pending'), waits: unplaced };
const conflict = said(
  'FailedAttachVolume',
  'Multi-Attach error for volume "pv" Volume is already used by pod(s) other',
  '2026-01-01T00:00:10Z',
);
const timeout = said('FailedMount', 'Unable to attach or mount volumes: timed out waiting for the condition');
const noSecret = said(
  'FailedMount',
  'MountVolume.SetUp failed for volume "tls" : secret "backup-tls" not found',
);
const noSandbox = said('FailedCreatePodSandBox', 'Failed to create pod sandbox: plugin type="bridge" failed');

describe('what is said means', () => {
  interface Case {
    readonly name: string;
    readonly subject?: Subject;
    readonly events: readonly Event[];
    readonly reason: string | undefined;
    readonly detail?: RegExp;
  }
  const cases: readonly Case[] = [
    { name: 'nothing where nothing is said', events: [], reason: undefined },
    { name: 'nothing of what is not known', events: [said('Pulling', 'Pulling image')], reason: undefined },
    { name: 'a volume that is not mounted', events: [timeout], reason: 'VolumeNotMounted' },
    {
      name: 'a Secret that is not there',
      events: [noSecret],
      reason: 'SecretNotFound',
      detail: /backup-tls/,
    },
    { name: 'a node that makes no Pods', events: [noSandbox], reason: 'ContainerNotStarted' },
    {
      name: 'a volume held elsewhere, by name, whatever the kubelet says since',
      events: [timeout, conflict],
      reason: 'VolumeAttachConflict',
      detail: /used by pod\(s\) other/,
    },
    {
      name: 'no conflict once the volume is attached',
      events: [said('SuccessfulAttachVolume', 'AttachVolume.Attach succeeded'), conflict],
      reason: undefined,
    },
    {
      name: 'nothing when nobody repeats it',
      events: [said('FailedMount', 'timed out', '2026-01-01T00:03:00Z')],
      reason: undefined,
    },
    {
      name: 'why no volume is made',
      subject: ofClaim,
      events: [said('ProvisioningFailed', 'storageclass.storage.k8s.io "fast" not found')],
      reason: 'ClaimNotBound',
      detail: /"fast" not found/,
    },
    {
      name: 'that a claim is waited for, where the scheduler is silent',
      subject: ofClaim,
      events: [said('WaitForFirstConsumer', 'waiting for first consumer to be created before binding')],
      reason: 'ClaimNotBound',
      detail: /^The claim backups is Pending$/,
    },
    {
      name: 'nothing of the claim, where the scheduler says what the Pod waits for',
      subject: {
        ...ofClaim,
        waits: aPod({
          status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False' }] },
        }),
      },
      events: [],
      reason: undefined,
    },
  ];
  test.for(cases)('$name', ({ subject = ofPod, events, reason, detail = /./ }) => {
    const found = complaintOf(subject, events, now);
    expect(found?.reason).toBe(reason);
    expect(found?.detail ?? 'nothing').toMatch(detail);
  });
});

test.each([
  ['pods "a" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1', 'QuotaExceeded'],
  ['pods "a" is forbidden: failed quota: few: must specify limits.memory', 'QuotaExceeded'],
  [
    'pods "a" is forbidden: violates PodSecurity "restricted:latest": host namespaces',
    'PodSecurityViolation',
  ],
  ['pods "a" is forbidden: maximum memory usage per Container is 300Mi', 'JobRejected'],
  ['admission webhook "policy.example.com" denied the request: no', 'JobRejected'],
])('a refusal: %s', (message, reason) => {
  expect(refusalReason(message)).toBe(reason);
});
