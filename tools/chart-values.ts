// The values of the chart: their schema, and the table that documents them. Descriptions are the comments of values.yaml.
import { isMap, isScalar, parseDocument, type Node, type Pair } from 'yaml';
import * as z from 'zod';

const list = z.array(z.string());
const texts = z.record(z.string(), z.string());
/** What the API server validates better than we could repeat here. */
const passedThrough = z.looseObject({});
const listPassedThrough = z.array(passedThrough);
const limit = z.int().min(0).max(999_999);
const port = z.int().min(1).max(65535);

const values = z.strictObject({
  watchNamespaces: z
    .array(
      z
        .string()
        .max(63)
        .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/),
    )
    .meta({ uniqueItems: true }),
  allowedHosts: z.array(z.string().regex(/^(\*|(\*\.)?[A-Za-z0-9:][-A-Za-z0-9.:]*)$/)),
  allowedImages: z.array(z.string().regex(/^[A-Za-z0-9*][-A-Za-z0-9._:/@*]*$/)),
  limits: z.strictObject({
    runningBackups: limit,
    runningBackupsPerServer: limit,
    runningBackupsPerClaim: limit,
  }),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']),
  image: z.strictObject({
    registry: z.string(),
    repository: z.string().min(1),
    tag: z.string(),
    digest: z.string().regex(/^(sha256:[0-9a-f]{64})?$/),
    pullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']),
  }),
  imagePullSecrets: z.array(z.strictObject({ name: z.string().min(1) })),
  crds: z.strictObject({ enabled: z.boolean() }),
  rbac: z.strictObject({ create: z.boolean(), aggregateRoles: z.boolean() }),
  serviceAccount: z.strictObject({ create: z.boolean(), name: z.string(), annotations: texts }),
  networkPolicy: z.strictObject({
    enabled: z.boolean(),
    apiServerPorts: z.array(port),
    apiServerCIDRs: list,
  }),
  podDisruptionBudget: z.strictObject({
    enabled: z.boolean(),
    maxUnavailable: z.union([z.int().min(0), z.string().regex(/^[0-9]+%$/)]),
  }),
  prometheusRule: z.strictObject({
    enabled: z.boolean(),
    labels: texts,
    alertLabels: texts,
    namespaceLabel: z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/),
    runbookURL: z.string().min(1),
    graceSeconds: z.int().min(0),
    missedRunsWithinSeconds: z.int().min(60),
    volumeFullWithinSeconds: z.int().min(60),
  }),
  replicas: z.int().min(0),
  strategy: passedThrough,
  terminationGracePeriodSeconds: z.int().min(1),
  healthPort: z.int().min(1024).max(65535),
  metricsPort: z.union([z.literal(0), z.int().min(1024).max(65535)]),
  resources: passedThrough,
  priorityClassName: z.string(),
  nodeSelector: texts,
  tolerations: listPassedThrough,
  affinity: passedThrough,
  topologySpreadConstraints: listPassedThrough,
  nameOverride: z.string(),
  fullnameOverride: z.string(),
  commonLabels: texts,
  commonAnnotations: texts,
  podLabels: texts,
  podAnnotations: texts,
});

/** What Helm, and the condition of a dependency, put among the values of a chart that is part of another one. */
const ofParents: Readonly<Record<string, object>> = {
  global: {
    type: 'object',
    description: 'Not read. Helm passes it to every chart that is part of another one.',
  },
  enabled: {
    type: 'boolean',
    description: 'Not read. For the condition under which another chart holds this one.',
  },
};

interface Row {
  /** With dots: `image.tag`. */
  readonly path: string;
  readonly json: string;
  readonly says: string;
}

/** As much of a JSON schema as we touch. */
interface Schema {
  description?: string;
  required?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
}

/**
 * The schema with which Helm checks values, and editors complete them.
 * @throws Error when values.yaml and the schema do not name the same values
 */
export function valuesSchema(text: string): object {
  const schema = z.toJSONSchema(values, { target: 'draft-7' }) as Schema;
  const described = rows(text).map(({ path, says }) => {
    const property = path.split('.').reduce<Schema | undefined>((at, name) => at?.properties?.[name], schema);
    if (property === undefined) throw new Error(`values.yaml has ${path}, which tools/chart-values.ts lacks`);
    property.description = says;
    return path;
  });
  const missing = leaves(schema, '').filter((path) => !described.includes(path));
  if (missing.length > 0) throw new Error(`values.yaml lacks ${missing.join(', ')}`);
  return withoutRequired({ ...schema, properties: { ...schema.properties, ...ofParents } }) as object;
}

/** Every value has a default, and null means that default to Helm: so none has to be given. */
function withoutRequired(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutRequired);
  if (typeof schema !== 'object' || schema === null) return schema;
  const kept = Object.entries(schema).filter(([name, value]) => name !== 'required' || !Array.isArray(value));
  return Object.fromEntries(kept.map(([name, value]) => [name, withoutRequired(value)]));
}

function leaves({ properties }: Schema, prefix: string): readonly string[] {
  return Object.entries(properties ?? {}).flatMap(([name, property]) =>
    property.description === undefined && Object.keys(property.properties ?? {}).length > 0
      ? leaves(property, `${prefix}${name}.`)
      : [`${prefix}${name}`],
  );
}

export function valuesTable(text: string): string {
  const escaped = (cell: string): string => cell.replaceAll('|', '\\|');
  const cells = rows(text).map(({ path, json, says }) => [`\`${path}\``, `\`${json}\``, says].map(escaped));
  const table = [['value', 'default', 'what it does'], ...cells];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = table;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line), ''].join('\n');
}

/** Each value that has a comment of its own. @throws Error at a value that has none, nor anything in it that has */
function rows(text: string): readonly Row[] {
  const { contents } = parseDocument(text);
  if (!isMap(contents)) throw new Error('values.yaml is no map');
  return contents.items.flatMap((pair) => rowsOf(pair as Pair<Node, Node | null>, ''));
}

function rowsOf({ key, value }: Pair<Node, Node | null>, prefix: string): readonly Row[] {
  const path = `${prefix}${isScalar(key) ? String(key.value) : ''}`;
  const comment = commentOf(key);
  if (comment !== undefined) return [{ path, json: JSON.stringify(value?.toJSON()), says: comment }];
  if (!isMap(value) || value.items.length === 0)
    throw new Error(`values.yaml does not say what ${path} does`);
  // The comment of the first entry of a map is kept at the map.
  const [first, ...rest] = value.items as Pair<Node, Node | null>[];
  if (first !== undefined && value.commentBefore) first.key.commentBefore ??= value.commentBefore;
  return [first, ...rest].flatMap((pair) => (pair === undefined ? [] : rowsOf(pair, `${path}.`)));
}

/** The comment before; lines with a second `#` are headings, for readers of the file alone. */
function commentOf({ commentBefore }: Node): string | undefined {
  const lines =
    commentBefore?.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#')) ?? [];
  return lines.length === 0 ? undefined : lines.map((line) => line.trim()).join(' ');
}
