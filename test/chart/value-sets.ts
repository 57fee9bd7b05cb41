// Values with which every test of the rendered chart runs: each template's branches are taken at least once each way.
import { release, type Values } from './helm.ts';

export const everything: Values = {
  watchNamespaces: ['graphs', 'more-graphs'],
  allowedHosts: ['*.example.com', 'db1.example.org', '2001:db8::1'],
  allowedImages: ['neo4j:*-enterprise', 'registry.example.com/neo4j/*'],
  limits: { runningBackups: 8, runningBackupsPerServer: 2, runningBackupsPerClaim: 3 },
  logLevel: 'debug',
  image: {
    registry: 'registry.example.com',
    repository: 'tools/neo4j-backup-operator',
    tag: 'ignored',
    digest: `sha256:${'0123456789abcdef'.repeat(4)}`,
    pullPolicy: 'Always',
  },
  imagePullSecrets: [{ name: 'registry' }],
  crds: { enabled: true },
  rbac: { create: true, aggregateRoles: true },
  serviceAccount: { create: true, name: 'robot', annotations: { 'example.com/role': 'backup' } },
  networkPolicy: { enabled: true, apiServerPorts: [6443], apiServerCIDRs: ['10.0.0.1/32', '2001:db8::/64'] },
  podDisruptionBudget: { enabled: true, maxUnavailable: '50%' },
  prometheusRule: {
    enabled: true,
    labels: { release: 'prometheus', team: 'monitoring' },
    alertLabels: { team: 'databases', severity: 'page' },
    namespaceLabel: 'exported_namespace',
    runbookURL: 'https://docs.example.com/monitoring',
    graceSeconds: 60,
    missedRunsWithinSeconds: 3_600,
    volumeFullWithinSeconds: 86_400,
  },
  replicas: 2,
  strategy: { type: 'Recreate', rollingUpdate: null },
  terminationGracePeriodSeconds: 45,
  healthPort: 9090,
  metricsPort: 9091,
  resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { cpu: 1, memory: '512Mi' } },
  priorityClassName: 'system-cluster-critical',
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'operators', effect: 'NoSchedule' }],
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: ['a', 'b'] }] }],
      },
    },
  },
  topologySpreadConstraints: [
    {
      maxSkew: 2,
      topologyKey: 'topology.kubernetes.io/zone',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { 'app.kubernetes.io/instance': release } },
    },
  ],
  nameOverride: 'backup-operator',
  fullnameOverride: 'neo4j-backups',
  commonLabels: { team: 'databases', 'example.com/number': '1', 'example.com/yes': 'yes' },
  commonAnnotations: { 'example.com/owner': 'databases: all of them' },
  podLabels: { tier: 'true' },
  podAnnotations: { 'example.com/note': '{{ not a template }}' },
};

export const valueSets: readonly { readonly name: string; readonly values: Values }[] = [
  { name: 'the defaults', values: {} },
  { name: 'everything set', values: everything },
  { name: 'all namespaces, said with null', values: { watchNamespaces: null } },
  { name: 'one namespace', values: { watchNamespaces: ['graphs'] } },
  { name: 'its own namespace', values: { watchNamespaces: ['operators'] } },
  { name: 'its own namespace and another one', values: { watchNamespaces: ['operators', 'graphs'] } },
  { name: 'no metrics', values: { metricsPort: 0, networkPolicy: { enabled: true } } },
  { name: 'two replicas', values: { replicas: 2, podDisruptionBudget: { enabled: true } } },
  { name: 'a network policy', values: { networkPolicy: { enabled: true } } },
  { name: 'alerts', values: { prometheusRule: { enabled: true } } },
  { name: 'a tag', values: { image: { tag: '0.2.0-rc.1' } } },
  {
    name: 'roles and account made by others',
    values: {
      rbac: { create: false, aggregateRoles: false },
      serviceAccount: { create: false, name: 'robot' },
    },
  },
  { name: 'the default account', values: { serviceAccount: { create: false } } },
  { name: 'no definition', values: { crds: { enabled: false } } },
  { name: 'a long name', values: { fullnameOverride: 'a'.repeat(63) } },
  { name: 'no resources', values: { resources: null, strategy: null } },
  { name: 'any host', values: { allowedHosts: ['*'] } },
];
