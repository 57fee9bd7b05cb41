// The node: one set of kernel namespaces (network, mounts, processes) in which everything of a cluster lives.
// Its first process holds them all: when that one is killed, the kernel ends every other one, unmounts what they
// mounted and takes the network away, whatever state they are in.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { background, type Background } from '../run.ts';
import { markOf, nodeAddress, placesIn } from './places.ts';
import { eventually } from './processes.ts';

/** Where Debian keeps what an administrator runs; a person's own path may lack it. */
const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const pidFile = (folder: string): string => join(folder, 'node.pid');

/**
 * What the first process does before it becomes `pause`. All of it is seen by the cluster alone.
 *
 * - Its number is read from the /proc of the outside, before that is replaced.
 * - Mounts are shared among the node's own processes (volumes need that), not with the host.
 * - /run and the three folders below /var have fixed places in containerd, the kubelet and CNI.
 * - The node's address is on one end of a veth pair: not every kernel has dummy devices.
 */
const become = `
read -r pid rest < /proc/self/stat
mount --make-rshared /
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/netns /var/lib/kubelet /var/lib/cni
mount --bind "$FOLDER/kubelet" /var/lib/kubelet
mount --bind "$FOLDER/cni" /var/lib/cni
mount -t tmpfs -o mode=755 tmpfs /var/log
ip link set lo up
ip link add node type veth peer name node-peer
ip addr add ${nodeAddress}/24 dev node
ip link set node up
ip link set node-peer up
ip route add default dev node
echo 1 > /proc/sys/net/ipv4/ip_forward
echo "$pid" > "$FOLDER/node.pid.partial"
mv "$FOLDER/node.pid.partial" "$FOLDER/node.pid"
exec "$PAUSE" "$0"
`;

/** The number of the node's first process, if it got that far. */
export function nodePid(folder: string): number | undefined {
  return existsSync(pidFile(folder)) ? Number(readFileSync(pidFile(folder), 'utf8')) : undefined;
}

/** Makes the namespaces. @throws Error with what its log says */
export async function createNode(folder: string, pause: string): Promise<number> {
  const log = placesIn(folder).log('node');
  const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private'];
  const { ended } = background(['unshare', ...namespaces, 'sh', '-euc', become, markOf(folder)], {
    log,
    env: { FOLDER: folder, PAUSE: pause, PATH: systemPath },
  });
  let hasEnded = false;
  void ended.then(() => (hasEnded = true));
  await eventually(() => hasEnded || nodePid(folder) !== undefined, { withinMs: 20_000, everyMs: 10 });
  const pid = nodePid(folder);
  if (pid === undefined)
    throw new Error(`the node's namespaces could not be made:\n${readFileSync(log, 'utf8')}`);
  return pid;
}

/**
 * The words that make a command run in the network of the node and otherwise where it is: it sees the files and
 * processes of this machine, and a signal sent to it reaches it.
 */
export function insideNetwork(pid: number, command: readonly string[]): readonly string[] {
  return ['nsenter', `--net=/proc/${pid}/ns/net`, '--', ...command];
}

/** As {@link insideNetwork}, with the mounts of the node too: what talks to containerd, or mounts for Pods. */
export function insideMounts(pid: number, command: readonly string[]): readonly string[] {
  return ['nsenter', `--net=/proc/${pid}/ns/net`, `--mount=/proc/${pid}/ns/mnt`, '--', ...command];
}

/** Starts a part of the node: a process that lives and dies with it. */
export function startInside(
  folder: string,
  {
    name,
    command,
    searchPath = [],
  }: { name: string; command: readonly string[]; searchPath?: readonly string[] },
): Background {
  const pid = nodePid(folder);
  if (pid === undefined) throw new Error('the node has no first process yet');
  const enter = ['nsenter', `--target=${pid}`, '--net', '--mount', '--pid', '--'];
  const PATH = [...searchPath, systemPath].join(':');
  return background([...enter, ...command], { log: placesIn(folder).log(name), env: { PATH } });
}
