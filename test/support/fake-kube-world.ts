import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import {
  apiVersionOf,
  formatKey,
  type ObjectKey,
  type OwnerReference,
  type Resource,
} from '../../src/kube/resource.ts';

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
 * Kinder than reality in one point: garbage is collected within the deletion, where a real cluster takes its time.
 * {@link World.collectsGarbage} switches that off.
 */
export class World {
  readonly history: WorldChange[] = [];
  version = 1;
  collectsGarbage = true;
  readonly #objects = new Map<string, { type: string; object: Stored }>();
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

  /** Takes in a new object; the caller has checked it. */
  insert(resource: Resource, namespace: string, draft: Stored): Stored {
    const type = typeOf(resource);
    const object: Stored = {
      ...draft,
      apiVersion: apiVersionOf(resource),
      kind: resource.kind,
      metadata: {
        ...draft.metadata,
        namespace,
        uid: this.#nextUID(`${type}:${namespace}/${draft.metadata.name}`),
        resourceVersion: '',
        creationTimestamp: wholeSeconds(this.#now()),
        ...('spec' in draft ? { generation: 1 } : {}),
      },
    };
    return this.#commit(type, undefined, object);
  }

  /** Changes an object in place of `before`; the server bumps what it has to. No change, no new version. */
  update(type: string, before: Stored, after: Stored): Stored {
    const { resourceVersion, uid, generation, creationTimestamp } = before.metadata;
    after.metadata = { ...after.metadata, resourceVersion, uid, creationTimestamp };
    if (generation !== undefined) {
      after.metadata.generation = isDeepStrictEqual(before['spec'], after['spec'])
        ? generation
        : generation + 1;
    }
    if (isDeepStrictEqual(before, after)) return before;
    if (after.metadata.deletionTimestamp !== undefined && (after.metadata.finalizers ?? []).length === 0) {
      this.#erase(type, after, 'Background');
      return after;
    }
    return this.#commit(type, before, after);
  }

  /** Deletes an object, or marks it when finalizers hold it. Absent propagation: the server's default for the kind. */
  delete(type: string, object: Stored, propagation: Propagation | undefined): void {
    if ((object.metadata.finalizers ?? []).length === 0) {
      this.#erase(type, object, propagation ?? (type === 'jobs.batch' ? 'Orphan' : 'Background'));
      return;
    }
    if (object.metadata.deletionTimestamp !== undefined) return;
    const after = copy(object);
    after.metadata.deletionTimestamp = wholeSeconds(this.#now());
    if (after.metadata.generation !== undefined) after.metadata.generation += 1;
    this.#commit(type, object, after);
  }

  /** Deletes every object whose owners are all gone. */
  collectGarbage(): void {
    const uids = new Set([...this.#objects.values()].map(({ object }) => object.metadata.uid));
    for (const { type, object } of this.#objects.values()) {
      const owners = object.metadata.ownerReferences ?? [];
      if (owners.length > 0 && owners.every((owner) => !uids.has(owner.uid)))
        this.delete(type, object, 'Background');
    }
  }

  #erase(type: string, object: Stored, propagation: Propagation): void {
    const { uid } = object.metadata;
    if (propagation === 'Foreground') this.#release(uid, propagation);
    this.#objects.delete(idOf(type, object));
    const last = copy(object);
    this.#append({ type, before: last, after: undefined }, last);
    if (propagation !== 'Foreground' && (this.collectsGarbage || propagation === 'Orphan'))
      this.#release(uid, propagation);
  }

  /** What becomes of the dependents of an owner that goes. */
  #release(uid: string, propagation: Propagation): void {
    for (const { type, object } of this.#objects.values()) {
      const owners = object.metadata.ownerReferences ?? [];
      const others = owners.filter((owner) => owner.uid !== uid);
      if (others.length === owners.length) continue;
      if (propagation !== 'Orphan' && others.length === 0) {
        this.delete(type, object, propagation);
      } else {
        const after = copy(object);
        after.metadata.ownerReferences = others;
        this.update(type, object, after);
      }
    }
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

function idOf(type: string, { metadata }: Stored): string {
  return `${type}:${formatKey(metadata)}`;
}

/** The server keeps instants in whole seconds. */
function wholeSeconds(instant: Date): string {
  return instant.toISOString().replace(/\.\d+Z$/, 'Z');
}
