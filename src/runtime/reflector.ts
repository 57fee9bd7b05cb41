import type { KubeClient } from '../kube/client.ts';
import type { KubeObject, ObjectKey, Resource } from '../kube/resource.ts';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';

/** Values under which an object can be found again, such as the uids of its owners. */
export type IndexFunction<T> = (object: T) => readonly string[];

/**
 * Told of one change: (undefined, new) appeared, (old, new) changed, (old, undefined) went. When an object was deleted
 * and made anew under its name, the two come one after the other, also when the watch saw only the second object.
 * Must not wait. What it throws is logged and goes no further.
 */
export type ChangeHandler<T> = (before: T | undefined, after: T | undefined) => void;

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly indexes?: Readonly<Record<string, IndexFunction<T>>> | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/** A local copy of the objects of one resource, kept current for as long as `run` goes on. */
export class Reflector<T extends KubeObject> {
  constructor(options: ReflectorOptions<T>) {
    throw new Error(`to be filled in ${options.resource.plural}`);
  }

  /** Adds a handler. Call before `run`. */
  onChange(_handler: ChangeHandler<T>): void {}

  /** Lists, watches and recovers until the signal aborts. Never rejects; nothing is delivered after the abort. Once only. */
  async run(_signal: AbortSignal): Promise<void> {}

  /** True from the first complete list on. */
  hasSynced(): boolean {
    return false;
  }

  /** Resolves at the first complete list. @throws the signal's reason. */
  async whenSynced(_signal: AbortSignal): Promise<void> {}

  get(_key: ObjectKey): T | undefined {
    return undefined;
  }

  /** All objects, or those of one namespace. */
  list(_namespace?: string): readonly T[] {
    return [];
  }

  /** The objects that the named index files under the value. @throws {Error} when there is no such index. */
  byIndex(_index: string, _value: string): readonly T[] {
    return [];
  }
}
