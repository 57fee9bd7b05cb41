// Chance that can be had again: a failing campaign prints its seed, and `SEED=` plays the same plans.

export const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/** Numbers below 1, the same ones for the same seed (mulberry32). */
export function draw(from: number): () => number {
  let state = from >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * As many of the plans as `PLANS=` says, or else as a minute has room for, by lot; all of them when there are no more.
 * @param first what is played before anything else
 */
export function chosen<T>(
  plans: readonly T[],
  usually: number,
  random: () => number,
  first: (plan: T) => boolean = () => false,
): readonly T[] {
  const count = Number(process.env['PLANS'] ?? usually);
  return plans
    .map((plan) => ({ plan, lot: random() - Number(first(plan)) }))
    .toSorted((a, b) => a.lot - b.lot)
    .slice(0, count)
    .map(({ plan }) => plan);
}
