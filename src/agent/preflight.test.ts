import { createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { closedPort, listen } from '../../test/support/agent.ts';
import { preflight } from './preflight.ts';

const setting = 'dbms.backup.address';

describe('preflight', () => {
  test('reaches a port that accepts connections, and sends nothing over it', async () => {
    const received: Buffer[] = [];
    const server = createServer((socket) => socket.on('data', (data) => received.push(data)));
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    onTestFinished(() => {
      server.close();
    });
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    expect(await preflight('127.0.0.1', port, setting)).toEqual({ kind: 'reachable', address: '127.0.0.1' });
    expect(received).toEqual([]);
  });

  test('says what refuses, where, and which setting to change to what', async () => {
    const port = await closedPort();
    const result = await preflight('127.0.0.1', port, setting);
    expect(result).toEqual({
      kind: 'failed',
      reason: 'PortUnreachable',
      detail: expect.stringMatching(
        `^127\\.0\\.0\\.1:${port} \\(127\\.0\\.0\\.1\\) refuses connections\\. .*set dbms\\.backup\\.address=0\\.0\\.0\\.0:${port}$`,
      ),
    });
  });

  test('names a host that does not resolve', async () => {
    expect(await preflight('no-such-host.invalid', 6362, setting)).toEqual({
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
      const lookup = (): Promise<readonly string[]> => Promise.resolve(addresses);
      expect(await preflight('orders', port, setting, lookup)).toEqual({
        kind: 'reachable',
        address: reached,
      });
    },
  );

  test('names the last address that it tried when none answers', async () => {
    const port = await closedPort();
    const lookup = (): Promise<readonly string[]> => Promise.resolve(['127.0.0.2', '127.0.0.1']);
    expect(await preflight('orders', port, setting, lookup)).toMatchObject({
      reason: 'PortUnreachable',
      detail: expect.stringContaining(`orders:${port} (127.0.0.1) refuses connections`),
    });
  });

  test('takes a name without any address for one that does not resolve', async () => {
    const lookup = (): Promise<readonly string[]> => Promise.resolve([]);
    expect(await preflight('orders', 6362, setting, lookup)).toMatchObject({ reason: 'HostNotFound' });
  });
});
