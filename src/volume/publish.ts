// From staging to published: everything durable first, then one rename.
import { dirname, join } from 'node:path';
import { errorCode, type Files } from './files.ts';
import { pointEntries, pointFolder } from './layout.ts';
import { formatManifest, type Manifest } from './manifest.ts';

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
