// The loop without an operator: it makes the same Jobs with the same client, and nothing else.
import { randomUUID } from 'node:crypto';
import { buildJob } from '../../../src/backup/job.ts';
import { backups, jobs } from '../../../src/backup/resources.ts';
import { dueRun } from '../../../src/backup/run.ts';
import { selectEngine } from '../../../src/engine/select.ts';
import type { HttpKubeClient } from '../../../src/kube/http.ts';
import { agentImage } from './operator.ts';
import { forEach } from './until.ts';
import type { Wish } from './workload.ts';

/** Makes the Jobs of all wishes, so many calls at a time. @returns seconds from the first call to the last answer */
export async function bareLoop(
  client: HttpKubeClient,
  all: readonly Wish[],
  atOnce: number,
): Promise<number> {
  const made = all.map((wish) => ({ namespace: wish.namespace, body: jobOf(wish) }));
  const begun = performance.now();
  await forEach(made, atOnce, async ({ namespace, body }) => client.create(jobs, namespace, body));
  return (performance.now() - begun) / 1000;
}

/** As the operator makes it. */
function jobOf({ namespace, name, spec }: Wish): ReturnType<typeof buildJob> {
  const now = new Date();
  const metadata = {
    namespace,
    name,
    uid: randomUUID(),
    resourceVersion: '1',
    creationTimestamp: now.toISOString(),
  };
  const { group, version, kind } = backups;
  const backup = backups.schema.parse({ apiVersion: `${group}/${version}`, kind, metadata, spec });
  const [run, engine] = [dueRun(backup, []), selectEngine(backup.spec.neo4j.version)];
  if (run === undefined || engine === undefined) throw new Error('no run is due');
  return buildJob(backup, { run, engine, agentImage, now, terminalPods: [] });
}
