import { once } from 'node:events';
import { createServer as createHTTPServer } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTLSServer } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { closedPort, listen } from '../../test/support/agent.ts';
import { preflight, type Preflight, type PreflightOptions } from './preflight.ts';

const listenSetting = 'dbms.backup.address';

/** The port of a server that the test ends with. */
async function serving(server: Server): Promise<number> {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('error', () => undefined); // we hang up on everybody
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function check(port: number, over: Partial<PreflightOptions> = {}): Promise<Preflight> {
  return preflight('127.0.0.1', port, { listenSetting, answerMs: 2_000, ...over });
}

describe('preflight', () => {
  test('reaches a port that says nothing, and sends it less than one message', async () => {
    const received: Buffer[] = [];
    const port = await serving(createServer((socket) => socket.on('data', (data) => received.push(data))));
    expect(await check(port)).toEqual({ kind: 'reachable', address: '127.0.0.1' });
    const sent = Buffer.concat(received);
    expect(sent.length).toBeGreaterThan(4);
    // As the protocol of com.Server frames it, with its limit of 16 MiB.
    const announced = sent.readUInt32BE(0);
    expect(announced).toBeLessThan(16 * 1024 * 1024);
    expect(sent.length - 4).toBeLessThan(announced);
  });

  interface Speaker {
    readonly name: string;
    readonly server: Server;
    readonly protocol: string;
  }
  const speakers: readonly Speaker[] = [
    { name: 'an HTTP server', server: createHTTPServer(), protocol: 'HTTP' },
    {
      name: 'an HTTP server that answers in the oldest way',
      server: createServer((socket) => socket.end('<!DOCTYPE HTML><title>Bad request')),
      protocol: 'HTTP',
    },
    {
      name: 'an SSH server, which speaks first',
      server: createServer((socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n')),
      protocol: 'SSH',
    },
    {
      name: 'a TLS server that answers with an alert',
      server: createServer((socket) => socket.end(Buffer.from([0x15, 3, 3, 0, 2, 2, 10]))),
      protocol: 'TLS',
    },
    // Without a certificate of its own it cannot agree on anything, and says so in TLS.
    { name: 'a TLS server that hangs up on nonsense', server: createTLSServer(), protocol: 'TLS' },
    {
      name: 'an HTTP server that answers byte by byte',
      server: createServer((socket) => {
        socket.setNoDelay();
        for (const byte of 'HTTP/1.1 400 Bad Request') socket.write(byte);
      }),
      protocol: 'HTTP',
    },
  ];
  test.each(speakers)('tells $name from a backup service', async ({ server, protocol }) => {
    const port = await serving(server);
    expect(await check(port)).toEqual({
      kind: 'failed',
      reason: 'NotABackupService',
      detail: `127.0.0.1:${port} (127.0.0.1) answers with ${protocol}`,
    });
  });

  test.each([
    { name: 'hangs up', server: createServer((socket) => socket.end()) },
    {
      name: 'resets the connection',
      server: createServer((socket) => socket.once('data', () => socket.resetAndDestroy())),
    },
    { name: 'says what nobody knows', server: createServer((socket) => socket.write('\u0000\u0001')) },
    { name: 'says half of a word', server: createServer((socket) => socket.end('HTT')) },
  ])('leaves a peer that $name to the tool', async ({ server }) => {
    expect(await check(await serving(server))).toMatchObject({ kind: 'reachable' });
  });

  test('says what refuses, where, and which setting to change to what', async () => {
    const port = await closedPort();
    const result = await preflight('127.0.0.1', port, { listenSetting });
    expect(result).toEqual({
      kind: 'failed',
      reason: 'PortUnreachable',
      detail: expect.stringMatching(
        `^127\\.0\\.0\\.1:${port} \\(127\\.0\\.0\\.1\\) refuses connections\\. .*set dbms\\.backup\\.address=0\\.0\\.0\\.0:${port}$`,
      ),
    });
  });

  test('names a host that does not resolve', async () => {
    expect(await preflight('no-such-host.invalid', 6362, { listenSetting })).toEqual({
      kind: 'failed',
      reason: 'HostNotFound',
      detail: expect.stringMatching(/^no-such-host\.invalid does not resolve \(E\w+\)$/),
    });
  });

  interface Case {
    readonly name: string;
    readonly addresses: readonly string[];
    readonly reached: string;
  }
  const cases: readonly Case[] = [
    { name: 'the first one', addresses: ['127.0.0.1', '127.0.0.2'], reached: '127.0.0.1' },
    {
      name: 'the second one, as a server on IPv4 behind a name with both',
      addresses: ['::1', '127.0.0.1'],
      reached: '127.0.0.1',
    },
    { name: 'the last of many', addresses: ['127.0.0.3', '127.0.0.2', '127.0.0.1'], reached: '127.0.0.1' },
  ];
  test.each(cases)(
    'tries the addresses of a name until one answers: $name',
    async ({ addresses, reached }) => {
      const port = await listen();
      const resolve = (): Promise<readonly string[]> => Promise.resolve(addresses);
      expect(await preflight('orders', port, { listenSetting, resolve, answerMs: 50 })).toEqual({
        kind: 'reachable',
        address: reached,
      });
    },
  );

  test('names the last address that it tried when none answers', async () => {
    const port = await closedPort();
    const resolve = (): Promise<readonly string[]> => Promise.resolve(['127.0.0.2', '127.0.0.1']);
    expect(await preflight('orders', port, { listenSetting, resolve, answerMs: 50 })).toMatchObject({
      reason: 'PortUnreachable',
      detail: expect.stringContaining(`orders:${port} (127.0.0.1) refuses connections`),
    });
  });

  test('takes a name without any address for one that does not resolve', async () => {
    const resolve = (): Promise<readonly string[]> => Promise.resolve([]);
    expect(await preflight('orders', 6362, { listenSetting, resolve })).toMatchObject({
      reason: 'HostNotFound',
    });
  });
});

describe('where TLS is concerned', () => {
  /** Reads as a plain backup service does: a length first, and none beyond 16 MiB. */
  const plain = (): Server =>
    createServer((socket) =>
      socket.on('data', (data) => {
        if (data.readUInt32BE(0) > 16 * 1024 * 1024) socket.destroy();
      }),
    );
  const silent = (): Server => createServer((socket) => socket.resume());
  const hangingUp = (): Server => createServer((socket) => socket.end());
  const tlsSetting = 'dbms.backup.ssl_policy';
  interface Case {
    readonly name: string;
    readonly server: () => Server;
    readonly over: Partial<PreflightOptions>;
    readonly ends: string;
  }
  const cases: readonly Case[] = [
    {
      name: 'reaches a server that answers in TLS where TLS is asked for',
      server: () => createTLSServer(),
      over: { expectTLS: true, tlsSetting },
      ends: 'reachable',
    },
    {
      name: 'refuses a plain one there',
      server: plain,
      over: { expectTLS: true, tlsSetting },
      ends: 'TLSHandshakeFailed',
    },
    {
      name: 'reaches a plain one where none is asked for',
      server: plain,
      over: { tlsSetting },
      ends: 'reachable',
    },
    {
      name: 'refuses one in TLS there',
      server: () => createTLSServer(),
      over: { tlsSetting },
      ends: 'TLSHandshakeFailed',
    },
    {
      name: 'takes one in TLS for another service, in a generation that never speaks it',
      server: () => createTLSServer(),
      over: {},
      ends: 'NotABackupService',
    },
    {
      name: 'leaves one to the tool that never says a word',
      server: silent,
      over: { expectTLS: true, tlsSetting, answerMs: 50 },
      ends: 'reachable',
    },
    {
      name: 'leaves one to the tool that hangs up on everybody',
      server: hangingUp,
      over: { expectTLS: true, tlsSetting },
      ends: 'reachable',
    },
    {
      name: 'still tells what is no backup service at all',
      server: () => createHTTPServer(),
      over: { expectTLS: true, tlsSetting },
      ends: 'NotABackupService',
    },
  ];
  test.each(cases)('it $name', async ({ server, over, ends }) => {
    // Half a second is what a plain service may take to say nothing; one in TLS has longer.
    const met = await check(await serving(server()), { answerMs: 500, ...over });
    expect(met.kind === 'failed' ? met.reason : met.kind).toBe(ends);
    const names = met.kind === 'failed' && met.detail.includes(tlsSetting);
    expect(names).toBe(ends === 'TLSHandshakeFailed');
  });
});
