import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aFailure, aJob, aPod, aReport, complete, ended, jobFailed } from '../../test/support/builders.ts';
import { RunStatus } from '../api/neo4jbackup.ts';
import { reasons, type Reason } from '../api/reasons.ts';
import { formatReport, type RunReport } from '../run/report.ts';
import type { Obstacle } from './obstacle.ts';
import { judgeRun } from './outcome.ts';
import type { Job, Pod } from './resources.ts';

const now = new Date('2026-01-01T00:10:00Z');
const published = jobWith(complete);
const failed = jobWith(jobFailed('BackoffLimitExceeded'));
const outOfTime = jobWith(jobFailed('DeadlineExceeded', 'Job was active longer than specified deadline'));

function jobWith(condition: ReturnType<typeof jobFailed>): Job {
  return aJob({ conditions: [condition] });
}

function says(report: RunReport): { readonly message: string } {
  return { message: formatReport(report) };
}

/** A Pod whose report container ended, with this for its last words. */
function reporting(message: string, name = 'orders-1-a', creationTimestamp = '2026-01-01T00:00:00Z'): Pod {
  return aPod({
    metadata: { name, creationTimestamp },
    status: {
      phase: 'Succeeded',
      initContainerStatuses: [ended('prepare', 0), ended('engine', 0)],
      containerStatuses: [ended('report', 0, { message })],
    },
  });
}

function endOf(job: Job, pods: readonly Pod[], lastObstacle?: Obstacle): RunStatus {
  const outcome = judgeRun({ job, pods }, now, lastObstacle);
  if (outcome.kind === 'active') throw new Error('the run goes on');
  expect(RunStatus.parse(outcome.status)).toEqual(outcome.status);
  return outcome.status;
}

/** A Pod that is removed for no fault of its own. */
function disruptedBy(reason: string, message: string): Pod {
  const conditions = [{ type: 'DisruptionTarget', status: 'True', reason, message }];
  return aPod({ status: { phase: 'Failed', conditions } });
}

interface Case {
  readonly name: string;
  readonly job: Job;
  readonly pods: readonly Pod[];
  readonly lastObstacle?: Obstacle;
  readonly reason: Reason;
  readonly message?: RegExp;
}

const pullFailed: Obstacle = { reason: 'ImagePullFailed', detail: 'The image of engine cannot be had: 404.' };
const failure = aFailure();
const [first, second] = ['2026-01-01T00:00:00Z', '2026-01-01T00:02:00Z'];

const cases: readonly Case[] = [
  {
    name: 'believes the report container',
    job: published,
    pods: [reporting(formatReport(aReport()))],
    reason: 'FullBackupTaken',
    message: /4711/,
  },
  {
    name: 'believes a prepare that failed',
    job: failed,
    pods: [aPod({ status: { initContainerStatuses: [ended('prepare', 20, says(failure))] } })],
    reason: 'PortUnreachable',
  },
  {
    name: 'takes the last report where nothing was published',
    job: failed,
    pods: [
      reporting(formatReport(failure), 'orders-1-a', first),
      reporting(formatReport(aFailure({ reason: 'HostNotFound' })), 'orders-1-b', second),
    ],
    reason: 'HostNotFound',
  },
  {
    name: 'takes the report of the Pod that published, whatever a later one says',
    job: failed,
    pods: [
      reporting(formatReport(aReport()), 'orders-1-a', first),
      reporting(formatReport(failure), 'orders-1-b', second),
    ],
    reason: 'FullBackupTaken',
  },
  {
    name: 'takes the report of the second Pod where it published',
    job: published,
    pods: [
      reporting(formatReport(failure), 'orders-1-a', first),
      reporting(formatReport(aReport({ reason: 'IncrementalBackupTaken' })), 'orders-1-b', second),
    ],
    reason: 'IncrementalBackupTaken',
  },
  {
    name: 'does not believe a container that is not ours: the image of the tool is the user’s',
    job: failed,
    pods: [aPod({ status: { initContainerStatuses: [ended('engine', 1, says(aReport()))] } })],
    reason: 'EngineFailed',
  },
  {
    name: 'does not believe the report of another run',
    job: published,
    pods: [reporting(formatReport(aReport({ run: 'orders-2' })))],
    reason: 'ResultLost',
  },
  {
    name: 'sees an engine that was killed for want of memory',
    job: failed,
    pods: [aPod({ status: { initContainerStatuses: [ended('engine', 137, { reason: 'OOMKilled' })] } })],
    reason: 'OutOfMemory',
    message: /engine/,
  },
  {
    name: 'sees a Pod that ran into its deadline',
    job: failed,
    pods: [
      aPod({
        status: {
          phase: 'Failed',
          reason: 'DeadlineExceeded',
          initContainerStatuses: [ended('engine', 143, { reason: 'Error' })],
        },
      }),
    ],
    reason: 'DeadlineExceeded',
  },
  {
    name: 'sees an eviction',
    job: failed,
    pods: [aPod({ status: { phase: 'Failed', reason: 'Evicted', message: 'The node was low on memory' } })],
    reason: 'Evicted',
    message: /^The node was low on memory\. /,
  },
  {
    name: 'sees a Pod that was disrupted',
    job: failed,
    pods: [
      aPod({
        status: {
          phase: 'Failed',
          conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' }],
        },
      }),
    ],
    reason: 'Preempted',
    message: /PreemptionByScheduler/,
  },
  {
    name: 'sees a drain',
    job: failed,
    pods: [disruptedBy('EvictionByEvictionAPI', 'Eviction API: evicting')],
    reason: 'Interrupted',
    message: /^Eviction API: evicting\. /,
  },
  {
    name: 'sees a node whose taint the Pod no longer tolerates',
    job: failed,
    pods: [disruptedBy('DeletionByTaintManager', 'Taint manager: deleting due to NoExecute taint')],
    reason: 'NodeLost',
    message: /NoExecute taint/,
  },
  {
    name: 'sees a node that is gone',
    job: failed,
    pods: [disruptedBy('DeletionByPodGC', 'PodGC: node no longer exists')],
    reason: 'NodeLost',
  },
  {
    name: 'sees a Pod that made room for a critical one',
    job: failed,
    pods: [
      aPod({ status: { phase: 'Failed', reason: 'Preempting', message: 'Preempted in order to admit' } }),
    ],
    reason: 'Preempted',
  },
  {
    name: 'takes the limit of a volume of the Pod for an eviction, whatever the container ended with',
    job: failed,
    pods: [
      aPod({
        status: {
          phase: 'Failed',
          reason: 'Evicted',
          message: 'Usage of EmptyDir volume "temporary" exceeds the limit "1Gi". ',
          initContainerStatuses: [ended('engine', 137, { reason: 'Error' })],
        },
      }),
    ],
    reason: 'Evicted',
    message: /EmptyDir volume "temporary" exceeds/,
  },
  {
    name: 'takes memory before an eviction: it says what to change',
    job: failed,
    pods: [
      aPod({
        status: {
          phase: 'Failed',
          reason: 'Evicted',
          initContainerStatuses: [ended('engine', 137, { reason: 'OOMKilled' })],
        },
      }),
    ],
    reason: 'OutOfMemory',
  },
  {
    name: 'sees a Pod that its node did not take',
    job: failed,
    pods: [
      aPod({
        status: { phase: 'Failed', reason: 'OutOfcpu', message: "Node didn't have enough resource: cpu" },
      }),
    ],
    reason: 'Unschedulable',
    message: /enough resource: cpu/,
  },
  {
    name: 'tells the exit code where that is all there is',
    job: failed,
    pods: [aPod({ status: { initContainerStatuses: [ended('prepare', 127)] } })],
    reason: 'EngineFailed',
    message: /prepare ended with exit code 127/,
  },
  {
    name: 'asks the newest Pod first',
    job: failed,
    pods: [
      aPod({ metadata: { name: 'orders-1-a' }, status: { phase: 'Failed', reason: 'Evicted' } }),
      aPod({
        metadata: { name: 'orders-1-b' },
        status: { initContainerStatuses: [ended('engine', 137, { reason: 'OOMKilled' })] },
      }),
    ],
    reason: 'OutOfMemory',
  },
  {
    name: 'remembers an image that could not be had when the deadline has removed the Pods',
    job: outOfTime,
    pods: [],
    lastObstacle: pullFailed,
    reason: 'ImagePullFailed',
    message: /404/,
  },
  { name: 'says deadline where nothing else is known', job: outOfTime, pods: [], reason: 'DeadlineExceeded' },
  {
    name: 'does not blame an obstacle of another kind',
    job: outOfTime,
    pods: [],
    lastObstacle: { reason: 'ClaimNotFound', detail: 'There is no claim.' },
    reason: 'DeadlineExceeded',
  },
  {
    name: 'admits that a result is lost',
    job: published,
    pods: [],
    reason: 'ResultLost',
    message: /Complete/,
  },
  {
    name: 'admits that a result is lost when all Pods fell silent with 0',
    job: published,
    pods: [reporting('')],
    reason: 'ResultLost',
  },
];

describe('judgeRun', () => {
  test.for(cases)('$name', ({ job, pods, lastObstacle, reason, message = /./ }) => {
    const status = endOf(job, pods, lastObstacle);
    const taken = reason === 'FullBackupTaken' || reason === 'IncrementalBackupTaken';
    expect(status).toMatchObject({ id: 'orders-1', reason, result: taken ? 'Succeeded' : 'Failed' });
    expect(status.message).toMatch(message);
  });

  const silent = (name: string, exitCode: number): Pod =>
    aPod({
      metadata: { name },
      status: {
        phase: 'Failed',
        initContainerStatuses: [ended('prepare', 0), ended('engine', 0)],
        containerStatuses: [ended('report', exitCode, { reason: exitCode === 137 ? 'OOMKilled' : 'Error' })],
      },
    });
  const evicted = aPod({ status: { phase: 'Failed', reason: 'Evicted' } });
  const refused = aPod({ status: { initContainerStatuses: [ended('prepare', 10, says(failure))] } });
  test.each([
    { name: 'a Job that ended well, without a Pod', job: published, pods: [], open: true },
    { name: 'a Job that failed, without a Pod', job: failed, pods: [], open: true },
    { name: 'a Job that its deadline ended, without a Pod', job: outOfTime, pods: [], open: true },
    {
      name: 'the same, when it is known why it waited',
      job: outOfTime,
      pods: [],
      stuck: pullFailed,
      open: false,
    },
    {
      name: 'a Pod that died while it published',
      job: failed,
      pods: [silent('orders-1-a', 137)],
      open: true,
    },
    {
      name: 'such a Pod after one that failed',
      job: failed,
      pods: [refused, silent('orders-1-b', 1)],
      open: true,
    },
    { name: 'a Pod that was evicted before it could publish', job: failed, pods: [evicted], open: false },
    {
      name: 'a Pod that said what it published',
      job: failed,
      pods: [reporting(formatReport(aReport()))],
      open: false,
    },
    { name: 'a Pod that said why it failed', job: failed, pods: [refused], open: false },
  ])('$name: the volume has to be asked: $open', ({ job, pods, stuck, open }) => {
    const outcome = judgeRun({ job, pods }, now, stuck);
    expect(outcome.kind).toBe(open ? 'unclear' : 'ended');
    const { message, reason } = endOf(job, pods, stuck);
    const { next } = reasons[reason as 'OutOfMemory'];
    // The advice comes once, when people are told.
    expect(open && message.includes(next)).toBe(false);
  });

  test('carries the facts of the report', () => {
    const {
      run: _run,
      schemaVersion: _schemaVersion,
      ...facts
    } = aReport({ fullBecause: 'DestinationBlank' });
    const job = aJob({ conditions: [complete], triggerID: 'first' });
    expect(endOf(job, [reporting(formatReport(aReport({ fullBecause: 'DestinationBlank' })))])).toEqual({
      id: 'orders-1',
      requestedType: 'Auto',
      triggerID: 'first',
      startTime: '2026-01-01T00:00:00Z',
      result: 'Succeeded',
      ...facts,
    });
  });

  test('holds no trigger that status cannot: an edited annotation must not keep the end from being told', () => {
    const job = aJob({ conditions: [complete], triggerID: 'x'.repeat(64) });
    expect(endOf(job, [reporting(formatReport(aReport()))])).toMatchObject({ result: 'Succeeded' });
  });

  test('never calls garbage a success, and always says it within what status may hold', () => {
    const garbage = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 5000 }),
      fc.json(),
      fc.constantFrom('{}', 'null', '{"schemaVersion":1', formatReport(aReport()).slice(0, -1)),
      fc.string({ minLength: 2000, maxLength: 5000 }),
    );
    fc.assert(
      fc.property(garbage, garbage, fc.integer({ min: 0, max: 255 }), (message, reason, exitCode) => {
        const containerStatuses = [ended('report', exitCode, { message, reason })];
        const pod = aPod({ status: { phase: 'Failed', containerStatuses } });
        expect(endOf(failed, [pod]).result).toBe('Failed');
      }),
    );
  });

  const endless = 'x'.repeat(30_000);
  test.each([
    { name: 'an eviction', job: failed, status: { phase: 'Failed', reason: 'Evicted', message: endless } },
    {
      name: 'a disruption',
      job: failed,
      status: { conditions: [{ type: 'DisruptionTarget', status: 'True', message: endless }] },
    },
    { name: 'a deadline', job: jobWith(jobFailed('DeadlineExceeded', endless)), status: {} },
  ])('keeps the message of $name within what status may hold, with its advice', ({ job, status }) => {
    const { message, reason } = endOf(job, [aPod({ status })]);
    expect(message.length).toBeLessThanOrEqual(1024);
    const row = reasons[reason as Reason];
    expect(message.endsWith('next' in row ? row.next : 'no advice')).toBe(true);
  });
});

type PodStatus = NonNullable<Pod['status']>;

describe('an active run', () => {
  const engineWaits = (reason: string): PodStatus => ({
    phase: 'Pending',
    initContainerStatuses: [{ name: 'engine', state: { waiting: { reason, message: 'Back-off pulling' } } }],
  });
  const unplaced: PodStatus = {
    phase: 'Pending',
    conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/1 nodes' }],
  };
  const young = '2026-01-01T00:09:50Z';
  test.each([
    { name: 'has no obstacle before it has a Pod', pods: [], reason: undefined },
    { name: 'has no obstacle while it works', pods: [aPod()], reason: undefined },
    {
      name: 'has no obstacle while containers are created',
      pods: [aPod({ status: engineWaits('PodInitializing') })],
      reason: undefined,
    },
    {
      name: 'waits for an image',
      pods: [aPod({ status: engineWaits('ImagePullBackOff') })],
      reason: 'ImagePullFailed',
    },
    { name: 'waits for a place', pods: [aPod({ status: unplaced })], reason: 'Unschedulable' },
    {
      name: 'may wait for a place for a while',
      pods: [aPod({ metadata: { creationTimestamp: young }, status: unplaced })],
      reason: undefined,
    },
    {
      name: 'is judged by its newest Pod',
      pods: [aPod({ status: engineWaits('ErrImagePull') }), aPod({ metadata: { name: 'orders-1-b' } })],
      reason: undefined,
    },
  ])('$name', ({ pods, reason }) => {
    const outcome = judgeRun({ job: aJob(), pods }, now);
    expect(outcome.kind === 'active' ? outcome.obstacle?.reason : 'ended').toBe(reason);
  });

  test('tells how an attempt before ended, in the words of its report or of the cluster', () => {
    const setback = (pods: readonly Pod[]): string | undefined => {
      const outcome = judgeRun({ job: aJob(), pods }, now);
      return outcome.kind === 'active' ? outcome.setback : 'ended';
    };
    const next = aPod({ metadata: { name: 'orders-1-b', creationTimestamp: '2026-01-01T00:02:00Z' } });
    const evicted = aPod({
      status: { phase: 'Failed', reason: 'Evicted', message: 'The node was low on memory' },
    });
    const initContainerStatuses = [ended('prepare', 10, says(failure))];
    expect(setback([evicted, next])).toBe('Evicted: The node was low on memory');
    expect(setback([aPod({ status: { phase: 'Failed', initContainerStatuses } })])).toBe(
      'PortUnreachable: Nothing listens on 6362.',
    );
    expect(setback([next])).toBeUndefined();
  });

  test('keeps its obstacle while its Pods are removed and the Job has not ended yet', () => {
    const outcome = judgeRun({ job: aJob(), pods: [] }, now, pullFailed);
    expect(outcome).toEqual({ kind: 'active', obstacle: pullFailed });
  });
});
