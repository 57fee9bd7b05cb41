import { describe, expect, test } from 'vitest';
import { aBackup, aJob, aReport, aRun } from '../../test/support/builders.ts';
import { Neo4jBackupStatus, type RunStatus } from '../api/neo4jbackup.ts';
import { formatReport, parseReport, type RunReport } from '../run/report.ts';
import type { ActOutcome } from './act.ts';
import type { Decision, Standing } from './decide.ts';
import type { Observed } from './observe.ts';
import { currentRunOf } from './outcome.ts';
import { announcements, nextStatus } from './status.ts';

const now = new Date('2026-01-01T00:10:00.500Z');
const done: ActOutcome = { kind: 'done' };
const run = currentRunOf(aJob({ triggerID: 'first' }));
const failure = aRun({ id: 'orders-2', result: 'Failed', reason: 'PortUnreachable', message: 'Refused.' });

interface Pass {
  readonly standing?: Standing;
  readonly before?: Neo4jBackupStatus;
  readonly ended?: readonly RunStatus[];
  readonly inspecting?: readonly RunStatus[];
  readonly outcome?: ActOutcome;
  readonly at?: Date;
}

/** The status that a pass writes; it always fits the schema, or the API server would refuse it. */
function after({
  standing = { kind: 'idle' },
  before,
  ended = [],
  inspecting = [],
  outcome = done,
  at = now,
}: Pass): Neo4jBackupStatus {
  const backup = aBackup({
    metadata: { generation: 3 },
    ...(before === undefined ? {} : { status: before }),
  });
  const seen: Observed = {
    now: at,
    backup,
    runs: [],
    inspections: [],
    upkeeps: [],
    orphaned: [],
    claimExists: true,
    service: 'present',
  };
  const decision: Decision = { standing, ended, inspecting, findings: [], actions: [], next: { kind: 'onChange' } };
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
    let status: Neo4jBackupStatus = {};
    for (let index = 0; index < 32; index += 1) {
      const { message } = reportOf(index, `a${character.repeat(700)}`);
      const obstacle = { reason: 'ImagePullFailed', detail: message.slice(0, 300) } as const;
      const standing: Standing = { kind: 'running', run, obstacle };
      status = after({ before: status, standing, ended: [hostileRun(index, message)] });
    }
    const { history = [], lastIncremental, lastFailure } = status;
    expect(history).toHaveLength(20);
    expect(history.every(({ message }) => message.isWellFormed())).toBe(true);
    expect(lastIncremental?.message.length).toBeGreaterThan(50);
    expect(lastFailure?.message.length).toBeGreaterThan(50);
    expect(Buffer.byteLength(JSON.stringify(status))).toBeLessThanOrEqual(16 * 1024);
  });
});

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
