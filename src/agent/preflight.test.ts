import { once } from 'node:events';
import { createServer as createHTTPServer } from 'node:http';
import { createServer, isIP, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTLSServer } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { closedPort, listen } from '../../test/support/agent.ts';
import { hostName } from '../api/patterns.ts';
import { refusedAs } from '../run/address.ts';
import { preflight, type Preflight, type PreflightOptions } from './preflight.ts';

const listenSetting = 'dbms.backup.address';

/** The servers of these tests listen on loopback. */
const lenient = { listenSetting, refusedAs: () => undefined } as const;

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
  return preflight('127.0.0.1', port, { ...lenient, answerMs: 2_000, ...over });
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
    const result = await preflight('127.0.0.1', port, lenient);
    expect(result).toEqual({
      kind: 'failed',
      reason: 'PortUnreachable',
      detail: expect.stringMatching(
        `^127\\.0\\.0\\.1:${port} \\(127\\.0\\.0\\.1\\) refuses connections\\. .*set dbms\\.backup\\.address=0\\.0\\.0\\.0:${port}$`,
      ),
    });
  });

  test('names a host that does not resolve', async () => {
    expect(await preflight('no-such-host.invalid', 6362, lenient)).toEqual({
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
      expect(await preflight('orders', port, { ...lenient, resolve, answerMs: 50 })).toEqual({
        kind: 'reachable',
        address: reached,
      });
    },
  );

  test('names the last address that it tried when none answers', async () => {
    const port = await closedPort();
    const resolve = (): Promise<readonly string[]> => Promise.resolve(['127.0.0.2', '127.0.0.1']);
    expect(await preflight('orders', port, { ...lenient, resolve, answerMs: 50 })).toMatchObject({
      reason: 'PortUnreachable',
      detail: expect.stringContaining(`orders:${port} (127.0.0.1) refuses connections`),
    });
  });

  test('takes a name without any address for one that does not resolve', async () => {
    const resolve = (): Promise<readonly string[]> => Promise.resolve([]);
    expect(await preflight('orders', 6362, { ...lenient, resolve })).toMatchObject({
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

describe('what must never be connected to', () => {
  /** As whoever wants to be let in may write it, and what libc makes of it where that is an address at all. */
  const spellings: readonly string[] = `
    127.0.0.1 127.0.0.2 127.255.255.255 127.1 127.0.1 2130706433 017700000001 0x7f000001 0x7f.1 0x7F.0.0.1
    0177.0.0.1 0177.1 127.0.0.1. 127.000.000.001 localhost LOCALHOST localhost. 0 0.0.0.0 0x0 00 0.0 0.0.0.1 ::
    ::0 0:0:0:0:0:0:0:0 ::1 0:0:0:0:0:0:0:1 0000::0001 ::1%lo ::1%1 ::ffff:127.0.0.1 ::ffff:7f00:1
    ::FFFF:7F00:0001 0:0:0:0:0:ffff:127.0.0.1 ::127.0.0.1 ::ffff:0:127.0.0.1 ::ffff:0.0.0.0 64:ff9b::127.0.0.1
    64:ff9b::7f00:1 2002:7f00:1:: 169.254.169.254 169.254.1.1 2852039166 0xa9fea9fe 0251.0376.0251.0376
    169.254.43518 ::ffff:169.254.169.254 ::ffff:a9fe:a9fe 64:ff9b::169.254.169.254 64:ff9b::a9fe:a9fe
    64:ff9b:1::a9fe:a9fe 2002:a9fe:a9fe::1 ::169.254.169.254 fe80::1 FE80::1 fe80::1%lo febf:ffff::1
    fe80:0000::a9fe:a9fe fd00:ec2::254 fd00:0ec2:0:0:0:0:0:254 100.100.100.200 10.96.0.1 ::ffff:10.96.0.1
    ::ffff:a60:1 0xa600001 174063617 10.96.1 64:ff9b::10.96.0.1
  `
    .trim()
    .split(/\s+/);
  const apiServer = '10.96.0.1';
  const strict = { listenSetting, refusedAs: (address: string) => refusedAs(address, apiServer) } as const;

  test('is not, however it is written', async () => {
    let connects = 0;
    const server = createServer((socket) => {
      connects += 1;
      socket.destroy();
    });
    server.listen(0, '::'); // both families, all addresses of this machine
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const ends: Record<string, string> = {};
    for (const host of spellings) {
      const met = await preflight(host, port, strict);
      ends[host] = met.kind === 'failed' ? met.reason : met.kind;
    }
    const letIn = Object.entries(ends).filter(
      ([, end]) => !['AddressNotAllowed', 'HostNotFound'].includes(end),
    );
    expect(letIn).toEqual([]);
    expect(connects).toBe(0);
    expect(spellings.length).toBeGreaterThan(40);
    // That it finds all, and not none: the plainest ones resolve on every machine.
    for (const host of [
      '127.0.0.1',
      '::1',
      'localhost',
      '2130706433',
      '169.254.169.254',
      'fe80::1',
      apiServer,
    ])
      expect([host, ends[host]]).toEqual([host, 'AddressNotAllowed']);
  });

  test('does not even pass for a host where only libc would find an address in it', () => {
    const odd = spellings.filter((host) => /^[0-9.x]*$/i.test(host) && isIP(host) === 0);
    expect(odd.length).toBeGreaterThan(10);
    expect(odd.filter((host) => hostName.test(host))).toEqual([]);
  });

  test('hides behind no other address of the same name', async () => {
    const port = await listen();
    const resolve = (): Promise<readonly string[]> => Promise.resolve(['192.0.2.1', '169.254.169.254']);
    expect(await preflight('orders.example.com', port, { ...strict, resolve })).toEqual({
      kind: 'failed',
      reason: 'AddressNotAllowed',
      detail: 'orders.example.com resolves to 169.254.169.254, a link-local address',
    });
  });

  test('is tried at the address that was checked: a name that changes is resolved once', async () => {
    const port = await listen();
    let asked = 0;
    const resolve = (): Promise<readonly string[]> => {
      asked += 1;
      return Promise.resolve([asked === 1 ? '127.0.0.1' : '169.254.169.254']);
    };
    const met = await preflight('rebinding.example.com', port, { ...lenient, resolve, answerMs: 50 });
    expect([met, asked]).toEqual([{ kind: 'reachable', address: '127.0.0.1' }, 1]);
  });
});
