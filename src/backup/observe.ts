// One pass of reads: everything that a decision may depend on, as one value.
import { labels } from '../api/names.ts';
import type { KubeClient, ListOptions } from '../kube/client.ts';
import { isKubeError } from '../kube/errors.ts';
import { keyOf, type KubeObject, type ObjectKey, type Resource } from '../kube/resource.ts';
import type { Log } from '../runtime/log.ts';
import type { Reflector } from '../runtime/reflector.ts';
import { isAtItsStart, isFinished, type RunView } from './outcome.ts';
import {
  backups,
  claims,
  endpointSlices,
  events,
  jobs,
  pods,
  services,
  type EndpointSlice,
  type Event,
  type Job,
  type Neo4jBackup,
  type Pod,
} from './resources.ts';

/** Name of the index under which Jobs are found by the uid of their resource, and Pods by that of their Job. */
export const byOwner = 'owner';

export interface ObserveDeps {
  readonly client: KubeClient;
  readonly backups: Pick<Reflector<Neo4jBackup>, 'get'>;
  readonly jobs: Pick<Reflector<Job>, 'byIndex'>;
  readonly pods: Pick<Reflector<Pod>, 'byIndex'>;
  readonly now: () => Date;
  readonly log: Log;
}

export interface Observed {
  readonly now: Date;
  readonly backup: Neo4jBackup;
  /** All runs that still have a Job, oldest first. */
  readonly runs: readonly RunView[];
  /** True also while a run is under way: then nobody looks. */
  readonly claimExists: boolean;
  /** `none`: the source is a host, or nobody looks. `unexposed`: it has no such port. `unready`: no server stands behind it. */
  readonly service: 'none' | 'absent' | 'externalName' | 'unexposed' | 'unready' | 'present';
}

/** A Job that has no Pod after so many milliseconds gets none: until then it is the controllers' ordinary pace. */
const podlessMs = 10_000;

/** A Pod whose volumes take longer may have to wait for long. Milliseconds. */
const mountMs = 30_000;

/** A complaint that nobody repeats for so long is over: controller and kubelet repeat theirs within six minutes at most. Milliseconds. */
const complaintMs = 400_000;

/**
 * What the caches alone say, as if all were well around it: enough to tell whether to look more closely.
 * @returns undefined when the resource is gone, or about to be: then there is nothing to do
 */
export function glance(key: ObjectKey, deps: ObserveDeps): Observed | undefined {
  const backup = deps.backups.get(key);
  if (isGone(backup)) return undefined;
  const owned = deps.jobs.byIndex(byOwner, backup.metadata.uid);
  const runs = runsOf(owned, ({ metadata }) => deps.pods.byIndex(byOwner, metadata.uid));
  return { now: deps.now(), backup, runs, claimExists: true, service: 'none' };
}

/** The same, and what stands around it. */
export function lookAround(
  { backup, runs }: Observed,
  deps: Calls['deps'],
  signal: AbortSignal,
): Promise<Observed> {
  return around(backup, runs, { deps, signal });
}

/**
 * The same, from the API server itself: caches lag, each at its own pace, and neither the start of a run nor how one
 * ended may depend on that. The order counts: whatever a Job's end tells of is there when the Pods are read.
 */
export async function observeAfresh(
  key: ObjectKey,
  deps: Calls['deps'],
  signal: AbortSignal,
): Promise<Observed | undefined> {
  const { client } = deps;
  const backup = await client.get(backups, key, { signal });
  if (isGone(backup)) return undefined;
  const { uid } = backup.metadata;
  const ours = { namespace: key.namespace, labelSelector: `${labels.backupUID}=${uid}`, signal };
  const foundJobs = await client.list(jobs, ours);
  const owned = foundJobs.items.filter((job) => isOwnedBy(job, uid));
  const foundPods = owned.length === 0 ? [] : (await client.list(pods, ours)).items;
  const runs = runsOf(owned, ({ metadata }) => foundPods.filter((pod) => isOwnedBy(pod, metadata.uid)));
  return around(backup, runs, { deps, signal });
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
  readonly deps: Pick<ObserveDeps, 'client' | 'now' | 'log'>;
  readonly signal: AbortSignal;
}

/** What stands around the resource and its runs. While one is under way, nothing that it does not have already matters. */
async function around(backup: Neo4jBackup, runs: readonly RunView[], calls: Calls): Promise<Observed> {
  const { deps, signal } = calls;
  const now = deps.now();
  if (runs.some(({ job }) => !isFinished(job))) {
    const complete = await Promise.all(runs.map((run) => withComplaint(run, now, calls)));
    return { now, backup, runs: complete, claimExists: true, service: 'none' };
  }
  const { namespace } = keyOf(backup);
  const { claimName } = backup.spec.destination.persistentVolumeClaim;
  const [claim, service] = await Promise.all([
    deps.client.get(claims, { namespace, name: claimName }, { signal }),
    observeService(backup, namespace, calls),
  ]);
  return { now, backup, runs, claimExists: claim !== undefined, service };
}

/**
 * Quota and admission refuse a Pod to the Job's controller, and a volume keeps a Pod from starting: both are said in
 * Events and nowhere else.
 */
async function withComplaint(run: RunView, now: Date, calls: Calls): Promise<RunView> {
  const { object, reasons, patienceMs } = complainant(run);
  const age = now.getTime() - Date.parse(object.metadata.creationTimestamp);
  if (isFinished(run.job) || reasons.length === 0 || age < patienceMs) return run;
  const fieldSelector = `involvedObject.uid=${object.metadata.uid}`;
  const { namespace } = keyOf(run.job);
  const found = await listIfAllowed(events, { namespace, fieldSelector }, calls);
  const newest = found
    ?.filter(({ reason }) => reasons.includes(reason ?? ''))
    .toSorted((a, b) => timeOf(a).localeCompare(timeOf(b)))
    .at(-1);
  if (!newest?.message || now.getTime() - Date.parse(timeOf(newest)) > complaintMs) return run;
  return { ...run, complaint: newest.message };
}

interface Complainant {
  readonly object: Job | Pod;
  /** Reasons of Events about it that count. None: all is well. */
  readonly reasons: readonly string[];
  readonly patienceMs: number;
}

function complainant({ job, pods: all }: RunView): Complainant {
  const pod = all.at(-1);
  if (pod === undefined) return { object: job, reasons: ['FailedCreate'], patienceMs: podlessMs };
  const reasons = isAtItsStart(pod) ? ['FailedMount', 'FailedAttachVolume'] : [];
  return { object: pod, reasons, patienceMs: mountMs };
}

/**
 * What only tells why a run waits, or lets it wait, must not keep it from being taken and told of where the operator was
 * not given the right: a role of an earlier release, say. @returns undefined without that right
 */
async function listIfAllowed<T extends KubeObject>(
  resource: Resource<T>,
  options: ListOptions,
  { deps, signal }: Calls,
): Promise<readonly T[] | undefined> {
  try {
    return (await deps.client.list(resource, { ...options, signal })).items;
  } catch (error) {
    if (!isKubeError(error, 'forbidden')) throw error;
    deps.log.warn({ err: error }, 'going on without what the operator may not read');
    return undefined;
  }
}

function timeOf({ lastTimestamp, metadata }: Event): string {
  return lastTimestamp ?? metadata.creationTimestamp;
}

async function observeService(
  { spec }: Neo4jBackup,
  namespace: string,
  calls: Calls,
): Promise<Observed['service']> {
  const { deps, signal } = calls;
  const { serviceRef } = spec.source;
  if (serviceRef === undefined) return 'none';
  const service = await deps.client.get(services, { namespace, name: serviceRef.name }, { signal });
  if (service === undefined) return 'absent';
  const { type, clusterIP, ports = [] } = service.spec ?? {};
  if (type === 'ExternalName') return 'externalName';
  // Without an address of its own a Service leads to its Pods, whatever ports it names.
  if (clusterIP !== 'None' && ports.every(({ port }) => port !== spec.source.port)) return 'unexposed';
  const labelSelector = `kubernetes.io/service-name=${serviceRef.name}`;
  const slices = await listIfAllowed(endpointSlices, { namespace, labelSelector }, calls);
  const isReady = ({ endpoints }: EndpointSlice): boolean =>
    endpoints?.some(({ conditions }) => conditions?.ready !== false) === true;
  return slices?.some(isReady) === false ? 'unready' : 'present';
}

function oldestFirst<T extends Job | Pod>(objects: readonly T[]): readonly T[] {
  return objects.toSorted(
    (a, b) =>
      a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp) ||
      a.metadata.name.localeCompare(b.metadata.name),
  );
}
