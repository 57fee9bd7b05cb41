// What keeps a Job from being made though all else is ready: other Pods on a claim that one at a time may use, or a limit. Pure.
import { labels } from '../api/names.ts';
import { keyOf, type ObjectKey } from '../kube/resource.ts';
import type { Action } from './decide.ts';
import type { Observed } from './observe.ts';
import { isFinished } from './outcome.ts';
import type { Hold } from './queue.ts';
import type { Job, Neo4jBackup } from './resources.ts';

/** That a run which is due waits, and for what. Undefined: the way is free. */
export function waitsFor(seen: Observed, run: string): string | undefined {
  const { crowd, hold, backup } = seen;
  if (hold !== undefined) return `The run ${run} waits${heldBy(hold, backup)}`;
  if (crowd === undefined) return undefined;
  const [job] = [...crowd.jobs, ...tending(seen)];
  if (job === undefined) return undefined;
  const { claimName } = backup.spec.destination.persistentVolumeClaim;
  return `The run ${run} waits for the Job ${job.metadata.name}, which uses the claim ${claimName}`;
}

/** Without numbers that change while it waits: each change would be written to status. */
function heldBy({ place, users, ahead }: Hold, backup: Neo4jBackup): string {
  const { kind, name, room } = place;
  if (kind === 'operator') return `: ${room} of ${room} backups are running`;
  const what = `the ${kind} ${name}`;
  if (users.length > 1) return `: ${room} of ${room} backups of ${what} are running`;
  const [user] = users;
  const does = kind === 'server' ? 'copies from' : 'uses';
  if (user !== undefined) return ` for ${named('Job', user, backup)}, which ${does} ${what}`;
  if (ahead === undefined) return ` for ${what}`;
  return ` for ${named('resource', ahead, backup)}, which has waited for ${what} for longer`;
}

/** What another namespace calls its own is nobody else's business. */
function named(kind: string, { namespace, name }: ObjectKey, backup: Neo4jBackup): string {
  return namespace === keyOf(backup).namespace ? `the ${kind} ${name}` : `a ${kind} of another namespace`;
}

/** Does another resource use the claim, or come before on it? */
export function isCrowded({ crowd, hold }: Observed): boolean {
  return hold !== undefined || (crowd !== undefined && crowd.jobs.length > 0);
}

/** The Jobs of others that take no backup, and make room for one. Our own are removed by those who made them. */
export function clearing({ crowd }: Observed): readonly Action[] {
  return (crowd?.jobs ?? [])
    .filter(
      ({ metadata }) =>
        metadata.labels?.[labels.task] !== undefined && metadata.deletionTimestamp === undefined,
    )
    .map((job) => ({ kind: 'deleteJob', job, propagationPolicy: 'Foreground' }));
}

/** Our own Jobs that take no backup and have not ended. */
function tending({ inspections, upkeeps }: Observed): readonly Job[] {
  return [...inspections, ...upkeeps].map(({ job }) => job).filter((job) => !isFinished(job));
}
