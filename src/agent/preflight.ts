// Is there a backup service to connect to? The tool itself gives one text for an unknown host, a closed port and a wrong
// protocol, and waits for ever for one that never answers.
import { lookup } from 'node:dns/promises';
import { connect, type Socket } from 'node:net';
import { connect as connectTLS } from 'node:tls';
import type { RunReason } from '../api/reasons.ts';
import { errorCode } from '../volume/files.ts';

export type Preflight =
  | { readonly kind: 'reachable'; readonly address: string }
  | { readonly kind: 'failed'; readonly reason: RunReason; readonly detail: string };

export interface PreflightOptions {
  /** The setting of the server that says on which address it listens. */
  readonly listenSetting: string;
  /** Whether the tool will speak TLS. Default: it will not. */
  readonly expectTLS?: boolean;
  /** The setting of the server that makes it speak TLS on this port. Absent: in this generation it never does. */
  readonly tlsSetting?: string | undefined;
  readonly resolve?: (name: string) => Promise<readonly string[]>;
  /** How long a peer has to show that it is something else, in milliseconds. A backup service is silent for all of it. */
  readonly answerMs?: number;
}

/** How long a connection may take to open, in milliseconds: the tool's own limit is 5 s too. */
const connectTimeoutMs = 5_000;

/** Whoever speaks HTTP, TLS or SSH answers what it cannot read at once: this is for the way there and back. */
const defaultAnswerMs = 500;

/** A name may have addresses of both families, and the server listen on one. More than so many are not tried. */
const mostAddresses = 4;

/** More of an answer says nothing new. Bytes. */
const mostAnswerBytes = 64;

/**
 * Makes other services speak and leaves a backup service silent. Each generation of the backup protocol begins with a
 * length of four bytes, big-endian, and reads no further before all of it is there. This announces 16,777,215 bytes, one
 * less than the protocol's own limit (com.Protocol's 16 MiB), and sends a few: when the connection closes there was no
 * message, and the server's log holds none (tried with every version of test/engine). An HTTP server finds a request line
 * that is none and says so, a TLS server no record, and hangs up.
 */
const probe = Buffer.from([0x00, 0xff, 0xff, 0xff, ...Buffer.from('\r\n\r\n')]);

/** Resolves the host, opens one connection, and listens whether something other than a backup service answers. */
export async function preflight(host: string, port: number, options: PreflightOptions): Promise<Preflight> {
  const { listenSetting, resolve = addressesOf } = options;
  let addresses: readonly string[];
  try {
    addresses = await resolve(host);
  } catch (error) {
    return notFound(host, errorCode(error) ?? String(error));
  }
  if (addresses.length === 0) return notFound(host, 'no address');
  let last: Unreachable = { kind: 'unreachable', problem: '', hint: 'loopback' };
  for (const address of addresses.slice(0, mostAddresses)) {
    const found = await meet(address, port, options);
    if (found.kind !== 'unreachable')
      return objection(found, `${host}:${port} (${address})`, options) ?? { kind: 'reachable', address };
    last = { ...found, problem: `(${address}) ${found.problem}` };
  }
  return {
    kind: 'failed',
    reason: 'PortUnreachable',
    detail: `${host}:${port} ${last.problem}. ${hints[last.hint](listenSetting, port)}`,
  };
}

/** Who says no at once has nothing there; who says nothing at all never got the question. */
const hints = {
  loopback: (setting: string, port: number) =>
    `Neo4j listens for backups on loopback only unless told otherwise: on the server, set ${setting}=0.0.0.0:${port}`,
  dropped: (setting: string, port: number) =>
    `Somebody drops the packets: let the Pods of the runs through to this port (NetworkPolicy, firewall), and see that on the server ${setting} is 0.0.0.0:${port}`,
} as const;

async function addressesOf(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

function notFound(host: string, why: string): Preflight {
  return { kind: 'failed', reason: 'HostNotFound', detail: `${host} does not resolve (${why})` };
}

interface Unreachable {
  readonly kind: 'unreachable';
  readonly problem: string;
  readonly hint: keyof typeof hints;
}

type Heard =
  /** Nothing was heard that tells against a backup service. */
  | { readonly kind: 'silent' }
  /** It waits for a message of the backup protocol, and hangs up on a greeting in TLS. */
  | { readonly kind: 'plain' }
  | { readonly kind: 'speaks'; readonly protocol: string };

type Opened = Unreachable | Exclude<Heard, { kind: 'plain' }> | { readonly kind: 'hangsUp' };

/** What speaks against the tool being let loose on this peer. */
function objection(heard: Heard, peer: string, options: PreflightOptions): Preflight | undefined {
  const { expectTLS = false, tlsSetting } = options;
  if (heard.kind === 'silent') return undefined;
  const onServer = tlsSetting === undefined ? '' : `; on the server, ${tlsSetting} decides`;
  if (heard.kind === 'plain') return unlikeTLS(`${peer} speaks no TLS, and TLS was asked for${onServer}`);
  if (heard.protocol === 'TLS') {
    if (expectTLS) return undefined;
    if (tlsSetting !== undefined)
      return unlikeTLS(`${peer} answers with TLS, and none was asked for${onServer}`);
  }
  return { kind: 'failed', reason: 'NotABackupService', detail: `${peer} answers with ${heard.protocol}` };
}

function unlikeTLS(detail: string): Preflight {
  return { kind: 'failed', reason: 'TLSHandshakeFailed', detail };
}

/**
 * Opens one connection, and a second one in TLS where that will tell more: no backup service hangs up on the beginning of
 * a message, so only who does, or who is to speak TLS, is greeted in a language that leaves an error in a service's log.
 */
async function meet(address: string, port: number, options: PreflightOptions): Promise<Unreachable | Heard> {
  const { expectTLS = false, answerMs = defaultAnswerMs } = options;
  const opened = await openOnce(address, port, answerMs);
  if (opened.kind !== 'hangsUp' && !(opened.kind === 'silent' && expectTLS)) return opened;
  const answer = await greetInTLS(address, port, answerMs);
  if (answer === 'TLS') return { kind: 'speaks', protocol: 'TLS' };
  // Who hangs up on everybody says nothing of TLS.
  return { kind: answer === 'refused' && opened.kind === 'silent' ? 'plain' : 'silent' };
}

function openOnce(address: string, port: number, answerMs: number): Promise<Opened> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: connectTimeoutMs });
    const end = (found: Opened): void => {
      socket.destroy();
      resolve(found);
    };
    const dropped = (): void =>
      end({
        kind: 'unreachable',
        problem: `did not answer within ${connectTimeoutMs / 1000} s`,
        hint: 'dropped',
      });
    const failed = (error: Error): void => end(unreachable(error));
    socket.once('timeout', dropped);
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('timeout', dropped).off('error', failed);
      hear(socket, answerMs, end);
    });
  });
}

function unreachable(error: Error): Unreachable {
  const code = errorCode(error);
  if (code === 'ECONNREFUSED')
    return { kind: 'unreachable', problem: 'refuses connections', hint: 'loopback' };
  const problem = `cannot be reached (${code ?? error.message})`;
  return { kind: 'unreachable', problem, hint: code === 'ETIMEDOUT' ? 'dropped' : 'loopback' };
}

/** Sends the probe and waits for bytes that name a protocol. What nobody knows is the tool's to judge. */
function hear(socket: Socket, answerMs: number, end: (found: Opened) => void): void {
  let heard = Buffer.alloc(0);
  const timer = setTimeout(() => end({ kind: 'silent' }), answerMs); // of the whole answer: dripping bytes gains no time
  socket.once('close', () => clearTimeout(timer));
  const hangsUp = (): void => end({ kind: heard.length === 0 ? 'hangsUp' : 'silent' });
  socket.once('error', hangsUp);
  socket.once('end', hangsUp);
  socket.on('data', (data) => {
    heard = Buffer.concat([heard, data]).subarray(0, mostAnswerBytes);
    const protocol = protocolOf(heard.toString('latin1'));
    if (protocol !== undefined) end({ kind: 'speaks', protocol });
  });
  socket.write(probe);
}

/** The protocol that an answer can only be of. */
function protocolOf(heard: string): string | undefined {
  if (/^HTTP\/|^<(!doctype|html)/i.test(heard)) return 'HTTP';
  if (heard.startsWith('SSH-')) return 'SSH';
  return heard.startsWith('\u0015\u0003') ? 'TLS' : undefined; // an alert, of any version 3.x
}

/**
 * Greets in TLS. Any answer in TLS counts, also that of a server which wants another version, or a certificate of ours.
 * `refused`: it hung up, or answered in something else. `silent`: nobody knows.
 */
function greetInTLS(address: string, port: number, answerMs: number): Promise<'TLS' | 'refused' | 'silent'> {
  return new Promise((resolve) => {
    const socket = connectTLS({ host: address, port, rejectUnauthorized: false });
    const end = (answer: 'TLS' | 'refused' | 'silent'): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end('silent'), answerMs);
    socket.once('secureConnect', () => end('TLS'));
    socket.on('error', (error) => {
      const code = errorCode(error) ?? '';
      const isRefusal = ['ECONNRESET', 'EPIPE', 'ERR_SSL_WRONG_VERSION_NUMBER'].includes(code);
      if (/_ALERT_|^ERR_SSL_UNSUPPORTED_PROTOCOL$/.test(code)) end('TLS');
      else end(isRefusal ? 'refused' : 'silent');
    });
  });
}
