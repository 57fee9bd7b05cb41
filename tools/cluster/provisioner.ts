// A program of the node: gives every claim of the StorageClass that has found its node a folder, and takes it away
// again when the claim is deleted. It asks for nothing but watches, each of which begins with everything there is,
// so a lost connection or a failed step heals by watching anew.
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { buildVolume, provisionerName } from './manifests.ts';
import { nodeClient } from './node-client.ts';
import { placesIn, storageClass } from './places.ts';

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

/** Set by us, read by the volume controller: it leaves the end of such a volume to its provisioner. */
const provisionedBy = 'pv.kubernetes.io/provisioned-by';

const [, , folder = ''] = process.argv;
const { change, watch } = nodeClient(folder, 'provisioner');

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

/** Shows `see` every object of that kind as it is now, and again whenever it changes. */
async function watchEach(path: string, see: (object: unknown) => Promise<void>): Promise<never> {
  return watch(path, async ({ type, object }) => {
    if (type === 'ADDED' || type === 'MODIFIED') await see(object);
  });
}

await Promise.all([
  watchEach('/api/v1/persistentvolumeclaims', async (claim) => provide(claim as Claim)),
  watchEach(volumesPath, async (volume) => reclaim(volume as Volume)),
]);
