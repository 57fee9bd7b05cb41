// How long one resource waits for its Job, while nothing else goes on.
import { until } from './until.ts';
import { apply, makeNamespaces, playEnds, wishes, type World } from './workload.ts';

/** Applies so many, one after the other, and lets their runs end. @returns milliseconds from each apply until its Job was stored */
export async function latencies(
  { plane, clients, requests }: World,
  name: string,
  count: number,
): Promise<readonly number[]> {
  const samples: number[] = [];
  await makeNamespaces(plane, name);
  for (const wish of wishes(name, count)) {
    const begun = Date.now();
    const made = (): number | undefined =>
      requests
        .since(begun)
        .find(({ verb, resource, code }) => verb === 'create' && resource === 'jobs' && code === 201)
        ?.answered;
    await apply(clients.admin, [wish]);
    await until('the Job', () => made() !== undefined);
    samples.push((made() ?? Number.NaN) - begun);
  }
  await playEnds(clients.admin, name);
  await requests.quiet();
  return samples;
}

/** The sample that so large a part of them does not exceed. */
export function quantile(samples: readonly number[], part: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.ceil(part * sorted.length) - 1] ?? Number.NaN;
}
