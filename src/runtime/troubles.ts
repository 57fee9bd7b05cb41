// What is said of passes: one line when a key gets into trouble, or into another one, and one when it is out of it.
import { formatKey, type ObjectKey } from '../kube/resource.ts';
import type { Log } from './log.ts';
import { TerminalError } from './next.ts';

/** Enough of a sentence to tell it from another one. Bounds what is kept per key that fails. */
const maxReasonCharacters = 200;

interface Trouble {
  readonly reason: string;
  readonly failures: number;
}

/**
 * Tells of failing passes, per key and reason once; the repetitions are for debugging. Keeps only keys whose last pass
 * failed: one that is gone ends with a pass that goes well.
 */
export class Troubles {
  readonly #controller: string;
  readonly #log: Log;
  readonly #troubles = new Map<string, Trouble>();

  constructor(controller: string, log: Log) {
    this.#controller = controller;
    this.#log = log;
  }

  /** @param retryMs undefined: it is not tried again before the key changes, or cannot be. Milliseconds. */
  failed(key: ObjectKey, error: unknown, retryMs: number | undefined): void {
    const id = formatKey(key);
    const before = this.#troubles.get(id);
    const reason = reasonOf(error);
    const failures = (before?.failures ?? 0) + 1;
    this.#troubles.set(id, { reason, failures });
    const fields = { ...this.#fieldsOf(key), failures, retryMs, err: error };
    const isNews = before?.reason !== reason;
    if (error instanceof TerminalError) {
      const level = isNews ? 'error' : 'debug';
      this.#log[level]({ ...fields, reason: error.reason }, 'pass failed, not to be retried');
    } else this.#log[isNews ? 'warn' : 'debug'](fields, 'pass failed');
  }

  went(key: ObjectKey, facts: Readonly<Record<string, unknown>>): void {
    const id = formatKey(key);
    const before = this.#troubles.get(id);
    const fields = { ...this.#fieldsOf(key), ...facts };
    this.#log.debug(fields, 'pass done');
    if (before === undefined) return;
    this.#troubles.delete(id);
    this.#log.info({ ...this.#fieldsOf(key), failures: before.failures }, 'recovered');
  }

  #fieldsOf({ namespace, name }: ObjectKey): Readonly<Record<string, string>> {
    return { controller: this.#controller, namespace, name };
  }
}

/** What went wrong, without what differs from time to time: versions, counts, durations, addresses. */
export function reasonOf(error: unknown): string {
  const text = error instanceof TerminalError ? error.reason : String(error);
  return text.replace(/\w*\d\w*/g, '#').slice(0, maxReasonCharacters);
}
