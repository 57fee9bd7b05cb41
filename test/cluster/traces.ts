// What a cluster leaves on the machine while it exists, and must not leave after its end.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cgroupsNamed } from '../../tools/cluster/cgroups.ts';
import { nodePid } from '../../tools/cluster/node.ts';
import { cgroupOf, markOf } from '../../tools/cluster/places.ts';
import { allPids, networkOf, pidsWithArgument } from '../../tools/cluster/processes.ts';

/** The network of a running cluster. */
export function clusterNetwork(folder: string): string {
  const network = networkOf(nodePid(folder) ?? 0);
  if (network === undefined) throw new Error(`no cluster runs in ${folder}`);
  return network;
}

/** One line per trace; empty when there is none. */
export function traces(folder: string, network?: string): readonly string[] {
  const marked = pidsWithArgument(markOf(folder));
  const connected = allPids().filter((pid) => network !== undefined && networkOf(pid) === network);
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  const loops = execFileSync('losetup', ['--all'], { encoding: 'utf8' }).split('\n');
  return [
    ...marked.map((pid) => `process ${pid} of the node`),
    ...connected.map((pid) => `process ${pid} in its network`),
    ...mounts.filter((line) => line.includes(folder)).map((line) => `mount ${line}`),
    ...loops.filter((line) => line.includes(folder)).map((line) => `loop device ${line}`),
    ...cgroupsNamed(cgroupOf(folder)).map((group) => `control group ${group}`),
    ...(existsSync(folder) ? [`folder ${folder}`] : []),
  ];
}
