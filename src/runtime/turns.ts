// Whose turn it is: keys that are ready, fair between namespaces.
import type { ObjectKey } from '../kube/resource.ts';

/** A key, and since when it has been ready. Monotonic milliseconds. */
export interface Ready {
  readonly key: ObjectKey;
  readonly sinceMs: number;
}

/**
 * Every namespace has its turn, one key each; within a namespace the first come is the first served. So a namespace
 * with thousands of keys delays the only one of another by a single key.
 *
 * Both ends cost the same, however many keys and namespaces wait.
 */
export class Turns {
  /** Namespaces that have a key, in the order of their turns. */
  readonly #order = new Line<string>();
  readonly #lines = new Map<string, Line<Ready>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The caller sees to it that no key is here twice. */
  push(ready: Ready): void {
    const { namespace } = ready.key;
    let line = this.#lines.get(namespace);
    if (line === undefined) {
      line = new Line();
      this.#lines.set(namespace, line);
      this.#order.push(namespace);
    }
    line.push(ready);
    this.#size += 1;
  }

  take(): Ready | undefined {
    const namespace = this.#order.shift();
    if (namespace === undefined) return undefined;
    const line = this.#lines.get(namespace);
    const ready = line?.shift();
    if (line === undefined || line.isEmpty) this.#lines.delete(namespace);
    else this.#order.push(namespace);
    this.#size -= 1;
    return ready;
  }
}

interface Place<T> {
  readonly item: T;
  next?: Place<T>;
}

/** First in, first out. Unlike an array or a Map, whose front gets slower to reach the more was taken from it. */
class Line<T> {
  #first: Place<T> | undefined;
  #last: Place<T> | undefined;

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  push(item: T): void {
    const place: Place<T> = { item };
    if (this.#last === undefined) this.#first = place;
    else this.#last.next = place;
    this.#last = place;
  }

  shift(): T | undefined {
    const first = this.#first;
    this.#first = first?.next;
    if (this.#first === undefined) this.#last = undefined;
    return first?.item;
  }
}
