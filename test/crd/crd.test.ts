// What a real API server takes and refuses, and what it says.
import { join } from 'node:path';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { output, type Output } from '../../tools/run.ts';
import { jobSettings } from '../support/builders.ts';

interface Spec {
  [field: string]: unknown;
}

function kubectl(args: readonly string[], input?: string): Promise<Output> {
  const command = [inject('kubectl'), '--kubeconfig', inject('kubeconfig'), ...args];
  return output(command, input === undefined ? {} : { input });
}

async function mustKubectl(args: readonly string[], input?: string): Promise<void> {
  const { code, stderr } = await kubectl(args, input);
  if (code !== 0) throw new Error(stderr);
}

function patch(json: object, ...more: readonly string[]): Promise<Output> {
  return kubectl(['patch', 'neo4jbackup', 'kept', '--type=merge', '-p', JSON.stringify(json), ...more]);
}

function aBackup(spec: Spec, name = 'orders'): string {
  const good = {
    source: { serviceRef: { name: 'orders-neo4j' } },
    neo4j: { version: '3.4.18', acceptLicenseAgreement: true },
    destination: { persistentVolumeClaim: { claimName: 'backups' } },
  };
  return JSON.stringify({
    apiVersion: 'neo4j-backup.dev/v1alpha1',
    kind: 'Neo4jBackup',
    metadata: { name, namespace: 'default' },
    spec: { ...good, ...spec },
  });
}

beforeAll(async () => {
  const crds = join(import.meta.dirname, '../../crds');
  await mustKubectl(['apply', '--server-side', '-f', crds]);
  const established = [
    'wait',
    '--for=condition=Established',
    'crd/neo4jbackups.neo4j-backup.dev',
    '--timeout=30s',
  ];
  await mustKubectl(established);
});

const claim = { persistentVolumeClaim: { claimName: 'backups' } };

const accepted: readonly { readonly name: string; readonly spec: Spec }[] = [
  { name: 'the smallest one', spec: {} },
  { name: 'a host instead of a Service', spec: { source: { host: 'db1.example.com', port: 7362 } } },
  { name: 'an IPv6 address', spec: { source: { host: '2001:db8::1' } } },
  { name: 'a path', spec: { destination: { ...claim, path: 'orders-2' } } },
  { name: 'a trigger', spec: { trigger: { id: 'before-migration_2.0', type: 'Full' } } },
  {
    name: 'an image by digest',
    spec: { neo4j: { version: '3.4', image: `neo4j@sha256:${'a'.repeat(64)}` } },
  },
  {
    name: 'TLS, with an authority of its own',
    spec: {
      source: {
        serviceRef: { name: 'orders-neo4j' },
        tls: {
          clientCertificateSecretRef: { name: 'backup-client' },
          caSecretRef: { name: 'authority', key: 'root_ca.pem' },
          verifyHostname: false,
        },
      },
    },
  },
  {
    name: 'tuning',
    spec: {
      neo4j: {
        version: '3.4.18',
        tool: {
          heapSize: '1Gi',
          pageCacheSize: 67_108_864,
          options: { timeout: '40m', 'cc-graph': 'false' },
        },
      },
    },
  },
  {
    name: 'all settings of the Job',
    spec: {
      consistencyCheck: 'Always',
      job: jobSettings,
    },
  },
];

test.each(accepted)('accepts $name', async ({ spec }) => {
  const { stderr, code } = await kubectl(
    ['create', '--dry-run=server', '--validate=strict', '-f', '-'],
    aBackup(spec),
  );
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
});

const rejected: readonly { readonly name: string; readonly spec: Spec; readonly says: RegExp }[] = [
  { name: 'an unknown field', spec: { shedule: '@daily' }, says: /unknown field "spec\.shedule"/ },
  {
    name: 'a pod template',
    spec: { job: { podTemplate: {} } },
    says: /unknown field "spec\.job\.podTemplate"/,
  },
  {
    name: 'a reference into another namespace',
    spec: { source: { serviceRef: { name: 'a', namespace: 'b' } } },
    says: /unknown field "spec\.source\.serviceRef\.namespace"/,
  },
  {
    name: 'a Secret of another namespace',
    spec: {
      source: { host: 'a', tls: { clientCertificateSecretRef: { name: 'a', namespace: 'b' } } },
    },
    says: /unknown field "spec\.source\.tls\.clientCertificateSecretRef\.namespace"/,
  },
  {
    name: 'TLS without a certificate',
    spec: { source: { host: 'a', tls: { caSecretRef: { name: 'a' } } } },
    says: /clientCertificateSecretRef: Required value/,
  },
  {
    name: 'a key of a Secret that climbs',
    spec: {
      source: {
        host: 'a',
        tls: {
          clientCertificateSecretRef: { name: 'a' },
          caSecretRef: { name: 'a', key: '../../token' },
        },
      },
    },
    says: /spec\.source\.tls\.caSecretRef\.key/,
  },
  {
    name: 'a value of a setting that is two arguments',
    spec: { neo4j: { version: '3.4.18', tool: { options: { timeout: '1m --name=x' } } } },
    says: /spec\.neo4j\.tool\.options\.timeout/,
  },
  {
    name: 'free text for the tool',
    spec: { neo4j: { version: '3.4.18', tool: { extraArgs: '--name=x' } } },
    says: /unknown field "spec\.neo4j\.tool\.extraArgs"/,
  },
  {
    name: 'a heap of words',
    spec: { neo4j: { version: '3.4.18', tool: { heapSize: 'lots' } } },
    says: /spec\.neo4j\.tool\.heapSize/,
  },
  {
    name: 'both a Service and a host',
    spec: { source: { serviceRef: { name: 'a' }, host: 'b' } },
    says: /spec\.source.*exactly one of serviceRef and host must be set/,
  },
  {
    name: 'neither a Service nor a host',
    spec: { source: { port: 6362 } },
    says: /exactly one of serviceRef and host/,
  },
  { name: 'no source', spec: { source: undefined }, says: /spec\.source: Required value/ },
  {
    name: 'a port beyond all ports',
    spec: { source: { host: 'a', port: 65536 } },
    says: /spec\.source\.port.*65535/,
  },
  { name: 'a host that is an option', spec: { source: { host: '--from=evil' } }, says: /spec\.source\.host/ },
  {
    name: 'a path that climbs',
    spec: { destination: { ...claim, path: '..' } },
    says: /spec\.destination\.path/,
  },
  {
    name: 'a path with a slash',
    spec: { destination: { ...claim, path: 'a/b' } },
    says: /spec\.destination\.path/,
  },
  {
    name: 'an absolute path',
    spec: { destination: { ...claim, path: '/a' } },
    says: /spec\.destination\.path/,
  },
  { name: 'an empty path', spec: { destination: { ...claim, path: '' } }, says: /spec\.destination\.path/ },
  { name: 'an empty version', spec: { neo4j: { version: '' } }, says: /spec\.neo4j\.version/ },
  { name: 'a word for a version', spec: { neo4j: { version: 'latest' } }, says: /spec\.neo4j\.version/ },
  {
    name: 'an image with a space',
    spec: { neo4j: { version: '3.4.18', image: 'a b' } },
    says: /spec\.neo4j\.image/,
  },
  {
    name: 'an image that is an option',
    spec: { neo4j: { version: '3.4.18', image: '-x' } },
    says: /spec\.neo4j\.image/,
  },
  {
    name: 'a license that is not accepted',
    spec: { neo4j: { version: '3.4.18', acceptLicenseAgreement: false } },
    says: /acceptLicenseAgreement.*supported values: "true"/,
  },
  { name: 'an empty trigger', spec: { trigger: { id: '' } }, says: /spec\.trigger\.id/ },
  {
    name: 'a trigger without an id',
    spec: { trigger: { type: 'Full' } },
    says: /spec\.trigger\.id: Required/,
  },
  {
    name: 'a trigger for what the engine chooses',
    spec: { trigger: { id: 'a', type: 'Incremental' } },
    says: /trigger\.type/,
  },
  {
    name: 'a deadline too short to say anything',
    spec: { job: { activeDeadlineSeconds: 5 } },
    says: /activeDeadlineSeconds.*60/,
  },
  { name: 'root', spec: { job: { securityContext: { runAsUser: 0 } } }, says: /runAsUser.*1/ },
  {
    name: 'a claim name of 300 letters',
    spec: { destination: { persistentVolumeClaim: { claimName: 'a'.repeat(300) } } },
    says: /claimName/,
  },
];

test.each(rejected)('rejects $name, and says what is wrong', async ({ spec, says }) => {
  const { stderr, code } = await kubectl(
    ['create', '--dry-run=server', '--validate=strict', '-f', '-'],
    aBackup(spec),
  );
  expect(code).not.toBe(0);
  expect(stderr).toMatch(says);
});

describe('an object that is there', () => {
  beforeAll(async () => {
    await mustKubectl(['create', '-f', '-'], aBackup({ trigger: { id: 'a' } }, 'kept'));
  });

  test.each([
    { name: 'another claim', destination: { persistentVolumeClaim: { claimName: 'others' } } },
    { name: 'a path that was not there', destination: { path: 'other' } },
  ])('keeps its destination: $name is refused', async ({ destination }) => {
    const { stderr, code } = await patch({ spec: { destination } });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/spec\.destination.*the destination is immutable/);
  });

  test('may get another source and another trigger', async () => {
    const spec = { source: { serviceRef: { name: 'other' } }, trigger: { id: 'b' } };
    expect(await patch({ spec }, '--dry-run=server')).toMatchObject({ code: 0 });
  });

  test('has no defaults written into its spec', async () => {
    const { stdout } = await kubectl(['get', 'neo4jbackup', 'kept', '-o', 'jsonpath={.spec}']);
    expect(JSON.parse(stdout)).toEqual({
      source: { serviceRef: { name: 'orders-neo4j' } },
      neo4j: { version: '3.4.18', acceptLicenseAgreement: true },
      destination: { persistentVolumeClaim: { claimName: 'backups' } },
      trigger: { id: 'a' },
    });
  });

  test('has a status that only the subresource writes', async () => {
    await patch({ status: { phase: 'Succeeded' } });
    const { stdout } = await kubectl(['get', 'neo4jbackup', 'kept', '-o', 'jsonpath={.status}']);
    expect(JSON.parse(stdout)).toEqual({ observedGeneration: -1 });
    expect(await patch({ status: { phase: 'Great' } }, '--subresource=status')).not.toMatchObject({
      code: 0,
    });
    expect(await patch({ status: { phase: 'Pending' } }, '--subresource=status')).toMatchObject({ code: 0 });
  });

  test('is found under its short name and its category', async () => {
    const { stdout } = await kubectl(['get', 'neobk', '-o', 'name']);
    expect(stdout).toContain('neo4jbackup.neo4j-backup.dev/kept');
    expect((await kubectl(['get', 'all', '-o', 'name'])).stdout).toContain(
      'neo4jbackup.neo4j-backup.dev/kept',
    );
  });
});

test.each([
  'spec',
  'spec.source.port',
  'spec.neo4j.version',
  'spec.trigger.id',
  'status.lastRun.reason',
  'status.history',
])('kubectl explain tells what %s is', async (path) => {
  const { stdout } = await kubectl(['explain', `neo4jbackups.${path}`]);
  expect(stdout).toMatch(/DESCRIPTION:\n {4}\S/);
  expect(stdout).not.toContain('<empty>');
});
