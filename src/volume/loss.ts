// What damage takes away: the damaged points, and those that rest on them. Pure.
import { proveChains } from './chain.ts';
import type { Point } from './manifest.ts';

/** A point that can no longer be restored. */
export interface Loss {
  readonly database: string;
  readonly point: string;
  /** The point at fault: this one, or one that it rests on. */
  readonly at: string;
  /** The file of that one which is to blame. Absent: it is all there, and does not continue what it should. */
  readonly file?: string;
  readonly why: string;
}

interface Damaged {
  readonly file: string;
  readonly why: string;
}

/** A point of which not even the manifest can be read. */
export interface Unreadable extends Damaged {
  readonly database: string;
  readonly point: string;
}

/**
 * All that is lost, by sequence, what cannot be read first.
 * @param damaged by point: the file of it that is not what was written
 */
export function lossesOf(
  points: readonly Point[],
  damaged: ReadonlyMap<Point, Damaged>,
  unreadable: readonly Unreadable[],
): readonly Loss[] {
  const lost = new Map<string, Loss>();
  for (const one of unreadable) lost.set(`${one.database}/${one.point}`, { ...one, at: one.point });
  const broken = new Map(proveChains(points).broken.map((one) => [one.point, one]));
  for (const point of points.toSorted((a, b) => a.sequence - b.sequence)) {
    const loss = lossOf(point, { damaged, broken, lost });
    if (loss !== undefined) lost.set(`${point.database}/${point.point}`, loss);
  }
  return [...lost.values()];
}

interface Known {
  readonly damaged: ReadonlyMap<Point, Damaged>;
  readonly broken: ReadonlyMap<Point, { readonly why: string; readonly at: string }>;
  /** Of those before it. */
  readonly lost: ReadonlyMap<string, Loss>;
}

function lossOf(point: Point, { damaged, broken, lost }: Known): Loss | undefined {
  const own = damaged.get(point);
  const { database, point: name, layout, parent } = point;
  if (own !== undefined) return { database, point: name, at: name, file: own.file, why: own.why };
  const below =
    layout === 'artifacts' && parent !== undefined ? lost.get(`${database}/${parent}`) : undefined;
  if (below !== undefined) return { ...below, database, point: name };
  const fault = broken.get(point);
  return fault === undefined ? undefined : { database, point: name, at: fault.at, why: fault.why };
}
