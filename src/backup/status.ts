// What was seen, decided and done, as the next status. Pure.
import type { Condition, Neo4jBackupStatus, RunStatus } from '../api/neo4jbackup.ts';
import { explain, isReason, reasons, type Reason } from '../api/reasons.ts';
import type { ActOutcome } from './act.ts';
import type { Decision, Standing } from './decide.ts';
import type { Observed } from './observe.ts';
import { currentRunOf } from './outcome.ts';

/** Runs in status.history. */
const keptRuns = 20;

/** Characters of a message in the history: 20 of them must not make the object large. The newest run has its whole one. */
const historyMessage = 160;

export function nextStatus(seen: Observed, decision: Decision, outcome: ActOutcome): Neo4jBackupStatus {
  const before = seen.backup.status ?? {};
  const standing = afterActing(decision.standing, outcome);
  const ended = decision.ended;
  const newest = (test: (run: RunStatus) => boolean): RunStatus | undefined => ended.findLast(test);
  const lastRun = ended.at(-1) ?? before.lastRun;
  const succeeded = newest(({ result }) => result === 'Succeeded');
  const taken = newest(({ storeID, path }) => storeID !== undefined && path !== undefined);
  const currentRun = standing.kind === 'running' ? standing.run : undefined;
  const lastTriggerID =
    currentRun?.triggerID ??
    newest(({ triggerID }) => triggerID !== undefined)?.triggerID ??
    before.lastTriggerID;
  const history = [...ended.toReversed().map(shortened), ...(before.history ?? [])].slice(0, keptRuns);

  return withoutUndefined({
    observedGeneration: seen.backup.metadata.generation,
    phase: phaseOf(standing, lastRun),
    conditions: conditionsOf(seen, standing, lastRun),
    currentRun,
    lastRun,
    lastSuccessfulTime: succeeded?.completionTime ?? before.lastSuccessfulTime,
    lastFull: newest(({ type, result }) => type === 'Full' && result === 'Succeeded') ?? before.lastFull,
    lastIncremental:
      newest(({ type, result }) => type === 'Incremental' && result === 'Succeeded') ??
      before.lastIncremental,
    lastFailure: newest(({ result }) => result === 'Failed') ?? before.lastFailure,
    lastTriggerID,
    databases: taken === undefined ? before.databases : databasesOf(taken),
    history: history.length === 0 ? undefined : history,
  });
}

/** What the API server said about the Job that was to be made. */
function afterActing(standing: Standing, outcome: ActOutcome): Standing {
  if (outcome.kind === 'refused') return { kind: 'waiting', reason: outcome.reason, detail: outcome.detail };
  if (standing.kind !== 'starting') return standing;
  if (outcome.kind === 'failed' || outcome.created === undefined) return { kind: 'idle' };
  return { kind: 'running', run: currentRunOf(outcome.created) };
}

function phaseOf(standing: Standing, lastRun: RunStatus | undefined): Neo4jBackupStatus['phase'] {
  if (standing.kind === 'stalled') return 'Stalled';
  if (standing.kind === 'running') return 'Running';
  return lastRun?.result ?? 'Pending';
}

type Judgement = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

function conditionsOf(
  { backup, now }: Observed,
  standing: Standing,
  lastRun: RunStatus | undefined,
): Condition[] {
  const judged = [...standingConditions(standing), lastRunCondition(lastRun)];
  return judged.map((condition) => {
    const before = backup.status?.conditions?.find(({ type }) => type === condition.type);
    return {
      ...condition,
      message: condition.message.slice(0, 1024),
      lastTransitionTime:
        before?.status === condition.status
          ? before.lastTransitionTime
          : now.toISOString().replace(/\.\d+Z$/, 'Z'),
      ...(backup.metadata.generation === undefined ? {} : { observedGeneration: backup.metadata.generation }),
    };
  });
}

function standingConditions(standing: Standing): readonly Judgement[] {
  const is = (type: string, status: boolean, reason: Reason, detail?: string): Judgement => ({
    type,
    status: status ? 'True' : 'False',
    reason,
    message: explain(reason, detail),
  });
  switch (standing.kind) {
    case 'stalled': {
      const { reason, detail } = standing;
      return [
        is('Ready', false, reason, detail),
        is('Reconciling', false, 'Idle'),
        is('Stalled', true, reason, detail),
      ];
    }
    case 'waiting': {
      const { reason, detail } = standing;
      return [
        is('Ready', false, reason, detail),
        is('Reconciling', true, reason, detail),
        is('Stalled', false, 'Accepted'),
      ];
    }
    case 'running': {
      const { run, obstacle } = standing;
      const ready =
        obstacle === undefined
          ? is('Ready', true, 'Accepted')
          : is('Ready', false, obstacle.reason, obstacle.detail);
      return [
        ready,
        is('Reconciling', true, 'Running', `The run ${run.id} is under way`),
        is('Stalled', false, 'Accepted'),
      ];
    }
    case 'starting':
    case 'idle':
      return [
        is('Ready', true, 'Accepted'),
        is('Reconciling', false, 'Idle'),
        is('Stalled', false, 'Accepted'),
      ];
  }
}

function lastRunCondition(run: RunStatus | undefined): Judgement {
  const type = 'LastRunSucceeded';
  if (run === undefined) return { type, status: 'Unknown', reason: 'NoRunYet', message: explain('NoRunYet') };
  return {
    type,
    status: run.result === 'Succeeded' ? 'True' : 'False',
    reason: run.reason,
    message: run.message,
  };
}

/** Neo4j before 4.0 has one database, and this is the name of its folder. */
function databasesOf({ storeID = '', lastTransactionID = '0' }: RunStatus): Neo4jBackupStatus['databases'] {
  return [{ name: 'graph.db', storeID, lastTransactionID }];
}

function shortened(run: RunStatus): RunStatus {
  const { message } = run;
  return message.length <= historyMessage
    ? run
    : { ...run, message: `${message.slice(0, historyMessage - 1)}…` };
}

function withoutUndefined(status: {
  [K in keyof Neo4jBackupStatus]: Neo4jBackupStatus[K] | undefined;
}): Neo4jBackupStatus {
  return Object.fromEntries(Object.entries(status).filter(([, value]) => value !== undefined));
}

export interface Announcement {
  readonly type: 'Normal' | 'Warning';
  readonly reason: Reason;
  readonly note: string;
}

/** The Events of one change of status: one for each run that ended, one when something new stands in the way. */
export function announcements(
  before: Neo4jBackupStatus | undefined,
  after: Neo4jBackupStatus,
): readonly Announcement[] {
  const known = new Set((before?.history ?? []).map(({ id }) => id));
  const runs = (after.history ?? [])
    .filter(({ id }) => !known.has(id))
    .map(({ id, reason, message }) => ({ reason, note: `${id}: ${message}` }));
  const readyOf = (status: Neo4jBackupStatus | undefined): Condition | undefined =>
    status?.conditions?.find(({ type }) => type === 'Ready');
  const [was, is] = [readyOf(before), readyOf(after)];
  const blocked =
    is?.status === 'False' && was?.reason !== is.reason ? [{ reason: is.reason, note: is.message }] : [];
  return [...runs.toReversed(), ...blocked].flatMap(({ reason, note }) => {
    if (!isReason(reason)) return [];
    const { event } = reasons[reason];
    return event === 'none' ? [] : [{ type: event, reason, note }];
  });
}
