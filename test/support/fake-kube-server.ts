import { KubeConfig } from '@kubernetes/client-node';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as z from 'zod';
import type { WatchEvent } from '../../src/kube/client.ts';
import { KubeError, type KubeErrorKind } from '../../src/kube/errors.ts';
import { kubeObjectSchema, type KubeObject, type ObjectKey, type Resource } from '../../src/kube/resource.ts';
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

/** Serves a fake over HTTP, page by page, for the resources named. */
export function serveFakeKube(fake: FakeKube, resources: readonly Resource[]): Promise<LocalServer> {
  return serve((request, response) => {
    answer(fake, resources, request, response).catch((error: unknown) => refuse(response, error));
  });
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
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly key: ObjectKey;
  readonly isStatus: boolean;
  readonly query: URLSearchParams;
}

async function answer(
  fake: FakeKube,
  resources: readonly Resource[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const target = targetOf(resources, request.url ?? '');
  const { resource, namespace = '', key, isStatus } = target;
  const body = await readJson(request);
  switch (`${request.method}${isStatus ? ' status' : ''}`) {
    case 'GET':
      return sendWhatIsAsked(fake, target, response);
    case 'POST':
      return sendJson(response, 201, await fake.create(resource, namespace, body));
    case 'PUT status':
      return sendJson(response, 200, await fake.replaceStatus(resource, key, body));
    case 'PUT':
      return sendJson(response, 200, await fake.replace(resource, key, body));
    case 'DELETE':
      await fake.delete(resource, key, deleteSchema.parse(body));
      return sendJson(response, 200, { kind: 'Status', status: 'Success' });
    default:
      throw new KubeError('invalid', `${request.method} is not served`);
  }
}

function sendWhatIsAsked(fake: FakeKube, target: Target, response: ServerResponse): Promise<void> {
  if (target.query.get('watch') === 'true') return streamWatch(fake, target, response);
  return target.key.name === '' ? sendPage(fake, target, response) : sendObject(fake, target, response);
}

const deleteSchema = z
  .object({
    preconditions: z.object({ uid: z.string(), resourceVersion: z.string().optional() }),
    propagationPolicy: z.enum(['Background', 'Foreground']).optional(),
  })
  .transform(({ preconditions, propagationPolicy }) => ({ ...preconditions, propagationPolicy }));

function targetOf(resources: readonly Resource[], url: string): Target {
  const { pathname, searchParams } = new URL(url, 'http://local');
  const pattern =
    /^\/(?:api|apis\/(?<group>[^/]+))\/(?<version>[^/]+)(?:\/namespaces\/(?<namespace>[^/]+))?\/(?<plural>[^/]+)(?:\/(?<name>[^/]+))?(?<status>\/status)?$/;
  const { group = '', plural = '', namespace, name = '', status } = pattern.exec(pathname)?.groups ?? {};
  const resource = resources.find((known) => known.group === group && known.plural === plural);
  if (resource === undefined) throw new KubeError('notFound', `${pathname} is not served`);
  return {
    resource: { ...resource, schema: anySchema },
    namespace,
    key: { namespace: namespace ?? '', name },
    isStatus: status !== undefined,
    query: searchParams,
  };
}

async function sendObject(
  fake: FakeKube,
  { resource, key }: Target,
  response: ServerResponse,
): Promise<void> {
  const object = await fake.get(resource, key);
  if (object === undefined) throw new KubeError('notFound', `${resource.plural} "${key.name}" not found`);
  sendJson(response, 200, object);
}

/** Items come without apiVersion and kind. The position in the list is the number of items already sent. */
async function sendPage(
  fake: FakeKube,
  { resource, namespace, query }: Target,
  response: ServerResponse,
): Promise<void> {
  const labelSelector = query.get('labelSelector') ?? undefined;
  const fieldSelector = query.get('fieldSelector') ?? undefined;
  const { items, resourceVersion } = await fake.list(resource, { namespace, labelSelector, fieldSelector });
  const start = Number(query.get('continue') ?? 0);
  const end = start + Number(query.get('limit') ?? items.length);
  const metadata = { resourceVersion, ...(end < items.length ? { continue: String(end) } : {}) };
  const page = items.slice(start, end).map(({ kind: _kind, apiVersion: _apiVersion, ...item }) => item);
  sendJson(response, 200, { kind: `${resource.kind}List`, metadata, items: page });
}

async function streamWatch(
  fake: FakeKube,
  { resource, namespace, query }: Target,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const labelSelector = query.get('labelSelector') ?? undefined;
  const resourceVersion = query.get('resourceVersion') ?? '';
  const events = fake.watch(resource, { namespace, labelSelector, resourceVersion, signal: gone.signal });
  const first = events.next();
  // As the real one does: the head comes at once, an error within the stream.
  response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
  try {
    for (let step = await first; step.done !== true; step = await events.next())
      sendEvent(response, step.value);
  } catch (error) {
    response.write(`${JSON.stringify({ type: 'ERROR', object: statusOf(error) })}\n`);
  }
  response.end();
}

function sendEvent(response: ServerResponse, event: WatchEvent<KubeObject>): void {
  if (event.type === 'unreadable') throw new Error('the server sends objects as they are');
  const object =
    event.type === 'bookmark' ? { metadata: { resourceVersion: event.resourceVersion } } : event.object;
  response.write(`${JSON.stringify({ type: event.type.toUpperCase(), object })}\n`);
}

function refuse(response: ServerResponse, error: unknown): void {
  const status = statusOf(error);
  sendJson(response, status.code, status);
}

function statusOf(error: unknown): { readonly code: number; readonly [field: string]: unknown } {
  const { message } = error instanceof Error ? error : { message: String(error) };
  const kind = error instanceof KubeError ? error.kind : 'unavailable';
  const reason = kind === 'alreadyExists' ? 'AlreadyExists' : undefined;
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: statusCodes[kind], reason, message };
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function readJson(request: IncomingMessage): Promise<object> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? {} : (JSON.parse(text) as object);
}
