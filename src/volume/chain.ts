// Whether each restore point is proven: what it was taken on top of is there, is of the same store, and ends where it begins. Pure.
import { chainFolder } from './layout.ts';
import type { Manifest } from './manifest.ts';

/** What a point says of its place in a chain. Of generation C it is what the artifact said when it was read. */
export type Link = Pick<
  Manifest,
  | 'database'
  | 'chain'
  | 'point'
  | 'parent'
  | 'sequence'
  | 'type'
  | 'layout'
  | 'storeID'
  | 'artifact'
  | 'firstTransactionID'
  | 'lastTransactionID'
>;

interface Broken<T extends Link> {
  readonly point: T;
  readonly why: string;
  /** The point whose own link is at fault: this one, or one that it rests on. */
  readonly at: string;
}

export interface Proof<T extends Link> {
  /** By sequence. */
  readonly intact: readonly T[];
  readonly broken: readonly Broken<T>[];
}

/**
 * Proves the points of a destination, or of one database, link by link.
 *
 * An artifact rests on all before it, down to the full one: each must be there, and be proven itself. A store is complete, so
 * its parent may be gone, as retention has it, or be broken; what is there must agree with it all the same.
 */
export function proveChains<T extends Link>(points: readonly T[]): Proof<T> {
  const intact: T[] = [];
  const broken = new Map<string, Broken<T>>();
  const links = new Map(points.map((point) => [keyOf(point), point]));
  const taken = new Map<string, T>();
  for (const point of points.toSorted((a, b) => a.sequence - b.sequence)) {
    const fault = faultOf(point, { links, broken, taken });
    if (fault !== undefined) {
      broken.set(keyOf(point), { point, ...fault });
      continue;
    }
    intact.push(point);
    taken.set(startOf(point), point);
  }
  return { intact, broken: [...broken.values()] };
}

interface Known<T extends Link> {
  readonly links: ReadonlyMap<string, T>;
  /** Of those that came before. */
  readonly broken: ReadonlyMap<string, Broken<T>>;
  /** The intact ones that came before, by where they go on from. */
  readonly taken: ReadonlyMap<string, T>;
}

function keyOf({ database, point }: Link): string {
  return `${database}/${point}`;
}

function startOf({ database, chain, parent = '' }: Link): string {
  return `${database}/${chain}/${parent}`;
}

function faultOf<T extends Link>(
  point: T,
  { links, broken, taken }: Known<T>,
): Omit<Broken<T>, 'point'> | undefined {
  const parentKey = `${point.database}/${point.parent ?? ''}`;
  const parent = links.get(parentKey);
  const rests = point.layout === 'artifacts';
  const below = rests ? broken.get(parentKey) : undefined;
  if (below !== undefined) return { why: `it rests on ${below.at}, which is broken`, at: below.at };
  const rival = rests ? taken.get(startOf(point)) : undefined;
  const why =
    misnamed(point, parent) ??
    (parent === undefined ? undefined : disagreement(point, parent)) ??
    // In the folder of a chain a restore would not know which of the two to take.
    (rival === undefined ? undefined : `${rival.point} stands in its place of the chain`);
  return why === undefined ? undefined : { why, at: point.point };
}

/** What is wrong with the parent that a point names, before anything is asked of that one. */
function misnamed({ type, layout, parent: name }: Link, parent: Link | undefined): string | undefined {
  if (type === 'Full') return name === undefined ? undefined : 'it is a full backup, and names a parent';
  if (name === undefined) return 'it is an increment, and names no parent';
  return layout === 'artifacts' && parent === undefined
    ? `${name}, which it goes on from, is not there`
    : undefined;
}

/** What keeps a point from being the next one after another. */
function disagreement(point: Link, parent: Link): string | undefined {
  if (parent.chain !== point.chain || parent.layout !== point.layout)
    return `${parent.point}, which it goes on from, is of another chain`;
  if (parent.storeID !== point.storeID || isOtherStore(point, parent))
    return `${parent.point}, which it goes on from, is of another store`;
  if (parent.sequence >= point.sequence)
    return `${parent.point}, which it goes on from, was not published before it`;
  return transactionGap(point, parent);
}

/** Artifacts tell of two identities: of the database, which a manifest calls its store, and of the store in it. */
export function isOtherStore(
  { artifact: one }: Pick<Link, 'artifact'>,
  { artifact: other }: Pick<Link, 'artifact'>,
): boolean {
  return one !== undefined && other !== undefined && one.storeID !== other.storeID;
}

function transactionGap(point: Link, parent: Link): string | undefined {
  const [last, before] = [BigInt(point.lastTransactionID), BigInt(parent.lastTransactionID)];
  if (last < before) return `it ends with transaction ${last}, and ${parent.point} with ${before}`;
  // A store is whole without saying where its increment began.
  const isUntold = point.firstTransactionID === undefined && (last === before || point.layout === 'store');
  if (isUntold) return undefined;
  const first = BigInt(point.firstTransactionID ?? last);
  if (point.firstTransactionID === undefined || first > before + 1n)
    return `it begins with transaction ${first}, and ${parent.point} ends with ${before}`;
  return undefined;
}

/**
 * Whether something in the folder of an artifact's chain is damaged, by what a destination calls damaged. A proven tip of such
 * a chain is only what is left of it: an increment on top of that would begin where another one does.
 */
export function hasDamage(
  { layout, database, chain }: Pick<Link, 'layout' | 'database' | 'chain'>,
  damaged: readonly string[],
): boolean {
  const folder = `${chainFolder(database, chain)}/`;
  return layout === 'artifacts' && damaged.some((place) => place.startsWith(folder));
}
