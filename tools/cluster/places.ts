// Where a cluster keeps its things, and the few fixed points that all of its parts agree on.
import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { cacheFolder } from '../cache.ts';

export const nodeName = 'node-1';
/** The node's address, the same in every cluster: each has a network of its own. */
export const nodeAddress = '172.30.0.1';
export const storageClass = 'standard';
export const apiServer = 'https://127.0.0.1:6443';
/** Where a Pod may look at what the DNS server thinks of itself: only from within the network. */
export const dnsReady = 'http://127.0.0.1:8181';
export const containerdSocket = '/run/containerd/containerd.sock';

/** All clusters of this person. */
export function clustersFolder(): string {
  const folder = join(cacheFolder(), 'clusters');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Everything a cluster writes is below its folder, whose last segment is `<name>-<six random digits>`. */
export function placesIn(folder: string): {
  readonly kubeconfig: (user: string) => string;
  readonly certificate: (name: string) => string;
  readonly key: (name: string) => string;
  readonly log: (component: string) => string;
  readonly config: (file: string) => string;
  readonly volume: (name: string) => string;
  readonly disk: (name: string) => string;
} {
  return {
    kubeconfig: (user) => join(folder, 'kubeconfig', user),
    certificate: (name) => join(folder, 'pki', `${name}.crt`),
    key: (name) => join(folder, 'pki', `${name}.key`),
    log: (component) => join(folder, 'log', `${component}.log`),
    config: (file) => join(folder, 'config', file),
    volume: (name) => join(folder, 'volumes', name),
    disk: (name) => join(folder, 'disks', `${name}.img`),
  };
}

/** Makes the empty folders. */
export function makePlaces(folder: string): void {
  for (const part of [
    'kubeconfig',
    'pki',
    'log',
    'config/cni',
    'volumes',
    'disks',
    'etcd',
    'containerd',
    'kubelet',
    'cni',
  ])
    mkdirSync(join(folder, part), { recursive: true, mode: 0o700 });
}

/** The word by which every process of a cluster's own is recognised, even where no record of it was written. */
export const markOf = (folder: string): string => `--cluster=${folder}`;

export const cgroupOf = (folder: string): string => `neo4j-backup-${basename(folder)}`;
