import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { configMaps } from '../../test/contract/kube-client.ts';
import { serve, serveFakeKube } from '../../test/support/fake-kube-server.ts';
import { FakeKube } from '../../test/support/fake-kube.ts';
import type { WatchEvent } from './client.ts';
import { KubeError } from './errors.ts';
import { kubeClient, type HttpKubeClient } from './http.ts';
import type { KubeObject } from './resource.ts';
import type { HttpLimits } from './transport.ts';

const namespace = 'shop';
const key = { namespace, name: 'one' };
const object = {
  metadata: { ...key, uid: 'u1', resourceVersion: '7', creationTimestamp: '2026-01-01T00:00:00Z' },
  data: {},
};

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

interface Setting {
  readonly client: HttpKubeClient;
  readonly requests: IncomingMessage[];
  readonly unreadable: KubeError[];
  /** What `onRequest` was told, as `get configmaps 200`. */
  readonly told: string[];
}

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

/** A client before a server that gives these answers in turn, the last one for ever. */
async function aClient(answers: readonly Answer[], limits: Partial<HttpLimits> = {}): Promise<Setting> {
  const requests: IncomingMessage[] = [];
  const listener: RequestListener = (request, response) => {
    requests.push(request);
    answers[Math.min(requests.length, answers.length) - 1]?.(response, request);
  };
  const server = await serve(listener);
  const unreadable: KubeError[] = [];
  const told: string[] = [];
  const client = kubeClient({
    kubeConfig: server.kubeConfig,
    userAgent: 'test/1',
    limits: { baseMs: 1, ...limits },
    random: () => 0.5,
    onUnreadable: (error) => unreadable.push(error),
    onRequest: ({ verb, resource, code, durationMs }) => {
      expect(durationMs).toBeGreaterThan(0);
      told.push(`${verb} ${resource} ${code}`);
    },
  });
  closers.push(
    () => server.close(),
    () => client.close(),
  );
  return { client, requests, unreadable, told };
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (response) => response.writeHead(status, headers).end(JSON.stringify(body));
}

function html(status: number): Answer {
  return (response) =>
    response.writeHead(status, { 'content-type': 'text/html' }).end('<h1>who are you</h1>');
}

const ok = json(200, object);
const reset: Answer = (response) => response.destroy();
const silence: Answer = () => undefined;

function refusal(code: number, reason: string): unknown {
  return { kind: 'Status', code, reason, message: `because ${reason}` };
}

async function errorOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (error: unknown) => error,
  );
}

test('sends credentials and its name with every request', async () => {
  const { client, requests } = await aClient([ok]);
  await client.get(configMaps, key);
  expect(requests[0]?.headers).toMatchObject({
    authorization: 'Bearer a-secret-token',
    'user-agent': 'test/1',
  });
});

test('keeps connections for the calls that follow', async () => {
  const { client, requests } = await aClient([ok]);
  for (let call = 0; call < 10; call += 1) await client.get(configMaps, key);
  // The pool may open a second one while the first is not yet seen to be free.
  expect(new Set(requests.map((request) => request.socket)).size).toBeLessThanOrEqual(2);
});

const passing: readonly { name: string; answer: Answer }[] = [
  { name: 'a reset', answer: reset },
  { name: 'a refusal with 503', answer: json(503, refusal(503, 'ServiceUnavailable')) },
  { name: 'a refusal with 500', answer: json(500, refusal(500, 'InternalError')) },
  { name: 'an HTML page with 502', answer: html(502) },
  { name: 'an HTML page with 200', answer: html(200) },
  { name: 'half an answer', answer: (response) => response.writeHead(200).end('{"metadata": {') },
  {
    name: 'an answer that is cut',
    answer: (response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{');
      setImmediate(() => response.destroy());
    },
  },
];
test.for(passing)('repeats a read after $name', async ({ answer }) => {
  const { client, requests } = await aClient([answer, ok]);
  expect((await client.get(configMaps, key))?.metadata.uid).toBe('u1');
  expect(requests).toHaveLength(2);
});

test.for(passing)('never repeats a create after $name', async ({ answer }) => {
  const { client, requests } = await aClient([answer, json(201, object)]);
  const error = await errorOf(client.create(configMaps, namespace, { metadata: { name: 'one' } }));
  expect(error).toMatchObject({ kind: 'unavailable' });
  expect(requests).toHaveLength(1);
});

test('gives a read up after four attempts, with the last error', async () => {
  const { client, requests } = await aClient([html(502)]);
  expect(await errorOf(client.get(configMaps, key))).toMatchObject({ kind: 'unavailable', status: 502 });
  expect(requests).toHaveLength(4);
});

test.for(['get', 'create'] as const)(
  'repeats a %s that was turned away, after the time the server asked for',
  async (verb) => {
    const { client, requests } = await aClient([
      json(429, refusal(429, 'TooManyRequests'), { 'retry-after': '0' }),
      json(verb === 'get' ? 200 : 201, object),
    ]);
    const call = verb === 'get' ? client.get(configMaps, key) : client.create(configMaps, namespace, object);
    expect((await call)?.metadata.uid).toBe('u1');
    expect(requests).toHaveLength(2);
  },
);

test('leaves a long Retry-After to the caller', async () => {
  const { client, requests } = await aClient([
    json(429, refusal(429, 'TooManyRequests'), { 'retry-after': '30' }),
  ]);
  expect(await errorOf(client.get(configMaps, key))).toMatchObject({
    kind: 'tooManyRequests',
    retryAfterMs: 30_000,
  });
  expect(requests).toHaveLength(1);
});

test('tries a read that stays without answer on another connection', async () => {
  const { client, requests } = await aClient([silence, ok], { readMs: 40 });
  expect((await client.get(configMaps, key))?.metadata.uid).toBe('u1');
  expect(requests[0]?.socket).not.toBe(requests[1]?.socket);
});

test('gives every call up at its deadline', async () => {
  const { client } = await aClient([silence], { callMs: 40 });
  expect(await errorOf(client.create(configMaps, namespace, object))).toMatchObject({ kind: 'unavailable' });
  expect(await errorOf(client.get(configMaps, key))).toMatchObject({ kind: 'unavailable' });
});

test('gives a call up when its caller does, with the reason of the caller', async () => {
  const stop = new AbortController();
  const { client } = await aClient([() => stop.abort(new Error('enough'))]);
  const error = await errorOf(client.get(configMaps, key, { signal: stop.signal }));
  expect(error).toMatchObject({ message: 'enough' });
});

test('names verb, object and the words of the server, and no header', async () => {
  const { client } = await aClient([json(403, refusal(403, 'Forbidden'), { 'x-secret': 'a-secret-token' })]);
  const error = await errorOf(
    client.create(configMaps, namespace, { metadata: { name: 'one' }, data: { a: 'b' } }),
  );
  expect(error).toMatchObject({
    kind: 'forbidden',
    message: 'create configmaps shop/one: because Forbidden',
  });
  expect(JSON.stringify([error, Object.entries(error as object)])).not.toContain('secret');
});

test('refuses an answer beyond its bound', async () => {
  const big = { ...object, data: { text: 'x'.repeat(10_000) } };
  const { client } = await aClient([json(200, big)], { maxAnswerBytes: 5_000 });
  expect(await errorOf(client.get(configMaps, key))).toMatchObject({ kind: 'unreadable' });
});

test('repeats a read after a page of an error without end', async () => {
  const endless: Answer = (response) => {
    response.writeHead(502, { 'content-type': 'text/html' });
    response.write('<h1>who are you</h1>'.repeat(10_000));
  };
  const { client, requests } = await aClient([endless, ok]);
  expect((await client.get(configMaps, key))?.metadata.uid).toBe('u1');
  expect(requests).toHaveLength(2);
});

test('gives a call up at its deadline whose answer comes in drops', async () => {
  const drops: Answer = (response) => {
    response.writeHead(200).write('{');
    const timer = setInterval(() => response.write(' '), 5);
    response.on('close', () => clearInterval(timer));
  };
  const { client } = await aClient([drops], { callMs: 60 });
  expect(await errorOf(client.get(configMaps, key))).toMatchObject({ kind: 'unavailable' });
});

test('is forbidden when the server does not know us, and asks once', async () => {
  const { client, requests } = await aClient([json(401, refusal(401, 'Unauthorized'))]);
  expect(await errorOf(client.get(configMaps, key))).toMatchObject({ kind: 'forbidden', status: 401 });
  expect(requests).toHaveLength(1);
});

test('is unavailable when nobody listens', async () => {
  const server = await serve(() => undefined);
  await server.close();
  const client = kubeClient({ kubeConfig: server.kubeConfig, userAgent: 'test/1', limits: { baseMs: 1 } });
  closers.push(() => client.close());
  expect(await errorOf(client.get(configMaps, key))).toMatchObject({ kind: 'unavailable' });
});

test('sends both preconditions and the propagation policy with a delete', async () => {
  const bodies: string[] = [];
  const { client } = await aClient([
    (response, request) => {
      request.on('data', (chunk: Buffer) => bodies.push(chunk.toString()));
      request.on('end', () => response.end('{}'));
    },
  ]);
  await client.delete(configMaps, key, { uid: 'u1', resourceVersion: '7', propagationPolicy: 'Foreground' });
  expect(JSON.parse(bodies.join(''))).toMatchObject({
    kind: 'DeleteOptions',
    preconditions: { uid: 'u1', resourceVersion: '7' },
    propagationPolicy: 'Foreground',
  });
});

test('sends no delete without a uid or without a name, which could hit anything', async () => {
  const { client, requests } = await aClient([json(200, {})]);
  expect(await errorOf(client.delete(configMaps, key, { uid: '' }))).toMatchObject({ kind: 'invalid' });
  const nameless = client.delete(configMaps, { namespace, name: '' }, { uid: 'u1' });
  expect(await errorOf(nameless)).toMatchObject({ kind: 'invalid' });
  expect(requests).toHaveLength(0);
});

test('sends no status without a resourceVersion, which would overwrite whatever is there', async () => {
  const { client, requests } = await aClient([ok]);
  const error = await errorOf(client.replaceStatus(configMaps, key, { metadata: key, status: {} }));
  expect(error).toMatchObject({ kind: 'invalid' });
  expect(requests).toHaveLength(0);
});

test('lists page by page', async () => {
  const fake = new FakeKube();
  for (let index = 0; index < 1_001; index += 1)
    fake.put(configMaps, namespace, { metadata: { name: `c${index}` } });
  const server = await serveFakeKube(fake, [configMaps]);
  const client = kubeClient({ kubeConfig: server.kubeConfig, userAgent: 'test/1' });
  closers.push(
    () => server.close(),
    () => client.close(),
  );
  const { items } = await client.list(configMaps, { namespace });
  expect(new Set(items.map((item) => item.metadata.name)).size).toBe(1_001);
  expect(fake.requests).toHaveLength(3);
});

test('starts a list over when its position expires between two pages', async () => {
  const first = { metadata: { resourceVersion: '5', continue: 'next' }, items: [object] };
  const whole = { metadata: { resourceVersion: '9' }, items: [object] };
  const { client, requests } = await aClient([
    json(200, first),
    json(410, refusal(410, 'Expired')),
    json(200, whole),
  ]);
  const { items, resourceVersion } = await client.list(configMaps, { namespace });
  expect([items.length, resourceVersion]).toEqual([1, '9']);
  expect(requests.map(({ url }) => url?.includes('continue=next'))).toEqual([false, true, false]);
});

test('gives up a list whose positions always expire', async () => {
  const { client } = await aClient([json(410, refusal(410, 'Expired'))]);
  expect(await errorOf(client.list(configMaps, { namespace }))).toMatchObject({ kind: 'expired' });
});

test('tells of the objects in a list that it cannot read, by name', async () => {
  const bad = { ...object, metadata: { ...object.metadata, name: 'bad' }, data: 'no map' };
  const { client, unreadable } = await aClient([
    json(200, { metadata: { resourceVersion: '9' }, items: [bad, object] }),
  ]);
  expect((await client.list(configMaps)).items).toHaveLength(1);
  expect(unreadable.map(({ message }) => message)).toEqual([expect.stringMatching(/shop\/bad: data: /)]);
});

test.for([null, []])('reads a list of %j items as empty', async (items) => {
  const { client } = await aClient([json(200, { metadata: { resourceVersion: '9' }, items })]);
  expect(await client.list(configMaps)).toEqual({ items: [], resourceVersion: '9' });
});

/** How a watch ended, and what it delivered before. */
interface Watched {
  readonly events: WatchEvent<KubeObject>[];
  readonly error: unknown;
}

async function watch(client: HttpKubeClient, signal = new AbortController().signal): Promise<Watched> {
  const events: WatchEvent<KubeObject>[] = [];
  const read = async (): Promise<void> => {
    const scope = { namespace, resourceVersion: '5', signal };
    for await (const event of client.watch(configMaps, scope)) events.push(event);
  };
  return { error: await errorOf(read()), events };
}

function line(type: string, body: unknown): string {
  return `${JSON.stringify({ type, object: body })}\n`;
}

function streamed(...chunks: readonly string[]): Answer {
  return (response) => {
    for (const chunk of chunks) response.write(chunk);
    response.end();
  };
}

const added = line('ADDED', object);

test('asks for bookmarks, for a bounded time, from where it is told', async () => {
  const { client, requests } = await aClient([streamed()]);
  expect(await watch(client)).toEqual({ events: [], error: undefined });
  const { searchParams } = new URL(requests[0]?.url ?? '', 'http://local');
  expect(Object.fromEntries(searchParams)).toEqual({
    watch: 'true',
    allowWatchBookmarks: 'true',
    timeoutSeconds: '450',
    resourceVersion: '5',
  });
});

test('delivers events and bookmarks, and ends with the stream', async () => {
  const bookmark = line('BOOKMARK', { metadata: { resourceVersion: '8' } });
  const { client } = await aClient([streamed(added + bookmark.slice(0, 10), bookmark.slice(10), '\n')]);
  const { events, error } = await watch(client);
  expect(error).toBeUndefined();
  expect(events).toMatchObject([
    { type: 'added', resourceVersion: '7' },
    { type: 'bookmark', resourceVersion: '8' },
  ]);
});

interface WatchCase {
  readonly name: string;
  readonly answer: Answer;
  readonly kind: string;
  readonly events: number;
}

const watchFaults: readonly WatchCase[] = [
  {
    name: 'is reset',
    answer: (response) => response.write(added, () => setTimeout(() => response.destroy(), 5)),
    kind: 'unavailable',
    events: 1,
  },
  { name: 'ends inside a line', answer: streamed(added, '{"type":"MOD'), kind: 'unavailable', events: 1 },
  { name: 'goes silent', answer: (response) => response.write(added), kind: 'unavailable', events: 1 },
  { name: 'stays without answer', answer: silence, kind: 'unavailable', events: 0 },
  {
    name: 'brings a line that is no JSON',
    answer: streamed(added, '<html>\n'),
    kind: 'unreadable',
    events: 1,
  },
  {
    name: 'brings JSON that is no event',
    answer: streamed('{"a":1}\n', added),
    kind: 'unreadable',
    events: 0,
  },
  {
    name: 'brings an event without end',
    answer: streamed(added, 'x'.repeat(5_000)),
    kind: 'unreadable',
    events: 1,
  },
  {
    name: 'expires',
    answer: streamed(added, line('ERROR', refusal(410, 'Expired'))),
    kind: 'expired',
    events: 1,
  },
  {
    name: 'breaks in the server',
    answer: streamed(line('ERROR', refusal(500, 'Internal'))),
    kind: 'unavailable',
    events: 0,
  },
  { name: 'is refused with 410', answer: json(410, refusal(410, 'Expired')), kind: 'expired', events: 0 },
  { name: 'is refused with 403', answer: json(403, refusal(403, 'Forbidden')), kind: 'forbidden', events: 0 },
  {
    name: 'is turned away',
    answer: json(429, {}, { 'retry-after': '3' }),
    kind: 'tooManyRequests',
    events: 0,
  },
  { name: 'meets a proxy', answer: html(502), kind: 'unavailable', events: 0 },
];
test.for(watchFaults)(
  'rejects as $kind when a watch $name, with what came before',
  async ({ answer, kind, events }) => {
    const { client, requests } = await aClient([answer], {
      watchIdleMs: 50,
      callMs: 50,
      maxEventBytes: 2_000,
    });
    const watched = await watch(client);
    expect(watched.error).toBeInstanceOf(KubeError);
    expect(watched.error).toMatchObject({ kind });
    expect(watched.events).toHaveLength(events);
    expect(requests).toHaveLength(1);
  },
);

test('goes on after an object that it cannot read, and tells which', async () => {
  const bad = {
    ...object,
    metadata: { ...object.metadata, name: 'bad', resourceVersion: '6' },
    data: 'no map',
  };
  const { client, unreadable } = await aClient([streamed(line('MODIFIED', bad), added)]);
  const { events, error } = await watch(client);
  expect(error).toBeUndefined();
  expect(events).toMatchObject([
    { type: 'unreadable', key: { namespace, name: 'bad' }, resourceVersion: '6' },
    { type: 'added' },
  ]);
  expect(unreadable).toHaveLength(1);
});

test('ends a silent watch quietly when its signal aborts, and closes its connection', async () => {
  const stop = new AbortController();
  const closed = Promise.withResolvers<void>();
  const { client } = await aClient([
    (response) => {
      response.on('close', closed.resolve);
      response.writeHead(200).flushHeaders();
      setImmediate(() => stop.abort());
    },
  ]);
  expect(await watch(client, stop.signal)).toEqual({ events: [], error: undefined });
  await expect(closed.promise).resolves.toBeUndefined();
});

test('closes the connection of a watch whose reader has left', async () => {
  const closed = Promise.withResolvers<void>();
  const { client } = await aClient([
    (response) => {
      response.on('close', closed.resolve);
      response.write(added);
    },
  ]);
  const scope = { namespace, resourceVersion: '5', signal: new AbortController().signal };
  for await (const event of client.watch(configMaps, scope)) if (event.type === 'added') break;
  await expect(closed.promise).resolves.toBeUndefined();
});

test('answers calls while more watches are open than a pool would have', async () => {
  const { client } = await aClient([
    (response, request) =>
      request.url?.includes('watch=true') === true ? response.write(added) : ok(response, request),
  ]);
  const stop = new AbortController();
  const watches = Array.from({ length: 20 }, () => watch(client, stop.signal));
  expect((await client.get(configMaps, key))?.metadata.uid).toBe('u1');
  stop.abort();
  expect((await Promise.all(watches)).every(({ error }) => error === undefined)).toBe(true);
});

const urgentMaps = { ...configMaps, plural: 'urgentmaps', isUrgent: true } as const;

test('answers an urgent call while every other connection waits for an answer', async () => {
  const isUrgent = (url = ''): boolean => url.includes('urgentmaps');
  const { client, requests } = await aClient([
    (response, request) => (isUrgent(request.url) ? ok(response, request) : undefined),
  ]);
  const stop = new AbortController();
  const { signal } = stop;
  const slow = Array.from({ length: 40 }, () =>
    errorOf(client.create(configMaps, namespace, object, { signal })),
  );
  await expect.poll(() => requests.length).toBe(32);
  expect((await client.get(urgentMaps, key))?.metadata.uid).toBe('u1');
  expect(requests).toHaveLength(33);
  stop.abort(new Error('enough'));
  expect(await Promise.all(slow)).toMatchObject(slow.map(() => ({ message: 'enough' })));
});

test('tells of every request how it ended, of each attempt alone', async () => {
  const busy = json(429, refusal(429, 'TooManyRequests'), { 'retry-after': '0' });
  const { client, told } = await aClient([
    busy,
    reset,
    html(502),
    ok,
    streamed(added),
    json(201, object),
    ok,
  ]);
  await client.get(configMaps, key);
  await watch(client);
  await client.create(configMaps, namespace, object);
  await client.replaceStatus(configMaps, key, object);
  expect(told).toEqual([
    'get configmaps 429',
    'get configmaps error',
    'get configmaps 502',
    'get configmaps 200',
    'watch configmaps 200',
    'create configmaps 201',
    'update configmaps/status 200',
  ]);
});

test('tells of a call that nobody waits for any more', async () => {
  const stop = new AbortController();
  const { client, told } = await aClient([() => stop.abort(new Error('enough'))]);
  await errorOf(client.delete(configMaps, key, { uid: 'u1', signal: stop.signal }));
  expect(told).toEqual(['delete configmaps error']);
});
