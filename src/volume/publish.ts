// From staging to published: everything durable first, then one rename.
import { dirname, join } from 'node:path';
import { chainFolders } from './catalogue.ts';
import { errorCode, listFolder, type Files } from './files.ts';
import { manifestsFolder, placeOf, pointEntries, pointFolder } from './layout.ts';
import { formatManifest, manifestSeal, type FileEntry, type Manifest } from './manifest.ts';
import { readSealed } from './seal.ts';

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
 * also where a claim for it is still there, and also where its manifest is damaged by now.
 */
export async function withdrawAbandoned(
  files: Files,
  root: string,
  terminalPods: readonly string[],
): Promise<readonly string[]> {
  const withdrawn: string[] = [];
  for (const folder of await chainFolders(root)) {
    const manifests = join(root, folder, manifestsFolder);
    const names = (await listFolder(manifests)) ?? [];
    const claims = names.filter((name) => terminalPods.includes(claimOf(name)?.podUID ?? ''));
    if (claims.length === 0) continue;
    const published = await publishedIn(manifests, names);
    for (const name of claims) {
      const claim = join(manifests, name);
      const isPublished = names.includes(`${claimOf(name)?.point}.json`);
      const placed = isPublished ? [] : await filesIn(claim);
      const ours = placed.filter(({ path }) => !path.includes('/') && !published.has(path));
      await withdraw(files, join(root, folder), claim, ours);
      withdrawn.push(name);
    }
  }
  return withdrawn;
}

/** The names of all files that the manifests of a chain speak of. */
async function publishedIn(manifests: string, names: readonly string[]): Promise<ReadonlySet<string>> {
  const published = new Set<string>();
  for (const name of names.filter((one) => one.endsWith('.json')))
    for (const { path } of await filesIn(join(manifests, name))) published.add(path);
  return published;
}

/** What a claim is for, by its name. Undefined: it is none. */
function claimOf(name: string): { readonly point: string; readonly podUID: string } | undefined {
  const [, point, podUID] = /^([^.]+)\.([0-9a-f-]{36})\.claim$/.exec(name) ?? [];
  return point === undefined || podUID === undefined ? undefined : { point, podUID };
}

/** A claim that was cut short by a crash has placed nothing: it is whole before the first file is. */
async function filesIn(path: string): Promise<readonly FileEntry[]> {
  const read = await readSealed(path, manifestSeal);
  return read.kind === 'good' ? read.value.files : [];
}
