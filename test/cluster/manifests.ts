// The objects that these tests create.
import { busyboxImage } from './busybox.ts';

const restricted = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};

interface ContainerSpec {
  readonly name: string;
  readonly script: string;
  readonly mounts?: Readonly<Record<string, string>>;
  readonly memory?: string;
}

function buildContainer({ name, script, mounts = {}, memory }: ContainerSpec): unknown {
  return {
    name,
    image: busyboxImage,
    imagePullPolicy: 'Never',
    args: [script],
    securityContext: restricted,
    volumeMounts: Object.entries(mounts).map(([volume, mountPath]) => ({ name: volume, mountPath })),
    ...(memory && { resources: { limits: { memory } } }),
  };
}

interface PodSpec {
  readonly containers: readonly ContainerSpec[];
  readonly initContainers?: readonly ContainerSpec[];
  /** Claims by the name of the volume. */
  readonly claims?: Readonly<Record<string, string>>;
}

function buildPodSpec({ containers, initContainers = [], claims = {} }: PodSpec): unknown {
  return {
    restartPolicy: 'Never',
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 1,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 7474,
      runAsGroup: 7474,
      fsGroup: 7474,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    initContainers: initContainers.map(buildContainer),
    containers: containers.map(buildContainer),
    volumes: [
      { name: 'scratch', emptyDir: { sizeLimit: '10Mi' } },
      ...Object.entries(claims).map(([name, claimName]) => ({ name, persistentVolumeClaim: { claimName } })),
    ],
  };
}

/** A namespace that refuses everything but the restricted profile. */
export function buildNamespace(name: string): unknown {
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

export function buildPod(namespace: string, name: string, spec: PodSpec): unknown {
  const metadata = { namespace, name, labels: { app: name } };
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: buildPodSpec(spec) };
}

export function buildJob(namespace: string, name: string, spec: PodSpec): unknown {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { namespace, name },
    spec: { backoffLimit: 0, template: { spec: buildPodSpec(spec) } },
  };
}

/** @param volumeName the one volume it wants; any, or one made for it, where absent */
export function buildClaim(namespace: string, name: string, volumeName?: string): unknown {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { namespace, name },
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '8Mi' } },
      ...(volumeName && { volumeName }),
    },
  };
}

/** @param spec what it says, of all Pods unless it selects */
export function buildPolicy(
  namespace: string,
  name: string,
  spec: Readonly<Record<string, unknown>>,
): unknown {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace, name },
    spec: { podSelector: {}, ...spec },
  };
}

/** @param kind headless Services have no address: their name leads to the Pods */
export function buildService(
  namespace: string,
  name: string,
  { app, kind }: { app: string; kind: 'plain' | 'headless' },
): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name },
    spec: {
      selector: { app },
      ports: [{ port: 6362, targetPort: 8080 }],
      ...(kind === 'headless' && { clusterIP: 'None' }),
    },
  };
}
