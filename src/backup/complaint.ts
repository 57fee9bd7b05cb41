// What others say in Events about a run that does not start: whom they speak of, which of it counts, and what it means. Pure.
import type { WaitingReason } from '../api/reasons.ts';
import { conditionOf, isAtItsStart, statusesOf } from './evidence.ts';
import { namesMissingSecret, schedulingGraceSeconds, type Obstacle } from './obstacle.ts';
import type { RunView } from './outcome.ts';
import type { Claim, Event, Job, Pod } from './resources.ts';

/** Whom to ask about. A claim: for the Pod that waits for it. */
export type Subject =
  | { readonly kind: 'job'; readonly object: Job }
  | { readonly kind: 'pod'; readonly object: Pod }
  | { readonly kind: 'claim'; readonly object: Claim; readonly waits: Pod };

/** A Job that has no Pod after so many milliseconds gets none: until then it is the controllers' ordinary pace. */
const podlessMs = 10_000;

/** A Pod that takes longer to begin may have to wait for long. Milliseconds. */
const startMs = schedulingGraceSeconds * 1000;

/**
 * A complaint that nobody repeats for so long is over: controller and kubelet repeat theirs within six minutes at most.
 * Milliseconds.
 */
const complaintMs = 400_000;

type Meaning = (message: string) => WaitingReason;

/** Which Events count, by whom they speak of. */
const meanings = {
  /** Quota and admission refuse a Pod to the Job's controller, which says so nowhere else. */
  job: { FailedCreate: refusalReason },
  /** A claim is waited for by the scheduler, in silence. */
  claim: {
    ProvisioningFailed: () => 'ClaimNotBound',
    FailedBinding: () => 'ClaimNotBound',
    VolumeMismatch: () => 'ClaimNotBound',
    ClaimLost: () => 'ClaimNotBound',
  },
  pod: {
    FailedMount: volumeReason,
    FailedAttachVolume: volumeReason,
    FailedMapVolume: volumeReason,
    FailedCreatePodSandBox: () => 'ContainerNotStarted',
  },
} as const satisfies Record<string, Readonly<Record<string, Meaning>>>;

/** Undefined: nothing is known to be amiss, or it is too early to ask. */
export function subjectOf({ job, pods }: RunView, claim: Claim | undefined, now: Date): Subject | undefined {
  const pod = pods.at(-1);
  if (pod === undefined) return isOld(job, podlessMs, now) ? { kind: 'job', object: job } : undefined;
  if (!isAtItsStart(pod) || !isOld(pod, startMs, now)) return undefined;
  if (isPlaced(pod)) return { kind: 'pod', object: pod };
  return claim !== undefined && isUnbound(claim) ? { kind: 'claim', object: claim, waits: pod } : undefined;
}

function isUnbound({ status }: Claim): boolean {
  return status?.phase !== undefined && status.phase !== 'Bound';
}

function isOld({ metadata }: Job | Pod, ageMs: number, now: Date): boolean {
  return now.getTime() - Date.parse(metadata.creationTimestamp) >= ageMs;
}

/** The scheduler says that it has a node, or the kubelet that it has taken it in. */
function isPlaced(pod: Pod): boolean {
  return conditionOf(pod, 'PodScheduled')?.status === 'True' || statusesOf(pod).length > 0;
}

/** @param said the Events about the subject, in any order */
export function complaintOf(subject: Subject, said: readonly Event[], now: Date): Obstacle | undefined {
  const newestFirst = said.toSorted((a, b) => timeOf(b).localeCompare(timeOf(a)));
  return conflictIn(newestFirst) ?? newestIn(newestFirst, meanings[subject.kind], now) ?? silence(subject);
}

/**
 * That a volume is held elsewhere the attach controller says once, and the opposite once. It is what the kubelet's
 * complaints, which come again and again, are about.
 */
function conflictIn(newestFirst: readonly Event[]): Obstacle | undefined {
  const last = newestFirst.find(
    ({ reason, message }) =>
      reason === 'SuccessfulAttachVolume' || (reason === 'FailedAttachVolume' && isConflict(message ?? '')),
  );
  if (last?.reason !== 'FailedAttachVolume') return undefined;
  return { reason: 'VolumeAttachConflict', detail: last.message ?? '' };
}

function newestIn(
  newestFirst: readonly Event[],
  known: Readonly<Record<string, Meaning>>,
  now: Date,
): Obstacle | undefined {
  for (const event of newestFirst) {
    const meaning = known[event.reason ?? ''];
    if (meaning === undefined || !event.message) continue;
    const isOver = now.getTime() - Date.parse(timeOf(event)) > complaintMs;
    return isOver ? undefined : { reason: meaning(event.message), detail: event.message };
  }
  return undefined;
}

/** While the scheduler has a place and waits for the volume, it says nothing at all of the Pod. */
function silence(subject: Subject): Obstacle | undefined {
  if (subject.kind !== 'claim' || conditionOf(subject.waits, 'PodScheduled') !== undefined) return undefined;
  const { metadata, status } = subject.object;
  return { reason: 'ClaimNotBound', detail: `The claim ${metadata.name} is ${status?.phase ?? 'Pending'}` };
}

/** What the API server means that refuses a Job or its Pod: quota and Pod Security have their own words, everybody else any. */
export function refusalReason(message: string): 'QuotaExceeded' | 'PodSecurityViolation' | 'JobRejected' {
  if (/(exceeded|failed) quota/.test(message)) return 'QuotaExceeded';
  return /violates PodSecurity "/.test(message) ? 'PodSecurityViolation' : 'JobRejected';
}

function volumeReason(message: string): WaitingReason {
  if (isConflict(message)) return 'VolumeAttachConflict';
  return namesMissingSecret(message) ? 'SecretNotFound' : 'VolumeNotMounted';
}

function isConflict(message: string): boolean {
  return /Multi-Attach error|exclusively attached to|already attached to (another )?(node|instance)/i.test(
    message,
  );
}

function timeOf({ lastTimestamp, metadata }: Event): string {
  return lastTimestamp ?? metadata.creationTimestamp;
}
