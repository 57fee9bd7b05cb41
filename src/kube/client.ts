import type { KubeObject, ObjectKey, Resource } from './resource.ts';

export interface CallOptions {
  /** Gives the call up: it rejects with the signal's reason. Without one the client's own deadline is the limit. */
  readonly signal?: AbortSignal | undefined;
}

export interface ListOptions extends CallOptions {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  /** As `kubectl -l`: `app=x,tier in (a,b),!old`. */
  readonly labelSelector?: string | undefined;
  /** As `kubectl --field-selector`: `metadata.name=a`; which fields there are depends on the kind. */
  readonly fieldSelector?: string | undefined;
  /** At most so many items. Absent: all of them, page by page. */
  readonly limit?: number | undefined;
}

export interface ListResult<T> {
  readonly items: readonly T[];
  /** The point in time that the items show; a watch from here misses nothing. */
  readonly resourceVersion: string;
}

export interface WatchOptions {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  /** Events after this point are delivered. From a list or from an earlier event. */
  readonly resourceVersion: string;
  readonly signal: AbortSignal;
}

/**
 * One change, and the point from which a later watch can go on.
 *
 * `unreadable` stands for an object that changed into something our schema refuses (or was deleted in that shape): what
 * was known of it no longer holds.
 */
export type WatchEvent<T> =
  | { readonly type: 'added' | 'modified' | 'deleted'; readonly object: T; readonly resourceVersion: string }
  | { readonly type: 'bookmark'; readonly resourceVersion: string }
  | { readonly type: 'unreadable'; readonly key: ObjectKey; readonly resourceVersion: string };

export interface DeleteOptions extends CallOptions {
  /** Always sent as a precondition: an object of the same name with another uid is never touched. */
  readonly uid: string;
  /** Sent as a second precondition where given. */
  readonly resourceVersion?: string | undefined;
  /**
   * What becomes of dependents. Absent: the server's default for the kind, which for Jobs orphans their Pods.
   */
  readonly propagationPolicy?: 'Background' | 'Foreground' | undefined;
}

/**
 * The Kubernetes API as we need it: namespaced objects, optimistic locking, nothing forced.
 *
 * Every method rejects with a KubeError, or with the reason of the caller's signal; there is no third kind. Reads are
 * consistent (never from a server's stale cache). A write whose answer was lost rejects with `unavailable` and may have
 * been done: names must be deterministic, so that doing it again meets `alreadyExists` or `conflict`.
 */
export interface KubeClient {
  /** @returns undefined when there is no such object. @throws {KubeError} `unreadable` when it is not what the schema expects. */
  get<T extends KubeObject>(
    resource: Resource<T>,
    key: ObjectKey,
    options?: CallOptions,
  ): Promise<T | undefined>;

  /** Objects that the schema refuses are left out and reported to the client's `onUnreadable`. */
  list<T extends KubeObject>(resource: Resource<T>, options?: ListOptions): Promise<ListResult<T>>;

  /**
   * Delivers changes until the server closes the stream (the iteration ends), the signal aborts (it ends likewise, and
   * nothing is delivered after the abort) or something breaks.
   *
   * @throws {KubeError} `expired` when the resourceVersion is too old: list anew. `unavailable` and `tooManyRequests`:
   * go on from the last event's resourceVersion. Anything else: list anew.
   */
  watch<T extends KubeObject>(resource: Resource<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>>;

  /** @throws {KubeError} `alreadyExists`, whoever made the object of that name. */
  create<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    object: object,
    options?: CallOptions,
  ): Promise<T>;

  /**
   * Replaces the status, and only that, through the status subresource.
   *
   * The object carries the metadata.resourceVersion it was derived from; one without is refused before it is sent,
   * because the server would overwrite whatever is there.
   *
   * @throws {KubeError} `conflict` when the object changed since, `notFound` when it is gone.
   */
  replaceStatus<T extends KubeObject>(
    resource: Resource<T>,
    key: ObjectKey,
    object: object,
    options?: CallOptions,
  ): Promise<T>;

  /**
   * Replaces all but the status. For kinds that nobody else writes: what our schema does not keep of the object is lost.
   *
   * The object carries the metadata.resourceVersion it was derived from; one without is refused before it is sent.
   *
   * @throws {KubeError} `conflict` when the object changed since, `notFound` when it is gone.
   */
  replace<T extends KubeObject>(
    resource: Resource<T>,
    key: ObjectKey,
    object: object,
    options?: CallOptions,
  ): Promise<T>;

  /** An object that is already gone is no error. @throws {KubeError} `conflict` when a precondition does not hold. */
  delete(resource: Resource, key: ObjectKey, options: DeleteOptions): Promise<void>;
}
