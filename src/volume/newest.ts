// The part of a destination that the next run goes on from, without reading every manifest of years.
import { join } from 'node:path';
import { readCatalogue, entryOf, type Entry } from './catalogue-file.ts';
import {
  listPlaces,
  nameOf,
  pointsOfRun,
  readDestination,
  readPlaces,
  tipOf,
  type Destination,
  type Listed,
  type PointsRead,
} from './catalogue.ts';
import { placeOf } from './layout.ts';
import { manifestSeal, type Manifest, type Point } from './manifest.ts';
import { inParallel } from './parallel.ts';
import { readSealed } from './seal.ts';

const atOnce = 16;

/**
 * Reads what a run needs of a destination: as {@link readDestination}, but of the points only those of {@link newestOf}.
 *
 * Guarantees: each manifest that it gives was read just now. What the catalogue says decides only which ones they are, and
 * counts for a point only as long as its folder is there; where it turns out to be wrong of one, all are read.
 */
export async function readNewest(root: string, run: string, uid: string): Promise<Destination> {
  const surveyed = await survey(root);
  if (surveyed.kind !== 'ours') return surveyed;
  const entries = surveyed.places.flatMap((one) => (one.kind === 'good' ? [one.kept] : []));
  const damaged = surveyed.places.flatMap((one) => (one.kind === 'damaged' ? [nameOf(one.place)] : []));
  if (entries.length === 0 && damaged.length === 0) return { kind: 'blank' };

  const wanted = newestOf(entries, run, uid);
  const read = await inParallel(wanted, atOnce, (entry) => manifestOf(root, entry));
  const points = read.filter((one) => one !== undefined);
  if (points.length < wanted.length) return readDestination(root);
  return { kind: 'ours', points: points.toSorted((a, b) => a.sequence - b.sequence), damaged };
}

/** What the catalogue says of all that is there; what it does not know of is read. */
async function survey(root: string): Promise<PointsRead<Entry>> {
  const catalogue = await readCatalogue(root);
  if (catalogue.kind === 'tooNew') return catalogue;
  const listed = await listPlaces(root);
  if (listed.kind !== 'ours') return listed;
  const known = new Map<string, Entry>();
  if (catalogue.kind === 'good')
    for (const entry of catalogue.value.points) known.set(placeOf(entry).manifest, entry);

  const isKnown = ({ place, isOurs }: Listed['places'][number]): boolean =>
    isOurs && known.has(place) && listed.marks.get(place)?.damaged === undefined;
  const unknown = listed.places.filter((one) => !isKnown(one));
  const read = await readPlaces(root, { ...listed, places: unknown }, entryOf);
  if (read.kind !== 'ours') return read;
  const cached = listed.places.filter(isKnown).flatMap(({ place }) => {
    const kept = known.get(place);
    return kept === undefined ? [] : [{ place, kind: 'good', kept } as const];
  });
  return { kind: 'ours', places: [...cached, ...read.places] };
}

/**
 * The points that matter to a run: those that it has published itself, and of each database the tip with all of its chain,
 * and the one with the highest sequence.
 */
export function newestOf<T extends Point>(points: readonly T[], run: string, uid: string): readonly T[] {
  const wanted = new Set(pointsOfRun(points, run, uid));
  for (const ours of Map.groupBy(points, ({ database }) => database).values()) {
    const tip = tipOf(ours);
    const newest = ours.reduce((a, b) => (b.sequence > a.sequence ? b : a));
    for (const point of [tip, newest]) if (point !== undefined) wanted.add(point);
    // A store needs no other point; an artifact those before it.
    const chained = tip?.layout === 'artifacts' ? ours.filter(({ chain }) => chain === tip.chain) : [];
    for (const point of chained) wanted.add(point);
  }
  return [...wanted];
}

/** Undefined: it is not what the catalogue says. */
async function manifestOf(root: string, entry: Entry): Promise<Manifest | undefined> {
  const read = await readSealed(join(root, placeOf(entry).manifest), manifestSeal);
  return read.kind === 'good' && read.sha256 === entry.manifest ? read.value : undefined;
}
