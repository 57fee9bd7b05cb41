// JSON schemas for kubeconform, from what a real API server says of its own kinds, and from our CRD.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { customResourceDefinition } from '../../src/api/crd.ts';
import { mustKubectl } from './helm.ts';

/** The API groups of what the chart and the documentation hold. */
const groupVersions = [
  'api/v1',
  'apis/apps/v1',
  'apis/batch/v1',
  'apis/rbac.authorization.k8s.io/v1',
  'apis/networking.k8s.io/v1',
  'apis/policy/v1',
  'apis/apiextensions.k8s.io/v1',
];

interface OpenAPI {
  readonly components: { readonly schemas: Readonly<Record<string, KindSchema>> };
}

interface KindSchema {
  readonly 'x-kubernetes-group-version-kind'?: readonly GroupVersionKind[];
}

interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** How kubeconform finds a schema below the folder; its own words, filled in by it. The core group is called v1 there. */
export const schemaLocation = '{{.Group}}_{{.ResourceAPIVersion}}_{{.ResourceKind}}.json';

/** Writes a schema for each kind into the folder. */
export async function writeSchemas(folder: string): Promise<void> {
  const write = ({ group, version, kind }: GroupVersionKind, schema: object): void =>
    writeFileSync(
      join(folder, `${group || version}_${version}_${kind.toLowerCase()}.json`),
      JSON.stringify(schema),
    );
  for (const groupVersion of groupVersions) {
    const { components } = JSON.parse(
      await mustKubectl(['get', '--raw', `/openapi/v3/${groupVersion}`]),
    ) as OpenAPI;
    const definitions = strict(components.schemas) as object;
    for (const [name, { 'x-kubernetes-group-version-kind': kinds }] of Object.entries(components.schemas))
      for (const kind of kinds ?? []) write(kind, { $ref: `#/definitions/${name}`, definitions });
  }
  const { spec } = customResourceDefinition() as {
    readonly spec: {
      readonly group: string;
      readonly names: { readonly kind: string };
      readonly versions: readonly {
        readonly name: string;
        readonly schema: { readonly openAPIV3Schema: object };
      }[];
    };
  };
  for (const { name, schema } of spec.versions)
    write(
      { group: spec.group, version: name, kind: spec.names.kind },
      strict(schema.openAPIV3Schema) as object,
    );
}

/** OpenAPI as JSON schema: references as kubeconform resolves them, and no field that an object does not list. */
function strict(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strict);
  if (typeof schema !== 'object' || schema === null) return schema;
  const entries = Object.entries(schema).map(([name, value]): [string, unknown] =>
    name === '$ref' && typeof value === 'string'
      ? [name, value.replace('#/components/schemas/', '#/definitions/')]
      : [name, strict(value)],
  );
  return { ...Object.fromEntries(entries), ...(isClosed(schema) ? { additionalProperties: false } : {}) };
}

function isClosed(schema: object): boolean {
  return (
    'properties' in schema &&
    typeof schema.properties === 'object' &&
    !('additionalProperties' in schema) &&
    !('x-kubernetes-preserve-unknown-fields' in schema)
  );
}
