// Time: the wall clock, durations and timers.
/** Time enters the program here, and only here; tests bring their own clock. */
export interface Clock {
  /** The wall clock: for what people read and what other machines compare. It may jump. */
  now(): Date;
  /** Milliseconds from an arbitrary start: for durations and deadlines. It never jumps or goes back. */
  monotonicMs(): number;
  /**
   * Resolves after so many milliseconds.
   *
   * @throws the signal's reason as soon as the signal aborts.
   */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>;
  /** Calls back once after so many milliseconds, however many. Returns what cancels it; cancelling twice is fine. */
  after(delayMs: number, callback: () => void): () => void;
}

/** The longest delay that Node's timers take; beyond it they fire at once. */
const longestTimerMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  sleep: (delayMs, signal) => sleepOn(systemClock, delayMs, signal),
  after,
};

function after(delayMs: number, callback: () => void): () => void {
  const dueMs = performance.now() + delayMs;
  let timer: NodeJS.Timeout;
  function arm(): void {
    const leftMs = dueMs - performance.now();
    timer =
      leftMs > longestTimerMs ? setTimeout(arm, longestTimerMs) : setTimeout(callback, Math.max(0, leftMs));
  }
  arm();
  return () => clearTimeout(timer);
}

/** {@link Clock.sleep} in terms of {@link Clock.after}, for every implementation of a clock. */
export function sleepOn(clock: Pick<Clock, 'after'>, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const cancel = clock.after(delayMs, () => {
      signal.removeEventListener('abort', stop);
      resolve();
    });
    function stop(): void {
      cancel();
      reject(signal.reason);
    }
    signal.addEventListener('abort', stop, { once: true });
  });
}
