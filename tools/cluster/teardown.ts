// The end of a cluster. It needs to know nothing but the folder, and finds the rest: so it works on a cluster that
// was never finished, on one whose makers are dead, and a second time.
import { readFileSync, rmSync } from 'node:fs';
import { output } from '../run.ts';
import { removeCgroups } from './cgroups.ts';
import { cgroupOf, markOf } from './places.ts';
import { allPids, eventually, kill, networkOf, pidsWithArgument } from './processes.ts';

/**
 * Processes that were started inside the cluster's network from outside: they are not the node's children.
 * Only a running node tells which network is its own; numbers of dead ones are given anew.
 */
function guests(holders: readonly number[]): readonly number[] {
  // The wrapper around the node is marked too, but is in the network of this machine.
  const own = networkOf(process.pid);
  const networks = new Set(
    holders.map(networkOf).filter((network) => network !== undefined && network !== own),
  );
  if (networks.size === 0) return [];
  return allPids().filter((pid) => networks.has(networkOf(pid)));
}

async function endProcesses(folder: string): Promise<void> {
  const mark = markOf(folder);
  const left = (): readonly number[] => pidsWithArgument(mark);
  const isGone = await eventually(
    () => {
      const marked = left();
      kill([...guests(marked), ...marked]);
      return marked.length === 0;
    },
    { withinMs: 15_000 },
  );
  if (!isGone) throw new Error(`processes of the cluster do not end: ${left().join(', ')}`);
}

/** The mounts below the folder on this machine, innermost first. Those of the node ended with it. */
function mountsBelow(folder: string): readonly string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .flatMap((line) => line.split(' ').slice(1, 2))
    .filter((path) => path.startsWith(`${folder}/`))
    .toReversed();
}

async function unmount(folder: string): Promise<void> {
  // A loop device goes with the last mount of it.
  for (const path of mountsBelow(folder)) await output(['umount', '--lazy', path]);
  const left = mountsBelow(folder);
  if (left.length > 0) throw new Error(`cannot unmount ${left.join(', ')}`);
}

/**
 * Ends every process of the cluster and removes everything it made: mounts, loop devices, control groups, network,
 * folder.
 * @throws Error that names what would not go
 */
export async function tearDown(folder: string): Promise<void> {
  await endProcesses(folder);
  await unmount(folder);
  const groups = await removeCgroups(cgroupOf(folder));
  if (groups.length > 0) throw new Error(`cannot remove the control groups ${groups.join(', ')}`);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
