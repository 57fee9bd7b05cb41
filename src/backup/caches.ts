// What is known of one namespace, or of all: the resources, the Jobs and Pods of their runs, and what stands around them.
import { labels, managedBy } from '../api/names.ts';
import type { KubeClient } from '../kube/client.ts';
import { formatKey, keyOf, type KubeObject, type ObjectKey } from '../kube/resource.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { RuntimeMetrics } from '../runtime/metrics.ts';
import { Reflector } from '../runtime/reflector.ts';
import { claimKey, claimOf, destinationKey, isShared, markKey, markKeyOf } from './crowd.ts';
import { byBackup, byDestination, byMark, byOwner, byPlace } from './observe.ts';
import { isFinished } from './outcome.ts';
import { placesIn } from './places.ts';
import {
  backups,
  claims,
  jobs,
  pods,
  services,
  type Claim,
  type Job,
  type Neo4jBackup,
  type Pod,
  type Service,
} from './resources.ts';

/** Names of the indexes under which resources are found by what they need. */
const byService = 'service';
const byClaim = 'claim';
const byClaimMark = 'mark';

export interface CachesOptions {
  readonly client: KubeClient;
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  readonly metrics?: RuntimeMetrics | undefined;
  /** Told of every resource that is to be looked at: once all caches are filled, and whenever something of it changes. */
  readonly onWake: (key: ObjectKey) => void;
  /** Told of every Job that is made, changes or goes. */
  readonly onJob: (before: Job | undefined, after: Job | undefined) => void;
  /** Does it stand in line? Then it is not looked at whenever a claim is free, but when its turn comes. */
  readonly isInLine: (key: ObjectKey) => boolean;
}

/**
 * The caches that a pass reads. Each namespace has its own, filled and recovered by themselves: one that may not be
 * read, or is gone, holds up no other.
 */
export class Caches {
  readonly namespace: string | undefined;
  readonly backups: Reflector<Neo4jBackup>;
  readonly jobs: Reflector<Job>;
  readonly pods: Reflector<Pod>;
  readonly services: Reflector<Service>;
  readonly claims: Reflector<Claim>;
  readonly #wake: (key: ObjectKey) => void;
  readonly #isInLine: (key: ObjectKey) => boolean;

  constructor({ onWake, onJob, isInLine, ...options }: CachesOptions) {
    const ours = { labelSelector: `${labels.managedBy}=${managedBy}` };
    this.namespace = options.namespace;
    const indexes = {
      [byService]: serviceOf,
      [byClaim]: (backup: Neo4jBackup) => [claimKey(backup)],
      [byClaimMark]: (backup: Neo4jBackup) => [markKey(backup)],
      [byDestination]: (backup: Neo4jBackup) => [destinationKey(backup)],
    };
    const jobIndexes = {
      [byOwner]: ownerUIDs,
      [byMark]: (job: Job) => [markKeyOf(job)].filter(isThere),
      [byPlace]: placesIn,
    };
    this.#isInLine = isInLine;
    this.backups = new Reflector({ ...options, resource: backups, indexes });
    this.jobs = new Reflector({ ...options, ...ours, resource: jobs, indexes: jobIndexes });
    this.pods = new Reflector({ ...options, ...ours, resource: pods, indexes: { [byBackup]: backupUIDs } });
    this.services = new Reflector({ ...options, resource: services });
    this.claims = new Reflector({ ...options, resource: claims });
    // With a part of the picture a pass could start a second run: until all is there nobody is woken.
    this.#wake = (key) => {
      if (this.hasSynced()) onWake(key);
    };
    this.backups.onChange((before, after) => {
      this.#wakeSelf(after ?? before);
      if (before === undefined || after === undefined) this.#wakeRivals(after ?? before);
    });
    this.jobs.onChange((before, after) => {
      onJob(before, after);
      this.#wakeOwner(after ?? before);
      if (isUnderWay(before) !== isUnderWay(after)) this.#wakeThoseWhoWait(after ?? before);
    });
    this.pods.onChange((before, after) => this.#wakeOwner(this.#jobOf(after ?? before)));
    this.services.onChange((before, after) => this.#wakeAll(byService, after ?? before));
    // Of a claim only that it is there matters.
    this.claims.onChange((before, after) => {
      if (before === undefined || after === undefined) this.#wakeAll(byClaim, after ?? before);
    });
  }

  get reflectors(): readonly (
    Reflector<Neo4jBackup> | Reflector<Job> | Reflector<Pod> | Reflector<Service> | Reflector<Claim>
  )[] {
    return [this.backups, this.jobs, this.pods, this.services, this.claims];
  }

  /** Keeps them current until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      ...this.reflectors.map((reflector) => reflector.run(signal)),
      this.#wakeAllOnceFilled(signal),
    ]);
  }

  /** True when everything has been listed once. */
  hasSynced(): boolean {
    return this.reflectors.every((reflector) => reflector.hasSynced());
  }

  async #wakeAllOnceFilled(signal: AbortSignal): Promise<void> {
    try {
      await Promise.all(this.reflectors.map((reflector) => reflector.whenSynced(signal)));
    } catch {
      return; // Stopped before it began.
    }
    for (const backup of this.backups.list()) this.#wakeSelf(backup);
  }

  #wakeAll(index: string, needed: KubeObject | undefined): void {
    if (needed === undefined) return;
    for (const backup of this.backups.byIndex(index, formatKey(keyOf(needed)))) this.#wakeSelf(backup);
  }

  #wakeSelf(backup: Neo4jBackup | undefined): void {
    if (backup !== undefined) this.#wake(keyOf(backup));
  }

  /** The older of two that want one folder has it: with it gone, the other one does. */
  #wakeRivals(backup: Neo4jBackup | undefined): void {
    if (backup === undefined) return;
    for (const other of this.backups.byIndex(byDestination, destinationKey(backup)))
      if (other.metadata.uid !== backup.metadata.uid) this.#wakeSelf(other);
  }

  /** A claim that one Pod at a time may use is free, or taken. Of one for many, nobody waits for that, and there may be hundreds. */
  #wakeThoseWhoWait(job: Job | undefined): void {
    const mark = job === undefined ? undefined : markKeyOf(job);
    if (mark === undefined) return;
    for (const backup of this.backups.byIndex(byClaimMark, mark)) {
      const isForMany = isShared(this.claims.get(claimOf(backup)));
      if (!isForMany && !this.#isInLine(keyOf(backup))) this.#wakeSelf(backup);
    }
  }

  #wakeOwner(job: Job | undefined): void {
    const owner = job?.metadata.ownerReferences?.find(({ kind }) => kind === backups.kind);
    if (job === undefined || owner === undefined) return;
    this.#wake({ namespace: keyOf(job).namespace, name: owner.name });
  }

  #jobOf(pod: Pod | undefined): Job | undefined {
    const owner = pod?.metadata.ownerReferences?.find(({ kind }) => kind === jobs.kind);
    if (pod === undefined || owner === undefined) return undefined;
    return this.jobs.get({ namespace: keyOf(pod).namespace, name: owner.name });
  }
}

function serviceOf({ metadata, spec }: Neo4jBackup): readonly string[] {
  const { serviceRef } = spec.source;
  return serviceRef === undefined ? [] : [formatKey({ ...keyOf({ metadata }), name: serviceRef.name })];
}

export function isUnderWay(job: Job | undefined): boolean {
  return job !== undefined && !isFinished(job);
}

function isThere<T>(value: T | undefined): value is T {
  return value !== undefined;
}

function backupUIDs({ metadata }: KubeObject): readonly string[] {
  const uid = metadata.labels?.[labels.backupUID];
  return uid === undefined ? [] : [uid];
}

function ownerUIDs({ metadata }: KubeObject): readonly string[] {
  return (metadata.ownerReferences ?? []).map(({ uid }) => uid);
}
