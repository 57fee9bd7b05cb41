// How a run stands: judged from its Job and Pods. Pure.
import { annotations, containers } from '../api/names.ts';
import type { RunStatus } from '../api/neo4jbackup.ts';
import { plain } from '../api/plain.ts';
import { explain, isRunReason, isSuccess, type RunReason, type WaitingReason } from '../api/reasons.ts';
import { boundText } from '../kube/errors.ts';
import { parseReport, type RunReport } from '../run/report.ts';
import type { ContainerStatus, Job, Pod } from './resources.ts';

export interface RunView {
  readonly job: Job;
  /** Its Pods, oldest first. */
  readonly pods: readonly Pod[];
  /** Why the cluster makes no Pod for the Job, or does not start the one that is there: in its own words. */
  readonly complaint?: string;
}

export type Outcome =
  | { readonly kind: 'active'; readonly obstacle?: Obstacle }
  | { readonly kind: 'ended'; readonly status: RunStatus };

export interface Obstacle {
  readonly reason: WaitingReason;
  readonly detail: string;
}

interface Ending {
  readonly reason: RunReason;
  readonly detail?: string;
}

/** A Pod may wait for a volume to be bound, or for a place, for so long before it counts as stuck. Seconds. */
export const schedulingGraceSeconds = 20;

/** What others say may be of any length: the message with our advice must fit its field. */
const maxDetailBytes = 512;

/**
 * @param lastObstacle what stood in the way of this run when it was last looked at: when the Job's deadline has removed
 *   its Pods, nothing else remembers
 */
export function judgeRun(view: RunView, now: Date, lastObstacle?: Obstacle): Outcome {
  const finished = finishedCondition(view.job);
  if (finished === undefined) {
    // Without a Pod nothing shows that the way is free: when the deadline strikes, the Pods go before the Job has ended.
    const obstacle = obstacleOf(view, now) ?? (view.pods.length === 0 ? lastObstacle : undefined);
    return { kind: 'active', ...(obstacle === undefined ? {} : { obstacle }) };
  }
  const completed = finished.lastTransitionTime ?? now.toISOString();
  const reported = latestReport(view);
  if (reported !== undefined) return { kind: 'ended', status: fromReport(view.job, reported) };
  const { reason, detail } = withoutReport(view, finished, lastObstacle);
  return {
    kind: 'ended',
    status: {
      ...common(view.job),
      result: 'Failed',
      reason,
      message: explain(reason, detail === undefined ? undefined : boundText(plain(detail), maxDetailBytes)),
      completionTime: completed,
    },
  };
}

export function isFinished(job: Job): boolean {
  return finishedCondition(job) !== undefined;
}

type JobCondition = NonNullable<NonNullable<Job['status']>['conditions']>[number];

function finishedCondition({ status }: Job): JobCondition | undefined {
  return status?.conditions?.find(
    ({ type, status: is }) => (type === 'Complete' || type === 'Failed') && is === 'True',
  );
}

function common({ metadata }: Job): Pick<RunStatus, 'id' | 'requestedType' | 'triggerID' | 'startTime'> {
  const triggerID = metadata.annotations?.[annotations.triggerID]?.slice(0, 63); // anybody may have edited it
  return {
    id: metadata.name,
    requestedType: metadata.annotations?.[annotations.requestedType] === 'Full' ? 'Full' : 'Auto',
    ...(triggerID === undefined ? {} : { triggerID }),
    startTime: metadata.creationTimestamp,
  };
}

/** What the Job says of a run that is under way: the same fields as status.currentRun. */
export const currentRunOf = common;

function fromReport(job: Job, report: RunReport): RunStatus {
  const { schemaVersion: _, run: __, databases, ...told } = report;
  const known = Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined));
  return {
    ...common(job),
    ...(known as Omit<RunReport, 'schemaVersion' | 'run' | 'databases'>),
    ...(databases === undefined ? {} : { databases: [...databases] }),
    result: resultOf(report.reason),
  };
}

function resultOf(reason: RunReason): RunStatus['result'] {
  if (reason === 'PartiallySucceeded') return 'PartiallySucceeded';
  return isSuccess(reason) ? 'Succeeded' : 'Failed';
}

/**
 * What our containers of the Pods left behind: of a Pod that published, else of the last one that said anything. Nobody
 * else is believed: the image of the tool is the user's.
 */
function latestReport({ job, pods }: RunView): RunReport | undefined {
  const said = pods
    .flatMap(statusesOf)
    .filter(({ name }) => name === containers.prepare || name === containers.report)
    .flatMap(({ state }) => parseReport(state?.terminated?.message, job.metadata.name) ?? []);
  // A later attempt tells also of what earlier ones published.
  const isWhole = ({ path, reason }: RunReport): boolean =>
    path !== undefined && reason !== 'PartiallySucceeded';
  return said.find(isWhole) ?? said.findLast(({ path }) => path !== undefined) ?? said.at(-1);
}

function statusesOf({ status }: Pod): readonly ContainerStatus[] {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
}

/** No container could say how it ended: the cluster's own evidence is left, the newest Pod's first. */
function withoutReport(
  { pods }: RunView,
  finished: JobCondition,
  lastObstacle: Obstacle | undefined,
): Ending {
  const endings = pods.toReversed().flatMap((pod) => evidence.flatMap((rule) => rule(pod) ?? []));
  const [ending] = endings;
  if (ending !== undefined) return ending;
  if (finished.reason !== 'DeadlineExceeded') {
    const how = finished.reason ?? finished.type;
    return { reason: 'ResultLost', detail: `The Job ended (${how}) and none of its Pods said how` };
  }
  if (lastObstacle !== undefined && isRunReason(lastObstacle.reason))
    return { reason: lastObstacle.reason, detail: lastObstacle.detail };
  return { reason: 'DeadlineExceeded', detail: finished.message ?? 'The Job was ended by its deadline' };
}

/** What a Pod that said nothing can still tell, the most telling first. */
const evidence: readonly ((pod: Pod) => Ending | undefined)[] = [
  outOfMemory,
  fromPodReason,
  disrupted,
  broken,
];

function outOfMemory(pod: Pod): Ending | undefined {
  const killed = statusesOf(pod).find(({ state }) => state?.terminated?.reason === 'OOMKilled');
  if (killed === undefined) return undefined;
  return { reason: 'OutOfMemory', detail: `The container ${killed.name} was killed for want of memory` };
}

function fromPodReason({ status }: Pod): Ending | undefined {
  const { reason, message } = status ?? {};
  if (reason !== 'DeadlineExceeded' && reason !== 'Evicted') return undefined;
  return { reason, ...(message === undefined ? {} : { detail: message }) };
}

function disrupted({ status }: Pod): Ending | undefined {
  const found = status?.conditions?.find(
    ({ type, status: is }) => type === 'DisruptionTarget' && is === 'True',
  );
  if (found === undefined) return undefined;
  return { reason: 'Interrupted', detail: found.message ?? found.reason ?? 'The Pod was disrupted' };
}

function broken(pod: Pod): Ending | undefined {
  for (const { name, state } of statusesOf(pod)) {
    const { exitCode = 0, reason, message } = state?.terminated ?? {};
    if (exitCode === 0) continue;
    const said = [reason, message?.trim().slice(0, 200)].filter((part) => part !== undefined && part !== '');
    return {
      reason: 'EngineFailed',
      detail: [`The container ${name} ended with exit code ${exitCode}`, ...said].join(': '),
    };
  }
  return undefined;
}

/** What others say of a Job without a Pod is a refusal, what they say of a Pod at its start concerns its volumes. */
function complained({ pods, complaint }: RunView): Obstacle | undefined {
  if (complaint === undefined) return undefined;
  const reason = pods.length === 0 ? refusalReason(complaint) : 'VolumeNotMounted';
  return { reason, detail: complaint.slice(0, 300) };
}

/** No container has begun: the Pod has a node, at most, and waits there for its volumes and images. */
export function isAtItsStart(pod: Pod): boolean {
  const hasBegun = statusesOf(pod).some(({ state }) => state?.running ?? state?.terminated);
  return pod.status?.phase === 'Pending' && !hasBegun;
}

/** What the API server means that refuses a Job or its Pod: its quota admission has its own words, everybody else any. */
export function refusalReason(message: string): 'QuotaExceeded' | 'JobRejected' {
  return /(exceeded|failed) quota/.test(message) ? 'QuotaExceeded' : 'JobRejected';
}

/** What keeps the newest Pod of an active run from starting. */
function obstacleOf(view: RunView, now: Date): Obstacle | undefined {
  const pod = view.pods.at(-1);
  if (pod === undefined) return complained(view);
  return imageObstacle(pod) ?? placeObstacle(pod, now) ?? complained(view);
}

function imageObstacle(pod: Pod): Obstacle | undefined {
  for (const { name, state } of statusesOf(pod)) {
    const waiting = state?.waiting;
    if (waiting?.reason === undefined || !imageReasons.has(waiting.reason)) continue;
    const said = (waiting.message ?? waiting.reason).slice(0, 300);
    return { reason: 'ImagePullFailed', detail: `The image of the container ${name} cannot be had: ${said}` };
  }
  return undefined;
}

function placeObstacle({ metadata, status }: Pod, now: Date): Obstacle | undefined {
  const age = (now.getTime() - Date.parse(metadata.creationTimestamp)) / 1000;
  if (age < schedulingGraceSeconds) return undefined;
  const unplaced = status?.conditions?.find(
    ({ type, status: is, reason }) => type === 'PodScheduled' && is === 'False' && reason === 'Unschedulable',
  );
  if (unplaced === undefined) return undefined;
  return {
    reason: 'Unschedulable',
    detail: (unplaced.message ?? 'The scheduler gave no reason').slice(0, 300),
  };
}

/** Reasons of a waiting container that the kubelet gives when it cannot get an image. */
const imageReasons = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'ImageInspectError',
  'RegistryUnavailable',
]);
