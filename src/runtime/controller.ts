import { askedWaitMs } from '../kube/errors.ts';
import { formatKey, type ObjectKey } from '../kube/resource.ts';
import type { Backoff } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import type { RuntimeMetrics } from './metrics.ts';
import { TerminalError, type Next } from './next.ts';
import { WorkQueue } from './work-queue.ts';

/** What a controller waits for before its first pass. A Reflector is one. */
interface Synced {
  whenSynced(signal: AbortSignal): Promise<void>;
}

export interface ControllerOptions {
  readonly name: string;
  /** No pass starts before all of them have listed once. */
  readonly reflectors: readonly Synced[];
  /**
   * One pass over one key. The signal aborts at the pass's deadline, and when the process has to go.
   * Throw TerminalError for what must not be retried; everything else thrown is retried with back-off.
   */
  readonly reconcile: (key: ObjectKey, signal: AbortSignal) => Promise<Next>;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  readonly metrics?: RuntimeMetrics | undefined;
  /** How many keys are worked on at once. Default 4. */
  readonly workers?: number | undefined;
  /** Deadline of one pass. Milliseconds, default 60 s. */
  readonly passMs?: number | undefined;
  /** How long passes under way may go on after a stop before their signal aborts. Milliseconds, default 5 s. */
  readonly graceMs?: number | undefined;
  /** Default: 1 s doubling up to 10 min. */
  readonly backoff?: Backoff | undefined;
}

const defaultWorkers = 4;
const defaultPassMs = 60_000;
const defaultGraceMs = 5_000;

/** At the cap a permanent failure costs a pass per 5 min on average. */
const defaultBackoff: Backoff = { baseMs: 1_000, capMs: 600_000 };

/** How long a pass may take to end after its signal has aborted, before its worker goes on without it. */
const letGoMs = 1_000;

/**
 * Runs `reconcile` for every key that was enqueued: at most one pass per key at a time, a pass after the last change,
 * and another one after a failure.
 *
 * A pass that ignores its aborted signal loses its worker, not its key: no second pass over that key starts beside it.
 */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #queue: WorkQueue;
  /** Aborts when the grace time after a stop is over. */
  readonly #ending = new AbortController();
  /** When each pass under way began, by key. Monotonic milliseconds. */
  readonly #startedMs = new Map<string, number>();

  constructor(options: ControllerOptions) {
    const { clock, random, backoff = defaultBackoff } = options;
    this.#options = options;
    this.#queue = new WorkQueue({ clock, random, backoff });
  }

  /** Asks for a pass over the key, now or after so many milliseconds. From any handler, at any time. */
  enqueue(key: ObjectKey, delayMs = 0): void {
    if (delayMs > 0) this.#queue.addAfter(key, delayMs);
    else this.#queue.add(key);
  }

  get name(): string {
    return this.#options.name;
  }

  /** How many keys wait for a worker. */
  get depth(): number {
    return this.#queue.depth;
  }

  /** How many keys wait for their time: to be looked at again, or retried. */
  get delayed(): number {
    return this.#queue.delayed;
  }

  /** How many passes are under way, those included that outlived their deadline and their worker. */
  get underWay(): number {
    return this.#startedMs.size;
  }

  /** Age of the oldest pass under way, 0 when there is none. Beyond the deadline it means a pass that hangs. Milliseconds. */
  oldestPassMs(): number {
    const oldest = Math.min(...this.#startedMs.values());
    return oldest === Infinity ? 0 : this.#options.clock.monotonicMs() - oldest;
  }

  /**
   * Works until the signal aborts, takes no further keys, and resolves when the passes under way have ended; those that
   * take longer than the grace time see their own signal abort, and are left behind when they ignore it. Never rejects.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, reflectors, workers = defaultWorkers, graceMs = defaultGraceMs } = this.#options;
    try {
      await Promise.all(reflectors.map((reflector) => reflector.whenSynced(signal)));
    } catch {
      // Stopped before it began.
      this.#queue.close();
      return;
    }
    let cancelGrace: (() => void) | undefined;
    const stop = (): void => {
      this.#queue.close();
      cancelGrace = clock.after(graceMs, () => this.#ending.abort(new Error('the process is stopping')));
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    await Promise.all(Array.from({ length: workers }, () => this.#work()));
    cancelGrace?.();
  }

  async #work(): Promise<void> {
    for (let key = await this.#queue.take(); key !== undefined; key = await this.#queue.take()) {
      await this.#pass(key);
    }
  }

  /** One pass, from taken to done. Resolves when the worker is free again. */
  async #pass(key: ObjectKey): Promise<void> {
    const { clock, passMs = defaultPassMs } = this.#options;
    const pass = new AbortController();
    const letGo = Promise.withResolvers<void>();
    const abort = (reason: unknown): void => {
      pass.abort(reason);
      cancel();
      cancel = clock.after(letGoMs, letGo.resolve);
    };
    const end = (): void => abort(this.#ending.signal.reason);
    let cancel = clock.after(passMs, () => abort(new Error(`the pass took longer than ${passMs / 1000} s`)));
    this.#ending.signal.addEventListener('abort', end, { once: true });

    const settled = this.#reconcile(key, pass.signal).finally(() => {
      cancel();
      this.#ending.signal.removeEventListener('abort', end);
    });
    await Promise.race([settled, letGo.promise]);
  }

  async #reconcile(key: ObjectKey, signal: AbortSignal): Promise<void> {
    const { clock, name, log } = this.#options;
    const startMs = clock.monotonicMs();
    const fields = { controller: name, namespace: key.namespace, name: key.name };
    this.#startedMs.set(formatKey(key), startMs);
    try {
      const next = await this.#options.reconcile(key, signal);
      this.#queue.forget(key);
      if (next.kind === 'after') this.#queue.addAfter(key, next.delayMs);
      log.debug({ ...fields, next, durationMs: clock.monotonicMs() - startMs }, 'pass done');
    } catch (error) {
      this.#fail(key, error, fields);
    } finally {
      this.#startedMs.delete(formatKey(key));
      this.#queue.done(key);
    }
  }

  #fail(key: ObjectKey, error: unknown, fields: Readonly<Record<string, string>>): void {
    const { log } = this.#options;
    if (error instanceof TerminalError) {
      this.#queue.forget(key);
      log.error({ ...fields, reason: error.reason, err: error }, 'pass failed, not to be retried');
      return;
    }
    const retryMs = this.#queue.retry(key, askedWaitMs(error));
    log.warn({ ...fields, retryMs, err: error }, 'pass failed');
  }
}
