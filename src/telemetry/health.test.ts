import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { serveHealth, type Check } from './health.ts';
import type { TextServer } from './serve.ts';

let server: TextServer | undefined;

afterEach(async () => {
  await server?.close();
  server = undefined;
});

const good: Check = { name: 'caches', isGood: true, says: 'filled' };
const bad: Check = { name: 'schema', isGood: false, says: 'older' };

async function started(health: { live?: readonly Check[]; ready?: readonly Check[] }): Promise<number> {
  const { live = [good], ready = [good] } = health;
  server = await serveHealth(0, { live: () => live, ready: () => ready });
  return server.port;
}

async function ask(port: number, path: string, options?: RequestInit): Promise<readonly [number, string]> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, options);
  return [response.status, await response.text()];
}

test('answers with a line per check', async () => {
  const port = await started({ live: [good], ready: [good, { ...good, name: 'schema', says: 'served' }] });
  expect(await ask(port, '/healthz')).toEqual([200, 'good caches: filled\n']);
  expect(await ask(port, '/readyz')).toEqual([200, 'good caches: filled\ngood schema: served\n']);
});

test('fails when one of the checks fails, and says which', async () => {
  const port = await started({ live: [bad], ready: [good, bad] });
  expect(await ask(port, '/healthz')).toEqual([500, 'BAD  schema: older\n']);
  expect(await ask(port, '/readyz')).toEqual([503, 'good caches: filled\nBAD  schema: older\n']);
});

test('looks at the path alone, as the kubelet may be told to add a query', async () => {
  const port = await started({});
  expect((await ask(port, '/readyz?verbose'))[0]).toBe(200);
});

test.each([
  { path: '/', method: 'GET' },
  { path: '/readyz/', method: 'GET' },
  { path: '/metrics', method: 'GET' },
  { path: '/readyz', method: 'POST' },
])('has nothing for $method $path', async ({ path, method }) => {
  const port = await started({});
  expect((await ask(port, path, { method }))[0]).toBe(404);
});

test('keeps no connection after the answer', async () => {
  const port = await started({});
  const response = await fetch(`http://127.0.0.1:${port}/readyz`);
  await response.text();
  expect(response.headers.get('connection')).toBe('close');
});

test('is there over IPv6 too', async () => {
  const port = await started({});
  expect((await fetch(`http://[::1]:${port}/readyz`)).status).toBe(200);
});

test('closes at once, whoever is connected and says nothing', async () => {
  const port = await started({});
  const idler = connect(port, '127.0.0.1');
  await once(idler, 'connect');
  const ended = once(idler, 'close');
  await server?.close();
  await expect(ended).resolves.toEqual([false]);
});

test('answers the kubelet however many connect and say nothing', async () => {
  const port = await started({});
  const idlers = Array.from({ length: 100 }, () => connect(port, '127.0.0.1'));
  for (const idler of idlers) idler.on('error', () => undefined);
  await Promise.all(idlers.map((idler) => once(idler, 'connect')));
  expect((await ask(port, '/healthz'))[0]).toBe(200);
  for (const idler of idlers) idler.destroy();
});

test('rejects when the port is taken', async () => {
  const port = await started({});
  await expect(serveHealth(port, { live: () => [], ready: () => [] })).rejects.toThrow('EADDRINUSE');
});
