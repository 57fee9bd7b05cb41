// What to do about one Neo4jBackup, given everything seen in this pass. Pure: no clock, no client, no log.
import { isDeepStrictEqual } from 'node:util';
import type { V1Job } from '@kubernetes/client-node';
import type { Neo4jBackupStatus, RunStatus } from '../api/neo4jbackup.ts';
import { annotations } from '../api/names.ts';
import { explain, isReason, reasons, type StalledReason, type WaitingReason } from '../api/reasons.ts';
import { selectEngine, servedVersions } from '../engine/select.ts';
import type { Next } from '../runtime/next.ts';
import { isAllowedHost, isAllowedImage } from './allowed.ts';
import { buildJob, specHash } from './job.ts';
import type { Observed } from './observe.ts';
import {
  currentRunOf,
  isFinished,
  judgeRun,
  schedulingGraceSeconds,
  type Obstacle,
  type RunView,
} from './outcome.ts';
import type { Job } from './resources.ts';
import { dueRun, rememberedRuns } from './run.ts';

/** What the operator's configuration decides. */
export interface Policy {
  readonly agentImage: string;
  /** Hosts that a resource may name: exact names, `*.suffix`, or `*`. */
  readonly allowedHosts: readonly string[];
  /** Images that a run may use for the tool: exact, or with `*` and `**` (allowed.ts). Empty: every image. */
  readonly allowedImages: readonly string[];
}

export type Action =
  | { readonly kind: 'createJob'; readonly job: V1Job }
  /** A Job whose end is in status, or whose run is to start anew: then its Pods go before it does, and only then its name is free. */
  | {
      readonly kind: 'deleteJob';
      readonly job: Job;
      readonly propagationPolicy: 'Background' | 'Foreground';
    };

/** How the resource stands; the conditions follow from it. */
export type Standing =
  | { readonly kind: 'stalled'; readonly reason: StalledReason; readonly detail: string }
  | { readonly kind: 'waiting'; readonly reason: WaitingReason; readonly detail: string }
  | { readonly kind: 'running'; readonly run: CurrentRun; readonly obstacle?: Obstacle }
  /** A Job is about to be made: whether it was, and when, the API server's answer tells. */
  | { readonly kind: 'starting' }
  | { readonly kind: 'idle' };

type CurrentRun = NonNullable<Neo4jBackupStatus['currentRun']>;

export interface Decision {
  readonly standing: Standing;
  /** Runs that have ended and are not in status yet, oldest first. */
  readonly ended: readonly RunStatus[];
  readonly actions: readonly Action[];
  readonly next: Next;
}

/** When to look again at what no watch will tell of. Milliseconds. */
const recheckMs = 15_000;

export function decide(seen: Observed, policy: Policy): Decision {
  const ended = endedRuns(seen);
  const actions = expiredJobs(seen);
  const active = seen.runs.find(({ job }) => !isFinished(job));
  if (active !== undefined) {
    const { standing, next, replacing } = underWay(seen, active, policy);
    return { standing, next, ended, actions: [...replacing, ...actions] };
  }

  const jobs = seen.runs.map(({ job }) => job);
  const resumed = resumedRun(seen);
  const run = resumed ?? dueRun(seen.backup, jobs);
  const objection = objectionTo(seen, policy) ?? (run === undefined ? undefined : serverThere(seen));
  if (objection?.kind === 'stalled')
    return { standing: objection, ended, actions, next: { kind: 'onChange' } };
  if (objection !== undefined)
    return { standing: objection, ended, actions, next: { kind: 'after', delayMs: recheckMs } };

  const engine = selectEngine(seen.backup.spec.neo4j.version);
  if (run === undefined || engine === undefined)
    return { standing: { kind: 'idle' }, ended, actions, next: { kind: 'onChange' } };
  const job = buildJob(seen.backup, {
    run,
    engine,
    agentImage: policy.agentImage,
    now: seen.now,
    terminalPods: [...terminalPods(seen), ...(resumed?.replacedPods ?? [])],
  });
  return {
    standing: { kind: 'starting' },
    ended,
    // The run first: tidying up that fails must not keep a backup from being taken.
    actions: [{ kind: 'createJob', job }, ...actions],
    next: { kind: 'onChange' },
  };
}

/** Must this be decided on more than caches: does it start a run, end one, or go on with one that status knows as ended? */
export function needsFreshEyes({ backup }: Observed, { standing, ended }: Decision): boolean {
  if (standing.kind === 'starting' || ended.length > 0) return true;
  if (standing.kind !== 'running') return false;
  return standing.run.replacedPods !== undefined || knownRuns(backup).has(standing.run.id);
}

interface UnderWay extends Pick<Decision, 'standing' | 'next'> {
  readonly replacing: readonly Action[];
}

function underWay(seen: Observed, run: RunView, policy: Policy): UnderWay {
  const { backup, now } = seen;
  const outcome = judgeRun(run, now, lastObstacle(backup, run.job));
  const obstacle = outcome.kind === 'active' ? outcome.obstacle : undefined;
  // A Pod that is not placed becomes an obstacle by time alone, and no watch tells of time.
  const { creationTimestamp } = (run.pods.at(-1) ?? run.job).metadata;
  const young = now.getTime() - Date.parse(creationTimestamp) < 2 * schedulingGraceSeconds * 1000;
  const again = young || run.pods.length === 0 || backup.status?.currentRun === undefined;
  const { replacedPods, replacing } = replacement(seen, run, { obstacle, policy });
  return {
    standing: {
      kind: 'running',
      run: { ...currentRunOf(run.job), ...(replacedPods === undefined ? {} : { replacedPods }) },
      ...(obstacle === undefined ? {} : { obstacle }),
    },
    next: again ? { kind: 'after', delayMs: recheckMs } : { kind: 'onChange' },
    replacing,
  };
}

/**
 * A run that cannot start is made anew when the spec, or the operator's image, no longer is what its Job was made from.
 * Status says so first and the Job goes in a later pass: a crash in between must not look like a Job that got lost.
 */
function replacement(
  { backup }: Observed,
  { job, pods }: RunView,
  { obstacle, policy }: { readonly obstacle: Obstacle | undefined; readonly policy: Policy },
): { readonly replacedPods?: string[]; readonly replacing: readonly Action[] } {
  const current = backup.status?.currentRun;
  const announced = current?.id === job.metadata.name ? current.replacedPods : undefined;
  if (job.metadata.deletionTimestamp !== undefined)
    return { ...(announced === undefined ? {} : { replacedPods: announced }), replacing: [] };
  const madeFrom = job.metadata.annotations?.[annotations.specHash];
  const isOutdated = madeFrom !== undefined && madeFrom !== specHash(backup, policy.agentImage);
  if (obstacle === undefined || !isOutdated) return { replacing: [] };
  const replacedPods = pods.map(({ metadata }) => metadata.uid).slice(-64);
  if (!isDeepStrictEqual(announced, replacedPods)) return { replacedPods, replacing: [] };
  return { replacedPods, replacing: [{ kind: 'deleteJob', job, propagationPolicy: 'Foreground' }] };
}

/** The run whose Job was deleted to be made anew. */
function resumedRun({ backup }: Observed): CurrentRun | undefined {
  const current = backup.status?.currentRun;
  return current?.replacedPods === undefined || knownRuns(backup).has(current.id) ? undefined : current;
}

/** Runs whose Job has finished, or has gone before its end was seen, and that status does not know as ended. */
function endedRuns({ backup, runs, now }: Observed): readonly RunStatus[] {
  const known = knownRuns(backup);
  const ended: RunStatus[] = [];
  const current = backup.status?.currentRun;
  const lost =
    current !== undefined &&
    current.replacedPods === undefined &&
    !known.has(current.id) &&
    runs.every(({ job }) => job.metadata.name !== current.id);
  if (lost)
    ended.push({
      ...current,
      result: 'Failed',
      reason: 'ResultLost',
      message: explain('ResultLost', `The Job ${current.id} is gone`),
      completionTime: now.toISOString(),
    });
  for (const run of runs) {
    if (known.has(run.job.metadata.name)) continue;
    const outcome = judgeRun(run, now, lastObstacle(backup, run.job));
    if (outcome.kind === 'ended') ended.push(outcome.status);
  }
  return ended;
}

function knownRuns({ status }: Observed['backup']): ReadonlySet<string> {
  return new Set(rememberedRuns(status).map(({ id }) => id));
}

/** What the conditions of the pass before say stood in the way of this run. */
function lastObstacle({ status }: Observed['backup'], job: Job): Obstacle | undefined {
  if (status?.currentRun?.id !== job.metadata.name) return undefined;
  const ready = status.conditions?.find(({ type }) => type === 'Ready');
  if (ready?.status !== 'False' || !isReason(ready.reason)) return undefined;
  const row = reasons[ready.reason];
  // The advice comes once, when the message is made anew.
  const detail = 'next' in row ? ready.message.replace(row.next, '').trim() : ready.message;
  return { reason: ready.reason as WaitingReason, detail };
}

type Objection = Extract<Standing, { kind: 'stalled' | 'waiting' }>;

/** Why no run may start, if so: what only an edit can mend comes first. */
function objectionTo(seen: Observed, policy: Policy): Objection | undefined {
  for (const rule of [versionServed, licenseAccepted, imageAllowed, hostAllowed, sourceThere, claimThere]) {
    const objection = rule(seen, policy);
    if (objection !== undefined) return objection;
  }
  return undefined;
}

function versionServed({ backup }: Observed): Objection | undefined {
  const { version } = backup.spec.neo4j;
  if (selectEngine(version) !== undefined) return undefined;
  const detail = `spec.neo4j.version is ${version}; served are ${servedVersions}`;
  return { kind: 'stalled', reason: 'UnsupportedVersion', detail };
}

function licenseAccepted({ backup }: Observed): Objection | undefined {
  const { image, acceptLicenseAgreement, version } = backup.spec.neo4j;
  const isAsked = image === undefined && selectEngine(version)?.asksForLicense === true;
  if (!isAsked || acceptLicenseAgreement === true) return undefined;
  const detail = 'Neither spec.neo4j.image nor spec.neo4j.acceptLicenseAgreement is set';
  return { kind: 'stalled', reason: 'LicenseNotAccepted', detail };
}

function hostAllowed({ backup }: Observed, { allowedHosts }: Policy): Objection | undefined {
  const { host } = backup.spec.source;
  if (host === undefined || isAllowedHost(host, allowedHosts)) return undefined;
  const detail = `spec.source.host is ${host}; allowed are: ${allowedHosts.join(', ') || 'none'}`;
  return { kind: 'stalled', reason: 'HostNotAllowed', detail };
}

function imageAllowed({ backup }: Observed, { allowedImages }: Policy): Objection | undefined {
  const { image, version } = backup.spec.neo4j;
  const used = image ?? selectEngine(version)?.defaultImage(version) ?? '';
  if (allowedImages.length === 0 || isAllowedImage(used, allowedImages)) return undefined;
  const what =
    image === undefined ? `The default image of spec.neo4j.version ${version}` : 'spec.neo4j.image';
  const detail = `${what} is ${used}; allowed are: ${allowedImages.join(', ')}`;
  return { kind: 'stalled', reason: 'ImageNotAllowed', detail };
}

function sourceThere({ backup, service }: Observed): Objection | undefined {
  const name = backup.spec.source.serviceRef?.name ?? '';
  if (service === 'externalName')
    return {
      kind: 'stalled',
      reason: 'ExternalNameRefused',
      detail: `The Service ${name} is of type ExternalName`,
    };
  if (service === 'unexposed')
    return {
      kind: 'waiting',
      reason: 'PortNotExposed',
      detail: `The Service ${name} has no port ${backup.spec.source.port}`,
    };
  if (service !== 'absent') return undefined;
  const detail = `There is no Service ${name} in the namespace ${backup.metadata.namespace}`;
  return { kind: 'waiting', reason: 'ServiceNotFound', detail };
}

/** A server that is away concerns nobody until a run is due. */
function serverThere({ backup, service }: Observed): Objection | undefined {
  if (service !== 'unready') return undefined;
  const detail = `The Service ${backup.spec.source.serviceRef?.name ?? ''} has no ready endpoint`;
  return { kind: 'waiting', reason: 'NoReadyEndpoints', detail };
}

function claimThere({ backup, claimExists }: Observed): Objection | undefined {
  if (claimExists) return undefined;
  const { claimName } = backup.spec.destination.persistentVolumeClaim;
  const detail = `There is no claim ${claimName} in the namespace ${backup.metadata.namespace}`;
  return { kind: 'waiting', reason: 'ClaimNotFound', detail };
}

/** Finished Jobs that status knows, but for the newest that succeeded and the newest that failed. */
function expiredJobs({ backup, runs }: Observed): readonly Action[] {
  const results = new Map(rememberedRuns(backup.status).map(({ id, result }) => [id, result]));
  const seen = new Set<string>();
  const expired: Action[] = [];
  for (const { job } of runs.toReversed()) {
    const result = results.get(job.metadata.name);
    if (result === undefined || !isFinished(job) || job.metadata.deletionTimestamp !== undefined) continue;
    if (seen.has(result)) expired.push({ kind: 'deleteJob', job, propagationPolicy: 'Background' });
    seen.add(result);
  }
  return expired;
}

/** Pods that have ended: they will never write to the volume again. */
function terminalPods({ runs }: Observed): readonly string[] {
  return runs
    .flatMap(({ pods }) => pods)
    .filter(({ status }) => status?.phase === 'Succeeded' || status?.phase === 'Failed')
    .map(({ metadata }) => metadata.uid);
}
