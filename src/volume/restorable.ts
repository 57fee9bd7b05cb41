// Which points can be restored from what is there. A second opinion that knows nothing of any policy: what removes points
// asks it before it does, and the tests ask it after.
import type { Point } from './manifest.ts';

/**
 * The points of which all is there that a restore reads: of a store its own files, of an artifact also those of each one
 * before it, back to the full one.
 * @param isWhole whether all files of a point itself are there, and are what was written
 */
export function restorable<T extends Point>(
  points: readonly T[],
  isWhole: (point: T) => boolean,
): readonly T[] {
  const parentOf = parents(points);
  const canRestore = (point: T): boolean => {
    if (!isWhole(point)) return false;
    if (point.layout === 'store' || point.type === 'Full') return true;
    const parent = parentOf(point);
    return parent !== undefined && parent.sequence < point.sequence && canRestore(parent);
  };
  return points.filter(canRestore);
}

/** The points that nothing speaks against: consistent, or not checked and made from none that is inconsistent. */
export function consistentOnes<T extends Point>(points: readonly T[]): readonly T[] {
  const parentOf = parents(points);
  const isConsistent = (point: T): boolean => {
    if (point.consistent !== undefined) return point.consistent;
    const parent = parentOf(point);
    return parent === undefined || parent.sequence >= point.sequence || isConsistent(parent);
  };
  return points.filter(isConsistent);
}

function parents<T extends Point>(points: readonly T[]): (point: T) => T | undefined {
  const byDatabase = Map.groupBy(points, ({ database }) => database);
  const named = new Map(
    [...byDatabase].map(([database, those]) => [database, new Map(those.map((one) => [one.point, one]))]),
  );
  return ({ database, chain, parent }) => {
    const found = parent === undefined ? undefined : named.get(database)?.get(parent);
    return found?.chain === chain ? found : undefined;
  };
}
