import { formatKey, type ObjectKey } from '../kube/resource.ts';
import { backoffMs, type Backoff } from './backoff.ts';
import type { Clock } from './clock.ts';

export interface WorkQueueOptions {
  readonly clock: Pick<Clock, 'after' | 'monotonicMs'>;
  readonly backoff: Backoff;
  /** In [0, 1). */
  readonly random: () => number;
}

interface Delayed {
  readonly dueMs: number;
  readonly cancel: () => void;
}

/**
 * Keys that wait for a pass.
 *
 *     add ──> ready ──take──> taken ──done──> (gone, or ready again when added meanwhile)
 *     addAfter, retry ──> delayed ──time──> add
 *
 * Guarantees: a key is ready at most once, and taken by one taker at a time; what is added while its key is taken is
 * handed out again after `done`; of two delays of one key the earlier counts. First added, first taken.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  /** In the order of taking. */
  readonly #ready = new Map<string, ObjectKey>();
  readonly #taken = new Map<string, ObjectKey>();
  /** Added while taken. */
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, Delayed>();
  readonly #failures = new Map<string, number>();
  readonly #takers: ((key: ObjectKey | undefined) => void)[] = [];
  #isClosed = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** How many keys are ready and not taken. */
  get depth(): number {
    return this.#ready.size;
  }

  /** How many keys wait for their time. */
  get delayed(): number {
    return this.#delayed.size;
  }

  /** Asks for a pass as soon as possible. Nothing happens after `close`. */
  add(key: ObjectKey): void {
    if (this.#isClosed) return;
    const id = formatKey(key);
    if (this.#taken.has(id)) {
      this.#again.add(id);
      return;
    }
    this.#ready.set(id, key);
    if (this.#takers.length > 0) this.#takers.shift()?.(this.#takeReady());
  }

  /** Asks for a pass in so many milliseconds, unless one that is due earlier is already waited for. */
  addAfter(key: ObjectKey, delayMs: number): void {
    if (this.#isClosed) return;
    const { clock } = this.#options;
    const id = formatKey(key);
    const dueMs = clock.monotonicMs() + Math.max(0, delayMs);
    const waiting = this.#delayed.get(id);
    if (waiting !== undefined && waiting.dueMs <= dueMs) return;
    waiting?.cancel();
    const cancel = clock.after(Math.max(0, delayMs), () => {
      this.#delayed.delete(id);
      this.add(key);
    });
    this.#delayed.set(id, { dueMs, cancel });
  }

  /**
   * Asks for another pass after one that failed; the delay grows with every failure in a row.
   *
   * @param leastMs what the server asked us to wait.
   * @returns the delay in milliseconds.
   */
  retry(key: ObjectKey, leastMs = 0): number {
    const id = formatKey(key);
    const failures = (this.#failures.get(id) ?? 0) + 1;
    this.#failures.set(id, failures);
    const delayMs = leastMs + backoffMs(failures, this.#options.backoff, this.#options.random);
    this.addAfter(key, delayMs);
    return delayMs;
  }

  /** The last pass over the key was no failure: the next `retry` starts with the shortest delay. */
  forget(key: ObjectKey): void {
    this.#failures.delete(formatKey(key));
  }

  /** The next key, as soon as there is one. Its taker has to call `done`. @returns undefined once the queue is closed. */
  take(): Promise<ObjectKey | undefined> {
    if (this.#isClosed || this.#ready.size > 0) return Promise.resolve(this.#takeReady());
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  /** The pass over a taken key has ended. */
  done(key: ObjectKey): void {
    const id = formatKey(key);
    this.#taken.delete(id);
    if (this.#again.delete(id)) this.add(key);
  }

  /** Forgets everything that waits and takes nothing more; keys that are taken stay so until they are done. */
  close(): void {
    this.#isClosed = true;
    this.#ready.clear();
    this.#failures.clear();
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#delayed.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }

  #takeReady(): ObjectKey | undefined {
    for (const [id, key] of this.#ready) {
      this.#ready.delete(id);
      this.#taken.set(id, key);
      return key;
    }
    return undefined;
  }
}
