import { describe, expect, test } from 'vitest';
import { aBackup, aJob, aPod, complete, ended, jobFailed, anObserved } from '../../test/support/builders.ts';
import { annotations, labels, tasks } from '../api/names.ts';
import type { Neo4jBackupStatus } from '../api/neo4jbackup.ts';
import { parseRequest, requestVariable } from '../run/request.ts';
import { formatUpkeep, type UpkeepReport } from '../run/upkeep.ts';
import type { Observed } from './observe.ts';
import type { RunView } from './outcome.ts';
import type { Neo4jBackup } from './resources.ts';
import { policyHash } from './run.ts';
import { buildChore, choreName, type Chore } from './upkeep-job.ts';
import { dueChore, findings, tend } from './upkeep.ts';

const now = new Date('2026-01-05T12:00:00Z');
const verification = { schedule: '0 3 * * *' };
const retention = { keepLast: 2, mode: 'Enforce' } as const;
const policy = policyHash(retention);
const lastSuccessfulTime = '2026-01-05T11:00:00Z';
const today = new Date('2026-01-05T03:00:00.000Z');
const scrubToday: Chore = { task: 'scrub', nominal: today };
const prune: Chore = { task: 'prune', policy };

function withStatus(spec: object, status: Neo4jBackupStatus = {}): Neo4jBackup {
  return aBackup({ spec: { ...spec }, status });
}

function verifiedFor(scheduledTime: string, completionTime = scheduledTime): Neo4jBackupStatus {
  const said = { id: 'x', result: 'Succeeded', reason: 'Verified', message: 'All is well.' } as const;
  return { lastVerification: { ...said, scheduledTime, completionTime } };
}

function appliedBy(hash: string, startTime = '2025-12-31T11:00:00Z'): Neo4jBackupStatus {
  const counts = { kept: 2, condemned: 0, removed: 1 };
  const time = '2026-01-05T11:59:00Z'; // of a clock that is ahead
  return { lastSuccessfulTime, retention: { ...counts, time, startTime, mode: 'Enforce', policy: hash } };
}

describe('a verification is due', () => {
  const due = (status: Neo4jBackupStatus, at: Date = now): string | undefined => {
    const chore = dueChore(withStatus({ verification }, status), at);
    return chore?.task === 'scrub' ? chore.nominal.toISOString() : chore?.task;
  };
  const created = aBackup().metadata.creationTimestamp; // the first of January, midnight

  test('never at creation, and at the first moment after it', () => {
    expect(due({}, new Date(created))).toBeUndefined();
    expect(due({}, new Date('2026-01-01T02:59:59Z'))).toBeUndefined();
    expect(due({}, new Date('2026-01-01T03:00:00Z'))).toBe('2026-01-01T03:00:00.000Z');
  });

  test('once for however many moments have passed', () => {
    expect(due(verifiedFor('2026-01-02T03:00:00Z'))).toBe(today.toISOString());
    expect(due(verifiedFor(today.toISOString()))).toBeUndefined();
  });

  test('when a moment passed while the one before was still reading', () => {
    expect(due(verifiedFor('2026-01-04T03:00:00Z', '2026-01-05T04:00:00Z'))).toBe(today.toISOString());
  });

  test('not for a moment before the last one, when the schedule was edited', () => {
    const yearly = withStatus({ verification: { schedule: '@yearly' } }, verifiedFor('2026-01-04T03:00:00Z'));
    expect(dueChore(yearly, now)).toBeUndefined();
  });

  test('never where nobody asks for it', () => {
    expect(dueChore(aBackup(), now)).toBeUndefined();
  });
});

describe('the policy is applied', () => {
  const due = (status: Neo4jBackupStatus): boolean =>
    dueChore(withStatus({ retention }, status), now)?.task === 'prune';

  test.each([
    { name: 'when it is another one than was applied', status: appliedBy('another'), is: true },
    { name: 'when it came later than the backups', status: { lastSuccessfulTime }, is: true },
    { name: 'not when it was', status: appliedBy(policy), is: false },
    { name: 'not before there is a backup: that applies it', status: {}, is: false },
  ])('$name', ({ status, is }) => {
    expect(due(status)).toBe(is);
  });

  test('again when only the mode was edited', () => {
    const planned = policyHash({ ...retention, mode: 'Plan' });
    expect(due(appliedBy(planned))).toBe(true);
  });

  test('before anything is read', () => {
    const both = withStatus({ retention, verification }, appliedBy('another'));
    expect(dueChore(both, now)?.task).toBe('prune');
  });
});

function seeing(backup: Neo4jBackup, overrides: Partial<Observed> = {}): Observed {
  const crowd = { jobs: [], isFresh: true };
  return anObserved({ now, backup, crowd, ...overrides });
}

interface Ended {
  readonly says?: Partial<UpkeepReport>;
  readonly failed?: string;
  readonly raw?: string;
}

/** A Job that tends the volume: under way, or ended. */
function tending(chore: Chore, end?: Ended): RunView {
  const name = choreName(aBackup(), chore);
  const made = buildChore(aBackup(), chore, { agentImage: 'agent:1', now, terminalPods: [] });
  const conditions =
    end === undefined ? undefined : [end.failed === undefined ? complete : jobFailed(end.failed, end.failed)];
  const metadata = { name, labels: made.metadata?.labels, annotations: made.metadata?.annotations };
  const job = aJob({ metadata, ...(conditions === undefined ? {} : { conditions }) });
  const message = end?.says === undefined ? end?.raw : formatUpkeep(says(name, chore.task, end.says));
  const status = {
    phase: 'Succeeded',
    containerStatuses: [ended(chore.task, 0, message === undefined ? {} : { message })],
  };
  return { job, pods: [aPod({ job: name, status })] };
}

function says(id: string, task: Chore['task'], more: Partial<UpkeepReport>): UpkeepReport {
  const completionTime = '2026-01-05T11:30:00.000Z';
  const reason = task === 'scrub' ? 'Verified' : 'RetentionApplied';
  return { schemaVersion: 1, task, id, reason, message: 'Done.', completionTime, ...more };
}

test('a policy that is gone holds up no verification: its last Job is no news, and goes', () => {
  const said = {
    retention: { kept: 2, condemned: 0, removed: 1, time: '2026-01-05T11:30:00Z', mode: 'Enforce' },
  } as const;
  const last = tending(prune, { says: said });
  const seen = seeing(withStatus({ verification }, { lastSuccessfulTime }), { upkeeps: [last] });
  expect(findings(seen)).toEqual([]);
  const { actions } = tend(seen, { mayStart: true, mayStay: true, agentImage: 'agent:1' });
  expect(actions.map(({ kind, job }) => [kind, job.metadata?.labels?.[labels.task]])).toEqual([
    ['createJob', tasks.scrub],
    ['deleteJob', tasks.prune],
  ]);
});

describe('what a Job says that has ended', () => {
  const volume = { time: '2026-01-05T11:30:00Z', backupBytes: 10, points: 2 };
  const found = (view: RunView, spec: object, status?: Neo4jBackupStatus): object | undefined =>
    findings(seeing(withStatus(spec, status), { upkeeps: [view] }))[0];

  test('is told with the moment that it was made for', () => {
    const view = tending(scrubToday, {
      says: {
        volume,
        verification: {
          id: 'forged',
          result: 'Succeeded',
          reason: 'Verified',
          message: 'All of 2 restore points.',
          completionTime: '2020-01-01T00:00:00Z',
          points: 2,
        },
      },
    });
    expect(found(view, { verification })).toEqual({
      volume,
      verification: {
        id: choreName(aBackup(), scrubToday),
        result: 'Succeeded',
        reason: 'Verified',
        message: 'All of 2 restore points.',
        scheduledTime: '2026-01-05T03:00:00Z',
        completionTime: '2026-01-05T11:30:00.000Z',
        points: 2,
      },
    });
  });

  test('is a failure where something is damaged, whatever else it says', () => {
    const view = tending(scrubToday, {
      says: {
        reason: 'ArtifactCorrupt',
        verification: {
          id: 'x',
          result: 'Succeeded',
          reason: 'Verified',
          message: 'One is damaged.',
          completionTime: '2026-01-05T11:30:00.000Z',
          damaged: [{ point: 'p', file: 'a\u001b[31mb' }],
        },
      },
    });
    expect(found(view, { verification })).toMatchObject({
      verification: { result: 'Failed', reason: 'ArtifactCorrupt', damaged: [{ point: 'p', file: 'ab' }] },
    });
  });

  test.each([
    { name: 'a Job that failed', end: { failed: 'BackoffLimitExceeded' }, message: /BackoffLimitExceeded/ },
    { name: 'half a line', end: { raw: '{"schemaVersion":1' }, message: /none of its Pods said/ },
    { name: 'a report of another Job', end: { says: { id: 'other' } }, message: /none of its Pods said/ },
  ])('is UpkeepFailed for $name', ({ end, message }) => {
    const { verification: told } = found(tending(scrubToday, end), { verification }) as {
      verification: { message: string };
    };
    expect(told).toMatchObject({ result: 'Failed', reason: 'UpkeepFailed' });
    expect(told.message).toMatch(message);
  });

  test('is not believed of another container', () => {
    const view = tending(scrubToday, { says: {} });
    const message = formatUpkeep(says(view.job.metadata.name, 'scrub', {}));
    const status = { phase: 'Succeeded', containerStatuses: [ended('engine', 0, { message })] };
    const pods = [aPod({ job: view.job.metadata.name, status })];
    expect(found({ ...view, pods }, { verification })).toMatchObject({
      verification: { reason: 'UpkeepFailed' },
    });
  });

  test('is told of a policy with the hash of the one that was applied', () => {
    const applied = { time: volume.time, mode: 'Enforce', kept: 2, condemned: 0, removed: 3 } as const;
    const view = tending(prune, { says: { retention: applied } });
    expect(found(view, { retention }, appliedBy('another'))).toEqual({
      volume: undefined,
      retention: { ...applied, policy, startTime: '2026-01-01T00:00:00Z' },
    });
  });

  test('of a policy that could not be applied keeps what was, and says why', () => {
    const before = appliedBy('another');
    expect(found(tending(prune, { failed: 'DeadlineExceeded' }), { retention }, before)).toEqual({
      volume: undefined,
      retention: {
        ...before.retention,
        time: '2026-01-01T00:05:00Z',
        startTime: '2026-01-01T00:00:00Z',
        policy,
        removed: 0,
        blockedBecause: 'UpkeepFailed',
      },
    });
    const busy = tending(prune, { says: { reason: 'DestinationBusy' } });
    expect(found(busy, { retention }, before)).toMatchObject({
      retention: { blockedBecause: 'DestinationBusy', policy },
    });
  });

  test('is no news once it is in status', () => {
    const scrubbed = tending(scrubToday, { says: {} });
    expect(found(scrubbed, { verification }, verifiedFor(today.toISOString()))).toBeUndefined();
    const view = tending(prune, { failed: 'DeadlineExceeded' });
    expect(found(view, { retention }, appliedBy(policy, '2026-01-01T00:00:00Z'))).toBeUndefined();
    expect(found(view, { retention }, appliedBy('another', '2026-01-01T00:00:01Z'))).toBeUndefined();
  });
});

describe('the Jobs', () => {
  const free = { mayStart: true, mayStay: true, agentImage: 'agent:1' };
  const busy = { ...free, mayStart: false, mayStay: false };
  const backup = withStatus({ verification });
  const names = (seen: Observed, room = free): readonly string[] =>
    tend(seen, room).actions.map(({ kind, job }) => `${kind} ${job.metadata?.name}`);
  const scrubName = choreName(backup, scrubToday);

  test('start when nothing else is to be done, and are waited for', () => {
    expect(names(seeing(backup))).toEqual([`createJob ${scrubName}`]);
    const active = seeing(backup, { upkeeps: [tending(scrubToday)] });
    expect(names(active)).toEqual([]);
    expect(tend(active, free).job?.metadata.name).toBe(scrubName);
  });

  test('make room for a backup, and start again under the same name', () => {
    const active = seeing(backup, { upkeeps: [tending(scrubToday)] });
    expect(names(active, busy)).toEqual([`deleteJob ${scrubName}`]);
    expect(names(seeing(backup), busy)).toEqual([]);
    expect(names(seeing(backup))).toEqual([`createJob ${scrubName}`]);
  });

  test('do not start where others use the claim, or wait for it, and look again', () => {
    const crowd = { jobs: [aJob({ metadata: { name: 'other' } })], isFresh: true };
    expect(tend(seeing(backup, { crowd }), free)).toEqual({ actions: [], delayMs: 60_000 });
    const place = { kind: 'claim', key: 'claim shop/backups', name: 'backups', room: 1 } as const;
    const hold = { place, users: [] };
    expect(tend(seeing(backup, { crowd: { jobs: [], isFresh: true }, hold }), free)).toEqual({
      actions: [],
      delayMs: 60_000,
    });
  });

  test('are looked for when the next moment comes', () => {
    const done = withStatus({ verification }, verifiedFor(today.toISOString()));
    const late = { ...seeing(done), now: new Date('2026-01-06T02:30:00Z') };
    expect(tend(late, free)).toEqual({ actions: [], delayMs: 30 * 60_000 });
    expect(tend(seeing(done), free).delayMs).toBe(6 * 3_600_000);
  });

  test('that nobody asks for any more are removed', () => {
    const none = seeing(aBackup(), { upkeeps: [tending(scrubToday)] });
    expect(names(none)).toEqual([`deleteJob ${scrubName}`]);
    const edited = withStatus({ retention: { keepLast: 9 } }, appliedBy('another'));
    expect(names(seeing(edited, { upkeeps: [tending(prune)] }))).toEqual([
      `deleteJob ${choreName(edited, prune)}`,
    ]);
  });

  test('that are told of stay, the newest of each, until their name is wanted again', () => {
    const told = withStatus({ retention }, appliedBy(policy, '2026-01-01T00:00:00Z'));
    const ofPast = tending(prune, { says: {} });
    expect(names(seeing(told, { upkeeps: [ofPast] }))).toEqual([]);
    // Another policy was applied since then, and this one is back.
    const back = withStatus({ retention }, appliedBy('another', '2026-01-05T11:45:00Z'));
    expect(names(seeing(back, { upkeeps: [ofPast] }))).toEqual([`deleteJob ${choreName(back, prune)}`]);
    expect(names(seeing(back))).toEqual([`createJob ${choreName(back, prune)}`]);
    const yesterday: Chore = { task: 'scrub', nominal: new Date('2026-01-04T03:00:00Z') };
    const both = [tending(yesterday, { says: {} }), tending(scrubToday, { says: {} })];
    const verified = withStatus({ verification }, verifiedFor(today.toISOString()));
    expect(names(seeing(verified, { upkeeps: both }))).toEqual([
      `deleteJob ${choreName(verified, yesterday)}`,
    ]);
  });

  test('that have ended stay until they are told of', () => {
    const seen = seeing(withStatus({ retention }, appliedBy('another')), {
      upkeeps: [tending(prune, { says: { completionTime: '2026-01-05T11:50:00.000Z' } })],
    });
    expect(names(seen)).toEqual([]);
  });

  test('write to the volume, ask for little, and have no priority', () => {
    const job = { priorityClassName: 'high', activeDeadlineSeconds: 3600 };
    const rich = withStatus({ verification, retention, job });
    const made = buildChore(rich, scrubToday, { agentImage: 'agent:1', now, terminalPods: ['dead'] });
    const pod = made.spec?.template.spec;
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      containers: [
        {
          name: 'scrub',
          args: ['scrub'],
          volumeMounts: [{ mountPath: '/backup' }],
          resources: { limits: { memory: '256Mi' } },
        },
      ],
    });
    expect(pod?.containers[0]?.volumeMounts?.[0]).not.toHaveProperty('readOnly');
    expect(pod).not.toHaveProperty('priorityClassName');
    expect(pod).not.toHaveProperty('initContainers');
    const request = parseRequest(
      pod?.containers[0]?.env?.find(({ name }) => name === requestVariable)?.value ?? '',
    );
    expect(request).toMatchObject({
      run: scrubName,
      createdTime: today.toISOString(),
      retention,
      terminalPods: ['dead'],
    });
    expect(made.metadata).toMatchObject({
      labels: { [labels.task]: tasks.scrub },
      annotations: { [annotations.scheduledTime]: today.toISOString() },
    });
    expect(made.spec).toMatchObject({ backoffLimit: 1, ttlSecondsAfterFinished: 604_800, parallelism: 1 });
  });
});
