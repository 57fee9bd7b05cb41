// The part of a destination that the next run goes on from, without reading every manifest of years.
import { readCatalogue } from './catalogue-file.ts';
import {
  destinationOf,
  listPlaces,
  pointsOfRun,
  readDestination,
  readPlaces,
  tipOf,
  type Destination,
  type Listed,
  type PointsRead,
} from './catalogue.ts';
import { entryOf, readManifest, type Entry } from './entry.ts';
import { placeOf } from './layout.ts';
import type { Manifest, Point } from './manifest.ts';
import { inParallel } from './parallel.ts';

const atOnce = 16;

/** How often a destination is looked at anew that was changed just then: whoever changes it publishes, or applies retention. */
const mostLooks = 3;

/**
 * Reads what a run needs of a destination: as {@link readDestination}, but of the points only those of {@link newestOf}, and
 * these whole.
 *
 * Guarantees: each manifest that it gives was read just now. What the catalogue says decides only which ones they are, and
 * counts for a point only as long as its folder is there; where it turns out to be wrong of one, all are read.
 * @param known what {@link readKnown} has said just now
 * @throws the system error of a failed call on the volume
 */
export async function readNewest(
  root: string,
  run: string,
  uid: string,
  known?: Destination,
): Promise<Destination<Manifest>> {
  const told = known ?? (await readKnown(root));
  const found = await newestIn(root, told, run, uid);
  if (found !== undefined) return found;
  const anew = await readNewestAnew(root, run, uid);
  // Of a point whose manifest cannot be read for a while the catalogue still knows the number: it must not be given again.
  return anew.kind === 'ours' && told.kind === 'ours'
    ? { ...anew, newestSequence: Math.max(anew.newestSequence, told.newestSequence) }
    : anew;
}

/** The same, where not even which points matter is left to the catalogue. */
export async function readNewestAnew(root: string, run: string, uid: string): Promise<Destination<Manifest>> {
  for (let look = 0; look < mostLooks; look += 1) {
    const found = await newestIn(root, await readDestination(root), run, uid);
    if (found !== undefined) return found;
  }
  throw new Error('the destination changes whenever it is read');
}

/** Undefined: a point is not what it was said to be. */
async function newestIn(
  root: string,
  destination: Destination,
  run: string,
  uid: string,
): Promise<Destination<Manifest> | undefined> {
  if (destination.kind !== 'ours') return destination;
  const wanted = newestOf(destination.points, run, uid);
  const read = await inParallel(wanted, atOnce, (entry) => readManifest(root, entry));
  const points = read.filter((one) => one !== undefined);
  if (points.length < wanted.length) return undefined;
  return { ...destination, points: points.toSorted((a, b) => a.sequence - b.sequence) };
}

/** What the catalogue says of all that is there; what it does not know of is read. Nothing may be proven by it. */
export async function readKnown(root: string): Promise<Destination> {
  return destinationOf(await survey(root));
}

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
 * The points that matter to a run: those that it has published itself, and of each database the tip, what that one has to be
 * held against (its parent; all of its chain, where that is artifacts), and the one with the highest sequence.
 */
export function newestOf<T extends Point>(points: readonly T[], run: string, uid: string): readonly T[] {
  const wanted = new Set(pointsOfRun(points, run, uid));
  for (const ours of Map.groupBy(points, ({ database }) => database).values()) {
    const tip = tipOf(ours);
    const newest = ours.reduce((a, b) => (b.sequence > a.sequence ? b : a));
    const parent = ours.find(({ point }) => point === tip?.parent);
    for (const point of [tip, parent, newest]) if (point !== undefined) wanted.add(point);
    // A store needs no other point; an artifact those before it.
    const chained = tip?.layout === 'artifacts' ? ours.filter(({ chain }) => chain === tip.chain) : [];
    for (const point of chained) wanted.add(point);
  }
  return [...wanted];
}
