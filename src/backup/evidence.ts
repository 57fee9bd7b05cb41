// What a Pod shows of its end when its own containers could not say it: by the kubelet, or by who removed it. Pure.
import { containers } from '../api/names.ts';
import type { RunReason } from '../api/reasons.ts';
import type { ContainerStatus, Pod } from './resources.ts';

export interface Ending {
  readonly reason: RunReason;
  readonly detail?: string;
}

type Rule = (pod: Pod) => Ending | undefined;

/** The most telling first: a container that was killed for want of memory explains a Pod that was stopped, not the other way round. */
const rules: readonly Rule[] = [outOfMemory, fromPodReason, disrupted, rejected, broken];

/** The newest Pod's evidence, where it has any; else that of the one before. */
export function evidenceOf(pods: readonly Pod[]): Ending | undefined {
  return pods.toReversed().flatMap((pod) => rules.flatMap((rule) => rule(pod) ?? []))[0];
}

/** Init containers first: the order in which they run. */
export function statusesOf({ status }: Pod): readonly ContainerStatus[] {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
}

export function hasEnded({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

function hasBegun({ state }: ContainerStatus): boolean {
  return state?.running !== undefined || state?.terminated !== undefined;
}

/** No container has begun: the Pod has a node, at most, and waits there for its volumes and images. */
export function isAtItsStart(pod: Pod): boolean {
  return pod.status?.phase === 'Pending' && !statusesOf(pod).some(hasBegun);
}

/** Only the last container publishes: where it has not begun, the Pod published nothing. */
export function mayHavePublished(pod: Pod): boolean {
  return statusesOf(pod).some((status) => status.name === containers.report && hasBegun(status));
}

export function conditionOf(
  { status }: Pod,
  type: string,
): NonNullable<NonNullable<Pod['status']>['conditions']>[number] | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

/** The condition by which is said, since Kubernetes 1.26, that a Pod is removed for no fault of its own. */
export function disruptionOf(pod: Pod): ReturnType<typeof conditionOf> {
  const found = conditionOf(pod, 'DisruptionTarget');
  return found?.status === 'True' ? found : undefined;
}

function outOfMemory(pod: Pod): Ending | undefined {
  const killed = statusesOf(pod).find(({ state }) => state?.terminated?.reason === 'OOMKilled');
  if (killed === undefined) return undefined;
  return { reason: 'OutOfMemory', detail: `The container ${killed.name} was killed for want of memory` };
}

/** Reasons of a Pod, by the kubelet that ended it; NodeLost is of the controllers before 1.27. */
const podReasons: ReadonlyMap<string, RunReason> = new Map([
  ['DeadlineExceeded', 'DeadlineExceeded'],
  ['Evicted', 'Evicted'],
  ['Preempting', 'Preempted'],
  ['NodeLost', 'NodeLost'],
]);

function fromPodReason({ status }: Pod): Ending | undefined {
  const reason = podReasons.get(status?.reason ?? '');
  if (reason === undefined) return undefined;
  const message = status?.message?.trim() ?? '';
  return { reason, ...(message === '' ? {} : { detail: message }) };
}

/** Who removes a Pod: scheduler, taint manager, garbage collector of Pods. Everybody else (a drain, a shutdown) interrupts. */
const disruptions: ReadonlyMap<string, RunReason> = new Map([
  ['PreemptionByScheduler', 'Preempted'],
  ['DeletionByTaintManager', 'NodeLost'],
  ['DeletionByPodGC', 'NodeLost'],
]);

function disrupted(pod: Pod): Ending | undefined {
  const found = disruptionOf(pod);
  if (found === undefined) return undefined;
  return {
    reason: disruptions.get(found.reason ?? '') ?? 'Interrupted',
    detail: found.message ?? found.reason ?? 'The Pod was disrupted',
  };
}

/** The kubelet did not take the Pod that was given to it: OutOfcpu, NodeAffinity and their like. */
function rejected(pod: Pod): Ending | undefined {
  const { phase, reason, message } = pod.status ?? {};
  if (phase !== 'Failed' || reason === undefined || statusesOf(pod).some(hasBegun)) return undefined;
  return { reason: 'Unschedulable', detail: `The node refused the Pod: ${message ?? reason}` };
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
