// The files of the chart, and of its docs, that are made from the code and from values.yaml.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { customResourceDefinition } from '../src/api/crd.ts';
import { backupPermissions } from '../src/backup/permissions.ts';
import { eventPermissions } from '../src/kube/events.ts';
import type { Permission } from '../src/kube/permission.ts';
import { leasePermissions } from '../src/runtime/leader.ts';
import { valuesSchema, valuesTable } from './chart-values.ts';
import { permissionsPage } from './permissions-page.ts';

const root = dirname(import.meta.dirname);
export const chartFolder = join(root, 'charts/neo4j-backup-operator');

const note = (source: string): string => `Generated from ${source} by \`npm run generate\`: edit there.`;

/** In the namespaces that are watched. */
export const watchPermissions: readonly Permission[] = [...backupPermissions, ...eventPermissions];

/** A rule of a Role, as the API has it. */
export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

export function rulesOf(permissions: readonly Permission[]): readonly Rule[] {
  return permissions.map(({ apiGroup, resource, verbs, resourceNames }) => ({
    apiGroups: [apiGroup],
    resources: [resource],
    verbs,
    ...(resourceNames === undefined ? {} : { resourceNames }),
  }));
}

function ruleTemplates(): string {
  const define = (name: string, permissions: readonly Permission[]): string =>
    `{{- define "neo4j-backup-operator.${name}" -}}\n${yaml(rulesOf(permissions))}{{- end }}\n`;
  return [
    `{{/* ${note('the permissions in src')} */}}\n`,
    define('rules', watchPermissions),
    define('leaderElectionRules', leasePermissions),
  ].join('\n');
}

/** The CRD as a template: Helm never upgrades what is in a chart's own crds folder. */
function crdTemplate(): string {
  const definition = yaml(customResourceDefinition()).replaceAll('{{', '{{ "{{" }}');
  const metadata = /^metadata:\n( {2}name: .*\n)/m;
  if (!metadata.test(definition)) throw new Error('the CRD does not begin its metadata with its name');
  const whole = definition.replace(
    metadata,
    (_, name: string) => `metadata:
${name}  labels:
    {{- include "neo4j-backup-operator.labels" . | nindent 4 }}
  annotations:
    # Without its definition every Neo4jBackup would be deleted.
    helm.sh/resource-policy: keep
    {{- with .Values.commonAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
`,
  );
  return `{{- /* ${note('src/api')} */}}\n{{- if .Values.crds.enabled }}\n${whole}{{- end }}\n`;
}

/** The page with the lines between its two markers replaced. @throws Error when it lacks a marker */
function withTable(page: string, table: string): string {
  const region = /(<!-- values: .*-->\n)[\s\S]*?(<!-- end of values -->)/;
  if (!region.test(page)) throw new Error("the chart's README lacks the markers of the values table");
  return page.replace(region, (_, begin: string, end: string) => `${begin}\n${table}\n${end}`);
}

/** Path below the project's folder, and content. */
export function chartFiles(): Readonly<Record<string, string>> {
  const values = readFileSync(join(chartFolder, 'values.yaml'), 'utf8');
  const readme = readFileSync(join(chartFolder, 'README.md'), 'utf8');
  const folder = 'charts/neo4j-backup-operator';
  return {
    [`${folder}/templates/crd.yaml`]: crdTemplate(),
    [`${folder}/templates/_rules.tpl`]: ruleTemplates(),
    [`${folder}/values.schema.json`]: `${JSON.stringify(valuesSchema(values), undefined, 2)}\n`,
    [`${folder}/README.md`]: withTable(readme, valuesTable(values)),
    'docs/permissions.md': permissionsPage({ watched: watchPermissions, own: leasePermissions }),
  };
}

/** Version 1.1: there an unquoted yes is a boolean, as kubectl and Helm read it. */
function yaml(content: object): string {
  return stringify(content, { aliasDuplicateObjects: false, lineWidth: 110, version: '1.1' });
}
