// Does what was decided. Every action may be done again after a crash on any line: names and uids see to that.
import type { WaitingReason } from '../api/reasons.ts';
import type { KubeClient } from '../kube/client.ts';
import { isKubeError } from '../kube/errors.ts';
import { keyOf, type ObjectKey } from '../kube/resource.ts';
import type { Action } from './decide.ts';
import { isOwnedBy } from './observe.ts';
import { refusalReason } from './complaint.ts';
import { jobs, type Job, type Neo4jBackup } from './resources.ts';

export type ActOutcome =
  | { readonly kind: 'done'; readonly created?: Job }
  /** The API server said no to the Job: for people to mend. */
  | { readonly kind: 'refused'; readonly reason: WaitingReason; readonly detail: string }
  /** Anything else: tried again with back-off. */
  | { readonly kind: 'failed'; readonly error: unknown; readonly created?: Job };

/** Does the actions in order; the first that fails ends it. Never throws. */
export async function act(
  actions: readonly Action[],
  backup: Neo4jBackup,
  client: KubeClient,
  signal: AbortSignal,
): Promise<ActOutcome> {
  const key = keyOf(backup);
  let created: Job | undefined;
  try {
    for (const action of actions) {
      if (action.kind === 'deleteJob') {
        const { name, uid } = action.job.metadata;
        await client.delete(
          jobs,
          { namespace: key.namespace, name },
          { uid, propagationPolicy: action.propagationPolicy, signal },
        );
        continue;
      }
      const outcome = await createOrAdopt(action, backup, client, signal);
      if (outcome.kind !== 'done') return outcome;
      created = outcome.created;
    }
  } catch (error) {
    return { kind: 'failed', error, ...(created === undefined ? {} : { created }) };
  }
  return { kind: 'done', ...(created === undefined ? {} : { created }) };
}

async function createOrAdopt(
  { job }: Extract<Action, { kind: 'createJob' }>,
  backup: Neo4jBackup,
  client: KubeClient,
  signal: AbortSignal,
): Promise<ActOutcome> {
  const { namespace } = keyOf(backup);
  const key: ObjectKey = { namespace, name: job.metadata?.name ?? '' };
  try {
    return { kind: 'done', created: await client.create(jobs, namespace, job, { signal }) };
  } catch (error) {
    if (isKubeError(error, 'forbidden', 'invalid'))
      return { kind: 'refused', reason: refusalReason(error.message), detail: error.message };
    if (!isKubeError(error, 'alreadyExists')) throw error;
    // Ours: an answer that was lost, or another operator. Anybody else's: never touched.
    const existing = await client.get(jobs, key, { signal });
    if (existing === undefined) throw error; // gone meanwhile: the next pass sees how things stand
    if (isOwnedBy(existing, backup.metadata.uid)) return { kind: 'done', created: existing };
  }
  return { kind: 'refused', reason: 'NameConflict', detail: `The name of the Job is ${key.name}` };
}
