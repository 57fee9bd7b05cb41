import { describe, expect, test } from 'vitest';
import { aBackup, aJob, aReport, aRun, anObserved } from '../../test/support/builders.ts';
import { Neo4jBackupStatus, type RunStatus } from '../api/neo4jbackup.ts';
import { formatReport, parseReport, type RunReport } from '../run/report.ts';
import type { ActOutcome } from './act.ts';
import type { Decision, Standing } from './decide.ts';
import { currentRunOf } from './outcome.ts';
import { announcements, nextStatus } from './status.ts';
import type { Finding } from './upkeep.ts';

const now = new Date('2026-01-01T00:10:00.500Z');
const done: ActOutcome = { kind: 'done' };
const run = currentRunOf(aJob({ triggerID: 'first' }));
const failure = aRun({ id: 'orders-2', result: 'Failed', reason: 'PortUnreachable', message: 'Refused.' });

interface Pass {
  readonly standing?: Standing;
  readonly before?: Neo4jBackupStatus;
  readonly ended?: readonly RunStatus[];
  readonly inspecting?: readonly RunStatus[];
  readonly findings?: readonly Finding[];
  readonly outcome?: ActOutcome;
  readonly at?: Date;
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** The status that a pass writes; it always fits the schema, or the API server would refuse it. */
function after({
  standing = { kind: 'idle' },
  before,
  ended = [],
  inspecting = [],
  findings = [],
  outcome = done,
  at = now,
  spec = {},
}: Pass): Neo4jBackupStatus {
  const backup = aBackup({
    metadata: { generation: 3 },
    spec,
    ...(before === undefined ? {} : { status: before }),
  });
  const seen = anObserved({ now: at, backup });
  const decision: Decision = {
    standing,
    ended,
    inspecting,
    taken: [...ended, ...inspecting],
    findings,
    actions: [],
    next: { kind: 'onChange' },
  };
  const status = nextStatus(seen, decision, outcome);
  expect(Neo4jBackupStatus.parse(status)).toEqual(status);
  return status;
}

function conditionsOf({ conditions = [] }: Neo4jBackupStatus): Record<string, string> {
  return Object.fromEntries(conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]));
}

describe('the conditions', () => {
  interface Case {
    readonly name: string;
    readonly pass: Pass;
    readonly ready: string;
    readonly reconciling: string;
    readonly stalled: string;
    readonly phase: Neo4jBackupStatus['phase'];
    readonly lastRun?: string;
  }
  const waiting: Standing = { kind: 'waiting', reason: 'ClaimNotFound', detail: 'No claim' };
  const cases: readonly Case[] = [
    {
      name: 'of rest before any run',
      pass: {},
      ready: 'True Accepted',
      reconciling: 'False Idle',
      stalled: 'False Accepted',
      phase: 'Pending',
    },
    {
      name: 'of rest after a success',
      pass: { ended: [aRun()] },
      ready: 'True Accepted',
      reconciling: 'False Idle',
      stalled: 'False Accepted',
      phase: 'Succeeded',
      lastRun: 'True FullBackupTaken',
    },
    {
      name: 'of rest after a failure: the wish is as good as before',
      pass: { ended: [failure] },
      ready: 'True Accepted',
      reconciling: 'False Idle',
      stalled: 'False Accepted',
      phase: 'Failed',
      lastRun: 'False PortUnreachable',
    },
    {
      name: 'of a run',
      pass: { standing: { kind: 'running', run } },
      ready: 'True Accepted',
      reconciling: 'True Running',
      stalled: 'False Accepted',
      phase: 'Running',
    },
    {
      name: 'of a run that was just made',
      pass: { standing: { kind: 'starting' }, outcome: { kind: 'done', created: aJob() } },
      ready: 'True Accepted',
      reconciling: 'True Running',
      stalled: 'False Accepted',
      phase: 'Running',
    },
    {
      name: 'of a run that was made though something after it failed',
      pass: {
        standing: { kind: 'starting' },
        outcome: { kind: 'failed', error: new Error('no'), created: aJob() },
      },
      ready: 'True Accepted',
      reconciling: 'True Running',
      stalled: 'False Accepted',
      phase: 'Running',
    },
    {
      name: 'of a run that could not be made yet',
      pass: { standing: { kind: 'starting' }, outcome: { kind: 'failed', error: new Error('no') } },
      ready: 'True Accepted',
      reconciling: 'True Queued',
      stalled: 'False Accepted',
      phase: 'Pending',
    },
    {
      name: 'of a run that waits for an image',
      pass: {
        standing: { kind: 'running', run, obstacle: { reason: 'ImagePullFailed', detail: 'No image' } },
      },
      ready: 'False ImagePullFailed',
      reconciling: 'True Running',
      stalled: 'False Accepted',
      phase: 'Running',
    },
    {
      name: 'of a run that waits for its turn',
      pass: { standing: { kind: 'queued', detail: 'It waits for the Job others-1' } },
      ready: 'True Accepted',
      reconciling: 'True Queued',
      stalled: 'False Accepted',
      phase: 'Pending',
    },
    {
      name: 'of rest while the volume is tended',
      pass: { standing: { kind: 'idle', tending: aJob() } },
      ready: 'True Accepted',
      reconciling: 'False Idle',
      stalled: 'False Accepted',
      phase: 'Pending',
    },
    {
      name: 'of a wait',
      pass: { standing: waiting, before: { lastRun: aRun() } },
      ready: 'False ClaimNotFound',
      reconciling: 'True ClaimNotFound',
      stalled: 'False Accepted',
      phase: 'Pending',
      lastRun: 'True FullBackupTaken',
    },
    {
      name: 'of a Job that the API server refused',
      pass: {
        standing: { kind: 'starting' },
        outcome: { kind: 'refused', reason: 'JobRejected', detail: 'exceeded quota' },
      },
      ready: 'False JobRejected',
      reconciling: 'True JobRejected',
      stalled: 'False Accepted',
      phase: 'Pending',
    },
    {
      name: 'of what only an edit can mend',
      pass: { standing: { kind: 'stalled', reason: 'HostNotAllowed', detail: 'evil' } },
      ready: 'False HostNotAllowed',
      reconciling: 'False Idle',
      stalled: 'True HostNotAllowed',
      phase: 'Stalled',
    },
  ];
  test.for(cases)('$name', ({ pass, ready, reconciling, stalled, phase, lastRun = 'Unknown NoRunYet' }) => {
    const status = after(pass);
    expect(conditionsOf(status)).toEqual({
      Ready: ready,
      Reconciling: reconciling,
      Stalled: stalled,
      LastRunSucceeded: lastRun,
    });
    expect(status).toMatchObject({ phase, observedGeneration: 3 });
    expect(status.conditions?.every(({ observedGeneration }) => observedGeneration === 3)).toBe(true);
  });

  test('change their time when their status changes, and only then', () => {
    const times = ({ conditions = [] }: Neo4jBackupStatus): readonly string[] =>
      conditions.map(({ lastTransitionTime }) => lastTransitionTime);
    const before = after({ standing: waiting });
    const other: Standing = { kind: 'waiting', reason: 'ServiceNotFound', detail: 'No Service' };
    const at = new Date('2026-01-01T00:20:00Z');
    expect(times(before)).toEqual(Array(4).fill('2026-01-01T00:10:00Z'));
    expect(times(after({ standing: other, before, at }))).toEqual(times(before));
    expect(times(after({ before, at }))).toEqual([
      '2026-01-01T00:20:00Z',
      '2026-01-01T00:20:00Z',
      '2026-01-01T00:10:00Z',
      '2026-01-01T00:10:00Z',
    ]);
  });

  test('of a pass that saw nothing new are the same, whenever it was', () => {
    const pass = { standing: { kind: 'running', run } } as const;
    const before = after({ ...pass, ended: [aRun(), failure] });
    expect(after({ ...pass, before, at: new Date('2027-01-01T00:00:00Z') })).toEqual(before);
  });
});

describe('what is known of the volume', () => {
  const verification = {
    id: 'orders-scrub-1',
    result: 'Succeeded',
    reason: 'Verified',
    message: 'All of 2 restore points were read.',
    scheduledTime: '2026-01-01T00:00:00Z',
    completionTime: '2026-01-01T00:05:00Z',
  } as const;
  const damaged = {
    ...verification,
    id: 'orders-scrub-2',
    result: 'Failed' as const,
    reason: 'ArtifactCorrupt',
    message: 'The file data/neostore of the point p is damaged.',
    damaged: [{ point: 'p', file: 'data/neostore' }],
  } satisfies Finding['verification'];
  const retention = (time: string, removed = 1): NonNullable<Finding['retention']> => ({
    time,
    mode: 'Enforce',
    kept: 3,
    condemned: 0,
    removed,
  });
  const volume = (time: string): NonNullable<Finding['volume']> => ({ time, backupBytes: 1, points: 1 });
  const verified = (status: Neo4jBackupStatus): string | undefined =>
    conditionsOf(status)['LastVerificationSucceeded'];
  const asked = { verification: { schedule: '@daily' } };
  const policy = { retention: { keepLast: 3 } };

  test('has a condition of its own where verification is asked for, or was', () => {
    expect(verified(after({}))).toBeUndefined();
    expect(verified(after({ spec: asked }))).toBe('Unknown NoVerificationYet');
    const good = after({ spec: asked, findings: [{ verification }] });
    expect(verified(good)).toBe('True Verified');
    const bad = after({ spec: asked, before: good, findings: [{ verification: damaged }] });
    expect(verified(bad)).toBe('False ArtifactCorrupt');
    expect(conditionsOf(bad)).toMatchObject({ Ready: 'True Accepted', Stalled: 'False Accepted' });
    expect(verified(after({ before: bad }))).toBe('False ArtifactCorrupt');
    expect(bad.lastVerification?.damaged).toEqual(damaged.damaged);
  });

  test('is what was told last, whatever the clocks of the nodes say', () => {
    const [one, other] = ['2026-01-01T00:03:00Z', '2026-01-01T00:01:00Z'];
    const findings = [one, other].map((time) => ({ volume: volume(time), retention: retention(time) }));
    const status = after({ spec: policy, findings });
    expect(status).toMatchObject({ volume: { time: other }, retention: { time: other } });
    const before = after({ spec: policy, before: status, findings: [{ volume: volume(one) }] });
    expect(before).toMatchObject({ volume: { time: one }, retention: { time: other } });
    expect(after({ spec: policy, before })).toEqual(before);
  });

  test('of the volume is what the Job did that was made last, in whatever order they are told', () => {
    const madeAt = (startTime: string, removed: number): Finding => ({
      retention: { ...retention('2026-01-01T00:02:00Z', removed), startTime },
    });
    const [older, newer] = [madeAt('2026-01-01T00:00:00Z', 1), madeAt('2026-01-01T00:01:00Z', 2)];
    for (const findings of [
      [older, newer],
      [newer, older],
    ])
      expect(after({ spec: policy, findings }).retention?.removed).toBe(2);
  });

  test('says nothing of a policy that is gone', () => {
    const findings = [{ retention: retention('2026-01-01T00:02:00Z') }];
    expect(after({ findings }).retention).toBeUndefined();
    const before = after({ spec: policy, findings });
    expect(before.retention?.kept).toBe(3);
    expect(after({ before }).retention).toBeUndefined();
  });

  test('is announced where it is bad, once', () => {
    const good = after({ spec: asked, findings: [{ verification }] });
    const bad = after({ spec: asked, before: good, findings: [{ verification: damaged }] });
    expect(announcements(undefined, good)).toEqual([]);
    expect(announcements(good, bad)).toEqual([
      { type: 'Warning', reason: 'ArtifactCorrupt', note: `orders-scrub-2: ${damaged.message}` },
    ]);
    expect(announcements(bad, bad)).toEqual([]);
  });

  test('announces a policy that could not be applied, once', () => {
    const fails = (time: string): Finding => ({
      retention: { ...retention(time), blockedBecause: 'UpkeepFailed' },
    });
    const before = after({ spec: policy, findings: [{ retention: retention('2026-01-01T00:02:00Z') }] });
    const failed = after({ spec: policy, before, findings: [fails('2026-01-01T00:03:00Z')] });
    const again = after({ spec: policy, before: failed, findings: [fails('2026-01-01T00:04:00Z')] });
    expect(announcements(before, failed)).toMatchObject([{ type: 'Warning', reason: 'UpkeepFailed' }]);
    expect(announcements(failed, again)).toEqual([]);
  });
});

describe('the record of runs', () => {
  test('remembers the newest of each kind', () => {
    const incremental = aRun({
      id: 'orders-3',
      type: 'Incremental',
      reason: 'IncrementalBackupTaken',
      completionTime: '2026-01-01T00:06:00Z',
      triggerID: 'third',
    });
    const first = after({ ended: [aRun({ triggerID: 'first' })] });
    const status = after({ before: first, ended: [failure, incremental] });
    expect(status).toMatchObject({
      lastRun: { id: 'orders-3' },
      lastFull: { id: 'orders-1' },
      lastIncremental: { id: 'orders-3' },
      lastFailure: { id: 'orders-2' },
      lastSuccessfulTime: '2026-01-01T00:06:00Z',
      lastTriggerID: 'third',
      history: [{ id: 'orders-3' }, { id: 'orders-2' }, { id: 'orders-1' }],
    });
  });

  test('tells what the newest backup holds, also an inconsistent one, and keeps that after a failure', () => {
    const facts = { path: 'orders/points/a/a', storeID: '1a2b', lastTransactionID: '4711' };
    const before = after({ ended: [aRun({ ...facts, result: 'Failed', reason: 'Inconsistent' })] });
    expect(after({ before, ended: [failure] }).databases).toEqual([
      { name: 'graph.db', storeID: '1a2b', lastTransactionID: '4711' },
    ]);
  });

  const hostile: readonly { readonly name: string; readonly character: string }[] = [
    { name: 'letters', character: 'x' },
    { name: 'emoji', character: '💾' },
    { name: 'quotes', character: '"' },
    { name: 'characters of three bytes', character: '\u4e00' },
    { name: 'accents on accents', character: '\u0301' },
  ];
  test.for(hostile)('stays small with messages of nothing but $name', ({ character }) => {
    const spec = { retention: { keepLast: 3 }, verification: { schedule: '@daily' } };
    let status: Neo4jBackupStatus = {};
    for (let index = 0; index < 32; index += 1) {
      const { message } = reportOf(index, `a${character.repeat(700)}`);
      const obstacle = { reason: 'ImagePullFailed', detail: message.slice(0, 300) } as const;
      const standing: Standing = { kind: 'running', run, obstacle };
      const ended = [hostileRun(index, message)];
      status = after({ before: status, standing, ended, findings: [hostileFinding(character)], spec });
    }
    const { history = [], lastIncremental, lastFailure } = status;
    expect(history).toHaveLength(20);
    expect(history.every(({ message }) => message.isWellFormed())).toBe(true);
    expect(lastIncremental?.message.length).toBeGreaterThan(50);
    expect(lastFailure?.message.length).toBeGreaterThan(50);
    expect(Buffer.byteLength(JSON.stringify(status))).toBeLessThanOrEqual(16 * 1024);
  });
});

test('stays small with schedules as long as they may be, too', () => {
  const windows = Array.from({ length: 16 }, (_, n) => ({
    schedule: `${Array.from({ length: 30 }, (__, i) => i + n).join()} 1 1 1 1`.slice(-100),
    duration: '59999m',
  }));
  const spec = {
    retention: { keepLast: 3 },
    verification: { schedule: '@daily' },
    objectives: { maxDataLossSeconds: 3_600 },
    schedule: '0 * * * *',
    timeZone: 'America/Argentina/ComodRivadavia',
    spread: '59999m',
    blackoutWindows: windows,
  };
  const time = '2026-01-01T00:00:00Z';
  const range = { reason: 'PreviousRunActive', firstTime: time, lastTime: time, count: 1_000_000 } as const;
  let status: Neo4jBackupStatus = {};
  for (let index = 0; index < 32; index += 1) {
    const { message } = reportOf(index, '"'.repeat(700));
    const before = { ...status, missedRuns: Array.from({ length: 10 }, () => range) };
    const ended = [hostileRun(index, message)];
    status = after({ before, standing: { kind: 'idle' }, ended, findings: [hostileFinding('"')], spec });
  }
  expect(status.observedTiming?.blackoutWindows).toEqual(windows);
  expect(status.missedRuns?.length).toBeGreaterThan(2);
  expect(status.history?.length).toBeGreaterThan(10);
  expect(Buffer.byteLength(JSON.stringify(status))).toBeLessThanOrEqual(16 * 1024);
});

/** The most that a Job that tends the volume may say. */
function hostileFinding(character: string): Finding {
  const time = '2026-01-01T00:00:00.000Z';
  const database = 'd'.repeat(63);
  const point = '20260101T000000Z-00000000';
  return {
    volume: {
      time,
      fullTime: time,
      totalBytes: Number.MAX_SAFE_INTEGER,
      freeBytes: Number.MAX_SAFE_INTEGER,
      backupBytes: Number.MAX_SAFE_INTEGER,
      points: 1_000_000,
      growthBytesPerDay: Number.MAX_SAFE_INTEGER,
      policyBytes: Number.MAX_SAFE_INTEGER,
    },
    retention: {
      time,
      mode: 'Enforce',
      policy: '0123456789abcdef',
      kept: 1_000_000,
      condemned: 1_000_000,
      removed: 1_000_000,
      condemnedBytes: Number.MAX_SAFE_INTEGER,
      blockedBecause: 'UpkeepFailed',
      points: Array.from({ length: 40 }, () => ({
        point,
        database,
        verdict: 'Condemned',
        because: character.repeat(96 / character.length),
      })),
    },
    verification: {
      id: 'x'.repeat(63),
      result: 'Failed',
      reason: 'ArtifactCorrupt',
      message: character.repeat(1024 / character.length),
      scheduledTime: time,
      completionTime: time,
      points: 1_000_000,
      readBytes: Number.MAX_SAFE_INTEGER,
      damaged: Array.from({ length: 16 }, () => ({
        point,
        database,
        file: character.repeat(256 / character.length),
      })),
    },
  };
}

/** A report as it arrives: the agent keeps the whole of it within 1 KiB. */
function reportOf(index: number, message: string): RunReport {
  const id = `orders-of-the-shop-${index}`;
  const parsed = parseReport(formatReport(aReport({ run: id, message })), id);
  if (parsed === undefined) throw new Error('the report cannot be read');
  return parsed;
}

function hostileRun(index: number, message: string): RunStatus {
  const { path, storeID, lastTransactionID, sizeBytes, run: id } = reportOf(index, message);
  const result = index % 2 === 0 ? 'Failed' : 'Succeeded';
  const type = index % 4 === 1 ? 'Incremental' : 'Full';
  return aRun({ id, triggerID: id, result, type, message, path, storeID, lastTransactionID, sizeBytes });
}

describe('announcements', () => {
  const waiting = (reason: 'ClaimNotFound' | 'ServiceNotFound', detail: string): Standing => ({
    kind: 'waiting',
    reason,
    detail,
  });
  const told = (before: Neo4jBackupStatus | undefined, now_: Neo4jBackupStatus): readonly string[] =>
    announcements(before, now_).map(({ type, reason, note }) => `${type} ${reason} ${note}`);

  test('tell of no run that only the volume remembered, though it is in the history now', () => {
    const past = [
      {
        run: 'orders-0',
        reason: 'EngineFailed',
        requestedType: 'Auto',
        createdTime: '2025-12-01T00:00:00.000Z',
        completionTime: '2025-12-01T00:01:00.000Z',
      } as const,
    ];
    const status = after({ ended: [aRun()], findings: [{ past }] });
    expect(status.history?.map(({ id }) => id)).toEqual([aRun().id, 'orders-0']);
    expect(announcements(undefined, status, [aRun()]).map(({ reason }) => reason)).toEqual([
      'FullBackupTaken',
    ]);
    const asking = after({ inspecting: [{ ...aRun(), id: 'orders-0' }], findings: [{ past }] });
    expect(asking.history).toBeUndefined();
    // Told once more by the next run, nothing of it changes.
    expect(after({ before: status, findings: [{ past }] }).history).toEqual(status.history);
  });

  test('tell of each run that ended once, oldest first', () => {
    const status = after({ ended: [failure, aRun()] });
    expect(told(undefined, status)).toEqual([
      'Warning PortUnreachable orders-2: Refused.',
      `Normal FullBackupTaken orders-1: ${aRun().message}`,
    ]);
    expect(told(status, status)).toEqual([]);
    expect(told(status, after({ before: status, standing: { kind: 'running', run } }))).toEqual([]);
  });

  test('tell the whole message of the newest run', () => {
    const message = 'x'.repeat(1000);
    expect(told(undefined, after({ ended: [aRun({ message })] }))).toEqual([
      `Normal FullBackupTaken orders-1: ${message}`,
    ]);
  });

  test('tell that the objective is broken, and that it is met again', () => {
    const spec = { objectives: { maxDataLossSeconds: 3_600 } };
    const later = (hours: number): Date => new Date(Date.parse('2026-01-01T00:00:00Z') + hours * 3_600_000);
    const met = after({ spec, ended: [aRun()], at: later(0.1) });
    expect(conditionsOf(met)['ObjectivesMet']).toBe('True ObjectiveMet');
    expect(after({ spec, before: met, at: later(0.99) })).toEqual(met);
    const broken = after({ spec, before: met, at: later(1) });
    expect(announcements(met, broken)).toMatchObject([{ type: 'Warning', reason: 'MaxDataLossExceeded' }]);
    const again = aRun({
      id: 'orders-2',
      startTime: later(2).toISOString(),
      completionTime: later(2.1).toISOString(),
    });
    const mended = after({ spec, before: broken, ended: [again], at: later(2.1) });
    expect(announcements(broken, mended).map(({ type, reason }) => `${type} ${reason}`)).toEqual([
      'Normal FullBackupTaken',
      'Normal ObjectiveMet',
    ]);
  });

  test('tell of each new obstacle once, whatever its words', () => {
    const first = after({ standing: waiting('ClaimNotFound', 'No claim a') });
    const same = after({ before: first, standing: waiting('ClaimNotFound', 'No claim b') });
    const other = after({ before: same, standing: waiting('ServiceNotFound', 'No Service') });
    const free = after({ before: other });
    expect(announcements(undefined, first)).toMatchObject([{ type: 'Warning', reason: 'ClaimNotFound' }]);
    expect(announcements(first, same)).toEqual([]);
    expect(announcements(same, other)).toMatchObject([{ reason: 'ServiceNotFound' }]);
    expect(announcements(other, free)).toEqual([]);
    expect(announcements(free, first)).toHaveLength(1);
  });
});
