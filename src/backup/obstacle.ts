// What keeps the Pod of a run from starting, or from going on, and may go away by itself. Pure.
import type { WaitingReason } from '../api/reasons.ts';
import { conditionOf, disruptionOf, hasEnded, statusesOf } from './evidence.ts';
import type { Pod } from './resources.ts';

export interface Obstacle {
  readonly reason: WaitingReason;
  readonly detail: string;
}

/** A Pod may wait for a volume to be bound, or for a place, for so long before it counts as stuck. Seconds. */
export const schedulingGraceSeconds = 15;

/** How much later than its grace period allows a Pod may end before its node counts as lost. Seconds. */
const endingGraceSeconds = 15;

/** What others say may be of any length. */
const maxDetail = 300;

type Rule = (pod: Pod, now: Date, complaint: Obstacle | undefined) => Obstacle | undefined;

/** The most telling first: on a node that is gone nothing else that the Pod says is news, and Events may speak of the past. */
const rules: readonly Rule[] = [nodeLost, containerWaits, complained, unplaced];

/** @param complaint what others say of the Pod, or of its claim, in Events */
export function obstacleOf(pod: Pod, now: Date, complaint: Obstacle | undefined): Obstacle | undefined {
  for (const rule of rules) {
    const found = rule(pod, now, complaint);
    if (found !== undefined) return { ...found, detail: found.detail.slice(0, maxDetail) };
  }
  return undefined;
}

function complained(_pod: Pod, _now: Date, complaint: Obstacle | undefined): Obstacle | undefined {
  return complaint;
}

/**
 * We may not read nodes. But when one falls silent, others speak for its Pods: the node controller takes Ready back from
 * a Pod whose containers were last heard of as ready, and the taint manager deletes a Pod that tolerates that for so long
 * (job.ts asks for half a minute). A Pod that is to end and does not is on a node that nobody hears.
 */
function nodeLost(pod: Pod, now: Date): Obstacle | undefined {
  if (hasEnded(pod)) return undefined;
  const detail = removedFromNode(pod) ?? calledLost(pod) ?? takenBack(pod) ?? overdue(pod, now);
  return detail === undefined ? undefined : { reason: 'NodeLost', detail };
}

function removedFromNode(pod: Pod): string | undefined {
  const { reason = '', message } = disruptionOf(pod) ?? {};
  return ['DeletionByTaintManager', 'DeletionByPodGC'].includes(reason) ? (message ?? reason) : undefined;
}

/** In the words of the controllers before Kubernetes 1.27. */
function calledLost({ status }: Pod): string | undefined {
  if (status?.reason !== 'NodeLost' && status?.phase !== 'Unknown') return undefined;
  return status.message ?? 'The node of the Pod does not answer';
}

/** The kubelet itself sets both alike: without a readiness gate a Pod is ready when its containers are. */
function takenBack(pod: Pod): string | undefined {
  const isTakenBack =
    conditionOf(pod, 'ContainersReady')?.status === 'True' && conditionOf(pod, 'Ready')?.status === 'False';
  return isTakenBack ? 'The node of the Pod is not ready' : undefined;
}

function overdue({ metadata }: Pod, now: Date): string | undefined {
  const { name, deletionTimestamp } = metadata;
  if (deletionTimestamp === undefined) return undefined;
  const lateMs = now.getTime() - Date.parse(deletionTimestamp);
  if (lateMs < endingGraceSeconds * 1000) return undefined;
  return `The Pod ${name} was to end at ${deletionTimestamp}, and its node has not said that it did`;
}

/** Reasons of a waiting container by which the kubelet tells that it does not go on. */
const waitingReasons: ReadonlyMap<string, 'ImagePullFailed' | 'ContainerNotStarted'> = new Map([
  ['ErrImagePull', 'ImagePullFailed'],
  ['ImagePullBackOff', 'ImagePullFailed'],
  ['InvalidImageName', 'ImagePullFailed'],
  ['ErrImageNeverPull', 'ImagePullFailed'],
  ['ImageInspectError', 'ImagePullFailed'],
  ['RegistryUnavailable', 'ImagePullFailed'],
  ['SignatureValidationFailed', 'ImagePullFailed'],
  ['CreateContainerConfigError', 'ContainerNotStarted'],
  ['CreateContainerError', 'ContainerNotStarted'],
  ['PreCreateHookError', 'ContainerNotStarted'],
  ['PreStartHookError', 'ContainerNotStarted'],
  ['RunContainerError', 'ContainerNotStarted'],
]);

function containerWaits(pod: Pod): Obstacle | undefined {
  for (const { name, state } of statusesOf(pod)) {
    const { reason: word = '', message } = state?.waiting ?? {};
    const reason = waitingReasons.get(word);
    if (reason === undefined) continue;
    const said = message ?? word;
    if (namesMissingSecret(said)) return { reason: 'SecretNotFound', detail: said };
    const what =
      reason === 'ImagePullFailed'
        ? `The image of the container ${name} cannot be had`
        : `The container ${name} cannot be started`;
    return { reason, detail: `${what}: ${said}` };
  }
  return undefined;
}

/** A Secret of a volume, of a variable, or a key of either, in the kubelet's words. */
export function namesMissingSecret(said: string): boolean {
  return /secret "[^"]*" not found|key .* in Secret |non-existent secret key/i.test(said);
}

/**
 * What the scheduler says, in Kubernetes 1.32 to 1.36, that concerns the claim and not the nodes: it has looked at no node
 * then, or they all lack the same.
 */
const placeReasons: readonly (readonly [RegExp, WaitingReason])[] = [
  [/ReadWriteOncePod access mode/, 'VolumeAttachConflict'],
  [/nodes are available: (pod has unbound immediate |persistentvolumeclaim ")/, 'ClaimNotBound'],
  [/nodes are available: \d+ node\(s\) didn't find available persistent volumes to bind\./, 'ClaimNotBound'],
  [/nodes are available: \d+ node\(s\) unavailable due to one or more pvc\(s\) bound to/, 'ClaimNotBound'],
  [/^(persistentvolumeclaim "|running PreBind plugin "VolumeBinding")/, 'ClaimNotBound'],
];

function unplaced(pod: Pod, now: Date): Obstacle | undefined {
  const scheduled = conditionOf(pod, 'PodScheduled');
  if (scheduled?.status !== 'False' || !hasWaited(pod, now)) return undefined;
  const detail = scheduled.message ?? 'The scheduler gave no reason';
  const [, reason] = placeReasons.find(([pattern]) => pattern.test(detail)) ?? [];
  return { reason: reason ?? 'Unschedulable', detail };
}

function hasWaited({ metadata }: Pod, now: Date): boolean {
  return now.getTime() - Date.parse(metadata.creationTimestamp) >= schedulingGraceSeconds * 1000;
}
