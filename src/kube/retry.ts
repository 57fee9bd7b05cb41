import { isKubeError } from './errors.ts';

export interface RetryLimits {
  /** How often a call is tried in all. */
  readonly attempts: number;
  /** Bound of the first delay where the server names none; it doubles per attempt. Milliseconds. */
  readonly baseMs: number;
  /** A server that asks for a longer wait than this gets it from our caller, who need not stand still. Milliseconds. */
  readonly maxWaitMs: number;
}

export interface FailedAttempt {
  readonly error: unknown;
  /** 1 for the first. */
  readonly attempt: number;
  /** A read can be repeated whatever happened; a write only when the server said that it did nothing and when to come. */
  readonly reads: boolean;
}

/**
 * How long to wait before a failed call is tried again.
 *
 * The server's Retry-After is honoured and stretched by up to a quarter, so that callers who were turned away together
 * come back apart.
 *
 * @param random in [0, 1).
 * @returns milliseconds, or undefined when the failure belongs to the caller.
 */
export function retryDelayMs(
  failed: FailedAttempt,
  limits: RetryLimits,
  random: () => number,
): number | undefined {
  const { error, attempt, reads } = failed;
  if (attempt >= limits.attempts || !isKubeError(error, 'tooManyRequests', 'unavailable')) return undefined;
  if (error.retryAfterMs !== undefined && isTurnedAway(error.status)) {
    return error.retryAfterMs > limits.maxWaitMs ? undefined : error.retryAfterMs * (1 + random() / 4);
  }
  return reads ? random() * Math.min(limits.maxWaitMs, limits.baseMs * 2 ** (attempt - 1)) : undefined;
}

function isTurnedAway(status: number | undefined): boolean {
  return status === 429 || status === 503;
}
