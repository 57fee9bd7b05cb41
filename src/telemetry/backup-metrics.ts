// How backups go: series of each resource, from its spec and status, read when they are asked for; and what is counted as status is written.
import { Counter, Gauge, type Registry } from '@prometheus-io/client';
import type { MissedRuns, Neo4jBackupSpec, Neo4jBackupStatus, RunStatus } from '../api/neo4jbackup.ts';
import type { StatusChange } from '../backup/controller.ts';
import { expectedIntervalSeconds } from '../backup/interval.ts';
import { objectiveType } from '../backup/objective.ts';

/** A resource, and as much of it as becomes numbers. */
export interface Tracked {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string | undefined;
    readonly creationTimestamp?: string | undefined;
  };
  readonly spec?:
    | Partial<Pick<Neo4jBackupSpec, 'schedule' | 'fullSchedule' | 'timeZone' | 'blackoutWindows' | 'suspend'>>
    | undefined;
  readonly status?:
    | Pick<
        Neo4jBackupStatus,
        | 'conditions'
        | 'lastRun'
        | 'lastFull'
        | 'lastIncremental'
        | 'lastFailure'
        | 'nextScheduleTime'
        | 'missedRuns'
        | 'history'
      >
    | undefined;
}

/** A value, or one for each word of the label. */
type Read = number | undefined | Iterable<readonly [word: string, value: number | undefined]>;

interface Row {
  readonly name: string;
  readonly help: string;
  readonly label?: 'type' | 'reason';
  readonly read: (resource: Tracked) => Read;
}

const rows: readonly Row[] = [
  {
    name: 'created_timestamp_seconds',
    help: 'When the resource was created. Seconds since 1970.',
    read: ({ metadata }) => secondsOf(metadata.creationTimestamp),
  },
  {
    name: 'suspended',
    help: '1 where the schedules are suspended, else 0.',
    read: ({ spec }) => Number(spec?.suspend ?? false),
  },
  {
    name: 'expected_interval_seconds',
    help: 'The longest time between two moments of the schedules, blackout windows left out; there is none without a schedule. Seconds.',
    read: ({ spec = {} }) => expectedIntervalSeconds(spec),
  },
  {
    name: 'next_schedule_timestamp_seconds',
    help: 'When the next scheduled run starts; there is none while suspended. Seconds since 1970.',
    read: ({ status }) => secondsOf(status?.nextScheduleTime),
  },
  {
    name: 'last_success_timestamp_seconds',
    help: 'When the newest successful run of each type ended. Seconds since 1970.',
    label: 'type',
    read: ({ status }) => successes(status).map(([type, run]) => [type, secondsOf(run.completionTime)]),
  },
  {
    name: 'last_failure_timestamp_seconds',
    help: 'When the newest run ended that failed, or that some databases failed in. Seconds since 1970.',
    read: ({ status }) => secondsOf(status?.lastFailure?.completionTime),
  },
  {
    name: 'last_run_succeeded',
    help: '1 where the run that ended last took all that it was to take, else 0; there is none before the first one.',
    read: ({ status }) =>
      status?.lastRun === undefined ? undefined : Number(status.lastRun.result === 'Succeeded'),
  },
  {
    name: 'run_duration_seconds',
    help: 'How long the run took that ended last, from its Job on. Seconds.',
    read: ({ status }) => durationOf(status?.lastRun),
  },
  {
    name: 'artifact_bytes',
    help: 'Size of what the newest successful run of each type took. Bytes.',
    label: 'type',
    read: ({ status }) => successes(status).map(([type, run]) => [type, run.sizeBytes]),
  },
  {
    name: 'objective_met',
    help: '1 where no more can be lost than spec.objectives allows, or there was no time for a first backup yet, else 0; there is none without objectives.',
    read: ({ status }) => {
      const condition = status?.conditions?.find(({ type }) => type === objectiveType);
      return condition === undefined ? undefined : Number(condition.status !== 'False');
    },
  },
  {
    name: 'last_missed_run_timestamp_seconds',
    help: 'The newest moment of the schedules that had no run, by the reason. Seconds since 1970.',
    label: 'reason',
    read: ({ status }) =>
      [...Map.groupBy(status?.missedRuns ?? [], ({ reason }) => reason)].map(([reason, missed]) => [
        reason,
        Math.max(...missed.map(({ lastTime }) => Date.parse(lastTime))) / 1_000,
      ]),
  },
];

function secondsOf(time: string | undefined): number | undefined {
  return time === undefined ? undefined : Date.parse(time) / 1_000;
}

/** The newest of each type: of several databases, in full and incrementally, only the history knows. */
function successes({
  lastFull,
  lastIncremental,
  history = [],
}: NonNullable<Tracked['status']> = {}): readonly (readonly [string, RunStatus])[] {
  const mixed = history.find(({ type, result }) => type === 'Mixed' && result === 'Succeeded');
  const newest = [
    ['Full', lastFull],
    ['Incremental', lastIncremental],
    ['Mixed', mixed],
  ] as const;
  return newest.flatMap(([type, run]) => (run === undefined ? [] : [[type, run] as const]));
}

/** Of one that found what it had published before its Job was made nobody knows. */
function durationOf(run: RunStatus | undefined): number | undefined {
  if (run?.completionTime === undefined) return undefined;
  const ms = Date.parse(run.completionTime) - Date.parse(run.startTime);
  return ms < 0 ? undefined : ms / 1_000;
}

function keyOf({
  namespace,
  name,
}: {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
}): string {
  return `${namespace}/${name}`;
}

type Labels = Readonly<Record<string, string>>;

/** Counts by resource: those of one that is gone go with it, so that they do not grow without bound. */
class Counts {
  readonly #byKey = new Map<string, Map<string, { readonly labels: Labels; count: number }>>();

  add({ namespace, name }: Labels, labels: Labels, count: number): void {
    const key = keyOf({ namespace, name });
    const counts = this.#byKey.get(key) ?? new Map<string, { readonly labels: Labels; count: number }>();
    this.#byKey.set(key, counts);
    const mark = JSON.stringify(labels);
    const known = counts.get(mark) ?? { labels, count: 0 };
    counts.set(mark, known);
    known.count += count;
  }

  /** @param keys of the resources that there are */
  *of(keys: ReadonlySet<string>): Iterable<readonly [Labels, number]> {
    for (const [key, counts] of this.#byKey) {
      if (!keys.has(key)) this.#byKey.delete(key);
      else for (const { labels, count } of counts.values()) yield [labels, count];
    }
  }
}

export class BackupMetrics {
  readonly #runs = new Counts();
  readonly #missed = new Counts();

  /** @param tracked what is known at the moment; nothing where another replica leads */
  constructor(registry: Registry, prefix: string, tracked: () => readonly Tracked[]) {
    for (const row of rows) addGauge(registry, prefix, { row, tracked });
    const counter = (name: string, help: string, more: readonly string[], counts: Counts): void => {
      const labelNames = ['namespace', 'name', ...more];
      const metric: Counter<string> = new Counter({
        name: `${prefix}_${name}`,
        help,
        labelNames,
        registers: [registry],
        collect: () => {
          metric.reset();
          const keys = new Set(tracked().map(({ metadata }) => keyOf(metadata)));
          for (const [labels, count] of counts.of(keys)) metric.inc(labels, count);
        },
      });
    };
    counter(
      'runs_total',
      'Runs that ended since the operator began to lead. Number.',
      ['result', 'reason', 'type'],
      this.#runs,
    );
    counter(
      'missed_runs_total',
      'Moments of the schedules that had no run, as far as the operator noted them since it began to lead. Number.',
      ['reason'],
      this.#missed,
    );
  }

  statusWritten({ namespace = '', name, before, after, ended }: StatusChange): void {
    const whose = { namespace, name };
    const known = new Set((before?.history ?? []).map(({ id }) => id));
    for (const { id, result, reason, type = 'None' } of ended)
      if (!known.has(id)) this.#runs.add(whose, { ...whose, result, reason, type }, 1);
    for (const [reason, count] of missedSince(before?.missedRuns, after.missedRuns))
      this.#missed.add(whose, { ...whose, reason }, count);
  }
}

/** A range that has grown has its first moment still. */
function missedSince(
  before: readonly MissedRuns[] = [],
  after: readonly MissedRuns[] = [],
): readonly (readonly [reason: string, count: number])[] {
  return after.flatMap(({ reason, firstTime, count }) => {
    const known = before.find((range) => range.reason === reason && range.firstTime === firstTime);
    const more = count - (known?.count ?? 0);
    return more > 0 ? [[reason, more] as const] : [];
  });
}

function addGauge(
  registry: Registry,
  prefix: string,
  { row, tracked }: { readonly row: Row; readonly tracked: () => readonly Tracked[] },
): void {
  const { name, help, label, read } = row;
  const gauge: Gauge<string> = new Gauge({
    name: `${prefix}_${name}`,
    help,
    labelNames: ['namespace', 'name', ...(label === undefined ? [] : [label])],
    registers: [registry],
    collect: () => {
      gauge.reset(); // a resource may be gone
      for (const resource of tracked()) {
        const { namespace = '', name: whose } = resource.metadata;
        const value = read(resource);
        const values = typeof value === 'object' ? value : [['', value] as const];
        for (const [word, number] of values)
          if (number !== undefined)
            gauge.set({ namespace, name: whose, ...(label === undefined ? {} : { [label]: word }) }, number);
      }
    },
  });
}
