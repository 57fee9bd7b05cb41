// Who makes Jobs run on the fake: Job controller, scheduler, kubelet and garbage collector, by the clock.
import { createHash } from 'node:crypto';
import { annotations } from '../../src/api/names.ts';
import { jobs, pods } from '../../src/backup/resources.ts';
import { exitCodes, formatReport, type RunReport } from '../../src/run/report.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import { deadlineStep, expiryStep, nextJobStep, orphanStep, type JobView } from './fake-jobs-controller.ts';
import { nextPodStep, podDeadlineStep, type Fate } from './fake-jobs-kubelet.ts';
import {
  wholeJobs,
  wholePods,
  stepMs,
  trackingFinalizer,
  type JobObject,
  type PodObject,
  type Step,
} from './fake-jobs-objects.ts';
import { typeOf, type Stored, type WorldChange } from './fake-kube-world.ts';
import type { FakeKube } from './fake-kube.ts';

type OnePod =
  /** Says how the run ended. Exit code 0 when it took something, else 20. */
  | { readonly kind: 'reports'; readonly report: RunReport; readonly at?: string }
  /** Exit code 10, with a report or without: the Job tries again, as long as it may. */
  | { readonly kind: 'retryable'; readonly report?: RunReport; readonly at?: string }
  /** Tells, in a Job that looks into a run, how that run ended. */
  | { readonly kind: 'answers'; readonly report: RunReport; readonly at?: string }
  /** Ends without a message. Exit code 0 unless said. */
  | { readonly kind: 'silent'; readonly exitCode?: number; readonly reason?: string; readonly at?: string }
  | ({ readonly at?: string } & Exclude<Fate, { kind: 'ends' }>);

/** What becomes of one Pod of a Job. */
export type Attempt =
  | OnePod
  /** Two Pods at once for one wish, as may happen. */
  | { readonly kind: 'twice'; readonly attempts: readonly [OnePod, OnePod] };

export interface FakeJobsOptions {
  readonly kube: FakeKube;
  readonly clock: Clock;
  /**
   * What becomes of the Pods of a Job, one after the other; the last one of all further ones. Read as the Job is made.
   * Absent: there is no node, and somebody else plays the kubelet.
   */
  readonly script?: ((job: JobObject) => readonly Attempt[]) | undefined;
}

interface Script {
  readonly attempts: readonly { readonly pod: OnePod; readonly isFirstOfTwo: boolean }[];
  /** How many Pods were made so far. */
  made: number;
  /** Uids of the Pods that have failed, also of those that are gone. */
  readonly failed: Set<string>;
}

interface Armed {
  readonly name: string;
  step: Step;
  readonly cancel: () => void;
}

/**
 * Runs the Jobs of a fake cluster. Each thing that one of the real controllers would do is one change of the fake, a
 * while after what it follows from: in between, whoever watches has its turn. Nothing here depends on chance.
 *
 * The garbage collector works step by step, too, as long as this runs. Not here: parallelism, completions beyond one,
 * suspension, indexes.
 */
export class FakeJobs {
  readonly #kube: FakeKube;
  readonly #clock: Clock;
  readonly #script: FakeJobsOptions['script'];
  readonly #jobs = new Map<string, JobObject>();
  readonly #pods = new Map<string, PodObject>();
  readonly #scripts = new Map<string, Script>();
  /** By name of the Pod. */
  readonly #fates = new Map<string, OnePod>();
  readonly #armed = new Map<string, Armed>();
  #stopListening: (() => void) | undefined;

  constructor({ kube, clock, script }: FakeJobsOptions) {
    this.#kube = kube;
    this.#clock = clock;
    this.#script = script;
  }

  start(): void {
    this.#kube.holdGarbage();
    for (const job of this.#kube.all(wholeJobs)) this.#jobs.set(job.metadata.uid, job);
    for (const pod of this.#kube.all(wholePods)) this.#pods.set(pod.metadata.uid, pod);
    this.#stopListening = this.#kube.onChange((change) => this.#hear(change));
    for (const uid of this.#jobs.keys()) this.#planJob(uid);
    for (const pod of this.#pods.values()) this.#planPod(pod);
    this.#planGarbage();
  }

  /** Nothing happens from now on, until it is started again. */
  stop(): void {
    this.#stopListening?.();
    for (const { cancel } of this.#armed.values()) cancel();
    this.#armed.clear();
  }

  #hear({ type, before, after }: WorldChange): void {
    if (type === typeOf(jobs)) {
      keep(this.#jobs, before, after);
      const { uid } = (after ?? before)?.metadata ?? { uid: '' };
      this.#planJob(uid);
      for (const pod of this.#podsOf(uid)) this.#planPod(pod);
    }
    if (type === typeOf(pods)) {
      keep(this.#pods, before, after);
      const pod = (after ?? before) as unknown as PodObject;
      this.#planPod(pod);
      this.#planJob(ownerOf(pod));
    }
    this.#planGarbage();
  }

  #planJob(uid: string): void {
    const job = this.#jobs.get(uid);
    const view = job === undefined ? undefined : this.#viewOf(job);
    this.#arm(`${uid} next`, view && nextJobStep(view));
    this.#arm(`${uid} deadline`, view && deadlineStep(view));
    this.#arm(`${uid} expiry`, view && expiryStep(view));
  }

  #planPod(pod: PodObject): void {
    const { uid } = pod.metadata;
    const [kube, now, isThere] = [this.#kube, () => this.#clock.now(), this.#pods.has(uid)];
    const isOrphan = isThere && !this.#jobs.has(ownerOf(pod));
    this.#arm(`${uid} orphan`, isOrphan ? orphanStep(kube, pod) : undefined);
    const script = this.#fates.get(pod.metadata.name);
    if (script === undefined) return; // not ours: a test plays its kubelet
    const run = pod.metadata.annotations?.[annotations.run] ?? pod.metadata.labels?.['job-name'] ?? '';
    const fate = fateOf(run, script);
    const view = { kube, now, pod, fate, at: script.at };
    this.#arm(`${uid} next`, isThere ? nextPodStep(view) : undefined);
    this.#arm(`${uid} deadline`, isThere ? podDeadlineStep(view) : undefined);
  }

  /** Goes on for as long as it finds something. */
  #planGarbage(): void {
    const run = (): void => {
      if (this.#kube.collectNext()) this.#planGarbage();
    };
    this.#arm('garbage', { name: 'collect', afterMs: stepMs, run });
  }

  /** A step that is the same as before keeps its time, and is done as it would be now. */
  #arm(key: string, step: Step | undefined): void {
    const armed = this.#armed.get(key);
    if (armed !== undefined && armed.name === step?.name) {
      armed.step = step;
      return;
    }
    armed?.cancel();
    this.#armed.delete(key);
    if (step === undefined) return;
    const strike = (): void => {
      const due = this.#armed.get(key);
      this.#armed.delete(key);
      due?.step.run();
    };
    const cancel = this.#clock.after(Math.max(0, step.afterMs), strike);
    this.#armed.set(key, { name: step.name, step, cancel });
  }

  #viewOf(job: JobObject): JobView {
    const script = this.#scriptOf(job);
    const mine = this.#podsOf(job.metadata.uid);
    for (const { metadata, status } of mine) if (status?.phase === 'Failed') script.failed.add(metadata.uid);
    return {
      kube: this.#kube,
      now: () => this.#clock.now(),
      job,
      pods: mine,
      failures: script.failed.size,
      wantsTwo: slotOf(script, script.made - 1)?.isFirstOfTwo === true,
      makePod: () => this.#makePod(job, script),
    };
  }

  #scriptOf(job: JobObject): Script {
    const { uid } = job.metadata;
    const known = this.#scripts.get(uid);
    if (known !== undefined) return known;
    const attempts = (this.#script?.(job) ?? []).flatMap((attempt) => {
      if (attempt.kind !== 'twice') return [{ pod: attempt, isFirstOfTwo: false }];
      return attempt.attempts.map((pod, i) => ({ pod, isFirstOfTwo: i === 0 }));
    });
    const script = { attempts, made: 0, failed: new Set<string>() };
    this.#scripts.set(uid, script);
    return script;
  }

  #podsOf(jobUid: string): readonly PodObject[] {
    return [...this.#pods.values()].filter((pod) => ownerOf(pod) === jobUid);
  }

  #makePod(job: JobObject, script: Script): void {
    const { name, namespace = '', uid } = job.metadata;
    const slot = slotOf(script, script.made);
    script.made += 1;
    const podName = `${name}-${suffixOf(uid, script.made)}`;
    if (slot !== undefined) this.#fates.set(podName, slot.pod);
    const { metadata, spec } = job.spec.template;
    const [apiVersion, controller, blockOwnerDeletion] = ['batch/v1', true, true];
    this.#kube.put(pods, namespace, {
      metadata: {
        name: podName,
        labels: { ...metadata?.labels, ...jobLabels(name, uid) },
        ...(metadata?.annotations === undefined ? {} : { annotations: metadata.annotations }),
        finalizers: [trackingFinalizer],
        ownerReferences: [{ apiVersion, kind: 'Job', name, uid, controller, blockOwnerDeletion }],
      },
      spec,
      status: { phase: 'Pending' },
    });
  }
}

/** Beyond its end a script goes on with its last attempt. */
function slotOf({ attempts }: Script, i: number): Script['attempts'][number] | undefined {
  return i < 0 ? undefined : (attempts[i] ?? attempts.at(-1));
}

/** Five characters, as the server's generated names have them, but the same ones in each run of a test. */
function suffixOf(jobUid: string, attempt: number): string {
  return createHash('sha256').update(`${jobUid}#${attempt}`).digest('hex').slice(0, 5);
}

function jobLabels(name: string, uid: string): Record<string, string> {
  const prefix = 'batch.kubernetes.io/';
  return {
    'controller-uid': uid,
    'job-name': name,
    [`${prefix}controller-uid`]: uid,
    [`${prefix}job-name`]: name,
  };
}

function keep<T>(known: Map<string, T>, before: Stored | undefined, after: Stored | undefined): void {
  if (after !== undefined) known.set(after.metadata.uid, after as unknown as T);
  else if (before !== undefined) known.delete(before.metadata.uid);
}

/** The uid of the Job that controls the Pod; `''` when none does. */
function ownerOf({ metadata }: PodObject): string {
  return metadata.ownerReferences?.find(({ controller }) => controller === true)?.uid ?? '';
}

function fateOf(run: string, pod: OnePod): Fate {
  if (pod.kind === 'silent') return { ...pod, kind: 'ends', exitCode: pod.exitCode ?? exitCodes.published };
  if (pod.kind === 'answers')
    return { kind: 'ends', exitCode: exitCodes.published, message: formatReport({ ...pod.report, run }) };
  if (pod.kind !== 'reports' && pod.kind !== 'retryable') return pod;
  const { kind, report } = pod;
  const message = report === undefined ? {} : { message: formatReport({ ...report, run }) };
  const final = report?.path === undefined ? exitCodes.final : exitCodes.published;
  return { kind: 'ends', exitCode: kind === 'retryable' ? exitCodes.retryable : final, ...message };
}
