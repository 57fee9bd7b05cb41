import type { KubeClient, WatchEvent } from '../kube/client.ts';
import { askedWaitMs, isKubeError } from '../kube/errors.ts';
import { keyOf, type KubeObject, type ObjectKey, type Resource } from '../kube/resource.ts';
import { backoffMs, type Backoff } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import type { RuntimeMetrics } from './metrics.ts';
import { Store, type Change, type IndexFunction } from './store.ts';

/**
 * Told of one change: (undefined, new) appeared, (old, new) changed, (old, undefined) went. An object that was deleted
 * and made anew under its name goes first and appears then, also when the watch saw only the second one.
 * Must not wait. What it throws is logged and goes no further.
 */
export type ChangeHandler<T> = (before: T | undefined, after: T | undefined) => void;

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  /** Must not throw: they see every object. */
  readonly indexes?: Readonly<Record<string, IndexFunction<T>>> | undefined;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  readonly metrics?: RuntimeMetrics | undefined;
}

/** After 30 s a returning API server has all its watchers back; more would only make changes late. */
const backoff: Backoff = { baseMs: 500, capMs: 30_000 };

/**
 * A watch is a hint: should one ever lose an event, the list that follows within this time finds it. Milliseconds,
 * stretched by up to a half so that reflectors that started together do not list together.
 */
const relistMs = 30 * 60_000;

/** A watch that ends sooner than this and brought nothing counts as a failure, or it would be reopened in a hot loop. */
const shortWatchMs = 10_000;

/** How one list or watch ended. A watch is `closed` in good order or `cut`; `failed` is whatever achieved nothing. */
type Outcome = 'listed' | 'closed' | 'cut' | 'failed';

/**
 * A local copy of the objects of one resource, kept current for as long as `run` goes on.
 *
 *     list ──> watch ──closed, cut, silent──> watch from the last event
 *      ^         └──expired, refused, unreadable, half an hour old──┐
 *      └────────────────────────────────────────────────────────────┘
 *
 * Guarantees: no failure ends it, and none but a first list makes it wait longer than 30 s; reads answer at once with
 * the last state known. Handlers are called after the store has changed. An object that our schema refuses is not
 * here, as if it were deleted.
 */
export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #store: Store<T>;
  readonly #handlers: ChangeHandler<T>[] = [];
  readonly #synced = Promise.withResolvers<void>();
  #hasSynced = false;
  #hasRun = false;
  /** From here the next watch goes on; undefined: list first. */
  #resourceVersion: string | undefined;
  #listDueMs = 0;
  #heardMs: number | undefined;
  #turnedMs: number | undefined;
  #problem: string | undefined;
  /** What the server asked us to wait when it refused last. */
  #askedMs = 0;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#store = new Store(options.indexes ?? {});
  }

  /** Adds a handler. Before `run`, or it misses what came before. */
  onChange(handler: ChangeHandler<T>): void {
    this.#handlers.push(handler);
  }

  /**
   * Lists, watches and recovers until the signal aborts, then resolves. Nothing is delivered after the abort.
   *
   * @throws {Error} only when it was called before: a stopped reflector stays stopped.
   */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#hasRun) throw new Error(`the reflector of ${this.#options.resource.plural} has already run`);
    this.#hasRun = true;
    let failures = 0;
    while (!signal.aborted) {
      const outcome = await this.#attempt(signal);
      if (outcome !== 'listed') failures = failuresAfter(outcome, failures);
      if (outcome === 'cut' || outcome === 'failed') await this.#pause(failures, signal);
    }
  }

  /** True from the first complete list on. */
  hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Resolves at the first complete list. @throws the signal's reason. */
  async whenSynced(signal: AbortSignal): Promise<void> {
    const stopped = Promise.withResolvers<never>();
    const stop = (): void => stopped.reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      await Promise.race([stopped.promise, this.#synced.promise]);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** Milliseconds since the server was last heard (bookmarks come every minute); undefined before the first answer. */
  silentMs(): number | undefined {
    return this.#heardMs === undefined ? undefined : this.#options.clock.monotonicMs() - this.#heardMs;
  }

  /** The plural of what is watched. */
  get resource(): string {
    return this.#options.resource.plural;
  }

  /** How many objects are held. */
  get size(): number {
    return this.#store.size;
  }

  /** Why the last list or watch brought nothing, for people; undefined since one did. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * Milliseconds since the loop last turned: began a list or a watch, or got an event. Each of these ends by itself in good
   * time, whatever the server does: a large number means that we hang. 0 before the first one.
   */
  stillMs(): number {
    return this.#turnedMs === undefined ? 0 : this.#options.clock.monotonicMs() - this.#turnedMs;
  }

  get(key: ObjectKey): T | undefined {
    return this.#store.get(key);
  }

  /** All objects, or those of one namespace. */
  list(namespace?: string): readonly T[] {
    return this.#store.list(namespace);
  }

  /** The objects that the named index files under the value. @throws {Error} when there is no such index. */
  byIndex(index: string, value: string): readonly T[] {
    return this.#store.byIndex(index, value);
  }

  /** One list or one watch. */
  async #attempt(signal: AbortSignal): Promise<Outcome> {
    const { resource, clock, log } = this.#options;
    const startMs = clock.monotonicMs();
    this.#turnedMs = startMs;
    if (startMs >= this.#listDueMs) this.#resourceVersion = undefined;
    const from = this.#resourceVersion;
    try {
      if (from === undefined) {
        await this.#relist(signal);
        return 'listed';
      }
      await this.#follow(from, signal);
      return this.#wasWorthIt(from, startMs) ? 'closed' : 'failed';
    } catch (error) {
      if (signal.aborted) return 'closed';
      log.warn(
        { resource: resource.plural, err: error },
        from === undefined ? 'list failed' : 'watch failed',
      );
      this.#askedMs = askedWaitMs(error);
      const outcome = from !== undefined && this.#wasWorthIt(from, startMs) ? 'cut' : 'failed';
      if (outcome === 'failed') this.#problem = error instanceof Error ? error.message : String(error);
      if (!isKubeError(error, 'unavailable', 'tooManyRequests')) this.#resourceVersion = undefined;
      return outcome;
    }
  }

  #wasWorthIt(from: string, startMs: number): boolean {
    return this.#resourceVersion !== from || this.#options.clock.monotonicMs() - startMs >= shortWatchMs;
  }

  async #relist(signal: AbortSignal): Promise<void> {
    const { client, resource, namespace, labelSelector, clock, random } = this.#options;
    const { items, resourceVersion } = await client.list(resource, { namespace, labelSelector, signal });
    if (signal.aborted) return;
    this.#resourceVersion = resourceVersion;
    this.#listDueMs = clock.monotonicMs() + relistMs * (1 + random() / 2);
    this.#heard();
    this.#tell(this.#store.replace(items), signal);
    this.#hasSynced = true;
    this.#synced.resolve();
  }

  async #follow(from: string, signal: AbortSignal): Promise<void> {
    const { client, resource, namespace, labelSelector } = this.#options;
    const watch = { namespace, labelSelector, resourceVersion: from, signal };
    for await (const event of client.watch(resource, watch)) {
      this.#heard();
      this.#resourceVersion = event.resourceVersion;
      this.#tell(this.#apply(event), signal);
    }
  }

  #heard(): void {
    this.#heardMs = this.#options.clock.monotonicMs();
    this.#turnedMs = this.#heardMs;
    this.#problem = undefined;
  }

  #apply(event: WatchEvent<T>): readonly Change<T>[] {
    if (event.type === 'bookmark') return [];
    if (event.type === 'unreadable') return this.#store.remove(event.key);
    if (event.type === 'deleted') return this.#store.remove(keyOf(event.object));
    return this.#store.put(event.object);
  }

  #tell(changes: readonly Change<T>[], signal: AbortSignal): void {
    for (const { before, after } of changes) {
      for (const handler of this.#handlers) {
        if (signal.aborted) return;
        this.#callHandler(handler, before, after);
      }
    }
  }

  #callHandler(handler: ChangeHandler<T>, before: T | undefined, after: T | undefined): void {
    try {
      handler(before, after);
    } catch (error) {
      this.#options.log.error(
        { resource: this.#options.resource.plural, err: error },
        'a change handler threw',
      );
    }
  }

  async #pause(failures: number, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    const delayMs = this.#askedMs + backoffMs(failures, backoff, random);
    this.#askedMs = 0;
    // An abort ends the pause; the loop sees it.
    await clock.sleep(delayMs, signal).catch(() => undefined);
  }
}

/** A list says nothing about watches: a server that expires each of them at once must not be listed in a hot loop. */
function failuresAfter(outcome: Outcome, failures: number): number {
  if (outcome === 'failed') return failures + 1;
  return outcome === 'cut' ? 1 : 0;
}
