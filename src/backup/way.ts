// What keeps a Job from being made though all else is ready: other Pods on a claim that one at a time may use. Pure.
import { labels } from '../api/names.ts';
import type { Action } from './decide.ts';
import type { Observed } from './observe.ts';
import { isFinished } from './outcome.ts';
import type { Job } from './resources.ts';

/** What a run that is due waits for, in words. Undefined: the way is free, or the claim is one for many. */
export function waitsFor(seen: Observed): string | undefined {
  const { crowd, backup } = seen;
  if (crowd === undefined) return undefined;
  const { claimName } = backup.spec.destination.persistentVolumeClaim;
  const [job] = [...crowd.jobs, ...tending(seen)];
  if (job !== undefined) return `the Job ${job.metadata.name}, which uses the claim ${claimName}`;
  if (crowd.ahead === undefined) return undefined;
  return `the resource ${crowd.ahead}, which has waited for the claim ${claimName} for longer`;
}

/** Does another resource use the claim, or come before on it? */
export function isCrowded({ crowd }: Observed): boolean {
  return crowd !== undefined && (crowd.jobs.length > 0 || crowd.ahead !== undefined);
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
