// Is there anything to connect to? The tool itself gives one text for an unknown host, a closed port and a wrong protocol.
import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import type { RunReason } from '../api/reasons.ts';
import { errorCode } from '../volume/files.ts';

export type Preflight =
  | { readonly kind: 'reachable'; readonly address: string }
  | { readonly kind: 'failed'; readonly reason: RunReason; readonly detail: string };

/** How long a connection may take to open, in milliseconds: the tool's own limit is 5 s too. */
const connectTimeoutMs = 5_000;

/** A name may have addresses of both families, and the server listen on one. More than so many are not tried. */
const mostAddresses = 4;

/** Resolves the host and opens one connection, over which nothing is sent. */
export async function preflight(
  host: string,
  port: number,
  listenSetting: string,
  resolve: (name: string) => Promise<readonly string[]> = addressesOf,
): Promise<Preflight> {
  let addresses: readonly string[];
  try {
    addresses = await resolve(host);
  } catch (error) {
    return notFound(host, errorCode(error) ?? String(error));
  }
  if (addresses.length === 0) return notFound(host, 'no address');
  let last = '';
  for (const address of addresses.slice(0, mostAddresses)) {
    const problem = await openOnce(address, port);
    if (problem === undefined) return { kind: 'reachable', address };
    last = `(${address}) ${problem}`;
  }
  return {
    kind: 'failed',
    reason: 'PortUnreachable',
    detail:
      `${host}:${port} ${last}. Neo4j listens for backups on loopback only unless told otherwise: ` +
      `on the server, set ${listenSetting}=0.0.0.0:${port}`,
  };
}

async function addressesOf(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

function notFound(host: string, why: string): Preflight {
  return { kind: 'failed', reason: 'HostNotFound', detail: `${host} does not resolve (${why})` };
}

function openOnce(address: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: connectTimeoutMs });
    const end = (problem: string | undefined): void => {
      socket.destroy();
      resolve(problem);
    };
    socket.once('connect', () => end(undefined));
    socket.once('timeout', () => end(`did not answer within ${connectTimeoutMs / 1000} s`));
    socket.once('error', (error) =>
      end(
        errorCode(error) === 'ECONNREFUSED'
          ? 'refuses connections'
          : `cannot be reached (${errorCode(error) ?? error.message})`,
      ),
    );
  });
}
