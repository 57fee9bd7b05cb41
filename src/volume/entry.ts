// A point without the list of its files: as the catalogue has it, and as it is held where there may be thousands of them.
import { join } from 'node:path';
import * as z from 'zod';
import { placeOf } from './layout.ts';
import { manifestSeal, Point, relativePath, type Manifest } from './manifest.ts';
import { readSealed } from './seal.ts';

export const Entry = Point.extend({
  /** Checksum of the manifest that all of this is from. */
  manifest: z.string().regex(/^[0-9a-f]{64}$/),
  fileCount: z.int().min(1),
  /** Name of the artifact in the folder of its chain. Absent: the point is a store. */
  file: relativePath.optional(),
});

export type Entry = Readonly<z.output<typeof Entry>>;

/** @param sha256 the checksum of the manifest, as it was read */
export function entryOf({
  manifest,
  sha256,
}: {
  readonly manifest: Manifest;
  readonly sha256: string;
}): Entry {
  const { files, ...point } = manifest;
  const [first] = files;
  const file = point.layout === 'artifacts' && first !== undefined ? { file: first.path } : {};
  return { ...point, manifest: sha256, fileCount: files.length, ...file };
}

/** Reads the manifest that an entry is from. Undefined: it is gone, or is another one by now. */
export async function readManifest(root: string, entry: Entry): Promise<Manifest | undefined> {
  const read = await readSealed(join(root, placeOf(entry).manifest), manifestSeal);
  return read.kind === 'good' && read.sha256 === entry.manifest ? read.value : undefined;
}
