// What the API server makes of an object of our kind: defaults, fields it does not know, refusals. After the schema in the CRD.
import { isDeepStrictEqual } from 'node:util';
import { openAPISchema } from '../../src/api/crd.ts';
import { group, plural } from '../../src/api/names.ts';
import { KubeError } from '../../src/kube/errors.ts';

interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly format?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message: string }[];
}

type Json = Record<string, unknown>;

const ours = `${plural}.${group}`;
const { properties } = openAPISchema() as { readonly properties: Readonly<Record<string, Schema>> };

/** The parts that a schema speaks of; the rest of an object is checked elsewhere. */
const parts = ['spec', 'status'] as const;

/**
 * The object as it is stored, defaults filled in and unknown fields dropped. Objects of other kinds stay as they are.
 *
 * @param before the object that is changed. Absent: it is made
 * @throws {KubeError} `invalid` with a cause for each field that the schema refuses
 */
export function admitted<T extends Json>(type: string, object: T, before?: Json): T {
  if (type !== ours) return object;
  const kept: Json = { ...object };
  for (const part of parts) {
    const schema = properties[part];
    if (schema === undefined) continue;
    const value = pruned(schema, kept[part] ?? schema.default);
    if (value !== undefined) kept[part] = value;
  }
  const causes = problems(kept, before);
  if (causes.length === 0) return kept as T;
  const message = `${ours} is invalid: ${causes.join(', ')}`;
  throw new KubeError('invalid', message, { status: 422, reason: 'Invalid', causes });
}

interface Problem {
  readonly path: string;
  readonly says: string;
}

/** With one of these the server asks no rule at all, and says so. */
const blocking: ReadonlySet<string> = new Set([
  'Required value',
  'Unsupported value',
  'Too long',
  'Too many',
  'Invalid value: of another type',
  'Invalid value: no date-time',
]);

const unasked = '<nil>: Invalid value: some validation rules were not checked because the object was invalid';

function problems(object: Json, before: Json | undefined): readonly string[] {
  const whole: Schema = { type: 'object', required: ['spec'], properties: onlyParts() };
  const shape = [...shapeProblems(whole, object, '')];
  const isBlocked = shape.some(({ says }) => blocking.has(says));
  const broken = isBlocked ? [] : [...ruleProblems(whole, object, before, '')];
  const causes = [...shape, ...broken].map(({ path, says }) => `${path}: ${says}`);
  return isBlocked ? [...causes, unasked] : causes;
}

function onlyParts(): Record<string, Schema> {
  return Object.fromEntries(parts.flatMap((part) => (properties[part] ? [[part, properties[part]]] : [])));
}

function pruned(schema: Schema, value: unknown): unknown {
  if (Array.isArray(value))
    return schema.items ? value.map((item) => pruned(schema.items ?? {}, item)) : value;
  if (!isObject(value)) return value;
  const { properties: known = {}, additionalProperties } = schema;
  const kept = Object.entries(value).flatMap(([name, inner]) => {
    const innerSchema = known[name] ?? additionalProperties;
    return innerSchema === undefined ? [] : [[name, pruned(innerSchema, inner)]];
  });
  return Object.fromEntries(kept);
}

function* shapeProblems(schema: Schema, value: unknown, path: string): Generator<Problem> {
  if (!hasType(schema, value)) {
    yield { path, says: 'Invalid value: of another type' };
    return;
  }
  for (const [says, isBroken] of bounds) if (isBroken(schema, value)) yield { path, says };
  if (Array.isArray(value)) yield* itemProblems(schema, value, path);
  if (isObject(value)) yield* fieldProblems(schema, value, path);
}

function hasType(schema: Schema, value: unknown): boolean {
  if (schema['x-kubernetes-int-or-string'] === true)
    return typeof value === 'string' || Number.isInteger(value);
  if (schema.type === 'object') return isObject(value);
  if (schema.type === 'array') return Array.isArray(value);
  return schema.type === 'integer' ? Number.isInteger(value) : typeof value === schema.type;
}

type Bound = readonly [says: string, isBroken: (schema: Schema, value: unknown) => boolean];

const bounds: readonly Bound[] = [
  ['Unsupported value', ({ enum: among }, value) => among !== undefined && !among.includes(value)],
  ['Invalid value: too small', ({ minimum }, value) => Number(value) < (minimum ?? -Infinity)],
  ['Invalid value: too large', ({ maximum }, value) => Number(value) > (maximum ?? Infinity)],
  ['Invalid value: too short', ({ minLength = 0 }, value) => sizeOf(value, 'string') < minLength],
  ['Too long', ({ maxLength = Infinity }, value) => sizeOf(value, 'string') > maxLength],
  ['Too many', ({ maxItems = Infinity }, value) => Array.isArray(value) && value.length > maxItems],
  ['Too many', ({ maxProperties = Infinity }, value) => sizeOf(value, 'object') > maxProperties],
  [
    'Invalid value: does not match its pattern',
    ({ pattern = '' }, value) => typeof value === 'string' && !new RegExp(pattern, 'u').test(value),
  ],
  [
    'Invalid value: no date-time',
    ({ format }, value) => format === 'date-time' && Number.isNaN(Date.parse(String(value))),
  ],
];

/** Characters of a text, fields of an object. Of anything else: within all bounds. */
function sizeOf(value: unknown, type: 'string' | 'object'): number {
  if (type === 'string') return typeof value === 'string' ? Array.from(value).length : NaN;
  return isObject(value) ? Object.keys(value).length : NaN;
}

function* itemProblems(schema: Schema, items: readonly unknown[], path: string): Generator<Problem> {
  const keys = schema['x-kubernetes-list-map-keys'];
  const seen = new Set<string>();
  for (const [i, item] of items.entries()) {
    yield* shapeProblems(schema.items ?? {}, item, `${path}[${i}]`);
    if (keys === undefined || !isObject(item)) continue;
    const id = JSON.stringify(keys.map((key) => item[key]));
    if (seen.has(id)) yield { path: `${path}[${i}]`, says: 'Duplicate value' };
    seen.add(id);
  }
}

function* fieldProblems(schema: Schema, value: Json, path: string): Generator<Problem> {
  for (const name of schema.required ?? [])
    if (!(name in value)) yield { path: below(path, name), says: 'Required value' };
  for (const [name, inner] of Object.entries(value)) {
    const innerSchema = schema.properties?.[name] ?? schema.additionalProperties;
    if (innerSchema !== undefined) yield* shapeProblems(innerSchema, inner, below(path, name));
  }
}

/** In words of our own: the fake cannot read the rules. One that is new must be entered here. */
const rules: Readonly<Record<string, (self: unknown, oldSelf: unknown) => boolean>> = {
  '!(has(self.databases) && has(self.allDatabases))': (self) =>
    !(isObject(self) && 'databases' in self && 'allDatabases' in self),
  'has(self.serviceRef) != has(self.host)': (self) =>
    isObject(self) && 'serviceRef' in self !== 'host' in self,
  '[has(self.keepLast), has(self.keepHourly), has(self.keepDaily), has(self.keepWeekly), has(self.keepMonthly), has(self.keepYearly), has(self.keepWithin)].exists(is, is)':
    (self) => isObject(self) && Object.keys(self).some((name) => name.startsWith('keep')),
  'self == oldSelf': (self, oldSelf) => oldSelf === undefined || isDeepStrictEqual(self, oldSelf),
};

function* ruleProblems(schema: Schema, value: unknown, before: unknown, path: string): Generator<Problem> {
  for (const { rule, message } of schema['x-kubernetes-validations'] ?? []) {
    const isKept = rules[rule];
    if (isKept === undefined) throw new Error(`the fake does not know the rule ${rule}`);
    if (!isKept(value, before)) yield { path, says: `Invalid value: ${message}` };
  }
  if (!isObject(value)) return;
  for (const [name, inner] of Object.entries(value)) {
    const innerSchema = schema.properties?.[name];
    const innerBefore = isObject(before) ? before[name] : undefined;
    if (innerSchema !== undefined) yield* ruleProblems(innerSchema, inner, innerBefore, below(path, name));
  }
}

function below(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
