import { describe, expect, test } from 'vitest';
import { customResourceDefinition } from './crd.ts';

type Json = Readonly<Record<string, unknown>>;

const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const definition = customResourceDefinition() as {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly names: { readonly plural: string };
    readonly versions: readonly {
      readonly name: string;
      readonly additionalPrinterColumns: readonly {
        readonly name: string;
        readonly type: string;
        readonly jsonPath: string;
      }[];
      readonly schema: { readonly openAPIV3Schema: Json };
    }[];
  };
};
const [served] = definition.spec.versions;
const schema = served?.schema.openAPIV3Schema ?? {};

interface Node {
  readonly path: string;
  readonly node: Json;
}

/** Every schema below one, with its path. */
function walk(node: Json, path: string): readonly Node[] {
  const properties = isJson(node['properties']) ? Object.entries(node['properties']) : [];
  const inner = [
    ...properties,
    ['items', node['items']] as const,
    ['*', node['additionalProperties']] as const,
  ];
  return [
    { path, node },
    ...inner.flatMap(([name, child]) => (isJson(child) ? walk(child, `${path}.${name}`) : [])),
  ];
}

const nodes = walk(schema, '');
const ours = nodes.filter(({ path }) => /^\.(spec|status)/.test(path));

test('the name of the definition is made of plural and group, as the API server demands', () => {
  expect(definition.metadata.name).toBe(`${definition.spec.names.plural}.${definition.spec.group}`);
});

describe('the schema', () => {
  test('reaches every field of spec and status', () => {
    expect(ours.length).toBeGreaterThan(80);
    expect(ours.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['.spec.source.serviceRef.name', '.status.history.items.lastTransactionID']),
    );
  });

  test.each(ours)('has a type for $path', ({ node }) => {
    const typed = ['string', 'integer', 'boolean', 'object', 'array'].includes(String(node['type']));
    expect(typed || node['x-kubernetes-int-or-string'] === true).toBe(true);
  });

  test('bounds every text, list and map', () => {
    const bounds: Readonly<Record<string, readonly string[]>> = {
      string: ['maxLength', 'enum', 'format'],
      array: ['maxItems'],
      object: ['properties', 'maxProperties'],
      undefined: ['maxLength'],
    };
    const unbounded = ours.filter(
      ({ node }) => bounds[String(node['type'])]?.some((bound) => node[bound] !== undefined) === false,
    );
    expect(unbounded.map(({ path }) => path)).toEqual([]);
  });

  test('writes no default into a spec, and into a status only that nobody has looked', () => {
    const withDefault = nodes.filter(({ node }) => 'default' in node);
    expect(withDefault.map(({ path, node }) => [path, node['default']])).toEqual([
      ['.status', { observedGeneration: -1 }],
    ]);
  });

  test('has no keyword that the API server refuses or drops', () => {
    const text = JSON.stringify(schema);
    for (const keyword of ['anyOf', 'oneOf', 'allOf', 'not', '$ref', '$schema', 'const', 'uniqueItems'])
      expect(text).not.toContain(`"${keyword}":`);
  });

  test('has a description for every field of the spec', () => {
    const silent = ours.filter(
      ({ path, node }) =>
        path.startsWith('.spec.') && !/\.(items|\*)$/.test(path) && node['description'] === undefined,
    );
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  test('demands of a user only what cannot be guessed', () => {
    const required = nodes.flatMap(({ path, node }) =>
      path.startsWith('.status')
        ? []
        : ((node['required'] ?? []) as string[]).map((name) => `${path}.${name}`),
    );
    expect(required.toSorted()).toEqual([
      '.spec',
      '.spec.blackoutWindows.items.duration',
      '.spec.blackoutWindows.items.schedule',
      '.spec.destination',
      '.spec.destination.persistentVolumeClaim',
      '.spec.destination.persistentVolumeClaim.claimName',
      '.spec.job.imagePullSecrets.items.name',
      '.spec.neo4j',
      '.spec.neo4j.version',
      '.spec.objectives.maxDataLossSeconds',
      '.spec.source',
      '.spec.source.serviceRef.name',
      '.spec.source.tls.caSecretRef.name',
      '.spec.source.tls.clientCertificateSecretRef',
      '.spec.source.tls.clientCertificateSecretRef.name',
      '.spec.trigger.id',
      '.spec.verification.schedule',
    ]);
  });

  test('has patterns that fit both engines: the one of JavaScript and RE2, anchored at both ends', () => {
    const patterns = nodes.flatMap(({ node }) =>
      typeof node['pattern'] === 'string' ? [node['pattern']] : [],
    );
    expect(patterns.length).toBeGreaterThan(5);
    for (const pattern of patterns) {
      expect(pattern).toMatch(/^\^.*\$$/);
      expect(pattern).not.toMatch(/\(\?[=!<]|\\[1-9]|\\d|\\w/);
    }
  });

  test('names the keys of every list that is a map, as fields that are demanded', () => {
    const maps = nodes.filter(({ node }) => node['x-kubernetes-list-type'] === 'map');
    expect(maps.map(({ path }) => path)).toEqual([
      '.spec.job.imagePullSecrets',
      '.status.conditions',
      '.status.inspecting',
      '.status.lastRun.databases',
      '.status.databases',
    ]);
    for (const { node } of maps)
      expect((node['items'] as Json)['required']).toEqual(
        expect.arrayContaining(node['x-kubernetes-list-map-keys'] as string[]),
      );
  });

  test('has rules that speak only of fields that are there', () => {
    const rules = nodes.flatMap(({ node }) =>
      ((node['x-kubernetes-validations'] ?? []) as { rule: string; message: string }[]).map((rule) => ({
        node,
        ...rule,
      })),
    );
    expect(rules.length).toBeGreaterThanOrEqual(2);
    for (const { node, rule, message } of rules) {
      for (const [, field = ''] of rule.matchAll(/self\.(\w+)/g))
        expect(node['properties']).toHaveProperty(field);
      expect(message).toMatch(/must|immutable/);
    }
  });
});

test.each(served?.additionalPrinterColumns ?? [])(
  'the column $name shows a scalar that exists',
  ({ jsonPath, type }) => {
    const place = jsonPath.replace(/\[\?\(@\.type==.*?\)\]/, '.items'); // one entry of a list
    const found = nodes.find(({ path }) => path === place)?.node;
    const shown =
      jsonPath === '.metadata.creationTimestamp' ? { type: 'string', format: 'date-time' } : found;
    const asColumn = shown?.['format'] === 'date-time' ? 'date' : shown?.['type'];
    // What is to come has no age.
    expect(type).toBe(jsonPath === '.status.nextScheduleTime' ? 'string' : asColumn);
  },
);
