// Control groups: each cluster has one at the top of every hierarchy, so that no two kubelets share any.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, kill } from './processes.ts';

interface Hierarchy {
  readonly mount: string;
  readonly version: 1 | 2;
}

function hierarchies(): readonly Hierarchy[] {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .flatMap(([, mount = '', type]): readonly Hierarchy[] => {
      if (type === 'cgroup') return [{ mount, version: 1 }];
      return type === 'cgroup2' ? [{ mount, version: 2 }] : [];
    });
}

/**
 * Which version the kubelet and runc will work with. A host that mounts both ("hybrid") has its controllers
 * in version 1.
 */
export function cgroupVersion(): 1 | 2 {
  return hierarchies().some(({ version }) => version === 1) ? 1 : 2;
}

/** Version 1: a new group of `cpuset` has no processor and no memory until it is given those of its parent. */
function inheritCpuset({ mount }: Hierarchy, group: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems'])
    if (existsSync(join(group, file))) writeFileSync(join(group, file), readFileSync(join(mount, file)));
}

/** Version 2: a group has only the controllers that its parent hands down, and the kubelet wants all it knows. */
function handDownControllers({ mount }: Hierarchy): void {
  const file = join(mount, 'cgroup.subtree_control');
  const available = readFileSync(join(mount, 'cgroup.controllers'), 'utf8').trim().split(' ');
  const wanted = ['cpu', 'cpuset', 'hugetlb', 'io', 'memory', 'pids']
    .filter((controller) => available.includes(controller))
    .map((controller) => `+${controller}`)
    .join(' ');
  try {
    writeFileSync(file, wanted);
  } catch (error) {
    throw new Error(
      `this machine hands no cgroup controllers down (${file}): processes must not be in the topmost group`,
      { cause: error },
    );
  }
}

/** Makes the group in which the kubelet will put all Pods. */
export function createCgroup(name: string): void {
  const used = cgroupVersion();
  for (const hierarchy of hierarchies().filter(({ version }) => version === used)) {
    if (used === 2) handDownControllers(hierarchy);
    const group = join(hierarchy.mount, name);
    mkdirSync(group, { recursive: true });
    if (used === 1) inheritCpuset(hierarchy, group);
  }
}

/** The group and all below it, innermost first: the order in which they can be removed. */
function withDescendants(group: string): readonly string[] {
  try {
    const below = readdirSync(group, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [...below.flatMap(({ name }) => withDescendants(join(group, name))), group];
  } catch {
    return []; // removed by somebody else at this moment
  }
}

/** Every group of this name that there is, in all hierarchies, innermost first. */
export function cgroupsNamed(name: string): readonly string[] {
  return hierarchies().flatMap(({ mount }) => withDescendants(join(mount, name)));
}

function pidsIn(group: string): readonly number[] {
  try {
    return readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function tryRemove(group: string): void {
  try {
    rmdirSync(group);
  } catch {
    // still has a process that is about to end: the caller looks again
  }
}

/** Ends what still runs in the groups of this name, and removes them. @returns those that would not go */
export async function removeCgroups(name: string): Promise<readonly string[]> {
  await eventually(
    () => {
      for (const group of cgroupsNamed(name)) {
        kill(pidsIn(group));
        tryRemove(group);
      }
      return cgroupsNamed(name).length === 0;
    },
    { withinMs: 10_000 },
  );
  return cgroupsNamed(name);
}
