// What a reflector holds: objects by key, and by what they are looked up with.
import { formatKey, keyOf, type KubeObject, type ObjectKey } from '../kube/resource.ts';

/** Values under which an object can be found again, such as the uids of its owners. */
export type IndexFunction<T> = (object: T) => readonly string[];

/** One difference between what the store held and what it holds now. Never both undefined. */
export interface Change<T> {
  readonly before: T | undefined;
  readonly after: T | undefined;
}

/**
 * Objects by key and by named indexes.
 *
 * An object that was deleted and made anew under its name is two changes, whichever of the two the caller saw.
 */
export class Store<T extends KubeObject> {
  readonly #indexes: Readonly<Record<string, IndexFunction<T>>>;
  readonly #objects = new Map<string, T>();
  /** Index name, then value, then the ids of the objects filed there. */
  readonly #filed = new Map<string, Map<string, Set<string>>>();

  constructor(indexes: Readonly<Record<string, IndexFunction<T>>>) {
    this.#indexes = indexes;
    for (const name of Object.keys(indexes)) this.#filed.set(name, new Map());
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: ObjectKey): T | undefined {
    return this.#objects.get(formatKey(key));
  }

  list(namespace?: string): readonly T[] {
    const all = [...this.#objects.values()];
    return namespace === undefined ? all : all.filter((object) => keyOf(object).namespace === namespace);
  }

  /** @throws {Error} when there is no such index. */
  byIndex(index: string, value: string): readonly T[] {
    const filed = this.#filed.get(index);
    if (filed === undefined) throw new Error(`there is no index "${index}"`);
    const found: T[] = [];
    for (const id of filed.get(value) ?? []) {
      const object = this.#objects.get(id);
      if (object !== undefined) found.push(object);
    }
    return found;
  }

  /** Takes the object in. No change when it is the version that is already here. */
  put(object: T): readonly Change<T>[] {
    const before = this.get(keyOf(object));
    if (before?.metadata.resourceVersion === object.metadata.resourceVersion && isSameObject(before, object))
      return [];
    if (before !== undefined) this.#unfile(before);
    this.#objects.set(formatKey(keyOf(object)), object);
    this.#file(object);
    if (before === undefined || isSameObject(before, object)) return [{ before, after: object }];
    return [
      { before, after: undefined },
      { before: undefined, after: object },
    ];
  }

  remove(key: ObjectKey): readonly Change<T>[] {
    const before = this.get(key);
    if (before === undefined) return [];
    this.#unfile(before);
    this.#objects.delete(formatKey(key));
    return [{ before, after: undefined }];
  }

  /** Holds exactly these objects from now on. */
  replace(objects: readonly T[]): readonly Change<T>[] {
    const ids = new Set(objects.map((object) => formatKey(keyOf(object))));
    const gone = [...this.#objects]
      .filter(([id]) => !ids.has(id))
      .flatMap(([, object]) => this.remove(keyOf(object)));
    return [...gone, ...objects.flatMap((object) => this.put(object))];
  }

  #file(object: T): void {
    const id = formatKey(keyOf(object));
    for (const [name, valuesOf] of Object.entries(this.#indexes)) {
      const filed = this.#filed.get(name);
      for (const value of valuesOf(object)) {
        const ids = filed?.get(value) ?? new Set();
        filed?.set(value, ids.add(id));
      }
    }
  }

  #unfile(object: T): void {
    const id = formatKey(keyOf(object));
    for (const [name, valuesOf] of Object.entries(this.#indexes)) {
      const filed = this.#filed.get(name);
      for (const value of valuesOf(object)) {
        const ids = filed?.get(value);
        ids?.delete(id);
        if (ids?.size === 0) filed?.delete(value);
      }
    }
  }
}

function isSameObject(one: KubeObject, other: KubeObject): boolean {
  return one.metadata.uid === other.metadata.uid;
}
