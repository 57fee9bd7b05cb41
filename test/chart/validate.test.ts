// What the chart makes is valid: to kubeconform, and to a real API server that enforces the restricted profile.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { must, output, type Output } from '../../tools/run.ts';
import {
  kubeconformProgram,
  kubectl,
  kubectlProgram,
  mustKubectl,
  only,
  parseManifests,
  releaseNamespace,
  template,
} from './helm.ts';
import { schemaLocation, writeSchemas } from './schemas.ts';
import { valueSets } from './value-sets.ts';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'chart-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const bases = ['cluster', 'namespaced'];
/** Where the objects of chart and bases go, one that is watched among them. */
const namespaces = [releaseNamespace, 'graphs', 'more-graphs', 'neo4j-backup-operator'];

beforeAll(async () => {
  await writeSchemas(folder);
  for (const namespace of namespaces)
    await mustKubectl(
      ['apply', '-f', '-'],
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: {
          name: namespace,
          labels: {
            'pod-security.kubernetes.io/enforce': 'restricted',
            'pod-security.kubernetes.io/warn': 'restricted',
          },
        },
      }),
    );
});

/** kubeconform with what only a schema of ours can say: no unknown fields, no kind without a schema. */
function kubeconform(manifests: string): Promise<Output> {
  return output([kubeconformProgram, '-strict', '-schema-location', join(folder, schemaLocation)], {
    input: manifests,
  });
}

/** The Pod that the Deployment would make. */
function podOf(manifests: string): string {
  const { template: pod } = only(parseManifests(manifests), 'Deployment')['spec'] as {
    readonly template: { readonly spec: object };
  };
  const metadata = { name: 'probe', namespace: releaseNamespace };
  return JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata, spec: pod.spec });
}

const fine = { code: 0, complaints: '' };

/** What the API server says when all is applied as Helm does, and the operator's Pod then made. Nothing is kept. */
async function dryRun(manifests: string): Promise<typeof fine> {
  const args = ['--dry-run=server', '--validate=strict', '-f', '-'];
  const applied = await kubectl(['apply', '--server-side', '--force-conflicts', ...args], manifests);
  const made = await kubectl(['create', ...args], podOf(manifests));
  return { code: applied.code + made.code, complaints: `${applied.stderr}${made.stderr}` };
}

/** Without the alerts: no API server knows that kind by itself, and test/chart/alerts.test.ts has them read by Prometheus' own tool. */
async function rendered(values: object): Promise<string> {
  const { code, stdout, stderr } = await template({ ...values });
  if (code !== 0) throw new Error(stderr);
  const isKnown = (text: string): boolean => !/^apiVersion: monitoring\.coreos\.com\//m.test(text);
  return stdout
    .split(/^---\n/m)
    .filter(isKnown)
    .join('---\n');
}

describe('kubeconform', () => {
  test.each(valueSets)('finds nothing with $name', async ({ values }) => {
    expect(await kubeconform(await rendered(values))).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test.each(bases)('finds nothing in the base %s', async (base) => {
    const manifests = await must([kubectlProgram, 'kustomize', join(root, 'deploy', base)]);
    expect(await kubeconform(manifests)).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('takes the Neo4jBackups of the demo, and finds a typo in one', async () => {
    const backup = readFileSync(join(root, 'tools/demo/backup.yaml'), 'utf8');
    expect(await kubeconform(backup)).toEqual({ code: 0, stdout: '', stderr: '' });
    const { stdout } = await kubeconform(backup.replace('destination:', 'destinations:'));
    expect(stdout).toContain("additional properties 'destinations' not allowed");
  });

  test('would find a field that there is not', async () => {
    const manifests = (await rendered({})).replace('readOnlyRootFilesystem', 'readOnlyRoot');
    expect((await kubeconform(manifests)).stdout).toContain(
      "additional properties 'readOnlyRoot' not allowed",
    );
  });
});

describe('a real API server', () => {
  test.each(valueSets)('takes everything, without a warning, with $name', async ({ values }) => {
    expect(await dryRun(await rendered(values))).toEqual(fine);
  });

  test.each(bases)('takes the base %s', async (base) => {
    const manifests = await must([kubectlProgram, 'kustomize', join(root, 'deploy', base)]);
    expect(await dryRun(manifests)).toEqual(fine);
  });

  test('would refuse a Pod that is less restricted', async () => {
    const manifests = (await rendered({})).replace('runAsNonRoot: true', 'runAsNonRoot: false');
    const { code, complaints } = await dryRun(manifests);
    expect(code).not.toBe(0);
    expect(complaints).toContain('violates PodSecurity "restricted:latest": runAsNonRoot != true');
  });
});
