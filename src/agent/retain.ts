// Retention within a Job: before a run looks for room, after it, and in a Job of its own.
import { basename, join } from 'node:path';
import type { RetentionPolicy, RetentionStatus } from '../api/neo4jbackup.ts';
import type { RunReason } from '../api/reasons.ts';
import type { RunReport } from '../run/report.ts';
import { pointsIn, readDestination, type Destination } from '../volume/catalogue.ts';
import type { Entry } from '../volume/entry.ts';
import { listFolder } from '../volume/files.ts';
import { volumeStatus } from '../volume/forecast.ts';
import { folders, isTrash, pointNamePattern } from '../volume/layout.ts';
import { isLockError, withLock, type Held } from '../volume/lock.ts';
import type { Point } from '../volume/manifest.ts';
import { emptyTrash, prune, type Pruned } from '../volume/prune.ts';
import { newestRecord } from '../volume/records.ts';
import { neverRemoved, planRetention } from '../volume/retention.ts';
import { foldersOf, holderOf, spaceOf, type Context } from './context.ts';
import { refuse } from './refuse.ts';

/** How a run ended, and each of its databases: what casts doubt on the destination is told by either. */
export function endsOf(report: RunReport | undefined): readonly RunReason[] {
  if (report === undefined) return [];
  return [report.reason, ...(report.databases ?? []).map(({ reason }) => reason)];
}

/** What came of a policy. */
interface Retained {
  /** Absent: there is none. */
  readonly retention?: RetentionStatus;
  /** What the destination holds after that. */
  readonly left: readonly Entry[];
}

/**
 * Applies the policy, or only says what it would do. The caller holds the lock.
 * @param newestRun how the newest run ended
 * @param destination as it was read since the lock was had
 */
export async function retain(
  context: Context,
  held: Held,
  newestRun: readonly RunReason[],
  destination: Destination,
): Promise<Retained> {
  const { files, request, now, say } = context;
  const { root } = foldersOf(context);
  // What the catalogue did not know of, all manifests may tell: then nothing here is ours to remove.
  if (refuse(context, destination) !== undefined) return { left: [] };
  await emptyTrash(files, root, held);
  // While there is room: later on a full volume may have none for it, and then nothing could be taken away.
  await files.makeFolder(join(root, folders.trash));
  const policy = request.retention;
  const points = pointsIn(destination);
  if (policy === undefined) return { left: points };
  const pruned = await prune(files, root, { policy, newestRun, held, destination });
  for (const { database, point } of pruned.removed)
    say({ database, point }, 'retention removed a restore point');
  for (const { folder, why } of pruned.untouched)
    say({ folder, why }, 'retention would remove this, but it stays');
  if (pruned.plan.blockedBecause !== undefined)
    say(
      { because: pruned.plan.blockedBecause },
      'retention removes nothing: the newest run found the destination amiss',
    );
  const gone = new Set(pruned.removed);
  return {
    retention: retentionStatus(pruned, policy, {
      time: now(),
      isNamed: context.engine.databases === 'named',
    }),
    left: points.filter((point) => !gone.has(point)),
  };
}

/** What is found of the volume now: sizes, room, and where that leads. */
export async function lookAtVolume(
  context: Context,
  points: readonly Point[],
): Promise<NonNullable<RunReport['volume']>> {
  const { request, now } = context;
  return volumeStatus({ points, space: await spaceOf(context), policy: request.retention, now: now() });
}

/**
 * Takes what the policy condemns already, so that the run finds its room. Whatever goes wrong here is no reason not to back
 * up: then what is condemned stays for now.
 * @param known what the catalogue says
 * @returns false: nothing was changed
 */
export async function makeRoom(context: Context, known: Destination): Promise<boolean> {
  const { files, say } = context;
  const { root } = foldersOf(context);
  try {
    const isEnforced = context.request.retention?.mode === 'Enforce';
    if (!isEnforced && !(await hasTrash(root))) return false;
    const newestRun = endsOf((await newestRecord(root))?.report);
    if (!hasToGo(context, known, newestRun) && !(await hasTrash(root))) return false;
    await withLock(files, root, holderOf(context), async (held) =>
      retain(context, held, newestRun, await readDestination(root)),
    );
  } catch (error) {
    say(
      { err: error },
      isLockError(error) ? 'another run has the lock: what is condemned stays for now' : 'retention failed',
    );
  }
  return true;
}

/** Whether it is worth the lock, as far as the catalogue tells: what really goes is decided on manifests. */
function hasToGo({ request }: Context, known: Destination, newestRun: readonly RunReason[]): boolean {
  const { retention: policy } = request;
  if (policy?.mode !== 'Enforce' || known.kind !== 'ours') return false;
  const { points, damaged } = known;
  const plan = planRetention(points, policy, { damaged, newestRun });
  return plan.condemned.length > 0 && plan.blockedBecause === undefined;
}

async function hasTrash(root: string): Promise<boolean> {
  return ((await listFolder(join(root, folders.trash))) ?? []).some(isTrash);
}

/** The most verdicts that status takes. */
const mostVerdicts = 40;

type Told = NonNullable<RetentionStatus['points']>[number];

/** What status tells of it: those that went or will go first, then the newest. */
function retentionStatus(
  { plan, damaged, removed, untouched }: Pruned,
  { mode }: RetentionPolicy,
  { time, isNamed }: { readonly time: Date; readonly isNamed: boolean },
): RetentionStatus {
  const gone = new Set(removed);
  const { blockedBecause } = plan;
  const condemned = plan.condemned.flatMap(({ points }) => points).filter((point) => !gone.has(point));
  const stands = new Map(
    plan.condemned.flatMap(({ folder, points }) => {
      const why = untouched.find((one) => one.folder === folder)?.why;
      return points.map((point) => [point, why] as const);
    }),
  );
  const told = plan.verdicts.map(({ point, stays, because }) => ({
    point,
    verdict: stays ? ('Kept' as const) : gone.has(point) ? ('Removed' as const) : ('Condemned' as const),
    because: stands.get(point) ?? because,
  }));
  const rank = { Removed: 0, Condemned: 1, Kept: 3 } as const;
  const ranked = [
    ...told.map(({ point, verdict, because }) => ({
      rank: rank[verdict],
      sequence: point.sequence,
      told: {
        point: point.point,
        ...(isNamed ? { database: point.database } : {}),
        verdict,
        because: because.slice(0, 96),
      },
    })),
    ...damaged.flatMap(damagedOne).map((one) => ({ rank: 2, sequence: 0, told: one })),
  ].toSorted((a, b) => a.rank - b.rank || b.sequence - a.sequence);
  return {
    time: time.toISOString(),
    mode,
    kept: plan.verdicts.length - removed.length - condemned.length,
    condemned: condemned.length,
    removed: removed.length,
    ...(condemned.length > 0 ? { condemnedBytes: bytesOf(condemned) } : {}),
    ...(condemned.length > 0 && blockedBecause !== undefined ? { blockedBecause } : {}),
    points: ranked.slice(0, mostVerdicts).map((one): Told => one.told),
    ...(ranked.length > mostVerdicts ? { truncated: true } : {}),
  };
}

/** What lies there and cannot be trusted. Not of every one there is a name to tell. */
function damagedOne(path: string): readonly Told[] {
  const point = basename(path, '.json');
  return pointNamePattern.test(point) ? [{ point, verdict: 'Kept', because: neverRemoved }] : [];
}

function bytesOf(points: readonly Point[]): number {
  return points.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
