// What was seen, decided and done, as the next status. Pure.
import type { Condition, Neo4jBackupStatus, RunStatus, VerificationStatus } from '../api/neo4jbackup.ts';
import { explain, isReason, reasons, type Reason } from '../api/reasons.ts';
import { boundText } from '../kube/errors.ts';
import { newestPoints } from '../run/point-mark.ts';
import { cut } from '../run/report.ts';
import { shortList } from '../run/upkeep.ts';
import type { ActOutcome } from './act.ts';
import type { Decision, Standing } from './decide.ts';
import type { Observed } from './observe.ts';
import type { Obstacle } from './obstacle.ts';
import { objectiveCondition, objectiveNews } from './objective.ts';
import { currentRunOf } from './outcome.ts';
import { account, turnOf, type Ledger } from './ledger.ts';
import { withPast } from './past.ts';
import type { RunCause } from './run.ts';
import { instant } from './timing.ts';
import { resumedRun } from './replacement.ts';
import type { Finding } from './upkeep.ts';

/** Runs in status.history. */
const keptRuns = 20;

/** Bytes of a message in the history, within JSON: 20 of them must not make the object large. The newest run has its whole one. */
const historyMessageBytes = 72;

/** Bytes of a status, as JSON: a whole object must be one that a person can still read. */
const mostBytes = 15_800;

/** How much is told of what may be long, by room: the volume itself has all of it. */
interface Measure {
  /** Verdicts of retention, and damaged points. */
  readonly verdicts: number;
  readonly damages: number;
  /** Bytes within JSON: of what a verification says, and of what runs said before the last one. */
  readonly verification: number;
  readonly past: number;
  /** Ranges of moments that had no run. */
  readonly missed: number;
  /** Runs in the history, and bytes within JSON of the message of each. */
  readonly runs: number;
  readonly told: number;
}

const roomy: Measure = {
  verdicts: 20,
  damages: 8,
  verification: 1024,
  past: 4096,
  missed: 10,
  runs: keptRuns,
  told: historyMessageBytes,
};
const shorter: Measure = { ...roomy, verdicts: 6, damages: 3 };
const short: Measure = { ...shorter, verification: 512, past: 256, missed: 5 };
const least: Measure = {
  ...short,
  verdicts: 0,
  damages: 1,
  verification: 192,
  past: 160,
  missed: 3,
  told: 36,
};

const measures: readonly Measure[] = [
  roomy,
  shorter,
  short,
  { ...short, verdicts: 0, damages: 1, verification: 256, past: 192 },
  least,
  { ...least, runs: 12 },
];

/** Bytes within JSON of the name of a file. */
const fileBytes = 128;

/** Bytes of the message of a condition. */
const conditionMessageBytes = 1024;

export function nextStatus(seen: Observed, decision: Decision, outcome: ActOutcome): Neo4jBackupStatus {
  const before = seen.backup.status ?? {};
  const { ended, inspecting } = decision;
  const standing = afterActing(decision.standing, outcome);
  const over = [...ended, ...inspecting];
  const currentRun = standing.kind === 'running' ? standing.run : resumedRun(seen.backup, over);
  const news = ended.filter((run) => !isOldNews(run, before));
  const lastRun = ended.findLast((run) => !isBefore(run, before.lastRun)) ?? before.lastRun;
  const fresh = over.filter((run) => !isBefore(run, before.lastRun)).toSorted(byStart);

  const found = volumeFound(seen, decision.findings);
  const known = withoutUndefined({
    lastRun,
    ...newestOfEachKind(ended, news, before),
    ...found,
    history: nextHistory(decision, before.history),
  });
  const status = withoutUndefined({
    ...known,
    observedGeneration: seen.backup.metadata.generation,
    phase: phaseOf(standing, lastRun),
    conditions: conditionsOf(seen, [
      ...standingConditions(standing),
      lastRunCondition(openEnd(lastRun, inspecting)),
      ...verificationCondition(seen, found.lastVerification),
      ...objectiveCondition(seen.backup, known, seen.now),
    ]),
    currentRun,
    inspecting: inspecting.length === 0 ? undefined : inspecting.map(pastRun),
    ...triggersOf([...fresh, ...(currentRun === undefined ? [] : [currentRun])], before),
    ...schedulesOf(seen, decision, outcome),
    databases: databasesOf(news, before.databases),
  });
  return fitted(status);
}

function newestOfEachKind(
  ended: readonly RunStatus[],
  news: readonly RunStatus[],
  before: Neo4jBackupStatus,
): Pick<
  Neo4jBackupStatus,
  'lastSuccessfulTime' | 'lastSuccessfulType' | 'lastFull' | 'lastIncremental' | 'lastFailure'
> {
  const succeeded = news.filter(({ result }) => result === 'Succeeded').map(pastRun);
  const failed = ended
    .filter((run) => run.result !== 'Succeeded' && !isBefore(run, before.lastFailure))
    .map(pastRun);
  return {
    lastSuccessfulTime: succeeded.at(-1)?.completionTime ?? before.lastSuccessfulTime,
    lastSuccessfulType: succeeded.at(-1)?.type ?? before.lastSuccessfulType,
    lastFull: succeeded.findLast(({ type }) => type === 'Full') ?? before.lastFull,
    lastIncremental: succeeded.findLast(({ type }) => type === 'Incremental') ?? before.lastIncremental,
    lastFailure: failed.at(-1) ?? before.lastFailure,
  };
}

/** A run whose end is told late, because the volume had to be asked, is not the newest one. */
function isBefore({ startTime }: RunStatus, other: RunStatus | undefined): boolean {
  return other !== undefined && Date.parse(startTime) < Date.parse(other.startTime);
}

function byStart(a: RunStatus, b: RunStatus): number {
  return Date.parse(a.startTime) - Date.parse(b.startTime);
}

/**
 * A run that nobody remembers may start again, finds what it published long ago, and tells of that: then it is not the
 * newest backup. Clocks of two machines are compared here, so what ended after its own start is never taken for old,
 * unless a run that started later has ended before it is told.
 */
function isOldNews(run: RunStatus, { lastRun, lastSuccessfulTime: newest }: Neo4jBackupStatus): boolean {
  const { startTime, completionTime } = run;
  if (completionTime === undefined || newest === undefined) return false;
  const completed = Date.parse(completionTime);
  const isTold = completed < Date.parse(startTime) || isBefore(run, lastRun);
  return isTold && completed < Date.parse(newest);
}

/** The newest run that has ended, when nobody knows how. */
type OpenEnd = { readonly kind: 'open'; readonly run: RunStatus };

function openEnd(
  lastRun: RunStatus | undefined,
  inspecting: readonly RunStatus[],
): RunStatus | OpenEnd | undefined {
  const run = inspecting.toSorted(byStart).at(-1);
  return run === undefined || isBefore(run, lastRun) ? lastRun : { kind: 'open', run };
}

function triggersOf(
  runs: readonly RunCause[],
  before: Neo4jBackupStatus,
): Pick<Neo4jBackupStatus, 'lastTriggerID' | 'lastAnnotationTriggerID'> {
  const newest = (source: 'triggerID' | 'annotationTriggerID'): string | undefined =>
    runs.findLast((run) => run[source] !== undefined)?.[source];
  return {
    lastTriggerID: newest('triggerID') ?? before.lastTriggerID,
    lastAnnotationTriggerID: newest('annotationTriggerID') ?? before.lastAnnotationTriggerID,
  };
}

/** What the schedules have come to, the run included that has just begun. */
function schedulesOf(seen: Observed, { taken }: Decision, outcome: ActOutcome): Ledger & Coming {
  const made = 'created' in outcome && outcome.created !== undefined ? [currentRunOf(outcome.created)] : [];
  const ledger = account(seen, [...taken, ...made]);
  const turn = turnOf(seen, ledger);
  const time = (at: Date | undefined): string | undefined =>
    at === undefined ? undefined : instant(at.getTime());
  return {
    ...ledger,
    nextScheduleTime: time(turn?.next),
    nextFullScheduleTime: time(turn?.nextFull),
    spreadSeconds:
      seen.backup.spec.spread === undefined || turn === undefined ? undefined : turn.spreadMs / 1000,
  };
}

type Coming = Pick<Neo4jBackupStatus, 'nextScheduleTime' | 'nextFullScheduleTime' | 'spreadSeconds'>;

function nextHistory(
  { ended, inspecting, findings }: Decision,
  before: readonly RunStatus[] = [],
): RunStatus[] | undefined {
  const told = new Set(ended.map(({ id }) => id));
  const history = before.filter(({ id }) => !told.has(id));
  for (const run of ended.map(shortened)) {
    const at = history.findIndex((other) => !isBefore(run, other));
    history.splice(at === -1 ? history.length : at, 0, run);
  }
  // Of a run that is being asked for the answer tells, not what another run came by.
  const asked = new Set(inspecting.map(({ id }) => id));
  const past = findings.flatMap((finding) => finding.past ?? []).filter(({ run }) => !asked.has(run));
  const whole = withPast(history, past).map(shortened);
  return whole.length === 0 ? undefined : whole.slice(0, keptRuns);
}

/** What the API server said about the Job that was to be made. */
function afterActing(standing: Standing, outcome: ActOutcome): Standing {
  if (outcome.kind === 'refused') return { kind: 'waiting', reason: outcome.reason, detail: outcome.detail };
  if (standing.kind !== 'starting') return standing;
  if (outcome.created === undefined) return standing;
  return { kind: 'running', run: currentRunOf(outcome.created) };
}

function phaseOf(standing: Standing, lastRun: RunStatus | undefined): Neo4jBackupStatus['phase'] {
  if (standing.kind === 'stalled') return 'Stalled';
  if (standing.kind === 'running' || standing.kind === 'inspecting') return 'Running';
  if (standing.kind !== 'idle') return 'Pending';
  if (standing.isSuspended === true) return 'Suspended';
  return lastRun?.result ?? 'Pending';
}

type Judgement = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

function conditionsOf({ backup, now }: Observed, judged: readonly Judgement[]): Condition[] {
  return judged.map((condition) => {
    const before = backup.status?.conditions?.find(({ type }) => type === condition.type);
    return {
      ...condition,
      message: boundText(condition.message, conditionMessageBytes),
      lastTransitionTime:
        before?.status === condition.status ? before.lastTransitionTime : instant(now.getTime()),
      ...(backup.metadata.generation === undefined ? {} : { observedGeneration: backup.metadata.generation }),
    };
  });
}

function judgement(type: string, holds: boolean, reason: Reason, detail?: string): Judgement {
  return { type, status: holds ? 'True' : 'False', reason, message: explain(reason, detail) };
}

function readyUnless(obstacle: Obstacle | undefined): Judgement {
  if (obstacle === undefined) return judgement('Ready', true, 'Accepted');
  return judgement('Ready', false, obstacle.reason, obstacle.detail);
}

function standingConditions(standing: Standing): readonly Judgement[] {
  const good = judgement('Ready', true, 'Accepted');
  const free = judgement('Stalled', false, 'Accepted');
  switch (standing.kind) {
    case 'stalled': {
      const { reason, detail } = standing;
      const bad = judgement('Ready', false, reason, detail);
      return [bad, judgement('Reconciling', false, 'Idle'), judgement('Stalled', true, reason, detail)];
    }
    case 'waiting': {
      const { reason, detail } = standing;
      return [
        judgement('Ready', false, reason, detail),
        judgement('Reconciling', true, reason, detail),
        free,
      ];
    }
    case 'running': {
      const { run, setback } = standing;
      const before = setback === undefined ? '' : `. An attempt before this one ended with ${setback}`;
      const detail = `The run ${run.id} is under way${before}`;
      return [readyUnless(standing.obstacle), judgement('Reconciling', true, 'Running', detail), free];
    }
    case 'inspecting': {
      const detail = `The volume is being asked how the run ${standing.run.id} ended`;
      return [readyUnless(standing.obstacle), judgement('Reconciling', true, 'Inspecting', detail), free];
    }
    case 'starting':
      return [good, judgement('Reconciling', true, 'Queued'), free];
    case 'queued':
      return [good, judgement('Reconciling', true, 'Queued', standing.detail), free];
    case 'idle':
      return [good, judgement('Reconciling', false, ...restingWords(standing)), free];
  }
}

/** It does not count as under way: what waits for a resource to come to rest need not wait for hours of reading. */
function restingWords({ tending, isSuspended }: Extract<Standing, { kind: 'idle' }>): [Reason, string?] {
  const reason = isSuspended === true ? 'Suspended' : 'Idle';
  if (tending === undefined) return [reason];
  const what = `the Job ${tending.metadata.name} tends the volume`;
  return [reason, isSuspended === true ? what : `No backup is under way and none is due; ${what}`];
}

/** Only where it is asked for, or was: kstatus and its like need not know of it. */
function verificationCondition(
  { backup }: Observed,
  last: Neo4jBackupStatus['lastVerification'],
): readonly Judgement[] {
  const type = 'LastVerificationSucceeded';
  if (last !== undefined) {
    const { result, reason, message } = last;
    return [{ type, status: result === 'Succeeded' ? 'True' : 'False', reason, message }];
  }
  if (backup.spec.verification === undefined) return [];
  return [{ type, status: 'Unknown', reason: 'NoVerificationYet', message: explain('NoVerificationYet') }];
}

type Found = Pick<Neo4jBackupStatus, 'volume' | 'retention' | 'lastVerification'>;

/** Runs and other Jobs are told of one after the other, whenever they were made. */
function newerOf(known: Found['retention'], told: Found['retention']): Found['retention'] {
  if (known?.startTime === undefined || told?.startTime === undefined) return told ?? known;
  return Date.parse(told.startTime) < Date.parse(known.startTime) ? known : told;
}

/** What is known of the volume: what was told last. Without a policy there is nothing to say of one. */
function volumeFound({ backup }: Observed, findings: readonly Finding[]): Found {
  let { volume, retention, lastVerification } = backup.status ?? {};
  for (const finding of findings) {
    volume = finding.volume ?? volume;
    retention = newerOf(retention, finding.retention);
    lastVerification = finding.verification ?? lastVerification;
  }
  return {
    volume,
    retention: backup.spec.retention === undefined ? undefined : retention,
    lastVerification,
  };
}

/** As much of it as there is room for. What has been cut once is not cut again, so that it comes to rest. */
function fitted(status: Neo4jBackupStatus): Neo4jBackupStatus {
  let fits = status;
  for (const measure of measures) {
    fits = measured(status, measure);
    if (Buffer.byteLength(JSON.stringify(fits)) <= mostBytes) break;
  }
  return fits;
}

function measured(status: Neo4jBackupStatus, measure: Measure): Neo4jBackupStatus {
  const { retention, lastVerification, lastFull, lastIncremental, lastFailure, conditions } = status;
  const past = (run: RunStatus | undefined): RunStatus | undefined =>
    run === undefined ? undefined : { ...run, message: cut(run.message, measure.past) };
  const told = cut(lastVerification?.message ?? '', measure.verification);
  return withoutUndefined({
    ...status,
    conditions: conditions?.map((condition) =>
      condition.type === 'LastVerificationSucceeded' && lastVerification !== undefined
        ? { ...condition, message: told }
        : condition,
    ),
    lastFull: past(lastFull),
    lastIncremental: past(lastIncremental),
    lastFailure: past(lastFailure),
    retention: retention && shortList(retention, measure.verdicts),
    lastVerification: lastVerification && shortVerification({ ...lastVerification, message: told }, measure),
    missedRuns: status.missedRuns?.slice(0, measure.missed),
    history: status.history
      ?.slice(0, measure.runs)
      .map((run) => ({ ...run, message: cut(run.message, measure.told) })),
  });
}

function shortVerification(verification: VerificationStatus, { damages }: Measure): VerificationStatus {
  if (verification.damaged === undefined) return verification;
  const damaged = newestPoints(verification.damaged, damages).map((damage) => ({
    ...damage,
    file: cut(damage.file, fileBytes),
  }));
  return { ...verification, damaged };
}

function lastRunCondition(run: RunStatus | OpenEnd | undefined): Judgement {
  const type = 'LastRunSucceeded';
  if (run !== undefined && 'kind' in run) {
    const message = explain(
      'Inspecting',
      `Nobody saw how the run ${run.run.id} ended: the volume is being asked`,
    );
    return { type, status: 'Unknown', reason: 'Inspecting', message };
  }
  if (run === undefined) return { type, status: 'Unknown', reason: 'NoRunYet', message: explain('NoRunYet') };
  return {
    type,
    status: run.result === 'Succeeded' ? 'True' : 'False',
    reason: run.reason,
    message: run.message,
  };
}

/** How many databases status knows at most. */
const keptDatabases = 64;

type KnownDatabases = NonNullable<Neo4jBackupStatus['databases']>;

/** What the newest backup of each database holds, the ones that were backed up last first. */
function databasesOf(
  ended: readonly RunStatus[],
  before: KnownDatabases | undefined,
): KnownDatabases | undefined {
  const found = [...ended.toReversed().flatMap(heldBy), ...(before ?? [])];
  const newest = new Map(found.toReversed().map((database) => [database.name, database]));
  if (newest.size === 0) return undefined;
  return found.filter((database) => newest.get(database.name) === database).slice(0, keptDatabases);
}

/** Neo4j before 4.0 has one database, and this is the name of its folder. */
function heldBy(run: RunStatus): KnownDatabases {
  const told = run.databases ?? [{ ...run, name: 'graph.db' }];
  return told.flatMap(({ name, path, storeID, lastTransactionID }) =>
    path === undefined || storeID === undefined || lastTransactionID === undefined
      ? []
      : [{ name, storeID, lastTransactionID }],
  );
}

/** The list of databases stays with the last run alone: twenty of them would make the object large. */
function pastRun(run: RunStatus): RunStatus {
  const { databases, truncated, ...past } = run;
  void [databases, truncated];
  return past;
}

function shortened(run: RunStatus): RunStatus {
  return { ...pastRun(run), message: cut(run.message, historyMessageBytes) };
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
  ended: readonly RunStatus[] = after.history ?? [],
): readonly Announcement[] {
  const known = new Set((before?.history ?? []).map(({ id }) => id));
  const news = new Set(ended.map(({ id }) => id)); // the rest the volume remembered: nobody wants to be told of it again
  const runs = (after.history ?? [])
    .filter(({ id }) => news.has(id) && !known.has(id))
    .map(({ id, reason, message }) => {
      const whole = after.lastRun?.id === id ? after.lastRun.message : message;
      return { reason, note: `${id}: ${whole}` };
    });
  const is = readyCondition(after);
  const blocked =
    is?.status === 'False' && readyCondition(before)?.reason !== is.reason
      ? [{ reason: is.reason, note: is.message }]
      : [];
  return [
    ...runs.toReversed(),
    ...tendingNews(before, after),
    ...objectiveNews(before, after),
    ...blocked,
  ].flatMap(({ reason, note }) => {
    if (!isReason(reason)) return [];
    const { event } = reasons[reason];
    return event === 'none' ? [] : [{ type: event, reason, note }];
  });
}

interface News {
  readonly reason: string;
  readonly note: string;
}

/** A verification that found something, or could not be done; a policy that could not be applied. */
function tendingNews(
  before: Neo4jBackupStatus | undefined,
  { lastVerification: last, retention }: Neo4jBackupStatus,
): readonly News[] {
  const isNew = last !== undefined && last.id !== before?.lastVerification?.id;
  return [
    ...(isNew ? [{ reason: last.reason, note: `${last.id}: ${last.message}` }] : []),
    ...blockedNews(before?.retention?.blockedBecause, retention?.blockedBecause),
  ];
}

function blockedNews(before: string | undefined, reason: string | undefined): readonly News[] {
  if (reason === undefined || reason === before || !isReason(reason)) return [];
  return [{ reason, note: explain(reason, 'The policy of retention was not applied') }];
}

function readyCondition(status: Neo4jBackupStatus | undefined): Condition | undefined {
  return status?.conditions?.find(({ type }) => type === 'Ready');
}
