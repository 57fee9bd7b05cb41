// zod schema -> structural OpenAPI schema, as a CustomResourceDefinition wants it.
import * as z from 'zod';

type Json = Readonly<Record<string, unknown>>;

/** Keywords that apiextensions/v1 accepts in a structural schema. Anything else would be rejected, or silently dropped. */
const allowed = new Set(
  (
    'type format description enum minimum maximum multipleOf minLength maxLength pattern minItems maxItems ' +
    'minProperties maxProperties required properties items additionalProperties nullable x-kubernetes-validations ' +
    'x-kubernetes-int-or-string x-kubernetes-preserve-unknown-fields x-kubernetes-list-type ' +
    'x-kubernetes-list-map-keys x-kubernetes-map-type'
  ).split(' '),
);

/** Rules in the Common Expression Language, for `.meta()`. A message says what must be, not what is wrong. */
export function cel(...rules: readonly { readonly rule: string; readonly message: string }[]): Json {
  return { 'x-kubernetes-validations': rules };
}

/**
 * The schema that the API server enforces.
 * @throws Error where the zod schema says something that a structural schema cannot, or leaves a string, list or map
 *   unbounded: an unbounded field lets one object fill the cluster's store, and makes every CEL rule too expensive.
 */
export function structural(schema: z.ZodType): Json {
  const json = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    reused: 'inline',
    cycles: 'throw',
    unrepresentable: 'throw',
  });
  return convert(json, '$');
}

function convert(schema: Json, path: string): Json {
  const out: Record<string, unknown> = { ...schema };
  for (const key of ['$schema', '~standard', 'id', 'propertyNames']) delete out[key]; // map keys: by CEL where it matters
  if (out['x-kubernetes-int-or-string'] === true) for (const key of ['anyOf', 'type']) delete out[key];
  if (out['additionalProperties'] === false) delete out['additionalProperties']; // the server prunes by itself
  if (out['type'] === 'integer') plainInteger(out);
  if (out['format'] === 'date-time') delete out['pattern'];
  tellDefault(out);
  const unknown = Object.keys(out).find((key) => !allowed.has(key));
  if (unknown !== undefined) throw new Error(`not structural at ${path}: keyword ${unknown}`);
  demandBounds(out, path);
  convertInner(out, path);
  return out;
}

function convertInner(out: Record<string, unknown>, path: string): void {
  const { properties } = out;
  if (isJson(properties))
    out['properties'] = Object.fromEntries(
      Object.entries(properties).map(([name, inner]) => [name, convert(inner as Json, `${path}.${name}`)]),
    );
  for (const key of ['items', 'additionalProperties']) {
    const inner = out[key];
    if (isJson(inner)) out[key] = convert(inner, `${path}.${key}`);
  }
}

/**
 * A default is ours to apply when we read, and is told in the description. Written into the schema, the API server would
 * store it in every object: a drift from what lies in git, and a value that a newer version could never change.
 */
function tellDefault(out: Record<string, unknown>): void {
  const value = out['default'];
  delete out['default'];
  if (!['string', 'number', 'boolean'].includes(typeof value)) return;
  out['description'] =
    `${typeof out['description'] === 'string' ? `${out['description']} ` : ''}Default: ${String(value)}.`;
}

/** JavaScript's safe-integer bounds say nothing to a user; the type of the wire does. */
function plainInteger(out: Record<string, unknown>): void {
  if (out['minimum'] === Number.MIN_SAFE_INTEGER) delete out['minimum'];
  if (out['maximum'] === Number.MAX_SAFE_INTEGER) delete out['maximum'];
  out['format'] ??= 'int64';
}

function demandBounds(out: Json, path: string): void {
  const intOrString = out['x-kubernetes-int-or-string'] === true;
  const type = intOrString ? 'string' : String(out['type']);
  const bound = { string: 'maxLength', array: 'maxItems' }[type];
  const bounded = out['enum'] !== undefined || out['format'] === 'date-time';
  if (bound !== undefined && !bounded && out[bound] === undefined)
    throw new Error(`unbounded at ${path}: no ${bound}`);
  if (out['additionalProperties'] !== undefined && out['maxProperties'] === undefined)
    throw new Error(`unbounded at ${path}: no maxProperties`);
  if (out['type'] === undefined && !intOrString) throw new Error(`not structural at ${path}: no type`);
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
