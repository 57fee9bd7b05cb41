// Which run is due, and its name: pure. The name is the lock: whoever makes the Job of that name first has made the run.
import { createHash } from 'node:crypto';
import { annotations } from '../api/names.ts';
import type { Neo4jBackupStatus, RetentionPolicy, RunStatus } from '../api/neo4jbackup.ts';
import type { Job, Neo4jBackup } from './resources.ts';

export interface DueRun {
  /** Name of the run and of its Job. */
  readonly id: string;
  readonly requestedType: 'Auto' | 'Full';
  readonly triggerID?: string | undefined;
}

/**
 * Name of a run: from the uid of the resource and what made the run due, so that every pass, also after a crash, comes
 * to the same one, and a resource that was deleted and made anew to another. At most 63 characters.
 */
export function runName(backup: Neo4jBackup, cause: string): string {
  return jobName(backup, cause, '');
}

/** Name of a Job that follows from the resource and what made it due. What kind of Job it is may stand in it for people. */
export function jobName(backup: Neo4jBackup, cause: string, kind: string): string {
  const hash = createHash('sha256').update(`${backup.metadata.uid}\0${cause}`).digest('hex').slice(0, 10);
  return `${shortName(backup.metadata.name, 52 - kind.length)}${kind}-${hash}`;
}

/** A resource's name as one DNS label of at most so many characters. A name that had to change carries a hash of the whole. */
export function shortName(name: string, most: number): string {
  const label = name.replaceAll(/[^-a-z0-9]/g, '-');
  if (label === name && label.length <= most) return label;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return `${label.slice(0, most - hash.length - 1).replace(/-+$/, '')}-${hash}`;
}

/** The folder of the volume that a resource writes to. */
export function destinationPath(backup: Neo4jBackup): string {
  return backup.spec.destination.path ?? shortName(backup.metadata.name, 63);
}

/** The label of Jobs that use a claim: its name, or what fits of it and a hash. */
export function claimMark(claimName: string): string {
  return shortName(claimName, 63);
}

/** What the label of a server begins with that is no Service: no name of a Service has such a character. */
export const hostMark = 'host_';

/** The label of Jobs that copy from a server. */
export function serverMark({ serviceRef, host = '', port }: Neo4jBackup['spec']['source']): string {
  const longest = 63 - `_${port}`.length;
  if (serviceRef !== undefined) return `${shortName(serviceRef.name, longest)}_${port}`;
  return `${hostMark}${shortName(host.toLowerCase(), longest - hostMark.length)}_${port}`;
}

/** Two policies that say the same have the same hash, whatever the order of their fields. */
export function policyHash(policy: RetentionPolicy): string {
  const rules = Object.entries(policy).toSorted(([a], [b]) => a.localeCompare(b));
  return createHash('sha256').update(JSON.stringify(rules)).digest('hex').slice(0, 16);
}

/**
 * The run that is due now, if any. Without a trigger there is one run, at creation. With one, a run for each new id: an
 * id that status or a Job remembers never fires again, so a tool that reverts the field starts nothing.
 */
export function dueRun(backup: Neo4jBackup, jobs: readonly Job[]): DueRun | undefined {
  const { trigger } = backup.spec;
  if (trigger === undefined) {
    if (hasRun(backup, jobs)) return undefined;
    return { id: runName(backup, causeOf(undefined)), requestedType: 'Auto' };
  }
  if (firedTriggers(backup, jobs).has(trigger.id)) return undefined;
  return {
    id: runName(backup, causeOf(trigger.id)),
    requestedType: trigger.type,
    triggerID: trigger.id,
  };
}

/** What made a run due: its trigger, or else that the resource was created. */
export function causeOf(triggerID: string | undefined): string {
  return triggerID === undefined ? 'once' : `trigger\0${triggerID}`;
}

function hasRun({ status }: Neo4jBackup, jobs: readonly Job[]): boolean {
  return jobs.length > 0 || rememberedRuns(status).length > 0 || status?.currentRun !== undefined;
}

/** Every run that status knows as ended: the history is bounded, and the newest of a kind may be older than all of it. */
export function rememberedRuns(status: Neo4jBackupStatus | undefined): readonly RunStatus[] {
  const { history = [], inspecting = [], lastRun, lastFull, lastIncremental, lastFailure } = status ?? {};
  return [...history, ...inspecting, lastRun, lastFull, lastIncremental, lastFailure].filter(
    (run) => run !== undefined,
  );
}

function firedTriggers({ status }: Neo4jBackup, jobs: readonly Job[]): ReadonlySet<string | undefined> {
  return new Set([
    status?.lastTriggerID,
    status?.currentRun?.triggerID,
    ...rememberedRuns(status).map(({ triggerID }) => triggerID),
    ...jobs.map(({ metadata }) => metadata.annotations?.[annotations.triggerID]),
  ]);
}
