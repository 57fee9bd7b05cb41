import { KubeConfig } from '@kubernetes/client-node';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Agent, type Dispatcher } from 'undici';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { Connection } from './connection.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'connection-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

interface Setting {
  readonly connection: Connection;
  readonly write: (file: string, content: string) => void;
}

/** A connection whose CA, certificate, key and token are files. */
function aConnection(cluster: object = {}): Setting {
  const prefix = join(folder, String(Math.random()));
  const write = (file: string, content: string): void => writeFileSync(`${prefix}-${file}`, content);
  for (const file of ['ca', 'cert', 'key', 'token']) write(file, `${file} 1\n`);
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromOptions({
    currentContext: 'lab',
    contexts: [{ name: 'lab', cluster: 'lab', user: 'me' }],
    clusters: [{ name: 'lab', server: 'https://10.0.0.1:6443/', caFile: `${prefix}-ca`, ...cluster }],
    users: [
      {
        name: 'me',
        certFile: `${prefix}-cert`,
        keyFile: `${prefix}-key`,
        authProvider: { name: 'tokenFile', config: { tokenFile: `${prefix}-token` } },
      },
    ],
  });
  return { connection: new Connection(kubeConfig, 1_000), write };
}

function isClosed(dispatcher: Dispatcher): boolean {
  return dispatcher instanceof Agent && dispatcher.closed;
}

test('leads to the server with the token from the file, whatever line feed ends it', async () => {
  const { connection } = aConnection();
  const { server, headers } = await connection.route();
  expect(server).toBe('https://10.0.0.1:6443');
  expect(headers['authorization']).toBe('Bearer token 1');
});

test('keeps its connections from request to request, calls and watches apart', async () => {
  const { connection } = aConnection();
  const [first, second] = [await connection.route(), await connection.route()];
  expect(second.calls).toBe(first.calls);
  expect(second.watches).toBe(first.watches);
  expect(first.watches).not.toBe(first.calls);
});

test.for(['ca', 'cert', 'key'])('makes new connections when the %s was rotated', async (file) => {
  const { connection, write } = aConnection();
  const before = await connection.route();
  write(file, 'renewed');
  const after = await connection.route();
  expect(after.calls).not.toBe(before.calls);
  expect(after.watches).not.toBe(before.watches);
  expect((await connection.route()).calls).toBe(after.calls);
});

test('leaves the old connections to whoever was given them in the same moment, and then to nobody', async () => {
  const { connection, write } = aConnection();
  const before = await connection.route();
  write('ca', 'renewed');
  await connection.route();
  const isOpen = (): boolean => ![before.calls, before.urgent, before.watches].some(isClosed);
  expect(isOpen()).toBe(true);
  await expect.poll(isOpen).toBe(false);
});

test('shows a server that did not know us the token that has been renewed meanwhile', async () => {
  const { connection, write } = aConnection();
  const refused = await connection.route();
  write('token', 'token 2');
  expect((await connection.route()).headers).toEqual(refused.headers);
  // Several were refused at once.
  expect(await Promise.all([connection.renew(refused), connection.renew(refused)])).toEqual([true, true]);
  expect((await connection.route()).headers['authorization']).toBe('Bearer token 2');
  expect(await connection.renew(refused)).toBe(true);
});

test('looks for another token every five seconds, no more', async () => {
  const now = vi.spyOn(performance, 'now').mockReturnValue(0);
  onTestFinished(() => now.mockRestore());
  const { connection, write } = aConnection();
  const refused = await connection.route();
  expect(await connection.renew(refused)).toBe(false);
  write('token', 'token 2');
  now.mockReturnValue(4_999);
  expect(await connection.renew(refused)).toBe(false);
  now.mockReturnValue(5_000);
  expect(await connection.renew(refused)).toBe(true);
});

test.for([
  { name: 'a proxy of another kind', cluster: { proxyUrl: 'socks5://10.0.0.2:1080' }, says: 'proxy-url' },
  { name: 'no TLS where TLS is asked for', cluster: { server: 'http://10.0.0.1' }, says: 'skipTLSVerify' },
])('refuses $name, and says so', async ({ cluster, says }) => {
  await expect(aConnection(cluster).connection.route()).rejects.toThrow(says);
});

test('never quotes what a credential plug-in said', async () => {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser(
    { name: 'lab', server: 'https://10.0.0.1:6443', skipTLSVerify: false },
    { name: 'me', exec: { command: 'echo', args: ['a-secret-token'] } },
  );
  const error = await new Connection(kubeConfig, 1_000).route().catch((reason: unknown) => reason);
  expect(inspect(error)).toContain('plug-in');
  expect(inspect(error)).not.toContain('secret');
});
