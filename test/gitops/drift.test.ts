// What lies in git is what lies in the cluster: nobody writes into a spec, and applying it again changes nothing.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aSpec } from '../support/builders.ts';
import { gitopsCluster, type GitopsCluster, type Stored } from './cluster.ts';
import { states } from './states.ts';

let cluster: GitopsCluster;

beforeAll(async () => {
  cluster = await gitopsCluster();
}, 60_000);

afterAll(() => cluster.close());

const specs = {
  smallest: aSpec(),
  whole: aSpec({
    source: { serviceRef: { name: 'orders-neo4j' }, port: 6362 },
    trigger: { id: 'before-migration', type: 'Auto' },
    consistencyCheck: 'OnFull',
    job: {
      activeDeadlineSeconds: 86_400,
      resources: { requests: { cpu: 1, memory: '512Mi' }, limits: { memory: '1024Mi' } },
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'backups', effect: 'NoSchedule' }],
      priorityClassName: 'low',
      imagePullSecrets: [{ name: 'my-registry' }],
      securityContext: { runAsUser: 7474 },
    },
  }),
} as const;

const statuses = states.flatMap(({ backup: { status } }) => status ?? []);

function manifestOf(name: string, spec: object): string {
  return JSON.stringify({
    apiVersion: 'neo4j-backup.dev/v1alpha1',
    kind: 'Neo4jBackup',
    metadata: { name },
    spec,
  });
}

/** How GitOps tools apply: Flux on the server, Argo CD there or, by default, by the annotation of the last manifest. */
const ways = [
  { way: 'Argo CD, server-side', flags: ['--server-side', '--field-manager=argocd-controller'] },
  { way: 'Flux', flags: ['--server-side', '--field-manager=kustomize-controller'] },
  { way: 'Argo CD, client-side', flags: ['--field-manager=argocd-controller'] },
] as const;

const cases = ways.flatMap(({ way, flags }) =>
  Object.entries(specs).map(([size, spec]) => ({ way, flags, size, spec })),
);

function fieldsOf({ metadata }: Stored, ours: boolean): readonly object[] {
  return metadata.managedFields.filter(({ subresource }) => (subresource === 'status') === ours);
}

function withoutMetadata({ metadata: _metadata, ...rest }: Stored): Omit<Stored, 'metadata'> {
  return rest;
}

describe.each(cases)('$way, the $size spec', ({ way, flags, size, spec }) => {
  const name = `${way}-${size}`.toLowerCase().replaceAll(/[^a-z]+/g, '-');
  const manifest = manifestOf(name, spec);
  const apply = async (): Promise<Stored> => {
    await cluster.must(['apply', ...flags, '-f', '-'], manifest);
    return cluster.stored(name);
  };
  const difference = async (): Promise<unknown> => {
    const { code, stdout } = await cluster.kubectl(['diff', ...flags, '-f', '-'], manifest);
    return { code, stdout };
  };

  test('is stored as it was written, and applied again changes nothing', async () => {
    const first = await apply();
    expect(first.spec).toEqual(spec);
    expect(await difference()).toEqual({ code: 0, stdout: '' });
    // Of the default status the API server stores nothing at creation, and all at the next write, whoever writes.
    const { metadata, ...rest } = await apply();
    expect({ ...rest, generation: metadata.generation, fields: metadata.managedFields }).toEqual({
      ...withoutMetadata(first),
      generation: first.metadata.generation,
      fields: first.metadata.managedFields,
    });
    expect(await apply()).toEqual({ ...rest, metadata });
  });

  test('stays so under every status that the operator writes', async () => {
    const applied = await apply();
    for (const status of statuses) await cluster.writeStatus(name, status);
    const written = await cluster.stored(name);
    expect(written).toMatchObject({ spec, metadata: { generation: applied.metadata.generation } });
    expect(fieldsOf(written, false)).toEqual(fieldsOf(applied, false));
    expect(fieldsOf(written, true)).toMatchObject([
      { manager: 'neo4j-backup-operator', fieldsV1: { 'f:status': {} } },
    ]);
    expect(await difference()).toEqual({ code: 0, stdout: '' });
    expect(await apply()).toEqual(written);
  });
});

test('a change in git shows as one', async () => {
  const flags = ['--server-side', '--field-manager=argocd-controller'];
  await cluster.must(['apply', ...flags, '-f', '-'], manifestOf('changing', specs.smallest));
  const changed = manifestOf('changing', { ...specs.smallest, trigger: { id: 'next' } });
  const { code, stdout } = await cluster.kubectl(['diff', ...flags, '-f', '-'], changed);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^\+ {4}id: next$/m);
});
