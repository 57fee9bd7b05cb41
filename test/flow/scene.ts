// A cluster, its clock, and whatever operators a story lets run in it. The story plays everybody else.
import type { V1Job } from '@kubernetes/client-node';
import { annotations, labels, tasks } from '../../src/api/names.ts';
import { Neo4jBackupStatus } from '../../src/api/neo4jbackup.ts';
import { BackupController } from '../../src/backup/controller.ts';
import {
  backups,
  claims,
  endpointSlices,
  events,
  jobs,
  pods,
  services,
  type Job,
  type Neo4jBackup,
} from '../../src/backup/resources.ts';
import type { Limits } from '../../src/backup/places.ts';
import type { CallOptions, KubeClient } from '../../src/kube/client.ts';
import { KubeError } from '../../src/kube/errors.ts';
import type { EventInput, EventRecorder } from '../../src/kube/events.ts';
import type { KubeObject, ObjectKey, Resource } from '../../src/kube/resource.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import type { Log } from '../../src/runtime/log.ts';
import { formatReport, type RunReport } from '../../src/run/report.ts';
import { parseRequest, requestVariable } from '../../src/run/request.ts';
import { formatUpkeep, type UpkeepReport } from '../../src/run/upkeep.ts';
import { aSpec, ended } from '../support/builders.ts';
import { FakeClock, quiet } from '../support/fake-clock.ts';
import { FakeKube } from '../support/fake-kube.ts';
import { quietLog } from '../support/quiet-log.ts';

export const namespace = 'shop';
export const key = { namespace, name: 'orders' };
export const cutOff = (): KubeError => new KubeError('unavailable', 'the connection was reset');

/** Remembers every Job that came into being, whatever the caller was told. */
class Kube extends FakeKube {
  readonly made = new Map<string, string>();
  /** The watch tells nobody of a status that was written. */
  losesStatus = false;
  /** The watch tells nobody of a Job that was made. */
  losesJobs = false;

  override async replaceStatus<T extends KubeObject>(
    resource: Resource<T>,
    at: ObjectKey,
    object: object,
    options?: CallOptions,
  ): Promise<T> {
    if (this.losesStatus) this.loseEvents(1);
    return super.replaceStatus(resource, at, object, options);
  }

  override async create<T extends KubeObject>(
    resource: Resource<T>,
    inNamespace: string,
    object: object,
    options?: CallOptions,
  ): Promise<T> {
    if (this.losesJobs && resource.plural === jobs.plural) this.loseEvents(1);
    try {
      return await super.create(resource, inNamespace, object, options);
    } finally {
      for (const { metadata } of this.all(jobs)) this.made.set(metadata.uid, metadata.name);
    }
  }
}

/** What an operator has of the world. */
interface Means {
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: Limits;
}

export class Scene {
  readonly clock = new FakeClock();
  readonly kube = new Kube({ now: () => new Date(this.clock.now().getTime() + this.aheadMs) });
  /** The clock of the API server, less that of the operator. */
  aheadMs = 0;
  readonly events: EventInput[] = [];
  #running: { readonly stop: AbortController; readonly done: Promise<void> }[] = [];

  constructor({ withClaim = true } = {}) {
    this.kube.put(services, namespace, {
      metadata: { name: 'orders-neo4j' },
      spec: { type: 'ClusterIP', clusterIP: '10.0.0.1', ports: [{ port: 6362 }] },
    });
    this.kube.put(endpointSlices, namespace, {
      metadata: { name: 'orders-neo4j-1', labels: { 'kubernetes.io/service-name': 'orders-neo4j' } },
      endpoints: [{ conditions: { ready: true } }],
    });
    if (withClaim) this.makeClaim();
  }

  /** The server behind the Service comes or goes. */
  serve(ready: boolean): void {
    this.kube.edit(endpointSlices, { namespace, name: 'orders-neo4j-1' }, (draft) => {
      draft['endpoints'] = [{ conditions: { ready } }];
    });
  }

  /** The Service becomes an alias of some other name, or a Service again. */
  leadAway(away: boolean): void {
    this.kube.edit(services, { namespace, name: 'orders-neo4j' }, (draft) => {
      (draft['spec'] as { type: string }).type = away ? 'ExternalName' : 'ClusterIP';
    });
  }

  makeClaim(accessMode = 'ReadWriteOnce'): void {
    const spec = { accessModes: [accessMode] };
    this.kube.put(claims, namespace, { metadata: { name: 'backups' }, spec });
  }

  apply(spec: Readonly<Record<string, unknown>> = {}, name = key.name): void {
    this.kube.put(backups, namespace, { metadata: { name }, spec: aSpec(spec) });
  }

  edit(change: Readonly<Record<string, unknown>>): void {
    this.kube.edit(backups, key, (draft) => Object.assign(draft['spec'] as object, change));
  }

  trigger(id: string): void {
    this.edit({ trigger: { id } });
  }

  /** A person asks for a run. */
  annotate(marks: Readonly<Record<string, string>>): void {
    this.kube.edit(backups, key, ({ metadata }) => {
      metadata.annotations = { ...metadata.annotations, ...marks };
    });
  }

  /** Starts an operator, which reaches the cluster as the story wants it to, without limits unless that has some. */
  async start(means: Partial<Means> = {}): Promise<void> {
    const stop = new AbortController();
    const controller = new BackupController({
      client: means.client ?? this.kube,
      events: means.events ?? {
        record: (event) => this.events.push(event),
        flush: async () => undefined,
      },
      clock: means.clock ?? this.clock,
      random: () => 0.5,
      log: means.log ?? quietLog(),
      policy: { agentImage: 'agent:1', allowedHosts: [], allowedImages: [] },
      limits: means.limits,
    });
    this.#running.push({ stop, done: controller.run(stop.signal) });
    await quiet();
  }

  /** Ends all operators. What they had asked for and not been answered yet is void. */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = [];
    for (const operator of running) operator.stop.abort();
    await this.clock.advance(10_000);
    await Promise.all(running.map(({ done }) => done));
  }

  /** Lets time pass: enough for every retry and every second look. */
  async settle(spanMs = 60_000): Promise<void> {
    await this.clock.advance(spanMs);
  }

  backup(name = key.name): Neo4jBackup {
    const backup = this.kube.peek(backups, { namespace, name });
    if (backup === undefined) throw new Error('the resource is gone');
    return backup;
  }

  status(name?: string): Neo4jBackupStatus {
    return Neo4jBackupStatus.parse(this.backup(name).status ?? {});
  }

  /** Status and reason of each condition. */
  conditions(name?: string): Record<string, string> {
    const { conditions = [] } = this.status(name);
    return Object.fromEntries(conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]));
  }

  /** Reason of the condition Ready. */
  ready(): string | undefined {
    return this.status().conditions?.find(({ type }) => type === 'Ready')?.reason;
  }

  /** Names of the Jobs that are there. */
  jobNames(): readonly string[] {
    return this.kube.all(jobs).map(({ metadata }) => metadata.name);
  }

  /** Names of the Jobs that were ever made, in that order. */
  madeJobs(): readonly string[] {
    return [...this.kube.made.values()];
  }

  /** The Pods that the request of a run names as ended. */
  terminalPodsOf(job: string): readonly string[] {
    const made = this.kube.requests.findLast(
      ({ verb, type, body }) =>
        verb === 'create' && type === 'jobs.batch' && (body as V1Job).metadata?.name === job,
    );
    const { spec } = (made?.body ?? {}) as V1Job;
    const env = spec?.template.spec?.initContainers?.[0]?.env ?? [];
    return parseRequest(env.find(({ name }) => name === requestVariable)?.value ?? '').terminalPods;
  }

  /** Names of the Jobs that have not ended: of runs, or of what they are for that are none. */
  activeJobs(task?: string): readonly string[] {
    return this.kube
      .all(jobs)
      .filter(({ metadata, status }) => metadata.labels?.[labels.task] === task && !isOver(status))
      .map(({ metadata }) => metadata.name);
  }

  /** The one Job of a run that has not ended. */
  activeJob(): string {
    const [job, ...more] = this.activeJobs();
    if (job === undefined || more.length > 0)
      throw new Error(`${more.length + 1} Jobs have not ended, or none`);
    return job;
  }

  /** The Pod of the one Job of a task says what it has done; then the Job ends. */
  tended(task: 'scrub' | 'prune', says: Partial<UpkeepReport> = {}): string {
    const [id = '', ...more] = this.activeJobs(task);
    if (more.length > 0) throw new Error(`more than one Job for ${task}`);
    const reason = task === 'scrub' ? 'Verified' : 'RetentionApplied';
    const completionTime = this.clock.now().toISOString();
    const usual = { schemaVersion: 1, task, id, reason, message: 'It is done.', completionTime } as const;
    const message = formatUpkeep({ ...usual, ...says });
    this.#leavePod(id, { phase: 'Succeeded', containerStatuses: [ended(task, 0, { message })] });
    this.end(id, 'Complete', 'CompletionsReached');
    return id;
  }

  /** The Pod of a Job runs and leaves its report; then the Job ends. */
  finish(job: string, report: RunReport): void {
    const message = formatReport({ ...report, run: job });
    const exitCode = report.path === undefined ? 20 : 0;
    this.#leavePod(job, {
      phase: exitCode === 0 ? 'Succeeded' : 'Failed',
      containerStatuses: [ended('report', exitCode, { message })],
    });
    this.end(job, exitCode === 0 ? 'Complete' : 'Failed');
  }

  /** A Pod of the Job runs, and ends like this. */
  #leavePod(job: string, status: object): void {
    const name = `${job}-a`;
    this.kube.put(pods, namespace, {
      metadata: { name, ...this.#ofJob(job) },
      status: { phase: 'Running' },
    });
    this.kube.edit(pods, { namespace, name }, (draft) => {
      draft['status'] = status;
    });
  }

  #ofJob(job: string): Pick<KubeObject['metadata'], 'labels' | 'ownerReferences'> {
    const owner = this.kube.peek(jobs, { namespace, name: job });
    if (owner === undefined) throw new Error(`there is no Job ${job}`);
    const { labels: marks = {}, uid } = owner.metadata;
    return { labels: marks, ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: job, uid }] };
  }

  /** The Job that looks into a run. It is due as soon as nothing else is. */
  inspection(): string {
    const [job, ...more] = this.activeJobs(tasks.inspect);
    if (job === undefined || more.length > 0) throw new Error('not one inspection is under way');
    return job;
  }

  /** The Pod of the Job that looks into a run says how that ended; then the Job ends. */
  answer(report: RunReport): void {
    const name = this.inspection();
    const owner = this.kube.peek(jobs, { namespace, name });
    const run = owner?.metadata.annotations?.[annotations.run] ?? '';
    const message = formatReport({ ...report, run });
    this.#leavePod(name, { phase: 'Succeeded', containerStatuses: [ended('inspect', 0, { message })] });
    this.end(name, 'Complete', 'CompletionsReached');
  }

  /** The Pod of a Job waits for an image that nobody has. */
  obstruct(job: string): void {
    this.stuck(job, 'ImagePullBackOff');
  }

  /** The Pod of a Job waits. */
  stuck(job: string, reason: string): void {
    this.kube.put(pods, namespace, {
      metadata: { name: `${job}-stuck`, ...this.#ofJob(job) },
      status: {
        phase: 'Pending',
        initContainerStatuses: [{ name: 'engine', state: { waiting: { reason } } }],
      },
    });
  }

  /** From now on a Job that is deleted stays, marked, as one does whose Pods take their time. */
  hold(job: string): void {
    this.kube.edit(jobs, { namespace, name: job }, ({ metadata }) => {
      metadata.finalizers = ['example.com/held'];
    });
  }

  /** The Pods of a Job that was held are gone, and so is the Job. */
  letGo(job: string): void {
    const uid = this.kube.peek(jobs, { namespace, name: job })?.metadata.uid;
    for (const { metadata } of this.kube.all(pods))
      if (metadata.ownerReferences?.some((owner) => owner.uid === uid) === true)
        this.kube.remove(pods, { namespace, name: metadata.name });
    this.kube.edit(jobs, { namespace, name: job }, ({ metadata }) => {
      delete metadata.finalizers;
    });
  }

  /** The Job's controller could not make a Pod, and says why. */
  refusePod(job: string, message: string): void {
    const uid = this.kube.peek(jobs, { namespace, name: job })?.metadata.uid;
    this.kube.put(events, namespace, {
      metadata: { name: `${job}.refused` },
      involvedObject: { uid },
      reason: 'FailedCreate',
      message,
    });
  }

  /** Somebody says something about a Pod. */
  complain(pod: string, reason: string, message: string): void {
    const uid = this.kube.peek(pods, { namespace, name: pod })?.metadata.uid;
    const metadata = { name: `${pod}.complaint` };
    this.kube.put(events, namespace, { metadata, involvedObject: { uid }, reason, message });
  }

  end(job: string, type: 'Complete' | 'Failed', reason = 'PodFailurePolicy'): void {
    const lastTransitionTime = this.clock.now().toISOString();
    this.kube.edit(jobs, { namespace, name: job }, (draft) => {
      draft['status'] = { conditions: [{ type, status: 'True', reason, lastTransitionTime }] };
    });
  }

  /** How many writes were asked for. */
  writes(): number {
    const verbs: readonly string[] = ['create', 'replaceStatus', 'delete'];
    return this.kube.requests.filter(({ verb }) => verbs.includes(verb)).length;
  }
}

function isOver(status: Job['status']): boolean {
  return (status?.conditions ?? []).length > 0;
}
