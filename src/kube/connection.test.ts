import { KubeConfig } from '@kubernetes/client-node';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
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

test.for([
  { name: 'a proxy of another kind', cluster: { proxyUrl: 'socks5://10.0.0.2:1080' }, says: 'proxy-url' },
  { name: 'no TLS where TLS is asked for', cluster: { server: 'http://10.0.0.1' }, says: 'skipTLSVerify' },
])('refuses $name, and says so', async ({ cluster, says }) => {
  await expect(aConnection(cluster).connection.route()).rejects.toThrow(says);
});
