// How soon a list or a watch follows the one before: at once while all is well, never in a hot loop.
import { backoffMs, type Backoff } from './backoff.ts';

/**
 * How a list or watch ended, as far as the next one's time depends on it.
 *
 * - `listed`: a list, which a watch follows at once.
 * - `closed`: a watch that went on for a while, until the server closed it in good order.
 * - `cut`: a watch that went on for a while and broke.
 * - `brief`: a watch that brought something, and was over at once.
 * - `fruitless`: whatever achieved nothing.
 */
export type Ending = 'listed' | 'closed' | 'cut' | 'brief' | 'fruitless';

/** After 30 s a returning API server has all its watchers back; more would only make changes late. */
const backoff: Backoff = { baseMs: 500, capMs: 30_000 };

/** A failure never waits less, whatever chance says. Milliseconds. */
const leastMs = 100;

/** Between watches of which each brings something and is over at once. Milliseconds, give or take a quarter. */
const walkingMs = 1_000;

/** Decides how long to wait before the next list or watch. */
export class Pace {
  readonly #random: () => number;
  #failures = 0;

  /** @param random in [0, 1). */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** How many lists and watches in a row achieved nothing. A list tells nothing of watches: it does not count. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * @param askedMs what the server asked us to wait, 0 when nothing.
   * @returns milliseconds. Never above the greater of 30 s and a little more than what the server asked.
   */
  waitMs(ending: Ending, askedMs: number): number {
    const ownMs = this.#ownMs(ending);
    return askedMs === 0 ? ownMs : Math.max(ownMs, askedMs + this.#random() * backoff.baseMs);
  }

  #ownMs(ending: Ending): number {
    switch (ending) {
      case 'listed':
        return 0;
      case 'closed':
        this.#failures = 0;
        return 0;
      case 'cut':
        this.#failures = 1;
        return this.#backoffMs();
      case 'brief':
        return this.#briefMs();
      case 'fruitless':
        this.#failures += 1;
        return this.#backoffMs();
    }
  }

  /** One alone is a cut connection; many in a row would be a hot loop that no failure slows down. */
  #briefMs(): number {
    const isFirst = this.#failures === 0;
    this.#failures = 1;
    return isFirst ? this.#backoffMs() : walkingMs * (0.75 + this.#random() / 2);
  }

  #backoffMs(): number {
    return Math.max(leastMs, backoffMs(this.#failures, backoff, this.#random));
  }
}
