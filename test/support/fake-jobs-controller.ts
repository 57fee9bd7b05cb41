// The Job controller of the fake cluster: what it does next with one Job of one completion. After kube-controller-manager
// since 1.31, which tells the end in two steps: first why (SuccessCriteriaMet, FailureTarget), and when all Pods have
// ended, that (Complete, Failed).
import { jobs, pods as podResource } from '../../src/backup/resources.ts';
import { keyOf } from '../../src/kube/resource.ts';
import type { FakeKube } from './fake-kube.ts';
import {
  conditionOf,
  hasCondition,
  hasEnded,
  isDeleted,
  isTracked,
  stepMs,
  timestamp,
  trackingFinalizer,
  type FailureRule,
  type JobObject,
  type JobStatus,
  type PodObject,
  type Step,
} from './fake-jobs-objects.ts';

export interface JobView {
  readonly kube: FakeKube;
  readonly now: () => Date;
  readonly job: JobObject;
  /** Those that the Job controls, in the order in which they were made. */
  readonly pods: readonly PodObject[];
  /** How many of its Pods have failed so far, also those that count for nothing: the controller waits after each. */
  readonly failures: number;
  /** The script wants a second Pod beside the one that is there. */
  readonly wantsTwo: boolean;
  readonly makePod: () => void;
}

type Rule = (view: JobView) => Step | undefined;
type JobChange = (job: JobObject, status: JobStatus) => void;
interface End {
  readonly reason: string;
  readonly message: string;
}

/** The Job controller's wait before the second Pod; each further one doubles it. */
const firstBackoffMs = 10_000;

const endings = ['SuccessCriteriaMet', 'FailureTarget'] as const;

export function nextJobStep(view: JobView): Step | undefined {
  for (const rule of rulesFor(view.job)) {
    const next = rule(view);
    if (next !== undefined) return next;
  }
  return undefined;
}

/** The deadline strikes whatever else is under way. */
export function deadlineStep(view: JobView): Step | undefined {
  const { job, now } = view;
  const { activeDeadlineSeconds } = job.spec;
  const startTime = job.status?.startTime;
  if (startTime === undefined || activeDeadlineSeconds === undefined) return undefined;
  if (isDeleted(job) || hasCondition(job, ...endings, 'Complete', 'Failed')) return undefined;
  const end = { reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' };
  return {
    name: 'deadline',
    afterMs: Date.parse(startTime) + activeDeadlineSeconds * 1000 - now().getTime(),
    run: edit(view, (_job, status) => fail(view, status, end)),
  };
}

/** The controller that removes finished Jobs waits for their Pods to go. */
export function expiryStep({ kube, job, now }: JobView): Step | undefined {
  const finished = conditionOf(job, 'Complete', 'Failed')?.lastTransitionTime;
  const { ttlSecondsAfterFinished } = job.spec;
  if (finished === undefined || ttlSecondsAfterFinished === undefined || isDeleted(job)) return undefined;
  return {
    name: 'expiry',
    afterMs: Date.parse(finished) + ttlSecondsAfterFinished * 1000 - now().getTime(),
    run: () => kube.remove(jobs, keyOf(job), 'Foreground'),
  };
}

function rulesFor(job: JobObject): readonly Rule[] {
  if (isDeleted(job) || hasCondition(job, 'Complete', 'Failed')) return [release];
  if (hasCondition(job, ...endings)) return [stopPod, release, finish];
  return [judge, release, addPod, tell];
}

/** A Pod that has ended is entered for counting, and may be the end of the Job. */
function judge(view: JobView): Step | undefined {
  const { job, pods } = view;
  const pod = pods.find(
    (one) => hasEnded(one) && isTracked(one) && !isEntered(job, one) && !isIgnored(job, one),
  );
  if (pod === undefined) return undefined;
  const { uid } = pod.metadata;
  return step(
    `judge ${uid}`,
    edit(view, (_job, status) => {
      const kind = pod.status?.phase === 'Succeeded' ? 'succeeded' : 'failed';
      const entered = (status.uncountedTerminatedPods ??= {});
      (entered[kind] ??= []).push(uid);
      if (kind === 'succeeded') addCondition(view, status, 'SuccessCriteriaMet', success);
      else {
        const end = failureOf(job, pod);
        if (end !== undefined) fail(view, status, end);
      }
    }),
  );
}

const success = { reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' };

/** Why the Job has failed with this Pod. Undefined: another one is tried. */
function failureOf(job: JobObject, pod: PodObject): End | undefined {
  const { name, namespace } = pod.metadata;
  const index = rulesOf(job).findIndex((rule) => isMet(rule, pod));
  if (rulesOf(job)[index]?.action === 'FailJob') {
    const failed = brokenContainer(pod);
    const message = `Container ${failed?.name} for pod ${namespace}/${name} failed with exit code ${failed?.exitCode} matching FailJob rule at index ${index}`;
    return { reason: 'PodFailurePolicy', message };
  }
  if (failuresOf(job) < (job.spec.backoffLimit ?? 6)) return undefined;
  return { reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' };
}

/** Pods that still run when a Job fails are counted at once, and stopped. */
function fail(view: JobView, status: JobStatus, end: End): void {
  const running = view.pods.filter((pod) => !hasEnded(pod)).length;
  if (running > 0) status.failed = (status.failed ?? 0) + running;
  delete status.active;
  addCondition(view, status, 'FailureTarget', end);
}

/** A Pod that is accounted for may go. */
function release(view: JobView): Step | undefined {
  const { job, pods, kube } = view;
  const isFree = isDeleted(job)
    ? (): boolean => true
    : hasCondition(job, ...endings)
      ? (one: PodObject): boolean => hasEnded(one) || isDeleted(one)
      : (one: PodObject): boolean => isEntered(job, one) || isIgnored(job, one);
  const pod = pods.find((one) => isTracked(one) && isFree(one));
  return pod === undefined ? undefined : releaseStep(kube, pod);
}

/** The Job of a Pod is gone: nobody counts it any more. */
export function orphanStep(kube: FakeKube, pod: PodObject): Step | undefined {
  return isTracked(pod) ? releaseStep(kube, pod) : undefined;
}

function releaseStep(kube: FakeKube, pod: PodObject): Step {
  return step(`release ${pod.metadata.uid}`, () => {
    kube.edit(podResource, keyOf(pod), ({ metadata }) => {
      metadata.finalizers = (metadata.finalizers ?? []).filter((name) => name !== trackingFinalizer);
    });
  });
}

function addPod({ pods, failures, wantsTwo, makePod }: JobView): Step | undefined {
  const active = pods.filter((pod) => !hasEnded(pod)).length;
  if (active > 0 && !wantsTwo) return undefined;
  const afterMs = failures === 0 ? stepMs : firstBackoffMs * 2 ** (failures - 1);
  return { name: `make Pod after ${failures} failures`, afterMs, run: makePod };
}

/** Enters into the status what has come about. */
function tell(view: JobView): Step | undefined {
  const { job, pods, now } = view;
  const active = pods.filter((pod) => !hasEnded(pod) && !isDeleted(pod)).length;
  const { status } = job;
  if (status?.startTime !== undefined && status.active === active && !hasReleased(view)) return undefined;
  return step(
    `tell ${active}`,
    edit(view, (_job, draft) => {
      draft.startTime ??= timestamp(now());
      draft.active = active;
      count(draft, pods);
    }),
  );
}

/** When the end is decided, Pods that still run are stopped. */
function stopPod({ pods, kube }: JobView): Step | undefined {
  const pod = pods.find((one) => !hasEnded(one) && !isDeleted(one));
  if (pod === undefined) return undefined;
  return step(`stop ${pod.metadata.uid}`, () => kube.remove(podResource, keyOf(pod)));
}

function finish(view: JobView): Step | undefined {
  const { job, pods, now } = view;
  const end = conditionOf(job, ...endings);
  if (end === undefined || pods.some((pod) => !hasEnded(pod))) return undefined;
  const { reason = '', message = '' } = end;
  return step(
    'finish',
    edit(view, (_job, status) => {
      count(status, pods);
      delete status.active;
      const isComplete = end.type === 'SuccessCriteriaMet';
      if (isComplete) status.completionTime = timestamp(now());
      addCondition(view, status, isComplete ? 'Complete' : 'Failed', { reason, message });
    }),
  );
}

/** Who was entered and has been released since is counted. */
function count(status: JobStatus, pods: readonly PodObject[]): void {
  const entered = status.uncountedTerminatedPods ?? {};
  for (const kind of ['succeeded', 'failed'] as const) {
    const uids = entered[kind] ?? [];
    const left = uids.filter((uid) => pods.some((pod) => pod.metadata.uid === uid && isTracked(pod)));
    if (uids.length > left.length) status[kind] = (status[kind] ?? 0) + uids.length - left.length;
    if (left.length > 0) entered[kind] = left;
    else delete entered[kind];
  }
  status.uncountedTerminatedPods = entered;
}

function hasReleased({ job, pods }: JobView): boolean {
  const { succeeded = [], failed = [] } = job.status?.uncountedTerminatedPods ?? {};
  return [...succeeded, ...failed].some(
    (uid) => !pods.some((pod) => pod.metadata.uid === uid && isTracked(pod)),
  );
}

function isEntered({ status }: JobObject, { metadata }: PodObject): boolean {
  const { succeeded = [], failed = [] } = status?.uncountedTerminatedPods ?? {};
  return succeeded.includes(metadata.uid) || failed.includes(metadata.uid);
}

function failuresOf({ status }: JobObject): number {
  return (status?.failed ?? 0) + (status?.uncountedTerminatedPods?.failed?.length ?? 0);
}

function isIgnored(job: JobObject, pod: PodObject): boolean {
  if (pod.status?.phase !== 'Failed') return false;
  return rulesOf(job).find((rule) => isMet(rule, pod))?.action === 'Ignore';
}

function rulesOf({ spec }: JobObject): readonly FailureRule[] {
  return spec.podFailurePolicy?.rules ?? [];
}

function isMet({ onExitCodes, onPodConditions }: FailureRule, pod: PodObject): boolean {
  if (onExitCodes !== undefined) {
    const { exitCode, name } = brokenContainer(pod) ?? {};
    const { containerName = name, values, operator } = onExitCodes;
    return (
      exitCode !== undefined && name === containerName && values.includes(exitCode) === (operator === 'In')
    );
  }
  return (onPodConditions ?? []).some(({ type, status = 'True' }) =>
    pod.status?.conditions?.some((condition) => condition.type === type && condition.status === status),
  );
}

function brokenContainer({ status }: PodObject): { name: string; exitCode: number } | undefined {
  for (const { name, state } of [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
  ]) {
    const exitCode = state.terminated?.exitCode ?? 0;
    if (exitCode !== 0) return { name, exitCode };
  }
  return undefined;
}

function addCondition({ now }: JobView, status: JobStatus, type: string, { reason, message }: End): void {
  const lastTransitionTime = timestamp(now());
  status.conditions = [
    ...(status.conditions ?? []),
    { type, status: 'True', reason, message, lastTransitionTime },
  ];
}

function edit({ kube, job }: JobView, change: JobChange): () => void {
  return () => {
    kube.edit(jobs, keyOf(job), (draft) => {
      const mine = draft as unknown as JobObject;
      change(mine, (mine.status ??= {}));
    });
  };
}

function step(name: string, run: () => void): Step {
  return { name, afterMs: stepMs, run };
}
