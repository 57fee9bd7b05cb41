// What was worked out once, and is asked for in each pass.

/** Remembers what was made for each key. Users choose the keys: of too many all are forgotten. */
export class Recall<T> {
  readonly #known = new Map<string, T>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  of(key: string, make: () => T): T {
    const before = this.#known.get(key);
    if (before !== undefined || this.#known.has(key)) return before as T;
    const made = make();
    if (this.#known.size >= this.#most) this.#known.clear();
    this.#known.set(key, made);
    return made;
  }
}
