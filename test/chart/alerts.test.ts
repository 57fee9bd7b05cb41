// The alerts of the chart, judged by Prometheus' own tool: it takes the rules, and each fires when it should and not before,
// on series as the operator serves them.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { MissedRuns, Neo4jBackupStatus, RunStatus } from '../../src/api/neo4jbackup.ts';
import type { Tracked } from '../../src/telemetry/backup-metrics.ts';
import { Metrics, type Sources } from '../../src/telemetry/metrics.ts';
import { output, type Output } from '../../tools/run.ts';
import { aRun } from '../support/builders.ts';
import { only, parseManifests, promtoolProgram, render, template, type Values } from './helm.ts';
import { everything } from './value-sets.ts';

const folder = mkdtempSync(join(tmpdir(), 'alerts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface Rules {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Alert[] }[];
}

const enabled: Values = { prometheusRule: { enabled: true } };

async function rulesWith(values: Values): Promise<Rules> {
  return only(await render(values), 'PrometheusRule')['spec'] as Rules;
}

/** Runs the tool on two files: the rules, and what goes with them. JSON is YAML. */
async function promtool(words: readonly string[], rules: Rules, tests: object = {}): Promise<Output> {
  writeFileSync(join(folder, 'rules.yaml'), JSON.stringify(rules));
  writeFileSync(join(folder, 'tests.yaml'), JSON.stringify({ rule_files: ['rules.yaml'], ...tests }));
  return output([promtoolProgram, ...words], { cwd: folder });
}

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;

/** Prometheus' clock begins at 0 in its tests. */
const time = (seconds: number): string => new Date(seconds * 1_000).toISOString();

const metadata = { namespace: 'shop', name: 'orders', creationTimestamp: time(0) };

function succeeded(at: number): RunStatus {
  return aRun({ startTime: time(at - minute), completionTime: time(at) });
}

function missed(reason: MissedRuns['reason'], at: number): MissedRuns {
  return { reason, firstTime: time(at), lastTime: time(at), count: 1 };
}

interface State {
  readonly spec?: Tracked['spec'];
  readonly status?: Neo4jBackupStatus;
  /** Seconds: there is no schedule that would strike so often in all tests. */
  readonly interval?: number;
  readonly isLeading?: boolean;
  readonly silentMs?: number;
  readonly isFilled?: boolean;
}

/** What the operator serves, as series of its Pod that stay as they are. */
async function seriesOf(state: State, namespaceLabel: string, until: number): Promise<readonly object[]> {
  const { spec, status, interval, isLeading = true, silentMs = 0, isFilled = true } = state;
  const reflector = { resource: 'jobs', size: 1, hasSynced: () => isFilled, silentMs: () => silentMs };
  const resource = { metadata, spec, ...(status === undefined ? {} : { status }) };
  const controller = { name: 'backup', depth: 0, delayed: 0, underWay: 0, oldestPassMs: () => 0 };
  const metrics = new Metrics('0.1.0');
  metrics.follow({
    caches: [{ reflectors: [reflector], backups: { list: () => [resource] } }],
    controller,
    election: { isLeading },
  } satisfies Sources);
  const lines = (await metrics.text()).split('\n').filter((line) => /^(neo4j|leader)/.test(line));
  const whose = `{namespace="shop",name="orders"}`;
  if (interval !== undefined)
    lines.push(`neo4j_backup_operator_expected_interval_seconds${whose} ${interval}`);
  return lines.flatMap((line) => {
    const [, name, labels, value] = /^(\w+)\{(.*)\} (\S+)$/.exec(line) ?? [];
    if (name === undefined || labels === undefined) return [];
    const kept = labels.replace(/^namespace=/, `${namespaceLabel}=`);
    return [{ series: `${name}{${kept},pod="operator-0"}`, values: `${value}+0x${until / minute}` }];
  });
}

interface Case {
  readonly name: string;
  readonly alert: string;
  readonly state: State;
  /** Seconds. */
  readonly at: number;
  /** Its description; absent: it does not fire. */
  readonly says?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly values?: Values;
}

const see = '`kubectl -n shop describe neo4jbackups.neo4j-backup.dev orders`';
const orders = { namespace: 'shop', name: 'orders' };
const last = succeeded(hour);
const hourly: State = { interval: hour, status: { lastRun: last, lastFull: last } };
const failure = aRun({
  result: 'Failed',
  reason: 'PortUnreachable',
  startTime: time(hour),
  completionTime: time(hour),
});

function objective(status: 'True' | 'False' | 'Unknown'): State {
  const condition = { reason: 'Why', message: 'Why.', lastTransitionTime: time(0) };
  return { status: { conditions: [{ type: 'ObjectivesMet', status, ...condition }] } };
}

function verified(result: 'Succeeded' | 'Failed'): State {
  const facts = { id: 'v', reason: 'Why', message: 'Why.', completionTime: time(0) };
  return { status: { lastVerification: { result, ...facts } } };
}

function fullAt(at: number): State {
  return { status: { volume: { time: time(0), backupBytes: 1, points: 1, fullTime: time(at) } } };
}

const missing = (age: string): string =>
  `The newest successful backup of Neo4jBackup shop/orders is ${age} old, and its schedule wants them more often. See what is in the way: ${see}`;

const cases: readonly Case[] = [
  {
    name: 'after the interval of the schedule and the grace',
    alert: 'Neo4jBackupMissing',
    state: hourly,
    at: 3 * hour + 6 * minute,
    says: missing('2h 6m 0s'),
    labels: orders,
  },
  { name: 'within the grace', alert: 'Neo4jBackupMissing', state: hourly, at: 3 * hour },
  {
    name: 'where there was none since the resource was created',
    alert: 'Neo4jBackupMissing',
    state: { interval: hour },
    at: 2 * hour + 6 * minute,
    says: missing('2h 6m 0s'),
    labels: orders,
  },
  {
    name: 'soon after the resource was created',
    alert: 'Neo4jBackupMissing',
    state: { interval: day },
    at: day,
  },
  {
    name: 'where an incremental one is newer than the last full one',
    alert: 'Neo4jBackupMissing',
    state: {
      interval: hour,
      status: { lastFull: last, lastIncremental: { ...succeeded(9 * hour), type: 'Incremental' } },
    },
    at: 10 * hour,
  },
  {
    name: 'while the schedules are suspended',
    alert: 'Neo4jBackupMissing',
    state: { ...hourly, spec: { suspend: true } },
    at: 10 * hour,
  },
  {
    name: 'right after they were',
    alert: 'Neo4jBackupMissing',
    state: { interval: hour, status: { lastFull: last, missedRuns: [missed('Suspended', 9 * hour)] } },
    at: 10 * hour,
  },
  {
    name: 'without a schedule',
    alert: 'Neo4jBackupMissing',
    state: { status: { lastFull: last } },
    at: 2 * day,
  },
  {
    name: 'with a grace of its own',
    alert: 'Neo4jBackupMissing',
    state: hourly,
    at: 3 * hour + 6 * minute,
    values: { prometheusRule: { enabled: true, graceSeconds: 2 * hour } },
  },
  {
    name: 'when the last run failed',
    alert: 'Neo4jBackupFailed',
    state: { status: { lastRun: failure } },
    at: minute,
    says: `The last run of Neo4jBackup shop/orders failed, or not all of its databases were backed up. The reason, and what to do: ${see}`,
    labels: orders,
  },
  {
    name: 'when one after it did not',
    alert: 'Neo4jBackupFailed',
    state: { status: { lastRun: last, lastFailure: failure } },
    at: minute,
  },
  { name: 'before the first run', alert: 'Neo4jBackupFailed', state: {}, at: minute },
  {
    name: 'when it is',
    alert: 'Neo4jBackupObjectiveBroken',
    state: objective('False'),
    at: minute,
    says: `The newest verified and consistent backup of Neo4jBackup shop/orders is older than spec.objectives.maxDataLossSeconds. Since when, in the condition ObjectivesMet: ${see}`,
    labels: orders,
  },
  { name: 'while it is met', alert: 'Neo4jBackupObjectiveBroken', state: objective('True'), at: minute },
  {
    name: 'before the first backup',
    alert: 'Neo4jBackupObjectiveBroken',
    state: objective('Unknown'),
    at: minute,
  },
  { name: 'where there is none', alert: 'Neo4jBackupObjectiveBroken', state: {}, at: minute },
  {
    name: 'for a day after the operator was down',
    alert: 'Neo4jBackupRunsMissed',
    state: { status: { missedRuns: [missed('ControllerDown', hour)] } },
    at: 24 * hour,
    says: `A scheduled run of Neo4jBackup shop/orders was not made 23h 0m 0s ago. Which ones, and why, in status.missedRuns: ${see}`,
    labels: orders,
  },
  {
    name: 'a day later',
    alert: 'Neo4jBackupRunsMissed',
    state: { status: { missedRuns: [missed('ControllerDown', hour)] } },
    at: 25 * hour,
  },
  {
    name: 'for what people left out themselves',
    alert: 'Neo4jBackupRunsMissed',
    state: { status: { missedRuns: [missed('Suspended', hour), missed('Blackout', 2 * hour)] } },
    at: 3 * hour,
  },
  {
    name: 'when a verification did not succeed',
    alert: 'Neo4jBackupDamaged',
    state: verified('Failed'),
    at: minute,
    says: `The last verification of what Neo4jBackup shop/orders has on its volume did not succeed. What is damaged, in status.lastVerification: ${see}`,
    labels: orders,
  },
  { name: 'when it did', alert: 'Neo4jBackupDamaged', state: verified('Succeeded'), at: minute },
  {
    name: 'within a week of it',
    alert: 'Neo4jBackupVolumeFullSoon',
    state: fullAt(7 * day),
    at: 16 * minute,
    says: 'As it has grown so far, the volume of Neo4jBackup shop/orders is full in 6d 23h 44m 0s. Enlarge the claim, or keep less.',
    labels: orders,
  },
  {
    name: 'when there is more time',
    alert: 'Neo4jBackupVolumeFullSoon',
    state: fullAt(8 * day),
    at: 16 * minute,
  },
  { name: 'where nobody can tell', alert: 'Neo4jBackupVolumeFullSoon', state: {}, at: 16 * minute },
  {
    name: 'when nobody leads',
    alert: 'Neo4jBackupOperatorAbsent',
    state: { isLeading: false },
    at: 6 * minute,
    says: 'No neo4j-backup-operator leads, so no backup is started and none told of. It is the Deployment backups-neo4j-backup-operator in the namespace operators.',
    labels: {},
  },
  { name: 'when one does', alert: 'Neo4jBackupOperatorAbsent', state: {}, at: 6 * minute },
  {
    name: 'while the lead changes',
    alert: 'Neo4jBackupOperatorAbsent',
    state: { isLeading: false },
    at: 4 * minute,
  },
  {
    name: 'when a watch is silent',
    alert: 'Neo4jBackupOperatorBlind',
    state: { silentMs: 301_000 },
    at: 6 * minute,
    says: 'neo4j-backup-operator cannot read, or has not heard for long of, jobs in at least one namespace, and starts no backup on what it does not see. /readyz of the Deployment backups-neo4j-backup-operator in the namespace operators names it.',
    labels: { resource: 'jobs' },
  },
  {
    name: 'when a cache is not filled',
    alert: 'Neo4jBackupOperatorBlind',
    state: { isFilled: false },
    at: 6 * minute,
    says: 'neo4j-backup-operator cannot read, or has not heard for long of, jobs in at least one namespace, and starts no backup on what it does not see. /readyz of the Deployment backups-neo4j-backup-operator in the namespace operators names it.',
    labels: { resource: 'jobs' },
  },
  {
    name: 'when all is heard',
    alert: 'Neo4jBackupOperatorBlind',
    state: { silentMs: 200_000 },
    at: 6 * minute,
  },
  {
    name: 'by the label that has the namespace elsewhere, with labels and address of their own',
    alert: 'Neo4jBackupObjectiveBroken',
    state: objective('False'),
    at: minute,
    says: `The newest verified and consistent backup of Neo4jBackup shop/orders is older than spec.objectives.maxDataLossSeconds. Since when, in the condition ObjectivesMet: ${see}`,
    labels: { exported_namespace: 'shop', name: 'orders' },
    values: everything,
  },
];

const page = readFileSync(join(import.meta.dirname, '../../docs/monitoring.md'), 'utf8');
const bySilence = Map.groupBy(cases, ({ says }) => says === undefined);

async function judge({ alert, state, at, says, labels, values = enabled }: Case): Promise<Output> {
  const rules = await rulesWith(values);
  const rule = alertsOf(rules).find((one) => one.alert === alert);
  if (rule === undefined) throw new Error(`there is no alert ${alert}`);
  const namespaceLabel = values === everything ? 'exported_namespace' : 'namespace';
  const fired = {
    exp_labels: { ...labels, ...rule.labels },
    exp_annotations: { ...rule.annotations, description: says },
  };
  return promtool(['test', 'rules', 'tests.yaml'], rules, {
    evaluation_interval: '1m',
    tests: [
      {
        interval: '1m',
        input_series: await seriesOf(state, namespaceLabel, at),
        alert_rule_test: [
          { eval_time: `${at}s`, alertname: alert, exp_alerts: says === undefined ? [] : [fired] },
        ],
      },
    ],
  });
}

function alertsOf({ groups }: Rules): readonly Alert[] {
  return groups.flatMap(({ rules }) => rules);
}

describe('fires', () => {
  test.each(bySilence.get(false) ?? [])('$alert $name', async (one) => {
    const { code, stdout, stderr } = await judge(one);
    expect({ code, said: code === 0 ? '' : `${stdout}${stderr}` }).toEqual({ code: 0, said: '' });
  });
});

describe('does not fire', () => {
  test.each(bySilence.get(true) ?? [])('$alert $name', async (one) => {
    const { code, stdout, stderr } = await judge(one);
    expect({ code, said: code === 0 ? '' : `${stdout}${stderr}` }).toEqual({ code: 0, said: '' });
  });
});

describe('the rules', () => {
  test.each([
    { name: 'the defaults', values: enabled },
    { name: 'everything set', values: everything },
  ])('are rules to Prometheus with $name, and nothing in them is doubtful', async ({ values }) => {
    const words = ['check', 'rules', '--lint=all', '--lint-fatal', 'rules.yaml'];
    const { code, stdout, stderr } = await promtool(words, await rulesWith(values));
    expect({ code, said: code === 0 ? '' : `${stdout}${stderr}` }).toEqual({ code: 0, said: '' });
  });

  test('the tool would find one that is none', async () => {
    const rules = JSON.stringify(await rulesWith(enabled)).replace('max by', 'most by');
    const { code } = await promtool(['check', 'rules', 'rules.yaml'], JSON.parse(rules) as Rules);
    expect(code).not.toBe(0);
  });

  test('are not there unless they are asked for', async () => {
    const kinds = (await render({})).map(({ kind }) => kind);
    expect(kinds).not.toContain('PrometheusRule');
  });

  test('are each tried, both when they fire and when they do not', async () => {
    const names = alertsOf(await rulesWith(enabled)).map(({ alert }) => alert);
    for (const silent of [true, false])
      expect(new Set(bySilence.get(silent)?.map(({ alert }) => alert))).toEqual(new Set(names));
  });

  test('read only what the operator serves', async () => {
    const served = new Set(new Metrics('').rows().map(({ name }) => name));
    const read = alertsOf(await rulesWith(enabled)).flatMap(
      ({ expr }) => expr.match(/\b(neo4j|leader)_\w+/g) ?? [],
    );
    expect(read.filter((name) => !served.has(name))).toEqual([]);
  });

  test('say how bad it is, and lead to the heading that says what to do', async () => {
    const headings = [...page.matchAll(/^### (Neo4jBackup\w+)$/gm)].map(([, name = '']) => name);
    const alerts = alertsOf(await rulesWith(enabled));
    expect(headings).toEqual(alerts.map(({ alert }) => alert));
    for (const { alert, labels, annotations } of alerts) {
      expect(labels['severity']).toMatch(/^(critical|warning)$/);
      expect(annotations['runbook_url']).toBe(`docs/monitoring.md#${alert.toLowerCase()}`);
    }
  });

  test('come with the command that the page shows', async () => {
    const [, command = ''] = /^```sh\n(helm [\s\S]*?)```/m.exec(page) ?? [];
    const words = command.match(/--set \S+/g)?.flatMap((pair) => pair.split(' ')) ?? [];
    const { stdout } = await template({}, words);
    const { metadata: made } = only(parseManifests(stdout), 'PrometheusRule');
    expect(made.labels).toMatchObject({ release: 'prometheus' });
  });

  test('carry the labels by which Prometheus finds them, and those of every object', async () => {
    const { metadata: made } = only(await render(everything), 'PrometheusRule');
    expect(made.labels).toMatchObject({ release: 'prometheus', team: 'databases' });
    expect(made.annotations).toEqual(everything['commonAnnotations']);
  });
});
