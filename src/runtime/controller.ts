// Runs passes over keys: when, how many at once, for how long, and what comes after one that failed.
import { askedWaitMs } from '../kube/errors.ts';
import type { ObjectKey } from '../kube/resource.ts';
import type { Backoff } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import { noMetrics, type PassResult, type RuntimeMetrics } from './metrics.ts';
import { TerminalError, type Next } from './next.ts';
import { Troubles } from './troubles.ts';
import { WorkQueue, type Taken } from './work-queue.ts';

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

/** A pass under way. */
interface Pass {
  readonly key: ObjectKey;
  /** Monotonic milliseconds. */
  readonly startMs: number;
  readonly signal: AbortSignal;
  /** Why its signal was aborted. */
  cut?: 'late' | 'stopped';
  /** It was told of: a pass that hangs is counted before its end. */
  isCounted?: boolean;
}

/** How a pass went, before anybody drew a conclusion. */
type Outcome = { readonly next: Next } | { readonly error: unknown };

/**
 * Runs `reconcile` for every key that was enqueued: at most one pass per key at a time, a pass after the last change,
 * and another one after a failure. What a pass answers replaces what an earlier one asked for.
 *
 * A pass that ignores its aborted signal loses its worker, not its key: no second pass over that key starts beside it.
 */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #metrics: RuntimeMetrics;
  readonly #queue: WorkQueue;
  readonly #troubles: Troubles;
  /** Aborts when the grace time after a stop is over. */
  readonly #ending = new AbortController();
  readonly #passes = new Set<Pass>();

  constructor(options: ControllerOptions) {
    const { name, clock, random, log, metrics = noMetrics, backoff = defaultBackoff } = options;
    this.#options = options;
    this.#metrics = metrics;
    this.#queue = new WorkQueue({ clock, random, backoff });
    this.#troubles = new Troubles(name, log);
  }

  get name(): string {
    return this.#options.name;
  }

  /** Asks for a pass over the key. From any handler, at any time. */
  enqueue(key: ObjectKey): void {
    this.#queue.add(key);
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
    return this.#passes.size;
  }

  /** Age of the oldest pass under way, 0 when there is none. Beyond the deadline it means a pass that hangs. Milliseconds. */
  oldestPassMs(): number {
    // A Set keeps its order: the first is the oldest.
    for (const { startMs } of this.#passes) return this.#options.clock.monotonicMs() - startMs;
    return 0;
  }

  /**
   * Works until the signal aborts, takes no further keys, and resolves when the passes under way have ended; those that
   * take longer than the grace time see their own signal abort, and are left behind when they ignore it.
   *
   * @throws only what waiting for a reflector throws without a stop.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, reflectors, workers = defaultWorkers, graceMs = defaultGraceMs } = this.#options;
    let cancelGrace: () => void = () => undefined;
    const stop = (): void => {
      this.#queue.close();
      cancelGrace = clock.after(graceMs, () => this.#ending.abort(new Error('the process is stopping')));
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      await Promise.all(reflectors.map((reflector) => reflector.whenSynced(signal)));
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    await Promise.all(Array.from({ length: workers }, () => this.#work(signal)));
    cancelGrace();
  }

  async #work(signal: AbortSignal): Promise<void> {
    for (let taken = await this.#queue.take(); taken !== undefined; taken = await this.#queue.take()) {
      // A key may be on its way to us when the stop comes.
      if (signal.aborted) return;
      await this.#pass(taken);
    }
  }

  /** One pass, from taken to done. Resolves when the worker is free again. */
  async #pass({ key, waitedMs }: Taken): Promise<void> {
    const { name, clock, passMs = defaultPassMs } = this.#options;
    this.#metrics.keyTaken({ controller: name, waitedMs });
    const [aborter, letGo] = [new AbortController(), Promise.withResolvers<void>()];
    const pass: Pass = { key, startMs: clock.monotonicMs(), signal: aborter.signal };
    const abort = (cut: 'late' | 'stopped', reason: unknown): void => {
      pass.cut = cut;
      aborter.abort(reason);
      cancel();
      cancel = clock.after(letGoMs, () => {
        this.#leave(pass);
        letGo.resolve();
      });
    };
    const stop = (): void => abort('stopped', this.#ending.signal.reason);
    const late = (): void => abort('late', new Error(`the pass took longer than ${passMs / 1_000} s`));
    let cancel = clock.after(passMs, late);
    this.#ending.signal.addEventListener('abort', stop, { once: true });
    this.#passes.add(pass);

    const ended = this.#reconcile(pass).finally(() => {
      cancel();
      this.#ending.signal.removeEventListener('abort', stop);
    });
    await Promise.race([ended, letGo.promise]);
  }

  /** Never rejects. */
  async #reconcile(pass: Pass): Promise<void> {
    const outcome = await this.#outcomeOf(pass);
    this.#passes.delete(pass);
    this.#conclude(pass, outcome);
  }

  async #outcomeOf({ key, signal }: Pass): Promise<Outcome> {
    try {
      const next = await this.#options.reconcile(key, signal);
      // A delay that is no number would mean at once, for ever.
      if (next.kind === 'after' && Number.isNaN(next.delayMs)) throw new Error('the delay is not a number');
      return { next };
    } catch (error) {
      return { error };
    }
  }

  /** A pass that does not end: its worker goes on, its key waits for it. */
  #leave(pass: Pass): void {
    this.#count(pass, pass.cut === 'stopped' ? 'stopped' : 'hung');
    if (pass.cut === 'late') this.#troubles.failed(pass.key, new Error('the pass hangs'), undefined);
  }

  #conclude(pass: Pass, outcome: Outcome): void {
    const { key, cut } = pass;
    if ('next' in outcome) {
      const { next } = outcome;
      this.#count(pass, cut === 'late' ? 'hung' : next.kind);
      this.#queue.done(key, next.kind === 'after' ? next.delayMs : undefined);
      this.#troubles.went(key, { next, durationMs: this.#ageMs(pass) });
      return;
    }
    const { error } = outcome;
    if (cut === 'stopped') {
      this.#count(pass, 'stopped');
      return;
    }
    this.#count(pass, cut === 'late' ? 'hung' : error instanceof TerminalError ? 'terminal' : 'failed');
    this.#troubles.failed(key, error, this.#again(key, error));
  }

  /** @returns when the key is ready again after the failure; undefined when not before it changes. Milliseconds. */
  #again(key: ObjectKey, error: unknown): number | undefined {
    if (error instanceof TerminalError) {
      this.#queue.done(key);
      return undefined;
    }
    this.#metrics.keyRetried(this.#options.name);
    return this.#queue.retry(key, askedWaitMs(error));
  }

  #count(pass: Pass, result: PassResult): void {
    if (pass.isCounted === true) return;
    pass.isCounted = true;
    this.#metrics.passEnded({ controller: this.#options.name, result, durationMs: this.#ageMs(pass) });
  }

  #ageMs({ startMs }: Pass): number {
    return this.#options.clock.monotonicMs() - startMs;
  }
}
