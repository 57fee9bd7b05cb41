import { describe, expect, test } from 'vitest';
import { aRun } from '../../test/support/builders.ts';
import type { MissedRuns, Neo4jBackupStatus, RunStatus } from '../api/neo4jbackup.ts';
import type { Tracked } from './backup-metrics.ts';
import { Metrics } from './metrics.ts';

const metadata = { namespace: 'shop', name: 'orders', creationTimestamp: '1970-01-01T00:00:10Z' };
const key = { namespace: 'shop', name: 'orders' };
const whose = 'namespace="shop",name="orders"';

const second = (at: number): string => new Date(at * 1_000).toISOString();
function ran(from: number, to: number, facts: Partial<RunStatus> = {}): RunStatus {
  return aRun({ id: `orders-${from}`, startTime: second(from), completionTime: second(to), ...facts });
}
function missed(reason: MissedRuns['reason'], first: number, last: number, count: number): MissedRuns {
  return { reason, firstTime: second(first), lastTime: second(last), count };
}

const full = ran(100, 160, { sizeBytes: 4_096 });
const incremental = ran(200, 230, { type: 'Incremental', reason: 'IncrementalBackupTaken', sizeBytes: 512 });
const failure = ran(300, 301, { result: 'Failed', reason: 'PortUnreachable', type: undefined });

function follow(resources: readonly Tracked[], isLeading = true): Metrics {
  const metrics = new Metrics('0.1.0');
  const controller = { name: 'backup', depth: 0, delayed: 0, underWay: 0, oldestPassMs: () => 0 };
  // What is told of volumes is not looked at here.
  const backups = { list: () => resources as readonly (Tracked & { readonly status?: object })[] };
  metrics.follow({ caches: [{ reflectors: [], backups }], controller, election: { isLeading } });
  return metrics;
}

/** What is told of resources, without the prefix. */
async function told(metrics: Metrics): Promise<readonly string[]> {
  const lines = (await metrics.text()).split('\n').filter((line) => line.includes(whose));
  return lines.map((line) => line.replace(/^neo4j_backup_operator_/, ''));
}

const served = (resource: Omit<Tracked, 'metadata'>): Promise<readonly string[]> =>
  told(follow([{ metadata, ...resource }]));

const always = [`created_timestamp_seconds{${whose}} 10`, `suspended{${whose}} 0`];

describe('the series of a resource', () => {
  interface Case {
    readonly name: string;
    readonly spec?: NonNullable<Tracked['spec']>;
    readonly status: Neo4jBackupStatus;
    readonly lines: readonly string[];
  }
  const cases: readonly Case[] = [
    { name: 'are few before its first run', status: {}, lines: always },
    {
      name: 'tell of each type, and of the last run',
      status: { lastRun: incremental, lastFull: full, lastIncremental: incremental, lastFailure: failure },
      lines: [
        ...always,
        `last_success_timestamp_seconds{${whose},type="Full"} 160`,
        `last_success_timestamp_seconds{${whose},type="Incremental"} 230`,
        `last_failure_timestamp_seconds{${whose}} 301`,
        `last_run_succeeded{${whose}} 1`,
        `run_duration_seconds{${whose}} 30`,
        `artifact_bytes{${whose},type="Full"} 4096`,
        `artifact_bytes{${whose},type="Incremental"} 512`,
      ],
    },
    {
      name: 'tell of several databases in full and incrementally what only the history knows',
      status: { history: [ran(400, 401, { type: 'Mixed', reason: 'BackupsTaken' }), failure] },
      lines: [...always, `last_success_timestamp_seconds{${whose},type="Mixed"} 401`],
    },
    {
      name: 'tell of a run that failed',
      status: { lastRun: failure },
      lines: [...always, `last_run_succeeded{${whose}} 0`, `run_duration_seconds{${whose}} 1`],
    },
    {
      name: 'tell of a run of which some databases failed',
      status: { lastRun: ran(1, 2, { result: 'PartiallySucceeded', reason: 'PartiallySucceeded' }) },
      lines: [...always, `last_run_succeeded{${whose}} 0`, `run_duration_seconds{${whose}} 1`],
    },
    {
      name: 'tell no duration of what was there before its Job',
      status: { lastRun: { ...failure, completionTime: second(299) } },
      lines: [...always, `last_run_succeeded{${whose}} 0`],
    },
    {
      name: 'tell when the next run starts, and what had none',
      status: {
        nextScheduleTime: second(3_600),
        missedRuns: [
          missed('Suspended', 500, 700, 3),
          missed('ControllerDown', 800, 900, 2),
          missed('Suspended', 100, 200, 2),
        ],
      },
      lines: [
        ...always,
        `next_schedule_timestamp_seconds{${whose}} 3600`,
        `last_missed_run_timestamp_seconds{${whose},reason="Suspended"} 700`,
        `last_missed_run_timestamp_seconds{${whose},reason="ControllerDown"} 900`,
      ],
    },
    {
      name: 'tell that it is suspended',
      spec: { suspend: true },
      status: {},
      lines: [`created_timestamp_seconds{${whose}} 10`, `suspended{${whose}} 1`],
    },
  ];

  test.each(cases)('$name', async ({ spec, status, lines }) => {
    expect(await served({ ...(spec === undefined ? {} : { spec }), status })).toEqual(lines);
  });

  test.each([
    { status: 'True', value: 1 },
    { status: 'Unknown', value: 1 },
    { status: 'False', value: 0 },
  ] as const)('tell of an objective that is $status', async ({ status, value }) => {
    const condition = { reason: 'Why', message: '', lastTransitionTime: second(0) };
    const conditions = [{ type: 'ObjectivesMet', status, ...condition }];
    expect(await served({ status: { conditions } })).toContain(`objective_met{${whose}} ${value}`);
  });

  test('go with it, and who stands by has none', async () => {
    const resources: Tracked[] = [{ metadata, status: { lastRun: full } }];
    expect(await told(follow(resources, false))).toEqual([]);
    const metrics = follow(resources);
    expect(await told(metrics)).not.toEqual([]);
    resources.pop();
    expect(await told(metrics)).toEqual([]);
  });
});

describe('what is counted', () => {
  const counted = async (metrics: Metrics): Promise<readonly string[]> =>
    (await told(metrics)).filter((line) => /^\w+_total/.test(line));

  test('is each run whose end is new', async () => {
    const metrics = follow([{ metadata }]);
    const first = { history: [full] };
    metrics.statusWritten({ ...key, before: undefined, after: first, ended: [full] });
    metrics.statusWritten({ ...key, before: first, after: first, ended: [full] });
    const two = { history: [failure, incremental, full] };
    metrics.statusWritten({ ...key, before: first, after: two, ended: [incremental, failure] });
    const again = ran(900, 901);
    metrics.statusWritten({ ...key, before: two, after: two, ended: [again] });
    expect(await counted(metrics)).toEqual([
      `runs_total{${whose},result="Succeeded",reason="FullBackupTaken",type="Full"} 2`,
      `runs_total{${whose},result="Succeeded",reason="IncrementalBackupTaken",type="Incremental"} 1`,
      `runs_total{${whose},result="Failed",reason="PortUnreachable",type="None"} 1`,
    ]);
    expect(await counted(metrics)).toHaveLength(3);
  });

  test('is what was missed since, range by range', async () => {
    const metrics = follow([{ metadata }]);
    const write = (before: readonly MissedRuns[] | undefined, after: readonly MissedRuns[]): void =>
      metrics.statusWritten({
        ...key,
        before: before === undefined ? undefined : { missedRuns: [...before] },
        after: { missedRuns: [...after] },
        ended: [],
      });
    const down = missed('ControllerDown', 100, 300, 3);
    write(undefined, [down]);
    write([down], [down]);
    const longer = missed('ControllerDown', 100, 400, 4);
    write([down], [longer]);
    const later = [missed('ControllerDown', 900, 900, 1), missed('Blackout', 600, 700, 2), longer];
    write([longer], later);
    write(later, later.slice(0, 2));
    expect(await counted(metrics)).toEqual([
      `missed_runs_total{${whose},reason="ControllerDown"} 5`,
      `missed_runs_total{${whose},reason="Blackout"} 2`,
    ]);
  });

  test('goes with its resource', async () => {
    const resources: Tracked[] = [{ metadata }];
    const metrics = follow(resources);
    metrics.statusWritten({ ...key, before: undefined, after: {}, ended: [full] });
    const [gone] = resources.splice(0);
    expect(await counted(metrics)).toEqual([]);
    resources.push(gone ?? { metadata });
    expect(await counted(metrics)).toEqual([]);
  });
});
