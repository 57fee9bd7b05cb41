import { KubeConfig } from '@kubernetes/client-node';
import type { RequestOptions } from 'node:https';
import { isDeepStrictEqual } from 'node:util';
import { Agent, ProxyAgent, type Dispatcher } from 'undici';

/** How to reach the server for the next request. */
export interface Route {
  /** The server's base URL, without a slash at the end. */
  readonly server: string;
  /** Authorization and the like. Never to be logged. */
  readonly headers: Readonly<Record<string, string>>;
  /** Short calls. */
  readonly calls: Dispatcher;
  /** Calls that must not wait for those. */
  readonly urgent: Dispatcher;
  /** Watches, which hold a connection each; apart, so that they cannot starve the calls. */
  readonly watches: Dispatcher;
}

type Agents = Pick<Route, 'calls' | 'urgent' | 'watches'>;

interface Tls {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/** Calls at once; more wait their turn. */
const maxCalls = 32;
const maxUrgent = 4;

/** Not more often are credentials read anew because the server did not know us: it may never, and a plug-in is a process. */
const renewalMs = 5_000;

/**
 * The connections to one API server, shared by all calls and kept open between them.
 *
 * Credentials come from client-node anew for each request, because tokens, certificates and CA rotate under a running
 * process. It re-reads a service account's token every minute; `renew` is for when that is too late. When certificate or
 * CA change, new requests get new connections; those under way end on the old ones.
 */
export class Connection {
  #kubeConfig: KubeConfig;
  readonly #connectMs: number;
  #tls: Tls | undefined;
  #agents: Agents | undefined;
  #renewedMs = -Infinity;
  readonly #retired = new Set<Dispatcher>();

  constructor(kubeConfig: KubeConfig, connectMs: number) {
    this.#kubeConfig = kubeConfig;
    this.#connectMs = connectMs;
  }

  /** @throws whatever reading the credentials throws: a missing file, a failing credential plug-in. */
  async route(): Promise<Route> {
    const cluster = this.#kubeConfig.getCurrentCluster();
    if (cluster === null) throw new Error('the kubeconfig has no current cluster');
    const options: RequestOptions = {};
    try {
      await this.#kubeConfig.applyToHTTPSOptions(options);
    } catch (error) {
      throw withoutQuote(error);
    }
    const agents = this.#agentsFor(tlsOf(options), cluster.proxyUrl);
    return { server: cluster.server.replace(/\/+$/, ''), headers: headersOf(options), ...agents };
  }

  /**
   * Forgets what client-node remembers: a token for a minute, the answer of a plug-in until it expires.
   *
   * @param refused what the server did not accept
   * @returns whether it would be shown something else now
   */
  async renew(refused: Route): Promise<boolean> {
    if (await this.#hasChanged(refused)) return true;
    if (performance.now() - this.#renewedMs >= renewalMs) {
      this.#renewedMs = performance.now();
      const forgetful = new KubeConfig();
      forgetful.loadFromOptions(this.#kubeConfig);
      this.#kubeConfig = forgetful;
    }
    return this.#hasChanged(refused);
  }

  async close(): Promise<void> {
    const open = [...dispatchersOf(this.#agents), ...this.#retired];
    this.#agents = undefined;
    await Promise.all(open.map((dispatcher) => dispatcher.destroy()));
  }

  async #hasChanged({ headers, calls }: Route): Promise<boolean> {
    const now = await this.route();
    return now.calls !== calls || !isDeepStrictEqual(now.headers, headers);
  }

  #agentsFor(tls: Tls, proxy: string | undefined): Agents {
    if (this.#agents !== undefined && this.#tls !== undefined && isSame(this.#tls, tls)) return this.#agents;
    const old = this.#agents;
    this.#tls = tls;
    this.#agents = {
      calls: this.#agent(tls, proxy, maxCalls),
      urgent: this.#agent(tls, proxy, maxUrgent),
      watches: this.#agent(tls, proxy, null),
    };
    for (const dispatcher of dispatchersOf(old)) this.#retire(dispatcher);
    return this.#agents;
  }

  /** What is under way on the connections ends there; a watch may take minutes, and nobody waits for it. */
  #retire(dispatcher: Dispatcher): void {
    const forget = (): void => void this.#retired.delete(dispatcher);
    this.#retired.add(dispatcher);
    // Not yet: who was given the route in this same moment is about to use it.
    setImmediate(() => void dispatcher.close().then(forget, forget));
  }

  /**
   * HTTP/1.1 on purpose: with HTTP/2 all watches share one connection, and when that one goes silent so does everything.
   */
  #agent(tls: Tls, proxy: string | undefined, connections: number | null): Dispatcher {
    const probed = { timeout: this.#connectMs, keepAlive: true, keepAliveInitialDelay: 30_000 };
    const connect = { ...tls, ...probed };
    const common = { connections, allowH2: false, pipelining: 1, keepAliveTimeout: 30_000 };
    if (proxy === undefined || proxy === '') return new Agent({ ...common, connect });
    if (!/^https?:/.test(proxy))
      throw new Error(`the kubeconfig's proxy-url has to begin with http: or https:`);
    return new ProxyAgent({ ...common, uri: proxy, proxyTls: probed, requestTls: connect });
  }
}

function dispatchersOf(agents: Agents | undefined): readonly Dispatcher[] {
  return agents === undefined ? [] : [agents.calls, agents.urgent, agents.watches];
}

function tlsOf({ ca, cert, key, servername, rejectUnauthorized }: RequestOptions): Tls {
  return {
    ...(isPem(ca) ? { ca } : {}),
    ...(isPem(cert) ? { cert } : {}),
    ...(isPem(key) ? { key } : {}),
    ...(servername === undefined ? {} : { servername }),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
  };
}

function isPem(value: unknown): value is string | Buffer {
  return typeof value === 'string' || Buffer.isBuffer(value);
}

/** Whoever fails to parse a text quotes it, and what a credential plug-in says may be a token. */
function withoutQuote(error: unknown): unknown {
  return error instanceof SyntaxError ? new Error('the answer of the credential plug-in is no JSON') : error;
}

function headersOf({ headers, auth }: RequestOptions): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers ?? {})) {
    // A token file that was written by hand ends with a line feed, which no header may hold.
    if (value !== undefined && value !== null) result[name.toLowerCase()] = String(value).trim();
  }
  if (typeof auth === 'string') result['authorization'] = `Basic ${Buffer.from(auth).toString('base64')}`;
  return result;
}

function isSame(one: Tls, other: Tls): boolean {
  return (
    one.servername === other.servername &&
    one.rejectUnauthorized === other.rejectUnauthorized &&
    String(one.ca) === String(other.ca) &&
    String(one.cert) === String(other.cert) &&
    String(one.key) === String(other.key)
  );
}
