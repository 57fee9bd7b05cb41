// Who else uses the claim of a resource, or its folder: where only one Pod at a time may. Pure.
import { labels } from '../api/names.ts';
import { formatKey, keyOf, type ObjectKey } from '../kube/resource.ts';
import { isFinished } from './outcome.ts';
import { backups, type Claim, type Job, type Neo4jBackup } from './resources.ts';
import { claimMark, destinationPath } from './run.ts';

export interface Crowd {
  /** Jobs of other resources that use the claim and have not ended, oldest first. */
  readonly jobs: readonly Job[];
  /** False: a cache said so, and those lag. */
  readonly isFresh: boolean;
}

/** Only then may several Pods use a volume, wherever they run. Of a claim that nobody has seen the worse is assumed. */
export function isShared(claim: Claim | undefined): boolean {
  return claim?.spec?.accessModes?.includes('ReadWriteMany') === true;
}

/** Ours, of another resource, and not at its end. What is not owned by one of our kind is not ours, whatever its labels say. */
export function othersOf(uid: string, found: readonly Job[]): readonly Job[] {
  return found
    .filter((job) => !isFinished(job))
    .filter(({ metadata }) => {
      const owner = metadata.ownerReferences?.find(({ kind }) => kind === backups.kind);
      return owner !== undefined && owner.uid !== uid;
    })
    .toSorted((a, b) => a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp));
}

/** The claim of a resource. */
export function claimOf({ metadata, spec }: Neo4jBackup): ObjectKey {
  return { ...keyOf({ metadata }), name: spec.destination.persistentVolumeClaim.claimName };
}

/** The same, as an index has it. */
export function claimKey(backup: Neo4jBackup): string {
  return formatKey(claimOf(backup));
}

/** The folder of a claim that a resource writes to, as an index has it. */
export function destinationKey(backup: Neo4jBackup): string {
  return `${claimKey(backup)}/${destinationPath(backup)}`;
}

/** The claim as the label of a Job tells it, as an index has it. */
export function markKey(backup: Neo4jBackup): string {
  const { claimName } = backup.spec.destination.persistentVolumeClaim;
  return formatKey({ ...keyOf(backup), name: claimMark(claimName) });
}

/** The same, of the Job. None: it has no such label. */
export function markKeyOf(job: Job): string | undefined {
  const mark = job.metadata.labels?.[labels.claim];
  return mark === undefined ? undefined : formatKey({ ...keyOf(job), name: mark });
}

/** The resource that has the folder before us: the older one, or else the one of the lower uid. */
export function rivalOf(backup: Neo4jBackup, sameFolder: readonly Neo4jBackup[]): Neo4jBackup | undefined {
  return sameFolder
    .filter((other) => other.metadata.uid !== backup.metadata.uid && isBefore(other, backup))
    .toSorted((a, b) => (isBefore(a, b) ? -1 : 1))[0];
}

function isBefore({ metadata: a }: Neo4jBackup, { metadata: b }: Neo4jBackup): boolean {
  const [mine, theirs] = [Date.parse(a.creationTimestamp), Date.parse(b.creationTimestamp)];
  return mine === theirs ? a.uid < b.uid : mine < theirs;
}
