// What a cluster does with Jobs, Pods and owners: the suite, for the fake and for the real controllers. The test plays the kubelet.
import * as z from 'zod';
import { describe, expect, test } from 'vitest';
import { jobs, pods } from '../../src/backup/resources.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import {
  keyOf,
  kubeObjectSchema,
  type KubeObject,
  type ObjectKey,
  type Resource,
} from '../../src/kube/resource.ts';
import {
  hasEnded,
  wholeJobs,
  wholePods,
  type JobObject,
  type PodObject,
  type PodStatus,
} from '../support/fake-jobs-objects.ts';
import { configMaps, type ContractWorld } from './kube-client.ts';

/** A cluster with its Job controller, its garbage collector and the controller that removes finished Jobs; no node. */
export interface ClusterWorld extends ContractWorld {
  /** Lets time pass until there is an answer. @throws when there is none after a minute of the cluster's time */
  readonly until: <T>(look: () => Promise<T | undefined>) => Promise<T>;
  /** Ends what still listens when all tests are done. */
  readonly signal: AbortSignal;
}

type MakeWorld = () => Promise<ClusterWorld>;

export function clusterContract(name: string, makeWorld: MakeWorld): void {
  // Each has a namespace of its own, and most of the time is spent waiting.
  describe.concurrent(`the cluster: ${name}`, () => {
    describe('Jobs', () => {
      beginningContract(makeWorld);
      endingContract(makeWorld);
      deletionContract(makeWorld);
    });
    describe('owners', () => {
      garbageContract(makeWorld);
    });
  });
}

function beginningContract(makeWorld: MakeWorld): void {
  test('a Job makes a Pod, which is known to be its own', async () => {
    const { stage, job, pod } = await begin(makeWorld);
    const { metadata } = await stage.until(async () => {
      const now = await stage.job();
      return now.status?.active === 1 ? now : undefined;
    });
    expect(pod.metadata.name).toMatch(/^one-[a-z0-9]{5}$/);
    expect(pod.metadata).toMatchObject({
      labels: { app: 'x', 'job-name': 'one', 'batch.kubernetes.io/job-name': 'one' },
      annotations: { note: 'y' },
      finalizers: ['batch.kubernetes.io/job-tracking'],
      ownerReferences: [
        {
          apiVersion: 'batch/v1',
          kind: 'Job',
          name: 'one',
          uid: job.metadata.uid,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    });
    expect(pod.metadata.labels).toMatchObject({
      'controller-uid': metadata.uid,
      'batch.kubernetes.io/controller-uid': metadata.uid,
    });
    expect(pod.status?.phase).toBe('Pending');
  });
}

interface Ending {
  readonly name: string;
  readonly spec?: Readonly<Record<string, unknown>>;
  /** What the Pods do, one after the other. */
  readonly pods: readonly PodStatus[];
  readonly jobSaid: readonly string[];
  readonly status: Readonly<Record<string, unknown>>;
  readonly last: Readonly<Record<string, unknown>>;
}

const endings: readonly Ending[] = [
  {
    name: 'a Job whose Pod succeeds is complete',
    pods: [{ phase: 'Succeeded', containerStatuses: [exited('main', 0)] }],
    jobSaid: ['', 'SuccessCriteriaMet', 'SuccessCriteriaMet Complete'],
    status: { succeeded: 1, uncountedTerminatedPods: {} },
    last: { reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' },
  },
  {
    name: 'a Job fails at once with the exit code of its policy',
    pods: [{ phase: 'Failed', containerStatuses: [exited('main', 20)] }],
    jobSaid: ['', 'FailureTarget', 'FailureTarget Failed'],
    status: { failed: 1, uncountedTerminatedPods: {} },
    last: { reason: 'PodFailurePolicy', message: expect.stringMatching(policyMessage('main')) },
  },
  {
    name: 'a Job fails at once with the exit code of an init container',
    pods: [{ phase: 'Failed', initContainerStatuses: [exited('first', 20)] }],
    jobSaid: ['', 'FailureTarget', 'FailureTarget Failed'],
    status: { failed: 1, uncountedTerminatedPods: {} },
    last: { reason: 'PodFailurePolicy', message: expect.stringMatching(policyMessage('first')) },
  },
  {
    name: 'another exit code gives it a second Pod, and no third',
    pods: [
      { phase: 'Failed', containerStatuses: [exited('main', 10)] },
      { phase: 'Failed', containerStatuses: [exited('main', 10)] },
    ],
    jobSaid: ['', 'FailureTarget', 'FailureTarget Failed'],
    status: { failed: 2, uncountedTerminatedPods: {} },
    last: {
      reason: 'BackoffLimitExceeded',
      message: 'Job has reached the specified backoff limit',
    },
  },
  {
    name: 'a Pod that is disrupted counts for nothing',
    spec: { backoffLimit: 0 },
    pods: [
      {
        phase: 'Failed',
        conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' }],
      },
      { phase: 'Succeeded', containerStatuses: [exited('main', 0)] },
    ],
    jobSaid: ['', 'SuccessCriteriaMet', 'SuccessCriteriaMet Complete'],
    status: { succeeded: 1, uncountedTerminatedPods: {} },
    last: { reason: 'CompletionsReached' },
  },
];

function endingContract(makeWorld: MakeWorld): void {
  test.for(endings)('$name', async ({ spec, pods: statuses, jobSaid, status, last }) => {
    const { stage } = await begin(makeWorld, spec);
    for (const pod of statuses) await stage.play(pod);
    const done = await stage.finished();
    await stage.until(async () =>
      (await stage.allPods()).some(({ metadata }) => metadata.finalizers) ? undefined : true,
    );
    expect(stage.said.jobs).toEqual(jobSaid);
    expect(done.status).toMatchObject(status);
    expect(done.status?.active ?? 0).toBe(0);
    expect(done.status?.conditions?.at(-1)).toMatchObject(last);
    expect(done.status?.conditions?.at(0)).toMatchObject(last);
    expect(await stage.allPods()).toHaveLength(statuses.length);
  });

  test('the deadline of a Job ends its Pod', async () => {
    const { stage } = await begin(makeWorld, { activeDeadlineSeconds: 2 });
    const { status } = await stage.finished();
    await stage.gone(pods);
    expect(status).toMatchObject({ failed: 1, uncountedTerminatedPods: {} });
    expect(status?.conditions?.at(-1)).toMatchObject({
      type: 'Failed',
      reason: 'DeadlineExceeded',
      message: 'Job was active longer than specified deadline',
    });
    expect(stage.said.jobs).toEqual(['', 'FailureTarget', 'FailureTarget Failed']);
    expect(stage.said.pods).toEqual(['Pending', 'Pending going', 'gone']);
  });

  test('a Pod that is gone without a word is made anew, and counts for nothing', async () => {
    const { stage, pod } = await begin(makeWorld, { backoffLimit: 0 });
    const { finalizers: _finalizers, ...metadata } = pod.metadata;
    const freed = await stage.client.replace(wholePods, keyOf(pod), { ...pod, metadata });
    await stage.client.delete(pods, keyOf(pod), { uid: freed.metadata.uid, propagationPolicy: 'Background' });
    await stage.play({ phase: 'Succeeded', containerStatuses: [exited('main', 0)] });
    expect((await stage.finished()).status).toMatchObject({ succeeded: 1 });
    expect((await stage.job()).status?.failed ?? 0).toBe(0);
  });
}

function deletionContract(makeWorld: MakeWorld): void {
  test('a finished Job expires, and goes after its Pods', async () => {
    const { stage } = await begin(makeWorld, { ttlSecondsAfterFinished: 1 });
    await stage.play({ phase: 'Succeeded', containerStatuses: [exited('main', 0)] });
    await stage.gone(jobs);
    expect(stage.said.jobs.slice(-3)).toEqual([
      'SuccessCriteriaMet Complete',
      'SuccessCriteriaMet Complete going',
      'gone',
    ]);
    expect(stage.said.all.slice(-2)).toEqual(['pods gone', 'jobs gone']);
  });

  test('a Job that is deleted in the foreground goes after its Pods', async () => {
    const { stage, job, pod } = await begin(makeWorld);
    await stage.client.delete(jobs, keyOf(job), { uid: job.metadata.uid, propagationPolicy: 'Foreground' });
    const { metadata } = await stage.job();
    expect(metadata).toMatchObject({ finalizers: ['foregroundDeletion'], generation: 2 });
    await stage.endIfHeld(pod);
    await stage.gone(jobs);
    expect(stage.said.all.slice(-2)).toEqual(['pods gone', 'jobs gone']);
    expect(stage.said.jobs).toEqual(['', 'going', 'gone']);
  });

  test('a Job that is deleted in the background goes first', async () => {
    const { stage, job, pod } = await begin(makeWorld);
    await stage.client.delete(jobs, keyOf(job), { uid: job.metadata.uid, propagationPolicy: 'Background' });
    await stage.endIfHeld(pod);
    await stage.gone(pods);
    expect(stage.said.jobs).toEqual(['', 'gone']);
    expect(stage.said.all.at(-1)).toBe('pods gone');
    expect(await stage.client.get(jobs, keyOf(job))).toBeUndefined();
  });

  test('a Job that is deleted without a policy leaves its Pods behind', async () => {
    const { stage, job, pod } = await begin(makeWorld);
    await stage.client.delete(jobs, keyOf(job), { uid: job.metadata.uid });
    await stage.gone(jobs);
    const left = await stage.pod(pod);
    expect(left?.metadata.deletionTimestamp).toBeUndefined();
    expect(left?.metadata.ownerReferences ?? []).toEqual([]);
  });

  test('a Job of the same name may be made as soon as the first one is gone', async () => {
    const { stage, job } = await begin(makeWorld);
    await stage.client.delete(jobs, keyOf(job), { uid: job.metadata.uid, propagationPolicy: 'Background' });
    const second = await stage.client.create(jobs, stage.namespace, aJob());
    const pod = await stage.until(async () =>
      (await stage.allPods()).find(
        ({ metadata }) => metadata.labels?.['controller-uid'] === second.metadata.uid,
      ),
    );
    expect(pod.metadata.ownerReferences).toMatchObject([{ uid: second.metadata.uid }]);
  });
}

const metadataSchema = z.object({
  ...kubeObjectSchema.shape.metadata.shape,
  finalizers: z.array(z.string()).optional(),
});
const heldConfigMaps: Resource<KubeObject & { metadata: { finalizers?: string[] | undefined } }> = {
  ...configMaps,
  schema: kubeObjectSchema.extend({ metadata: metadataSchema }),
};

function garbageContract(makeWorld: MakeWorld): void {
  test('who names an owner that has another uid is collected', async () => {
    const { client, namespace, until } = await makeWorld();
    const owner = await client.create(configMaps, namespace, { metadata: { name: 'owner' } });
    const wrong = { ...ownedBy(owner), uid: '11111111-2222-4333-8444-555555555555' };
    await client.create(configMaps, namespace, { metadata: { name: 'wrong', ownerReferences: [wrong] } });
    await client.create(configMaps, namespace, {
      metadata: { name: 'right', ownerReferences: [ownedBy(owner)] },
    });
    await until(() => isGone(client, configMaps, { namespace, name: 'wrong' }));
    expect(await client.get(configMaps, { namespace, name: 'right' })).toBeDefined();
  });

  test('who has another owner stays, and forgets the one that is gone', async () => {
    const { client, namespace, until } = await makeWorld();
    const owners = [];
    for (const name of ['a', 'b'])
      owners.push(await client.create(configMaps, namespace, { metadata: { name } }));
    const [a] = owners;
    if (a === undefined) throw new Error('no owner');
    const ownerReferences = owners.map(ownedBy);
    await client.create(configMaps, namespace, { metadata: { name: 'one', ownerReferences } });
    await client.delete(configMaps, keyOf(a), { uid: a.metadata.uid, propagationPolicy: 'Background' });
    const left = await until(async () => {
      const now = await client.get(configMaps, { namespace, name: 'one' });
      return now?.metadata.ownerReferences?.length === 1 ? now : undefined;
    });
    expect(left.metadata.ownerReferences).toMatchObject([{ name: 'b' }]);
  });

  test('an owner in the foreground waits for who blocks it, as long as that is held', async () => {
    const { client, namespace, until } = await makeWorld();
    const owner = await client.create(configMaps, namespace, { metadata: { name: 'owner' } });
    const blocking = { ...ownedBy(owner), blockOwnerDeletion: true };
    const metadata = { name: 'held', finalizers: ['example.com/held'], ownerReferences: [blocking] };
    await client.create(configMaps, namespace, { metadata });
    await client.delete(configMaps, keyOf(owner), {
      uid: owner.metadata.uid,
      propagationPolicy: 'Foreground',
    });
    const held = await until(async () => {
      const now = await client.get(heldConfigMaps, { namespace, name: 'held' });
      return now?.metadata.deletionTimestamp === undefined ? undefined : now;
    });
    expect((await client.get(heldConfigMaps, keyOf(owner)))?.metadata.finalizers).toEqual([
      'foregroundDeletion',
    ]);
    await client.replace(heldConfigMaps, keyOf(held), {
      ...held,
      metadata: { ...held.metadata, finalizers: [] },
    });
    await until(() => isGone(client, configMaps, keyOf(held)));
    await until(() => isGone(client, configMaps, keyOf(owner)));
  });

  test('an owner in the foreground does not wait for who does not block it', async () => {
    const { client, namespace, until } = await makeWorld();
    const owner = await client.create(configMaps, namespace, { metadata: { name: 'owner' } });
    const metadata = { name: 'held', finalizers: ['example.com/held'], ownerReferences: [ownedBy(owner)] };
    await client.create(configMaps, namespace, { metadata });
    await client.delete(configMaps, keyOf(owner), {
      uid: owner.metadata.uid,
      propagationPolicy: 'Foreground',
    });
    await until(() => isGone(client, configMaps, keyOf(owner)));
    const left = await until(async () => {
      const now = await client.get(heldConfigMaps, { namespace, name: 'held' });
      return now?.metadata.deletionTimestamp === undefined ? undefined : now;
    });
    expect(left.metadata.finalizers).toEqual(['example.com/held']);
  });
}

interface Said {
  readonly jobs: string[];
  readonly pods: string[];
  /** Which kind, and what of it, in the order in which they were told. */
  readonly all: string[];
}

/** One Job, and the test as its kubelet. */
class Stage {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly until: ClusterWorld['until'];
  readonly said: Said = { jobs: [], pods: [], all: [] };

  constructor({ client, namespace, until }: ClusterWorld) {
    this.client = client;
    this.namespace = namespace;
    this.until = until;
  }

  async listen(signal: AbortSignal): Promise<void> {
    await this.#listenTo(wholeJobs, signal);
    await this.#listenTo(wholePods, signal);
  }

  async job(): Promise<JobObject> {
    return this.until(() => this.client.get(wholeJobs, { namespace: this.namespace, name: 'one' }));
  }

  async pod({ metadata }: PodObject): Promise<PodObject | undefined> {
    return this.client.get(wholePods, { namespace: this.namespace, name: metadata.name });
  }

  async allPods(): Promise<readonly PodObject[]> {
    return (await this.client.list(wholePods, { namespace: this.namespace })).items;
  }

  /** The Pod that has not ended. */
  async activePod(): Promise<PodObject> {
    return this.until(async () => (await this.allPods()).find((pod) => !hasEnded(pod)));
  }

  /** The Pod that has not ended does. */
  async play(status: PodStatus): Promise<void> {
    // Whoever else writes to it may be faster.
    await this.until(async () => {
      const pod = await this.activePod();
      const written = this.client.replaceStatus(wholePods, keyOf(pod), { ...pod, status });
      return written.catch(() => undefined);
    });
  }

  /** A Pod that was never given to a node goes at once, or when its last state is counted. */
  async endIfHeld(pod: PodObject): Promise<void> {
    const now = await this.until(async () => {
      const seen = await this.pod(pod);
      return seen === undefined ? 'gone' : seen.metadata.deletionTimestamp && seen;
    });
    if (now === 'gone' || now === '') return;
    await this.client
      .replaceStatus(wholePods, keyOf(now), { ...now, status: { phase: 'Failed' } })
      .catch(() => undefined); // it was counted meanwhile
  }

  async finished(): Promise<JobObject> {
    return this.until(async () => {
      const now = await this.job();
      const { type } = now.status?.conditions?.at(-1) ?? {};
      return type === 'Complete' || type === 'Failed' ? now : undefined;
    });
  }

  /** The watch has said so. */
  async gone({ plural }: Resource): Promise<void> {
    await this.until(async () => (this.said.all.includes(`${plural} gone`) ? true : undefined));
  }

  async #listenTo<T extends JobObject | PodObject>(
    resource: Resource<T>,
    signal: AbortSignal,
  ): Promise<void> {
    const { resourceVersion } = await this.client.list(resource, { namespace: this.namespace });
    void this.#follow(resource, resourceVersion, signal);
  }

  async #follow<T extends JobObject | PodObject>(
    resource: Resource<T>,
    resourceVersion: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { namespace, said } = this;
    const mine = resource.plural === 'jobs' ? said.jobs : said.pods;
    for await (const event of this.client.watch(resource, { namespace, resourceVersion, signal })) {
      if (event.type === 'bookmark' || event.type === 'unreadable') continue;
      const words = event.type === 'deleted' ? 'gone' : wordsOf(event.object);
      if (mine.at(-1) === words) continue;
      mine.push(words);
      said.all.push(`${resource.plural} ${words}`);
    }
  }
}

function wordsOf({ metadata, status }: JobObject | PodObject): string {
  const phase = status !== undefined && 'phase' in status ? status.phase : undefined;
  const conditions = phase === undefined ? (status?.conditions ?? []).map(({ type }) => type) : [phase];
  return [...conditions, ...(metadata.deletionTimestamp === undefined ? [] : ['going'])].join(' ');
}

async function begin(
  makeWorld: MakeWorld,
  spec: Readonly<Record<string, unknown>> = {},
): Promise<{ readonly stage: Stage; readonly job: JobObject; readonly pod: PodObject }> {
  const world = await makeWorld();
  const stage = new Stage(world);
  await stage.listen(world.signal);
  const job = await stage.client.create(wholeJobs, stage.namespace, aJob(spec));
  const pod = await stage.activePod();
  return { stage, job, pod };
}

/** As src/backup/job.ts makes them, as far as the controllers look. */
function aJob(spec: Readonly<Record<string, unknown>> = {}): object {
  const container = (name: string): object => ({ name, image: 'example.invalid/nothing:1' });
  const rules = [
    { action: 'FailJob', onExitCodes: { operator: 'In', values: [20] } },
    { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
  ];
  return {
    metadata: { name: 'one' },
    spec: {
      completions: 1,
      parallelism: 1,
      backoffLimit: 1,
      podReplacementPolicy: 'Failed',
      podFailurePolicy: { rules },
      template: {
        metadata: { labels: { app: 'x' }, annotations: { note: 'y' } },
        spec: {
          restartPolicy: 'Never',
          initContainers: [container('first')],
          containers: [container('main')],
        },
      },
      ...spec,
    },
  };
}

function exited(name: string, exitCode: number): NonNullable<PodStatus['containerStatuses']>[number] {
  return { name, state: { terminated: { exitCode, finishedAt: '2026-01-01T00:00:00Z' } } };
}

function policyMessage(container: string): RegExp {
  return new RegExp(
    `^Container ${container} for pod [-a-z0-9]+/one-[a-z0-9]{5} failed with exit code 20 matching FailJob rule at index 0$`,
  );
}

function ownedBy({ apiVersion, kind, metadata }: KubeObject): {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
} {
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid };
}

async function isGone(client: KubeClient, resource: Resource, key: ObjectKey): Promise<true | undefined> {
  return (await client.get(resource, key)) === undefined ? true : undefined;
}
