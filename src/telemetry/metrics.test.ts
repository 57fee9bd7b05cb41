import { afterEach, describe, expect, test } from 'vitest';
import { aSpec } from '../../test/support/builders.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { FakeKube } from '../../test/support/fake-kube.ts';
import { quietLog } from '../../test/support/quiet-log.ts';
import { BackupController } from '../backup/controller.ts';
import { backups } from '../backup/resources.ts';
import type { PassResult } from '../runtime/metrics.ts';
import { Metrics, type MetricRow, type Sources } from './metrics.ts';
import type { TextServer } from './serve.ts';
import type { Measured } from './volume-metrics.ts';

let server: TextServer | undefined;

afterEach(async () => {
  await server?.close();
  server = undefined;
});

/** Lines of the answer that begin with one of the names. */
async function lines(metrics: Metrics, ...names: readonly string[]): Promise<readonly string[]> {
  const text = await metrics.text();
  return text.split('\n').filter((line) => names.some((name) => new RegExp(`^${name}[{ ]`).test(line)));
}

function sources({
  isLeading,
  resources = [],
  waiting = [],
  ...controller
}: {
  isLeading?: boolean;
  depth?: number;
  resources?: readonly Measured[];
  waiting?: readonly { readonly namespace: string; readonly name: string }[];
} = {}): Sources {
  const cache = { resource: 'jobs', size: 2, hasSynced: () => false, silentMs: () => undefined };
  const filled = { resource: 'jobs', size: 3, hasSynced: () => true, silentMs: () => 4_000 };
  return {
    caches: [
      { reflectors: [cache], backups: { list: () => [] } },
      { reflectors: [filled], backups: { list: () => resources } },
    ],
    controller: { name: 'backup', depth: 0, delayed: 0, underWay: 0, oldestPassMs: () => 0, ...controller },
    queue: { waiting: () => waiting },
    election: isLeading === undefined ? undefined : { isLeading },
  };
}

const passes = 'controller_runtime_reconcile_total';
const errors = 'controller_runtime_reconcile_errors_total';
const terminal = 'controller_runtime_terminal_reconcile_errors_total';
const timeouts = 'controller_runtime_reconcile_timeouts_total';

const cases: readonly { readonly result: PassResult; readonly counts: readonly string[] }[] = [
  { result: 'settled', counts: [`${passes}{controller="backup",result="success"} 1`] },
  { result: 'onChange', counts: [`${passes}{controller="backup",result="success"} 1`] },
  { result: 'after', counts: [`${passes}{controller="backup",result="requeue_after"} 1`] },
  {
    result: 'failed',
    counts: [`${passes}{controller="backup",result="error"} 1`, `${errors}{controller="backup"} 1`],
  },
  {
    result: 'terminal',
    counts: [
      `${passes}{controller="backup",result="error"} 1`,
      `${errors}{controller="backup"} 1`,
      `${terminal}{controller="backup"} 1`,
    ],
  },
  {
    result: 'hung',
    counts: [
      `${passes}{controller="backup",result="error"} 1`,
      `${errors}{controller="backup"} 1`,
      `${timeouts}{controller="backup"} 1`,
    ],
  },
  { result: 'stopped', counts: [] },
];

test.each(cases)('counts a pass that ended as $result', async ({ result, counts }) => {
  const metrics = new Metrics('0.1.0');
  metrics.follow(sources());
  metrics.passEnded({ controller: 'backup', result, durationMs: 400 });
  const counted = await lines(metrics, passes, errors, terminal, timeouts);
  expect(counted.filter((line) => !line.endsWith(' 0'))).toEqual(counts);
  const [sum] = await lines(metrics, 'controller_runtime_reconcile_time_seconds_sum');
  expect(sum).toBe(
    counts.length === 0
      ? undefined
      : 'controller_runtime_reconcile_time_seconds_sum{controller="backup"} 0.4',
  );
});

test('what has not happened yet is 0, so that the first time shows', async () => {
  const metrics = new Metrics('0.1.0');
  metrics.follow(sources());
  expect(await lines(metrics, passes, errors, 'workqueue_retries_total')).toHaveLength(5);
});

test.each([
  { code: 200, verb: 'list', says: '{code="200",method="GET",resource="jobs"} 1' },
  { code: 409, verb: 'update', says: '{code="409",method="PUT",resource="jobs"} 1' },
  { code: 'error', verb: 'create', says: '{code="<error>",method="POST",resource="jobs"} 1' },
] as const)('counts a request that ended with $code', async ({ code, verb, says }) => {
  const metrics = new Metrics('0.1.0');
  metrics.requestMade({ verb, resource: 'jobs', code, durationMs: 30 });
  expect(await lines(metrics, 'rest_client_requests_total')).toEqual([`rest_client_requests_total${says}`]);
});

describe('gauges', () => {
  const names = ['neo4j_backup_operator_cache_objects', 'neo4j_backup_operator_caches_unfilled'];
  const silent = 'neo4j_backup_operator_cache_silent_seconds';

  test('ask how things stand, over all namespaces, each time', async () => {
    const metrics = new Metrics('0.1.0');
    metrics.follow(sources({ depth: 7 }));
    expect(await lines(metrics, 'workqueue_depth', ...names, silent)).toEqual([
      'workqueue_depth{name="backup"} 7',
      'neo4j_backup_operator_cache_objects{resource="jobs"} 5',
      'neo4j_backup_operator_caches_unfilled{resource="jobs"} 1',
      'neo4j_backup_operator_cache_silent_seconds{resource="jobs"} 4',
    ]);
    metrics.follow(sources({ depth: 3 }));
    expect(await lines(metrics, 'workqueue_depth')).toEqual(['workqueue_depth{name="backup"} 3']);
  });

  test.each([
    { isLeading: true, caches: 3 },
    { isLeading: false, caches: 0 },
  ])('of one that leads $isLeading', async ({ isLeading, caches }) => {
    const metrics = new Metrics('0.1.0');
    metrics.follow(sources({ isLeading }));
    expect(await lines(metrics, ...names, silent)).toHaveLength(caches);
    expect(await lines(metrics, 'leader_election_master_status')).toEqual([
      `leader_election_master_status{name="neo4j-backup-operator"} ${isLeading ? 1 : 0}`,
    ]);
  });
});

describe('of a volume', () => {
  const metadata = { namespace: 'shop', name: 'orders' };
  const whose = '{namespace="shop",name="orders"}';
  const volume = {
    totalBytes: 100,
    freeBytes: 40,
    backupBytes: 30,
    points: 3,
    growthBytesPerDay: -2,
    fullTime: '1970-01-01T00:01:00.000Z',
    policyBytes: 90,
  };
  const status = {
    volume,
    retention: { condemned: 4, removed: 5 },
    lastVerification: { result: 'Succeeded', completionTime: '1970-01-01T00:00:07.500Z' },
  };
  const ours = 'neo4j_backup_operator_(volume_.*|retention_.*|last_verification_.*)';
  const served = async (resources: readonly Measured[], isLeading = true): Promise<readonly string[]> => {
    const metrics = new Metrics('0.1.0');
    metrics.follow(sources({ resources, isLeading }));
    return lines(metrics, ours);
  };

  test('each number of its status is one, with the name of the resource', async () => {
    expect(await served([{ metadata, status }])).toEqual(
      [
        `volume_total_bytes${whose} 100`,
        `volume_free_bytes${whose} 40`,
        `volume_backup_bytes${whose} 30`,
        `volume_points${whose} 3`,
        `volume_growth_per_day_bytes${whose} -2`,
        `volume_full_time_seconds${whose} 60`,
        `volume_policy_bytes${whose} 90`,
        `last_verification_time_seconds${whose} 7.5`,
        `last_verification_success${whose} 1`,
        `retention_condemned${whose} 4`,
        `retention_removed${whose} 5`,
      ].map((line) => `neo4j_backup_operator_${line}`),
    );
  });

  test('what nobody knows is no number, and not 0', async () => {
    expect(await served([{ metadata }, { metadata, status: {} }])).toEqual([]);
    const few = { volume: { backupBytes: 1, points: 1 } };
    expect(await served([{ metadata, status: few }])).toHaveLength(2);
  });

  test('a verification that found something is 0', async () => {
    const { completionTime } = status.lastVerification;
    const failed = { lastVerification: { result: 'Failed', completionTime } };
    expect(await served([{ metadata, status: failed }])).toContain(
      `neo4j_backup_operator_last_verification_success${whose} 0`,
    );
  });

  test('nothing is told of a resource that is gone, or by who stands by', async () => {
    const resources: Measured[] = [{ metadata, status }];
    expect(await served(resources, false)).toEqual([]);
    const metrics = new Metrics('0.1.0');
    metrics.follow(sources({ resources }));
    expect(await lines(metrics, ours)).not.toEqual([]);
    resources.pop();
    expect(await lines(metrics, ours)).toEqual([]);
  });
});

test('no label holds a name of an object or of a namespace but where backups are told of', async () => {
  const [clock, metrics, stop] = [new FakeClock(), new Metrics('0.1.0'), new AbortController()];
  const kube = new FakeKube({ now: () => clock.now() });
  kube.put(backups, 'shop-namespace', { metadata: { name: 'orders-name' }, spec: aSpec() });
  const work = new BackupController({
    client: kube,
    events: { record: () => undefined, flush: async () => undefined },
    clock,
    random: () => 0.5,
    log: quietLog(),
    metrics,
    namespaces: ['shop-namespace'],
    policy: { agentImage: 'agent:1', allowedHosts: [], allowedImages: [] },
  });
  metrics.follow(work);
  const done = work.run(stop.signal);
  await clock.advance(600_000);
  const text = await metrics.text();
  expect(text).toMatch(/^controller_runtime_reconcile_total.* [1-9]/m);
  expect(text).toContain('neo4j_backup_operator_cache_objects{resource="neo4jbackups"} 1');
  const naming = text.split('\n').filter((line) => /shop-namespace|orders-name/.test(line));
  const whose = '{namespace="shop-namespace",name="orders-name"}';
  expect(naming).toEqual([
    expect.stringContaining(`created_timestamp_seconds${whose}`) as unknown,
    `neo4j_backup_operator_suspended${whose} 0`,
  ]);
  stop.abort();
  await clock.advance(10_000);
  await done;
});

test('reads what the process costs when it is asked', async () => {
  const metrics = new Metrics('0.1.0');
  const text = await metrics.text();
  for (const name of [
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
    'nodejs_heap_size_used_bytes',
  ])
    expect(text).toMatch(new RegExp(`^${name} [1-9.0]*[1-9]`, 'm'));
  expect(text).toContain(`build_info{version="0.1.0",node_version="${process.versions.node}"} 1`);
});

test('names and units are as Prometheus wants them', () => {
  const isRight = ({ name, type, help }: MetricRow): boolean => {
    const unit = /_(seconds|bytes)(_total)?$/.exec(name)?.[1] ?? '';
    const ends = name.endsWith('_total') === (type === 'counter');
    const measures = type !== 'histogram' || unit === 'seconds';
    return /^[a-z][a-z0-9_]*$/.test(name) && ends && measures && help.toLowerCase().includes(unit);
  };
  expect(new Metrics('0.1.0').rows().filter((row) => !isRight(row))).toEqual([]);
});

test('is served as text, and nothing else is', async () => {
  server = await new Metrics('0.1.0').serve(0);
  const at = `http://127.0.0.1:${server.port}`;
  const response = await fetch(`${at}/metrics?name=x`);
  expect([response.status, response.headers.get('content-type')]).toEqual([
    200,
    'text/plain; version=0.0.4; charset=utf-8',
  ]);
  expect(await response.text()).toMatch(/^# HELP /);
  expect((await fetch(`${at}/healthz`)).status).toBe(404);
  expect((await fetch(`${at}/metrics`, { method: 'POST' })).status).toBe(404);
});

test('what cannot be read is an answer, not the end of the process', async () => {
  const metrics = new Metrics('0.1.0');
  const broken = (): never => {
    throw new Error('a bug');
  };
  const { controller, caches } = sources();
  metrics.follow({ caches, controller: { ...controller, oldestPassMs: broken } });
  server = await metrics.serve(0);
  const response = await fetch(`http://127.0.0.1:${server.port}/metrics`);
  expect([response.status, await response.text()]).toEqual([500, 'a bug\n']);
});

test('of who waits the place in the queue is told, as long as they wait', async () => {
  const metrics = new Metrics('0.1.0');
  const waiting = ['orders', 'stock'].map((name) => ({ namespace: 'shop', name }));
  metrics.follow(sources({ waiting }));
  const [length, position] = ['neo4j_backup_operator_queue_length', 'neo4j_backup_operator_queue_position'];
  expect(await lines(metrics, length, position)).toEqual([
    `${length} 2`,
    `${position}{namespace="shop",name="orders"} 1`,
    `${position}{namespace="shop",name="stock"} 2`,
  ]);
  waiting.shift();
  expect(await lines(metrics, length, position)).toEqual([
    `${length} 1`,
    `${position}{namespace="shop",name="stock"} 1`,
  ]);
  waiting.pop();
  expect(await lines(metrics, length, position)).toEqual([`${length} 0`]);
});
