// Which key each change means, and one pass over it: observe, decide, act, status.
import { isDeepStrictEqual } from 'node:util';
import { labels, managedBy } from '../api/names.ts';
import type { Neo4jBackupStatus } from '../api/neo4jbackup.ts';
import type { KubeClient } from '../kube/client.ts';
import { isKubeError } from '../kube/errors.ts';
import type { EventRecorder } from '../kube/events.ts';
import { formatKey, keyOf, type KubeObject, type ObjectKey } from '../kube/resource.ts';
import type { Clock } from '../runtime/clock.ts';
import { Controller } from '../runtime/controller.ts';
import type { Log } from '../runtime/log.ts';
import type { Next } from '../runtime/next.ts';
import { Reflector } from '../runtime/reflector.ts';
import { act } from './act.ts';
import { decide, needsFreshEyes, type Decision } from './decide.ts';
import type { Policy } from './objection.ts';
import { byOwner, glance, lookAround, observeAfresh, type Observed } from './observe.ts';
import { backups, jobs, pods, type Job, type Neo4jBackup, type Pod } from './resources.ts';
import { announcements, nextStatus } from './status.ts';

export interface BackupControllerDeps {
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly policy: Policy;
}

/** How long to wait for the cache to catch up with what we, or others, wrote. Milliseconds. */
const staleCacheMs = 500;

/** How long to wait before a Job is offered again that the API server refused: quota and admission tell nobody when they change. Milliseconds. */
const refusedMs = 30_000;

interface Look {
  readonly seen: Observed;
  readonly decision: Decision;
}

interface Saved {
  readonly object: Neo4jBackup;
  readonly older: readonly (string | undefined)[];
}

export class BackupController {
  readonly #deps: BackupControllerDeps;
  readonly #backups: Reflector<Neo4jBackup>;
  readonly #jobs: Reflector<Job>;
  readonly #pods: Reflector<Pod>;
  readonly #controller: Controller;
  /** What we wrote and may not have seen again yet, with the versions that are older. */
  readonly #saved = new Map<string, Saved>();

  constructor(deps: BackupControllerDeps) {
    this.#deps = deps;
    const { client, clock, random, log, namespace } = deps;
    const common = { client, clock, random, log, namespace };
    const ours = { labelSelector: `${labels.managedBy}=${managedBy}`, indexes: { [byOwner]: ownerUIDs } };
    this.#backups = new Reflector({ ...common, resource: backups });
    this.#jobs = new Reflector({ ...common, ...ours, resource: jobs });
    this.#pods = new Reflector({ ...common, ...ours, resource: pods });
    this.#controller = new Controller({
      name: 'backup',
      reflectors: [this.#backups, this.#jobs, this.#pods],
      reconcile: (key, signal) => this.reconcile(key, signal),
      clock,
      random,
      log,
    });
    this.#backups.onChange((before, after) => this.#enqueue(after ?? before));
    this.#jobs.onChange((before, after) => this.#enqueueOwner(after ?? before));
    this.#pods.onChange((before, after) => this.#enqueueOwner(this.#jobOf(after ?? before)));
  }

  /** Works until the signal aborts, and resolves when all is quiet. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#backups.run(signal),
      this.#jobs.run(signal),
      this.#pods.run(signal),
      this.#controller.run(signal),
    ]);
  }

  /** True when everything has been listed once. */
  hasSynced(): boolean {
    return [this.#backups, this.#jobs, this.#pods].every((reflector) => reflector.hasSynced());
  }

  /** Age of the oldest pass under way, 0 when there is none. Milliseconds. */
  oldestPassMs(): number {
    return this.#controller.oldestPassMs();
  }

  /** One pass over one resource. Safe to run again at any time, from any point, after any crash. */
  async reconcile(key: ObjectKey, signal: AbortSignal): Promise<Next> {
    const { client } = this.#deps;
    const looked = await this.#look(key, signal);
    if (looked === undefined) return { kind: 'settled' };

    const { seen, decision } = looked;
    const { backup } = seen;
    const outcome = await act(decision.actions, backup, client, signal);
    const status = nextStatus(seen, decision, outcome);
    if (!isDeepStrictEqual(status, backup.status ?? {})) {
      if (!(await this.#saveStatus(backup, status, signal))) return { kind: 'after', delayMs: staleCacheMs };
      // A crash before this line loses Events, never status.
      this.#announce(backup, status);
    }
    if (outcome.kind === 'failed') throw outcome.error;
    return outcome.kind === 'refused' ? { kind: 'after', delayMs: refusedMs } : decision.next;
  }

  /** Decides on what the caches say, unless that would start a run or tell of its end: then on what their source says. */
  async #look(key: ObjectKey, signal: AbortSignal): Promise<Look | undefined> {
    const { client, clock, log, policy } = this.#deps;
    const deps = {
      client,
      log,
      backups: { get: (wanted: ObjectKey) => this.#newest(wanted) },
      jobs: this.#jobs,
      pods: this.#pods,
      now: () => clock.now(),
    };
    const glanced = glance(key, deps);
    if (glanced === undefined) return undefined;
    // Whatever held a run back before may do so still: then nothing is about to start.
    if (!isHeldBack(glanced.backup) && needsFreshEyes(glanced, decide(glanced, policy)))
      return this.#lookAfresh(key, signal);
    const seen = await lookAround(glanced, deps, signal);
    const decision = decide(seen, policy);
    return needsFreshEyes(seen, decision) ? this.#lookAfresh(key, signal) : { seen, decision };
  }

  async #lookAfresh(key: ObjectKey, signal: AbortSignal): Promise<Look | undefined> {
    const { client, clock, log, policy } = this.#deps;
    const seen = await observeAfresh(key, { client, log, now: () => clock.now() }, signal);
    return seen === undefined ? undefined : { seen, decision: decide(seen, policy) };
  }

  /**
   * The resource as we know it: what we wrote ourselves comes back through the watch only later, and a pass that still
   * sees what was there before would write, too, and be refused.
   */
  #newest(key: ObjectKey): Neo4jBackup | undefined {
    const cached = this.#backups.get(key);
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
      const saved = await this.#deps.client.replaceStatus(backups, key, object, { signal });
      const cached = this.#backups.get(key)?.metadata.resourceVersion;
      this.#saved.set(formatKey(key), { object: saved, older: [metadata.resourceVersion, cached] });
      return true;
    } catch (error) {
      // Gone, or newer than our cache: the watch brings the truth, and another pass.
      if (isKubeError(error, 'conflict', 'notFound')) return false;
      throw error;
    }
  }

  #announce(backup: Neo4jBackup, status: Neo4jBackupStatus): void {
    const { events, log } = this.#deps;
    const { apiVersion, kind, metadata } = backup;
    const regarding = { apiVersion, kind, ...keyOf(backup), uid: metadata.uid };
    for (const { type, reason, note } of announcements(backup.status, status)) {
      events.record({ regarding, type, reason, note, action: 'Backup' });
      log.info({ key: formatKey(regarding), reason, phase: status.phase }, note);
    }
  }

  #enqueue(backup: Neo4jBackup | undefined): void {
    if (backup !== undefined) this.#controller.enqueue(keyOf(backup));
  }

  #enqueueOwner(job: Job | undefined): void {
    const owner = job?.metadata.ownerReferences?.find(({ kind }) => kind === backups.kind);
    if (job === undefined || owner === undefined) return;
    this.#controller.enqueue({ namespace: keyOf(job).namespace, name: owner.name });
  }

  #jobOf(pod: Pod | undefined): Job | undefined {
    const owner = pod?.metadata.ownerReferences?.find(({ kind }) => kind === jobs.kind);
    if (pod === undefined || owner === undefined) return undefined;
    return this.#jobs.get({ namespace: keyOf(pod).namespace, name: owner.name });
  }
}

function isHeldBack({ status }: Neo4jBackup): boolean {
  return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'False') === true;
}

function ownerUIDs({ metadata }: KubeObject): readonly string[] {
  return (metadata.ownerReferences ?? []).map(({ uid }) => uid);
}
