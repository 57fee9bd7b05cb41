// The volume is read back when its schedule says so, and a policy that was edited is applied: when no backup wants to be taken.
import { afterEach, describe, expect, test } from 'vitest';
import { backups, jobs } from '../../src/backup/resources.ts';
import { policyHash } from '../../src/backup/run.ts';
import { aFailure, aReport } from '../support/builders.ts';
import { key, namespace, Scene } from './scene.ts';

let scene = new Scene();

afterEach(() => scene.stop());

const hourMs = 3_600_000;
const atThree = { verification: { schedule: '0 3 * * *' } };
const keepTwo = { keepLast: 2, mode: 'Enforce' } as const;
const volume = { time: '2026-01-01T00:04:00.000Z', backupBytes: 1_000_000, points: 1 };
const applied = { time: volume.time, mode: 'Enforce', kept: 1, condemned: 0, removed: 0 } as const;

/** A resource with one backup, at midnight. */
async function backedUp(spec: Readonly<Record<string, unknown>> = {}, report = aReport()): Promise<void> {
  scene = new Scene();
  await scene.start();
  scene.apply(spec);
  await scene.settle(1_000);
  scene.finish(scene.activeJob(), report);
  await scene.settle(5_000);
}

const verdict = (): string | undefined => scene.conditions()['LastVerificationSucceeded'];

describe('verification', () => {
  test('begins when its time comes, and not before; the resource is at rest meanwhile', async () => {
    await backedUp(atThree);
    expect(verdict()).toBe('Unknown NoVerificationYet');
    await scene.settle(2 * hourMs);
    expect(scene.activeJobs('scrub')).toEqual([]);
    await scene.settle(hourMs);
    expect(scene.activeJobs('scrub')).toHaveLength(1);
    expect(scene.conditions()).toMatchObject({ Ready: 'True Accepted', Reconciling: 'False Idle' });

    const id = scene.tended('scrub', { volume: { ...volume, time: '2026-01-01T03:01:00Z', points: 7 } });
    await scene.settle();

    expect(verdict()).toBe('True Verified');
    expect(scene.status()).toMatchObject({
      lastVerification: { id, scheduledTime: '2026-01-01T03:00:00Z' },
      volume: { points: 7 },
    });
    await scene.settle(23 * hourMs);
    expect(scene.activeJobs('scrub')).toEqual([]);
    await scene.settle(hourMs);
    expect(scene.activeJobs('scrub')).toHaveLength(1);
  });

  test('is made up for once after days without an operator', async () => {
    await backedUp(atThree);
    await scene.stop();
    await scene.settle(5 * 24 * hourMs);
    await scene.start();
    await scene.settle();
    scene.tended('scrub');
    await scene.settle(hourMs);
    expect(scene.activeJobs('scrub')).toEqual([]);
    expect(scene.madeJobs()).toHaveLength(2);
  });

  test('tells what is damaged, in a condition and an Event', async () => {
    await backedUp(atThree);
    await scene.settle(3 * hourMs);
    const message = 'The file data/neostore.nodestore.db of the restore point p is not what was written.';
    const completionTime = scene.clock.now().toISOString();
    const damaged = [{ point: 'p', file: 'data/neostore.nodestore.db' }];
    const reason = 'ArtifactCorrupt';
    const verification = { id: '', result: 'Failed', reason, message, completionTime, damaged } as const;
    const id = scene.tended('scrub', { reason, message, verification: { ...verification, damaged } });
    await scene.settle();
    expect(verdict()).toBe('False ArtifactCorrupt');
    expect(scene.conditions()).toMatchObject({
      Ready: 'True Accepted',
      LastRunSucceeded: 'True FullBackupTaken',
    });
    expect(scene.status().lastVerification).toMatchObject({ result: 'Failed', damaged });
    expect(scene.events.filter((event) => event.reason === reason).map(({ note }) => note)).toEqual([
      `${id}: ${message}`,
    ]);
  });

  test('that fails is told, and tried again when it is due the next time', async () => {
    await backedUp(atThree);
    await scene.settle(3 * hourMs);
    scene.end(scene.activeJobs('scrub')[0] ?? '', 'Failed', 'BackoffLimitExceeded');
    await scene.settle(hourMs);
    expect(verdict()).toBe('False UpkeepFailed');
    expect(scene.activeJobs('scrub')).toEqual([]);
    await scene.settle(23 * hourMs);
    expect(scene.activeJobs('scrub')).toHaveLength(1);
    expect(scene.events.filter(({ reason }) => reason === 'UpkeepFailed')).toHaveLength(1);
  });

  test('makes room for a backup of its own resource, and goes on after it, for the same moment', async () => {
    await backedUp(atThree);
    await scene.settle(3 * hourMs);
    const [id = ''] = scene.activeJobs('scrub');
    scene.trigger('now');
    await scene.settle();
    expect(scene.activeJobs('scrub')).toEqual([]);
    scene.finish(scene.activeJob(), aReport());
    await scene.settle(hourMs);
    expect(scene.activeJobs('scrub')).toEqual([id]);
  });

  test('goes on while the server is away, and a backup waits for that', async () => {
    await backedUp(atThree);
    scene.serve(false);
    scene.trigger('now');
    await scene.settle(3 * hourMs);
    expect(scene.ready()).toBe('NoReadyEndpoints');
    expect(scene.activeJobs('scrub')).toHaveLength(1);
    scene.serve(true);
    await scene.settle(5 * 60_000);
    expect(scene.activeJobs('scrub')).toEqual([]);
    expect(scene.activeJob()).toMatch(/^orders-/);
  });

  test('waits until the volume has been asked how a run ended', async () => {
    await backedUp(atThree);
    scene.trigger('lost');
    await scene.settle(1_000);
    scene.kube.remove(jobs, { namespace, name: scene.activeJob() });
    await scene.settle(3 * hourMs);
    expect(scene.activeJobs('scrub')).toEqual([]);
    scene.answer(aFailure());
    await scene.settle();
    expect(scene.activeJobs('scrub')).toHaveLength(1);
  });

  test('by a schedule that means nothing stops the resource, until it is corrected', async () => {
    await backedUp({ verification: { schedule: '61 3 * * *' }, trigger: { id: 'a' } }).catch(() => undefined);
    expect(scene.conditions()).toMatchObject({
      Ready: 'False InvalidSchedule',
      Stalled: 'True InvalidSchedule',
    });
    const message = scene.status().conditions?.find(({ type }) => type === 'Stalled')?.message ?? '';
    expect(message).toMatch(/^spec\.verification\.schedule is "61 3 \* \* \*": .*minute: 61\. .*0 3 \* \* 0/);
    scene.edit(atThree);
    await scene.settle();
    expect(scene.ready()).toBe('Accepted');
  });

  test('is not done twice where status was lost and its Job is still there', async () => {
    await backedUp(atThree);
    await scene.settle(3 * hourMs);
    const id = scene.tended('scrub');
    await scene.settle();
    scene.kube.edit(backups, key, (draft) => delete draft['status']);
    await scene.settle(hourMs);
    expect(scene.status().lastVerification).toMatchObject({ id });
    expect(scene.activeJobs('scrub')).toEqual([]);
  });
});

describe('retention', () => {
  const report = aReport({ volume, retention: applied });

  test('is what a run has applied, by the policy that its Job was made with', async () => {
    await backedUp({ retention: keepTwo }, report);
    expect(scene.status()).toMatchObject({
      volume,
      retention: { ...applied, policy: policyHash(keepTwo) },
    });
    await scene.settle(hourMs);
    expect(scene.activeJobs('prune')).toEqual([]);
    expect(scene.status().lastRun).not.toHaveProperty('retention');
    expect(scene.status().lastRun).not.toHaveProperty('volume');
  });

  test('is applied when the policy is edited, and shown in mode Plan, with one Job each', async () => {
    await backedUp({ retention: keepTwo }, report);
    const plan = { ...keepTwo, keepLast: 1, mode: 'Plan' };
    scene.edit({ retention: plan });
    await scene.settle();
    const shown = scene.tended('prune', {
      retention: { ...applied, time: scene.clock.now().toISOString(), mode: 'Plan', condemned: 1 },
    });
    await scene.settle(hourMs);
    expect(scene.status().retention).toMatchObject({ mode: 'Plan', condemned: 1, removed: 0 });

    scene.edit({ retention: { ...plan, mode: 'Enforce' } });
    await scene.settle();
    const enforced = scene.tended('prune', {
      retention: { ...applied, time: scene.clock.now().toISOString(), removed: 1 },
    });
    await scene.settle(hourMs);
    expect(scene.status().retention).toMatchObject({ mode: 'Enforce', condemned: 0, removed: 1 });
    expect(new Set([shown, enforced]).size).toBe(2);
    expect(scene.activeJobs('prune')).toEqual([]);
  });

  test('is applied anew when a policy comes back whose Job is still there', async () => {
    await backedUp({ retention: keepTwo }, report);
    const other = { keepLast: 5, mode: 'Plan' };
    for (const policy of [other, keepTwo, other]) {
      scene.edit({ retention: policy });
      await scene.settle();
      scene.tended('prune', { retention: { ...applied, time: scene.clock.now().toISOString() } });
      await scene.settle();
    }
    expect(scene.madeJobs()).toHaveLength(4);
    expect(new Set(scene.madeJobs()).size).toBe(3);
  });

  test('that is being applied stops when the policy is edited', async () => {
    await backedUp({ retention: keepTwo }, report);
    scene.edit({ retention: { ...keepTwo, keepLast: 1 } });
    await scene.settle();
    const [wrong = ''] = scene.activeJobs('prune');
    scene.edit({ retention: { ...keepTwo, keepLast: 10 } });
    await scene.settle();
    const [right = ''] = scene.activeJobs('prune');
    expect(scene.jobNames()).not.toContain(wrong);
    expect(right).not.toBe('');
    expect(right).not.toBe(wrong);
  });

  test('waits for a backup that is due, which applies it', async () => {
    await backedUp({ retention: keepTwo }, report);
    scene.edit({ retention: { ...keepTwo, keepLast: 1 }, trigger: { id: 'now' } });
    await scene.settle();
    expect(scene.activeJobs('prune')).toEqual([]);
    const time = scene.clock.now().toISOString();
    scene.finish(scene.activeJob(), aReport({ retention: { ...applied, time } }));
    await scene.settle(hourMs);
    expect(scene.activeJobs('prune')).toEqual([]);
    expect(scene.status().retention?.policy).toBe(policyHash({ ...keepTwo, keepLast: 1 }));
  });

  test('that cannot be applied is told once, and is not tried again and again', async () => {
    await backedUp({ retention: keepTwo }, report);
    scene.edit({ retention: { ...keepTwo, keepLast: 1 } });
    await scene.settle();
    scene.end(scene.activeJobs('prune')[0] ?? '', 'Failed', 'BackoffLimitExceeded');
    await scene.settle(24 * hourMs);
    expect(scene.madeJobs()).toHaveLength(2);
    expect(scene.status().retention).toMatchObject({ kept: 1, blockedBecause: 'UpkeepFailed' });
    expect(scene.events.filter(({ reason }) => reason === 'UpkeepFailed')).toHaveLength(1);
  });

  test('comes to rest', async () => {
    await backedUp({ retention: keepTwo, verification: { schedule: '@monthly' } }, report);
    await scene.settle(hourMs);
    const before = scene.writes();
    await scene.settle(24 * hourMs);
    expect(scene.writes()).toBe(before);
  });
});
