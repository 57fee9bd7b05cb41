// The chart as Helm renders it: who may do what, under which restrictions, and which values are refused.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { customResourceDefinition } from '../../src/api/crd.ts';
import { leasePermissions } from '../../src/runtime/leader.ts';
import { chartFiles, chartFolder, rulesOf, watchPermissions } from '../../tools/chart.ts';
import { deployFiles } from '../../tools/deploy.ts';
import {
  helm,
  helmProgram,
  kubectlProgram,
  only,
  parseManifests,
  release,
  releaseNamespace,
  render,
  template,
  type Manifest,
} from './helm.ts';
import { everything, valueSets } from './value-sets.ts';
import { must } from '../../tools/run.ts';

const root = join(import.meta.dirname, '../..');
const watchRules = rulesOf(watchPermissions);
const leaseRules = rulesOf(leasePermissions);

interface Pod {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly serviceAccountName: string;
    readonly automountServiceAccountToken: boolean;
    readonly containers: readonly Container[];
    readonly topologySpreadConstraints?: readonly unknown[];
  };
}

interface Container {
  readonly image: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
}

function podOf(objects: readonly Manifest[]): Pod {
  return (only(objects, 'Deployment')['spec'] as { readonly template: Pod }).template;
}

function containerOf(objects: readonly Manifest[]): Container {
  const [container, ...more] = podOf(objects).spec.containers;
  if (container === undefined || more.length > 0) throw new Error('not one container');
  return container;
}

describe('lint', () => {
  test.each(valueSets)('finds nothing with $name', async ({ values }) => {
    const { code, stdout, stderr } = await helm(
      ['lint', '--strict', '--quiet', chartFolder, '--values', '-'],
      {
        input: JSON.stringify(values),
      },
    );
    expect({ code, stdout: stdout.trim(), stderr: stderr.trim() }).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
  });
});

describe('versions', () => {
  const chart = parse(readFileSync(join(chartFolder, 'Chart.yaml'), 'utf8')) as Readonly<
    Record<string, string>
  >;
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly version: string;
  };

  test('chart, image and program have one', () => {
    expect([chart['version'], chart['appVersion']]).toEqual([version, version]);
  });

  test('an older Kubernetes is refused, a vendor’s version of the oldest is taken', async () => {
    const refused = await template({}, ['--kube-version', '1.31.9']);
    expect(refused.stderr).toContain('which is incompatible with Kubernetes v1.31.9');
    const taken = await template({}, ['--kube-version', '1.32.4-gke.1']);
    expect(taken.code).toBe(0);
  });
});

describe('roles', () => {
  test('for all namespaces are what the code declares, and the election’s are in the operator’s own', async () => {
    const objects = await render({});
    const [role, binding] = [
      only(objects, 'ClusterRole', 'backups-neo4j-backup-operator'),
      only(objects, 'ClusterRoleBinding'),
    ];
    expect(role['rules']).toEqual(watchRules);
    expect(binding['roleRef']).toMatchObject({ kind: 'ClusterRole', name: role.metadata.name });
    const own = only(objects, 'Role');
    expect(own['rules']).toEqual(leaseRules);
    expect(own.metadata.namespace).toBe(releaseNamespace);
    expect(only(objects, 'RoleBinding').metadata.namespace).toBe(releaseNamespace);
  });

  test('for named namespaces are the same in each, and nothing is left of the wide ones', async () => {
    const watched = ['databases', 'graphs'];
    const objects = await render({ watchNamespaces: watched, rbac: { aggregateRoles: false } });
    const kinds = objects.map(({ kind }) => kind);
    expect(kinds).not.toContain('ClusterRole');
    expect(kinds).not.toContain('ClusterRoleBinding');
    const name = 'backups-neo4j-backup-operator';
    const named = (wanted: string): readonly Manifest[] =>
      objects.filter(({ kind, metadata }) => kind === wanted && metadata.name === name);
    const [roles, bindings] = [named('Role'), named('RoleBinding')];
    for (const made of [roles, bindings])
      expect(made.map(({ metadata }) => metadata.namespace)).toEqual(watched);
    for (const role of roles) expect(role['rules']).toEqual(watchRules);
    for (const binding of bindings) expect(binding['roleRef']).toMatchObject({ kind: 'Role', name });
    expect(containerOf(objects).args).toContain('--namespaces=databases,graphs');
    expect(only(objects, 'Role', 'neo4j-backup-operator-leader-election').metadata.namespace).toBe(
      releaseNamespace,
    );
  });

  test('of its own namespace come without its name, so that an overlay may move all', async () => {
    const { args, env } = containerOf(await render({ watchNamespaces: [releaseNamespace] }));
    expect(args.filter((arg) => arg.startsWith('--namespace'))).toEqual([]);
    expect(env.find(({ name }) => name === 'NAMESPACES')).toEqual({
      name: 'NAMESPACES',
      valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } },
    });
  });

  test.each(valueSets)('are bound to the account of the Pod with $name', async ({ values }) => {
    const objects = await render(values);
    const { serviceAccountName } = podOf(objects).spec;
    const bound = objects.flatMap(({ kind, ...object }) =>
      kind.endsWith('RoleBinding') ? (object['subjects'] as readonly unknown[]) : [],
    );
    for (const subject of bound)
      expect(subject).toEqual({
        kind: 'ServiceAccount',
        name: serviceAccountName,
        namespace: releaseNamespace,
      });
    const accounts = objects
      .filter(({ kind }) => kind === 'ServiceAccount')
      .map(({ metadata }) => metadata.name);
    expect([[], [serviceAccountName]]).toContainEqual(accounts);
  });

  test('hold no wildcard, no secret and no subresource but the status', async () => {
    const rules = [...watchRules, ...leaseRules];
    const words = rules.flatMap(({ apiGroups, resources, verbs }) => [...apiGroups, ...resources, ...verbs]);
    expect(
      words.filter((word) => word.includes('*') || word.startsWith('secret') || word === 'escalate'),
    ).toEqual([]);
    expect(words.filter((word) => word.includes('/'))).toEqual(['neo4jbackups/status']);
  });
});

describe('the Pod', () => {
  test.each(valueSets)('is as restricted as can be with $name', async ({ values }) => {
    const { spec } = podOf(await render(values));
    expect(spec).toMatchObject({
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
    expect(spec.containers).toHaveLength(1);
    expect(spec.containers[0]).toMatchObject({
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      },
    });
    const words = ['hostNetwork', 'hostPID', 'hostIPC', 'volumes', 'initContainers', 'runAsUser'];
    expect(words.filter((word) => Object.hasOwn(spec, word))).toEqual([]);
  });

  test('gives the Pods of the backups its own image', async () => {
    const { image, env } = containerOf(await render(everything));
    expect(image).toBe(
      `registry.example.com/tools/neo4j-backup-operator@sha256:${'0123456789abcdef'.repeat(4)}`,
    );
    expect(env.find(({ name }) => name === 'AGENT_IMAGE')?.value).toBe(image);
  });

  test('has the policies of the cluster as flags, and none where none is set', async () => {
    const { args } = containerOf(await render(everything));
    expect(args).toContain('--allowed-hosts=*.example.com,db1.example.org,2001:db8::1');
    expect(args).toContain('--allowed-images=neo4j:*-enterprise,registry.example.com/neo4j/*');
    expect(args.filter((arg) => arg.startsWith('--max-'))).toEqual([
      '--max-running-backups=8',
      '--max-running-backups-per-claim=3',
      '--max-running-backups-per-server=2',
    ]);
    const plain = containerOf(await render({}));
    expect(plain.args).toEqual([
      '--health-port=8081',
      '--log-level=info',
      '--metrics-port=8080',
      '--max-running-backups=0',
      '--max-running-backups-per-claim=0',
      '--max-running-backups-per-server=1',
    ]);
  });

  test('is probed, and asked for metrics, at the ports that the flags open', async () => {
    const { args, ports } = containerOf(await render({ healthPort: 9090, metricsPort: 9091 }));
    expect(args).toEqual(expect.arrayContaining(['--health-port=9090', '--metrics-port=9091']));
    expect(ports).toEqual([
      { name: 'health', containerPort: 9090 },
      { name: 'metrics', containerPort: 9091 },
    ]);
  });

  test('has no port for metrics that are not served, nor lets anybody to it', async () => {
    const objects = await render({ metricsPort: 0, networkPolicy: { enabled: true } });
    const { args, ports } = containerOf(objects);
    expect(args.filter((arg) => arg.includes('metrics'))).toEqual([]);
    expect(ports.map(({ name }) => name)).toEqual(['health']);
    const { ingress } = only(objects, 'NetworkPolicy')['spec'] as { readonly ingress: unknown };
    expect(ingress).toEqual([{ ports: [{ port: 'health' }] }]);
  });

  test('is spread over nodes where there are two, and as the user says where he says so', async () => {
    const spread = async (values: object): Promise<unknown> =>
      podOf(await render({ ...values })).spec.topologySpreadConstraints;
    expect(await spread({})).toBeUndefined();
    expect(await spread({ replicas: 2 })).toMatchObject([
      { topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' },
    ]);
    expect(await spread(everything)).toEqual(everything['topologySpreadConstraints']);
  });

  test.each(valueSets)('is found by what selects it with $name', async ({ values }) => {
    const objects = await render(values);
    const { labels } = podOf(objects).metadata;
    const { selector } = only(objects, 'Deployment')['spec'] as {
      readonly selector: { readonly matchLabels: object };
    };
    expect(labels).toMatchObject(selector.matchLabels);
    const specs = objects.map(({ kind, spec }) => [kind, spec] as const);
    const selectors = specs.flatMap(([kind, spec]) => {
      const { selector: budget, podSelector } = (spec ?? {}) as {
        readonly selector?: object;
        readonly podSelector?: object;
      };
      if (kind === 'PodDisruptionBudget') return [budget];
      return kind === 'NetworkPolicy' ? [podSelector] : [];
    });
    expect(selectors).toEqual(selectors.map(() => selector));
  });
});

test.each(valueSets)('names are short enough and objects labelled with $name', async ({ values }) => {
  const objects = await render(values);
  for (const { metadata } of objects) {
    expect(metadata.name.length).toBeLessThanOrEqual(63);
    expect(metadata.labels).toMatchObject({
      'app.kubernetes.io/instance': release,
      'app.kubernetes.io/managed-by': 'Helm',
      ...(values['commonLabels'] as object),
    });
  }
});

test('labels of the user never take the place of those by which Pods are found', async () => {
  const objects = await render({ commonLabels: { 'app.kubernetes.io/name': 'mine', team: 'graphs' } });
  expect(podOf(objects).metadata.labels).toMatchObject({
    'app.kubernetes.io/name': 'neo4j-backup-operator',
    team: 'graphs',
  });
});

describe('the definition', () => {
  test('is that of the code, and kept when the release goes', async () => {
    const { metadata, spec } = only(await render({}), 'CustomResourceDefinition');
    expect(metadata.annotations).toEqual({ 'helm.sh/resource-policy': 'keep' });
    expect({ name: metadata.name, spec }).toEqual({
      name: 'neo4jbackups.neo4j-backup.dev',
      spec: (JSON.parse(JSON.stringify(customResourceDefinition())) as Manifest)['spec'],
    });
  });

  test('is left out on request', async () => {
    const objects = await render({ crds: { enabled: false } });
    expect(objects.map(({ kind }) => kind)).not.toContain('CustomResourceDefinition');
  });
});

test('what is made from code and comments is what stands there; if not, npm run generate', () => {
  const files = chartFiles();
  const there = Object.keys(files).map((name) => [name, readFileSync(join(root, name), 'utf8')]);
  expect(Object.fromEntries(there)).toEqual(files);
});

describe('values', () => {
  test('the file that tests everything sets every value', () => {
    const defaults = parse(readFileSync(join(chartFolder, 'values.yaml'), 'utf8')) as object;
    expect(Object.keys(everything).toSorted()).toEqual(Object.keys(defaults).toSorted());
  });

  test.each([
    { values: { replica: 2 }, says: /additional properties 'replica' not allowed/ },
    { values: { image: { name: 'x' } }, says: /at '\/image': additional properties 'name' not allowed/ },
    { values: { crds: { enabled: 'true' } }, says: /at '\/crds\/enabled': got string, want boolean/ },
    { values: { replicas: '2' }, says: /at '\/replicas': got string, want integer/ },
    {
      values: { logLevel: 'verbose' },
      says: /at '\/logLevel': value must be one of 'debug', 'info', 'warn', 'error'/,
    },
    { values: { allowedHosts: 'db1.example.com' }, says: /at '\/allowedHosts': got string, want array/ },
    { values: { allowedHosts: ['a,b'] }, says: /at '\/allowedHosts\/0': 'a,b' does not match pattern/ },
    { values: { allowedImages: ['neo4j:3.4 '] }, says: /at '\/allowedImages\/0'/ },
    { values: { watchNamespace: 'a' }, says: /additional properties 'watchNamespace' not allowed/ },
    { values: { watchNamespaces: 'a' }, says: /at '\/watchNamespaces': got string, want array/ },
    {
      values: { watchNamespaces: ['a', 'B'] },
      says: /at '\/watchNamespaces\/1': 'B' does not match pattern/,
    },
    { values: { watchNamespaces: [''] }, says: /at '\/watchNamespaces\/0'/ },
    {
      values: { watchNamespaces: ['a', 'b', 'a'] },
      says: /at '\/watchNamespaces': items at 0 and 2 are equal/,
    },
    {
      values: { limits: { runningBackups: -1 } },
      says: /at '\/limits\/runningBackups': minimum: got -1, want 0/,
    },
    {
      values: { limits: { runningBackupsPerServer: 'two' } },
      says: /at '\/limits\/runningBackupsPerServer': got string, want integer/,
    },
    { values: { metricsPort: 80 }, says: /at '\/metricsPort'/ },
    { values: { metricsPort: 8081 }, says: /healthPort and metricsPort are the same/ },
    {
      values: { metricsPort: 0, prometheusRule: { enabled: true } },
      says: /prometheusRule.enabled needs metricsPort/,
    },
    { values: { prometheusRule: { graceSeconds: '1h' } }, says: /at '\/prometheusRule\/graceSeconds'/ },
    { values: { image: { digest: 'sha256:abc' } }, says: /at '\/image\/digest'/ },
    { values: { image: { repository: '' } }, says: /at '\/image\/repository'/ },
    { values: { healthPort: 80 }, says: /at '\/healthPort': minimum: got 80, want 1,?024/ },
    { values: { commonLabels: { team: 1 } }, says: /at '\/commonLabels\/team': got number, want string/ },
    {
      values: { podDisruptionBudget: { maxUnavailable: 'half' } },
      says: /at '\/podDisruptionBudget\/maxUnavailable'/,
    },
    {
      values: { imagePullSecrets: ['registry'] },
      says: /at '\/imagePullSecrets\/0': got string, want object/,
    },
  ])('$values are refused, by name', async ({ values, says }) => {
    const { code, stderr } = await template(values);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(says);
  });
});

test('what Helm adds to the values of a chart that is part of another one is no unknown value', async () => {
  const { code, stderr } = await template({ global: { region: 'north' }, enabled: true });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

describe('what Helm tells after an installation', () => {
  const notes = async (values: object): Promise<string> => {
    const { stdout, stderr } = await helm(
      ['install', release, chartFolder, '--namespace', releaseNamespace, '--dry-run=client', '--values', '-'],
      { input: JSON.stringify(values) },
    );
    const [, text] = stdout.split('\nNOTES:\n');
    if (text === undefined) throw new Error(stderr);
    return text;
  };

  test('leads to the first backup', async () => {
    const text = await notes({});
    expect(text).toContain('watches all namespaces');
    expect(text).toContain('rollout status deployment/backups-neo4j-backup-operator');
    expect(text).toContain('kubectl -n your-namespace create -f -');
    expect(text).toContain('To allow servers outside of the cluster, set allowedHosts');
    expect(text).toContain('may come from any image');
    expect(text).toContain('set image.repository');
    expect(text).not.toContain('CustomResourceDefinition');
  });

  test('names what was set', async () => {
    const text = await notes({ ...everything, crds: { enabled: false } });
    expect(text).toContain('watches the namespaces graphs, more-graphs.');
    expect(text).toContain('kubectl -n graphs create -f -');
    expect(text).toContain('may be: *.example.com, db1.example.org, 2001:db8::1.');
    expect(text).toContain('these images: neo4j:*-enterprise, registry.example.com/neo4j/*.');
    expect(text).toContain('yours to install and to upgrade');
    expect(text).not.toContain('set image.repository');
  });
});

describe('the bases for Kustomize', () => {
  test('are what the chart makes today; if not, npm run generate:deploy', async () => {
    const folder = join(root, 'deploy');
    const names = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(root.length + 1));
    const there = Object.fromEntries(names.map((name) => [name, readFileSync(join(root, name), 'utf8')]));
    expect(there).toEqual(await deployFiles(helmProgram));
  });

  test.each(['cluster', 'namespaced'])('%s holds nothing whose deletion would hurt', async (base) => {
    const objects = parseManifests(await must([kubectlProgram, 'kustomize', join(root, 'deploy', base)]));
    const kinds = objects.map(({ kind }) => kind);
    expect(kinds).toContain('Deployment');
    expect(kinds).not.toContain('CustomResourceDefinition');
    expect(kinds).not.toContain('Namespace');
  });
});
