import type { ObjectKey } from '../kube/resource.ts';
import type { Backoff } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import type { Next } from './next.ts';

/** What a controller waits for before its first pass. A Reflector is one. */
export interface Synced {
  whenSynced(signal: AbortSignal): Promise<void>;
}

export interface ControllerOptions {
  readonly name: string;
  /** No pass starts before all of them have listed once. */
  readonly reflectors: readonly Synced[];
  /**
   * One pass over one key. The signal aborts at the pass's deadline, and when the process has to go.
   * Throw TerminalError for what must not be retried; everything else thrown is retried with back-off.
   */
  readonly reconcile: (key: ObjectKey, signal: AbortSignal) => Promise<Next>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** How many keys are worked on at once. Default 4. */
  readonly workers?: number | undefined;
  /** Deadline of one pass, milliseconds. Default 60 s. */
  readonly passMs?: number | undefined;
  /** How long passes under way may go on after a stop, milliseconds. Default 8 s. */
  readonly graceMs?: number | undefined;
  /** Default: 1 s doubling up to 10 min. */
  readonly backoff?: Backoff | undefined;
}

/** Runs `reconcile` for every key that was enqueued: never twice at once for a key, again after a failure. */
export class Controller {
  constructor(options: ControllerOptions) {
    throw new Error(`to be filled in ${options.name}`);
  }

  /** Asks for a pass over the key, now or after so many milliseconds. From any handler, at any time. */
  enqueue(_key: ObjectKey, _delayMs?: number): void {}

  /** Works until the signal aborts, then lets passes finish. Resolves when none is left; never rejects. Once only. */
  async run(_signal: AbortSignal): Promise<void> {}
}
