// Whether the API server knows every field that we write. What it does not know it drops without a word.
import * as z from 'zod';
import { openAPISchema } from './crd.ts';
import { group, kind, version } from './names.ts';

/** Where an API server tells, to whoever may log in, the schema that it serves for our kind. */
export const servedSchemaPath = `/openapi/v3/apis/${group}/${version}`;

/** `older`: the fields and words of ours that are missing. A schema that knows more than ours is `current`. */
export type ServedSchema =
  | { readonly kind: 'current' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'older'; readonly missing: readonly string[] };

/** @param document what is at {@link servedSchemaPath}; undefined when there is nothing. */
export function judgeServed(document: unknown): ServedSchema {
  const { schemas } = documentSchema.parse(document ?? {}).components;
  const served = Object.values(schemas).find((schema) => schema[kindsField].some(isOurs));
  if (served === undefined) return { kind: 'absent' };
  const missing = missingFrom(served, nodeSchema.parse(openAPISchema()), '');
  return missing.length === 0 ? { kind: 'current' } : { kind: 'older', missing };
}

const kindsField = 'x-kubernetes-group-version-kind';
const anyField = 'x-kubernetes-preserve-unknown-fields';

/** The part of a schema that decides what is kept. Odd parts count as absent. */
interface Node {
  readonly properties?: Readonly<Record<string, Node>> | undefined;
  readonly items?: Node | undefined;
  readonly additionalProperties?: Node | undefined;
  readonly enum?: readonly unknown[] | undefined;
  readonly [anyField]?: boolean | undefined;
}

const nodeSchema: z.ZodType<Node> = z.object({
  get properties() {
    return z.record(z.string(), nodeSchema).optional().catch(undefined);
  },
  get items() {
    return nodeSchema.optional().catch(undefined);
  },
  get additionalProperties() {
    return nodeSchema.optional().catch(undefined);
  },
  enum: z.array(z.unknown()).optional().catch(undefined),
  [anyField]: z.boolean().optional().catch(undefined),
});

const kindSchema = z.object({ group: z.string(), version: z.string(), kind: z.string() });

const documentSchema = z.object({
  components: z
    .object({
      schemas: z.record(
        z.string(),
        z.intersection(nodeSchema, z.object({ [kindsField]: z.array(kindSchema).catch([]) })),
      ),
    })
    .catch({ schemas: {} }),
});

function isOurs(served: z.infer<typeof kindSchema>): boolean {
  return served.group === group && served.version === version && served.kind === kind;
}

/** Paths, as `kubectl explain` takes them, of what `ours` has and `served` has not. */
function missingFrom(served: Node, ours: Node, path: string): readonly string[] {
  if (served[anyField] === true) return [];
  const words = (ours.enum ?? []).filter((word) => served.enum !== undefined && !served.enum.includes(word));
  const fields = Object.entries(ours.properties ?? {}).flatMap(([name, field]) =>
    within(served.properties?.[name], field, path === '' ? name : `${path}.${name}`),
  );
  return [
    ...words.map((word) => `${path}=${String(word)}`),
    ...fields,
    ...within(served.items, ours.items, `${path}[]`),
    ...within(served.additionalProperties, ours.additionalProperties, `${path}.*`),
  ];
}

function within(served: Node | undefined, ours: Node | undefined, path: string): readonly string[] {
  if (ours === undefined) return [];
  return served === undefined ? [path] : missingFrom(served, ours, path);
}
