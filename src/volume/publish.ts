// From staging to published: everything durable first, then one rename.
import { lstat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { chainFolders } from './catalogue.ts';
import { errorCode, listFolder, type Files } from './files.ts';
import type { Held } from './lock.ts';
import { manifestsFolder, placeOf, pointEntries, pointFolder } from './layout.ts';
import { formatManifest, manifestSeal, type FileEntry, type Manifest, type Point } from './manifest.ts';
import { inParallel } from './parallel.ts';
import { readSealed } from './seal.ts';
import { hashFile } from './stage.ts';

/** How many files are made durable at a time: a file system does several with one turn of the disk. */
const syncsAtOnce = 4;

/** A staged point whose bytes survive a loss of power: made by {@link settlePoint}. */
export interface SettledPoint {
  readonly folder: string;
  readonly files: readonly FileEntry[];
}

/** Makes `<staged>/data` durable. It takes its time, and needs no lock. */
export async function settlePoint(
  files: Files,
  staged: string,
  entries: readonly FileEntry[],
): Promise<SettledPoint> {
  const data = join(staged, pointEntries.data);
  const folders = new Set([data]);
  await inParallel(entries, syncsAtOnce, ({ path }) => files.sync(join(data, path)));
  for (const { path } of entries) {
    for (let folder = dirname(path); folder !== '.'; folder = dirname(folder))
      folders.add(join(data, folder));
  }
  for (const folder of folders) await files.sync(folder);
  return { folder: staged, files: entries };
}

/**
 * Publishes a staged point: `<staged>/data` becomes `points/<chain>/<point>` with its manifest.
 *
 * Guarantees: a reader sees the whole point or none of it. When the process dies on any line, nothing is published, or
 * all is; what stays behind, in staging or in the lock, is removed by a later run. Who has lost the lock publishes nothing.
 * @returns `exists` when an earlier attempt of the same run was faster: then that one counts, and this one is dropped
 * @throws LockLost, or the system error of a failed call
 */
export async function publishPoint(
  files: Files,
  held: Held,
  staged: SettledPoint,
  facts: Omit<Manifest, 'files'>,
): Promise<'published' | 'exists'> {
  const manifest: Manifest = { ...facts, files: [...staged.files] };
  await files.writeNew(join(staged.folder, pointEntries.manifest), formatManifest(manifest));
  await files.sync(staged.folder);

  const target = join(held.root, pointFolder(manifest.chain, manifest.point));
  const chain = dirname(target);
  await files.makeFolder(chain);
  await files.sync(dirname(chain));
  await files.sync(held.root);
  const passage = held.passage(manifest.point);
  await files.rename(staged.folder, passage);
  return commit(files, held, passage, target);
}

/** The one rename that publishes. */
async function commit(
  files: Files,
  held: Held,
  passage: string,
  target: string,
): Promise<'published' | 'exists'> {
  await held.check();
  try {
    await files.rename(passage, target);
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST'].includes(errorCode(error) ?? '')) return 'exists';
    throw error;
  }
  await keep(files, target, passage);
  return 'published';
}

/**
 * Makes durable what was just published. A volume that cannot, not even when it is asked again, may lose it with the power:
 * that is no backup, and is taken back, so that what the run reports and what is there are one.
 */
async function keep(files: Files, target: string, passage: string): Promise<void> {
  try {
    await files.sync(dirname(target)).catch(() => files.sync(dirname(target)));
  } catch (error) {
    await files.rename(target, passage).catch(() => undefined); // what went wrong first is what counts
    throw error;
  }
}

/**
 * Makes durable where a point was published: whoever published it may have died before that.
 * @throws the system error of a failed call on the volume
 */
export function keepPublished(files: Files, root: string, point: Point): Promise<void> {
  const { manifest } = placeOf(point);
  const committed = point.layout === 'artifacts' ? manifest : dirname(manifest);
  return files.sync(dirname(join(root, committed)));
}

/** A staged artifact whose bytes survive a loss of power: made by {@link settleArtifacts}. */
export interface SettledArtifacts {
  readonly folder: string;
  readonly podUID: string;
  readonly files: readonly FileEntry[];
}

/** Makes artifacts durable where they are staged. It takes its time, and needs no lock. */
export async function settleArtifacts(
  files: Files,
  { folder, podUID }: Omit<SettledArtifacts, 'files'>,
  entries: readonly FileEntry[],
): Promise<SettledArtifacts> {
  await inParallel(entries, syncsAtOnce, ({ path }) => files.sync(join(folder, path)));
  return { folder, podUID, files: entries };
}

/**
 * Publishes staged artifacts: files of `staged` become part of their chain. The manifest's new name is the commit.
 *
 * Guarantees: what has no manifest is not published, and no published file is ever replaced. When the process dies on any
 * line, all is published, or a claim beside the manifests (named by the Pod) tells which files of the chain's folder are
 * not: {@link withdrawAbandoned} finds it. Who has lost the lock publishes nothing.
 * @returns `exists` when an earlier attempt of the same run was faster: then that one counts, and nothing of this one stays;
 * `taken` when a file of another run has the name of one of these
 * @throws LockLost, or the system error of a failed call
 */
export async function publishArtifacts(
  files: Files,
  held: Held,
  staged: SettledArtifacts,
  facts: Omit<Manifest, 'files'>,
): Promise<'published' | 'exists' | 'taken'> {
  const manifest: Manifest = { ...facts, files: [...staged.files] };
  const place = placeOf(manifest);
  const chain = join(held.root, place.data);
  const target = join(held.root, place.manifest);
  const manifests = dirname(target);
  await files.makeFolder(manifests);
  for (const folder of [chain, dirname(chain), dirname(dirname(chain)), held.root]) await files.sync(folder);

  const claim = join(manifests, claimName(manifest.point, staged.podUID));
  await files.writeNew(claim, formatManifest(manifest));
  await files.sync(manifests);
  if (!(await placeIn(files, staged, chain))) {
    await files.remove(claim);
    return 'taken';
  }
  const passage = held.passage(manifest.point);
  await files.writeNew(passage, formatManifest(manifest));
  // A rename replaces what is there; under the lock, nobody else can have put it there after this look.
  const outcome = (await isThere(target)) ? 'exists' : await commit(files, held, passage, target);
  if (outcome === 'exists') await withdraw(files, chain, claim, manifest.files);
  else await files.remove(claim);
  return outcome;
}

/** @returns false, and has placed nothing, when a name is taken: the tool names files by the second, and others have that tool, too */
async function placeIn(files: Files, staged: SettledArtifacts, chain: string): Promise<boolean> {
  for (const { path } of staged.files) if (await isThere(join(chain, path))) return false;
  for (const { path, sha256 } of staged.files) {
    const [from, to] = [join(staged.folder, path), join(chain, path)];
    await files.link(from, to);
    // Where there are no links it is a copy: not durable yet, and read by nobody.
    await files.sync(to);
    const isCopy = (await lstat(to)).ino !== (await lstat(from)).ino;
    if (isCopy && (await hashFile(to)) !== sha256)
      throw new Error(`the copy of ${path} is not what was copied`);
  }
  await files.sync(chain);
  return true;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/**
 * Publishes a whole chain of artifacts at once: the staged folder becomes the chain's, with a manifest for each point.
 *
 * Guarantees: a reader sees all of the chain or none of it, wherever the process dies. Who has lost the lock publishes nothing.
 * @param points of one chain, the full backup first, with the files that were settled
 * @returns `exists` when another attempt was faster: then that one counts, and this one is dropped
 * @throws LockLost, or the system error of a failed call
 */
export async function publishChain(
  files: Files,
  held: Held,
  { folder }: SettledArtifacts,
  points: readonly [Manifest, ...Manifest[]],
): Promise<'published' | 'exists'> {
  const manifests = join(folder, manifestsFolder);
  await files.makeFolder(manifests);
  for (const point of points)
    await files.writeNew(join(manifests, basename(placeOf(point).manifest)), formatManifest(point));
  await files.sync(manifests);
  await files.sync(folder);

  const target = join(held.root, placeOf(points[0]).data);
  const database = dirname(target);
  await files.makeFolder(database);
  await files.sync(dirname(database));
  await files.sync(held.root);
  const passage = held.passage(points[0].point);
  await files.rename(folder, passage);
  return commit(files, held, passage, target);
}

function claimName(point: string, podUID: string): string {
  return `${point}.${podUID}.claim`;
}

/** Removes what a claim placed, then the claim: in this order, and durably so, or a crash would leave files that nobody knows. */
async function withdraw(
  files: Files,
  chain: string,
  claim: string,
  placed: readonly FileEntry[],
): Promise<void> {
  for (const { path } of placed) await files.remove(join(chain, path));
  await files.sync(chain);
  await files.remove(claim);
}

/** Who asks for claims that nobody needs any more. */
interface Asking {
  readonly run: string;
  readonly resource: { readonly uid: string };
  readonly terminalPods: readonly string[];
}

/**
 * Claims of Pods that died over publishing and will never write again, and of other runs of the resource, of whose Pods nobody
 * may know any more. Whoever made one held the lock: to whom has the lock now it is of one that died, or lost the lock and
 * publishes nothing. Relative to `root`.
 */
export async function abandonedClaims(root: string, asking: Asking): Promise<readonly string[]> {
  const found: string[] = [];
  for (const folder of await chainFolders(root)) {
    const manifests = `${folder}/${manifestsFolder}`;
    for (const name of (await listFolder(join(root, manifests))) ?? []) {
      const pod = claimant(name);
      const claim = `${manifests}/${name}`;
      if (pod === undefined) continue;
      if (asking.terminalPods.includes(pod) || (await isOfAnotherRun(join(root, claim), asking)))
        found.push(claim);
    }
  }
  return found;
}

async function isOfAnotherRun(claim: string, { run, resource }: Asking): Promise<boolean> {
  const read = await readSealed(claim, manifestSeal);
  return read.kind === 'good' && read.value.resource.uid === resource.uid && read.value.run !== run;
}

/**
 * Removes what a claim placed, but for what another attempt of the run published under the same name. As long as a manifest
 * of the chain cannot be read nobody knows what is published: then nothing goes, and the claim stays.
 */
export async function withdrawAbandoned(files: Files, root: string, claim: string): Promise<void> {
  const manifests = join(root, dirname(claim));
  const published = await publishedIn(manifests);
  if (published === undefined) return;
  const placed = await filesIn(join(root, claim));
  const ours = placed.filter(({ path }) => !path.includes('/') && !published.has(path));
  await withdraw(files, dirname(manifests), join(root, claim), ours);
}

/** The names of all files that the manifests of a chain speak of. Undefined: one of them cannot be read. */
async function publishedIn(manifests: string): Promise<ReadonlySet<string> | undefined> {
  const published = new Set<string>();
  for (const name of (await listFolder(manifests)) ?? []) {
    if (!name.endsWith('.json')) continue;
    const named = await filesIn(join(manifests, name));
    if (named.length === 0) return undefined; // no manifest is without a file
    for (const { path } of named) published.add(path);
  }
  return published;
}

/** The Pod that a claim belongs to. Undefined: it is none. */
function claimant(name: string): string | undefined {
  return /^[^.]+\.([0-9a-f-]{36})\.claim$/.exec(name)?.[1];
}

/** A claim that was cut short by a crash has placed nothing: it is whole before the first file is. */
async function filesIn(path: string): Promise<readonly FileEntry[]> {
  const read = await readSealed(path, manifestSeal);
  return read.kind === 'good' ? read.value.files : [];
}
