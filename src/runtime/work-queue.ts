// Which key is worked on next: each by one worker at a time, fair between namespaces, later after failures.
import { formatKey, type ObjectKey } from '../kube/resource.ts';
import { Agenda } from './agenda.ts';
import { backoffMs, type Backoff } from './backoff.ts';
import type { Clock } from './clock.ts';
import { Turns } from './turns.ts';

export interface WorkQueueOptions {
  readonly clock: Pick<Clock, 'after' | 'monotonicMs'>;
  readonly backoff: Backoff;
  /** In [0, 1). */
  readonly random: () => number;
}

/** A key that is worked on. Whoever took it has to call `done` or `retry`. */
export interface Taken {
  readonly key: ObjectKey;
  /** For how long it was ready. Milliseconds. */
  readonly waitedMs: number;
}

type Taker = (taken: Taken | undefined) => void;

/**
 * Keys that wait for a pass. A key is in one state at a time:
 *
 *     add ──> ready ──take──> taken ──done, retry──> (gone, or delayed, or ready again when added meanwhile)
 *               ^                                            │
 *               └───────────add, or its time comes───────────┘
 *
 * Guarantees: no key is taken by two at once; a key that was added after it was taken is taken once more, after that.
 * Each namespace that has ready keys has its turn; how a key became ready (a change, a retry, its time) makes no
 * difference, for a retry is no less, and no more, urgent than a change.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #states = new Map<string, 'ready' | 'taken' | 'takenAndAdded'>();
  readonly #ready = new Turns();
  readonly #delayed: Agenda;
  readonly #failures = new Map<string, number>();
  readonly #takers: Taker[] = [];
  #isClosed = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#delayed = new Agenda(options.clock, (key) => this.add(key));
  }

  /** How many keys are ready and not taken. */
  get depth(): number {
    return this.#isClosed ? 0 : this.#ready.size;
  }

  /** How many keys wait for their time. */
  get delayed(): number {
    return this.#delayed.size;
  }

  /** Asks for a pass as soon as possible. Nothing happens after `close`. */
  add(key: ObjectKey): void {
    const id = formatKey(key);
    const state = this.#states.get(id);
    if (state === 'taken') this.#states.set(id, 'takenAndAdded');
    if (state !== undefined || this.#isClosed) return;
    this.#delayed.delete(key);
    this.#states.set(id, 'ready');
    this.#ready.push({ key, sinceMs: this.#options.clock.monotonicMs() });
    this.#takers.shift()?.(this.#takeReady());
  }

  /** The next key, as soon as there is one. @returns undefined once the queue is closed. */
  take(): Promise<Taken | undefined> {
    const taken = this.#takeReady();
    if (taken !== undefined || this.#isClosed) return Promise.resolve(taken);
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  /** The pass over a taken key went well. It is ready again after so many milliseconds, if any are given. */
  done(key: ObjectKey, delayMs?: number): void {
    this.#failures.delete(formatKey(key));
    this.#release(key, delayMs);
  }

  /**
   * The pass over a taken key failed. It is ready again after a while, which grows with every failure in a row.
   *
   * @param leastMs what the server asked us to wait.
   * @returns how long it waits, unless it is added before. Milliseconds.
   */
  retry(key: ObjectKey, leastMs = 0): number {
    const id = formatKey(key);
    const failures = (this.#failures.get(id) ?? 0) + 1;
    this.#failures.set(id, failures);
    const delayMs = leastMs + backoffMs(failures, this.#options.backoff, this.#options.random);
    this.#release(key, delayMs);
    return delayMs;
  }

  /** Forgets everything that waits, hands nothing out any more and lets takers go home. */
  close(): void {
    this.#isClosed = true;
    this.#delayed.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }

  #release(key: ObjectKey, delayMs: number | undefined): void {
    const id = formatKey(key);
    const isWanted = this.#states.get(id) === 'takenAndAdded';
    this.#states.delete(id);
    if (isWanted) this.add(key);
    else if (delayMs !== undefined && !this.#isClosed) this.#delayed.set(key, delayMs);
  }

  #takeReady(): Taken | undefined {
    const ready = this.#isClosed ? undefined : this.#ready.take();
    if (ready === undefined) return undefined;
    this.#states.set(formatKey(ready.key), 'taken');
    return { key: ready.key, waitedMs: this.#options.clock.monotonicMs() - ready.sinceMs };
  }
}
