// What the name of a restore point tells: of which run it is, and when that began. Pure.
import { createHash } from 'node:crypto';

/**
 * The end of a point's name: the same for every attempt of a run. Databases of one run have points of their own; the one
 * database of a server before 4.0 has no name that would count.
 */
export function pointMark(run: string, database?: string): string {
  const cause = database === undefined ? run : `${run}\0${database}`;
  return createHash('sha256').update(cause).digest('hex').slice(0, 8);
}

/** As many as there is room for, in the order that they are in: of what is damaged the newest ones matter. Names sort by time. */
export function newestPoints<T extends { readonly point: string }>(
  points: readonly T[],
  most: number,
): readonly T[] {
  if (points.length <= most) return points;
  const newest = new Set(points.toSorted((a, b) => b.point.localeCompare(a.point)).slice(0, most));
  return points.filter((one) => newest.has(one));
}
