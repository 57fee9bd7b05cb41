// A local copy of the objects of one resource, kept current by a list and a watch.
import type { KubeClient, WatchEvent } from '../kube/client.ts';
import { askedWaitMs, isKubeError } from '../kube/errors.ts';
import { keyOf, type KubeObject, type ObjectKey, type Resource } from '../kube/resource.ts';
import { unlessAborted } from './abort.ts';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import { noMetrics, type RuntimeMetrics, type WatchEnd } from './metrics.ts';
import { Pace, type Ending } from './pace.ts';
import { Store, type Change, type IndexFunction } from './store.ts';
import { reasonOf } from './troubles.ts';

/**
 * Told of one change: (undefined, new) appeared, (old, new) changed, (old, undefined) went. An object that was deleted
 * and made anew under its name goes first and appears then, also when the watch saw only the second one.
 * Must not wait. What it throws is logged and goes no further.
 */
export type ChangeHandler<T> = (before: T | undefined, after: T | undefined) => void;

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: Pick<KubeClient, 'list' | 'watch'>;
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

/**
 * A watch is a hint: should one ever lose an event, the list that follows within this time finds it. Milliseconds,
 * stretched by up to a half so that reflectors that started together do not list together, and by up to ten minutes more
 * until the watch under way has ended.
 */
const relistMs = 20 * 60_000;

/** A watch that ends sooner than this tells nothing of the health of the server. Milliseconds. */
const shortWatchMs = 10_000;

/** So many lists and watches in a row that achieve nothing: then we list, in case that lists work and watches do not. */
const listAfter = 3;

/** How one watch went. */
interface Watched {
  /** How many lists and watches before it, in a row, achieved nothing. */
  readonly failures: number;
  readonly events: number;
  readonly durationMs: number;
  /** Absent: the server closed it in good order. */
  readonly error?: unknown;
}

/**
 * A local copy of the objects of one resource, kept current for as long as `run` goes on.
 *
 *     list ──> watch ──closed, cut──> watch from the last event
 *      ^         └──expired, refused, unreadable, silent, fruitless again and again, 20 minutes old────┐
 *      └────────────────────────────────────────────────────────────────────────────────────────────────┘
 *
 * Guarantees: no failure ends it, none makes it wait longer than 30 s (unless the server asks for more) or ask more than
 * about once per second; where watches do not work it lists every so often. Reads answer at once with the last state
 * known. Handlers are called after the store has changed. Of an object it never goes back to an older version, but for a
 * list that says so. An object that our schema refuses is not here, as if it were deleted.
 */
export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #metrics: RuntimeMetrics;
  readonly #store: Store<T>;
  readonly #pace: Pace;
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
  /** The trouble that was told of, and not yet its end. */
  #told: { readonly verb: 'list' | 'watch'; readonly reason: string } | undefined;
  /** What the server asked us to wait when it refused last. */
  #askedMs = 0;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#metrics = options.metrics ?? noMetrics;
    this.#pace = new Pace(options.random);
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
    while (!signal.aborted) {
      const waitMs = this.#pace.waitMs(await this.#attempt(signal), this.#takeAskedMs());
      // An abort ends the pause; the loop sees it.
      if (waitMs > 0) await this.#options.clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  /** True from the first complete list on. */
  hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Resolves at the first complete list. @throws the signal's reason. */
  async whenSynced(signal: AbortSignal): Promise<void> {
    await unlessAborted(this.#synced.promise, signal);
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

  /** One list or one watch. What it is worth when the signal has aborted does not matter any more. */
  async #attempt(signal: AbortSignal): Promise<Ending> {
    const startMs = this.#options.clock.monotonicMs();
    this.#turnedMs = startMs;
    if (startMs >= this.#listDueMs) this.#resourceVersion = undefined;
    const from = this.#resourceVersion;
    return from === undefined ? this.#relist(signal) : this.#follow(from, signal);
  }

  async #relist(signal: AbortSignal): Promise<Ending> {
    const { client, resource, namespace, labelSelector, clock, random } = this.#options;
    const startMs = clock.monotonicMs();
    try {
      const { items, resourceVersion } = await client.list(resource, { namespace, labelSelector, signal });
      if (signal.aborted) return 'listed';
      this.#resourceVersion = resourceVersion;
      this.#listDueMs = clock.monotonicMs() + relistMs * (1 + random() / 2);
      this.#heard('list');
      this.#countList(startMs, items.length);
      this.#tell(this.#store.replace(items.map(trimmed)), signal);
      this.#hasSynced = true;
      this.#synced.resolve();
      return 'listed';
    } catch (error) {
      if (signal.aborted) return 'fruitless';
      this.#countList(startMs, undefined);
      this.#failed('list', error);
      return 'fruitless';
    }
  }

  async #follow(from: string, signal: AbortSignal): Promise<Ending> {
    const watched = await this.#watch(from, signal);
    if (signal.aborted) return 'closed';
    const { durationMs, error } = watched;
    const how = endOf(watched);
    this.#metrics.watchEnded({ resource: this.resource, how, durationMs });
    if (!canGoOn(watched)) this.#resourceVersion = undefined;
    if (error !== undefined) this.#failed('watch', error);
    else if (how === 'closed') this.#recovered('watch');
    else this.#failed('watch', new Error(`watch ${this.resource}: closed as soon as it was open`));
    return endingOf(watched);
  }

  async #watch(from: string, signal: AbortSignal): Promise<Watched> {
    const { client, resource, namespace, labelSelector, clock } = this.#options;
    const startMs = clock.monotonicMs();
    const { failures } = this.#pace;
    let events = 0;
    try {
      const watch = { namespace, labelSelector, resourceVersion: from, signal };
      for await (const event of client.watch(resource, watch)) {
        events += 1;
        this.#heard('watch');
        this.#metrics.watchEvent({ resource: this.resource, type: event.type });
        if (!isOlder(event.resourceVersion, this.#resourceVersion))
          this.#resourceVersion = event.resourceVersion;
        this.#tell(this.#apply(event), signal);
      }
      return { failures, events, durationMs: clock.monotonicMs() - startMs };
    } catch (error) {
      return { failures, events, durationMs: clock.monotonicMs() - startMs, error };
    }
  }

  #heard(verb: 'list' | 'watch'): void {
    this.#heardMs = this.#options.clock.monotonicMs();
    this.#turnedMs = this.#heardMs;
    this.#problem = undefined;
    this.#recovered(verb);
  }

  /** One line when a trouble begins or becomes another one; the repetitions are for debugging. */
  #failed(verb: 'list' | 'watch', error: unknown): void {
    const reason = reasonOf(error);
    const isNews = this.#told?.verb !== verb || this.#told.reason !== reason;
    this.#options.log[isNews ? 'warn' : 'debug']({ ...this.#where(), err: error }, `${verb} failed`);
    this.#told = { verb, reason };
    this.#problem = error instanceof Error ? error.message : String(error);
    this.#askedMs = askedWaitMs(error);
  }

  /** A list tells nothing of watches. */
  #recovered(verb: 'list' | 'watch'): void {
    if (this.#told === undefined || (this.#told.verb === 'watch' && verb === 'list')) return;
    this.#told = undefined;
    this.#options.log.info(this.#where(), `recovered: ${verb} goes on`);
  }

  #where(): Readonly<Record<string, unknown>> {
    const { namespace } = this.#options;
    return { resource: this.resource, ...(namespace === undefined ? {} : { namespace }) };
  }

  #takeAskedMs(): number {
    const askedMs = this.#askedMs;
    this.#askedMs = 0;
    return askedMs;
  }

  #countList(startMs: number, items: number | undefined): void {
    const durationMs = this.#options.clock.monotonicMs() - startMs;
    const isGood = items !== undefined;
    this.#metrics.listEnded({ resource: this.resource, isGood, items: items ?? 0, durationMs });
  }

  #apply(event: WatchEvent<T>): readonly Change<T>[] {
    if (event.type === 'bookmark') return [];
    const key = event.type === 'unreadable' ? event.key : keyOf(event.object);
    // What comes twice or late is over: the object has moved on.
    if (isOlder(event.resourceVersion, this.#store.get(key)?.metadata.resourceVersion)) return [];
    if (event.type === 'unreadable' || event.type === 'deleted') return this.#store.remove(key);
    return this.#store.put(trimmed(event.object));
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
      this.#metrics.handlerThrew(this.resource);
      this.#options.log.error({ resource: this.resource, err: error }, 'a change handler threw');
    }
  }
}

function endingOf(watched: Watched): Ending {
  const { events, durationMs, error } = watched;
  if (durationMs >= shortWatchMs) return error === undefined ? 'closed' : 'cut';
  return events > 0 && canGoOn(watched) ? 'brief' : 'fruitless';
}

function endOf({ events, durationMs, error }: Watched): WatchEnd {
  if (isKubeError(error, 'expired')) return 'expired';
  if (events === 0 && durationMs < shortWatchMs) return 'failed';
  return error === undefined ? 'closed' : 'cut';
}

/**
 * Whether the next watch can begin where this one ended. Bookmarks come every minute: a watch that brought nothing until
 * somebody lost patience is one that cannot be relied on.
 */
function canGoOn({ failures, events, durationMs, error }: Watched): boolean {
  const isBrief = durationMs < shortWatchMs;
  if (events === 0 && isBrief && failures + 1 >= listAfter) return false;
  if (error === undefined) return true;
  return isKubeError(error, 'unavailable', 'tooManyRequests') && (events > 0 || isBrief);
}

/**
 * True when both are revisions and the first one is the lower. A server that was restored from a copy has lower
 * revisions than before, but then it cannot go on with old watches.
 */
function isOlder(one: string, other: string | undefined): boolean {
  if (other === undefined || !/^\d+$/.test(one) || !/^\d+$/.test(other)) return false;
  return BigInt(one) < BigInt(other);
}

/** What `kubectl apply` notes of an object is as large as the object itself, and nobody reads it from a cache. */
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

function trimmed<T extends KubeObject>(object: T): T {
  if (object.metadata.annotations?.[lastApplied] === undefined) return object;
  const { [lastApplied]: _, ...annotations } = object.metadata.annotations;
  return { ...object, metadata: { ...object.metadata, annotations } };
}
