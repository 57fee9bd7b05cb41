// What the runtime tells of its own work, for whoever counts it.
import type { WatchEvent } from '../kube/client.ts';
import type { Next } from './next.ts';

/**
 * How a pass ended. What went well says what it waits for; `failed` is retried, `terminal` is not, `hung` means that the
 * deadline passed before its end, `stopped` that the process had to go before it.
 */
export type PassResult = Next['kind'] | 'failed' | 'terminal' | 'hung' | 'stopped';

/**
 * How a watch ended: `closed` by the server in good order, `cut` after it had brought something, `expired` because it
 * asked for a past that the server has forgotten, `failed` when it achieved nothing.
 */
export type WatchEnd = 'closed' | 'cut' | 'expired' | 'failed';

/**
 * Told of what happens, as it happens; what merely is (the depth of a queue, the size of a cache) is asked of
 * Controller and Reflector themselves. Called from the middle of the work: must neither wait nor throw.
 *
 * A resource is named by its plural.
 */
export interface RuntimeMetrics {
  /** Exactly once per pass; for one that hangs as soon as its worker goes on without it. */
  passEnded(pass: {
    readonly controller: string;
    readonly result: PassResult;
    readonly durationMs: number;
  }): void;
  /** A worker took a key that had been ready for so long. */
  keyTaken(key: { readonly controller: string; readonly waitedMs: number }): void;
  /** A key will be taken again because its pass failed. */
  keyRetried(controller: string): void;
  /** All pages of a list were read, or the list was given up: then there are no items. */
  listEnded(list: {
    readonly resource: string;
    readonly isGood: boolean;
    readonly items: number;
    readonly durationMs: number;
  }): void;
  watchEnded(watch: { readonly resource: string; readonly how: WatchEnd; readonly durationMs: number }): void;
  watchEvent(event: { readonly resource: string; readonly type: WatchEvent<unknown>['type'] }): void;
  handlerThrew(resource: string): void;
}

/** For who does not count. */
export const noMetrics: RuntimeMetrics = {
  passEnded: () => undefined,
  keyTaken: () => undefined,
  keyRetried: () => undefined,
  listEnded: () => undefined,
  watchEnded: () => undefined,
  watchEvent: () => undefined,
  handlerThrew: () => undefined,
};
