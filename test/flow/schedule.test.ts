// Schedules over days: what starts, what does not, and what is told of it. The scene begins on a Thursday at midnight, in UTC.
import { beforeEach, describe, expect, test } from 'vitest';
import { annotations, wishes } from '../../src/api/names.ts';
import { jobs } from '../../src/backup/resources.ts';
import { aFailure, aReport } from '../support/builders.ts';
import { namespace, Scene } from './scene.ts';

const minute = 60_000;
const hour = 60 * minute;
const daily = { schedule: '0 3 * * *' };
const hourly = { schedule: '0 * * * *' };

let scene: Scene;

beforeEach(async () => {
  scene = new Scene();
  await scene.start();
});

/** Moment and type of each run that was ever made for a schedule, in that order. */
function scheduled(): readonly string[] {
  return scene.kube.requests
    .filter(({ verb, type }) => verb === 'create' && type === 'jobs.batch')
    .map(({ body }) => (body as { metadata: { annotations: Record<string, string> } }).metadata.annotations)
    .filter((marks) => marks[annotations.scheduledTime] !== undefined)
    .map((marks) => `${marks[annotations.scheduledTime]?.slice(5, 16)} ${marks[annotations.requestedType]}`);
}

function succeed(): void {
  scene.finish(scene.activeJob(), aReport());
}

/** Lets time pass, and each run end well after so long. */
async function pass(spanMs: number, runMs = minute): Promise<void> {
  const endMs = scene.clock.now().getTime() + spanMs;
  while (scene.clock.now().getTime() < endMs) {
    await scene.settle(Math.min(runMs, endMs - scene.clock.now().getTime()));
    if (scene.activeJobs().length > 0 && scene.clock.now().getTime() < endMs) succeed();
  }
  await scene.settle(0);
}

describe('a schedule', () => {
  test('starts nothing at creation, and a run at each of its moments', async () => {
    scene.apply(daily);
    await scene.settle(hour);
    expect(scene.madeJobs()).toEqual([]);
    expect(scene.status()).toMatchObject({ nextScheduleTime: '2026-01-01T03:00:00Z', phase: 'Pending' });
    await pass(48 * hour);
    expect(scheduled()).toEqual(['01-01T03:00 Auto', '01-02T03:00 Auto']);
    expect(scene.status()).toMatchObject({
      lastScheduleTime: '2026-01-02T03:00:00Z',
      nextScheduleTime: '2026-01-03T03:00:00Z',
      lastRun: { scheduledTime: '2026-01-02T03:00:00Z', result: 'Succeeded' },
    });
    expect(scene.status().missedRuns).toBeUndefined();
  });

  test('starts within a second of its moment', async () => {
    scene.apply(daily);
    await scene.settle(3 * hour + 1_000);
    expect(scene.activeJobs()).toHaveLength(1);
  });

  test('and one for full backups at the same moment are one run, a full one', async () => {
    scene.apply({ ...daily, fullSchedule: '0 3 * * 6' });
    await pass(72 * hour);
    expect(scheduled()).toEqual(['01-01T03:00 Auto', '01-02T03:00 Auto', '01-03T03:00 Full']);
  });

  test('of full backups is one full run each, also where the clock of the API server is behind', async () => {
    scene.aheadMs = -3_000;
    scene.apply({ ...daily, fullSchedule: '0 3 * * 6' });
    await pass(100 * hour);
    expect(scheduled()).toEqual([
      '01-01T03:00 Auto',
      '01-02T03:00 Auto',
      '01-03T03:00 Full',
      '01-04T03:00 Auto',
      '01-05T03:00 Auto',
    ]);
  });

  test('that is removed starts nothing', async () => {
    scene.apply(daily);
    await scene.settle(hour);
    scene.edit({ schedule: undefined });
    await scene.settle(48 * hour);
    expect(scene.madeJobs()).toEqual([]);
    expect(scene.status().nextScheduleTime).toBeUndefined();
  });

  test('that is edited starts nothing of what it would have struck before', async () => {
    scene.apply(daily);
    await scene.settle(2 * hour + 30 * minute);
    scene.edit(hourly);
    await scene.settle(20 * minute);
    expect(scene.madeJobs()).toEqual([]);
    await scene.settle(15 * minute);
    expect(scheduled()).toEqual(['01-01T03:00 Auto']);
  });

  test('that means nothing is told of, with its field and what it says', async () => {
    scene.apply({ schedule: '0 3 31 2 *' });
    await scene.settle();
    expect(scene.conditions()).toMatchObject({
      Ready: 'False InvalidSchedule',
      Stalled: 'True InvalidSchedule',
    });
    expect(scene.status().conditions?.[0]?.message).toContain('spec.schedule is "0 3 31 2 *"');
  });

  test('that was mistaken for a while and is mended starts nothing', async () => {
    scene.apply(daily);
    await scene.settle(2 * hour + 30 * minute);
    scene.edit({ schedule: '0 3 31 2 *' });
    await scene.settle(2 * hour);
    scene.edit(daily);
    await scene.settle(hour);
    expect(scene.madeJobs()).toEqual([]);
    await pass(24 * hour);
    expect(scheduled()).toEqual(['01-02T03:00 Auto']);
  });

  test('whose run is still to come for its spread, and comes no more once that is edited, is told of', async () => {
    scene.apply({ ...daily, spread: '12h' });
    await scene.settle(minute);
    const { spreadSeconds = 0 } = scene.status();
    await scene.settle(3 * hour + (spreadSeconds * 1_000) / 2);
    scene.edit({ spread: undefined });
    await scene.settle(minute);
    expect(scene.madeJobs()).toEqual([]);
    expect(scene.status().missedRuns).toMatchObject([{ count: 1, firstTime: '2026-01-01T03:00:00Z' }]);
  });

  test('in a zone strikes by its clocks', async () => {
    scene.apply({ ...daily, timeZone: 'Europe/Madrid' });
    await scene.settle(3 * hour);
    expect(scheduled()).toEqual(['01-01T02:00 Auto']);
  });

  test('of which nothing changes costs no write', async () => {
    scene.apply(daily);
    await scene.settle(minute);
    const before = scene.writes();
    await scene.settle(2 * hour);
    expect(scene.writes()).toBe(before);
  });
});

describe('a moment that has no run', () => {
  test('because another run is under way, is told of when that ends', async () => {
    scene.apply(hourly);
    await scene.settle(3 * hour + 30 * minute);
    expect(scheduled()).toEqual(['01-01T01:00 Auto']);
    expect(scene.status().missedRuns).toBeUndefined();
    succeed();
    await scene.settle(minute);
    expect(scene.status().missedRuns).toEqual([
      {
        reason: 'PreviousRunActive',
        firstTime: '2026-01-01T02:00:00Z',
        lastTime: '2026-01-01T03:00:00Z',
        count: 2,
      },
    ]);
    await scene.settle(30 * minute);
    expect(scheduled()).toEqual(['01-01T01:00 Auto', '01-01T04:00 Auto']);
  });

  test('because the operator was not there: one run makes up for all of them', async () => {
    scene.apply(hourly);
    await pass(90 * minute);
    await scene.stop();
    await scene.settle(5 * hour);
    await scene.start();
    await scene.settle(minute);
    expect(scheduled()).toEqual(['01-01T01:00 Auto', '01-01T06:00 Auto']);
    expect(scene.status().missedRuns).toEqual([
      {
        reason: 'ControllerDown',
        firstTime: '2026-01-01T02:00:00Z',
        lastTime: '2026-01-01T05:00:00Z',
        count: 4,
      },
    ]);
  });

  test('was one of a full backup: the run that makes up for it is a full one', async () => {
    scene.apply({ ...hourly, fullSchedule: '30 3 * * *' });
    await pass(90 * minute);
    await scene.stop();
    await scene.settle(5 * hour);
    await scene.start();
    await pass(2 * hour);
    expect(scheduled()).toEqual([
      '01-01T01:00 Auto',
      '01-01T06:00 Full',
      '01-01T07:00 Auto',
      '01-01T08:00 Auto',
    ]);
    expect(scene.status().fullDueSince).toBeUndefined();
  });

  test('of a full backup came during another run: the next one is a full one', async () => {
    scene.apply({ ...hourly, fullSchedule: '30 1 * * *' });
    await scene.settle(hour + 40 * minute);
    succeed();
    await scene.settle(minute);
    expect(scene.status()).toMatchObject({
      fullDueSince: '2026-01-01T01:30:00Z',
      nextFullScheduleTime: '2026-01-01T02:00:00Z',
      missedRuns: [{ reason: 'PreviousRunActive', count: 1 }],
    });
    await pass(2 * hour);
    expect(scheduled()).toEqual(['01-01T01:00 Auto', '01-01T02:00 Full', '01-01T03:00 Auto']);
  });

  test('because the server was away, until it is too late', async () => {
    scene.serve(false);
    scene.apply({ ...daily, startingDeadlineSeconds: 3_600 });
    await scene.settle(3 * hour + 30 * minute);
    expect(scene.ready()).toBe('NoReadyEndpoints');
    await scene.settle(35 * minute);
    expect(scene.status()).toMatchObject({
      missedRuns: [{ reason: 'DeadlinePassed', count: 1, firstTime: '2026-01-01T03:00:00Z' }],
    });
    expect(scene.ready()).toBe('Accepted');
    scene.serve(true);
    await scene.settle(hour);
    expect(scene.madeJobs()).toEqual([]);
  });

  test('because the server was away until the next one came: that one is made up for', async () => {
    scene.serve(false);
    scene.apply(hourly);
    await scene.settle(3 * hour + 30 * minute);
    scene.serve(true);
    await scene.settle(3 * minute);
    expect(scheduled()).toEqual(['01-01T03:00 Auto']);
    expect(scene.status().missedRuns).toEqual([
      {
        reason: 'DeadlinePassed',
        firstTime: '2026-01-01T01:00:00Z',
        lastTime: '2026-01-01T02:00:00Z',
        count: 2,
      },
    ]);
  });

  test('because the operator came back too late', async () => {
    scene.apply({ ...daily, startingDeadlineSeconds: 600 });
    await scene.settle(hour);
    await scene.stop();
    await scene.settle(3 * hour);
    await scene.start();
    await scene.settle(hour);
    expect(scene.madeJobs()).toEqual([]);
    expect(scene.status()).toMatchObject({ missedRuns: [{ reason: 'ControllerDown', count: 1 }] });
  });
});

describe('while the schedules are suspended', () => {
  test('nothing starts, nor when that ends; what did not run is told of then', async () => {
    scene.apply({ ...hourly, suspend: true });
    await scene.settle(3 * hour + 10 * minute);
    expect(scene.conditions()).toMatchObject({ Ready: 'True Accepted', Reconciling: 'False Suspended' });
    expect(scene.status()).toMatchObject({ phase: 'Suspended', suspendedSince: '2026-01-01T00:00:00Z' });
    expect(scene.status().nextScheduleTime).toBeUndefined();
    scene.edit({ suspend: false });
    await scene.settle(10 * minute);
    expect(scene.madeJobs()).toEqual([]);
    expect(scene.status()).toMatchObject({
      nextScheduleTime: '2026-01-01T04:00:00Z',
      missedRuns: [{ reason: 'Suspended', count: 3 }],
    });
    expect(scene.status().suspendedSince).toBeUndefined();
    await pass(hour);
    expect(scheduled()).toEqual(['01-01T04:00 Auto']);
  });

  test('and are removed, nothing is left of it', async () => {
    scene.apply({ ...hourly, fullSchedule: '30 0 * * *', suspend: true });
    await scene.settle(90 * minute);
    scene.edit({ schedule: undefined, fullSchedule: undefined });
    await scene.settle(minute);
    expect(scene.status()).toMatchObject({ missedRuns: [{ reason: 'Suspended', count: 2 }] });
    expect(scene.status().suspendedSince).toBeUndefined();
    scene.edit({ ...hourly, suspend: false });
    await pass(hour);
    expect(scheduled()).toEqual(['01-01T02:00 Auto']);
  });

  test('a trigger still starts a run', async () => {
    scene.apply({ ...hourly, suspend: true });
    await scene.settle(90 * minute);
    scene.trigger('before-migration');
    await pass(10 * minute);
    expect(scene.status()).toMatchObject({ lastTriggerID: 'before-migration', phase: 'Suspended' });
  });

  test('the one run of a resource without a schedule waits', async () => {
    scene.apply({ suspend: true });
    await scene.settle(hour);
    expect(scene.madeJobs()).toEqual([]);
    scene.edit({ suspend: false });
    await scene.settle(minute);
    expect(scene.activeJobs()).toHaveLength(1);
  });
});

describe('a blackout window', () => {
  const blackoutWindows = [{ schedule: '0 2 * * *', duration: '2h' }];

  test('takes away the moments whose runs would start in it', async () => {
    scene.apply({ ...hourly, blackoutWindows });
    await pass(5 * hour + 10 * minute);
    expect(scheduled()).toEqual(['01-01T01:00 Auto', '01-01T04:00 Auto', '01-01T05:00 Auto']);
    expect(scene.status()).toMatchObject({ missedRuns: [{ reason: 'Blackout', count: 2 }] });
  });

  test('of many days is told of once a day', async () => {
    scene.apply({ ...hourly, blackoutWindows: [{ schedule: '30 1 1 1 *', duration: '9d' }] });
    await pass(2 * hour);
    const before = scene.writes();
    await scene.settle(4 * 24 * hour);
    expect(scene.status().missedRuns).toMatchObject([{ reason: 'Blackout', count: 96 }]);
    expect(scene.writes() - before).toBeLessThan(6);
    expect(scheduled()).toEqual(['01-01T01:00 Auto']);
  });

  test('holds up what was due before it', async () => {
    scene.serve(false);
    scene.apply({ schedule: '30 1 * * *', blackoutWindows });
    await scene.settle(2 * hour + 10 * minute);
    scene.serve(true);
    await scene.settle(hour);
    expect(scene.madeJobs()).toEqual([]);
    expect(scene.conditions()['Reconciling']).toBe('True Queued');
    await scene.settle(hour);
    expect(scheduled()).toEqual(['01-01T01:30 Auto']);
  });

  test('does not hold up what a trigger asks for', async () => {
    scene.apply({ ...hourly, blackoutWindows });
    await pass(2 * hour + 30 * minute);
    scene.trigger('now');
    await pass(5 * minute);
    expect(scene.status()).toMatchObject({ lastTriggerID: 'now', lastRun: { triggerID: 'now' } });
  });

  test('that leaves no moment is told of', async () => {
    scene.apply({ ...daily, blackoutWindows });
    await scene.settle();
    expect(scene.conditions()['Stalled']).toBe('True InvalidSchedule');
  });
});

test('a spread puts off every run by the same time, which status tells', async () => {
  scene.apply({ ...hourly, spread: '30m' });
  await scene.settle(minute);
  const { spreadSeconds = 0, nextScheduleTime } = scene.status();
  expect(spreadSeconds).toBeGreaterThan(0);
  expect(spreadSeconds).toBeLessThan(1_800);
  const start = Date.parse('2026-01-01T00:00:00Z') + spreadSeconds * 1_000;
  // The moment at which it was created still has its run to come.
  expect(nextScheduleTime).toBe(new Date(start).toISOString().replace('.000', ''));
  await scene.settle(start - scene.clock.now().getTime() - 1_000);
  expect(scene.madeJobs()).toEqual([]);
  await scene.settle(2_000);
  expect(scheduled()).toEqual(['01-01T00:00 Auto']);
});

describe('an annotation', () => {
  const runNow = (id: string, type?: string): void =>
    scene.annotate({ [wishes.runNow]: id, ...(type === undefined ? {} : { [wishes.runNowType]: type }) });

  test('starts one run for each new value, and none for one that comes back', async () => {
    scene.apply(daily);
    await scene.settle(minute);
    for (const id of ['Mon Nov 30 17:21:00 UTC 2026', 'b', 'Mon Nov 30 17:21:00 UTC 2026', '']) {
      runNow(id, 'Full');
      await pass(5 * minute);
    }
    expect(scene.madeJobs()).toHaveLength(2);
    expect(scene.status()).toMatchObject({
      lastAnnotationTriggerID: 'b',
      lastRun: { annotationTriggerID: 'b', requestedType: 'Full' },
    });
  });

  test('and a trigger of the same id are two wishes', async () => {
    scene.apply({ trigger: { id: 'a' } });
    await pass(5 * minute);
    runNow('a');
    await pass(5 * minute);
    expect(scene.madeJobs()).toHaveLength(2);
    expect(scene.status()).toMatchObject({ lastTriggerID: 'a', lastAnnotationTriggerID: 'a' });
  });

  test('that is as long as it likes is told in so many letters, and is one wish', async () => {
    scene.apply(daily);
    await scene.settle(minute);
    runNow(`${'x'.repeat(500)}\n`);
    await pass(5 * minute);
    expect(scene.madeJobs()).toHaveLength(1);
    expect(scene.status().lastAnnotationTriggerID?.length).toBeLessThan(64);
  });

  test('at creation is that first run, not a second one', async () => {
    scene.apply();
    runNow('first');
    await pass(5 * minute);
    expect(scene.madeJobs()).toHaveLength(1);
    expect(scene.status().lastRun).toMatchObject({ annotationTriggerID: 'first' });
  });
});

test('a run that failed is followed by the next moment, not by another try', async () => {
  scene.apply(hourly);
  await scene.settle(hour + minute);
  scene.finish(scene.activeJob(), aFailure());
  await scene.settle(50 * minute);
  expect(scheduled()).toEqual(['01-01T01:00 Auto']);
  await scene.settle(10 * minute);
  expect(scheduled()).toEqual(['01-01T01:00 Auto', '01-01T02:00 Auto']);
});

test('a Job that somebody deletes has no second run', async () => {
  scene.apply(hourly);
  await scene.settle(hour + minute);
  const job = scene.activeJob();
  succeed();
  await scene.settle(minute);
  scene.kube.remove(jobs, { namespace, name: job });
  await scene.settle(30 * minute);
  expect(scheduled()).toEqual(['01-01T01:00 Auto']);
});

describe('a resource that is held up by a blackout window', () => {
  test('holds up nobody else on its claim', async () => {
    scene.serve(false);
    scene.apply({ schedule: '30 1 * * *', blackoutWindows: [{ schedule: '0 2 * * *', duration: '2h' }] });
    await scene.settle(2 * hour + 10 * minute);
    scene.serve(true);
    await scene.settle(minute);
    scene.apply({ schedule: '30 2 * * *' }, 'stock');
    await scene.settle(25 * minute);
    expect(scene.activeJobs()).toHaveLength(1);
    expect(scene.activeJob()).toMatch(/^stock-/);
  });
});

// Stepping through five million moments would outlast the patience of the test.
test('many years without an operator cost one run and one line', async () => {
  scene.apply({ schedule: '* * * * *' });
  await scene.settle(90_000);
  succeed();
  await scene.settle(1_000);
  await scene.stop();
  const away = 10 * 365 * 24 * hour;
  await scene.clock.advance(away);
  await scene.start();
  await scene.settle(1_000);
  expect(scheduled()).toHaveLength(2);
  expect(scene.status().missedRuns).toMatchObject([{ reason: 'ControllerDown' }]);
  expect(scene.status().missedRuns?.[0]?.count).toBeGreaterThan(5_000_000);
});
