// A program of the node: gives every claim of the StorageClass that has found its node a folder, and takes it away
// again when the claim is deleted. It asks for nothing but watches, each of which begins with everything there is,
// so a lost connection or a failed step heals by watching anew.
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { readKubeconfig } from './certificates.ts';
import { buildVolume, provisionerName } from './manifests.ts';
import { apiServer, placesIn, storageClass } from './places.ts';

interface Claim {
  readonly metadata: {
    readonly uid: string;
    readonly name: string;
    readonly namespace: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly storageClassName?: string;
    readonly volumeName?: string;
    readonly resources: { readonly requests: { readonly storage: string } };
  };
}

interface Volume {
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly status?: { readonly phase?: string };
}

interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: unknown;
}

/** Set by us, read by the volume controller: it leaves the end of such a volume to its provisioner. */
const provisionedBy = 'pv.kubernetes.io/provisioned-by';

const [, , folder = ''] = process.argv;
const { authority, token } = readKubeconfig(placesIn(folder).kubeconfig('provisioner'));
const agent = new Agent({ ca: authority, keepAlive: true });

async function call(method: string, path: string, body?: unknown): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const sent = request(`${apiServer}${path}`, { method, agent, headers }, resolve);
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** A call that changes something. "There already" and "not there any more" are what was wanted. */
async function change(method: string, path: string, body?: unknown): Promise<void> {
  const response = await call(method, path, body);
  const answer = await text(response);
  const { statusCode = 0 } = response;
  if (statusCode >= 400 && statusCode !== 404 && statusCode !== 409)
    throw new Error(`${method} ${path}: ${answer}`);
}

const volumesPath = '/api/v1/persistentvolumes';

async function provide({ metadata, spec }: Claim): Promise<void> {
  const isOurs = spec.storageClassName === storageClass && spec.volumeName === undefined;
  if (!isOurs || metadata.annotations?.['volume.kubernetes.io/selected-node'] === undefined) return;
  const name = `pvc-${metadata.uid}`;
  const path = placesIn(folder).volume(name);
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o777); // whose it will be is not known here
  const { uid, namespace } = metadata;
  const volume = buildVolume({
    name,
    path,
    size: spec.resources.requests.storage,
    reclaimPolicy: 'Delete',
    claim: { uid, namespace, name: metadata.name },
    annotations: { [provisionedBy]: provisionerName },
  });
  await change('POST', volumesPath, volume);
}

async function reclaim({ metadata, status }: Volume): Promise<void> {
  if (metadata.annotations?.[provisionedBy] !== provisionerName || status?.phase !== 'Released') return;
  rmSync(placesIn(folder).volume(metadata.name), { recursive: true, force: true });
  await change('DELETE', `${volumesPath}/${metadata.name}`);
}

async function watchOnce(path: string, see: (object: unknown) => Promise<void>): Promise<void> {
  const response = await call('GET', `${path}?watch=true`);
  for await (const line of createInterface({ input: response })) {
    const { type, object } = JSON.parse(line) as Change;
    if (type === 'ADDED' || type === 'MODIFIED') await see(object);
  }
}

/** Shows `see` every object of that kind as it is now, and again whenever it changes, for ever. */
async function watch(path: string, see: (object: unknown) => Promise<void>): Promise<never> {
  for (;;) {
    await watchOnce(path, see).catch(console.error);
    await sleep(500);
  }
}

await Promise.all([
  watch('/api/v1/persistentvolumeclaims', async (claim) => provide(claim as Claim)),
  watch(volumesPath, async (volume) => reclaim(volume as Volume)),
]);
