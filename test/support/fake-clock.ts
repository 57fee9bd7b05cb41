import { sleepOn, type Clock } from '../../src/runtime/clock.ts';

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

/** A clock that stands still until the test moves it. Wall clock and monotonic time move together. */
export class FakeClock implements Clock {
  readonly #startMs: number;
  #elapsedMs = 0;
  readonly #timers = new Set<Timer>();

  constructor(start: string = '2026-01-01T00:00:00Z') {
    this.#startMs = Date.parse(start);
  }

  /** How many timers are armed. */
  get waiting(): number {
    return this.#timers.size;
  }

  now(): Date {
    return new Date(this.#startMs + this.#elapsedMs);
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal);
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { dueMs: this.#elapsedMs + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /**
   * Moves time on, stopping at each timer that falls due, in order. What a timer sets off runs until it waits for
   * something else; timers it arms within the span fire as well.
   */
  async advance(spanMs: number): Promise<void> {
    const endMs = this.#elapsedMs + spanMs;
    await quiet();
    for (let next = this.#nextDue(endMs); next !== undefined; next = this.#nextDue(endMs)) {
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueMs);
      this.#timers.delete(next);
      next.callback();
      await quiet();
    }
    this.#elapsedMs = endMs;
  }

  /** Moves time on to the next timer. @returns milliseconds moved, undefined when no timer is armed. */
  async advanceToNext(): Promise<number | undefined> {
    await quiet();
    const next = this.#nextDue(Infinity);
    if (next === undefined) return undefined;
    const spanMs = Math.max(0, next.dueMs - this.#elapsedMs);
    await this.advance(spanMs);
    return spanMs;
  }

  #nextDue(endMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= endMs && (next === undefined || timer.dueMs < next.dueMs)) next = timer;
    }
    return next;
  }
}

/** Lets all promises that need neither time nor input run to their end. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Moves time on, a timer at a time, until something has ended; never while files are read or written for it. */
export async function until<T>(clock: FakeClock, work: Promise<T>): Promise<T> {
  const state = { isOver: false };
  const end = work.finally(() => {
    state.isOver = true;
  });
  end.catch(() => undefined);
  for (let idle = 0; !state.isOver; idle = isBusy() ? 0 : idle + 1) {
    await new Promise((resolve) => setImmediate(resolve));
    if (idle > 0 && idle % 3 === 0) await clock.advanceToNext();
  }
  return end;
}

/** Closing a file is called something else than all that is done with it before. */
function isBusy(): boolean {
  return process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq') || name === 'CloseReq');
}
