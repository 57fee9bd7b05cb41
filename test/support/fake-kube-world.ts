import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { KubeError } from '../../src/kube/errors.ts';
import {
  apiVersionOf,
  formatKey,
  type ObjectKey,
  type OwnerReference,
  type Resource,
} from '../../src/kube/resource.ts';
import { collectorFinalizers, garbageStep, type Entry } from './fake-kube-garbage.ts';
import { admitted } from './fake-kube-schema.ts';

/** An object as etcd holds it: plain JSON, with everything that our schemas would drop. */
export interface Stored {
  apiVersion: string;
  kind: string;
  metadata: StoredMetadata;
  [field: string]: unknown;
}

interface StoredMetadata {
  name: string;
  namespace: string;
  uid: string;
  resourceVersion: string;
  creationTimestamp: string;
  generation?: number;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
}

/** One entry of the history: what a watch of this resource is told. */
export interface WorldChange {
  readonly version: number;
  readonly type: string;
  readonly before: Stored | undefined;
  readonly after: Stored | undefined;
}

export type Propagation = 'Background' | 'Foreground' | 'Orphan';

/** `plural.group`, as in `kubectl get`. */
export function typeOf(resource: Resource): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
}

/**
 * The objects of the cluster and how they may change. Deterministic: versions count up, and a uid tells which object of its name it is.
 *
 * Kinder than reality in one point: garbage is collected within the deletion, where a real cluster takes its time, and
 * what names an owner that never was is let be until then. {@link World.collectsGarbage} switches that off.
 */
export class World {
  readonly history: WorldChange[] = [];
  version = 1;
  collectsGarbage = true;
  readonly #objects = new Map<string, Entry>();
  readonly #now: () => Date;
  readonly #onChange: (change: WorldChange) => void;
  /** How many objects had each id so far. */
  readonly #made = new Map<string, number>();

  constructor(now: () => Date, onChange: (change: WorldChange) => void) {
    this.#now = now;
    this.#onChange = onChange;
  }

  find(type: string, key: ObjectKey): Stored | undefined {
    return this.#objects.get(`${type}:${formatKey(key)}`)?.object;
  }

  /** In the order of their keys, as the server lists them. */
  list(type: string): readonly Stored[] {
    const mine = [...this.#objects].filter(([, entry]) => entry.type === type);
    return mine.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry.object);
  }

  /** Takes in a new object; the caller has checked its metadata. @throws {KubeError} `invalid` */
  insert(resource: Resource, namespace: string, draft: Stored): Stored {
    const type = typeOf(resource);
    const object: Stored = {
      ...admitted(type, draft),
      apiVersion: apiVersionOf(resource),
      kind: resource.kind,
      metadata: withoutEmpty({
        ...draft.metadata,
        namespace,
        uid: this.#nextUID(`${type}:${namespace}/${draft.metadata.name}`),
        resourceVersion: '',
        creationTimestamp: wholeSeconds(this.#now()),
        ...('spec' in draft ? { generation: 1 } : {}),
      }),
    };
    return this.#commit(type, undefined, object);
  }

  /**
   * Changes an object in place of `before`; the server bumps what it has to. No change, no new version.
   * @throws {KubeError} `invalid`
   */
  update(type: string, before: Stored, draft: Stored): Stored {
    const after = admitted(type, draft, before);
    checkFinalizers(type, before, after);
    const { resourceVersion, uid, generation, creationTimestamp } = before.metadata;
    after.metadata = withoutEmpty({ ...after.metadata, resourceVersion, uid, creationTimestamp });
    if (generation !== undefined) {
      after.metadata.generation = isDeepStrictEqual(before['spec'], after['spec'])
        ? generation
        : generation + 1;
    }
    if (isDeepStrictEqual(before, after)) return before;
    if (isFree(after)) {
      this.#erase(type, after);
      this.#collect();
      return after;
    }
    return this.#commit(type, before, after);
  }

  /**
   * Deletes an object, or marks it when something holds it: finalizers, the collector that has work to do first, or the
   * grace of a Pod that runs.
   *
   * @param propagation absent: the server's default for the kind
   * @param graceSeconds absent: what a Pod is given by default; of no other kind
   */
  delete(type: string, object: Stored, propagation: Propagation | undefined, graceSeconds?: number): void {
    const after = copy(object);
    const policy = propagation ?? (type === 'jobs.batch' ? 'Orphan' : 'Background');
    after.metadata.finalizers = finalizersFor(policy, object.metadata.finalizers ?? []);
    after.metadata = withoutEmpty(after.metadata);
    this.#mark(after, runsOnNode(type, object) ? (graceSeconds ?? 30) : 0);
    if (isFree(after)) this.#erase(type, object);
    else if (!isDeepStrictEqual(object, after)) this.#commit(type, object, after);
    this.#collect();
  }

  /** Does all that the garbage collector has to do. */
  collectGarbage(): void {
    while (this.collectNext());
  }

  /** Does one thing that the garbage collector has to do. @returns false when there was nothing. */
  collectNext(): boolean {
    const step = garbageStep([...this.#objects.values()]);
    if (step === undefined) return false;
    const { type, object } = step.entry;
    if (step.kind === 'delete') {
      this.delete(type, object, step.propagation);
      return true;
    }
    const after = copy(object);
    if (step.kind === 'disown') after.metadata.ownerReferences = [...step.ownerReferences];
    else after.metadata.finalizers = [...step.finalizers];
    this.update(type, object, after);
    return true;
  }

  /** Once marked an object stays so; only its grace can become less. */
  #mark({ metadata }: Stored, graceSeconds: number): void {
    const isFirst = metadata.deletionTimestamp === undefined;
    if (!isFirst && graceSeconds >= (metadata.deletionGracePeriodSeconds ?? 0)) return;
    if (isFirst && metadata.generation !== undefined) metadata.generation += 1;
    metadata.deletionTimestamp = wholeSeconds(new Date(this.#now().getTime() + graceSeconds * 1000));
    metadata.deletionGracePeriodSeconds = graceSeconds;
  }

  #collect(): void {
    if (!this.collectsGarbage) return;
    this.collectsGarbage = false; // what follows from a deletion is done by the outermost call
    this.collectGarbage();
    this.collectsGarbage = true;
  }

  #erase(type: string, object: Stored): void {
    this.#objects.delete(idOf(type, object));
    const last = copy(object);
    this.#append({ type, before: last, after: undefined }, last);
  }

  /** Does not depend on what else was made before: stories that differ elsewhere are compared by it. */
  #nextUID(id: string): string {
    const made = 1 + (this.#made.get(id) ?? 0);
    this.#made.set(id, made);
    const hash = createHash('sha256').update(`${id}#${made}`).digest('hex');
    return `${hash.slice(0, 8)}-0000-4000-8000-${hash.slice(8, 20)}`;
  }

  #commit(type: string, before: Stored | undefined, after: Stored): Stored {
    this.#objects.set(idOf(type, after), { type, object: after });
    this.#append({ type, before, after }, after);
    return after;
  }

  #append(change: Omit<WorldChange, 'version'>, stamped: Stored): void {
    this.version += 1;
    stamped.metadata.resourceVersion = String(this.version);
    const entry = { ...change, version: this.version };
    this.history.push(entry);
    this.#onChange(entry);
  }
}

export function copy<T>(json: T): T {
  return JSON.parse(JSON.stringify(json)) as T;
}

/** @throws {KubeError} `invalid` when something that is deleted would be held anew. */
function checkFinalizers(
  type: string,
  { metadata: { deletionTimestamp, finalizers } }: Stored,
  after: Stored,
): void {
  if (deletionTimestamp === undefined) return;
  const added = after.metadata.finalizers?.some((name) => finalizers?.includes(name) !== true) === true;
  if (!added) return;
  const cause =
    'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted';
  throw new KubeError('invalid', `${type} is invalid: ${cause}`, {
    status: 422,
    reason: 'Invalid',
    causes: [cause],
  });
}

/** Lists without an item are no fields. */
function withoutEmpty({
  finalizers = [],
  ownerReferences = [],
  ...metadata
}: StoredMetadata): StoredMetadata {
  return {
    ...metadata,
    ...(finalizers.length === 0 ? {} : { finalizers }),
    ...(ownerReferences.length === 0 ? {} : { ownerReferences }),
  };
}

/** Nothing holds an object that is deleted. */
function isFree({ metadata }: Stored): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = metadata;
  return deletionTimestamp !== undefined && deletionGracePeriodSeconds === 0 && finalizers.length === 0;
}

function finalizersFor(propagation: Propagation, held: readonly string[]): string[] {
  const others = held.filter((name) => !Object.values(collectorFinalizers).some((own) => own === name));
  return propagation === 'Background' ? others : [...others, collectorFinalizers[propagation]];
}

/** A Pod that was given to a node and has not ended: only its kubelet can say that it is gone. */
function runsOnNode(type: string, object: Stored): boolean {
  if (type !== 'pods') return false;
  const { nodeName } = (object['spec'] ?? {}) as { nodeName?: string };
  const { phase } = (object['status'] ?? {}) as { phase?: string };
  return nodeName !== undefined && phase !== 'Succeeded' && phase !== 'Failed';
}

function idOf(type: string, { metadata }: Stored): string {
  return `${type}:${formatKey(metadata)}`;
}

/** The server keeps instants in whole seconds. */
function wholeSeconds(instant: Date): string {
  return instant.toISOString().replace(/\.\d+Z$/, 'Z');
}
