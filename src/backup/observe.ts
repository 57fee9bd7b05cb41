// One pass of reads: everything that a decision may depend on, as one value.
import { labels } from '../api/names.ts';
import type { KubeClient } from '../kube/client.ts';
import type { KubeObject, ObjectKey } from '../kube/resource.ts';
import type { Reflector } from '../runtime/reflector.ts';
import type { RunView } from './outcome.ts';
import { backups, claims, jobs, pods, services, type Job, type Neo4jBackup, type Pod } from './resources.ts';

/** Name of the index under which Jobs are found by the uid of their resource, and Pods by that of their Job. */
export const byOwner = 'owner';

export interface ObserveDeps {
  readonly client: KubeClient;
  readonly backups: Pick<Reflector<Neo4jBackup>, 'get'>;
  readonly jobs: Pick<Reflector<Job>, 'byIndex'>;
  readonly pods: Pick<Reflector<Pod>, 'byIndex'>;
  readonly now: () => Date;
}

export interface Observed {
  readonly now: Date;
  readonly backup: Neo4jBackup;
  /** All runs that still have a Job, oldest first. */
  readonly runs: readonly RunView[];
  readonly claimExists: boolean;
  /** `none`: the source is a host. */
  readonly service: 'none' | 'absent' | 'externalName' | 'present';
}

/** A pass over the caches. @returns undefined when the resource is gone, or about to be: then there is nothing to do */
export async function observe(
  key: ObjectKey,
  deps: ObserveDeps,
  signal: AbortSignal,
): Promise<Observed | undefined> {
  const backup = deps.backups.get(key);
  if (isGone(backup)) return undefined;
  const owned = deps.jobs.byIndex(byOwner, backup.metadata.uid);
  const runs = runsOf(owned, ({ metadata }) => deps.pods.byIndex(byOwner, metadata.uid));
  return { backup, runs, ...(await references(backup, key.namespace, { deps, signal })) };
}

/**
 * The same, from the API server itself: caches lag, each at its own pace, and neither the start of a run nor how one
 * ended may depend on that. The order counts: whatever a Job's end tells of is there when the Pods are read.
 */
export async function observeAfresh(
  key: ObjectKey,
  deps: Pick<ObserveDeps, 'client' | 'now'>,
  signal: AbortSignal,
): Promise<Observed | undefined> {
  const { client } = deps;
  const backup = await client.get(backups, key, { signal });
  if (isGone(backup)) return undefined;
  const { uid } = backup.metadata;
  const ours = { namespace: key.namespace, labelSelector: `${labels.backupUID}=${uid}`, signal };
  const foundJobs = await client.list(jobs, ours);
  const foundPods = await client.list(pods, ours);
  const owned = foundJobs.items.filter((job) => isOwnedBy(job, uid));
  const runs = runsOf(owned, ({ metadata }) => foundPods.items.filter((pod) => isOwnedBy(pod, metadata.uid)));
  return { backup, runs, ...(await references(backup, key.namespace, { deps, signal })) };
}

function isGone(backup: Neo4jBackup | undefined): backup is undefined {
  return backup === undefined || backup.metadata.deletionTimestamp !== undefined;
}

export function isOwnedBy({ metadata }: KubeObject, uid: string): boolean {
  return metadata.ownerReferences?.some((owner) => owner.uid === uid) === true;
}

function runsOf(owned: readonly Job[], podsOf: (job: Job) => readonly Pod[]): readonly RunView[] {
  return oldestFirst(owned).map((job) => ({ job, pods: oldestFirst(podsOf(job)) }));
}

interface Calls {
  readonly deps: Pick<ObserveDeps, 'client' | 'now'>;
  readonly signal: AbortSignal;
}

async function references(
  backup: Neo4jBackup,
  namespace: string,
  { deps, signal }: Calls,
): Promise<Pick<Observed, 'now' | 'claimExists' | 'service'>> {
  const { claimName } = backup.spec.destination.persistentVolumeClaim;
  const [claim, service] = await Promise.all([
    deps.client.get(claims, { namespace, name: claimName }, { signal }),
    observeService(backup, namespace, { deps, signal }),
  ]);
  return { now: deps.now(), claimExists: claim !== undefined, service };
}

async function observeService(
  { spec }: Neo4jBackup,
  namespace: string,
  { deps, signal }: Calls,
): Promise<Observed['service']> {
  const { serviceRef } = spec.source;
  if (serviceRef === undefined) return 'none';
  const service = await deps.client.get(services, { namespace, name: serviceRef.name }, { signal });
  if (service === undefined) return 'absent';
  return service.spec?.type === 'ExternalName' ? 'externalName' : 'present';
}

function oldestFirst<T extends Job | Pod>(objects: readonly T[]): readonly T[] {
  return objects.toSorted(
    (a, b) =>
      a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp) ||
      a.metadata.name.localeCompare(b.metadata.name),
  );
}
