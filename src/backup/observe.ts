// One pass of reads: everything that a decision may depend on, as one value.
import { isDeepStrictEqual } from 'node:util';
import { labels, managedBy, tasks, wishes } from '../api/names.ts';
import type { KubeClient, ListOptions } from '../kube/client.ts';
import { isKubeError } from '../kube/errors.ts';
import { keyOf, type KubeObject, type ObjectKey, type Resource } from '../kube/resource.ts';
import type { Log } from '../runtime/log.ts';
import type { Reflector } from '../runtime/reflector.ts';
import { complaintOf, subjectOf } from './complaint.ts';
import { claimOf, destinationKey, isShared, markKey, othersOf, rivalOf, type Crowd } from './crowd.ts';
import { hasEnded } from './evidence.ts';
import type { Hold } from './queue.ts';
import { isFinished, type RunView } from './outcome.ts';
import {
  backups,
  claims,
  endpointSlices,
  events,
  jobs,
  pods,
  services,
  type Claim,
  type EndpointSlice,
  type Job,
  type Neo4jBackup,
  type Pod,
  type Service,
} from './resources.ts';
import { claimMark, rememberedRuns } from './run.ts';
import { timingOf } from './timing.ts';

/** Name of the index under which Jobs are found by the uid of their resource. */
export const byOwner = 'owner';

/** Name of the index under which Pods are found by the uid of their resource. */
export const byBackup = 'backup';

/** Name of the index under which Jobs are found by the claim that they use. */
export const byMark = 'claim';

/** Name of the index under which the Jobs of runs are found that have not ended, by the places that they take. */
export const byPlace = 'place';

/** Name of the index under which resources are found by the folder that they write to. */
export const byDestination = 'destination';

/** What is cached. */
interface Known {
  readonly backups: Pick<Reflector<Neo4jBackup>, 'get' | 'byIndex'>;
  readonly jobs: Pick<Reflector<Job>, 'byIndex'>;
  readonly pods: Pick<Reflector<Pod>, 'byIndex'>;
  readonly services: Pick<Reflector<Service>, 'get'>;
  readonly claims: Pick<Reflector<Claim>, 'get'>;
}

export interface ObserveDeps {
  readonly client: KubeClient;
  readonly known: Known;
  readonly now: () => Date;
  readonly log: Log;
}

export interface Observed {
  readonly now: Date;
  readonly backup: Neo4jBackup;
  /** All runs that still have a Job, oldest first. */
  readonly runs: readonly RunView[];
  /** The Jobs that look into runs of which nobody saw the end, oldest first. */
  readonly inspections: readonly RunView[];
  /** The Jobs that tend the volume, oldest first. */
  readonly upkeeps: readonly RunView[];
  /** Names of the Jobs that are gone and whose Pods have not ended yet. */
  readonly orphaned: readonly string[];
  /** Absent: any number of Pods may use the claim at a time. */
  readonly crowd?: Crowd | undefined;
  /** What the Job that is to be made has to wait for. Absent: there is room, or nobody has asked. */
  readonly hold?: Hold | undefined;
  /** The name of the older resource that writes to the same folder. */
  readonly rival?: string | undefined;
  /** True also while a run is under way: then it does not matter. */
  readonly claimExists: boolean;
  /** `none`: the source is a host, or a run is under way. `unexposed`: it has no such port. */
  readonly service: 'none' | 'absent' | 'externalName' | 'unexposed' | 'present';
  /** Does a server stand behind the Service? Undefined: nobody has looked. */
  readonly isServerReady?: boolean | undefined;
}

/** What the caches say. @returns undefined when the resource is gone, or about to be: then there is nothing to do */
export function glance(key: ObjectKey, deps: ObserveDeps): Observed | undefined {
  const { backups: cached, jobs: cachedJobs, pods: cachedPods } = deps.known;
  const backup = cached.get(key);
  if (isGone(backup)) return undefined;
  const { uid } = backup.metadata;
  const owned = cachedJobs.byIndex(byOwner, uid);
  const jobsSeen = jobsOf(owned, cachedPods.byIndex(byBackup, uid));
  return {
    now: deps.now(),
    backup,
    ...jobsSeen,
    ...around(backup, jobsSeen.runs, deps.known),
    crowd: crowdOf(backup, deps.known),
    rival: rivalIn(backup, deps.known)?.metadata.name,
  };
}

function rivalIn(backup: Neo4jBackup, known: Known): Neo4jBackup | undefined {
  return rivalOf(backup, known.backups.byIndex(byDestination, destinationKey(backup)));
}

function crowdOf(backup: Neo4jBackup, known: Known): Crowd | undefined {
  if (isShared(known.claims.get(claimOf(backup)))) return undefined;
  const found = known.jobs.byIndex(byMark, markKey(backup));
  return { jobs: othersOf(backup.metadata.uid, found), isFresh: false };
}

/**
 * The same, from the API server itself: caches lag, each at its own pace, and neither the start of a run nor how one
 * ended may depend on that. The order counts: whatever a Job's end tells of is there when the Pods are read.
 */
export async function observeAfresh(
  glanced: Observed,
  deps: ObserveDeps,
  signal: AbortSignal,
): Promise<Observed | undefined> {
  const { client, known } = deps;
  const key = keyOf(glanced.backup);
  const backup = await client.get(backups, key, { signal });
  if (isGone(backup)) return undefined;
  const jobsSeen = await jobsAfresh(backup, glanced, { deps, signal });
  const { runs } = jobsSeen;
  const { claimExists, service, isServerReady } = glanced;
  const isLookedAt =
    isServerReady !== undefined &&
    runs.every(({ job }) => isFinished(job)) &&
    isDeepStrictEqual(backup.spec, glanced.backup.spec);
  const surroundings = isLookedAt
    ? { claimExists, service, isServerReady }
    : await confirmed(around(backup, runs, known), backup, { deps, signal });
  return {
    now: deps.now(),
    backup,
    ...jobsSeen,
    ...surroundings,
    crowd: crowdNow(backup, glanced, known),
    rival: glanced.rival === undefined ? undefined : await confirmedRival(backup, { deps, signal }),
  };
}

/** What was read in our turn holds until that is over; but who the others are depends on who asks, by uid. */
function crowdNow(backup: Neo4jBackup, before: Observed, known: Known): Crowd | undefined {
  const isSame = before.backup.metadata.uid === backup.metadata.uid;
  return isSame && before.crowd?.isFresh === true ? before.crowd : crowdOf(backup, known);
}

/** People are told of it: it must be there. */
async function confirmedRival(backup: Neo4jBackup, { deps, signal }: Calls): Promise<string | undefined> {
  const rival = rivalIn(backup, deps.known);
  if (rival === undefined) return undefined;
  const found = await deps.client.get(backups, keyOf(rival), { signal });
  return found?.metadata.uid === rival.metadata.uid ? rival.metadata.name : undefined;
}

async function jobsAfresh(
  backup: Neo4jBackup,
  glanced: Observed,
  { deps, signal }: Calls,
): Promise<JobsSeen> {
  const { uid } = backup.metadata;
  const isNew = isUntouched(backup) && glanced.runs.length === 0;
  if (isNew) return jobsOf([], []);
  const { namespace } = keyOf(backup);
  const ours = { namespace, labelSelector: `${labels.backupUID}=${uid}`, signal };
  const found = await deps.client.list(jobs, ours);
  const owned = found.items.filter((job) => isOwnedBy(job, uid));
  const { currentRun, inspecting } = backup.status ?? {};
  const hasPods = owned.length > 0 || currentRun !== undefined || inspecting !== undefined;
  return jobsOf(owned, hasPods ? (await deps.client.list(pods, ours)).items : []);
}

/**
 * A resource as it was created, of which nothing has been told yet: the one run that can have been started for it is the
 * one that is due now, and its name keeps it from being started twice.
 */
function isUntouched(backup: Neo4jBackup): boolean {
  const { metadata, status } = backup;
  const isOnce = timingOf(backup) === undefined && metadata.annotations?.[wishes.runNow] === undefined;
  const hasNone = status?.currentRun === undefined && rememberedRuns(status).length === 0;
  return isOnce && metadata.generation === 1 && hasNone;
}

function isGone(backup: Neo4jBackup | undefined): backup is undefined {
  return backup === undefined || backup.metadata.deletionTimestamp !== undefined;
}

export function isOwnedBy({ metadata }: KubeObject, uid: string): boolean {
  return metadata.ownerReferences?.some((owner) => owner.uid === uid) === true;
}

type JobsSeen = Pick<Observed, 'runs' | 'inspections' | 'upkeeps' | 'orphaned'>;

function jobsOf(owned: readonly Job[], found: readonly Pod[]): JobsSeen {
  const views = oldestFirst(owned).map((job) => ({
    job,
    pods: oldestFirst(found.filter((pod) => isOwnedBy(pod, job.metadata.uid))),
  }));
  const taskOf = ({ job }: RunView): string | undefined => job.metadata.labels?.[labels.task];
  const isUpkeep = (view: RunView): boolean =>
    ([tasks.scrub, tasks.prune] as unknown[]).includes(taskOf(view));
  const names = new Set(owned.map(({ metadata }) => metadata.name));
  const orphans = found.filter((pod) => !hasEnded(pod)).flatMap(jobOf);
  return {
    runs: views.filter((view) => taskOf(view) === undefined),
    inspections: views.filter((view) => taskOf(view) === tasks.inspect),
    upkeeps: views.filter(isUpkeep),
    orphaned: [...new Set(orphans)].filter((name) => !names.has(name)),
  };
}

/** The name of the Job that a Pod is, or was, of: whoever removes a Job may leave its Pods without an owner. */
function jobOf({ metadata }: Pod): readonly string[] {
  const owner = metadata.ownerReferences?.find(({ kind }) => kind === jobs.kind);
  return [metadata.labels?.['batch.kubernetes.io/job-name'] ?? owner?.name].filter(
    (name) => name !== undefined,
  );
}

type Surroundings = Pick<Observed, 'claimExists' | 'service'>;

/** What stands around the resource. While a run is under way, nothing that it does not have already matters. */
function around(backup: Neo4jBackup, runs: readonly RunView[], known: Known): Surroundings {
  if (runs.some(({ job }) => !isFinished(job))) return { claimExists: true, service: 'none' };
  const { namespace } = keyOf(backup);
  const claimExists = known.claims.get(claimOf(backup)) !== undefined;
  const { serviceRef, port } = backup.spec.source;
  if (serviceRef === undefined) return { claimExists, service: 'none' };
  return {
    claimExists,
    service: serviceState(known.services.get({ namespace, name: serviceRef.name }), port),
  };
}

/** What the caches say is missing or wrong is looked up: it would be told to people. */
async function confirmed(
  { claimExists, service }: Surroundings,
  backup: Neo4jBackup,
  calls: Calls,
): Promise<Surroundings> {
  const isGood = service === 'none' || service === 'present';
  return {
    claimExists: claimExists || (await claimExistsFor(backup, calls)),
    service: isGood ? service : await serviceOf(backup, calls),
  };
}

async function claimExistsFor(backup: Neo4jBackup, { deps, signal }: Calls): Promise<boolean> {
  return (await deps.client.get(claims, claimOf(backup), { signal })) !== undefined;
}

async function serviceOf(
  { metadata, spec }: Neo4jBackup,
  { deps, signal }: Calls,
): Promise<Observed['service']> {
  const { serviceRef, port } = spec.source;
  if (serviceRef === undefined) return 'none';
  const { namespace } = keyOf({ metadata });
  return serviceState(
    await deps.client.get(services, { namespace, name: serviceRef.name }, { signal }),
    port,
  );
}

function serviceState(service: Service | undefined, wanted: number): Observed['service'] {
  if (service === undefined) return 'absent';
  const { type, clusterIP, ports = [] } = service.spec ?? {};
  if (type === 'ExternalName') return 'externalName';
  // Without an address of its own a Service leads to its Pods, whatever ports it names.
  return clusterIP !== 'None' && ports.every(({ port }) => port !== wanted) ? 'unexposed' : 'present';
}

interface Calls {
  readonly deps: ObserveDeps;
  readonly signal: AbortSignal;
}

/** What a Job is to be made for, if one is. */
export type Starting = 'run' | 'upkeep' | 'nothing';

/**
 * What nothing tells of by itself: whether a server is ready, before a run starts; who else uses the claim, before any Job
 * does; why one that has begun does not go on.
 */
export async function lookCloser(seen: Observed, starting: Starting, calls: Calls): Promise<Observed> {
  if (starting === 'run' && seen.isServerReady === undefined) {
    const [needs, crowd] = await Promise.all([whatItNeeds(seen.backup, calls), crowdAfresh(seen, calls)]);
    return { ...seen, ...needs, crowd };
  }
  if (starting !== 'nothing') return { ...seen, crowd: await crowdAfresh(seen, calls) };
  const claim = calls.deps.known.claims.get(claimOf(seen.backup));
  const heard = (views: readonly RunView[]): Promise<readonly RunView[]> =>
    Promise.all(views.map((view) => withComplaint(view, { claim, now: seen.now }, calls)));
  const [runs, inspections] = await Promise.all([heard(seen.runs), heard(seen.inspections)]);
  return { ...seen, runs, inspections };
}

/** Not on the word of a cache: two Pods on one claim may keep each other from starting, on two nodes. */
async function crowdAfresh({ backup, crowd }: Observed, { deps, signal }: Calls): Promise<Crowd | undefined> {
  if (crowd === undefined || crowd.isFresh) return crowd;
  const mark = claimMark(backup.spec.destination.persistentVolumeClaim.claimName);
  const labelSelector = `${labels.managedBy}=${managedBy},${labels.claim}=${mark}`;
  const { namespace } = keyOf(backup);
  const found = await deps.client.list(jobs, { namespace, labelSelector, signal });
  return { ...crowd, jobs: othersOf(backup.metadata.uid, found.items), isFresh: true };
}

/** Not on the word of a cache: where the Service leads decides who is asked for a whole database. */
async function whatItNeeds(
  backup: Neo4jBackup,
  calls: Calls,
): Promise<Surroundings & Pick<Observed, 'isServerReady'>> {
  const [claimExists, service, isServerReady] = await Promise.all([
    claimExistsFor(backup, calls),
    serviceOf(backup, calls),
    backup.spec.source.serviceRef === undefined || hasReadyEndpoint(backup, calls),
  ]);
  return { claimExists, service, isServerReady };
}

/** What others say of a Job without a Pod, of a Pod that does not start, or of the claim that it waits for: in Events and nowhere else. */
async function withComplaint(
  run: RunView,
  { claim, now }: { readonly claim: Claim | undefined; readonly now: Date },
  calls: Calls,
): Promise<RunView> {
  const subject = isFinished(run.job) ? undefined : subjectOf(run, claim, now);
  if (subject === undefined) return run;
  const fieldSelector = `involvedObject.uid=${subject.object.metadata.uid}`;
  const { namespace } = keyOf(run.job);
  const found = await listIfAllowed(events, { namespace, fieldSelector }, calls);
  const complaint = found === undefined ? undefined : complaintOf(subject, found, now);
  return complaint === undefined ? run : { ...run, complaint };
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

async function hasReadyEndpoint({ metadata, spec }: Neo4jBackup, calls: Calls): Promise<boolean> {
  const { namespace } = keyOf({ metadata });
  const labelSelector = `kubernetes.io/service-name=${spec.source.serviceRef?.name ?? ''}`;
  const slices = await listIfAllowed(endpointSlices, { namespace, labelSelector }, calls);
  const isReady = ({ endpoints }: EndpointSlice): boolean =>
    endpoints?.some(({ conditions }) => conditions?.ready !== false) === true;
  return slices === undefined || slices.some(isReady);
}

function oldestFirst<T extends Job | Pod>(objects: readonly T[]): readonly T[] {
  return objects.toSorted(
    (a, b) =>
      a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp) ||
      a.metadata.name.localeCompare(b.metadata.name),
  );
}
