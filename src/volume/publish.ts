// From staging to published: everything durable first, then one rename.
import { basename, dirname, join } from 'node:path';
import { chainFolders } from './catalogue.ts';
import { errorCode, listFolder, readText, type Files } from './files.ts';
import { manifestsFolder, placeOf, pointEntries, pointFolder } from './layout.ts';
import { formatManifest, parseManifest, type FileEntry, type Manifest } from './manifest.ts';

/**
 * Publishes a staged point: `<staged>/data` becomes `points/<chain>/<point>` with its manifest.
 *
 * Guarantees: a reader sees the whole point or none of it. When the process dies on any line, nothing is published, or
 * all is; the staging folder that stays behind is removed by a later run.
 * @returns `exists` when an earlier attempt of the same run was faster: then that one counts, and this one is dropped
 */
export async function publishPoint(
  files: Files,
  root: string,
  staged: string,
  manifest: Manifest,
): Promise<'published' | 'exists'> {
  const data = join(staged, pointEntries.data);
  const folders = new Set([data]);
  for (const { path } of manifest.files) {
    await files.sync(join(data, path));
    for (let folder = dirname(path); folder !== '.'; folder = dirname(folder))
      folders.add(join(data, folder));
  }
  for (const folder of folders) await files.sync(folder);
  await files.writeNew(join(staged, pointEntries.manifest), formatManifest(manifest));
  await files.sync(staged);

  const target = join(root, pointFolder(manifest.chain, manifest.point));
  const chain = dirname(target);
  await files.makeFolder(chain);
  await files.sync(dirname(chain));
  await files.sync(root);
  try {
    await files.rename(staged, target);
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST'].includes(errorCode(error) ?? '')) return 'exists';
    throw error;
  }
  await files.sync(chain);
  return 'published';
}

/**
 * Publishes staged artifacts: files of `staged` become part of their chain. The manifest's new name is the commit.
 *
 * Guarantees: what has no manifest is not published, and no published file is ever replaced. When the process dies on any
 * line, all is published, or a claim beside the manifests (named by the Pod) tells which files of the chain's folder are
 * not: {@link abandonedClaims} finds it.
 * @returns `exists` when an earlier attempt of the same run was faster: then that one counts, and nothing of this one stays
 */
export async function publishArtifacts(
  files: Files,
  root: string,
  staged: { readonly folder: string; readonly podUID: string },
  manifest: Manifest,
): Promise<'published' | 'exists'> {
  const place = placeOf(manifest);
  const chain = join(root, place.data);
  const target = join(root, place.manifest);
  const manifests = dirname(target);
  for (const { path } of manifest.files) await files.sync(join(staged.folder, path));
  await files.makeFolder(manifests);
  for (const folder of [chain, dirname(chain), dirname(dirname(chain)), root]) await files.sync(folder);

  const claim = join(manifests, claimName(manifest.point, staged.podUID));
  await files.writeNew(claim, formatManifest(manifest));
  await files.sync(manifests);
  for (const { path } of manifest.files) await files.link(join(staged.folder, path), join(chain, path));
  await files.sync(chain);
  try {
    await files.link(claim, target);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    await withdraw(files, chain, claim, manifest.files);
    return 'exists';
  }
  await files.sync(manifests);
  await files.remove(claim);
  return 'published';
}

/**
 * Publishes a whole chain of artifacts at once: `staged` becomes the chain's folder, with a manifest for each point.
 *
 * Guarantees: a reader sees all of the chain or none of it, wherever the process dies.
 * @param points of one chain, the full backup first
 * @returns `exists` when another attempt was faster: then that one counts, and this one is dropped
 */
export async function publishChain(
  files: Files,
  root: string,
  staged: string,
  points: readonly [Manifest, ...Manifest[]],
): Promise<'published' | 'exists'> {
  for (const { path } of points.flatMap((point) => point.files)) await files.sync(join(staged, path));
  const manifests = join(staged, manifestsFolder);
  await files.makeFolder(manifests);
  for (const point of points)
    await files.writeNew(join(manifests, basename(placeOf(point).manifest)), formatManifest(point));
  await files.sync(manifests);
  await files.sync(staged);

  const target = join(root, placeOf(points[0]).data);
  const database = dirname(target);
  await files.makeFolder(database);
  await files.sync(dirname(database));
  await files.sync(root);
  try {
    await files.rename(staged, target);
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST'].includes(errorCode(error) ?? '')) return 'exists';
    throw error;
  }
  await files.sync(database);
  return 'published';
}

function claimName(point: string, podUID: string): string {
  return `${point}.${podUID}.claim`;
}

/** Removes what a claim placed, then the claim: in this order, or a crash would leave files that nobody knows. */
async function withdraw(
  files: Files,
  chain: string,
  claim: string,
  placed: readonly FileEntry[],
): Promise<void> {
  for (const { path } of placed) await files.remove(join(chain, path));
  await files.remove(claim);
}

/**
 * Removes what Pods left in a chain's folder that died over publishing and will never write again. What is published stays,
 * also where a claim for it is still there.
 */
export async function withdrawAbandoned(
  files: Files,
  root: string,
  terminalPods: readonly string[],
  published: readonly Manifest[],
): Promise<readonly string[]> {
  const known = new Set(
    published.flatMap((point) => point.files.map(({ path }) => join(placeOf(point).data, path))),
  );
  const withdrawn: string[] = [];
  for (const folder of await chainFolders(root)) {
    const manifests = join(root, folder, manifestsFolder);
    for (const name of (await listFolder(manifests)) ?? []) {
      if (!terminalPods.includes(claimant(name) ?? '')) continue;
      const claim = join(manifests, name);
      const isPublished = ({ path }: FileEntry): boolean => known.has(join(folder, path));
      const placed = (await claimedBy(claim)).filter((file) => !isPublished(file));
      await withdraw(files, join(root, folder), claim, placed);
      withdrawn.push(name);
    }
  }
  return withdrawn;
}

/** The Pod that a claim belongs to. Undefined: it is none. */
function claimant(name: string): string | undefined {
  return /^[^.]+\.([0-9a-f-]{36})\.claim$/.exec(name)?.[1];
}

/** A claim that was cut short by a crash has placed nothing: it is whole before the first file is. */
async function claimedBy(claim: string): Promise<readonly FileEntry[]> {
  const parsed = parseManifest((await readText(claim)) ?? '');
  return parsed.kind === 'good' ? parsed.manifest.files : [];
}
