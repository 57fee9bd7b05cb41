import { describe, expect, test } from 'vitest';
import { openAPISchema } from './crd.ts';
import { judgeServed } from './served.ts';

interface Schema {
  properties: Record<string, Schema>;
  items?: Schema;
  enum?: unknown[];
  [field: string]: unknown;
}

/** What an API server tells of a CRD with our schema, changed as the test wants. */
function served(change: (schema: Schema) => void = () => undefined, version = 'v1alpha1'): object {
  const schema = structuredClone(openAPISchema()) as Schema;
  change(schema);
  const kinds = [{ group: 'neo4j-backup.dev', kind: 'Neo4jBackup', version }];
  const meta = { $ref: '#/components/schemas/ObjectMeta' };
  schema.properties['metadata'] = { allOf: [meta] } as unknown as Schema;
  return {
    openapi: '3.0.0',
    components: {
      schemas: {
        ObjectMeta: { type: 'object', 'x-kubernetes-group-version-kind': 'odd' },
        'dev.neo4j-backup.Neo4jBackup': { ...schema, 'x-kubernetes-group-version-kind': kinds },
      },
    },
  };
}

function at(schema: Schema, ...path: readonly string[]): Schema {
  return path.reduce((node, name) => {
    const next = name === '[]' ? node.items : node.properties[name];
    if (next === undefined) throw new Error(`there is no ${name}`);
    return next;
  }, schema);
}

test('our own schema is current', () => {
  expect(judgeServed(served())).toEqual({ kind: 'current' });
});

test('a schema that knows more is current', () => {
  const newer = served((schema) => {
    at(schema, 'spec').properties['schedule'] = { type: 'string', properties: {} };
    at(schema, 'status', 'phase').enum?.push('Resting');
  });
  expect(judgeServed(newer)).toEqual({ kind: 'current' });
});

describe('names what an older schema lacks', () => {
  const cases: readonly { missing: string; change: (schema: Schema) => void }[] = [
    { missing: 'status', change: (schema) => delete schema.properties['status'] },
    { missing: 'spec.trigger', change: (schema) => delete at(schema, 'spec').properties['trigger'] },
    {
      missing: 'status.lastRun.storeID',
      change: (schema) => delete at(schema, 'status', 'lastRun').properties['storeID'],
    },
    {
      missing: 'status.history[].reason',
      change: (schema) => delete at(schema, 'status', 'history', '[]').properties['reason'],
    },
    { missing: 'status.history[]', change: (schema) => delete at(schema, 'status', 'history').items },
    { missing: 'status.phase=Running', change: (schema) => drop(at(schema, 'status', 'phase'), 'Running') },
    {
      missing: 'spec.job.nodeSelector.*',
      change: (schema) => delete at(schema, 'spec', 'job', 'nodeSelector')['additionalProperties'],
    },
  ];
  test.each(cases)('$missing', ({ missing, change }) => {
    expect(judgeServed(served(change))).toEqual({ kind: 'older', missing: [missing] });
  });
});

function drop(schema: Schema, word: string): void {
  schema.enum = schema.enum?.filter((other) => other !== word) ?? [];
}

test('a part that keeps whatever it is sent lacks nothing', () => {
  const open = served((schema) => {
    schema.properties['status'] = { 'x-kubernetes-preserve-unknown-fields': true, properties: {} };
  });
  expect(judgeServed(open)).toEqual({ kind: 'current' });
});

test.each([
  { name: 'nothing', document: undefined },
  { name: 'another version', document: served(() => undefined, 'v1') },
  { name: 'something else altogether', document: { kind: 'Status' } },
])('the kind is absent from $name', ({ document }) => {
  expect(judgeServed(document)).toEqual({ kind: 'absent' });
});
