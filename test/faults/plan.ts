// What goes wrong in one telling of a story: one thing, at one point that is counted from its beginning.
import type { EventFate } from './operator-process.ts';

export type Plan =
  | { readonly kind: 'calm' }
  /** The process dies around its nth write, and is started anew. */
  | { readonly kind: 'crash'; readonly write: number; readonly when: 'before' | 'applied' | 'answered' }
  /** The answer to the nth write takes its time, and what happens next in the story happens meanwhile. */
  | { readonly kind: 'rush'; readonly write: number }
  /** The nth request fails, or nobody answers it. */
  | { readonly kind: 'request'; readonly request: number; readonly how: keyof typeof refusals | 'hangs' }
  /** The nth event of all watches goes another way. */
  | { readonly kind: 'event'; readonly event: number; readonly fate: Exclude<EventFate, 'goes'> }
  /** At the nth act the process is started anew, and its caches are filled from an older version. */
  | { readonly kind: 'stale'; readonly act: number; readonly version: number }
  /** At the nth act all watches break, and the versions that they had come to are forgotten. */
  | { readonly kind: 'expired'; readonly act: number }
  /** Two operators work at once; nobody elects. */
  | { readonly kind: 'pair' }
  /** The same, and the nth write of one of them arrives late, when the other has long gone on. */
  | { readonly kind: 'lateWrite'; readonly write: number };

/** How a request may fail. `lost` was done, and its answer did not arrive. */
export const refusals = {
  unavailable: { kind: 'unavailable', applied: false },
  tooManyRequests: { kind: 'tooManyRequests', applied: false },
  lost: { kind: 'unavailable', applied: true },
} as const;

/** A sequence in [0, 1) that a seed decides. */
export function chance(seed: number): () => number {
  let state = seed;
  return () => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** So many faults out of all that a story has room for. */
export function someFaults(plans: readonly Plan[], count: number, random: () => number): readonly Plan[] {
  return Array.from({ length: count }, () => plans[Math.floor(random() * plans.length)]).filter(
    (plan) => plan !== undefined,
  );
}

/** What a calm telling of a story holds, and may be made to go wrong. */
export interface Extent {
  readonly acts: number;
  readonly writes: number;
  readonly requests: number;
  readonly events: number;
  /** By act: versions at which caches changed, up to the end of the act before. */
  readonly versions: readonly (readonly number[])[];
}

/** Every plan with one fault that a story of this extent has room for. */
export function allPlans({ acts, writes, requests, events, versions }: Extent): readonly Plan[] {
  const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i + 1);
  return [
    { kind: 'calm' },
    { kind: 'pair' },
    ...upTo(writes).flatMap((write) => [
      ...(['before', 'applied', 'answered'] as const).map(
        (when) => ({ kind: 'crash', write, when }) as const,
      ),
      { kind: 'lateWrite', write } as const,
      { kind: 'rush', write } as const,
    ]),
    ...upTo(requests).flatMap((request) =>
      (['unavailable', 'tooManyRequests', 'lost', 'hangs'] as const).map(
        (how) => ({ kind: 'request', request, how }) as const,
      ),
    ),
    ...upTo(events).flatMap((event) =>
      (['isLost', 'comesTwice', 'isLate'] as const).map((fate) => ({ kind: 'event', event, fate }) as const),
    ),
    ...upTo(acts).flatMap((act) => [
      { kind: 'expired', act } as const,
      ...(versions[act - 1] ?? []).map((version) => ({ kind: 'stale', act, version }) as const),
    ]),
  ];
}
