// How a run stands: judged from its Job and Pods. Pure.
import { annotations, containers } from '../api/names.ts';
import type { RunStatus } from '../api/neo4jbackup.ts';
import { plain } from '../api/plain.ts';
import {
  explain,
  factsIn,
  isRunReason,
  isSuccess,
  reasons,
  type Reason,
  type RunReason,
} from '../api/reasons.ts';
import { boundText } from '../kube/errors.ts';
import { parseReport, type RunReport } from '../run/report.ts';
import { evidenceOf, mayHavePublished, statusesOf, type Ending } from './evidence.ts';
import { obstacleOf, type Obstacle } from './obstacle.ts';
import type { Job, Pod } from './resources.ts';
import type { RunCause } from './run.ts';
import { instantIn } from './timing.ts';
import type { Finding } from './upkeep.ts';

export interface RunView {
  readonly job: Job;
  /** Its Pods, oldest first. */
  readonly pods: readonly Pod[];
  /** Why the cluster makes no Pod for the Job, or does not start the one that is there, in its own words. */
  readonly complaint?: Obstacle;
}

export type Outcome =
  | {
      readonly kind: 'active';
      readonly obstacle?: Obstacle;
      /** How the attempt before this one ended. */
      readonly setback?: string;
    }
  | { readonly kind: 'ended'; readonly status: RunStatus; readonly finding?: Finding }
  /** Nobody said how, and a backup may have been published: the volume knows. `status` holds if it does not; its message has the facts alone. */
  | { readonly kind: 'unclear'; readonly status: RunStatus };

/** What others say may be of any length: the message with our advice must fit its field. */
const maxDetailBytes = 512;

/**
 * @param lastObstacle what stood in the way of this run when it was last looked at: when the Job's deadline has removed
 *   its Pods, nothing else remembers
 */
export function judgeRun(view: RunView, now: Date, lastObstacle?: Obstacle): Outcome {
  const finished = finishedCondition(view.job);
  if (finished === undefined) return underWay(view, now, lastObstacle);
  const reported = latestReport(view);
  const isUnclear = reported?.path === undefined && leavesOpen(view, finished, lastObstacle);
  if (reported !== undefined && !isUnclear)
    return {
      kind: 'ended',
      status: fromReport(common(view.job), reported),
      ...foundBy(view.job, reported),
    };
  const ending = reported === undefined ? withoutReport(view, finished, lastObstacle) : endingIn(reported);
  const status = withoutBackup(common(view.job), ending, finished.lastTransitionTime ?? now.toISOString());
  return isUnclear ? { kind: 'unclear', status } : { kind: 'ended', status: explained(status) };
}

function underWay(view: RunView, now: Date, lastObstacle: Obstacle | undefined): Outcome {
  const pod = view.pods.at(-1);
  // Without a Pod nothing shows that the way is free: when the deadline strikes, the Pods go before the Job has ended.
  const obstacle =
    pod === undefined ? (view.complaint ?? lastObstacle) : obstacleOf(pod, now, view.complaint);
  const setback = setbackOf(view);
  return {
    kind: 'active',
    ...(obstacle === undefined ? {} : { obstacle }),
    ...(setback === undefined ? {} : { setback }),
  };
}

/** What ended an attempt of a run that goes on. */
function setbackOf({ job, pods }: RunView): string | undefined {
  const failed = pods.filter((pod) => pod.status?.phase === 'Failed');
  if (failed.length === 0) return undefined;
  const reported = latestReport({ job, pods: failed });
  const ending = reported === undefined ? evidenceOf(failed) : endingIn(reported);
  if (ending === undefined) return undefined;
  return `${ending.reason}: ${boundText(plain(ending.detail ?? reasons[ending.reason].says), maxDetailBytes)}`;
}

/** A report of an attempt that took nothing. Its advice comes once, when people are told. */
function endingIn({ reason, message }: RunReport): Ending {
  return { reason, detail: factsIn(message, reason) };
}

/** May there be a backup that no report speaks of? */
function leavesOpen(view: RunView, finished: JobCondition, lastObstacle: Obstacle | undefined): boolean {
  const { pods } = view;
  if (pods.length > 0)
    return pods.some((pod) => mayHavePublished(pod) && reportOf(view.job, pod) === undefined);
  return finished.reason !== 'DeadlineExceeded' || lastObstacle === undefined;
}

/** How a run ended that published nothing. The message has the facts alone. */
function withoutBackup(run: Common, { reason, detail }: Ending, completionTime: string): RunStatus {
  const message = boundText(plain(detail ?? reasons[reason].says), maxDetailBytes);
  return { ...run, result: 'Failed', reason, message, completionTime };
}

/** The same, as people are told. */
export function explained(status: RunStatus): RunStatus {
  return { ...status, message: explain(status.reason as Reason, status.message) };
}

/** A run whose Job has gone before anybody saw its end. */
export function goneRun(run: Common, now: Date): RunStatus {
  const ending = { reason: 'ResultLost', detail: `The Job ${run.id} is gone` } as const;
  return withoutBackup(run, ending, now.toISOString());
}

export function isFinished(job: Job): boolean {
  return finishedCondition(job) !== undefined;
}

type JobCondition = NonNullable<NonNullable<Job['status']>['conditions']>[number];

export function finishedCondition({ status }: Job): JobCondition | undefined {
  return status?.conditions?.find(
    ({ type, status: is }) => (type === 'Complete' || type === 'Failed') && is === 'True',
  );
}

type Common = Pick<RunStatus, 'id' | 'requestedType' | 'startTime'> & RunCause;

function common({ metadata }: Job): Common {
  return {
    id: metadata.name,
    requestedType: metadata.annotations?.[annotations.requestedType] === 'Full' ? 'Full' : 'Auto',
    ...causeIn(metadata.annotations ?? {}),
    startTime: metadata.creationTimestamp,
  };
}

/** Anybody may have edited them. */
function causeIn(marks: Readonly<Record<string, string>>): RunCause {
  const cause = {
    triggerID: marks[annotations.triggerID]?.slice(0, 63),
    annotationTriggerID: marks[annotations.annotationTriggerID]?.slice(0, 63),
    scheduledTime: instantIn(marks[annotations.scheduledTime]),
  };
  return Object.fromEntries(Object.entries(cause).filter(([, value]) => value !== undefined));
}

/** What the Job says of a run that is under way: the same fields as status.currentRun. */
export const currentRunOf = common;

export function fromReport(run: Common, report: RunReport): RunStatus {
  const {
    schemaVersion: _,
    run: __,
    volume: ___,
    retention: ____,
    past: _____,
    databases,
    ...facts
  } = report;
  const known = Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
  return {
    ...run,
    ...(known as Omit<RunReport, 'schemaVersion' | 'run' | 'volume' | 'retention' | 'past' | 'databases'>),
    ...(databases === undefined ? {} : { databases: [...databases] }),
    result: resultOf(report.reason),
  };
}

/** What the run saw of the volume, what that remembers, and what retention did there: by the policy that its Job was made with. */
function foundBy({ metadata }: Job, { volume, retention, past }: RunReport): { readonly finding?: Finding } {
  if (volume === undefined && retention === undefined && past === undefined) return {};
  const policy = metadata.annotations?.[annotations.retention]?.slice(0, 16); // anybody may have edited it
  const startTime = metadata.creationTimestamp;
  const applied = retention === undefined ? {} : { retention: { ...retention, policy, startTime } };
  return { finding: { volume, past, ...applied } };
}

function resultOf(reason: RunReason): RunStatus['result'] {
  if (reason === 'PartiallySucceeded') return 'PartiallySucceeded';
  return isSuccess(reason) ? 'Succeeded' : 'Failed';
}

/** Of a Pod that published, else of the last one that said anything. */
function latestReport({ job, pods }: RunView): RunReport | undefined {
  const said = pods.flatMap((pod) => reportOf(job, pod) ?? []);
  // A later attempt tells also of what earlier ones published.
  const isWhole = ({ path, reason }: RunReport): boolean =>
    path !== undefined && reason !== 'PartiallySucceeded';
  return said.find(isWhole) ?? said.findLast(({ path }) => path !== undefined) ?? said.at(-1);
}

/** What our containers left behind. Nobody else is believed: the image of the tool is the user's. */
function reportOf(job: Job, pod: Pod): RunReport | undefined {
  return statusesOf(pod)
    .filter(({ name }) => name === containers.prepare || name === containers.report)
    .flatMap(({ state }) => parseReport(state?.terminated?.message, job.metadata.name) ?? [])
    .at(-1);
}

/** No container could say how it ended: the cluster's own evidence is left. */
function withoutReport(
  { pods }: RunView,
  finished: JobCondition,
  lastObstacle: Obstacle | undefined,
): Ending {
  const ending = evidenceOf(pods);
  if (ending !== undefined) return ending;
  if (finished.reason !== 'DeadlineExceeded') {
    const how = finished.reason ?? finished.type;
    return { reason: 'ResultLost', detail: `The Job ended (${how}) and none of its Pods said how` };
  }
  if (lastObstacle !== undefined && isRunReason(lastObstacle.reason))
    return { reason: lastObstacle.reason, detail: lastObstacle.detail };
  return { reason: 'DeadlineExceeded', detail: finished.message ?? 'The Job was ended by its deadline' };
}
