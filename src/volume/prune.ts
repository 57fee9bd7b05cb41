// Retention, done: what the policy condemns leaves the volume, in two steps.
import { lstat, readdir } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { RetentionPolicy } from '../api/neo4jbackup.ts';
import type { RunReason } from '../api/reasons.ts';
import type { Destination } from './catalogue.ts';
import { readManifest, type Entry } from './entry.ts';
import { errorCode, listFolder, type Files } from './files.ts';
import { folders, isTrash, placeOf, trashedFrom, trashFolder } from './layout.ts';
import type { Held } from './lock.ts';
import type { Manifest, Point } from './manifest.ts';
import { consistentOnes, restorable } from './restorable.ts';
import { markOf, planRetention, unitOf, type RetentionPlan, type Unit } from './retention.ts';

export interface PruneOptions {
  /** All manifests as they were read since the lock was had. */
  readonly destination: Destination;
  readonly policy: RetentionPolicy;
  /** How the newest run ended, and each of its databases. */
  readonly newestRun: readonly RunReason[];
  readonly held: Pick<Held, 'check'>;
}

export interface Pruned {
  readonly plan: RetentionPlan<Entry>;
  /** What the catalogue names as damaged: it stays. */
  readonly damaged: readonly string[];
  /** Points that are not on the volume any more. */
  readonly removed: readonly Entry[];
  /** Condemned units that stay for now, and what speaks against touching them. */
  readonly untouched: readonly { readonly folder: string; readonly why: string }[];
}

type Ours = Extract<Destination, { readonly kind: 'ours' }>;

/**
 * Applies a policy to what is on the volume; in mode Plan it only says what it would do.
 *
 * Guarantees: one rename takes a point, or a whole chain, from the readers, before any of its files is touched; killed on
 * any line, every point is whole or gone. What is not exactly what the catalogue says, to the last file, is not touched.
 * The last good backup of a database never goes.
 * @throws what {@link Held.check} throws, and the system error of a failed read
 */
export async function prune(files: Files, root: string, options: PruneOptions): Promise<Pruned> {
  const { held, policy, destination } = options;
  if (destination.kind !== 'ours') return { plan: emptyPlan, damaged: [], removed: [], untouched: [] };
  const { damaged } = destination;
  const plan = await planOnWhatIsThere(root, destination, options);
  if (policy.mode === 'Plan' || plan.blockedBecause !== undefined)
    return { plan, damaged, removed: [], untouched: [] };
  const removed: Entry[] = [];
  const untouched: { folder: string; look: number; why: string }[] = [];
  for (const unit of plan.condemned) {
    await held.check();
    const { folder, look } = unit;
    const isBound = untouched.some((one) => one.look < look || dirname(one.folder) === dirname(folder));
    const why = isBound ? 'what tells on it stays, too' : await remove(files, root, unit);
    if (why === undefined) removed.push(...unit.points);
    else untouched.push({ folder, look, why });
  }
  return { plan, damaged, removed, untouched };
}

const emptyPlan: RetentionPlan<Entry> = { verdicts: [], condemned: [], leansOn: [] };

/** Removes what an earlier one left between its two steps. It is in nobody's catalogue any more. */
export async function emptyTrash(files: Files, root: string, held: Pick<Held, 'check'>): Promise<void> {
  const trash = join(root, folders.trash);
  if (!(await isFolder(trash))) return;
  for (const name of ((await listFolder(trash)) ?? []).filter(isTrash)) {
    await held.check();
    // Who put it there may have died over that: a loss of power must not bring a name back whose files are gone.
    for (const folder of trashedFrom(name).map((path) => join(root, path)))
      if (await isFolder(folder)) await files.sync(folder);
    await files.sync(trash);
    await files.remove(join(trash, name));
  }
}

/** A plan that relies on no backup whose files are not there, whatever its manifest says. */
async function planOnWhatIsThere(
  root: string,
  { points, damaged }: Ours,
  { policy, newestRun }: PruneOptions,
): Promise<RetentionPlan<Entry>> {
  const known = [...damaged];
  for (;;) {
    const plan = planRetention(points, policy, { damaged: known, newestRun });
    const absent = plan.condemned.length === 0 ? [] : await absentOf(root, points, plan.leansOn);
    if (absent.length > 0) {
      known.push(...absent.map(markOf));
      continue;
    }
    objectTo(plan, points, known);
    return plan;
  }
}

/** Those of `wanted` of which a file is not there, or not as long as it was. Nothing is read: that is for a scrub. */
async function absentOf(
  root: string,
  points: readonly Entry[],
  wanted: readonly Point[],
): Promise<readonly Point[]> {
  const units = new Set(wanted.map(unitOf));
  const concerned = points.filter((point) => units.has(unitOf(point)));
  const there = new Set<Point>();
  for (const point of concerned) if (await isThere(root, point)) there.add(point);
  const whole = new Set<Point>(restorable(concerned, (point) => there.has(point)));
  return wanted.filter((point) => !whole.has(point));
}

async function isThere(root: string, point: Entry): Promise<boolean> {
  const manifest = await readManifest(root, point);
  if (manifest === undefined) return false;
  for (const { path, size } of manifest.files) {
    const found = await lstat(join(root, placeOf(point).data, path)).catch(() => undefined);
    if (found?.isFile() !== true || found.size !== size) return false;
  }
  return true;
}

/**
 * The second opinion: another reckoning, which knows no rule, finds a good backup of every database that has one.
 * @throws Error when it finds none: then the plan is wrong, and nothing must go
 */
function objectTo(plan: RetentionPlan, points: readonly Point[], damaged: readonly string[]): void {
  const marked = new Set(damaged);
  const goodIn = (those: readonly Point[]): ReadonlySet<string> => {
    const can = new Set(restorable(those, (point) => !marked.has(markOf(point))));
    return new Set(consistentOnes(those).flatMap((point) => (can.has(point) ? [point.database] : [])));
  };
  const gone = new Set(plan.condemned.flatMap((unit) => unit.points));
  const after = goodIn(points.filter((point) => !gone.has(point)));
  for (const database of goodIn(points))
    if (!after.has(database)) throw new Error(`retention would take the last good backup of ${database}`);
}

/** @returns why it was left alone, or undefined when no reader finds it any more */
async function remove(files: Files, root: string, unit: Unit<Entry>): Promise<string | undefined> {
  const objection = await objectionTo(root, unit);
  if (objection !== undefined) return objection;
  const from = join(root, unit.folder);
  const to = join(root, trashFolder(unit.folder));
  try {
    await files.makeFolder(dirname(to));
    await files.sync(root);
    await files.rename(from, to);
  } catch (error) {
    return `it cannot be moved: ${errorCode(error) ?? String(error)}`;
  }
  // Before the first file goes, the rename must be one that no loss of power takes back.
  await files.sync(dirname(from));
  await files.sync(dirname(to));
  await files.remove(to);
  return undefined;
}

/** Whether a unit is what it was when its end was decided, and nothing else. Names come from the catalogue, which has checked them. */
async function objectionTo(root: string, { folder, points }: Unit<Entry>): Promise<string | undefined> {
  for (const path of [folder, dirname(folder), dirname(dirname(folder)), '.'])
    if (!(await isFolder(join(root, path)))) return `${path} is no folder`;
  const expected = new Set<string>();
  for (const point of points) {
    const manifest = await readManifest(root, point);
    if (manifest === undefined) return `${placeOf(point).manifest} has changed`;
    for (const path of filesOf(manifest)) expected.add(path);
  }
  for (const entry of await readdir(join(root, folder), { recursive: true, withFileTypes: true })) {
    const path = relative(root, join(entry.parentPath, entry.name));
    if (!entry.isDirectory() && !expected.has(path)) return `${path} is no part of it`;
  }
  return undefined;
}

/** All that a point is made of, relative to <path>. */
function filesOf(point: Manifest): readonly string[] {
  const { data, manifest } = placeOf(point);
  return [manifest, ...point.files.map(({ path }) => `${data}/${path}`)];
}

async function isFolder(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isDirectory() === true;
}
