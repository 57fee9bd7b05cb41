import type { KubeConfig } from '@kubernetes/client-node';
import * as z from 'zod';
import type {
  CallOptions,
  DeleteOptions,
  KubeClient,
  ListOptions,
  ListResult,
  WatchEvent,
  WatchOptions,
} from './client.ts';
import { KubeError, isKubeError, refusalError } from './errors.ts';
import { splitLines } from './lines.ts';
import { identify, parseObject } from './parse.ts';
import { collectionPath, objectPath } from './path.ts';
import { apiVersionOf, formatKey, type KubeObject, type ObjectKey, type Resource } from './resource.ts';
import { Transport, defaultLimits, type Call, type HttpLimits, type RequestMade } from './transport.ts';

export interface HttpClientOptions {
  readonly kubeConfig: KubeConfig;
  /** `name/version`; the server takes the name for the field manager. */
  readonly userAgent: string;
  /** Told of every object in a list or watch that the schema refused. */
  readonly onUnreadable?: ((error: KubeError) => void) | undefined;
  /** Told of every request. Must not throw. */
  readonly onRequest?: ((request: RequestMade) => void) | undefined;
  readonly limits?: Partial<HttpLimits> | undefined;
  /** In [0, 1); for jitter. Default: Math.random. */
  readonly random?: (() => number) | undefined;
}

/** A {@link KubeClient} whose connections are held until `close`. */
export interface HttpKubeClient extends KubeClient {
  /**
   * The JSON at a path that is no object's, such as the schemas below `/openapi/v3`.
   *
   * @returns undefined when there is nothing.
   */
  getDocument(path: string, options?: CallOptions): Promise<unknown>;

  /** Ends all connections; calls under way reject. */
  close(): Promise<void>;
}

/** The Kubernetes API over HTTP. Opens no connection before the first call. */
export function kubeClient(options: HttpClientOptions): HttpKubeClient {
  return new HttpClient(options);
}

const pageSize = 500;

/** How often a list starts over because its position expired between two pages. */
const maxListRestarts = 3;

const pageSchema = z.object({
  metadata: z.object({ resourceVersion: z.string(), continue: z.string().default('') }),
  items: z.array(z.unknown()).nullish(),
});

type Page = z.infer<typeof pageSchema>;

const eventSchema = z.object({
  type: z.enum(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']),
  object: z.unknown(),
});

const eventTypes = { ADDED: 'added', MODIFIED: 'modified', DELETED: 'deleted' } as const;

class HttpClient implements HttpKubeClient {
  readonly #transport: Transport;
  readonly #limits: HttpLimits;
  readonly #random: () => number;
  readonly #onUnreadable: (error: KubeError) => void;

  constructor({ onUnreadable, limits, random, ...options }: HttpClientOptions) {
    this.#limits = { ...defaultLimits, ...limits };
    this.#random = random ?? Math.random;
    this.#onUnreadable = onUnreadable ?? (() => undefined);
    this.#transport = new Transport({ ...options, limits: this.#limits, random: this.#random });
  }

  async get<T extends KubeObject>(
    resource: Resource<T>,
    key: ObjectKey,
    options?: CallOptions,
  ): Promise<T | undefined> {
    try {
      const json = await this.#transport.call({
        step: `get ${resource.plural} ${formatKey(key)}`,
        ...toDo('get', resource),
        path: objectPath(resource, key),
        signal: options?.signal,
      });
      return parseObject(resource, json);
    } catch (error) {
      if (isKubeError(error, 'notFound')) return undefined;
      throw error;
    }
  }

  async getDocument(path: string, options?: CallOptions): Promise<unknown> {
    try {
      const call = { step: `get ${path}`, verb: 'get', resource: '', path } as const;
      return await this.#transport.call({ ...call, signal: options?.signal });
    } catch (error) {
      if (isKubeError(error, 'notFound')) return undefined;
      throw error;
    }
  }

  async list<T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}): Promise<ListResult<T>> {
    for (let restarts = 0; ; restarts += 1) {
      try {
        return await this.#listOnce(resource, options);
      } catch (error) {
        if (!isKubeError(error, 'expired') || restarts >= maxListRestarts) throw error;
      }
    }
  }

  async *watch<T extends KubeObject>(
    resource: Resource<T>,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>, void> {
    const { namespace, labelSelector, resourceVersion, signal } = options;
    const step = `watch ${resource.plural}${namespace === undefined ? '' : ` in ${namespace}`}`;
    if (resourceVersion === '') throw new KubeError('invalid', `${step}: no resourceVersion to start from`);
    const query = {
      watch: 'true',
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(Math.round(300 * (1 + this.#random()))),
      resourceVersion,
      labelSelector,
    };
    const bytes = this.#transport.stream({
      step,
      ...toDo('watch', resource),
      path: collectionPath(resource, namespace, query),
      signal,
    });
    try {
      for await (const line of splitLines(bytes, { step, maxLineBytes: this.#limits.maxEventBytes })) {
        if (signal.aborted) return;
        yield this.#parseEvent(resource, step, line);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async create<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    object: object,
    options?: CallOptions,
  ): Promise<T> {
    const { key } = identify(object);
    const json = await this.#transport.call({
      step: `create ${resource.plural} ${formatKey({ namespace, name: key.name })}`,
      ...toDo('create', resource),
      path: collectionPath(resource, namespace),
      body: { apiVersion: apiVersionOf(resource), kind: resource.kind, ...object },
      signal: options?.signal,
    });
    return parseObject(resource, json);
  }

  async replaceStatus<T extends KubeObject>(
    resource: Resource<T>,
    key: ObjectKey,
    object: object,
    options?: CallOptions,
  ): Promise<T> {
    const step = `update the status of ${resource.plural} ${formatKey(key)}`;
    const path = `${objectPath(resource, key)}/status`;
    return this.#put(resource, { step, path, object, subresource: '/status', options });
  }

  async replace<T extends KubeObject>(
    resource: Resource<T>,
    key: ObjectKey,
    object: object,
    options?: CallOptions,
  ): Promise<T> {
    const step = `update ${resource.plural} ${formatKey(key)}`;
    return this.#put(resource, { step, path: objectPath(resource, key), object, subresource: '', options });
  }

  async delete(resource: Resource, key: ObjectKey, options: DeleteOptions): Promise<void> {
    const { uid, resourceVersion, propagationPolicy, signal } = options;
    const step = `delete ${resource.plural} ${formatKey(key)}`;
    if (uid === '') throw new KubeError('invalid', `${step}: no uid to make sure of`);
    try {
      await this.#transport.call({
        step,
        ...toDo('delete', resource),
        path: objectPath(resource, key),
        body: {
          apiVersion: 'v1',
          kind: 'DeleteOptions',
          preconditions: { uid, resourceVersion },
          propagationPolicy,
        },
        signal,
      });
    } catch (error) {
      if (!isKubeError(error, 'notFound')) throw error;
    }
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }

  async #put<T extends KubeObject>(resource: Resource<T>, put: Put): Promise<T> {
    const { step, path, object, subresource, options } = put;
    if (identify(object).resourceVersion === '') {
      throw new KubeError('invalid', `${step}: the object has no resourceVersion`);
    }
    const body = { apiVersion: apiVersionOf(resource), kind: resource.kind, ...object };
    const call = { step, ...toDo('update', resource, subresource), path, body, signal: options?.signal };
    return parseObject(resource, await this.#transport.call(call));
  }

  async #listOnce<T extends KubeObject>(resource: Resource<T>, options: ListOptions): Promise<ListResult<T>> {
    const { limit = Infinity } = options;
    const items: T[] = [];
    let seen = 0;
    let next = '';
    for (;;) {
      const page = await this.#page(resource, options, {
        limit: String(Math.min(pageSize, limit - seen)),
        continue: next,
      });
      for (const json of page.items ?? []) this.#keepReadable(items, resource, json);
      seen += page.items?.length ?? 0;
      next = page.metadata.continue;
      if (next === '' || seen >= limit) return { items, resourceVersion: page.metadata.resourceVersion };
    }
  }

  async #page(
    resource: Resource,
    options: ListOptions,
    position: { limit: string; continue: string },
  ): Promise<Page> {
    const { namespace, labelSelector, fieldSelector, signal } = options;
    const step = `list ${resource.plural}${namespace === undefined ? '' : ` in ${namespace}`}`;
    const query = {
      limit: position.limit,
      continue: position.continue === '' ? undefined : position.continue,
    };
    const path = collectionPath(resource, namespace, { ...query, labelSelector, fieldSelector });
    const page = pageSchema.safeParse(
      await this.#transport.call({ step, ...toDo('list', resource), path, signal }),
    );
    if (!page.success) throw new KubeError('unreadable', `${step}: the answer is no list`);
    return page.data;
  }

  #keepReadable<T extends KubeObject>(items: T[], resource: Resource<T>, json: unknown): void {
    try {
      items.push(parseObject(resource, json));
    } catch (error) {
      this.#reportUnreadable(error);
    }
  }

  #parseEvent<T extends KubeObject>(resource: Resource<T>, step: string, line: string): WatchEvent<T> {
    const event = eventSchema.safeParse(parseLine(step, line));
    if (!event.success) throw new KubeError('unreadable', `${step}: a line that is no event`);
    const { type, object } = event.data;
    if (type === 'ERROR') throw refusalError({ step, status: codeOf(object), body: object });
    const { key, resourceVersion } = identify(object);
    if (type === 'BOOKMARK') return { type: 'bookmark', resourceVersion };
    try {
      return { type: eventTypes[type], object: parseObject(resource, object), resourceVersion };
    } catch (error) {
      this.#reportUnreadable(error);
      return { type: 'unreadable', key, resourceVersion };
    }
  }

  #reportUnreadable(error: unknown): void {
    if (!isKubeError(error, 'unreadable')) throw error;
    this.#onUnreadable(error);
  }
}

interface Put {
  readonly step: string;
  readonly path: string;
  readonly object: object;
  readonly subresource: '' | '/status';
  readonly options: CallOptions | undefined;
}

function toDo(
  verb: Call['verb'],
  { plural, isUrgent }: Resource,
  subresource = '',
): Pick<Call, 'verb' | 'resource' | 'isUrgent'> {
  return { verb, resource: plural + subresource, isUrgent };
}

function parseLine(step: string, line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new KubeError('unreadable', `${step}: a line that is no JSON`, { cause: error });
  }
}

/** A watch reports errors inside the stream, where the HTTP status has long been 200. */
function codeOf(status: unknown): number {
  return z.object({ code: z.number() }).safeParse(status).data?.code ?? 500;
}
