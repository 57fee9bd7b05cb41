// The programs of the cluster and how each is started.
import { statfsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Parts } from '../parts.ts';
import { auditPolicy } from './audit.ts';
import type { User } from './certificates.ts';
import { cgroupVersion } from './cgroups.ts';
import { cgroupOf, containerdSocket, nodeAddress, nodeName, placesIn } from './places.ts';

const podRange = '10.88.0.0/16';

export const pauseImage = 'localhost/pause:1';

export interface Component {
  readonly name: string;
  readonly command: readonly string[];
  /** Folders in which it looks for programs of its own, before those of the system. */
  readonly searchPath?: readonly string[];
}

/** overlayfs cannot lie on overlayfs, which is what a folder of a container is. */
export function snapshotter(folder: string): 'native' | 'overlayfs' {
  const overlayMagic = 0x794c7630;
  return statfsSync(folder).type === overlayMagic ? 'native' : 'overlayfs';
}

/**
 * - `restrict_oom_score_adj`: without CAP_SYS_RESOURCE runc may not lower the score of a Pod, and fails.
 * - The plug-in `opt` would make a folder outside of ours.
 */
function containerdConfig(folder: string, { runc }: Parts): string {
  return `version = 3
root = '${folder}/containerd'
state = '/run/containerd'
disabled_plugins = ['io.containerd.internal.v1.opt']
[grpc]
  address = '${containerdSocket}'
[plugins.'io.containerd.cri.v1.images']
  snapshotter = '${snapshotter(folder)}'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '${pauseImage}'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  BinaryName = '${runc}'
  SystemdCgroup = false
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['/usr/lib/cni']
  conf_dir = '${folder}/config/cni'
`;
}

/** Pods are on a bridge. Nothing is masqueraded: there is no outside. */
function networkConfig(): unknown {
  return {
    cniVersion: '1.0.0',
    name: 'pods',
    plugins: [
      {
        type: 'bridge',
        bridge: 'pods',
        isGateway: true,
        hairpinMode: true,
        ipam: {
          type: 'host-local',
          dataDir: '/run/cni-addresses',
          ranges: [[{ subnet: podRange }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
    ],
  };
}

function kubeletConfig(folder: string): unknown {
  const { certificate, key } = placesIn(folder);
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: certificate('ca') },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: certificate('kubelet'),
    tlsPrivateKeyFile: key('kubelet'),
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${cgroupOf(folder)}`,
    failCgroupV1: cgroupVersion() === 2,
    failSwapOn: false,
    containerRuntimeEndpoint: `unix://${containerdSocket}`,
    clusterDNS: [nodeAddress],
    clusterDomain: 'cluster.local',
    resolvConf: '',
    podLogsDir: join(folder, 'log', 'pods'),
    volumePluginDir: '/run/kubelet-volume-plugins',
    // A machine that builds all day has a fuller disk than a server: evict late, and never throw away an image,
    // which could not be pulled again.
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    imageGCHighThresholdPercent: 100,
  };
}

/** Names of Services are answered; every other name does not exist, said at once. */
function dnsConfig(folder: string): string {
  const zones = 'cluster.local in-addr.arpa ip6.arpa';
  return `${zones} {
  errors
  ready 127.0.0.1:8181
  kubernetes ${zones} {
    kubeconfig ${placesIn(folder).kubeconfig('coredns')}
  }
}
. {
  errors
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`;
}

/** Writes what the components read. */
export function writeConfigs(folder: string, parts: Parts): void {
  const { config } = placesIn(folder);
  const write = (file: string, content: string): void =>
    writeFileSync(config(file), content, { mode: 0o600 });
  write('containerd.toml', containerdConfig(folder, parts));
  write('audit.json', JSON.stringify(auditPolicy()));
  write('kubelet.json', JSON.stringify(kubeletConfig(folder)));
  write('Corefile', dnsConfig(folder));
  write('cni/pods.conflist', JSON.stringify(networkConfig()));
}

function flags(values: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(values).map(([name, value]) => `--${name}=${value}`);
}

/** What can be started at once; the API server waits for etcd by itself. */
export function foundation(folder: string, parts: Parts): readonly Component[] {
  const { certificate, config, key, log } = placesIn(folder);
  const etcd = flags({
    'data-dir': join(folder, 'etcd'),
    'unsafe-no-fsync': 'true',
    'log-level': 'warn',
    'listen-client-urls': 'http://127.0.0.1:2379',
    'advertise-client-urls': 'http://127.0.0.1:2379',
    'listen-peer-urls': 'http://127.0.0.1:2380',
  });
  const apiserver = flags({
    'etcd-servers': 'http://127.0.0.1:2379',
    'secure-port': '6443',
    'advertise-address': nodeAddress,
    'service-cluster-ip-range': '10.96.0.0/16',
    'allow-privileged': 'true',
    'tls-cert-file': certificate('apiserver'),
    'tls-private-key-file': key('apiserver'),
    'client-ca-file': certificate('ca'),
    // Nobody has a certificate of that name; without the pair the other components complain for ever.
    'requestheader-client-ca-file': certificate('ca'),
    'requestheader-allowed-names': 'front-proxy',
    'token-auth-file': config('tokens.csv'),
    'authorization-mode': 'Node,RBAC',
    'enable-admission-plugins': 'NodeRestriction',
    'service-account-issuer': 'https://kubernetes.default.svc.cluster.local',
    'service-account-key-file': certificate('service-accounts'),
    'service-account-signing-key-file': key('service-accounts'),
    'kubelet-certificate-authority': certificate('ca'),
    'kubelet-preferred-address-types': 'InternalIP',
    'kubelet-client-certificate': certificate('apiserver-to-kubelet'),
    'kubelet-client-key': key('apiserver-to-kubelet'),
    'audit-policy-file': config('audit.json'),
    'audit-log-path': log('audit'),
    'audit-log-maxbackup': '1', // a cluster that stays for weeks fills no disk
  });
  return [
    { name: 'etcd', command: [parts.etcd, ...etcd] },
    { name: 'kube-apiserver', command: [parts['kube-apiserver'], ...apiserver] },
    {
      name: 'containerd',
      command: [parts.containerd, ...flags({ config: config('containerd.toml') })],
      searchPath: [dirname(parts['containerd-shim-runc-v2']), dirname(parts.runc)],
    },
  ];
}

/** What wants an API server that answers. */
export function dependents(folder: string, parts: Parts): readonly Component[] {
  const { certificate, config, key, kubeconfig } = placesIn(folder);
  /** For components that let the API server judge their own callers too. */
  const delegating = (user: User): Readonly<Record<string, string>> => ({
    kubeconfig: kubeconfig(user),
    'authentication-kubeconfig': kubeconfig(user),
    'authorization-kubeconfig': kubeconfig(user),
    'leader-elect': 'false',
  });
  const controllers = flags({
    ...delegating('kube-controller-manager'),
    'service-account-private-key-file': key('service-accounts'),
    'root-ca-file': certificate('ca'),
    'use-service-account-credentials': 'true',
    // It makes an account for each of its controllers before it starts them; as slow as usual, that takes 4 s.
    'kube-api-qps': '200',
    'kube-api-burst': '400',
  });
  const proxy = flags({
    kubeconfig: kubeconfig('kube-proxy'),
    'proxy-mode': 'nftables',
    'hostname-override': nodeName,
    'cluster-cidr': podRange,
    // The limits on connections belong to the host: zero leaves them alone.
    'conntrack-max-per-core': '0',
    'conntrack-tcp-timeout-established': '0s',
    'conntrack-tcp-timeout-close-wait': '0s',
  });
  const kubelet = flags({
    kubeconfig: kubeconfig('kubelet'),
    config: config('kubelet.json'),
    'hostname-override': nodeName,
    'node-ip': nodeAddress,
  });
  return [
    { name: 'kube-controller-manager', command: [parts['kube-controller-manager'], ...controllers] },
    { name: 'kube-scheduler', command: [parts['kube-scheduler'], ...flags(delegating('kube-scheduler'))] },
    { name: 'kube-proxy', command: [parts['kube-proxy'], ...proxy] },
    { name: 'kubelet', command: [parts.kubelet, ...kubelet] },
    { name: 'coredns', command: [parts.coredns, '-conf', config('Corefile')] },
    ...['provisioner', 'enforcer'].map((name) => ({
      name,
      command: [process.execPath, join(import.meta.dirname, `${name}.ts`), folder],
    })),
  ];
}
