// One pass of reads: everything that a decision may depend on, as one value.
import type { KubeClient } from '../kube/client.ts';
import type { ObjectKey } from '../kube/resource.ts';
import type { Reflector } from '../runtime/reflector.ts';
import type { RunView } from './outcome.ts';
import { claims, jobs, services, type Job, type Neo4jBackup, type Pod } from './resources.ts';

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

/** @returns undefined when the resource is gone, or about to be: then there is nothing to do */
export async function observe(
  key: ObjectKey,
  deps: ObserveDeps,
  signal: AbortSignal,
): Promise<Observed | undefined> {
  const backup = deps.backups.get(key);
  if (backup === undefined || backup.metadata.deletionTimestamp !== undefined) return undefined;
  const { namespace } = key;
  const { claimName } = backup.spec.destination.persistentVolumeClaim;
  const [claim, service] = await Promise.all([
    deps.client.get(claims, { namespace, name: claimName }, { signal }),
    observeService(backup, namespace, { deps, signal }),
  ]);
  const owned = await ownedJobs(backup, namespace, { deps, signal });
  const runs = oldestFirst(owned).map((job) => ({
    job,
    pods: oldestFirst(deps.pods.byIndex(byOwner, job.metadata.uid)),
  }));
  return { now: deps.now(), backup, runs, claimExists: claim !== undefined, service };
}

interface Calls {
  readonly deps: ObserveDeps;
  readonly signal: AbortSignal;
}

/**
 * The Jobs of a resource from the cache. The one that status speaks of is asked for when the cache lacks it: a cache that
 * lags behind our own create must not look like a Job that is gone.
 */
async function ownedJobs(
  { metadata, status }: Neo4jBackup,
  namespace: string,
  { deps, signal }: Calls,
): Promise<readonly Job[]> {
  const cached = deps.jobs.byIndex(byOwner, metadata.uid);
  const current = status?.currentRun?.id;
  if (current === undefined || cached.some((job) => job.metadata.name === current)) return cached;
  const job = await deps.client.get(jobs, { namespace, name: current }, { signal });
  const isOurs = job?.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid) === true;
  return job !== undefined && isOurs ? [...cached, job] : cached;
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
