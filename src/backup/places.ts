// What a run counts towards while its Job is under way: its claim, its server, and the operator as a whole. Pure.
import { labels } from '../api/names.ts';
import { formatKey, keyOf } from '../kube/resource.ts';
import { markKey, markKeyOf } from './crowd.ts';
import { isFinished } from './outcome.ts';
import { backups, type Job, type Neo4jBackup } from './resources.ts';
import { hostMark, serverMark } from './run.ts';

/** How many backups may be under way at once. 0: any number. */
export interface Limits {
  /** In all namespaces that are watched. */
  readonly runningBackups: number;
  readonly runningBackupsPerServer: number;
  /** Of a claim that many Pods may use; any other claim is for one at a time. */
  readonly runningBackupsPerClaim: number;
}

export const noLimits: Limits = { runningBackups: 0, runningBackupsPerServer: 0, runningBackupsPerClaim: 0 };

/** Something that only so many runs may use at a time. */
export interface Place {
  readonly kind: 'claim' | 'server' | 'operator';
  /** As an index of Jobs has it. */
  readonly key: string;
  /** For people. */
  readonly name: string;
  readonly room: number;
}

const everywhere = 'operator';

/** The places that a run needs, the one that is told of first before the others. */
export function placesOf(
  backup: Neo4jBackup,
  limits: Limits,
  { isShared }: { readonly isShared: boolean },
): readonly Place[] {
  const { serviceRef, host, port } = backup.spec.source;
  const all: readonly Place[] = [
    claimPlace(backup, isShared ? limits.runningBackupsPerClaim : 1),
    {
      kind: 'server',
      key: serverKey(keyOf(backup).namespace, serverMark(backup.spec.source)),
      name: `${serviceRef?.name ?? host ?? ''}:${port}`,
      room: limits.runningBackupsPerServer,
    },
    { kind: 'operator', key: everywhere, name: '', room: limits.runningBackups },
  ];
  return all.filter(({ room }) => room > 0);
}

export function claimPlace(backup: Neo4jBackup, room: number): Place {
  const { claimName } = backup.spec.destination.persistentVolumeClaim;
  return { kind: 'claim', key: claimKeyOf(markKey(backup)), name: claimName, room };
}

/** The keys of the places that a Job takes, as an index has them: of runs that have not ended, and that are ours. */
export function placesIn(job: Job): readonly string[] {
  if (isFinished(job) || job.metadata.labels?.[labels.task] !== undefined) return [];
  if (ownerUID(job) === undefined) return [];
  const server = job.metadata.labels?.[labels.server];
  return [
    everywhere,
    ...(server === undefined ? [] : [serverKey(keyOf(job).namespace, server)]),
    ...[claimPlaceIn(job)].filter((key) => key !== undefined),
  ];
}

/** The key of the claim that a Job uses, whatever it is for. */
export function claimPlaceIn(job: Job): string | undefined {
  const mark = markKeyOf(job);
  return mark === undefined ? undefined : claimKeyOf(mark);
}

/** The uid of the resource that a Job is of. */
export function ownerUID({ metadata }: Job): string | undefined {
  return metadata.ownerReferences?.find(({ kind }) => kind === backups.kind)?.uid;
}

function claimKeyOf(mark: string): string {
  return `claim ${mark}`;
}

/** A Service is one of its namespace; a host is the same in all of them. */
function serverKey(namespace: string, mark: string): string {
  return mark.startsWith(hostMark) ? `server ${mark}` : `server ${formatKey({ namespace, name: mark })}`;
}
