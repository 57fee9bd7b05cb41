// A small HTTP server for kubelet and Prometheus: text on GET, no kept connections, nothing that a stranger can hold up.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface Page {
  readonly status: number;
  readonly body: string;
  /** Default: plain text. */
  readonly contentType?: string | undefined;
}

/** What there is under each path, such as `/healthz`, made anew for each request. */
type Pages = Readonly<Record<string, () => Page | Promise<Page>>>;

export interface TextServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Who asks here comes every few seconds and asks for a line; who takes longer or sends more is somebody else. */
const limits = { requestTimeout: 5_000, headersTimeout: 5_000, connectionsCheckingInterval: 5_000 };
const maxHeaderSize = 8 * 1024;
const idleMs = 5_000;
const maxConnections = 64;

/**
 * Listens on all addresses, of IPv6 too where there is any.
 *
 * @param port 0: any free one.
 * @throws {Error} when the port is taken.
 */
export async function serveText(port: number, pages: Pages): Promise<TextServer> {
  const server = createServer({ ...limits, maxHeaderSize }, (request, response) => {
    void pageFor(request, pages).then(({ status, body, contentType = 'text/plain; charset=utf-8' }) =>
      // Without a kept connection nobody can hold one, and a probe after a stop does not hang on it.
      response.writeHead(status, { 'content-type': contentType, connection: 'close' }).end(body),
    );
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

async function pageFor({ method, url }: IncomingMessage, pages: Pages): Promise<Page> {
  const path = method === 'GET' ? url?.split('?', 1)[0] : undefined;
  const make = path !== undefined && Object.hasOwn(pages, path) ? pages[path] : undefined;
  const names = Object.keys(pages).map((name) => `GET ${name}`);
  if (make === undefined) return { status: 404, body: `only ${names.join(' and ')} are here\n` };
  try {
    return await make();
  } catch (error) {
    return { status: 500, body: `${error instanceof Error ? error.message : String(error)}\n` };
  }
}
