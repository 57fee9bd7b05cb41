// catalog.json: what the manifests say without their lists of files, as one file. A cache, for people and for the next run.
import { join } from 'node:path';
import * as z from 'zod';
import { readPoints, type PointRead, type PointsRead } from './catalogue.ts';
import { Entry, entryOf } from './entry.ts';
import { replaceFile, type Files } from './files.ts';
import { partialOf, placeOf, rootFiles } from './layout.ts';
import { formatSealed, readSealed, type Parsed, type Seal } from './seal.ts';

const Body = z.object({
  schemaVersion: z.literal(1),
  points: z.array(Entry).max(100_000),
  damaged: z.array(z.object({ place: z.string().max(1024), why: z.string().max(2048) })).max(100_000),
});

export type CatalogueBody = Readonly<z.output<typeof Body>>;

const seal: Seal<CatalogueBody> = {
  name: 'catalogue',
  version: 1,
  schema: Body,
  mostBytes: 64 * 1_048_576, // some 70,000 points
};

/** @throws the system error of a failed call on the volume */
export function readCatalogue(root: string): Promise<Parsed<CatalogueBody> | { readonly kind: 'absent' }> {
  return readSealed(join(root, rootFiles.catalogue), seal);
}

/**
 * Makes the catalogue anew, from every manifest. Whoever calls it holds the lock. Not where there is nothing of ours, nor
 * where a newer operator was.
 * @param known what was read of all manifests since the lock was had; else they are read
 */
export async function writeCatalogue(files: Files, root: string, known?: PointsRead<Entry>): Promise<void> {
  const before = await readCatalogue(root);
  const read = known ?? (await readPoints(root, entryOf));
  if (before.kind === 'tooNew' || read.kind !== 'ours') return;
  if (read.places.length === 0 && before.kind === 'absent') return;
  const text = formatSealed(seal, catalogueOf(read.places));
  await replaceFile(files, join(root, rootFiles.catalogue), text, join(root, partialOf(rootFiles.catalogue)));
}

/** What the catalogue should say of what was read. */
function catalogueOf(places: readonly PointRead<Entry>[]): CatalogueBody {
  return {
    schemaVersion: 1,
    points: places
      .flatMap((one) => (one.kind === 'good' ? [one.kept] : []))
      .toSorted((a, b) => a.sequence - b.sequence || (placeOf(a).manifest < placeOf(b).manifest ? -1 : 1)),
    damaged: places.flatMap(({ place, ...one }) =>
      one.kind === 'damaged' ? [{ place: place.slice(0, 1024), why: one.why.slice(0, 2048) }] : [],
    ),
  };
}
