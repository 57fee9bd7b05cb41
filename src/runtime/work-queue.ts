import type { ObjectKey } from '../kube/resource.ts';
import type { Backoff } from './backoff.ts';
import type { Clock } from './clock.ts';

export interface WorkQueueOptions {
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly random: () => number;
}

/**
 * Keys that wait for a pass. A key waits at most once and is handed to one taker at a time; a key added during its own
 * pass is handed out again after it.
 */
export class WorkQueue {
  constructor(options: WorkQueueOptions) {
    throw new Error(`to be filled in ${options.backoff.capMs}`);
  }

  add(_key: ObjectKey): void {}
  addAfter(_key: ObjectKey, _delayMs: number): void {}
}
