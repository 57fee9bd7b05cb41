// Runs that ended, and of which nobody saw how: a Job asks the volume, when no backup wants to. Pure.
import { annotations, containers } from '../api/names.ts';
import type { RunStatus } from '../api/neo4jbackup.ts';
import { parseReport, type RunReport } from '../run/report.ts';
import type { Action } from './decide.ts';
import { statusesOf } from './evidence.ts';
import { buildInspection, inspectionName } from './inspection-job.ts';
import type { Observed } from './observe.ts';
import { explained, fromReport, isFinished, type RunView } from './outcome.ts';
import { isCrowded } from './way.ts';

/** More runs than these are not asked about at a time: the oldest is told as what is known of it. */
const mostOpen = 4;

export interface Inspected {
  /** Runs of which the truth is known now, or will never be. */
  readonly ended: readonly RunStatus[];
  /** Runs that are still to be asked about. */
  readonly open: readonly RunStatus[];
}

/**
 * The runs that status holds open, and those that have become so, each with the answer where there is one. A run is told
 * of once, when its end is known: never as lost first and as taken later.
 */
export function inspect(seen: Observed, unclear: readonly RunStatus[]): Inspected {
  const ended: RunStatus[] = [];
  const open: RunStatus[] = [];
  for (const run of [...(seen.backup.status?.inspecting ?? []), ...unclear]) {
    const view = inspectionOf(seen, run);
    if (view === undefined || !isFinished(view.job)) open.push(run);
    else ended.push(verdictOn(run, view));
  }
  const tooMany = open.splice(0, Math.max(0, open.length - mostOpen));
  return { ended: [...tooMany.map(explained), ...ended], open };
}

export function inspectionOf({ backup, inspections }: Observed, { id }: RunStatus): RunView | undefined {
  const name = inspectionName(backup, id);
  return inspections.find(({ job }) => job.metadata.name === name);
}

function verdictOn(run: RunStatus, view: RunView): RunStatus {
  const answer = answerIn(view, run.id);
  if (answer === undefined)
    return explained({ ...run, message: `${run.message}; the Job that was to ask the volume failed` });
  if (answer.reason === 'ResultLost')
    return explained({ ...run, message: `${run.message}; the volume has no backup of it and no record` });
  const { id, requestedType, triggerID, startTime } = run;
  return fromReport(
    { id, requestedType, ...(triggerID === undefined ? {} : { triggerID }), startTime },
    answer,
  );
}

/** Only its own container speaks in it, and of this run only. */
function answerIn({ pods }: RunView, run: string): RunReport | undefined {
  return pods
    .flatMap(statusesOf)
    .filter(({ name }) => name === containers.inspect)
    .flatMap(({ state }) => parseReport(state?.terminated?.message, run) ?? [])
    .at(-1);
}

interface InspectionRoom {
  readonly mayStart: boolean;
  /** What is under way may go on. */
  readonly mayStay: boolean;
  readonly agentImage: string;
}

/** The next Job to ask the volume, if one may start; and what is left of those before. */
export function inspectionActions(
  seen: Observed,
  open: readonly RunStatus[],
  { mayStart, mayStay, agentImage }: InspectionRoom,
): readonly Action[] {
  const isOpen = ({ job }: RunView): boolean =>
    open.some(({ id }) => inspectionName(seen.backup, id) === job.metadata.name);
  const active = seen.inspections.filter(({ job }) => !isFinished(job));
  // It reads and writes nothing, so that it can begin again later: a backup that is due may need its place, or its volume.
  const inTheWay = mayStay ? active.filter((view) => !isOpen(view)) : active;
  const removed = [...inTheWay, ...outdated(seen)].filter(
    ({ job }) => job.metadata.deletionTimestamp === undefined,
  );
  // Its Pods go first: who waits for the volume sees the Job for as long as they have it.
  const deletions = removed.map(
    ({ job }) => ({ kind: 'deleteJob', job, propagationPolicy: 'Foreground' }) as const,
  );
  const [run] = open;
  const waits = run === undefined || !mayStart || seen.orphaned.includes(run.id) || inspectionOf(seen, run);
  if (waits || isCrowded(seen)) return deletions;
  return [
    { kind: 'createJob', job: buildInspection(seen.backup, run, { agentImage, now: seen.now }) },
    ...deletions,
  ];
}

/** Of those that have answered, and whose answer is in status, the newest stays for people to look at. */
function outdated({ backup, inspections }: Observed): readonly RunView[] {
  const asking = new Set((backup.status?.inspecting ?? []).map(({ id }) => id));
  return inspections
    .filter(({ job }) => isFinished(job) && !asking.has(job.metadata.annotations?.[annotations.run] ?? ''))
    .slice(0, -1);
}
