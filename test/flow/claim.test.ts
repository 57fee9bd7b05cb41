// Several resources on one claim: one Pod at a time, each folder for one of them, and a backup before all that can wait.
import { afterEach, describe, expect, test } from 'vitest';
import { backups, claims, jobs } from '../../src/backup/resources.ts';
import { KubeError } from '../../src/kube/errors.ts';
import { aFailure, aReport } from '../support/builders.ts';
import { FakeJobs } from '../support/fake-jobs.ts';
import { namespace, Scene } from './scene.ts';

let scene = new Scene();

afterEach(() => scene.stop());

function messageOf(name: string, type: string): string {
  return scene.status(name).conditions?.find((condition) => condition.type === type)?.message ?? '';
}

/** The name of the resource whose run is under way. */
function running(): string {
  return scene.activeJob().replace(/-[0-9a-f]{10}$/, '');
}

async function begin(accessMode?: string): Promise<void> {
  scene = new Scene({ withClaim: false });
  scene.makeClaim(accessMode);
  await scene.start();
}

describe('runs on one claim', () => {
  test('come one after the other, in the order in which they became due', async () => {
    await begin();
    for (const name of ['c', 'b', 'a']) {
      scene.apply({}, name);
      await scene.settle(1_000);
    }
    for (const name of ['c', 'b', 'a']) {
      expect(running()).toBe(name);
      scene.finish(scene.activeJob(), aReport());
      await scene.settle(5_000);
      expect(scene.status(name).phase).toBe('Succeeded');
    }
    expect(scene.madeJobs()).toHaveLength(3);
  });

  test('tell for which Job they wait, and are good wishes meanwhile', async () => {
    await begin();
    scene.apply({}, 'first');
    await scene.settle(1_000);
    scene.apply({}, 'second');
    await scene.settle();
    expect(scene.conditions('second')).toMatchObject({
      Ready: 'True Accepted',
      Reconciling: 'True Queued',
      Stalled: 'False Accepted',
    });
    expect(messageOf('second', 'Reconciling')).toContain(scene.activeJob());
    expect(messageOf('second', 'Reconciling')).toContain('backups');
    expect(scene.status('second')).toMatchObject({ phase: 'Pending' });
  });

  test('never start together, however they are decided on at the same moment', async () => {
    await begin();
    let most = 0;
    scene.kube.onChange(() => (most = Math.max(most, scene.activeJobs().length)));
    for (const name of ['a', 'b', 'c', 'd']) scene.apply({}, name);
    await scene.settle(1_000);
    for (let i = 0; i < 4; i += 1) {
      scene.finish(scene.activeJob(), aReport());
      await scene.settle(5_000);
    }
    expect(scene.madeJobs()).toHaveLength(4);
    expect(most).toBe(1);
  });

  test('start together where many Pods may use the claim', async () => {
    await begin('ReadWriteMany');
    for (const name of ['a', 'b']) scene.apply({}, name);
    await scene.settle(1_000);
    expect(scene.activeJobs()).toHaveLength(2);
  });

  test('start together on two claims', async () => {
    await begin();
    scene.kube.put(claims, namespace, { metadata: { name: 'others' } });
    scene.apply({}, 'a');
    scene.apply({ destination: { persistentVolumeClaim: { claimName: 'others' } } }, 'b');
    await scene.settle(1_000);
    expect(scene.activeJobs()).toHaveLength(2);
  });

  test('wait for a Job that an operator made which is gone', async () => {
    await begin();
    scene.apply({}, 'a');
    await scene.settle(1_000);
    await scene.stop();
    scene.apply({}, 'b');
    await scene.start();
    await scene.settle();
    expect(running()).toBe('a');
    expect(scene.conditions('b')).toMatchObject({ Reconciling: 'True Queued' });
    scene.finish(scene.activeJob(), aFailure());
    await scene.settle(5_000);
    expect(running()).toBe('b');
  });

  test('do not wait for a resource that cannot start, or is gone', async () => {
    await begin();
    scene.apply({}, 'a');
    await scene.settle(1_000);
    scene.apply({}, 'b');
    await scene.settle(1_000);
    scene.apply({}, 'c');
    await scene.settle(1_000);
    scene.kube.remove(backups, { namespace, name: 'b' });
    scene.finish(scene.activeJob(), aReport());
    await scene.settle(5_000);
    expect(running()).toBe('c');
  });

  test('go on past one whose Job the API server refuses', async () => {
    await begin();
    const error = new KubeError('forbidden', 'exceeded quota: few', { status: 403 });
    scene.kube.fail({ verbs: ['create'], type: 'jobs.batch', times: 1, error });
    scene.apply({}, 'a');
    await scene.settle(1_000);
    scene.apply({}, 'b');
    await scene.settle(1_000);
    expect(scene.conditions('a')).toMatchObject({ Ready: 'False QuotaExceeded' });
    expect(running()).toBe('b');
    scene.finish(scene.activeJob(), aReport());
    await scene.settle();
    expect(running()).toBe('a');
  });

  test('come to rest while one of them runs', async () => {
    await begin();
    for (const name of ['a', 'b', 'c']) scene.apply({}, name);
    await scene.settle(600_000);
    const before = scene.writes();
    await scene.settle(1_200_000);
    expect(scene.writes()).toBe(before);
  });
});

describe('a Job that tends the volume', () => {
  const daily = { verification: { schedule: '0 3 * * *' } };
  const at3 = 3 * 3_600_000;

  async function scrubbing(accessMode?: string): Promise<string> {
    await begin(accessMode);
    scene.apply(daily, 'a');
    await scene.settle(1_000);
    scene.finish(scene.activeJob(), aReport());
    await scene.settle(at3);
    const [job = ''] = scene.activeJobs('scrub');
    expect(job).toMatch(/^a-scrub-/);
    return job;
  }

  test('makes room for the backup of another resource, and goes on after it', async () => {
    const scrub = await scrubbing();
    scene.apply({}, 'b');
    await scene.settle(5_000);
    expect(scene.activeJobs('scrub')).toEqual([]);
    expect(running()).toBe('b');
    await scene.settle(600_000);
    expect(scene.activeJobs('scrub')).toEqual([]);
    scene.finish(scene.activeJob(), aReport());
    await scene.settle();
    expect(scene.activeJobs('scrub')).toEqual([scrub]);
    scene.tended('scrub');
    await scene.settle();
    expect(scene.status('a').lastVerification).toMatchObject({ id: scrub, result: 'Succeeded' });
  });

  test('is waited for until its Pod is gone', async () => {
    const scrub = await scrubbing();
    new FakeJobs({ kube: scene.kube, clock: scene.clock, script: () => [{ kind: 'hangs' }] }).start();
    await scene.settle(5_000);
    scene.hold(scrub);
    scene.apply({}, 'b');
    await scene.settle();
    expect(scene.activeJobs()).toEqual([]);
    expect(messageOf('b', 'Reconciling')).toContain(scrub);
    scene.letGo(scrub);
    await scene.settle(5_000);
    expect(running()).toBe('b');
  });

  test('stays where many Pods may use the claim', async () => {
    const scrub = await scrubbing('ReadWriteMany');
    scene.apply({}, 'b');
    scene.kube.edit(backups, { namespace, name: 'a' }, (draft) =>
      Object.assign(draft['spec'] as object, { trigger: { id: 'again' } }),
    );
    await scene.settle();
    expect(scene.activeJobs('scrub')).toEqual([scrub]);
    expect(scene.activeJobs()).toHaveLength(2);
  });

  test('is not deleted when it only looks like one of ours', async () => {
    const scrub = await scrubbing();
    scene.tended('scrub');
    await scene.settle(1_000);
    const { metadata } = scene.kube.peek(jobs, { namespace, name: scrub }) ?? {};
    scene.kube.put(jobs, namespace, { metadata: { name: 'theirs', labels: metadata?.labels } });
    scene.apply({}, 'b');
    await scene.settle(5_000);
    expect(running()).toBe('b');
    expect(scene.activeJobs('scrub')).toEqual(['theirs']);
  });
});

describe('two resources with one folder', () => {
  const folder = { destination: { persistentVolumeClaim: { claimName: 'backups' }, path: 'shared' } };

  test('the older has it, and is never disturbed; the younger one says so, and follows when that is gone', async () => {
    await begin('ReadWriteMany');
    scene.apply(folder, 'older');
    await scene.settle(2_000);
    scene.apply(folder, 'younger');
    await scene.settle();
    expect(running()).toBe('older');
    expect(scene.conditions('younger')).toMatchObject({
      Ready: 'False DestinationConflict',
      Reconciling: 'True DestinationConflict',
      Stalled: 'False Accepted',
    });
    expect(messageOf('younger', 'Ready')).toMatch(
      /The resource older, .* the folder shared of the claim backups/,
    );
    scene.finish(scene.activeJob(), aReport());
    await scene.settle();
    expect(scene.status('older')).toMatchObject({ phase: 'Succeeded' });
    expect(scene.conditions('older')).toMatchObject({ Ready: 'True Accepted' });
    expect(scene.activeJobs()).toEqual([]);

    scene.kube.remove(backups, { namespace, name: 'older' });
    await scene.settle();
    expect(running()).toBe('younger');
    expect(scene.events.filter(({ reason }) => reason === 'DestinationConflict')).toHaveLength(1);
  });

  test('is no conflict on two claims, or in two folders', async () => {
    await begin('ReadWriteMany');
    scene.kube.put(claims, namespace, { metadata: { name: 'others' } });
    scene.apply(folder, 'a');
    scene.apply({ destination: { ...folder.destination, path: 'other' } }, 'b');
    const others = { persistentVolumeClaim: { claimName: 'others' }, path: 'shared' };
    scene.apply({ destination: others }, 'c');
    await scene.settle();
    expect(scene.activeJobs()).toHaveLength(3);
  });

  test('keeps the younger one from tending the volume, too', async () => {
    await begin('ReadWriteMany');
    scene.apply(folder, 'older');
    await scene.settle(2_000);
    scene.apply({ ...folder, verification: { schedule: '0 * * * *' } }, 'younger');
    await scene.settle(2 * 3_600_000);
    expect(scene.activeJobs('scrub')).toEqual([]);
  });
});
