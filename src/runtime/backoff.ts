// How long to wait after so many failures.
export interface Backoff {
  /** Upper bound of the first delay. Milliseconds. */
  readonly baseMs: number;
  /** Upper bound of every delay. Milliseconds. */
  readonly capMs: number;
}

/**
 * How long to wait before the next attempt: anything from 0 to a bound that doubles per attempt ("full jitter"), so
 * that many who failed together do not come back together.
 *
 * @param attempt how many attempts failed in a row; 1 after the first failure.
 * @param random in [0, 1).
 * @returns milliseconds, never above `capMs`.
 */
export function backoffMs(attempt: number, { baseMs, capMs }: Backoff, random: () => number): number {
  const doublings = Math.min(Math.max(attempt, 1) - 1, 52);
  return random() * Math.min(capMs, baseMs * 2 ** doublings);
}
