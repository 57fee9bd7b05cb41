// Which key each change means, and one pass over it: observe, decide, act, status.
import { isDeepStrictEqual } from 'node:util';
import type { Neo4jBackupStatus } from '../api/neo4jbackup.ts';
import type { KubeClient } from '../kube/client.ts';
import { isKubeError } from '../kube/errors.ts';
import type { EventRecorder } from '../kube/events.ts';
import { formatKey, keyOf, type ObjectKey } from '../kube/resource.ts';
import type { Clock } from '../runtime/clock.ts';
import { Controller } from '../runtime/controller.ts';
import type { Log } from '../runtime/log.ts';
import type { RuntimeMetrics } from '../runtime/metrics.ts';
import type { Next } from '../runtime/next.ts';
import { act, type ActOutcome } from './act.ts';
import { Caches, isUnderWay } from './caches.ts';
import { decide, isInLine, isInTurn, needsFreshEyes, startingIn, type Decision } from './decide.ts';
import type { Policy } from './objection.ts';
import { byPlace, glance, lookCloser, observeAfresh, type ObserveDeps, type Observed } from './observe.ts';
import { isFinished } from './outcome.ts';
import { claimPlace, claimPlaceIn, noLimits, placesOf, type Limits } from './places.ts';
import { Queue } from './queue.ts';
import { backups, type Job, type Neo4jBackup } from './resources.ts';
import { announcements, nextStatus } from './status.ts';

export interface BackupControllerDeps {
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly metrics?: RuntimeMetrics | undefined;
  /** Each once. Absent or empty: all. */
  readonly namespaces?: readonly string[] | undefined;
  readonly policy: Policy;
  /** Absent: any number of backups may be under way at once. */
  readonly limits?: Limits | undefined;
  /** Told of each status that was written. Must neither wait nor throw. */
  readonly onStatus?: ((change: StatusChange) => void) | undefined;
}

/** One write of a status: what it was and is, and the runs whose end was seen before it. */
export interface StatusChange {
  readonly namespace: string | undefined;
  readonly name: string;
  readonly before: Neo4jBackupStatus | undefined;
  readonly after: Neo4jBackupStatus;
  readonly ended: Decision['ended'];
}

/** How long to wait for the cache to catch up with what we, or others, wrote. Milliseconds. */
const staleCacheMs = 500;

/** How long to wait before a Job is offered again that the API server refused: quota and admission tell nobody when they change. Milliseconds. */
const refusedMs = 30_000;

/** How long a namespace that has not told of its Jobs yet, nor that it cannot, holds up the others. Milliseconds. */
const countingMs = 30_000;

/** When to forget the Job of a resource that is gone, if no cache has known it by then. Milliseconds. */
const lastLookMs = 5_000;

interface Look {
  readonly seen: Observed;
  readonly decision: Decision;
}

/** A Job that was refused is not offered again before this, unless the resource is another one. */
interface Refused {
  readonly of: string;
  /** Monotonic milliseconds. */
  readonly untilMs: number;
}

interface Saved {
  readonly object: Neo4jBackup;
  readonly older: readonly (string | undefined)[];
}

export class BackupController {
  readonly #deps: BackupControllerDeps;
  /** By namespace; undefined: all. */
  readonly #caches: ReadonlyMap<string | undefined, Caches>;
  readonly #controller: Controller;
  /** What we wrote and may not have seen again yet, with the versions that are older. */
  readonly #saved = new Map<string, Saved>();
  /** The words of a refusal may differ each time, and what we write of them wakes us. */
  readonly #refused = new Map<string, Refused>();
  readonly #queue: Queue;
  /** Until then the Jobs of all namespaces are waited for. Monotonic milliseconds. */
  #countedMs = 0;

  constructor(deps: BackupControllerDeps) {
    this.#deps = deps;
    const { client, clock, random, log, metrics, namespaces = [] } = deps;
    const common = { clock, random, log, metrics };
    const onWake = (key: ObjectKey): void => this.#controller.enqueue(key);
    const watched = namespaces.length === 0 ? [undefined] : namespaces;
    this.#caches = new Map(
      watched.map((namespace) => [
        namespace,
        new Caches({
          ...common,
          client,
          namespace,
          onWake,
          onJob: (before, after) => this.#jobChanged(before, after),
          isInLine: (key) => this.#queue.has(key),
        }),
      ]),
    );
    this.#queue = new Queue((place) => this.caches.flatMap(({ jobs }) => jobs.byIndex(byPlace, place)));
    this.#controller = new Controller({
      ...common,
      name: 'backup',
      reflectors: [], // what wakes waits for its own
      reconcile: (key, signal) => this.reconcile(key, signal),
    });
  }

  /** Works until the signal aborts, and resolves when all is quiet. */
  async run(signal: AbortSignal): Promise<void> {
    this.#countedMs = this.#deps.clock.monotonicMs() + countingMs;
    const caches = [...this.#caches.values()].map((each) => each.run(signal));
    await Promise.all([...caches, this.#controller.run(signal)]);
  }

  /** What is known, by namespace. */
  get caches(): readonly Caches[] {
    return [...this.#caches.values()];
  }

  /** The queue and its passes. */
  get controller(): Controller {
    return this.#controller;
  }

  /** Who waits for a Job to end. */
  get queue(): Pick<Queue, 'waiting'> {
    return this.#queue;
  }

  /** One pass over one resource. Safe to run again at any time, from any point, after any crash. */
  async reconcile(key: ObjectKey, signal: AbortSignal): Promise<Next> {
    const delayMs = this.#isCounting() ? staleCacheMs : this.#refusedForMs(key);
    return delayMs > 0 ? { kind: 'after', delayMs } : this.#pass(key, signal);
  }

  async #pass(key: ObjectKey, signal: AbortSignal): Promise<Next> {
    let isSettled = false;
    try {
      const look = await this.#look(key, signal);
      if (look === undefined) {
        isSettled = true;
        return this.#queue.forget(key) ? { kind: 'after', delayMs: lastLookMs } : { kind: 'settled' };
      }
      const { actions } = look.decision;
      if (startsRun(look.decision)) this.#queue.sends(key);
      const outcome = await act(actions, look.seen.backup, this.#deps.client, signal);
      this.#settle(look, outcome);
      isSettled = true;
      return await this.#conclude(look, outcome, signal);
    } finally {
      if (!isSettled) this.#queue.cut(key);
      this.#wakeNext();
    }
  }

  async #conclude({ seen, decision }: Look, outcome: ActOutcome, signal: AbortSignal): Promise<Next> {
    const { backup } = seen;
    if (outcome.kind === 'failed' && isNothingNew(seen, decision, outcome)) throw outcome.error;
    const status = nextStatus(seen, decision, outcome);
    if (!isDeepStrictEqual(status, backup.status ?? {})) {
      if (!(await this.#saveStatus(backup, status, signal))) return { kind: 'after', delayMs: staleCacheMs };
      // A crash before this line loses Events, never status.
      this.#announce(backup, status, decision.ended);
    }
    if (outcome.kind === 'failed') throw outcome.error;
    return outcome.kind === 'refused' ? this.#offerLater(backup) : decision.next;
  }

  #offerLater(backup: Neo4jBackup): Next {
    const untilMs = this.#deps.clock.monotonicMs() + refusedMs;
    this.#refused.set(formatKey(keyOf(backup)), { of: wishOf(backup), untilMs });
    return { kind: 'after', delayMs: refusedMs };
  }

  #refusedForMs(key: ObjectKey): number {
    const refused = this.#refused.get(formatKey(key));
    if (refused === undefined) return 0;
    const leftMs = refused.untilMs - this.#deps.clock.monotonicMs();
    const backup = this.#newest(key);
    if (leftMs > 0 && backup !== undefined && wishOf(backup) === refused.of) return leftMs;
    this.#refused.delete(formatKey(key));
    return 0;
  }

  /**
   * Decides on what the caches say, unless that would start a run, end one, or tell people anything new: then on what
   * their source says. Caches lag, each at its own pace, and what they say together may never have been true.
   */
  async #look(key: ObjectKey, signal: AbortSignal): Promise<Look | undefined> {
    const { client, clock, log } = this.#deps;
    const caches = this.#cachesOf(key);
    if (caches === undefined) return undefined;
    const { jobs, pods, services, claims } = caches;
    const known = {
      backups: {
        get: (wanted: ObjectKey) => this.#newest(wanted),
        byIndex: (index: string, value: string) => caches.backups.byIndex(index, value),
      },
      jobs,
      pods,
      services,
      claims,
    };
    const deps = { client, log, known, now: () => clock.now() };
    const glanced = glance(key, deps);
    if (glanced === undefined) return undefined;
    const look = await this.#lookCloser(glanced, deps, signal);
    const isSure = !needsFreshEyes(look.seen, look.decision) && !this.#queue.isUnsure(key);
    if (isSure && !tellsNews(look)) return look;
    const fresh = await observeAfresh(look.seen, deps, signal);
    return fresh === undefined ? undefined : this.#lookCloser(fresh, deps, signal);
  }

  #cachesOf({ namespace }: ObjectKey): Caches | undefined {
    return this.#caches.get(undefined) ?? this.#caches.get(namespace);
  }

  /** Decides, and where the decision depends on what nobody has looked at yet, looks and decides again. */
  async #lookCloser(seen: Observed, deps: ObserveDeps, signal: AbortSignal): Promise<Look> {
    const { policy } = this.#deps;
    const placed = this.#inLine(seen, decide(seen, policy));
    const closer = await lookCloser(placed, startingIn(decide(placed, policy)), { deps, signal });
    return { seen: closer, decision: decide(closer, policy) };
  }

  /** Who wants to make the Job of a run, or waits to, has to stand in line; as has who wants to tend a volume that is for one Pod. */
  #inLine(seen: Observed, decision: Decision): Observed {
    const { crowd, backup } = seen;
    const isDue = isInTurn(decision);
    if (!isDue && (crowd === undefined || startingIn(decision) === 'nothing')) return seen;
    const { limits = noLimits } = this.#deps;
    const isShared = crowd === undefined;
    const places = isDue ? placesOf(backup, limits, { isShared }) : [claimPlace(backup, 1)];
    const jobName = decision.actions.find(({ kind }) => kind === 'createJob')?.job.metadata?.name;
    return { ...seen, hold: this.#queue.begin({ backup, places, isDue, jobName }) };
  }

  /** Whether the resource waits on is clear now, and whether a Job of a run of its is there. */
  #settle({ seen, decision }: Look, outcome: ActOutcome): void {
    const key = keyOf(seen.backup);
    if (!isInLine(decision)) this.#queue.leave(key);
    // Its turn had come: what it waits for is on the claim, and no run that counts.
    else this.#queue.stay(key, seen.hold === undefined ? claimPlace(seen.backup, 1).key : undefined);
    const made = 'created' in outcome && startsRun(decision) ? outcome.created : undefined;
    const job = made ?? seen.runs.find((run) => !isFinished(run.job))?.job;
    if (job !== undefined) this.#queue.made(key, job.metadata.uid);
    else if (outcome.kind !== 'failed' || !startsRun(decision)) this.#queue.free(key);
  }

  #jobChanged(before: Job | undefined, after: Job | undefined): void {
    const job = after ?? before;
    if (job === undefined || isUnderWay(before) === isUnderWay(after)) return;
    this.#queue.stir(claimPlaceIn(job));
    this.#wakeNext();
  }

  /** Those alone for whom there is room: the others would only find that there is none. */
  #wakeNext(): void {
    for (const key of this.#queue.next()) this.#controller.enqueue(key);
  }

  /** With the Jobs of some namespaces alone, more could be started than may be under way. One that cannot be read holds up no other. */
  #isCounting(): boolean {
    const { clock, limits = noLimits } = this.#deps;
    if (Object.values(limits).every((limit) => limit === 0) || clock.monotonicMs() >= this.#countedMs)
      return false;
    return this.caches.some(({ jobs }) => !jobs.hasSynced() && jobs.problem === undefined);
  }

  /**
   * The resource as we know it: what we wrote ourselves comes back through the watch only later, and a pass that still
   * sees what was there before would write, too, and be refused.
   */
  #newest(key: ObjectKey): Neo4jBackup | undefined {
    const cached = this.#cachesOf(key)?.backups.get(key);
    const saved = this.#saved.get(formatKey(key));
    if (saved === undefined) return cached;
    if (cached !== undefined && saved.older.includes(cached.metadata.resourceVersion)) return saved.object;
    this.#saved.delete(formatKey(key));
    return cached;
  }

  /** The one status write of a pass. False: the object has changed since it was seen, so the pass was for nothing. */
  async #saveStatus(
    { apiVersion, kind, metadata }: Neo4jBackup,
    status: Neo4jBackupStatus,
    signal: AbortSignal,
  ): Promise<boolean> {
    try {
      const object = { apiVersion, kind, metadata, status };
      const key = keyOf({ metadata });
      // Before we write: what the cache has when the answer comes may be newer than what we wrote.
      const cached = this.#cachesOf(key)?.backups.get(key)?.metadata.resourceVersion;
      const saved = await this.#deps.client.replaceStatus(backups, key, object, { signal });
      this.#saved.set(formatKey(key), { object: saved, older: [metadata.resourceVersion, cached] });
      return true;
    } catch (error) {
      // Gone, or newer than our cache: the watch brings the truth, and another pass.
      if (isKubeError(error, 'conflict', 'notFound')) return false;
      throw error;
    }
  }

  #announce(backup: Neo4jBackup, status: Neo4jBackupStatus, ended: Decision['ended']): void {
    const { events, log, onStatus } = this.#deps;
    const { apiVersion, kind, metadata } = backup;
    onStatus?.({ ...keyOf(backup), before: backup.status, after: status, ended });
    const regarding = { apiVersion, kind, ...keyOf(backup), uid: metadata.uid };
    for (const { type, reason, note } of announcements(backup.status, status, ended)) {
      events.record({ regarding, type, reason, note, action: 'Backup' });
      log.info({ key: formatKey(regarding), reason, phase: status.phase }, note);
    }
  }
}

/** Is the Job of a run to be made? */
function startsRun(decision: Decision): boolean {
  return startingIn(decision) === 'run' && decision.standing.kind === 'starting';
}

function wishOf({ metadata }: Neo4jBackup): string {
  return `${metadata.uid} ${metadata.generation}`;
}

/** A run that could not be started for a passing reason: what status says of this spec holds as well as before. */
function isNothingNew(
  { backup }: Observed,
  { ended }: Decision,
  { created }: Extract<ActOutcome, { kind: 'failed' }>,
): boolean {
  const isTold = backup.status?.observedGeneration === backup.metadata.generation;
  return created === undefined && ended.length === 0 && isTold;
}

/** Would status say anything else than it does? */
function tellsNews({ seen, decision }: Look): boolean {
  return !isDeepStrictEqual(nextStatus(seen, decision, { kind: 'done' }), seen.backup.status ?? {});
}
