import type { WatchEvent } from '../../src/kube/client.ts';
import { KubeError } from '../../src/kube/errors.ts';
import { parseObject } from '../../src/kube/parse.ts';
import type { KubeObject, Resource } from '../../src/kube/resource.ts';
import { matchesSelector } from './fake-kube-selector.ts';
import { copy, typeOf, type Stored, type WorldChange } from './fake-kube-world.ts';

type Item<T> = WatchEvent<T> | { readonly type: 'close' } | { readonly type: 'break'; readonly error: Error };

export interface WatchScope {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly resourceVersion: string;
}

/** One open watch: what was sent and not yet read. */
export class FakeWatch<T extends KubeObject> {
  readonly #resource: Resource<T>;
  readonly #scope: WatchScope;
  readonly #inbox: Item<T>[] = [];
  #wake: () => void = () => undefined;

  constructor(resource: Resource<T>, scope: WatchScope) {
    this.#resource = resource;
    this.#scope = scope;
  }

  /** Sends the change as this watch sees it: an object that leaves the selector is deleted here. */
  offer({ version, type, before, after }: WorldChange): void {
    // From a moment that has not come yet, as a server that was restored from a backup may be asked for.
    if (type !== typeOf(this.#resource) || version <= Number(this.#scope.resourceVersion)) return;
    const [was, is] = [this.#isVisible(before), this.#isVisible(after)];
    if (!was && !is) return;
    const seen = is ? after : before;
    this.#push(this.#event(was ? (is ? 'modified' : 'deleted') : 'added', seen, String(version)));
  }

  bookmark(version: number): void {
    this.#push({ type: 'bookmark', resourceVersion: String(version) });
  }

  close(): void {
    this.#push({ type: 'close' });
  }

  break(error: Error): void {
    this.#push({ type: 'break', error });
  }

  async *events(signal: AbortSignal): AsyncGenerator<WatchEvent<T>, void> {
    while (!signal.aborted) {
      const item = this.#inbox.shift();
      if (item === undefined) await this.#nextItem(signal);
      else if (item.type === 'close') return;
      else if (item.type === 'break') throw item.error;
      else yield item;
    }
  }

  #push(item: Item<T>): void {
    this.#inbox.push(item);
    this.#wake();
  }

  async #nextItem(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    this.#wake = wake;
    signal.addEventListener('abort', wake, { once: true });
    await promise;
    signal.removeEventListener('abort', wake);
  }

  #isVisible(object: Stored | undefined): boolean {
    if (object === undefined) return false;
    const { namespace, labelSelector } = this.#scope;
    const { metadata } = object;
    return (
      (namespace ?? metadata.namespace) === metadata.namespace &&
      matchesSelector(labelSelector, metadata.labels ?? {})
    );
  }

  #event(
    type: 'added' | 'modified' | 'deleted',
    seen: Stored | undefined,
    resourceVersion: string,
  ): WatchEvent<T> {
    if (seen === undefined) throw new Error('a change of nothing');
    // An object that left the selector comes as it was before, with the version of the change.
    const json = copy(seen);
    json.metadata.resourceVersion = resourceVersion;
    try {
      return { type, object: parseObject(this.#resource, json), resourceVersion };
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      return { type: 'unreadable', key: json.metadata, resourceVersion };
    }
  }
}
