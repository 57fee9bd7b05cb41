// docs/permissions.md, made from the declared permissions.
import type { Permission } from '../src/kube/permission.ts';

export interface Permissions {
  /** In each namespace that is watched. */
  readonly watched: readonly Permission[];
  /** In the operator's own namespace. */
  readonly own: readonly Permission[];
}

function table(permissions: readonly Permission[]): string {
  const rows = permissions.map(({ apiGroup, resource, verbs, resourceNames }) => [
    apiGroup === '' ? 'core' : `\`${apiGroup}\``,
    `\`${resource}\`${resourceNames === undefined ? '' : `, only ${resourceNames.map((name) => `\`${name}\``).join(', ')}`}`,
    verbs.join(', '),
  ]);
  return [['API group', 'resource', 'verbs'], ['---', '---', '---'], ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');
}

export function permissionsPage({ watched, own }: Permissions): string {
  return `${[
    '<!-- Generated from the permissions in src by `npm run generate`: edit there. -->',
    '# Permissions',
    'What the operator may do, in full. The roles of the chart are made from the declarations beside the code that makes the calls, and a test compares them with what a real API server then allows.',
    '## In the namespaces that it watches',
    'A ClusterRole; with `watchNamespaces` set, a Role in each of them, and nothing outside of them.',
    table(watched),
    '## In its own namespace',
    'For the election of one of several replicas.',
    table(own),
    'The API server cannot hold `create` to a name.',
    'Besides it reads what the API server tells any service account: the schema of `Neo4jBackup` that it serves.',
    '## What it never asks for',
    'Secrets, `pods/exec`, `pods/log`, nodes, roles, definitions of resources, any write to the spec or the metadata of a `Neo4jBackup`, any write to a claim, a Service or a Pod. The Pods of a backup have no API token at all.',
    '## What these rights are worth to a thief',
    'To create Jobs is to create Pods, and a Pod may mount any Secret of its namespace and run as any of its service accounts. So whoever takes the operator over, or its token, can do in the namespaces that it watches what such Pods can: in the whole cluster, unless `watchNamespaces` is set. The code makes no use of that: its Jobs mount one claim, name no service account and get no token. Let nobody but administrators create Pods, or exec into them, in the operator’s own namespace; where that is too much for one cluster, give each team a release with `watchNamespaces`; and an admission policy may hold the operator’s service account to Jobs without Secrets and without `serviceAccountName`.',
    'Two releases that watch the same namespace both act there, and a host or an image that either of them allows is allowed; where they would not say the same of a resource, they write its status by turns.',
    '## For people',
    'With `rbac.aggregateRoles` the cluster’s own roles `view`, `edit` and `admin` hold for `neo4jbackups` too: `view` reads, `edit` and `admin` also write. Nobody but the operator writes `neo4jbackups/status`.',
    'Who may create a `Neo4jBackup` may, through the operator, create Pods in that namespace that mount any of its claims and copy any Neo4j behind any of its Services: give that right to those who may create Pods there anyway.',
    '`allowedHosts` and `allowedImages` hold for what is asked of the operator, not for what people do by themselves. Who may create Pods reaches whatever the network lets these reach, and a Service without a selector leads wherever its EndpointSlices say. Against that only a NetworkPolicy, or a firewall, in front of port 6362 helps: [install.md](install.md#who-may-reach-port-6362).',
  ].join('\n\n')}\n`;
}
