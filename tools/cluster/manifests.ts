// What a new cluster holds before anybody asks it for something.
import { nodeName, storageClass } from './places.ts';

/** The name under which the provisioner answers claims. */
export const provisionerName = 'neo4j-backup.dev/folder';

interface Binding {
  readonly user: string;
  readonly role: string;
}

function buildBinding({ user, role }: Binding): unknown {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: `node:${user}` },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
  };
}

/** As one list, so that one call makes all of it. */
export function initialObjects(): unknown {
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      {
        apiVersion: 'storage.k8s.io/v1',
        kind: 'StorageClass',
        metadata: {
          name: storageClass,
          annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' },
        },
        provisioner: provisionerName,
        reclaimPolicy: 'Delete',
        volumeBindingMode: 'WaitForFirstConsumer',
      },
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRole',
        metadata: { name: 'node:coredns' },
        rules: [
          { apiGroups: [''], resources: ['services', 'pods', 'namespaces'], verbs: ['list', 'watch'] },
          { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
        ],
      },
      buildBinding({ user: 'coredns', role: 'node:coredns' }),
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRole',
        metadata: { name: 'node:enforcer' },
        rules: [
          { apiGroups: [''], resources: ['pods', 'namespaces'], verbs: ['watch'] },
          { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: ['watch'] },
        ],
      },
      buildBinding({ user: 'enforcer', role: 'node:enforcer' }),
      // Comes with every API server, for programs such as ours.
      buildBinding({ user: 'provisioner', role: 'system:persistent-volume-provisioner' }),
    ],
  };
}

export interface VolumeSpec {
  readonly name: string;
  readonly path: string;
  /** As a Kubernetes quantity. Only a file system of its own holds anybody to it. */
  readonly size: string;
  readonly reclaimPolicy: 'Delete' | 'Retain';
  /** The one claim that may have it; anyone's that fits where absent. */
  readonly claim?: { readonly namespace: string; readonly name: string; readonly uid?: string };
  readonly annotations?: Readonly<Record<string, string>>;
  /** All but the one that no other can stand beside, where absent. */
  readonly accessModes?: readonly string[];
}

/** A PersistentVolume that is a folder of the node. */
export function buildVolume({ name, path, size, ...spec }: VolumeSpec): unknown {
  const { reclaimPolicy, claim, annotations, accessModes } = spec;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name, ...(annotations && { annotations }) },
    spec: {
      storageClassName: storageClass,
      capacity: { storage: size },
      accessModes: accessModes ?? ['ReadWriteOnce', 'ReadOnlyMany', 'ReadWriteMany'],
      persistentVolumeReclaimPolicy: reclaimPolicy,
      local: { path },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [nodeName] }] },
          ],
        },
      },
      ...(claim && { claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', ...claim } }),
    },
  };
}
