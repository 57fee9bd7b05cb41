// Runs of which nobody sees the end: the volume is asked, and what it knows is told, once.
import { afterEach, describe, expect, test } from 'vitest';
import type { V1Job } from '@kubernetes/client-node';
import { jobs, pods } from '../../src/backup/resources.ts';
import { parseRequest, requestVariable } from '../../src/run/request.ts';
import { aFailure, aReport } from '../support/builders.ts';
import { namespace, Scene } from './scene.ts';

let scene = new Scene();

afterEach(() => scene.stop());

/** A run whose Job somebody deleted. @returns its name */
async function loseJob(): Promise<string> {
  scene = new Scene();
  await scene.start();
  scene.apply({ trigger: { id: 'a' } });
  await scene.settle();
  const job = scene.activeJob();
  scene.kube.remove(jobs, { namespace, name: job });
  await scene.settle();
  return job;
}

function conditions(): Record<string, string> {
  return Object.fromEntries(
    (scene.status().conditions ?? []).map(({ type, status, reason }) => [type, `${status} ${reason}`]),
  );
}

const asking = {
  Ready: 'True Accepted',
  Reconciling: 'True Inspecting',
  Stalled: 'False Accepted',
  LastRunSucceeded: 'Unknown Inspecting',
};

describe('a run whose Job is gone', () => {
  test('is told as what it published, once, when the volume has said so', async () => {
    const job = await loseJob();
    expect(conditions()).toEqual(asking);
    expect(scene.status()).not.toHaveProperty('lastRun');
    expect(scene.status()).not.toHaveProperty('currentRun');
    expect(scene.status().lastTriggerID).toBe('a');

    scene.answer(aReport());
    await scene.settle();

    const { inspecting, history, ...status } = scene.status();
    expect([inspecting, history]).toMatchObject([
      undefined,
      [{ id: job, triggerID: 'a', result: 'Succeeded', path: aReport().path }],
    ]);
    expect(status).toMatchObject({
      phase: 'Succeeded',
      lastFull: { id: job },
      lastSuccessfulTime: aReport().completionTime,
      databases: [{ lastTransactionID: '4711' }],
    });
    expect(conditions()).toMatchObject({
      Reconciling: 'False Idle',
      LastRunSucceeded: 'True FullBackupTaken',
    });
    expect(scene.events.map(({ reason }) => reason)).toEqual(['FullBackupTaken']);
  });

  test.each([
    { name: 'why it failed', answer: aFailure(), reason: 'PortUnreachable', message: /6362/ },
    {
      name: 'as lost for good, where the volume does not know',
      answer: aFailure({ reason: 'ResultLost' }),
      reason: 'ResultLost',
      message: /is gone; the volume has no backup of it and no record/,
    },
  ])('is told: $name', async ({ answer, reason, message }) => {
    const job = await loseJob();
    const asked = scene.inspection();
    scene.answer(answer);
    await scene.settle(600_000);
    expect(scene.status().lastRun).toMatchObject({ id: job, result: 'Failed', reason });
    expect(scene.status().lastRun?.message).toMatch(message);
    expect(scene.madeJobs()).toEqual([job, asked]);
    expect(scene.events).toHaveLength(1);
  });

  test('is lost for good, too, when the volume cannot be asked', async () => {
    const job = await loseJob();
    const asked = scene.inspection();
    scene.end(asked, 'Failed', 'BackoffLimitExceeded');
    await scene.settle(600_000);
    expect(scene.status().lastRun).toMatchObject({ id: job, reason: 'ResultLost' });
    expect(scene.status().lastRun?.message).toMatch(/the Job that was to ask the volume failed/);
    expect(scene.madeJobs()).toEqual([job, asked]);
  });

  test('is asked about only when its Pods have ended: until then one may still publish', async () => {
    scene = new Scene();
    await scene.start();
    scene.apply();
    await scene.settle();
    const job = scene.activeJob();
    scene.stuck(job, 'PodInitializing');
    const pod = { namespace, name: `${job}-stuck` };
    // Its owner goes, and it stays: as with kubectl delete --cascade=orphan.
    scene.kube.edit(pods, pod, ({ metadata }) => {
      metadata.ownerReferences = [];
      metadata.labels = { ...metadata.labels, 'batch.kubernetes.io/job-name': job };
    });
    scene.kube.remove(jobs, { namespace, name: job });
    await scene.settle();
    expect(scene.madeJobs()).toEqual([job]);
    expect(conditions()).toEqual(asking);

    scene.kube.edit(pods, pod, (draft) => (draft['status'] = { phase: 'Failed' }));
    await scene.settle();
    expect(scene.madeJobs()).toEqual([job, scene.inspection()]);
  });

  test('says what keeps the volume from being asked', async () => {
    await loseJob();
    scene.obstruct(scene.inspection());
    await scene.settle();
    expect(conditions()).toMatchObject({ Ready: 'False ImagePullFailed', Reconciling: 'True Inspecting' });
    scene.answer(aReport());
    await scene.settle();
    expect(conditions()).toMatchObject({ Ready: 'True Accepted', Reconciling: 'False Idle' });
  });

  test('lets the next backup go first, and is told late, as the older one', async () => {
    const lost = await loseJob();
    const asked = scene.inspection();
    scene.trigger('b');
    await scene.settle();
    const next = scene.activeJob();
    expect(scene.jobNames()).toEqual([next]);
    expect(conditions()).toMatchObject({
      Reconciling: 'True Running',
      LastRunSucceeded: 'Unknown Inspecting',
    });

    const completionTime = scene.clock.now().toISOString();
    scene.finish(next, aReport({ completionTime, lastTransactionID: '5000' }));
    await scene.settle();
    expect(scene.inspection()).toBe(asked);
    expect(conditions()).toMatchObject({
      Reconciling: 'True Inspecting',
      LastRunSucceeded: 'True FullBackupTaken',
    });

    scene.answer(aReport({ completionTime: '2026-01-01T00:00:30.000Z' }));
    await scene.settle();
    const { history = [], ...status } = scene.status();
    expect(history.map(({ id }) => id)).toEqual([next, lost]);
    expect(status).toMatchObject({
      lastRun: { id: next },
      lastFull: { id: next },
      lastSuccessfulTime: completionTime,
      lastTriggerID: 'b',
      databases: [{ lastTransactionID: '5000' }],
    });
    expect(scene.madeJobs()).toEqual([lost, asked, next, asked]);
    expect(scene.events.map(({ reason }) => reason)).toEqual(['FullBackupTaken', 'FullBackupTaken']);
  });

  test('is asked about in a request of its own name, by a Pod that cannot write', async () => {
    const job = await loseJob();
    const { body } =
      scene.kube.requests.findLast(({ verb, type }) => verb === 'create' && type === 'jobs.batch') ?? {};
    const containers = (body as V1Job).spec?.template.spec?.containers ?? [];
    expect(containers).toMatchObject([
      {
        args: ['inspect'],
        volumeMounts: [{ name: 'backup', mountPath: '/backup', readOnly: true }],
      },
    ]);
    const variables = containers.flatMap(({ env }) => env ?? []);
    const request = variables.find(({ name }) => name === requestVariable)?.value ?? '';
    expect(parseRequest(request)).toMatchObject({ run: job, path: 'orders' });
  });
});

describe('a node that is lost', () => {
  test('is told at once, and is over when another Pod works', async () => {
    scene = new Scene();
    await scene.start();
    scene.apply();
    await scene.settle();
    const job = scene.activeJob();
    scene.stuck(job, 'PodInitializing');
    const pod = { namespace, name: `${job}-stuck` };
    const running = { phase: 'Pending', initContainerStatuses: [{ name: 'engine', state: { running: {} } }] };
    scene.kube.edit(pods, pod, (draft) => (draft['status'] = running));
    await scene.settle();
    expect(scene.ready()).toBe('Accepted');

    const message = 'Taint manager: deleting due to NoExecute taint';
    const lost = { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByTaintManager', message };
    scene.kube.edit(pods, pod, (draft) => (draft['status'] = { ...running, conditions: [lost] }));
    await scene.settle(1_000);
    expect(conditions()).toMatchObject({ Ready: 'False NodeLost', Reconciling: 'True Running' });

    scene.kube.edit(pods, pod, (draft) => (draft['status'] = { phase: 'Failed', conditions: [lost] }));
    await scene.settle(1_000);
    const reconciling = scene.status().conditions?.find(({ type }) => type === 'Reconciling');
    expect(scene.ready()).toBe('Accepted');
    expect(reconciling?.message).toMatch(/An attempt before this one ended with NodeLost: Taint manager/);
    scene.finish(job, aReport());
    await scene.settle();
    expect(scene.status()).toMatchObject({ phase: 'Succeeded', lastRun: { id: job } });
  });
});
