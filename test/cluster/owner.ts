// A program that owns a cluster and does nothing else: the tests kill it. It says where the cluster is.
import { startCluster } from '../../tools/cluster/cluster.ts';
import { steps } from '../../tools/steps.ts';
import { withBusybox } from './busybox.ts';

const [, , name = ''] = process.argv;
const cluster = await startCluster({ name, steps: steps() });
await withBusybox(steps(), async (archive) => cluster.importImage(archive));
await cluster.addVolume({
  name: 'disk',
  size: '16Mi',
  owner: { uid: 7474, gid: 7474 },
  fileSystem: { sizeMiB: 16 },
});
await cluster.kubectl(['run', 'sleeper', '--image=localhost/busybox:1', '--', 'sleep 1000000']);
await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/sleeper', '--timeout=60s']);
console.log('up');
setInterval(() => {}, 1_000_000);
