// Schedules, on a clock that nobody can set: one of every minute runs beside the stories of failures, and loses its operator
// when they are over.
import { describe, expect, test } from 'vitest';
import { annotations, wishes } from '../../src/api/names.ts';
import type { MissedRuns, Neo4jBackupStatus, RunStatus } from '../../src/api/neo4jbackup.ts';
import type { Neo4jBackup } from '../../src/backup/resources.ts';
import { causeOf, runName } from '../../src/backup/run.ts';
import { instant } from '../../src/backup/timing.ts';
import { kill, pidsWithArgument } from '../../tools/cluster/processes.ts';
import { release } from '../../tools/playground.ts';
import { aBackup, aClaim, edit, on, statusOf, statusWhere } from './world.ts';

const minuteMs = 60_000;
const everyMinute = '* * * * *';
const name = 'every-minute';

/** So many minutes after the one in which it was created is a full backup due. */
const fullAfter = 4;

/** For so many minutes nobody is there. The last of them is caught up with. */
const minutesAway = 3;

/** Nothing goes wrong here: there is no time for a check by Neo4j that others have already seen. */
const quick = { schedule: everyMinute, consistencyCheck: 'Never' };

/** The first whole minute after this time. */
function minuteAfter(ms: number): number {
  return Math.floor(ms / minuteMs) * minuteMs + minuteMs;
}

/** How many whole minutes there are from this one to that time. */
function minutesTo(firstMs: number, ms: number): number {
  return (minuteAfter(ms) - firstMs) / minuteMs;
}

function timeOf(text: string | undefined): number {
  return Date.parse(text ?? '');
}

async function resource(of: string): Promise<Neo4jBackup> {
  return (await on().get('neo4jbackup', of)) as unknown as Neo4jBackup;
}

/** The first minute of a resource that was created with its schedule. */
async function firstMinute(of: string): Promise<number> {
  return minuteAfter(timeOf((await resource(of)).metadata.creationTimestamp));
}

/** Every run that there is or was, oldest first. */
function runsOf({
  history = [],
  currentRun,
}: Neo4jBackupStatus): readonly Pick<
  RunStatus,
  'id' | 'scheduledTime' | 'startTime' | 'annotationTriggerID'
>[] {
  return [...history.toReversed(), ...(currentRun === undefined ? [] : [currentRun])];
}

/** The minutes that had their run, oldest first. */
function minutesOf(status: Neo4jBackupStatus): readonly string[] {
  return runsOf(status).flatMap(({ scheduledTime }) => scheduledTime ?? []);
}

function missed({ missedRuns = [] }: Neo4jBackupStatus, reason: MissedRuns['reason']): number {
  return missedRuns.filter((range) => range.reason === reason).reduce((sum, { count }) => sum + count, 0);
}

/** What takes minutes of a schedule. */
function statusWithin(
  of: string,
  what: string,
  holds: (status: Neo4jBackupStatus) => boolean,
): Promise<Neo4jBackupStatus> {
  return statusWhere(of, what, holds, 330);
}

/** The Jobs of runs that the API server ever made for this resource, in their order. */
function jobsEverMade(of: string): readonly string[] {
  return on()
    .cluster.auditLog()
    .filter(({ verb, resource: kind, code }) => verb === 'create' && kind === 'jobs' && code === 201)
    .flatMap(({ name: job = '' }) => (/^(.+)-[0-9a-f]{10}$/.exec(job)?.[1] === of ? [job] : []));
}

/** The Jobs that are left: their names, and the minute each says that it is for. */
async function jobsLeft(of: string): Promise<ReadonlyMap<string, string | undefined>> {
  const selector = `neo4j-backup.dev/backup=${of},!neo4j-backup.dev/task`;
  const text = await on().kubectl(['get', 'jobs', '-l', selector, '-o', 'json']);
  const { items } = JSON.parse(text) as {
    readonly items: readonly {
      readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
    }[];
  };
  return new Map(
    items.map(({ metadata }) => [metadata.name, metadata.annotations?.[annotations.scheduledTime]]),
  );
}

/** Each minute had one run at most, whose name follows from it: there cannot be another Job for it. */
async function expectOneJobEach(of: string): Promise<void> {
  const backup = await resource(of);
  const runs = runsOf(backup.status ?? {});
  const made = jobsEverMade(of);
  expect(made).toEqual([...new Set(made)]);
  expect(made.slice(0, runs.length)).toEqual(runs.map(({ id }) => id));
  expect(runs.map(({ id }) => id)).toEqual(runs.map((run) => runName(backup, causeOf(run))));
}

// --- the operator

const ofRelease = ['--namespace', release.namespace];

/** Ends the operator without a chance to say anything, and keeps it away. */
async function killOperator(): Promise<void> {
  const pids = pidsWithArgument('/app/main.js');
  for (const pid of pids) process.kill(pid, 'SIGSTOP'); // it would write what it knows when it is asked to go
  await on().kubectl([...ofRelease, 'scale', `deployment/${release.name}`, '--replicas=0']);
  await on().until('the Pod of the operator on its way out', async () => {
    const pods = await on().kubectl([...ofRelease, 'get', 'pods', '-o', 'json']);
    const { items } = JSON.parse(pods) as {
      readonly items: readonly { readonly metadata: { readonly deletionTimestamp?: string } }[];
    };
    return items.every(({ metadata }) => metadata.deletionTimestamp !== undefined) ? true : undefined;
  });
  kill(pids);
  await on().scaleOperator(0); // waits until it is gone
}

/** Nothing is under way, and nothing will be for some seconds. */
function quiet(of: string): Promise<Neo4jBackupStatus> {
  return statusWithin(of, 'a quiet moment', ({ currentRun, lastRun }) => {
    const now = Date.now();
    const [since, left] = [now % minuteMs, minuteAfter(now) - now];
    return currentRun === undefined && lastRun !== undefined && since > 3_000 && left > 5_000;
  });
}

// --- the stories

/** People see when the last run was and when the next one will be. */
async function isShown(): Promise<void> {
  const { history = [], lastScheduleTime, nextScheduleTime } = await quiet(name);
  const [newest] = history;
  expect(lastScheduleTime).toBe(newest?.scheduledTime);
  expect(timeOf(nextScheduleTime)).toBe(minuteAfter(Date.now()));
  expect((await jobsLeft(name)).get(newest?.id ?? '')).toBe(newest?.scheduledTime);

  const path = '{.spec.schedule}|{.status.nextScheduleTime}|{.status.lastScheduleTime}';
  const shown = ['neo4jbackups.neo4j-backup.dev', name];
  expect(await on().kubectl(['get', ...shown, '-o', `jsonpath=${path}`])).toBe(
    [everyMinute, nextScheduleTime, lastScheduleTime].join('|'),
  );
  const described = await on().kubectl(['describe', ...shown]);
  expect(described).toMatch(/^ +Schedule: +\* \* \* \* \*$/m);
  expect(described).toMatch(new RegExp(`^ +Next Schedule Time: +${nextScheduleTime}$`, 'm'));
  expect(described).toMatch(new RegExp(`^ +Last Schedule Time: +${lastScheduleTime}$`, 'm'));
}

export function scheduleOfEveryMinute(): void {
  describe.concurrent('a schedule of every minute', () => {
    test('has one run for each of them: a full one, increments, and a full one when it is due', async () => {
      const minute = new Date().getUTCMinutes();
      await on().apply(
        aClaim(name),
        aBackup(name, { ...quick, fullSchedule: `${(minute + fullAfter) % 60} * * * *` }, name),
      );
      const { nextScheduleTime } = await statusWithin(
        name,
        'next run',
        (status) => 'nextScheduleTime' in status,
      );
      const first = await firstMinute(name);
      expect(timeOf(nextScheduleTime) % minuteMs).toBe(0);
      expect(timeOf(nextScheduleTime)).toBeGreaterThanOrEqual(first);

      const isRequested = ({ requestedType }: RunStatus): boolean => requestedType === 'Full';
      const status = await statusWithin(name, 'the full backup', ({ history = [] }) =>
        history.some(isRequested),
      );

      const { history = [], missedRuns = [] } = status;
      const minutes = minutesOf(status);
      expect(minutes).toEqual([...new Set(minutes)].toSorted());
      expect(minutes[0]).toBe(instant(first));
      // On a machine with much else to do a run may outlast its minute. That is told of.
      expect(
        missedRuns.map(({ reason }) => reason).filter((reason) => reason !== 'PreviousRunActive'),
      ).toEqual([]);
      expect(minutes.length + missed(status, 'PreviousRunActive')).toBe(
        minutesTo(first, timeOf(status.accountedThrough)),
      );
      expect(minutes.length).toBeGreaterThanOrEqual(3);

      const [blank, ...others] = history.toReversed();
      expect(blank).toMatchObject({ requestedType: 'Auto', type: 'Full', fullBecause: 'DestinationBlank' });
      const asked = others.filter(isRequested);
      expect(asked).toMatchObject([{ type: 'Full', fullBecause: 'Requested' }]);
      expect(timeOf(asked[0]?.scheduledTime)).toBeGreaterThanOrEqual(first + (fullAfter - 1) * minuteMs);
      const increments = others.filter((run) => !isRequested(run));
      expect(increments.length).toBeGreaterThan(0);
      expect(new Set(increments.map(({ type }) => type))).toEqual(new Set(['Incremental']));
      expect(new Set(history.map(({ result }) => result))).toEqual(new Set(['Succeeded']));
      for (const { scheduledTime, startTime } of history) {
        const late = timeOf(startTime) - timeOf(scheduledTime);
        expect(late).toBeGreaterThanOrEqual(0);
        expect(late).toBeLessThan(minuteMs / 2);
      }
      await expectOneJobEach(name);

      await isShown();
      await edit(name, { suspend: true }); // until it goes on
    });
  });
}

export function suspendedSchedules(): void {
  describe.concurrent('schedules that are suspended', () => {
    test('start nothing, then or when they are not any more; an annotation starts a run', async () => {
      await on().apply(aClaim('paused'), aBackup('paused', { ...quick, suspend: true }, 'paused'));
      const first = await firstMinute('paused');
      const before = await on().until(
        'the minute after that of creation',
        async () => (Date.now() > first + 5_000 ? await statusOf('paused') : undefined),
        120,
      );
      expect([before.phase, before.nextScheduleTime]).toEqual(['Suspended', undefined]);
      expect(runsOf(before)).toEqual([]);
      expect(jobsEverMade('paused')).toEqual([]);

      await on().kubectl(['annotate', 'neo4jbackup', 'paused', `${wishes.runNow}=by-hand`]);
      const { lastRun } = await statusWithin('paused', 'the end of a run', (status) => 'lastRun' in status);
      expect(lastRun).toMatchObject({ annotationTriggerID: 'by-hand', reason: 'FullBackupTaken' });
      expect(lastRun).not.toHaveProperty('scheduledTime');

      await edit('paused', { suspend: false });
      const resumed = await statusWithin('paused', 'the end', (status) => !('suspendedSince' in status));
      const over = timeOf(resumed.missedRuns?.[0]?.lastTime);
      expect(resumed.missedRuns).toEqual([
        {
          reason: 'Suspended',
          firstTime: instant(first),
          lastTime: instant(over),
          count: minutesTo(first, over),
        },
      ]);
      const after = await statusWithin(
        'paused',
        'a run by schedule',
        (status) => minutesOf(status).length > 0,
      );
      expect(minutesOf(after)).toEqual([instant(over + minuteMs)]);
      expect(timeOf(runsOf(after).at(-1)?.startTime)).toBeGreaterThanOrEqual(over + minuteMs);
      expect(after.lastAnnotationTriggerID).toBe('by-hand');
      await expectOneJobEach('paused');
      await on().kubectl(['delete', 'neo4jbackup', 'paused', '--wait=false']);
    });
  });
}

export function schedulesGoOn(): void {
  describe('a schedule of every minute whose operator is killed', () => {
    test('has one run for all the minutes in which nobody was there, and tells of the others', async () => {
      const ended = runsOf(await statusOf(name)).length;
      await edit(name, { suspend: false });
      await statusWithin(name, 'runs again', (status) => runsOf(status).length > ended);
      await quiet(name);
      await killOperator();
      const before = await statusOf(name);
      const made = jobsEverMade(name);
      expect(made).toHaveLength(runsOf(before).length);
      const first = minuteAfter(timeOf(before.accountedThrough));
      const last = first + (minutesAway - 1) * minuteMs;
      await on().until('the last minute', async () => (Date.now() > last + 1_000 ? true : undefined), 240);
      expect(jobsEverMade(name)).toEqual(made);

      await on().scaleOperator(1);
      const after = await statusWithin(
        name,
        'a run after that',
        ({ history = [] }) => history.length > made.length,
      );

      const caughtUp = after.history?.at(-1 - made.length);
      const caught = timeOf(caughtUp?.scheduledTime);
      expect(caughtUp).toMatchObject({ result: 'Succeeded', type: 'Incremental' });
      expect(caught).toBeGreaterThanOrEqual(last);
      expect(after.missedRuns?.[0]).toEqual({
        reason: 'ControllerDown',
        firstTime: instant(first),
        lastTime: instant(caught - minuteMs),
        count: minutesTo(first, caught - minuteMs),
      });
      expect(missed(after, 'ControllerDown')).toBe(minutesTo(first, caught - minuteMs));
      expect(minutesOf(after).slice(made.length, made.length + 1)).toEqual([instant(caught)]);
      await expectOneJobEach(name);
      await on().kubectl(['delete', 'neo4jbackup', name, '--wait=false']);
    });
  });
}
