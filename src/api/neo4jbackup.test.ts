import { describe, expect, test } from 'vitest';
import type * as z from 'zod';
import { Neo4jBackupSpec, Neo4jBackupStatus, RunStatus } from './neo4jbackup.ts';

const least = {
  source: { serviceRef: { name: 'orders-neo4j' } },
  neo4j: { version: '3.4.18' },
  destination: { persistentVolumeClaim: { claimName: 'backups' } },
} as const;

type Over = Readonly<Record<string, unknown>>;

const source = (over: Over): Over => ({ source: over });
const neo4j = (over: Over): Over => ({ neo4j: { version: '3.4.18', ...over } });
const destination = (over: Over): Over => ({ destination: { ...least.destination, ...over } });
const job = (over: Over): Over => ({ job: over });

test('the least that a user can write gets every default', () => {
  expect(Neo4jBackupSpec.parse(least)).toEqual({
    ...least,
    source: { ...least.source, port: 6362 },
    onIncrementalFailure: 'Fail',
    consistencyCheck: 'OnFull',
    suspend: false,
    job: { activeDeadlineSeconds: 86_400 },
  });
});

interface Case {
  readonly name: string;
  readonly over: Over;
}

describe('a spec is taken with', () => {
  const cases: readonly Case[] = [
    { name: 'a host', over: source({ host: 'db.example.org' }) },
    { name: 'an address', over: source({ host: '10.0.0.7' }) },
    { name: 'an address of IPv6', over: source({ host: 'fd00::1' }) },
    { name: 'the highest port', over: source({ host: 'a', port: 65_535 }) },
    { name: 'a version of two parts', over: neo4j({ version: '3.4' }) },
    { name: 'a version with a suffix', over: neo4j({ version: '3.5.0-beta03' }) },
    { name: 'an image by digest', over: neo4j({ image: `registry:5000/a/b@sha256:${'a'.repeat(64)}` }) },
    { name: 'the longest path', over: destination({ path: 'p'.repeat(63) }) },
    { name: 'a path of one digit', over: destination({ path: '7' }) },
    { name: 'a trigger', over: { trigger: { id: 'Before_migration.2' } } },
    { name: 'TLS', over: source({ host: 'a', tls: { clientCertificateSecretRef: { name: 'client' } } }) },
    {
      name: 'TLS with an authority of its own',
      over: source({
        host: 'a',
        tls: {
          clientCertificateSecretRef: { name: 'client' },
          caSecretRef: { name: 'authority', key: 'root_ca.pem' },
          verifyHostname: false,
        },
      }),
    },
    {
      name: 'tuning',
      over: neo4j({ tool: { heapSize: '1Gi', pageCacheSize: 67_108_864, options: { 'cc-graph': 'true' } } }),
    },
    { name: 'a quantity as number', over: job({ resources: { limits: { cpu: 2 } } }) },
    ...['512Mi', '1.5Gi', '100m', '1k', '1Ki', '2', '1Ei'].map((memory) => ({
      name: `a quantity of ${memory}`,
      over: job({ resources: { limits: { memory } } }),
    })),
    { name: 'the shortest deadline', over: job({ activeDeadlineSeconds: 60 }) },
    { name: 'labels of nodes', over: job({ nodeSelector: { 'kubernetes.io/os': 'linux', empty: '' } }) },
    {
      name: 'tolerations',
      over: job({ tolerations: [{}, { key: 'a/b', operator: 'Exists', effect: 'NoExecute' }] }),
    },
    { name: 'pull secrets', over: job({ imagePullSecrets: [{ name: 'my-registry' }] }) },
    { name: 'ids', over: job({ securityContext: { runAsUser: 1, runAsGroup: 2_147_483_647, fsGroup: 7 } }) },
  ];
  test.each(cases)('$name', ({ over }) => {
    expect(Neo4jBackupSpec.safeParse({ ...least, ...over }).error).toBeUndefined();
  });
});

describe('a spec is refused with', () => {
  const cases: readonly Case[] = [
    { name: 'no source', over: { source: undefined } },
    { name: 'a host that is an option', over: source({ host: '-oProxy' }) },
    { name: 'a host with a space', over: source({ host: 'a b' }) },
    { name: 'a host with a slash', over: source({ host: 'a/b' }) },
    { name: 'a host with a second line', over: source({ host: 'a\nb' }) },
    { name: 'an empty host', over: source({ host: '' }) },
    { name: 'a host too long', over: source({ host: 'a'.repeat(254) }) },
    { name: 'port 0', over: source({ host: 'a', port: 0 }) },
    { name: 'port 65536', over: source({ host: 'a', port: 65_536 }) },
    { name: 'half a port', over: source({ host: 'a', port: 1.5 }) },
    { name: 'a port as text', over: source({ host: 'a', port: '6362' }) },
    {
      name: 'a Service with a namespace in its name',
      over: source({ serviceRef: { name: 'other/orders' } }),
    },
    { name: 'TLS without a certificate', over: source({ host: 'a', tls: {} }) },
    ...['', '.', '..', '.x', 'a/b', '../ca.crt', 'a\n'].map((key) => ({
      name: `the key ${JSON.stringify(key)} of a Secret`,
      over: source({
        host: 'a',
        tls: { clientCertificateSecretRef: { name: 'client' }, caSecretRef: { name: 'a', key } },
      }),
    })),
    ...['', 'a b', '$(id)', '/etc', '-x', 'a\n', 'é'].map((value) => ({
      name: `the value ${JSON.stringify(value)} of a setting of the tool`,
      over: neo4j({ tool: { options: { timeout: value } } }),
    })),
    { name: 'a setting of the tool that is no text', over: neo4j({ tool: { options: { timeout: 5 } } }) },
    { name: 'no version', over: { neo4j: {} } },
    { name: 'a version as number', over: neo4j({ version: 3.4 }) },
    { name: 'a version of one part', over: neo4j({ version: '3' }) },
    { name: 'a version of words', over: neo4j({ version: 'latest' }) },
    { name: 'an image with a space', over: neo4j({ image: 'a b' }) },
    { name: 'an image that is an option', over: neo4j({ image: '-x' }) },
    { name: 'a license half accepted', over: neo4j({ acceptLicenseAgreement: 'no' }) },
    { name: 'no destination', over: { destination: undefined } },
    ...[
      '',
      '.',
      '..',
      '/',
      '/etc',
      'a/b',
      'a/..',
      '-a',
      'a-',
      'A',
      'a.b',
      'a\\b',
      'a\0',
      'a\n',
      'p'.repeat(64),
    ].map((path) => ({ name: `the path ${JSON.stringify(path)}`, over: destination({ path }) })),
    { name: 'a trigger without id', over: { trigger: {} } },
    { name: 'a trigger with an empty id', over: { trigger: { id: '' } } },
    { name: 'a trigger with a line in its id', over: { trigger: { id: 'a\nb' } } },
    { name: 'a trigger too long for a label', over: { trigger: { id: 'a'.repeat(64) } } },
    { name: 'a type that the engine chooses', over: { trigger: { id: 'a', type: 'Incremental' } } },
    { name: 'a check unknown', over: { consistencyCheck: 'Sometimes' } },
    { name: 'a deadline too short to start in', over: job({ activeDeadlineSeconds: 59 }) },
    { name: 'a deadline over a week', over: job({ activeDeadlineSeconds: 604_801 }) },
    { name: 'root', over: job({ securityContext: { runAsUser: 0 } }) },
    { name: 'the group of root', over: job({ securityContext: { fsGroup: 0 } }) },
    ...['512K', '1 Gi', '-1', '1GiB', '', 'lots', '1e'].map((memory) => ({
      name: `a quantity of ${JSON.stringify(memory)}`,
      over: job({ resources: { limits: { memory } } }),
    })),
  ];
  test.each(cases)('$name', ({ over }) => {
    expect(Neo4jBackupSpec.safeParse({ ...least, ...over }).success).toBe(false);
  });
});

test('a field that is not known is dropped, as the API server prunes it', () => {
  expect(Neo4jBackupSpec.parse({ ...least, podTemplate: { hostPID: true } })).not.toHaveProperty(
    'podTemplate',
  );
});

test('a status of nothing is a status', () => {
  expect(Neo4jBackupStatus.parse({})).toEqual({});
});

test('the longest report of a run fits into its status', () => {
  const longest: z.input<typeof RunStatus> = {
    id: 'r'.repeat(63),
    requestedType: 'Auto',
    type: 'Full',
    result: 'Succeeded',
    reason: 'FullBackupTaken',
    message: 'm'.repeat(1024),
    fullBecause: 'f'.repeat(64),
    triggerID: 't'.repeat(63),
    startTime: '2026-01-01T00:00:00Z',
    completionTime: '2026-01-01T00:00:00.000Z',
    sizeBytes: Number.MAX_SAFE_INTEGER,
    path: 'p'.repeat(256),
    storeID: 's'.repeat(64),
    lastTransactionID: '9223372036854775807',
  };
  expect(RunStatus.parse(longest)).toEqual(longest);
});
