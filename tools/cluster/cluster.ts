// A real Kubernetes with one node on this machine: what the end-to-end tests, the demo and `cluster:up` run on.
import { randomInt } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cached, hashOf } from '../cache.ts';
import { ensurePackages } from '../debian.ts';
import { packImage } from '../oci.ts';
import { parts as findParts, type Parts } from '../parts.ts';
import { background, must, output, type Background, type Output } from '../run.ts';
import type { Steps } from '../steps.ts';
import { readAuditLog, type AuditEntry } from './audit.ts';
import { createCgroup } from './cgroups.ts';
import { makeCredentials } from './certificates.ts';
import {
  dependents,
  foundation,
  pauseImage,
  snapshotter,
  writeConfigs,
  type Component,
} from './components.ts';
import { initialObjects } from './manifests.ts';
import { createNode, insideMounts, insideNetwork, nodePid, startInside } from './node.ts';
import {
  cgroupOf,
  clustersFolder,
  containerdSocket,
  dnsReady,
  makePlaces,
  nodeName,
  placesIn,
} from './places.ts';
import { eventually } from './processes.ts';
import { claimName, findRecord, isLive, ownedByThisProcess, releaseName, updateRecord } from './registry.ts';
import { tearDown } from './teardown.ts';
import { prepareVolume, type NewVolume } from './volumes.ts';

export interface Cluster {
  readonly name: string;
  /** Where everything of it is; gone after {@link Cluster.stop}. */
  readonly folder: string;
  /** Of an administrator. Its address is one of the cluster's own network: see {@link Cluster.inside}. */
  readonly kubeconfig: string;
  /**
   * The command that runs `command` in the cluster's network, where Services and Pods can be reached, and nothing
   * else. Otherwise it is where it is: files, processes, user and signals are those of this machine.
   */
  inside(command: readonly string[]): readonly string[];
  /** The command that runs kubectl as an administrator. */
  kubectlCommand(args: readonly string[]): readonly string[];
  /** Runs kubectl as an administrator, with `input` as its standard input, and gives what came of it. */
  kubectl(args: readonly string[], input?: string): Promise<Output>;
  /** Gives the node an image from an OCI archive. Pods use it with `imagePullPolicy: IfNotPresent` or `Never`. */
  importImage(tarPath: string): Promise<void>;
  /** Creates a PersistentVolume of the StorageClass on the node. It stays when its claim goes. */
  addVolume(volume: NewVolume): Promise<void>;
  /** The folder of a PersistentVolume, also of one that was made for a claim (`pvc-<uid>`). */
  volumePath(name: string): string;
  /** What a component of the cluster printed: `kubelet`, `containerd`, `kube-apiserver`, ... */
  log(component: string): string;
  /** What was asked of the API server so far, but by the node's own programs; see {@link readAuditLog}. */
  auditLog(): readonly AuditEntry[];
  /** Ends it and removes every trace. Safe to call more than once. */
  stop(): Promise<void>;
}

/** What the system must have beside what we build. */
const systemPackages = [
  'containernetworking-plugins',
  'e2fsprogs',
  'iproute2',
  'mount',
  'nftables',
  'openssl',
  'util-linux',
];

/** How long each thing may take on a machine that does something else besides. */
const patienceMs = 90_000;

async function pauseArchive({ pause }: Parts): Promise<string> {
  const folder = await cached('image-pause', hashOf([pause]), async (partial) => {
    const root = join(partial, 'root');
    mkdirSync(root);
    copyFileSync(pause, join(root, 'pause'));
    const config = { entrypoint: ['/pause'], user: '65535:65535' };
    await packImage({ ref: pauseImage, layers: [{ folder: root }], config, out: join(partial, 'image.tar') });
  });
  return join(folder, 'image.tar');
}

function clusterAt(
  { name, folder, kubectl, ctr }: { name: string; folder: string; kubectl: string; ctr: string },
  release: () => void = () => {},
): Cluster {
  const { kubeconfig, log, volume } = placesIn(folder);
  const pid = (): number => {
    const found = nodePid(folder);
    if (found === undefined) throw new Error(`the cluster "${name}" is not up`);
    return found;
  };
  const cluster: Cluster = {
    name,
    folder,
    kubeconfig: kubeconfig('admin'),
    inside: (command) => insideNetwork(pid(), command),
    // Clusters have the same address, so each needs a memory of its own of what its API server knows.
    kubectlCommand: (args) =>
      cluster.inside([
        kubectl,
        `--kubeconfig=${cluster.kubeconfig}`,
        `--cache-dir=${join(folder, 'kubectl')}`,
        ...args,
      ]),
    kubectl: async (args, input) =>
      output(cluster.kubectlCommand(args), input === undefined ? {} : { input }),
    async importImage(tarPath) {
      const action = ['images', 'import', '--snapshotter', snapshotter(folder), resolve(tarPath)];
      await must(
        insideMounts(pid(), [ctr, '--address', containerdSocket, '--namespace', 'k8s.io', ...action]),
      );
    },
    async addVolume(added) {
      const manifest = await prepareVolume(folder, pid(), added);
      await must(cluster.kubectlCommand(['create', '-f', '-']), { input: JSON.stringify(manifest) });
    },
    volumePath: volume,
    log: (component) => (existsSync(log(component)) ? readFileSync(log(component), 'utf8') : ''),
    auditLog: () => readAuditLog(folder),
    async stop() {
      await tearDown(folder);
      releaseName(folder);
      release();
    },
  };
  return cluster;
}

function tail(text: string): string {
  return text.trim().split('\n').slice(-15).join('\n');
}

/**
 * Starts components and tells of the first that ends: none of them should, and waiting for something that needs a
 * dead one would only end in a timeout that explains nothing.
 */
function supervisor(cluster: Cluster): {
  readonly start: (components: readonly Component[]) => void;
  readonly until: (what: string, isDone: () => Promise<boolean>, blame: string) => Promise<void>;
} {
  let dead: string | undefined;
  return {
    start(components) {
      for (const component of components) {
        const { ended } = startInside(cluster.folder, component);
        void ended.then(
          (code) =>
            (dead ??= `${component.name} ended with exit code ${code}:\n${tail(cluster.log(component.name))}`),
        );
      }
    },
    async until(what, isDone, blame) {
      const isThere = await eventually(async () => dead !== undefined || (await isDone()), {
        withinMs: patienceMs,
        everyMs: 250,
      });
      if (dead !== undefined) throw new Error(dead);
      if (!isThere)
        throw new Error(
          `no ${what} after ${patienceMs / 1000} s; ${blame} says:\n${tail(cluster.log(blame))}`,
        );
    },
  };
}

async function bringUp(cluster: Cluster, parts: Parts): Promise<void> {
  const { folder } = cluster;
  writeConfigs(folder, parts);
  createCgroup(cgroupOf(folder));
  await Promise.all([makeCredentials(folder), createNode(folder, parts.pause)]);
  const { start, until } = supervisor(cluster);
  const succeeds =
    (...args: readonly string[]) =>
    async (): Promise<boolean> =>
      (await cluster.kubectl(args)).code === 0;
  start(foundation(folder, parts));
  const archive = await pauseArchive(parts);
  const hasPause = async (): Promise<boolean> =>
    cluster.importImage(archive).then(
      () => true,
      () => false, // not yet listening; its log tells when it never will
    );
  await Promise.all([
    until('containerd', hasPause, 'containerd'),
    until('API server', succeeds('get', '--raw', '/readyz'), 'kube-apiserver'),
  ]);
  // Before those that need it start. A new server takes seconds to describe itself, which validation would wait for.
  await must(cluster.kubectlCommand(['create', '--validate=false', '-f', '-']), {
    input: JSON.stringify(initialObjects()),
  });
  start(dependents(folder, parts));
  await Promise.all([
    until('DNS server', succeeds('--server', dnsReady, 'get', '--raw', '/ready'), 'coredns'),
    until('ServiceAccount', succeeds('get', 'serviceaccount', 'default'), 'kube-controller-manager'),
    until(
      'ready node',
      succeeds('wait', '--for=condition=Ready', `node/${nodeName}`, '--timeout=1s'),
      'kubelet',
    ),
  ]);
  const taints = ['get', 'node', nodeName, '-o', 'jsonpath={.spec.taints}'];
  const takesPods = async (): Promise<boolean> => {
    const { code, stdout } = await cluster.kubectl(taints);
    return code === 0 && stdout === '';
  };
  await until('node that takes Pods', takesPods, 'kube-controller-manager');
}

function startJanitor(folder: string): Background {
  const program = join(import.meta.dirname, 'janitor.ts');
  return background([process.execPath, program, folder], { log: placesIn(folder).log('janitor') });
}

/**
 * Starts a cluster, building first what this machine lacks.
 *
 * However this process ends, the cluster ends with it, unless `stays`: then only once it is up.
 * @throws Error if a living process has a cluster of that name, or with the last words of the component that failed;
 * nothing of the cluster is left then
 */
export async function startCluster({
  name,
  steps,
  stays = false,
}: {
  /** Short, in lower case. Clusters of different names do not disturb each other. */
  readonly name: string;
  readonly steps: Steps;
  readonly stays?: boolean;
}): Promise<Cluster> {
  if (!/^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$/.test(name))
    throw new Error(`"${name}" cannot be the name of a cluster`);
  await ensurePackages(systemPackages, steps);
  const parts = await findParts(steps);
  return steps.run(`starting the cluster "${name}"`, async () => {
    const folder = join(clustersFolder(), `${name}-${randomInt(100_000, 1_000_000)}`);
    await claimName({ name, folder, owner: ownedByThisProcess() });
    makePlaces(folder);
    const janitor = startJanitor(folder);
    const release = (): void => void janitor.input.end('not needed');
    const cluster = clusterAt({ name, folder, kubectl: parts.kubectl, ctr: parts.ctr }, release);
    try {
      await bringUp(cluster, parts);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    if (stays) {
      updateRecord({ name, folder });
      release();
    }
    return cluster;
  });
}

/** The cluster of that name, if one is up. */
export async function findCluster(name: string, steps: Steps): Promise<Cluster | undefined> {
  const record = findRecord(name);
  if (!record || !isLive(record) || nodePid(record.folder) === undefined) return undefined;
  const { kubectl, ctr } = await findParts(steps);
  return clusterAt({ name, folder: record.folder, kubectl, ctr });
}

/** Takes down the cluster of that name, or what is left of it. @returns whether there was anything */
export async function removeCluster(name: string): Promise<boolean> {
  const record = findRecord(name);
  if (!record) return false;
  await tearDown(record.folder);
  releaseName(record.folder);
  return true;
}
