import { expect, test } from 'vitest';
import { jobs, pods, type Job, type Pod } from '../../src/backup/resources.ts';
import { aFailure, aReport } from './builders.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeJobs, type Attempt } from './fake-jobs.ts';
import { wholeJobs, wholePods } from './fake-jobs-objects.ts';
import { FakeKube } from './fake-kube.ts';

const key = { namespace: 'shop', name: 'one' };

interface World {
  readonly kube: FakeKube;
  readonly clock: FakeClock;
  /** What the watches of Jobs and Pods saw, in words, none twice in a row. */
  readonly seen: string[];
}

function aWorld(script: readonly Attempt[]): World {
  const clock = new FakeClock();
  const kube = new FakeKube({ now: () => clock.now() });
  const seen: string[] = [];
  kube.onChange(({ type, before, after }) => {
    const words = after === undefined ? `${type}: gone` : sayOf(type, after);
    if (seen.at(-1) !== words && before !== after) seen.push(words);
  });
  new FakeJobs({ kube, clock, script: () => script }).start();
  return { kube, clock, seen };
}

function sayOf(type: string, object: object): string {
  const { metadata, status } = object as Job & Pod;
  const ended = (status?.conditions ?? [])
    .filter(({ type: is }) => is !== 'PodScheduled')
    .map((one) => one.type);
  const containers = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  const states = containers.map(({ state }) => Object.keys(state ?? {})[0]?.[0]).join('');
  const mark = metadata.deletionTimestamp === undefined ? '' : ' going';
  return [`${type}:${mark}`, status?.phase, states, ...ended]
    .filter((word) => word !== undefined && word !== '')
    .join(' ');
}

function put(kube: FakeKube, spec: Readonly<Record<string, unknown>> = {}): void {
  const rules = [
    { action: 'FailJob', onExitCodes: { operator: 'In', values: [20] } },
    { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
  ];
  kube.put(jobs, key.namespace, {
    metadata: { name: key.name, labels: { app: 'x' } },
    spec: {
      backoffLimit: 1,
      activeDeadlineSeconds: 600,
      podFailurePolicy: { rules },
      template: {
        metadata: { labels: { app: 'x' } },
        spec: {
          activeDeadlineSeconds: 590,
          initContainers: [{ name: 'prepare' }, { name: 'engine' }],
          containers: [{ name: 'report' }],
        },
      },
      ...spec,
    },
  });
}

function endOf(kube: FakeKube): readonly string[] {
  return (kube.peek(jobs, key)?.status?.conditions ?? []).map(({ type, reason }) => `${type} ${reason}`);
}

test('a Job that succeeds: each change is one that a watch sees', async () => {
  const { kube, clock, seen } = aWorld([{ kind: 'reports', report: aReport() }]);
  put(kube);
  await clock.advance(60_000);
  expect(seen).toEqual([
    'jobs.batch:',
    'pods: Pending',
    'jobs.batch:',
    'pods: Pending www',
    'pods: Pending rww',
    'pods: Pending tww',
    'pods: Pending trw',
    'pods: Pending ttw',
    'pods: Running ttr',
    'pods: Succeeded ttt',
    'jobs.batch: SuccessCriteriaMet',
    'pods: Succeeded ttt',
    'jobs.batch: SuccessCriteriaMet Complete',
  ]);
  const [pod] = kube.all(pods);
  expect(pod?.metadata).toMatchObject({
    name: expect.stringMatching(/^one-[0-9a-f]{5}$/),
    labels: { app: 'x', 'job-name': 'one' },
  });
  const message = pod?.status?.containerStatuses?.[0]?.state?.terminated?.message ?? '';
  expect(JSON.parse(message)).toMatchObject({ run: 'one', reason: 'FullBackupTaken' });
  expect(kube.peek(wholeJobs, key)?.status).toMatchObject({ succeeded: 1, uncountedTerminatedPods: {} });
});

const cases: readonly {
  readonly name: string;
  readonly script: readonly Attempt[];
  readonly pods: number;
  readonly end: readonly string[];
}[] = [
  {
    name: 'exit code 20 fails at once',
    script: [{ kind: 'reports', report: aFailure() }],
    pods: 1,
    end: ['FailureTarget PodFailurePolicy', 'Failed PodFailurePolicy'],
  },
  {
    name: 'exit code 20 of the first container fails at once',
    script: [{ kind: 'reports', report: aFailure(), at: 'prepare' }],
    pods: 1,
    end: ['FailureTarget PodFailurePolicy', 'Failed PodFailurePolicy'],
  },
  {
    name: 'exit code 10 is tried again',
    script: [{ kind: 'retryable' }, { kind: 'reports', report: aReport() }],
    pods: 2,
    end: ['SuccessCriteriaMet CompletionsReached', 'Complete CompletionsReached'],
  },
  {
    name: 'exit code 10 is tried again only once',
    script: [{ kind: 'retryable' }],
    pods: 2,
    end: ['FailureTarget BackoffLimitExceeded', 'Failed BackoffLimitExceeded'],
  },
  {
    name: 'a Pod that vanishes counts for nothing',
    script: [{ kind: 'vanishes' }, { kind: 'retryable' }, { kind: 'reports', report: aReport() }],
    pods: 2,
    end: ['SuccessCriteriaMet CompletionsReached', 'Complete CompletionsReached'],
  },
  {
    name: 'a Pod that is disrupted counts for nothing, and is removed',
    script: [
      { kind: 'disrupted' },
      { kind: 'disrupted' },
      { kind: 'disrupted' },
      { kind: 'reports', report: aReport() },
    ],
    pods: 1,
    end: ['SuccessCriteriaMet CompletionsReached', 'Complete CompletionsReached'],
  },
  {
    name: 'a Pod that ends well without a word completes the Job',
    script: [{ kind: 'silent' }],
    pods: 1,
    end: ['SuccessCriteriaMet CompletionsReached', 'Complete CompletionsReached'],
  },
  {
    name: 'a Pod that finds no node waits for the deadline of the Job, and is removed',
    script: [{ kind: 'stuck', reason: 'Unschedulable' }],
    pods: 0,
    end: ['FailureTarget DeadlineExceeded', 'Failed DeadlineExceeded'],
  },
];

test.each(cases)('$name', async ({ script, pods: count, end }) => {
  const { kube, clock } = aWorld(script);
  put(kube);
  await clock.advance(700_000);
  expect(endOf(kube)).toEqual(end);
  expect(kube.all(pods)).toHaveLength(count);
  expect(kube.all(wholePods).flatMap(({ metadata }) => metadata.finalizers ?? [])).toEqual([]);
});

test('two Pods at once: the first one that is done completes the Job, and the other one is stopped', async () => {
  const { kube, clock } = aWorld([
    { kind: 'twice', attempts: [{ kind: 'reports', report: aReport() }, { kind: 'hangs' }] },
  ]);
  put(kube);
  await clock.advance(1000);
  expect(kube.all(pods)).toHaveLength(2);
  await clock.advance(60_000);
  expect(endOf(kube).at(-1)).toBe('Complete CompletionsReached');
  expect(kube.all(pods)).toHaveLength(1);
});

test.each([
  { first: 'retryable', waits: true },
  { first: 'disrupted', waits: true },
  { first: 'vanishes', waits: false },
] as const)(
  'after a Pod that $first the Job waits 10 s for the next one: $waits',
  async ({ first, waits }) => {
    const { kube, clock } = aWorld([{ kind: first }, { kind: 'hangs' }]);
    put(kube);
    const names = new Set<string>();
    kube.onChange(
      ({ type, after }) => type === 'pods' && after !== undefined && names.add(after.metadata.name),
    );
    await clock.advance(10_000);
    expect(names.size).toBe(waits ? 1 : 2);
    await clock.advance(10_000);
    expect(names.size).toBe(2);
  },
);

test('a Pod whose image cannot be had is ended by its own deadline, which counts as a failure', async () => {
  const { kube, clock } = aWorld([{ kind: 'stuck', reason: 'ImagePullBackOff', at: 'engine' }]);
  put(kube, { backoffLimit: 0 });
  await clock.advance(30_000);
  expect(kube.all(pods)[0]?.status?.initContainerStatuses).toMatchObject([
    { state: { terminated: { exitCode: 0 } } },
    { state: { waiting: { reason: 'ImagePullBackOff' } } },
  ]);
  await clock.advance(600_000);
  expect(kube.all(pods)[0]?.status).toMatchObject({ phase: 'Failed', reason: 'DeadlineExceeded' });
  expect(endOf(kube)).toContain('Failed BackoffLimitExceeded');
});

test('a finished Job expires, and its Pods go first', async () => {
  const { kube, clock, seen } = aWorld([{ kind: 'reports', report: aReport() }]);
  put(kube, { ttlSecondsAfterFinished: 100 });
  await clock.advance(60_000);
  expect(endOf(kube).at(-1)).toBe('Complete CompletionsReached');
  await clock.advance(60_000);
  expect(seen.slice(-3)).toEqual([
    'jobs.batch: going SuccessCriteriaMet Complete',
    'pods: gone',
    'jobs.batch: gone',
  ]);
});

test.each([
  {
    policy: 'Background',
    last: ['jobs.batch: gone', 'pods: going Running ttr', 'pods: going Failed ttt', 'pods: gone'],
  },
  {
    policy: 'Foreground',
    last: [
      'jobs.batch: going',
      'pods: going Running ttr',
      'pods: going Failed ttt',
      'pods: gone',
      'jobs.batch: gone',
    ],
  },
] as const)('a running Job that is deleted in the $policy', async ({ policy, last }) => {
  const { kube, clock, seen } = aWorld([{ kind: 'hangs' }]);
  put(kube);
  await clock.advance(20_000);
  kube.remove(jobs, key, policy);
  await clock.advance(60_000);
  expect([...new Set(seen.slice(-8))].slice(-last.length)).toEqual(last);
  expect(kube.all(pods)).toEqual([]);
});

test('a Job that goes alone leaves its Pod', async () => {
  const { kube, clock } = aWorld([{ kind: 'reports', report: aReport() }]);
  put(kube);
  await clock.advance(60_000);
  kube.remove(jobs, key, 'Orphan');
  await clock.advance(60_000);
  expect(kube.all(jobs)).toEqual([]);
  expect(kube.all(pods)).toHaveLength(1);
  expect(kube.all(pods)[0]?.metadata.ownerReferences).toBeUndefined();
});

test('nothing happens while it is stopped, and all of it after', async () => {
  const clock = new FakeClock();
  const kube = new FakeKube({ now: () => clock.now() });
  const world = new FakeJobs({ kube, clock, script: () => [{ kind: 'reports', report: aReport() }] });
  world.start();
  put(kube);
  await clock.advance(500);
  world.stop();
  const changes: string[] = [];
  kube.onChange(({ type }) => changes.push(type));
  await clock.advance(60_000);
  expect(changes).toEqual([]);
  world.start();
  await clock.advance(60_000);
  expect(endOf(kube).at(-1)).toBe('Complete CompletionsReached');
  expect(kube.all(pods)).toHaveLength(1);
});
