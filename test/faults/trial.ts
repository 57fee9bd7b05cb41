// One telling of a story with faults in it, and what must hold whatever they are.
import { isDeepStrictEqual } from 'node:util';
import { labels } from '../../src/api/names.ts';
import { Neo4jBackupStatus, type RunStatus } from '../../src/api/neo4jbackup.ts';
import { backups, claims, jobs, pods, services, type Pod } from '../../src/backup/resources.ts';
import { causeOf, runName } from '../../src/backup/run.ts';
import { KubeError } from '../../src/kube/errors.ts';
import { formatKey, type KubeObject } from '../../src/kube/resource.ts';
import { FakeJobs, type FakeJobsOptions } from '../support/fake-jobs.ts';
import type { FakeRequest } from '../support/fake-kube-faults.ts';
import { typeOf, type Stored, type WorldChange } from '../support/fake-kube-world.ts';
import { quiet } from '../support/fake-clock.ts';
import { key, namespace, Scene } from '../flow/scene.ts';
import { OperatorProcess, type EventFate, type Fate, type Stale } from './operator-process.ts';
import { refusals, type Extent, type Plan } from './plan.ts';

/** What happens in the world, one thing after the other; each waits until the operator has come to rest. */
export interface Story {
  readonly name: string;
  readonly withClaim?: boolean;
  /** How the Pods of a Job end, where the cluster runs them by itself. Absent: the acts do. */
  readonly script?: FakeJobsOptions['script'];
  /** Each act is about what the one before has led to: told in a rush it would be another story. */
  readonly isOrdered?: true;
  /** Time itself tells it, and goes on while a fault is mended: only what goes wrong around a write, which is mended at once. */
  readonly onlyAtWrites?: true;
  /** How long an act takes to come to rest where nothing goes wrong. Milliseconds; a minute unless said. */
  readonly restMs?: number;
  readonly acts: readonly ((trial: Trial) => void)[];
}

export interface Told {
  /** How things stood after each act. */
  readonly pictures: readonly object[];
  /** What people were told. */
  readonly events: readonly string[];
  readonly extent: Extent;
  readonly requests: readonly FakeRequest[];
  /** What did not hold, in words. */
  readonly violations: readonly string[];
}

const writeVerbs: ReadonlySet<string> = new Set(['create', 'replace', 'replaceStatus', 'delete']);
const cached: ReadonlySet<string> = new Set([backups, jobs, pods, services, claims].map(typeOf));

interface EventBody {
  readonly reason: string;
  readonly note: string;
}

type PodStatus = NonNullable<Pod['status']>;

/** How late a late write is: below the deadline of a pass. Milliseconds. */
const lateMs = 20_000;
const slowMs = 5_000;

/** How long the kubelet takes to start a process anew, and how long an API server may tell of the past. Milliseconds. */
const restartMs = 3_000;
const staleMs = 30_000;

/**
 * How long it may take until all is as it should be. An event that a watch has lost is made good by the next list, which
 * comes after 40 minutes at most. Milliseconds.
 */
const patienceMs = 5 * 60_000;
const patienceWithLossMs = 50 * 60_000;
const stepMs = 60_000;
const bookmarkMs = 60_000;

/** etcd takes 1.5 MiB; this is what a person can still read. Bytes. */
const maxObjectBytes = 16 * 1024;

export class Trial extends Scene {
  readonly #plans: readonly Plan[];
  readonly #violations: string[] = [];
  readonly #processes: OperatorProcess[] = [];
  /** Names of the runs that left a backup behind. */
  readonly #taken = new Set<string>();
  readonly #results = new Map<string, string>();
  readonly #story: Story;
  #writes = 0;
  #writesOfFirst = 0;
  #requests = 0;
  #told = 0;
  /** How many acts have happened. */
  #happened = 0;
  #isAway = false;

  constructor(story: Story, plans: readonly Plan[]) {
    super(story);
    this.#plans = plans;
    this.#story = story;
    this.kube.onChange((change) => this.#check(change));
    this.#sendBookmarks();
    if (story.script !== undefined)
      new FakeJobs({ kube: this.kube, clock: this.clock, script: story.script }).start();
  }

  /** Plays the whole story. @param calm how it went without a fault: how this one has to end, too */
  async tell(calm?: Told): Promise<Told> {
    const story = this.#story;
    const pictures: object[] = [];
    const versions: number[][] = [];
    await this.#spawn();
    if (this.#plans.some(({ kind }) => kind === 'pair' || kind === 'lateWrite')) await this.#spawn();
    for (const [i, act] of story.acts.entries()) {
      versions.push(this.#cachedVersions());
      const hasHappened = i < this.#happened;
      this.#happened = Math.max(this.#happened, i + 1);
      await this.#disturb(i + 1, () => void (hasHappened || act(this)));
      await this.settle(story.restMs ?? stepMs);
      // What was there between two acts in a rush nobody saw.
      const expected = this.#happened > i + 1 ? undefined : calm?.pictures[i];
      if (expected !== undefined && !(await this.#comesTo(expected))) {
        this.#violations.push(`after act ${i + 1}: ${difference(expected, this.picture())}`);
        break;
      }
      pictures.push(this.picture());
    }
    const extent = this.#extent(versions);
    await this.#checkRest();
    for (const process of this.#processes) process.kill();
    const events = this.#toldEvents();
    if (calm !== undefined) this.#checkEvents(events, calm.events);
    return { pictures, events, extent, requests: this.kube.requests, violations: this.#violations };
  }

  /** As the API server does, about once a minute. */
  #sendBookmarks(): void {
    this.clock.after(bookmarkMs, () => {
      this.kube.bookmark();
      this.#sendBookmarks();
    });
  }

  /** What people were told. */
  #toldEvents(): readonly string[] {
    const made = this.kube.requests.filter(
      ({ verb, type }) => verb === 'create' && type.startsWith('events'),
    );
    return made.map(({ body }) => `${(body as EventBody).reason} ${(body as EventBody).note}`);
  }

  /** The first Pod of a Job is lost with its node, and the Job makes another one. */
  loseFirstPod(job: string): void {
    const owner = this.kube.peek(jobs, { namespace, name: job });
    const { labels: marks, uid } = owner?.metadata ?? {};
    const ownerReferences = [{ apiVersion: 'batch/v1', kind: 'Job', name: job, uid }];
    this.kube.put(pods, namespace, {
      metadata: { name: `${job}-lost`, labels: marks, ownerReferences },
      status: { phase: 'Failed', reason: 'NodeLost' },
    });
  }

  removeJob(job: string): void {
    this.kube.remove(jobs, { namespace, name: job });
  }

  /** Somebody's finalizer keeps the resource from going. */
  holdBackup(): void {
    this.kube.edit(backups, key, ({ metadata }) => (metadata.finalizers = ['example.com/theirs']));
  }

  letBackupGo(): void {
    this.kube.edit(backups, key, ({ metadata }) => delete metadata.finalizers);
  }

  /** A Job that is not ours has the name of the run that is due. */
  makeForeignJob(): void {
    const name = runName(this.backup(), causeOf({}));
    this.kube.put(jobs, namespace, { metadata: { name, labels: { whose: 'theirs' } } });
  }

  /** Everything that must not depend on when what happened, or on how often the operator was started. */
  picture(): object {
    return {
      backups: this.kube.all(backups).map(({ metadata, status }) => [metadata.name, lasting(status)]),
      jobs: this.kube
        .all(jobs)
        .map(({ metadata, status }) => [
          metadata.name,
          metadata.uid,
          metadata.deletionTimestamp !== undefined,
          (status?.conditions ?? []).map(({ type }) => type),
        ]),
      pods: this.kube.all(pods).map(({ metadata }) => metadata.name),
      made: this.#jobChanges(({ before, after }) => (before === undefined ? after : undefined)),
      deleted: this.#jobChanges(({ before, after }) => (after === undefined ? before : undefined)),
    };
  }

  /** No operator is there, nor started anew, until it comes back. */
  leave(): void {
    this.#isAway = true;
    for (const process of this.#processes) process.kill();
  }

  comeBack(): void {
    this.#isAway = false;
    void this.#spawn();
  }

  async #spawn(stale?: Stale): Promise<void> {
    if (this.#isAway) return;
    const process: OperatorProcess = new OperatorProcess({
      kube: this.kube,
      clock: this.clock,
      line: {
        fateOf: (verb) => this.#fateOf(verb, process === this.#processes[0]),
        fateOfEvent: () => this.#fateOfEvent(),
        stale,
      },
      onIdleWrite: () => this.#violations.push('a status was written that said nothing new'),
      onDeath: () => void this.clock.after(restartMs, () => void this.#spawn()),
    });
    this.#processes.push(process);
    await this.start({ client: process, clock: process.clock, events: process.events });
  }

  /** Does the act, and whatever the plan has for it. */
  async #disturb(act: number, happen: () => void): Promise<void> {
    happen();
    for (const plan of this.#plans) {
      if (plan.kind === 'stale' && plan.act === act) {
        for (const process of this.#processes) process.kill();
        await this.#spawn({ version: plan.version, forMs: staleMs });
      }
      if (plan.kind === 'expired' && plan.act === act) {
        this.kube.expireHistory();
        this.kube.breakWatches();
      }
    }
    await quiet();
  }

  #fateOf(verb: string, isFirst: boolean): Fate {
    this.#requests += 1;
    const isWrite = writeVerbs.has(verb);
    if (isWrite) this.#writes += 1;
    if (isWrite && isFirst) this.#writesOfFirst += 1;
    return this.#plans.map((plan) => this.#fateBy(plan, isWrite, isFirst)).find(isFault) ?? goes;
  }

  #fateBy(plan: Plan, isWrite: boolean, isFirst: boolean): Fate {
    if (plan.kind === 'request' && plan.request === this.#requests) return failure(plan.how);
    if (!isWrite || !('write' in plan)) return goes;
    const isNow = plan.write === (plan.kind === 'lateWrite' ? this.#writesOfFirst : this.#writes);
    if (!isNow) return goes;
    if (plan.kind === 'crash') return { kind: 'dies', when: plan.when };
    if (plan.kind === 'lateWrite') return isFirst ? { kind: 'isLate', delayMs: lateMs } : goes;
    return { kind: 'isSlow', delayMs: slowMs, meanwhile: () => this.#rush() };
  }

  /** The next act happens now, unless it is about something that is not there yet. */
  #rush(): void {
    try {
      this.#story.acts[this.#happened]?.(this);
      this.#happened += 1;
    } catch {
      // then it happens in its turn
    }
  }

  #fateOfEvent(): EventFate {
    this.#told += 1;
    const plan = this.#plans.find((one) => one.kind === 'event' && one.event === this.#told);
    return plan?.kind === 'event' ? plan.fate : 'goes';
  }

  async #comesTo(expected: object): Promise<boolean> {
    const isLossy = this.#plans.some((plan) => plan.kind === 'event' && plan.fate === 'isLost');
    const mostMs = isLossy ? patienceWithLossMs : patienceMs;
    for (let waitedMs = 0; waitedMs < mostMs; waitedMs += stepMs) {
      if (isDeepStrictEqual(this.picture(), expected)) return true;
      if (this.#violations.length > 0) return true;
      await this.settle();
    }
    return isDeepStrictEqual(this.picture(), expected);
  }

  /** Nothing is written any more once all is told, and nothing is left that nobody owns. */
  async #checkRest(): Promise<void> {
    const before = this.kube.requests.length;
    await this.settle(20 * 60_000);
    for (const request of this.kube.requests.slice(before))
      if (!keepsCaches(request)) this.#violations.push(`at rest: ${request.verb} ${request.type}`);
    const uids = new Set(this.#all().map(({ metadata }) => metadata.uid));
    for (const { metadata } of this.#all())
      for (const owner of metadata.ownerReferences ?? [])
        if (!uids.has(owner.uid)) this.#violations.push(`${metadata.name} has lost its owner`);
  }

  #all(): readonly KubeObject[] {
    return [...this.kube.all(backups), ...this.kube.all(jobs), ...this.kube.all(pods)];
  }

  /** A crash may cost an Event, and nothing repeats one. */
  #checkEvents(events: readonly string[], calm: readonly string[]): void {
    const allowed = [...calm];
    for (const event of events) {
      const at = allowed.indexOf(event);
      if (at === -1) this.#violations.push(`an Event too many: ${event}`);
      else allowed.splice(at, 1);
    }
  }

  #check({ type, before, after }: WorldChange): void {
    if (type === typeOf(pods) && after !== undefined) this.#noteBackup(after);
    if (type === typeOf(backups) && after !== undefined) this.#checkStatus(after);
    if (type === typeOf(jobs) && before === undefined && after !== undefined) this.#checkNewJob(after);
  }

  /** A Pod of ours says what it published: nothing else makes a success. */
  #noteBackup({ status }: Stored): void {
    const { containerStatuses = [], initContainerStatuses = [] } = (status ?? {}) as PodStatus;
    for (const { state } of [...initContainerStatuses, ...containerStatuses]) {
      const report = JSON.parse(state?.terminated?.message ?? '{}') as { path?: string; run?: string };
      if (report.path !== undefined && report.run !== undefined) this.#taken.add(report.run);
    }
  }

  #checkStatus(object: Stored): void {
    const bytes = JSON.stringify(object).length;
    if (bytes > maxObjectBytes) this.#violations.push(`an object of ${bytes} bytes`);
    const { history = [], lastRun, ...status } = Neo4jBackupStatus.parse(object['status'] ?? {});
    const { currentRun, inspecting = [] } = status;
    for (const { id } of [...(currentRun === undefined ? [] : [currentRun]), ...inspecting])
      if (history.some((run) => run.id === id))
        this.#violations.push(`${id} has ended and is under way, or asked about`);
    for (const run of [...history, ...(lastRun === undefined ? [] : [lastRun])])
      this.#checkRun(run, object.metadata.uid);
  }

  #checkRun({ id, result, reason }: RunStatus, uid: string): void {
    if (result === 'Succeeded' && !this.#taken.has(id)) this.#violations.push(`${id}: a success of nothing`);
    const is = `${result} ${reason}`;
    const was = this.#results.get(`${uid} ${id}`) ?? is;
    if (was !== is) this.#violations.push(`${id} was told as ${was}, and then as ${is}`);
    this.#results.set(`${uid} ${id}`, is);
  }

  #checkNewJob({ metadata }: Stored): void {
    const owner = metadata.ownerReferences?.[0]?.uid;
    if (owner === undefined) return;
    const active = this.#activeAt(metadata.resourceVersion, owner);
    if (active.length > 1) this.#violations.push(`two runs at once: ${active.join(' and ')}`);
  }

  /** Names of the Jobs of an owner that had not ended at that version. */
  #activeAt(version: string, owner: string): readonly string[] {
    const { items } = this.kube.listAt(jobs, { labelSelector: labels.managedBy }, Number(version));
    return items
      .filter(({ metadata, status }) => {
        const hasEnded = status?.conditions?.some(({ type }) => type === 'Complete' || type === 'Failed');
        const isRun = metadata.labels?.[labels.task] === undefined;
        return isRun && metadata.ownerReferences?.[0]?.uid === owner && hasEnded !== true;
      })
      .map(({ metadata }) => metadata.name);
  }

  #jobChanges(object: (change: WorldChange) => Stored | undefined): readonly string[] {
    return this.kube.changes
      .filter(({ type }) => type === typeOf(jobs))
      .flatMap((change) => object(change) ?? [])
      .map(({ metadata }) => formatKey(metadata));
  }

  /** Versions at which what is cached changed. */
  #cachedVersions(): number[] {
    return this.kube.changes.filter(({ type }) => cached.has(type)).map(({ version }) => version);
  }

  #extent(versions: readonly (readonly number[])[]): Extent {
    return {
      acts: this.#story.acts.length,
      writes: this.#writes,
      requests: this.#requests,
      events: this.#told,
      versions,
    };
  }
}

const goes: Fate = { kind: 'goes' };

/** A watch that goes on, or the list of a whole cache that comes every so often. */
function keepsCaches({ verb, type, namespace: where }: FakeRequest): boolean {
  return verb === 'watch' || (verb === 'list' && where === undefined && cached.has(type));
}

function isFault({ kind }: Fate): boolean {
  return kind !== 'goes';
}

function failure(how: keyof typeof refusals | 'hangs'): Fate {
  if (how === 'hangs') return { kind: 'hangs' };
  const { kind, applied } = refusals[how];
  return { kind: 'fails', error: new KubeError(kind, `the story wants it: ${how}`), applied };
}

/** A status without its instants. */
function lasting(status: Neo4jBackupStatus | undefined): unknown {
  return JSON.parse(
    JSON.stringify(status ?? {}, (name, value: unknown) =>
      /(Time|Since|Through)$/.test(name) ? 'then' : value,
    ),
  );
}

/** The first part in which the two differ, short enough for a line. */
function difference(expected: object, found: object): string {
  for (const [part, value] of Object.entries(expected)) {
    const is = (found as Readonly<Record<string, unknown>>)[part];
    if (!isDeepStrictEqual(value, is)) return `${part}: ${firstOf(value, is)}`;
  }
  return 'nothing differs';
}

function firstOf(expected: unknown, found: unknown): string {
  const [a, b] = [JSON.stringify(expected), JSON.stringify(found)];
  let at = 0;
  while (at < a.length && a[at] === b[at]) at += 1;
  return `expected …${a.slice(Math.max(0, at - 60), at + 90)}…, found …${b.slice(Math.max(0, at - 60), at + 90)}…`;
}
