// Many small waits at once: a volume behind a network answers each of them late, and all of them together soon.

/**
 * Works on all items, so many at a time, and gives the results in the order of the items.
 * @throws what the first work to fail threw, once no other one is under way
 */
export async function inParallel<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  const left = items.entries();
  let failed = false;
  const lane = async (): Promise<void> => {
    for (const [index, item] of left) {
      if (failed) return;
      try {
        results[index] = await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: atOnce }, lane));
  const rejected = lanes.find((one) => one.status === 'rejected');
  if (rejected !== undefined) throw rejected.reason;
  return results;
}
