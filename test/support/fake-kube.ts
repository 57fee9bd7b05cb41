import type {
  CallOptions,
  DeleteOptions,
  KubeClient,
  ListOptions,
  ListResult,
  WatchEvent,
  WatchOptions,
} from '../../src/kube/client.ts';
import { KubeError } from '../../src/kube/errors.ts';
import { parseObject } from '../../src/kube/parse.ts';
import { formatKey, type KubeObject, type ObjectKey, type Resource } from '../../src/kube/resource.ts';
import { checkNew } from './fake-kube-checks.ts';
import { Faults, type FakeRequest, type FakeVerb, type Fault } from './fake-kube-faults.ts';
import { matchesFields, matchesSelector } from './fake-kube-selector.ts';
import { FakeWatch } from './fake-kube-watch.ts';
import { World, copy, typeOf, type Propagation, type Stored, type WorldChange } from './fake-kube-world.ts';

export interface FakeKubeOptions {
  /** For creationTimestamp and deletionTimestamp. Default: the first second of 2026. */
  readonly now?: (() => Date) | undefined;
}

/** Kinds without a status subresource; sent to the others on create, a status is dropped. */
const withoutStatus: ReadonlySet<string> = new Set([
  'ConfigMap',
  'Secret',
  'Event',
  'Lease',
  'ServiceAccount',
]);

/**
 * A Kubernetes API in memory: small, and as strict as the real one where we rely on it; the contract suite compares the
 * two. As a KubeClient it is what the program under test sees. `put`, `edit` and `remove` are what the rest of the world
 * does: they are neither logged nor struck by faults.
 *
 * Not here: schemas and defaults of other kinds than ours, namespaces (every one exists), permissions, other subresources.
 */
export class FakeKube implements KubeClient {
  /** Every call, in order. */
  readonly requests: FakeRequest[] = [];
  readonly #world: World;
  readonly #changes: WorldChange[] = [];
  readonly #faults = new Faults();
  readonly #watches = new Set<FakeWatch<KubeObject>>();
  readonly #listeners = new Set<(change: WorldChange) => void>();
  #oldestVersion = 0;
  #toLose = 0;

  constructor(options: FakeKubeOptions = {}) {
    const now = options.now ?? (() => new Date('2026-01-01T00:00:00Z'));
    this.#world = new World(now, (change) => this.#deliver(change));
  }

  async get<T extends KubeObject>(
    resource: Resource<T>,
    key: ObjectKey,
    options?: CallOptions,
  ): Promise<T | undefined> {
    return this.#call({ verb: 'get', resource, key, options }, () => this.peek(resource, key));
  }

  async list<T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}): Promise<ListResult<T>> {
    const { namespace = '', limit } = options;
    return this.#call({ verb: 'list', resource, key: { namespace, name: '' }, options }, () => ({
      items: this.#visible(resource, options).slice(0, limit),
      resourceVersion: String(this.#world.version),
    }));
  }

  async *watch<T extends KubeObject>(
    resource: Resource<T>,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>, void> {
    const { namespace = '', resourceVersion, signal } = options;
    const from = Number(resourceVersion);
    const watch = new FakeWatch(resource, options);
    await this.#call({ verb: 'watch', resource, key: { namespace, name: '' }, options: undefined }, () => {
      if (!(from > 0))
        throw new KubeError('invalid', `watch ${typeOf(resource)}: no resourceVersion to start from`);
      if (from < this.#oldestVersion) {
        throw new KubeError('expired', `watch ${typeOf(resource)}: too old resource version`, {
          status: 410,
        });
      }
      for (const change of this.#world.history) if (change.version > from) watch.offer(change);
      this.#watches.add(watch);
    });
    try {
      yield* watch.events(signal);
    } finally {
      this.#watches.delete(watch);
    }
  }

  async create<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    object: object,
    options?: CallOptions,
  ): Promise<T> {
    const body = copy(object) as Partial<Stored>;
    const key = { namespace, name: body.metadata?.name ?? '' };
    return this.#call({ verb: 'create', resource, key, body, options }, () => {
      this.#checkNew('create', resource, namespace, body);
      const { status, ...rest } = body;
      const kept = withoutStatus.has(resource.kind) && status !== undefined ? body : rest;
      return parseObject(resource, copy(this.#world.insert(resource, namespace, kept as Stored)));
    });
  }

  async replaceStatus<T extends KubeObject>(
    resource: Resource<T>,
    key: ObjectKey,
    object: object,
    options?: CallOptions,
  ): Promise<T> {
    const body = copy(object) as Partial<Stored>;
    return this.#call({ verb: 'replaceStatus', resource, key, body, options }, () => {
      const step = `update the status of ${typeOf(resource)} ${formatKey(key)}`;
      if (withoutStatus.has(resource.kind)) throw notFound(step);
      const before = this.#seen(step, resource, key, body);
      const after = { ...copy(before), status: body['status'] };
      return parseObject(resource, copy(this.#world.update(typeOf(resource), before, after)));
    });
  }

  async replace<T extends KubeObject>(
    resource: Resource<T>,
    key: ObjectKey,
    object: object,
    options?: CallOptions,
  ): Promise<T> {
    const body = copy(object) as Partial<Stored>;
    return this.#call({ verb: 'replace', resource, key, body, options }, () => {
      const before = this.#seen(`update ${typeOf(resource)} ${formatKey(key)}`, resource, key, body);
      const status = withoutStatus.has(resource.kind) ? body['status'] : before['status'];
      const { labels, annotations, finalizers, ownerReferences } = body.metadata ?? {};
      const metadata = { ...before.metadata, labels, annotations, finalizers, ownerReferences };
      const { apiVersion, kind } = before;
      const after = copy({ ...body, apiVersion, kind, metadata, status }) as Stored;
      return parseObject(resource, copy(this.#world.update(typeOf(resource), before, after)));
    });
  }

  async delete(resource: Resource, key: ObjectKey, options: DeleteOptions): Promise<void> {
    const { uid, resourceVersion, propagationPolicy } = options;
    const body = { uid, resourceVersion, propagationPolicy };
    await this.#call({ verb: 'delete', resource, key, body, options }, () => {
      const step = `delete ${typeOf(resource)} ${formatKey(key)}`;
      if (uid === '') throw new KubeError('invalid', `${step}: no uid to make sure of`);
      const object = this.#world.find(typeOf(resource), key);
      if (object === undefined) return;
      if (object.metadata.uid !== uid) throw conflict(step, 'the uid in the precondition does not match');
      if ((resourceVersion ?? object.metadata.resourceVersion) !== object.metadata.resourceVersion) {
        throw conflict(step, 'the resourceVersion in the precondition does not match');
      }
      this.#world.delete(typeOf(resource), object, propagationPolicy);
    });
  }

  /** Makes an object as somebody else would, its status included. @throws {KubeError} as `create` does. */
  put<T extends KubeObject>(resource: Resource<T>, namespace: string, object: object): T {
    const body = copy(object) as Partial<Stored>;
    this.#checkNew('put', resource, namespace, body);
    return parseObject(resource, copy(this.#world.insert(resource, namespace, body as Stored)));
  }

  /** Changes any field of an object as somebody else would: a user the spec, a controller the status. */
  edit<T extends KubeObject>(resource: Resource<T>, key: ObjectKey, change: (draft: Stored) => void): T {
    const before = this.#existing(resource, key);
    const draft = copy(before);
    change(draft);
    return parseObject(resource, copy(this.#world.update(typeOf(resource), before, copy(draft))));
  }

  /** Deletes an object as somebody else would. @param graceSeconds for a Pod on a node; 0 takes it off at once */
  remove(
    resource: Resource,
    key: ObjectKey,
    propagation: Propagation = 'Background',
    graceSeconds?: number,
  ): void {
    this.#world.delete(typeOf(resource), this.#existing(resource, key), propagation, graceSeconds);
  }

  /** Tells of every change as it is done, also of those that no watch is told of. @returns what ends that */
  onChange(listener: (change: WorldChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The object, without a request. */
  peek<T extends KubeObject>(resource: Resource<T>, key: ObjectKey): T | undefined {
    const object = this.#world.find(typeOf(resource), key);
    return object === undefined ? undefined : parseObject(resource, copy(object));
  }

  /** All readable objects of a resource, without a request. */
  all<T extends KubeObject>(resource: Resource<T>): readonly T[] {
    return this.#visible(resource, {});
  }

  /** The version that a list has now. */
  get version(): number {
    return this.#world.version;
  }

  /** Everything that ever changed, oldest first, whatever a watch was told of it. */
  get changes(): readonly WorldChange[] {
    return this.#changes;
  }

  /** What a list would have shown at an earlier version, without a request. */
  listAt<T extends KubeObject>(resource: Resource<T>, options: ListOptions, version: number): ListResult<T> {
    const past = new Map<string, Stored>();
    for (const { type, after, before, version: at } of this.#changes) {
      if (at > version || type !== typeOf(resource)) continue;
      const object = after ?? before;
      if (object === undefined) continue;
      if (after === undefined) past.delete(formatKey(object.metadata));
      else past.set(formatKey(object.metadata), after);
    }
    const items = [...past].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
    return { items: this.#readable(resource, options, items), resourceVersion: String(version) };
  }

  /** Makes calls fail from now on. */
  fail(fault: Fault): void {
    this.#faults.arm(fault);
  }

  clearFaults(): void {
    this.#faults.clear();
  }

  /** How many watches are open. */
  get openWatches(): number {
    return this.#watches.size;
  }

  /** Ends all open watches in good order, as the server does every few minutes. */
  closeWatches(): void {
    for (const watch of this.#watches) watch.close();
  }

  /** Ends all open watches with an error: cut connections by default. */
  breakWatches(error: Error = new KubeError('unavailable', 'watch: the connection was reset')): void {
    for (const watch of this.#watches) watch.break(error);
  }

  /** Sends a bookmark to all open watches. */
  bookmark(): void {
    for (const watch of this.#watches) watch.bookmark(this.#world.version);
  }

  /** Forgets the history: a watch from any earlier version is refused with `expired`. Open watches go on. */
  expireHistory(): void {
    this.#world.version += 1;
    this.#oldestVersion = this.#world.version;
  }

  /** True for a version from which a watch could still start, or a list go on. */
  remembers(resourceVersion: string): boolean {
    return Number(resourceVersion) >= this.#oldestVersion;
  }

  /** The next so many changes reach no watch, neither now nor later; only a list shows them. */
  loseEvents(count: number): void {
    this.#toLose = count;
  }

  /** Leaves the dependents of a deleted object where they are until `collectGarbage`, as a busy cluster does. */
  holdGarbage(): void {
    this.#world.collectsGarbage = false;
  }

  /** Does all that the garbage collector has to do. */
  collectGarbage(): void {
    this.#world.collectGarbage();
  }

  /** Does one thing that the garbage collector has to do. @returns false when there was nothing */
  collectNext(): boolean {
    return this.#world.collectNext();
  }

  async #call<R>(call: FakeCall, answer: () => R): Promise<R> {
    const { verb, resource, key, body, options } = call;
    options?.signal?.throwIfAborted();
    const request = {
      verb,
      type: typeOf(resource),
      namespace: key.namespace === '' ? undefined : key.namespace,
      name: key.name === '' ? undefined : key.name,
      ...(body === undefined ? {} : { body }),
    };
    this.requests.push(request);
    const fault = this.#faults.strike(request);
    // No call is answered within the turn that makes it.
    await Promise.resolve();
    if (fault !== undefined && (fault.when !== 'after' || verb === 'watch')) throw fault.error;
    const result = answer();
    if (fault !== undefined) throw fault.error;
    return result;
  }

  #checkNew(verb: string, resource: Resource, namespace: string, body: Partial<Stored>): void {
    const key = { namespace, name: body.metadata?.name ?? '' };
    const step = `${verb} ${typeOf(resource)} ${formatKey(key)}`;
    checkNew(step, resource, namespace, body);
    if (this.#world.find(typeOf(resource), key) === undefined) return;
    throw new KubeError('alreadyExists', `${step}: already exists`, { status: 409, reason: 'AlreadyExists' });
  }

  /** The object that the body was derived from, unless it has changed since. */
  #seen(step: string, resource: Resource, key: ObjectKey, { metadata }: Partial<Stored>): Stored {
    const version = metadata?.resourceVersion ?? '';
    if (version === '') throw new KubeError('invalid', `${step}: the object has no resourceVersion`);
    const before = this.#world.find(typeOf(resource), key);
    if (before === undefined) throw notFound(step);
    const isOther = (metadata?.uid ?? before.metadata.uid) !== before.metadata.uid;
    if (isOther || version !== before.metadata.resourceVersion)
      throw conflict(step, 'the object has been modified');
    return before;
  }

  #deliver(change: WorldChange): void {
    for (const listener of this.#listeners) listener(change);
    this.#changes.push(change);
    if (this.#toLose > 0) {
      this.#toLose -= 1;
      this.#world.history.pop();
      return;
    }
    for (const watch of this.#watches) watch.offer(change);
  }

  #visible<T extends KubeObject>(resource: Resource<T>, selection: Selection): T[] {
    return this.#readable(resource, selection, this.#world.list(typeOf(resource)));
  }

  #readable<T extends KubeObject>(
    resource: Resource<T>,
    { namespace, labelSelector, fieldSelector }: Selection,
    objects: readonly Stored[],
  ): T[] {
    const readable: T[] = [];
    for (const object of objects) {
      const { metadata } = object;
      if ((namespace ?? metadata.namespace) !== metadata.namespace) continue;
      if (!matchesSelector(labelSelector, metadata.labels ?? {})) continue;
      if (!matchesFields(fieldSelector, object)) continue;
      const parsed = resource.schema.safeParse(copy(object));
      if (parsed.success) readable.push(parsed.data);
    }
    return readable;
  }

  #existing(resource: Resource, key: ObjectKey): Stored {
    const object = this.#world.find(typeOf(resource), key);
    if (object === undefined) throw new Error(`there is no ${typeOf(resource)} ${formatKey(key)}`);
    return object;
  }
}

type Selection = Pick<ListOptions, 'namespace' | 'labelSelector' | 'fieldSelector'>;

interface FakeCall {
  readonly verb: FakeVerb;
  readonly resource: Resource;
  readonly key: ObjectKey;
  readonly body?: unknown;
  readonly options: CallOptions | undefined;
}

function notFound(step: string): KubeError {
  return new KubeError('notFound', `${step}: not found`, { status: 404 });
}

function conflict(step: string, message: string): KubeError {
  return new KubeError('conflict', `${step}: ${message}`, { status: 409, reason: 'Conflict' });
}
