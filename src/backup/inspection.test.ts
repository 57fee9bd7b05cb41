import { describe, expect, test } from 'vitest';
import {
  aBackup,
  aFailure,
  aJob,
  aPod,
  aReport,
  aRun,
  complete,
  ended,
  jobFailed,
  anObserved,
} from '../../test/support/builders.ts';
import { annotations, containers, labels, tasks } from '../api/names.ts';
import { RunStatus } from '../api/neo4jbackup.ts';
import { formatReport } from '../run/report.ts';
import { inspect, inspectionActions } from './inspection.ts';
import { buildInspection, inspectionName } from './inspection-job.ts';
import type { Observed } from './observe.ts';
import type { RunView } from './outcome.ts';

const now = new Date('2026-01-01T00:10:00Z');
const lost = (n: number): RunStatus =>
  aRun({ id: `orders-${n}`, result: 'Failed', reason: 'ResultLost', message: `The Job orders-${n} is gone` });

function seeing(overrides: Partial<Observed> = {}): Observed {
  return anObserved({ now, service: 'none', ...overrides });
}

/** The Job that looks into run n. */
function looking(n: number, condition?: Parameters<typeof aJob>[0], message?: string): RunView {
  const name = inspectionName(aBackup(), `orders-${n}`);
  const metadata = {
    name,
    labels: { [labels.task]: tasks.inspect },
    annotations: { [annotations.run]: `orders-${n}` },
    creationTimestamp: `2026-01-01T00:0${n}:00Z`,
  };
  const said = message === undefined ? {} : { message };
  const status = { phase: 'Succeeded', containerStatuses: [ended('inspect', 0, said)] };
  return { job: aJob({ ...condition, metadata }), pods: [aPod({ job: name, status })] };
}

const over = { conditions: [complete] };
const taken = formatReport(aReport());

describe('the answer', () => {
  interface Case {
    readonly name: string;
    readonly view: RunView;
    readonly reason: string;
    readonly message?: RegExp;
  }
  const other = formatReport(aReport({ run: 'orders-2' }));
  const byTool = aPod({ status: { containerStatuses: [ended('engine', 0, { message: taken })] } });
  const cases: readonly Case[] = [
    { name: 'is what the run took', view: looking(1, over, taken), reason: 'FullBackupTaken' },
    { name: 'is why it failed', view: looking(1, over, formatReport(aFailure())), reason: 'PortUnreachable' },
    {
      name: 'is that there is none',
      view: looking(1, over, formatReport(aFailure({ reason: 'ResultLost' }))),
      reason: 'ResultLost',
      message: /gone; the volume has no backup of it and no record\. Look into/,
    },
    { name: 'is not that about another run', view: looking(1, over, other), reason: 'ResultLost' },
    { name: 'is not garbage', view: looking(1, over, '{"run":"orders-1"'), reason: 'ResultLost' },
    {
      name: 'is not what another container says',
      view: { ...looking(1, over), pods: [byTool] },
      reason: 'ResultLost',
    },
    {
      name: 'is missing where the volume could not be read',
      view: { ...looking(1, { conditions: [jobFailed('BackoffLimitExceeded')] }), pods: [] },
      reason: 'ResultLost',
      message: /gone; the Job that was to ask the volume failed\. Look into/,
    },
  ];
  test.for(cases)('$name', ({ view, reason, message = /./ }) => {
    const { ended: told, open } = inspect(seeing({ inspections: [view] }), [lost(1)]);
    expect([told, open]).toMatchObject([[{ id: 'orders-1', reason }], []]);
    expect(told[0]?.message).toMatch(message);
    expect(RunStatus.parse(told[0])).toEqual(told[0]);
  });

  test('keeps what the cluster said of the end where the volume has nothing', () => {
    const killed = aRun({
      result: 'Failed',
      reason: 'OutOfMemory',
      message: 'The container report was killed',
    });
    const view = looking(1, over, formatReport(aFailure({ reason: 'ResultLost' })));
    expect(inspect(seeing({ inspections: [view] }), [killed]).ended).toMatchObject([
      { reason: 'OutOfMemory' },
    ]);
  });
});

test('of many lost runs the oldest are told as what is known of them', () => {
  const backup = aBackup({ status: { inspecting: [1, 2, 3, 4].map(lost) } });
  const { ended: told, open } = inspect(seeing({ backup }), [lost(5)]);
  expect(told.map(({ id }) => id)).toEqual(['orders-1']);
  expect(open.map(({ id }) => id)).toEqual(['orders-2', 'orders-3', 'orders-4', 'orders-5']);
});

describe('the Jobs', () => {
  const may = { mayStart: true, mayStay: true, agentImage: 'agent:1' };
  const names = (
    seen: Observed,
    open: readonly RunStatus[],
    mayStart = true,
    mayStay = mayStart,
  ): readonly string[] =>
    inspectionActions(seen, open, { ...may, mayStart, mayStay }).map(
      ({ kind, job }) => `${kind} ${job.metadata?.annotations?.[annotations.run]}`,
    );

  test('come one at a time, for the oldest first', () => {
    expect(names(seeing(), [lost(1), lost(2)])).toEqual(['createJob orders-1']);
    expect(names(seeing({ inspections: [looking(1)] }), [lost(1), lost(2)])).toEqual([]);
  });

  test('make room for a backup, and for nothing else', () => {
    const inspections = [looking(1)];
    expect(names(seeing({ inspections }), [lost(1)], false)).toEqual(['deleteJob orders-1']);
    // A backup that has to wait for something else needs no room yet.
    expect(names(seeing({ inspections }), [lost(1)], false, true)).toEqual([]);
    expect(names(seeing({ inspections }), [lost(1)])).toEqual([]);
  });

  test('wait for Pods that are still there', () => {
    expect(names(seeing({ orphaned: ['orders-1'] }), [lost(1)])).toEqual([]);
    expect(names(seeing({ orphaned: ['orders-7'] }), [lost(1)])).toEqual(['createJob orders-1']);
  });

  test('are removed when nobody waits for their answer: all but the newest that has one', () => {
    const inspections = [looking(1, over), looking(2, over), looking(3)];
    expect(names(seeing({ inspections }), [])).toEqual(['deleteJob orders-3', 'deleteJob orders-1']);
  });

  test('stay until their answer is in status', () => {
    const backup = aBackup({ status: { inspecting: [lost(1)] } });
    const inspections = [looking(1, over), looking(2, over)];
    expect(names(seeing({ backup, inspections }), [])).toEqual([]);
  });

  test('have names of at most 63 characters, of their own for each run and each resource', () => {
    const long = aBackup({ metadata: { name: 'x'.repeat(253) } });
    const made = [
      inspectionName(long, 'orders-1'),
      inspectionName(long, 'orders-2'),
      inspectionName(aBackup({ metadata: { name: 'x'.repeat(253), uid: 'other' } }), 'orders-1'),
    ];
    expect(new Set(made).size).toBe(3);
    for (const name of made) expect(name).toMatch(/^[a-z0-9-]{1,63}$/);
  });

  test('start two Pods at most, of one container that only reads', () => {
    const { spec } = buildInspection(aBackup(), lost(1), { agentImage: 'agent:1', now });
    expect(spec).toMatchObject({ backoffLimit: 1, ttlSecondsAfterFinished: 604_800, parallelism: 1 });
    const pod = spec?.template.spec;
    expect(pod).toMatchObject({ restartPolicy: 'Never', automountServiceAccountToken: false });
    expect(pod?.containers).toMatchObject([
      {
        name: containers.inspect,
        securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
        volumeMounts: [{ mountPath: '/backup', readOnly: true }],
      },
    ]);
    expect(pod).not.toHaveProperty('initContainers');
  });
});
