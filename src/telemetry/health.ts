// Serves what the kubelet asks: /healthz, whether to start us anew, and /readyz, whether we can do our work.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** One line of the answer. */
export interface Check {
  readonly name: string;
  readonly isGood: boolean;
  /** How it stands, in a few words for people. */
  readonly says: string;
}

/** Asked anew for each request. Must answer at once, and not throw. */
export interface Health {
  live(): readonly Check[];
  ready(): readonly Check[];
}

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

/** The kubelet comes every few seconds and asks for a line; who takes longer or sends more is somebody else. */
const limits = { requestTimeout: 5_000, headersTimeout: 5_000, connectionsCheckingInterval: 1_000 };
const maxHeaderSize = 8 * 1024;
const idleMs = 5_000;
const maxConnections = 64;

/**
 * Listens on all addresses, of IPv6 too where there is any. A failed check makes /healthz 500 and /readyz 503.
 *
 * @param port 0: any free one.
 * @throws {Error} when the port is taken.
 */
export async function serveHealth(port: number, health: Health): Promise<HealthServer> {
  const server = createServer({ ...limits, maxHeaderSize }, (request, response) => {
    const { status, body } = answer(request, health);
    // Without a kept connection nobody can hold one, and a probe after a stop does not hang on it.
    response
      .writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' })
      .end(body);
  });
  server.setTimeout(idleMs);
  keepNewest(server, maxConnections);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Who came first goes: refusing the newest would let any Pod that holds connections have us started anew by the kubelet. */
function keepNewest(server: Server, most: number): void {
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    const [oldest] = open;
    if (open.size > most) oldest?.destroy();
  });
}

function answer({ method, url }: IncomingMessage, health: Health): { status: number; body: string } {
  const path = method === 'GET' ? url?.split('?', 1)[0] : undefined;
  if (path === '/healthz') return judged(health.live(), 500);
  if (path === '/readyz') return judged(health.ready(), 503);
  return { status: 404, body: 'only GET /healthz and GET /readyz are here\n' };
}

function judged(checks: readonly Check[], bad: number): { status: number; body: string } {
  const lines = checks.map(({ name, isGood, says }) => `${isGood ? 'good' : 'BAD '} ${name}: ${says}\n`);
  return { status: checks.every(({ isGood }) => isGood) ? 200 : bad, body: lines.join('') };
}
