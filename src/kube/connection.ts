import type { KubeConfig } from '@kubernetes/client-node';
import type { RequestOptions } from 'node:https';
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

/**
 * The connections to one API server, shared by all calls and kept open between them.
 *
 * Credentials come from client-node anew for each request, because tokens, certificates and CA rotate under a running
 * process (it re-reads a service account's token every minute). When certificate or CA change, new requests get new
 * connections; those under way end on the old ones.
 */
export class Connection {
  readonly #kubeConfig: KubeConfig;
  readonly #connectMs: number;
  #tls: Tls | undefined;
  #agents: Agents | undefined;

  constructor(kubeConfig: KubeConfig, connectMs: number) {
    this.#kubeConfig = kubeConfig;
    this.#connectMs = connectMs;
  }

  /** @throws whatever reading the credentials throws: a missing file, a failing credential plug-in. */
  async route(): Promise<Route> {
    const cluster = this.#kubeConfig.getCurrentCluster();
    if (cluster === null) throw new Error('the kubeconfig has no current cluster');
    const options: RequestOptions = {};
    await this.#kubeConfig.applyToHTTPSOptions(options);
    const agents = this.#agentsFor(tlsOf(options), cluster.proxyUrl);
    return { server: cluster.server.replace(/\/+$/, ''), headers: headersOf(options), ...agents };
  }

  async close(): Promise<void> {
    const agents = this.#agents;
    this.#agents = undefined;
    await Promise.all(dispatchersOf(agents).map((dispatcher) => dispatcher.destroy()));
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
    // Waits for what is under way on the old connections; nobody has to wait for that.
    void Promise.allSettled(dispatchersOf(old).map((dispatcher) => dispatcher.close()));
    return this.#agents;
  }

  /**
   * HTTP/1.1 on purpose: with HTTP/2 all watches share one connection, and when that one goes silent so does everything.
   */
  #agent(tls: Tls, proxy: string | undefined, connections: number | null): Dispatcher {
    const connect = { ...tls, timeout: this.#connectMs, keepAlive: true, keepAliveInitialDelay: 30_000 };
    const common = { connections, allowH2: false, pipelining: 1, keepAliveTimeout: 30_000 };
    if (proxy === undefined || proxy === '') return new Agent({ ...common, connect });
    if (!/^https?:/.test(proxy))
      throw new Error(`the kubeconfig's proxy-url has to begin with http: or https:`);
    return new ProxyAgent({ ...common, uri: proxy, requestTls: connect });
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
