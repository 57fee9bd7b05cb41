// What is to be done when: keys that wait for their time, with one timer for all of them.
import { formatKey, type ObjectKey } from '../kube/resource.ts';
import type { Clock } from './clock.ts';

interface Entry {
  readonly key: ObjectKey;
  readonly id: string;
  /** Monotonic milliseconds. */
  readonly dueMs: number;
  /** Where it is in the heap. */
  at: number;
}

/**
 * Keys by the time at which they are due, each at most once.
 *
 * A binary heap and a single timer: a timer of its own costs each key about 1 kB of resident memory, and nearly every
 * resource with a schedule waits for something.
 */
export class Agenda {
  readonly #clock: Pick<Clock, 'after' | 'monotonicMs'>;
  readonly #onDue: (key: ObjectKey) => void;
  /** No entry is due before the one at half its position. */
  readonly #heap: Entry[] = [];
  readonly #entries = new Map<string, Entry>();
  #armedMs: number | undefined;
  #disarm: () => void = () => undefined;

  /** @param onDue called once per key, when its time has come and it is no longer here. */
  constructor(clock: Pick<Clock, 'after' | 'monotonicMs'>, onDue: (key: ObjectKey) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** In so many milliseconds, whatever was set for the key before. */
  set(key: ObjectKey, delayMs: number): void {
    const id = formatKey(key);
    this.#drop(id);
    const dueMs = this.#clock.monotonicMs() + Math.max(0, delayMs);
    const entry = { key, id, dueMs, at: this.#heap.length };
    this.#entries.set(id, entry);
    this.#heap.push(entry);
    this.#rise(entry);
    this.#arm();
  }

  delete(key: ObjectKey): void {
    if (this.#drop(formatKey(key))) this.#arm();
  }

  clear(): void {
    this.#heap.length = 0;
    this.#entries.clear();
    this.#arm();
  }

  #ring(): void {
    this.#armedMs = undefined;
    const nowMs = this.#clock.monotonicMs();
    for (let first = this.#heap[0]; first !== undefined && first.dueMs <= nowMs; first = this.#heap[0]) {
      this.#drop(first.id);
      this.#onDue(first.key);
    }
    this.#arm();
  }

  /** Sees to it that the timer rings when the first entry is due. */
  #arm(): void {
    const dueMs = this.#heap[0]?.dueMs;
    if (dueMs === this.#armedMs) return;
    this.#disarm();
    this.#armedMs = dueMs;
    if (dueMs === undefined) return;
    this.#disarm = this.#clock.after(dueMs - this.#clock.monotonicMs(), () => this.#ring());
  }

  #drop(id: string): boolean {
    const entry = this.#entries.get(id);
    const last = this.#heap.at(-1);
    if (entry === undefined || last === undefined) return false;
    this.#entries.delete(id);
    this.#heap.pop();
    if (last !== entry) {
      this.#place(last, entry.at);
      this.#rise(last);
      this.#sink(last);
    }
    return true;
  }

  #rise(entry: Entry): void {
    while (entry.at > 0) {
      const above = this.#heap[(entry.at - 1) >> 1];
      if (above === undefined || above.dueMs <= entry.dueMs) return;
      this.#swap(entry, above);
    }
  }

  #sink(entry: Entry): void {
    for (;;) {
      const [left, right] = [this.#heap[2 * entry.at + 1], this.#heap[2 * entry.at + 2]];
      const below = left !== undefined && right !== undefined && right.dueMs < left.dueMs ? right : left;
      if (below === undefined || entry.dueMs <= below.dueMs) return;
      this.#swap(entry, below);
    }
  }

  #swap(one: Entry, other: Entry): void {
    const { at } = one;
    this.#place(one, other.at);
    this.#place(other, at);
  }

  #place(entry: Entry, at: number): void {
    this.#heap[at] = entry;
    entry.at = at;
  }
}
