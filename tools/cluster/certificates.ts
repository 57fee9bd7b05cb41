// Who is who in a cluster: certificates for servers, tokens for clients, and a kubeconfig for each client.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { must } from '../run.ts';
import { apiServer, nodeAddress, nodeName, placesIn } from './places.ts';

/** Every client has its own random token; none is worth anything outside the cluster's life. */
const users = {
  admin: { user: 'admin', groups: ['system:masters'] },
  kubelet: { user: `system:node:${nodeName}`, groups: ['system:nodes'] },
  'kube-controller-manager': { user: 'system:kube-controller-manager', groups: [] },
  'kube-scheduler': { user: 'system:kube-scheduler', groups: [] },
  'kube-proxy': { user: 'system:kube-proxy', groups: [] },
  coredns: { user: 'coredns', groups: [] },
  provisioner: { user: 'provisioner', groups: [] },
  enforcer: { user: 'enforcer', groups: [] },
} as const satisfies Readonly<Record<string, { user: string; groups: readonly string[] }>>;

export type User = keyof typeof users;

/** A kubeconfig is YAML by its documentation, and so JSON serves. */
function kubeconfigJson(authority: Buffer, token: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'cluster',
        cluster: { server: apiServer, 'certificate-authority-data': authority.toString('base64') },
      },
    ],
    users: [{ name: 'user', user: { token } }],
    contexts: [{ name: 'context', context: { cluster: 'cluster', user: 'user' } }],
    'current-context': 'context',
  });
}

/** The parts of a kubeconfig that {@link kubeconfigJson} writes. */
export function readKubeconfig(path: string): { readonly authority: string; readonly token: string } {
  const config = JSON.parse(readFileSync(path, 'utf8')) as {
    readonly clusters: readonly [{ readonly cluster: { readonly 'certificate-authority-data': string } }];
    readonly users: readonly [{ readonly user: { readonly token: string } }];
  };
  return {
    authority: Buffer.from(config.clusters[0].cluster['certificate-authority-data'], 'base64').toString(),
    token: config.users[0].user.token,
  };
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc'];

interface Certificate {
  readonly name: string;
  readonly subject: string;
  /** For a server: the names and addresses it is reached by. */
  readonly alternatives?: string;
}

const certificates: readonly Certificate[] = [
  {
    name: 'apiserver',
    subject: '/CN=kube-apiserver',
    alternatives: `IP:127.0.0.1,IP:${nodeAddress},IP:10.96.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local`,
  },
  { name: 'kubelet', subject: `/CN=${nodeName}`, alternatives: `IP:${nodeAddress},DNS:${nodeName}` },
  // With this one the API server reads logs and runs commands in Pods on a person's behalf.
  { name: 'apiserver-to-kubelet', subject: '/O=system:masters/CN=kube-apiserver-kubelet-client' },
];

async function makeCertificates(folder: string): Promise<void> {
  const { certificate, key } = placesIn(folder);
  const request = (name: string, subject: string): readonly string[] =>
    ['openssl', 'req', '-x509', ...newKey, '-days', '365', '-subj', subject].concat([
      '-keyout',
      key(name),
      '-out',
      certificate(name),
    ]);
  await must(request('ca', '/CN=cluster-ca'));
  const signed = [
    '-CA',
    certificate('ca'),
    '-CAkey',
    key('ca'),
    '-addext',
    'basicConstraints=critical,CA:FALSE',
  ];
  await Promise.all(
    certificates.map(async ({ name, subject, alternatives }) => {
      const names = alternatives === undefined ? [] : ['-addext', `subjectAltName=${alternatives}`];
      await must([...request(name, subject), ...signed, ...names]);
    }),
  );
}

/** The key that signs the tokens of ServiceAccounts, and the one that proves them. */
function makeServiceAccountKeys(folder: string): void {
  const { certificate, key } = placesIn(folder);
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  writeFileSync(key('service-accounts'), privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 });
  writeFileSync(certificate('service-accounts'), publicKey.export({ type: 'spki', format: 'pem' }), {
    mode: 0o600,
  });
}

/** Writes all certificates, keys, tokens and kubeconfigs of a new cluster. Nobody but their owner can read them. */
export async function makeCredentials(folder: string): Promise<void> {
  const { certificate, config, kubeconfig } = placesIn(folder);
  makeServiceAccountKeys(folder);
  await makeCertificates(folder);
  const authority = readFileSync(certificate('ca'));
  const rows = Object.entries(users).map(([name, { user, groups }]) => {
    const token = randomBytes(24).toString('base64url');
    writeFileSync(kubeconfig(name), kubeconfigJson(authority, token), { mode: 0o600 });
    return `${token},${user},${name},"${groups.join(',')}"\n`;
  });
  writeFileSync(config('tokens.csv'), rows.join(''), { mode: 0o600 });
}
