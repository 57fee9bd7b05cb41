// The way to the API server over TLS, while all that we prove ourselves with is renewed, and through a proxy.
import { KubeConfig } from '@kubernetes/client-node';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer as createProxy } from 'node:http';
import { createServer, type Server } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { kubeClient, type HttpKubeClient } from '../../src/kube/http.ts';
import { must } from '../../tools/run.ts';
import { configMaps } from './kube-client.ts';

const folder = mkdtempSync(join(tmpdir(), 'tls-'));
const key = { namespace: 'shop', name: 'one' };
const object = {
  metadata: { ...key, uid: 'u1', resourceVersion: '7', creationTimestamp: '2026-01-01T00:00:00Z' },
};

/** Name of each certificate: its own authority, for a server on loopback or a client. */
const names = ['server-1', 'server-2', 'client-1', 'client-2'] as const;

type Name = (typeof names)[number];

beforeAll(async () => {
  const made = names.map((name) => {
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc'];
    const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
    const out = ['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.crt`)];
    return must(['openssl', 'req', '-x509', ...newKey, ...subject, ...out]);
  });
  await Promise.all(made);
  return () => rmSync(folder, { recursive: true });
});

function certificate(name: Name): string {
  return readFileSync(join(folder, `${name}.crt`), 'utf8');
}

function pair(name: Name): { readonly cert: string; readonly key: string } {
  return { cert: certificate(name), key: readFileSync(join(folder, `${name}.key`), 'utf8') };
}

interface Credentials {
  readonly authority: string;
  readonly client: Name;
  readonly token: string;
}

/** Writes files as the kubelet does: all of them change at once, by a link. */
class Mount {
  readonly path = mkdtempSync(join(folder, 'mount-'));
  #version = 0;

  write({ authority, client, token }: Credentials): void {
    this.#version += 1;
    const version = mkdtempSync(join(this.path, 'version-'));
    const { cert, key: privateKey } = pair(client);
    const files = { ca: authority, cert, key: privateKey, token };
    for (const [name, content] of Object.entries(files)) writeFileSync(join(version, name), content);
    const link = join(this.path, `link-${this.#version}`);
    symlinkSync(version, link);
    renameSync(link, join(this.path, 'data'));
  }

  kubeConfig(cluster: object): KubeConfig {
    const [kubeConfig, file] = [new KubeConfig(), (name: string) => join(this.path, 'data', name)];
    kubeConfig.loadFromOptions({
      currentContext: 'lab',
      contexts: [{ name: 'lab', cluster: 'lab', user: 'me' }],
      clusters: [{ name: 'lab', caFile: file('ca'), ...cluster }],
      users: [
        {
          name: 'me',
          certFile: file('cert'),
          keyFile: file('key'),
          authProvider: { name: 'tokenFile', config: { tokenFile: file('token') } },
        },
      ],
    });
    return kubeConfig;
  }
}

/** A server that knows certain clients and tokens, and notes who came. */
interface Lab {
  readonly mount: Mount;
  readonly server: Server;
  readonly client: HttpKubeClient;
  /** The tokens that the server takes. */
  readonly tokens: Set<string>;
  /** Each client certificate and token that was accepted, in the order of their first request. */
  readonly seen: Set<string>;
}

async function aLab(proxyUrl?: string): Promise<Lab> {
  const [tokens, seen, mount] = [new Set(['token-1']), new Set<string>(), new Mount()];
  const ca = [certificate('client-1'), certificate('client-2')];
  const mutual = { ca, requestCert: true, rejectUnauthorized: true };
  const server = createServer({ ...pair('server-1'), ...mutual }, (request, response) => {
    const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
    if (!tokens.has(token)) return void response.writeHead(401).end('{}');
    const { subject } = (request.socket as TLSSocket).getPeerCertificate();
    seen.add(`${String(subject.CN)} ${token}`);
    const isWatch = request.url?.includes('watch=true') === true;
    if (isWatch) response.write(`${JSON.stringify({ type: 'ADDED', object })}\n`);
    else response.end(JSON.stringify(object));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  mount.write({ authority: certificate('server-1'), client: 'client-1', token: 'token-1' });
  const { port } = server.address() as AddressInfo;
  const cluster = { server: `https://127.0.0.1:${port}`, ...(proxyUrl === undefined ? {} : { proxyUrl }) };
  const client = kubeClient({ kubeConfig: mount.kubeConfig(cluster), userAgent: 'tls' });
  onTestFinished(async () => {
    await client.close();
    server.closeAllConnections();
    await once(server.close(), 'close');
  });
  return { mount, server, client, tokens, seen };
}

/** Calls without pause, writes among them, until it is told to end. @returns what ends it and gives the errors there were */
function load(client: HttpKubeClient): () => Promise<readonly unknown[]> {
  const errors: unknown[] = [];
  const over = new AbortController();
  const caller = async (call: () => Promise<unknown>): Promise<void> => {
    while (!over.signal.aborted) await call().catch((error: unknown) => errors.push(error));
  };
  const calls = [
    () => client.get(configMaps, key),
    () => client.create(configMaps, key.namespace, object),
    () => client.delete(configMaps, key, { uid: 'u1' }),
  ];
  const callers = [...calls, ...calls].map(caller);
  return async () => {
    over.abort();
    await Promise.all(callers);
    return errors;
  };
}

test('shows the certificate and the token of now, under load, and no call is lost when they are renewed', async () => {
  const { mount, client, tokens, seen } = await aLab();
  const stop = new AbortController();
  const scope = { namespace: key.namespace, resourceVersion: '5', signal: stop.signal };
  const watching = client.watch(configMaps, scope)[Symbol.asyncIterator]();
  expect(await watching.next()).toMatchObject({ value: { type: 'added' } });
  let isOpen = true;
  const ended = watching.next().then(() => (isOpen = false));
  const endLoad = load(client);

  mount.write({ authority: certificate('server-1'), client: 'client-2', token: 'token-1' });
  await expect.poll(() => [...seen]).toEqual(['client-1 token-1', 'client-2 token-1']);

  // From one moment to the next the server knows the new token alone.
  mount.write({ authority: certificate('server-1'), client: 'client-2', token: 'token-2' });
  tokens.add('token-2').delete('token-1');
  await expect.poll(() => [...seen].at(-1)).toBe('client-2 token-2');

  expect(await endLoad()).toEqual([]);
  expect(isOpen).toBe(true);
  stop.abort();
  await ended;
});

test('trusts the authority of now, under load', async () => {
  const { mount, server, client } = await aLab();
  const endLoad = load(client);
  const both = certificate('server-1') + certificate('server-2');
  mount.write({ authority: both, client: 'client-1', token: 'token-1' });
  const ca = [certificate('client-1'), certificate('client-2')];
  await client.get(configMaps, key);
  server.setSecureContext({ ...pair('server-2'), ca });
  mount.write({ authority: certificate('server-2'), client: 'client-1', token: 'token-1' });
  await client.get(configMaps, key);
  expect(await endLoad()).toEqual([]);

  server.setSecureContext({ ...pair('server-1'), ca });
  server.closeAllConnections();
  await expect(client.get(configMaps, key)).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringContaining('SELF_SIGNED') as unknown,
  });
});

test('goes through the proxy that the kubeconfig names', async () => {
  const targets: string[] = [];
  const proxy = createProxy().on('connect', (request, socket) => {
    targets.push(request.url ?? '');
    const { hostname, port } = new URL(`http://${request.url}`);
    const upstream = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(upstream).pipe(socket);
    });
    for (const end of [socket, upstream])
      end.on('error', () => [socket, upstream].forEach((s) => s.destroy()));
  });
  await once(proxy.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void proxy.close());
  const { port } = proxy.address() as AddressInfo;
  const { client, server, seen } = await aLab(`http://127.0.0.1:${port}`);
  expect((await client.get(configMaps, key))?.metadata.uid).toBe('u1');
  expect([...seen]).toEqual(['client-1 token-1']);
  expect(targets).toEqual([`127.0.0.1:${(server.address() as AddressInfo).port}`]);
});
