// Jobs and Pods as those see them who play the cluster on the fake: with what the operator never reads.
import * as z from 'zod';
import { jobs, pods } from '../../src/backup/resources.ts';
import type { KubeObject, Resource } from '../../src/kube/resource.ts';

type Metadata = KubeObject['metadata'] & {
  readonly finalizers?: readonly string[];
  readonly deletionGracePeriodSeconds?: number;
};

export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

export interface JobStatus {
  startTime?: string;
  completionTime?: string;
  active?: number;
  succeeded?: number;
  failed?: number;
  /** Pods that have ended and still carry the finalizer: counted in neither number. */
  uncountedTerminatedPods?: { succeeded?: string[]; failed?: string[] };
  conditions?: Condition[];
}

export interface FailureRule {
  readonly action: 'FailJob' | 'FailIndex' | 'Ignore' | 'Count';
  readonly onExitCodes?: {
    readonly containerName?: string;
    readonly operator: 'In' | 'NotIn';
    readonly values: readonly number[];
  };
  readonly onPodConditions?: readonly { readonly type: string; readonly status?: string }[];
}

export interface JobObject extends KubeObject {
  readonly metadata: Metadata;
  readonly spec: {
    readonly backoffLimit?: number;
    readonly activeDeadlineSeconds?: number;
    readonly ttlSecondsAfterFinished?: number;
    readonly podFailurePolicy?: { readonly rules: readonly FailureRule[] };
    readonly template: {
      readonly metadata?: {
        readonly labels?: Readonly<Record<string, string>>;
        readonly annotations?: Readonly<Record<string, string>>;
      };
      readonly spec: PodObject['spec'];
    };
  };
  status?: JobStatus;
}

export interface ContainerState {
  waiting?: { reason: string; message?: string };
  running?: { startedAt: string };
  terminated?: {
    exitCode: number;
    reason?: string;
    message?: string;
    startedAt?: string;
    finishedAt: string;
  };
}

export interface ContainerStatus {
  readonly name: string;
  state: ContainerState;
}

export interface PodStatus {
  phase?: string;
  reason?: string;
  message?: string;
  startTime?: string;
  conditions?: Condition[];
  initContainerStatuses?: ContainerStatus[];
  containerStatuses?: ContainerStatus[];
}

export interface PodObject extends KubeObject {
  readonly metadata: Metadata;
  readonly spec: {
    nodeName?: string;
    readonly activeDeadlineSeconds?: number;
    readonly initContainers?: readonly { readonly name: string; readonly image?: string }[];
    readonly containers: readonly { readonly name: string }[];
  };
  status?: PodStatus;
}

/** With all that they have. */
export const wholeJobs: Resource<JobObject> = { ...jobs, schema: z.custom<JobObject>() };
export const wholePods: Resource<PodObject> = { ...pods, schema: z.custom<PodObject>() };

/** What somebody does next, and after how long. A step of the same name is the same step: its time goes on. */
export interface Step {
  readonly name: string;
  readonly afterMs: number;
  readonly run: () => void;
}

/** How long one controller takes for one thing. Not measured: apart enough that each change is seen alone. */
export const stepMs = 100;

/** On each Pod of a Job until the Job controller has counted it. */
export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';

export function hasEnded({ status }: PodObject): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

export function isTracked({ metadata }: PodObject): boolean {
  return metadata.finalizers?.includes(trackingFinalizer) === true;
}

export function isDeleted({ metadata }: JobObject | PodObject): boolean {
  return metadata.deletionTimestamp !== undefined;
}

export function hasCondition(object: JobObject | PodObject, ...types: readonly string[]): boolean {
  return conditionOf(object, ...types) !== undefined;
}

export function conditionOf(
  { status }: JobObject | PodObject,
  ...types: readonly string[]
): Condition | undefined {
  return status?.conditions?.find(({ type, status: is }) => types.includes(type) && is === 'True');
}

/** As the API writes instants. */
export function timestamp(now: Date): string {
  return now.toISOString().replace(/\.\d+Z$/, 'Z');
}
