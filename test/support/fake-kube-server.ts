import { KubeConfig } from '@kubernetes/client-node';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as z from 'zod';
import type { WatchEvent } from '../../src/kube/client.ts';
import { KubeError, type KubeErrorKind } from '../../src/kube/errors.ts';
import { kubeObjectSchema, type KubeObject, type ObjectKey, type Resource } from '../../src/kube/resource.ts';
import type { FakeVerb } from './fake-kube-faults.ts';
import { Pages } from './fake-kube-pages.ts';
import { spoil, spoilReply, spoiledLines } from './fake-kube-spoil.ts';
import { isBefore, type WireFaultKind, type WireFaults } from './fake-kube-wire.ts';
import { typeOf } from './fake-kube-world.ts';
import type { FakeKube } from './fake-kube.ts';

/** A server in this process, on a free port of the loopback address. */
export interface LocalServer {
  readonly kubeConfig: KubeConfig;
  close(): Promise<void>;
}

/** Serves with any listener; for answers that no API server in its right mind would give. */
export async function serve(listener: RequestListener): Promise<LocalServer> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const kubeConfig = new KubeConfig();
  const cluster = { name: 'local', server: `http://127.0.0.1:${port}`, skipTLSVerify: true };
  kubeConfig.loadFromClusterAndUser(cluster, { name: 'local', token: 'a-secret-token' });
  return {
    kubeConfig,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface ServeOptions {
  /** What goes wrong on the way. Absent: nothing. */
  readonly faults?: WireFaults | undefined;
}

/** Serves a fake over HTTP, page by page, for the resources named. */
export function serveFakeKube(
  fake: FakeKube,
  resources: readonly Resource[],
  { faults }: ServeOptions = {},
): Promise<LocalServer> {
  const pages = new Pages(fake);
  return serve((request, response) => {
    answer({ fake, resources, pages, faults }, request, response).catch((error: unknown) =>
      sendReply(response, refusal(error)),
    );
  });
}

interface Served {
  readonly fake: FakeKube;
  readonly resources: readonly Resource[];
  readonly pages: Pages;
  readonly faults: WireFaults | undefined;
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

const statusCodes: Readonly<Record<KubeErrorKind, number>> = {
  notFound: 404,
  conflict: 409,
  alreadyExists: 409,
  forbidden: 403,
  invalid: 422,
  expired: 410,
  tooManyRequests: 429,
  unavailable: 503,
  unreadable: 500,
};

/** Passes objects on as they are. */
const anySchema = kubeObjectSchema
  .extend({ metadata: z.looseObject(kubeObjectSchema.shape.metadata.shape) })
  .loose();

interface Target {
  readonly verb: FakeVerb;
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly key: ObjectKey;
  readonly query: URLSearchParams;
}

async function answer(served: Served, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const target = targetOf(served.resources, request.method ?? '', request.url ?? '');
  const body = await readJson(request);
  const { verb, resource, key } = target;
  const fault = served.faults?.strike({ verb, type: typeOf(resource), name: key.name });
  if (fault !== undefined && isBefore(fault)) return spoil(response, fault);
  if (verb === 'watch') return streamWatch(served.fake, target, response, fault);
  const reply = await replyTo(served, target, body).catch(refusal);
  if (fault === undefined) sendReply(response, reply);
  else spoilReply(response, reply, fault);
}

async function replyTo({ fake, pages }: Served, target: Target, body: object): Promise<Reply> {
  const { resource, namespace = '', key } = target;
  switch (target.verb) {
    case 'get':
      return { status: 200, body: await found(fake, target) };
    case 'list':
      return { status: 200, body: await pages.page(resource, target.namespace, target.query) };
    case 'create':
      return { status: 201, body: await fake.create(resource, namespace, body) };
    case 'replaceStatus':
      return { status: 200, body: await fake.replaceStatus(resource, key, body) };
    case 'replace':
      return { status: 200, body: await fake.replace(resource, key, body) };
    case 'delete':
      await fake.delete(resource, key, deleteSchema.parse(body));
      return { status: 200, body: { kind: 'Status', status: 'Success' } };
    case 'watch':
      throw new Error('a watch is no reply');
  }
}

const deleteSchema = z
  .object({
    preconditions: z.object({ uid: z.string(), resourceVersion: z.string().optional() }),
    propagationPolicy: z.enum(['Background', 'Foreground']).optional(),
  })
  .transform(({ preconditions, propagationPolicy }) => ({ ...preconditions, propagationPolicy }));

function targetOf(resources: readonly Resource[], method: string, url: string): Target {
  const { pathname, searchParams } = new URL(url, 'http://local');
  const pattern =
    /^\/(?:api|apis\/(?<group>[^/]+))\/(?<version>[^/]+)(?:\/namespaces\/(?<namespace>[^/]+))?\/(?<plural>[^/]+)(?:\/(?<name>[^/]+))?(?<status>\/status)?$/;
  const { group = '', plural = '', namespace, name = '', status = '' } = pattern.exec(pathname)?.groups ?? {};
  const resource = resources.find((known) => known.group === group && known.plural === plural);
  if (resource === undefined) throw new KubeError('notFound', `${pathname} is not served`);
  const verb = verbOf(method, name, status, searchParams);
  return {
    verb,
    resource: { ...resource, schema: anySchema },
    namespace,
    key: { namespace: namespace ?? '', name },
    query: searchParams,
  };
}

const verbs: ReadonlyMap<string, FakeVerb> = new Map([
  ['POST', 'create'],
  ['PUT', 'replace'],
  ['PUT/status', 'replaceStatus'],
  ['DELETE', 'delete'],
]);

function verbOf(method: string, name: string, status: string, query: URLSearchParams): FakeVerb {
  if (method === 'GET' && query.get('watch') === 'true') return 'watch';
  if (method === 'GET') return name === '' ? 'list' : 'get';
  const verb = verbs.get(`${method}${status}`);
  if (verb === undefined) throw new KubeError('invalid', `${method} is not served`);
  return verb;
}

async function found(fake: FakeKube, { resource, key }: Target): Promise<KubeObject> {
  const object = await fake.get(resource, key);
  if (object === undefined) throw new KubeError('notFound', `${resource.plural} "${key.name}" not found`);
  return object;
}

async function streamWatch(
  fake: FakeKube,
  { resource, namespace, query }: Target,
  response: ServerResponse,
  fault: WireFaultKind | undefined,
): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const labelSelector = query.get('labelSelector') ?? undefined;
  const resourceVersion = query.get('resourceVersion') ?? '';
  const events = fake.watch(resource, { namespace, labelSelector, resourceVersion, signal: gone.signal });
  const first = events.next();
  // As the real one does: the head comes at once, an error within the stream.
  response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
  const line = spoiledLines(response, fault);
  try {
    for (let step = await first; step.done !== true; step = await events.next())
      await line(lineOf(step.value));
  } catch (error) {
    response.write(`${JSON.stringify({ type: 'ERROR', object: refusal(error).body })}\n`);
  }
  response.end();
}

function lineOf(event: WatchEvent<KubeObject>): string {
  if (event.type === 'unreadable') throw new Error('the server sends objects as they are');
  const object =
    event.type === 'bookmark' ? { metadata: { resourceVersion: event.resourceVersion } } : event.object;
  return JSON.stringify({ type: event.type.toUpperCase(), object });
}

/** As the server tells of it, in the answer or in a watch. */
function refusal(error: unknown): Reply {
  const { message } = error instanceof Error ? error : { message: String(error) };
  const { kind, status, reason, causes } =
    error instanceof KubeError ? error : new KubeError('unavailable', '');
  const code = status ?? statusCodes[kind];
  const details = { causes: causes.map((cause) => ({ message: cause })) };
  const known = reason ?? (kind === 'alreadyExists' ? 'AlreadyExists' : undefined);
  const body = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason: known, message, details };
  return { status: code, body };
}

function sendReply(response: ServerResponse, { status, body }: Reply): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function readJson(request: IncomingMessage): Promise<object> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? {} : (JSON.parse(text) as object);
}
