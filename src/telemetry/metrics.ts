// Every metric: name, labels, what it says. Labels are words of our own or of the API; only what is told of backups
// (backup-metrics.ts), of volumes (volume-metrics.ts), or of a place in the queue, names its resource: there a number without a
// name is worth nothing.
import { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';
import type { StatusChange } from '../backup/controller.ts';
import { methods, type RequestMade } from '../kube/transport.ts';
import type { PassResult, RuntimeMetrics } from '../runtime/metrics.ts';
import { BackupMetrics, type Tracked } from './backup-metrics.ts';
import { addProcessMetrics } from './process-metrics.ts';
import { serveText, type TextServer } from './serve.ts';
import { addVolumeMetrics, type Measured } from './volume-metrics.ts';

/** A local copy of what is watched. A Reflector is one. */
interface Cache {
  readonly resource: string;
  readonly size: number;
  hasSynced(): boolean;
  silentMs(): number | undefined;
}

/** What is asked how it stands, each time that somebody asks us. */
export interface Sources {
  readonly caches: readonly {
    readonly reflectors: readonly Cache[];
    readonly backups: { list(): readonly (Measured & Tracked)[] };
  }[];
  readonly controller: {
    readonly name: string;
    readonly depth: number;
    readonly delayed: number;
    readonly underWay: number;
    oldestPassMs(): number;
  };
  /** The resources whose run waits for its turn, the one that came first before the others. Absent: none. */
  readonly queue?: { waiting(): readonly Named[] } | undefined;
  /** Absent: there is no other replica. */
  readonly election?: { readonly isLeading: boolean } | undefined;
}

interface Named {
  readonly namespace: string;
  readonly name: string;
}

/** From what a watch event takes to the deadline of a pass. Seconds. */
const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** How each end of a pass is called in metrics, and whether it was one. */
const results = {
  settled: 'success',
  onChange: 'success',
  after: 'requeue_after',
  failed: 'error',
  terminal: 'error',
  hung: 'error',
  stopped: undefined,
} as const satisfies Record<PassResult, string | undefined>;

/** One row of docs/metrics.md. */
export interface MetricRow {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

const ours = 'neo4j_backup_operator';

export class Metrics implements RuntimeMetrics {
  readonly #registry = new Registry();
  readonly #backups: BackupMetrics;
  #sources: Sources | undefined;

  readonly #reconciles = this.#counter(
    'controller_runtime_reconcile_total',
    'Passes over a resource that ended: success, requeue_after (it is looked at again after a time) or error. Number.',
    ['controller', 'result'],
  );
  readonly #errors = this.#counter(
    'controller_runtime_reconcile_errors_total',
    'Passes that failed. Number.',
    ['controller'],
  );
  readonly #terminalErrors = this.#counter(
    'controller_runtime_terminal_reconcile_errors_total',
    'Passes that failed and are not retried until the resource changes. Number.',
    ['controller'],
  );
  readonly #timeouts = this.#counter(
    'controller_runtime_reconcile_timeouts_total',
    'Passes that were not over at their deadline, of a minute. Number.',
    ['controller'],
  );
  readonly #passTime = this.#histogram(
    'controller_runtime_reconcile_time_seconds',
    'How long a pass took. Seconds.',
    ['controller'],
  );
  readonly #waitTime = this.#histogram(
    'workqueue_queue_duration_seconds',
    'How long a resource waited for a worker. Seconds.',
    ['name'],
  );
  readonly #retries = this.#counter(
    'workqueue_retries_total',
    'Resources put back into the queue because their pass failed. Number.',
    ['name'],
  );
  readonly #requests = this.#counter(
    'rest_client_requests_total',
    'Requests to the API server, by HTTP status and method; <error> where no answer came, or nobody waited for it. Number.',
    ['code', 'method', 'resource'],
  );
  readonly #requestTime = this.#histogram(
    'rest_client_request_duration_seconds',
    'How long a request took until its answer was read; a watch, until it began. Seconds.',
    ['verb'],
  );
  readonly #lists = this.#counter(
    `${ours}_lists_total`,
    'Lists that filled a cache, or did not: ok or failed. Number.',
    ['resource', 'result'],
  );
  readonly #watches = this.#counter(
    `${ours}_watches_total`,
    'Watches that ended: closed by the server, cut, expired (a list follows) or failed at once. Number.',
    ['resource', 'result'],
  );
  readonly #watchEvents = this.#counter(
    `${ours}_watch_events_total`,
    'Changes that watches told of: added, modified, deleted, bookmark or unreadable. Number.',
    ['resource', 'type'],
  );
  readonly #handlerErrors = this.#counter(
    `${ours}_handler_errors_total`,
    'Changes that could not be taken in: each is a bug. Number.',
    ['resource'],
  );
  readonly #lostEvents = this.#counter(
    `${ours}_events_lost_total`,
    'Events for people that could not be sent; the status has what they say. Number.',
    [],
  );

  constructor(version: string) {
    const build = new Gauge({
      name: `${ours}_build_info`,
      help: 'Always 1; its labels say which program this is.',
      labelNames: ['version', 'node_version'] as const,
      registers: [this.#registry],
    });
    build.set({ version, node_version: process.versions.node }, 1);
    this.#addControllerGauges();
    this.#addCacheGauges();
    this.#addQueueGauges();
    this.#backups = new BackupMetrics(this.#registry, ours, () => this.#measured());
    addVolumeMetrics(this.#registry, ours, () => this.#measured());
    addProcessMetrics(this.#registry);
  }

  /** From now on gauges tell how these stand. What has never happened is 0, not absent. */
  follow(sources: Sources): void {
    this.#sources = sources;
    const controller = sources.controller.name;
    for (const result of new Set(Object.values(results)))
      if (result !== undefined) this.#reconciles.inc({ controller, result }, 0);
    for (const counter of [this.#errors, this.#terminalErrors, this.#timeouts])
      counter.inc({ controller }, 0);
    this.#retries.inc({ name: controller }, 0);
  }

  passEnded({ controller, result, durationMs }: Parameters<RuntimeMetrics['passEnded']>[0]): void {
    const counted = results[result];
    if (counted === undefined) return;
    this.#reconciles.inc({ controller, result: counted });
    this.#passTime.observe({ controller }, durationMs / 1_000);
    if (counted === 'error') this.#errors.inc({ controller });
    if (result === 'terminal') this.#terminalErrors.inc({ controller });
    if (result === 'hung') this.#timeouts.inc({ controller });
  }

  keyTaken({ controller, waitedMs }: Parameters<RuntimeMetrics['keyTaken']>[0]): void {
    this.#waitTime.observe({ name: controller }, waitedMs / 1_000);
  }

  keyRetried(controller: string): void {
    this.#retries.inc({ name: controller });
  }

  listEnded({ resource, isGood }: Parameters<RuntimeMetrics['listEnded']>[0]): void {
    this.#lists.inc({ resource, result: isGood ? 'ok' : 'failed' });
  }

  watchEnded({ resource, how }: Parameters<RuntimeMetrics['watchEnded']>[0]): void {
    this.#watches.inc({ resource, result: how });
  }

  watchEvent({ resource, type }: Parameters<RuntimeMetrics['watchEvent']>[0]): void {
    this.#watchEvents.inc({ resource, type });
  }

  handlerThrew(resource: string): void {
    this.#handlerErrors.inc({ resource });
  }

  requestMade({ verb, resource, code, durationMs }: RequestMade): void {
    const method = methods[verb];
    this.#requests.inc({ code: code === 'error' ? '<error>' : code, method, resource });
    this.#requestTime.observe({ verb: method }, durationMs / 1_000);
  }

  eventLost(): void {
    this.#lostEvents.inc();
  }

  statusWritten(change: StatusChange): void {
    this.#backups.statusWritten(change);
  }

  /** In the text format of Prometheus. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** Serves /metrics. @param port 0: any free one. @throws {Error} when the port is taken. */
  serve(port: number): Promise<TextServer> {
    const contentType = this.#registry.contentType;
    return serveText(port, {
      '/metrics': async () => ({ status: 200, body: await this.text(), contentType }),
    });
  }

  rows(): readonly MetricRow[] {
    return this.#registry.getMetricsAsArray().map((metric) => {
      const { labelNames } = metric as unknown as { readonly labelNames: readonly string[] };
      return { name: metric.name, type: metric.type, labels: labelNames, help: metric.help };
    });
  }

  #addControllerGauges(): void {
    type Read = (controller: Sources['controller']) => number;
    const gauge = (name: string, help: string, [label, read]: readonly [string, Read]): void => {
      this.#gauge(name, help, [label], (set) => {
        const controller = this.#sources?.controller;
        if (controller !== undefined) set({ [label]: controller.name }, read(controller));
      });
    };
    gauge('workqueue_depth', 'Resources that wait for a worker. Number.', ['name', ({ depth }) => depth]);
    gauge(
      'workqueue_longest_running_processor_seconds',
      'Age of the oldest pass under way; far beyond a minute it hangs. Seconds.',
      ['name', (controller) => controller.oldestPassMs() / 1_000],
    );
    gauge('controller_runtime_active_workers', 'Passes under way. Number.', [
      'controller',
      ({ underWay }) => underWay,
    ]);
    gauge(`${ours}_delayed`, 'Resources that are to be looked at later, or retried. Number.', [
      'controller',
      ({ delayed }) => delayed,
    ]);
    const master = 'leader_election_master_status';
    this.#gauge(master, '1 where this process leads, 0 where it stands by.', ['name'], (set) =>
      set({ name: 'neo4j-backup-operator' }, (this.#sources?.election?.isLeading ?? true) ? 1 : 0),
    );
  }

  #addQueueGauges(): void {
    const waiting = (): readonly Named[] => this.#sources?.queue?.waiting() ?? [];
    this.#gauge(`${ours}_queue_length`, 'Backups that are due and wait for their turn. Number.', [], (set) =>
      set({}, waiting().length),
    );
    const gauge: Gauge<string> = this.#gauge(
      `${ours}_queue_position`,
      'Where a resource stands in the queue: 1 came first; one for which there is room may start before it. Number.',
      ['namespace', 'name'],
      (set) => {
        gauge.reset(); // who has started waits no more
        for (const [i, { namespace, name }] of waiting().entries()) set({ namespace, name }, i + 1);
      },
    );
  }

  #measured(): readonly (Measured & Tracked)[] {
    return this.#isIdle() ? [] : (this.#sources?.caches ?? []).flatMap(({ backups }) => backups.list());
  }

  /** Who stands by fills no cache, and misses none. */
  #isIdle(): boolean {
    return this.#sources?.election?.isLeading === false;
  }

  #addCacheGauges(): void {
    const gauge = (name: string, help: string, read: (caches: readonly Cache[]) => number): void => {
      this.#gauge(name, help, ['resource'], (set) => {
        const all = this.#isIdle()
          ? []
          : (this.#sources?.caches ?? []).flatMap(({ reflectors }) => reflectors);
        for (const [resource, caches] of Map.groupBy(all, (cache) => cache.resource))
          set({ resource }, read(caches));
      });
    };
    gauge(`${ours}_cache_objects`, 'Objects held in memory. Number.', (caches) =>
      caches.reduce((sum, { size }) => sum + size, 0),
    );
    gauge(
      `${ours}_caches_unfilled`,
      'Caches, one per watched namespace, that could not be filled yet: nothing is done there. Number.',
      (caches) => caches.filter((cache) => !cache.hasSynced()).length,
    );
    gauge(
      `${ours}_cache_silent_seconds`,
      'How long ago the API server last told anything, in the namespace where that was longest ago; beyond some minutes what is held is old. Seconds.',
      (caches) => Math.max(...caches.map((cache) => cache.silentMs() ?? 0)) / 1_000,
    );
  }

  #counter(name: string, help: string, labelNames: readonly string[]): Counter<string> {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  #histogram(name: string, help: string, labelNames: readonly string[]): Histogram<string> {
    return new Histogram({ name, help, labelNames, buckets, registers: [this.#registry] });
  }

  #gauge(
    name: string,
    help: string,
    labelNames: readonly string[],
    collect: (set: (labels: Record<string, string>, value: number) => void) => void,
  ): Gauge<string> {
    const gauge: Gauge<string> = new Gauge({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      collect: () => collect((labels, value) => gauge.set(labels, value)),
    });
    return gauge;
  }
}
