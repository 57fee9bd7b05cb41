// What attempts before this one left on the volume, and how an attempt finds out that it was taken for one of those.
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { listFolder, readSmallFile } from '../volume/files.ts';
import { folders, forsakenName, stagingMark, stagingOwner } from '../volume/layout.ts';
import { isLockError, withLock } from '../volume/lock.ts';
import { abandonedClaims, withdrawAbandoned } from '../volume/publish.ts';
import { foldersOf, holderOf, type Context } from './context.ts';

/** What is told of an attempt that goes on though its run was given up. */
export const forsaken = 'A later run has removed what this one had staged';

/**
 * Whether a later run took what this attempt had staged for a leftover. What lies there now was made anew, and what was not
 * found meanwhile was perhaps there.
 */
export async function isForsaken(context: Context): Promise<boolean> {
  return (await readSmallFile(join(foldersOf(context).staging, stagingMark), 0)).kind === 'absent';
}

/**
 * Removes what Pods left behind that will never write again. What is of others, and what is not ours, stays. Staging needs no
 * lock: on a volume that is full to the last byte there could be none.
 */
export async function removeLeftovers(context: Context): Promise<void> {
  const staging = join(foldersOf(context).root, folders.staging);
  for (const entry of (await listFolder(staging)) ?? []) {
    const kind = await leftoverKind(context, staging, entry);
    if (kind === undefined) continue;
    if (kind === 'forsaken') await takeAway(context, staging, entry);
    else await removeOne(context, staging, { entry, kind });
  }
  await withdrawClaims(context);
}

/**
 * - `dead`: nobody writes there any more.
 * - `forsaken`: of an earlier run of this resource, whose Job is gone, and with it all that could tell whether its Pod is.
 * - `taken`: the same, and a run before this one has taken it from that Pod.
 */
type Leftover = 'dead' | 'forsaken' | 'taken';

/** What is known of an entry of staging. Undefined: it stays. */
async function leftoverKind(
  { request }: Context,
  staging: string,
  entry: string,
): Promise<Leftover | undefined> {
  const owner = stagingOwner(entry);
  if (owner === undefined) return undefined;
  if (request.terminalPods.includes(owner.podUID)) return 'dead';
  if (owner.uid !== request.resource.uid || owner.run === request.run) return undefined;
  if (owner.takenBy !== undefined) return owner.takenBy === request.run ? undefined : 'taken';
  // A run is never begun before the one before it has ended: what was made since this one was is of a later one.
  const found = await lstat(join(staging, entry)).catch(() => undefined);
  const isOlder = found !== undefined && found.mtimeMs < Date.parse(request.createdTime);
  return isOlder ? 'forsaken' : undefined;
}

/**
 * Its Pod may still run, on a node that nobody reaches. One rename takes the whole folder from it, and the files go with a later
 * run: a node may know a folder of a network volume by its old name for a minute. So what that Pod would publish is there to
 * the last file, or not at all. It may also end this very moment and remove the folder itself: that costs no run.
 */
async function takeAway({ files, request, say }: Context, staging: string, entry: string): Promise<void> {
  say({ folder: entry }, 'taking away what an earlier run left behind: the next run removes it');
  try {
    await files.rename(join(staging, entry), join(staging, forsakenName(entry, request.run)));
  } catch (error) {
    say({ err: error, folder: entry }, 'what an earlier run left behind stays for now');
  }
}

/** Where a Pod that was given up still writes, a folder may resist: that costs no run. */
async function removeOne(
  { files, say }: Context,
  staging: string,
  { entry, kind }: { readonly entry: string; readonly kind: 'dead' | 'taken' },
): Promise<void> {
  say({ folder: entry }, 'removing what an earlier attempt left behind');
  try {
    await files.remove(join(staging, entry));
  } catch (error) {
    if (kind === 'dead') throw error;
    say({ err: error, folder: entry }, 'what an earlier run left behind stays for now');
  }
}

/**
 * Among published artifacts: under the lock, or another attempt could publish a file of this very name while we look. While
 * another holds the lock the claims stay: a later run has the same to do.
 */
async function withdrawClaims(context: Context): Promise<void> {
  const { files, request } = context;
  const { root } = foldersOf(context);
  if ((await abandonedClaims(root, request)).length === 0) return;
  try {
    await withLock(files, root, holderOf(context), async (held) => {
      for (const claim of await abandonedClaims(root, request)) {
        await held.check();
        context.say({ claim }, 'withdrawing what an earlier attempt had not published');
        await withdrawAbandoned(files, root, claim);
      }
    });
  } catch (error) {
    if (!isLockError(error)) throw error;
    context.say({ err: error }, 'what earlier attempts had not published stays for now');
  }
}
