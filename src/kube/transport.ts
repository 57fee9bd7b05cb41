import type { KubeConfig } from '@kubernetes/client-node';
import { setTimeout as sleep } from 'node:timers/promises';
import { request, type Dispatcher } from 'undici';
import { Connection, type Route } from './connection.ts';
import { KubeError, isKubeError, refusalError } from './errors.ts';
import { retryDelayMs, type RetryLimits } from './retry.ts';

export interface HttpLimits extends RetryLimits {
  /** Deadline of a call with all its retries. */
  readonly callMs: number;
  /** How long a read waits for the first byte before it is tried on another connection. */
  readonly readMs: number;
  readonly connectMs: number;
  /** A watch without a byte for so long is taken for dead; the server sends bookmarks every minute. */
  readonly watchIdleMs: number;
  readonly maxEventBytes: number;
  readonly maxAnswerBytes: number;
}

/** An event or object is at most 1.5 MiB in etcd and a page 500 of them; what is larger is no answer to us. */
export const defaultLimits: HttpLimits = {
  callMs: 30_000,
  readMs: 12_000,
  connectMs: 5_000,
  watchIdleMs: 100_000,
  maxEventBytes: 8 * 1024 * 1024,
  maxAnswerBytes: 256 * 1024 * 1024,
  attempts: 4,
  baseMs: 200,
  maxWaitMs: 5_000,
};

const maxRefusalBytes = 64 * 1024;

/** As a role names them, with the method that each one is sent with. */
export const methods = {
  get: 'GET',
  list: 'GET',
  watch: 'GET',
  create: 'POST',
  update: 'PUT',
  delete: 'DELETE',
} as const satisfies Record<string, Dispatcher.HttpMethod>;

type Verb = keyof typeof methods;

/** One request that was answered, or was not. A call that is tried again makes several. */
export interface RequestMade {
  readonly verb: Verb;
  /** Plural, with its subresource if any: `neo4jbackups/status`. Empty for what is no object. */
  readonly resource: string;
  /** HTTP status; `error` when no answer came, or not all of it, or nobody waited for it any more. */
  readonly code: number | 'error';
  /** Until the answer was read; of a watch until it began. Milliseconds. */
  readonly durationMs: number;
}

export interface Call {
  /** What is tried, for messages: `create jobs shop/orders`. */
  readonly step: string;
  readonly verb: Verb;
  /** As in {@link RequestMade}. */
  readonly resource: string;
  /** Does not wait for other calls. */
  readonly isUrgent?: boolean | undefined;
  /** Path and query. */
  readonly path: string;
  readonly body?: object | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface TransportOptions {
  readonly kubeConfig: KubeConfig;
  readonly userAgent: string;
  readonly limits: HttpLimits;
  readonly random: () => number;
  readonly onRequest?: ((request: RequestMade) => void) | undefined;
}

/** Requests to the API server: credentials, deadlines, retries, and failures as KubeError. Knows no objects. */
export class Transport {
  readonly #options: TransportOptions;
  readonly #connection: Connection;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#connection = new Connection(options.kubeConfig, options.limits.connectMs);
  }

  /** One call with its retries. @returns the answer's JSON. @throws {KubeError}, or the caller's signal's reason. */
  async call(call: Call): Promise<unknown> {
    const { callMs } = this.#options.limits;
    const deadline = new Deadline(callMs, call.signal);
    try {
      return await this.#withRetries(call, deadline.signal);
    } catch (error) {
      call.signal?.throwIfAborted();
      if (isKubeError(error)) throw error;
      throw new KubeError('unavailable', `${call.step}: no answer within ${callMs / 1000} s`, {
        cause: error,
      });
    } finally {
      deadline.cancel();
    }
  }

  /**
   * Opens a stream of bytes that may go on for ever. Not retried.
   *
   * @throws {KubeError} when it is refused or cut, and `unavailable` when it is silent for too long.
   */
  async *stream(call: Call & { readonly signal: AbortSignal }): AsyncGenerator<Uint8Array, void> {
    try {
      yield* await this.#send(call, (route) => this.#open(call, route));
    } catch (error) {
      throw isKubeError(error) ? error : networkError(call.step, error);
    }
  }

  /** Ends all connections; calls under way reject. */
  async close(): Promise<void> {
    await this.#connection.close();
  }

  async #withRetries(call: Call, signal: AbortSignal): Promise<unknown> {
    const { limits, random } = this.#options;
    const reads = methods[call.verb] === 'GET';
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#attempt(call, signal);
      } catch (error) {
        const delayMs = retryDelayMs({ error, attempt, reads }, limits, random);
        if (delayMs === undefined || signal.aborted) throw error;
        await sleep(delayMs, undefined, { signal });
      }
    }
  }

  async #attempt(call: Call, signal: AbortSignal): Promise<unknown> {
    try {
      return await this.#send(call, (route) => this.#ask(call, route, signal));
    } catch (error) {
      if (isKubeError(error) || signal.aborted) throw error;
      throw networkError(call.step, error);
    }
  }

  /** A server that does not know us may have been shown credentials that were renewed just now: then they are shown again. */
  async #send<R>(call: Call, ask: (route: Route) => Promise<Answered<R>>): Promise<R> {
    const route = await this.#connection.route();
    try {
      return await this.#told(call, ask(route));
    } catch (error) {
      const isUnknown = isKubeError(error) && error.status === 401;
      if (!isUnknown || !(await this.#connection.renew(route))) throw error;
      return await this.#told(call, ask(await this.#connection.route()));
    }
  }

  async #ask(call: Call, route: Route, signal: AbortSignal): Promise<Answered<unknown>> {
    const { readMs, callMs, maxAnswerBytes } = this.#options.limits;
    const answer = await request(route.server + call.path, {
      ...this.#head(call, route),
      dispatcher: call.isUrgent === true ? route.urgent : route.calls,
      signal,
      headersTimeout: methods[call.verb] === 'GET' ? readMs : callMs,
      bodyTimeout: callMs,
    });
    if (answer.statusCode < 200 || answer.statusCode > 299) throw await refused(call, answer);
    const { text, isWhole } = await readText(answer.body, maxAnswerBytes);
    if (!isWhole)
      throw new KubeError('unreadable', `${call.step}: an answer of more than ${maxAnswerBytes} bytes`);
    return { code: answer.statusCode, value: parseAnswer(call.step, text) };
  }

  /** The answer to a watch, when it has begun. */
  async #open(
    call: Call & { readonly signal: AbortSignal },
    route: Route,
  ): Promise<Answered<AsyncIterable<Uint8Array>>> {
    const { watchIdleMs, callMs } = this.#options.limits;
    const answer = await request(route.server + call.path, {
      ...this.#head(call, route),
      dispatcher: route.watches,
      signal: call.signal,
      headersTimeout: callMs,
      bodyTimeout: watchIdleMs,
    });
    if (answer.statusCode !== 200) throw await refused(call, answer);
    return { code: answer.statusCode, value: answer.body };
  }

  /** Waits for an answer, and tells how it ended. */
  async #told<R>({ verb, resource }: Call, answer: Promise<Answered<R>>): Promise<R> {
    const startMs = performance.now();
    let code: RequestMade['code'] = 'error';
    try {
      const answered = await answer;
      code = answered.code;
      return answered.value;
    } catch (error) {
      if (isKubeError(error)) code = error.status ?? 'error';
      throw error;
    } finally {
      this.#options.onRequest?.({ verb, resource, code, durationMs: performance.now() - startMs });
    }
  }

  #head(call: Call, route: Route): Pick<Dispatcher.DispatchOptions, 'method' | 'headers' | 'body'> {
    const headers = { ...route.headers, accept: 'application/json', 'user-agent': this.#options.userAgent };
    const method = methods[call.verb];
    if (call.body === undefined) return { method, headers };
    return {
      method,
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(call.body),
    };
  }
}

interface Answered<R> {
  /** HTTP status. */
  readonly code: number;
  readonly value: R;
}

/** Aborts at a deadline or with the caller. Unlike AbortSignal.any it leaves nothing behind on a long-lived signal. */
class Deadline {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #outer: AbortSignal | undefined;
  readonly #abort = (): void => this.#controller.abort(this.#outer?.reason);

  constructor(delayMs: number, outer: AbortSignal | undefined) {
    this.#outer = outer;
    this.#timer = setTimeout(this.#abort, delayMs);
    if (outer?.aborted === true) this.#abort();
    else outer?.addEventListener('abort', this.#abort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener('abort', this.#abort);
  }
}

async function refused(call: Call, answer: Dispatcher.ResponseData): Promise<KubeError> {
  const { text } = await readText(answer.body, maxRefusalBytes);
  return refusalError({
    step: call.step,
    status: answer.statusCode,
    body: parseJson(text) ?? text,
    retryAfterMs: retryAfterMs(answer.headers['retry-after']),
  });
}

/** Reads an answer, up to so many bytes; the connection of a longer one is given up. */
async function readText(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<{ readonly text: string; readonly isWhole: boolean }> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    chunks.push(chunk);
    if (bytes > maxBytes) break;
  }
  return { text: Buffer.concat(chunks).toString('utf8', 0, maxBytes), isWhole: bytes <= maxBytes };
}

/** A good status with a body that is no JSON comes from something in between, and passes. */
function parseAnswer(step: string, text: string): unknown {
  const json = parseJson(text);
  if (json === undefined) throw refusalError({ step, status: 502, body: text });
  return json;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The API server sends seconds; a date, which only a proxy would send, is left out. */
function retryAfterMs(header: string | string[] | undefined): number | undefined {
  const text = Array.isArray(header) ? header[0] : header;
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) * 1000 : undefined;
}

/** Node's network errors have the facts in `code`; their messages may be empty, and those of a fetch name the URL. */
function networkError(step: string, error: unknown): KubeError {
  const { code, message } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  const what = [message, code].filter((part) => part !== undefined && part !== '').join(', ');
  return new KubeError('unavailable', `${step}: ${what === '' ? 'no answer' : what}`, { cause: error });
}
