// A Job that applies retention and takes no backup: after an edit of the policy, and to show what a policy would do.
import { writeFile } from 'node:fs/promises';
import { explain, reasons, type Reason } from '../api/reasons.ts';
import { cut, exitCodes } from '../run/report.ts';
import { formatUpkeep, type UpkeepReport } from '../run/upkeep.ts';
import { readDestination } from '../volume/catalogue.ts';
import { withLock } from '../volume/lock.ts';
import { readKnown } from '../volume/newest.ts';
import { newestRecord } from '../volume/records.ts';
import { foldersOf, holderOf, volumeReason, type Context } from './context.ts';
import { refuse } from './refuse.ts';
import { endsOf, lookAtVolume, retain } from './retain.ts';

/**
 * The container of the Job: what came of it is its termination message.
 * @returns its exit code: 0 when the policy was applied
 */
export async function runPrune(context: Context, terminationLog: string): Promise<number> {
  const report = await attempt(context);
  await writeFile(terminationLog, formatUpkeep(report));
  context.say({ ...report }, 'retention ended');
  if (report.reason === 'RetentionApplied') return exitCodes.published;
  return reasons[report.reason].retryable ? exitCodes.retryable : exitCodes.final;
}

async function attempt(context: Context): Promise<UpkeepReport> {
  const { files } = context;
  const { root } = foldersOf(context);
  try {
    const refused = refuse(context, await readKnown(root));
    if (refused !== undefined) return told(context, refused.reason, refused.message);
    return await withLock(files, root, holderOf(context), async (held) => {
      const newest = await newestRecord(root);
      const destination = await readDestination(root);
      const found = refuse(context, destination);
      if (found !== undefined) return told(context, found.reason, found.message);
      const { retention, left } = await retain(context, held, endsOf(newest?.report), destination);
      const facts = {
        volume: await lookAtVolume(context, left),
        ...(retention === undefined ? {} : { retention }),
      };
      return told(context, 'RetentionApplied', explain('RetentionApplied', summaryOf(retention)), facts);
    });
  } catch (error) {
    const reason = volumeReason(error) ?? 'UpkeepFailed';
    return told(context, reason, explain(reason, error instanceof Error ? error.message : String(error)));
  }
}

function told(
  { request, now }: Context,
  reason: Reason,
  message: string,
  facts: Pick<UpkeepReport, 'volume' | 'retention'> = {},
): UpkeepReport {
  return {
    schemaVersion: 1,
    task: 'prune',
    id: request.run,
    reason,
    message: cut(message, 1024),
    completionTime: now().toISOString(),
    ...facts,
  };
}

function summaryOf(retention: UpkeepReport['retention']): string {
  if (retention === undefined) return 'There is no policy of retention, so everything stays';
  const { kept, condemned, removed, mode, blockedBecause } = retention;
  const counts = `${removed} restore points were removed, ${kept} stay`;
  if (condemned === 0) return counts;
  const why = blockedBecause ?? (mode === 'Plan' ? 'mode Plan' : 'see the log of the Pod');
  return `${counts}, ${condemned} are condemned and still there (${why})`;
}
