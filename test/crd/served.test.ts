// Whether a real API server tells of its schema as we read it.
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { customResourceDefinition } from '../../src/api/crd.ts';
import { group } from '../../src/api/names.ts';
import { judgeServed, servedSchemaPath } from '../../src/api/served.ts';
import { kubeClient, type HttpKubeClient } from '../../src/kube/http.ts';
import { loadKubeConfig } from '../../src/kube/kube-config.ts';
import { must } from '../../tools/run.ts';

interface Schema {
  readonly properties: Record<string, Schema>;
  readonly items: Schema;
  readonly [field: string]: unknown;
}

interface Definition {
  readonly metadata: object;
  readonly spec: {
    readonly names: object;
    readonly versions: [{ readonly schema: { readonly openAPIV3Schema: Schema } }];
  };
}

let client: HttpKubeClient;

beforeAll(() => {
  client = kubeClient({ kubeConfig: loadKubeConfig(inject('kubeconfig')), userAgent: 'served' });
});

afterAll(async () => {
  await client.close();
});

function kubectl(args: readonly string[], input?: string): Promise<string> {
  const command = [inject('kubectl'), '--kubeconfig', inject('kubeconfig'), ...args];
  return must(command, input === undefined ? {} : { input });
}

/** Nothing that kubectl could take for the true kind when another file of this suite asks for that by its short names. */
const otherNames = { plural: 'servedbackups', singular: 'servedbackup', shortNames: [], categories: [] };

/** Our CRD, changed, in a group of its own: the other files of this suite need the true one meanwhile. */
async function install(otherGroup: string, change: (schema: Schema) => void): Promise<void> {
  const definition = structuredClone(customResourceDefinition()) as Definition;
  change(definition.spec.versions[0].schema.openAPIV3Schema);
  Object.assign(definition.spec.names, otherNames);
  Object.assign(definition.metadata, { name: `${otherNames.plural}.${group}` });
  const moved = JSON.stringify(definition).replaceAll(group, otherGroup);
  await kubectl(['apply', '--server-side', '-f', '-'], moved);
}

async function judge(otherGroup: string): Promise<ReturnType<typeof judgeServed>> {
  const document = await client.getDocument(servedSchemaPath.replace(group, otherGroup));
  if (document === undefined) return judgeServed(undefined);
  return judgeServed(JSON.parse(JSON.stringify(document).replaceAll(otherGroup, group)));
}

function at(schema: Schema, ...path: readonly string[]): Schema {
  return path.reduce((node, name) => {
    const next = name === '[]' ? node.items : node.properties[name];
    if (next === undefined) throw new Error(`there is no ${name}`);
    return next;
  }, schema);
}

const cases: readonly {
  readonly name: string;
  readonly change: (schema: Schema) => void;
  readonly judged: ReturnType<typeof judgeServed>;
}[] = [
  { name: 'equal', change: () => undefined, judged: { kind: 'current' } },
  {
    name: 'newer',
    change: (schema) => {
      at(schema, 'spec').properties['schedule'] = { type: 'string' } as unknown as Schema;
    },
    judged: { kind: 'current' },
  },
  {
    name: 'older',
    change: (schema) => {
      delete at(schema, 'spec').properties['trigger'];
      delete at(schema, 'status', 'history', '[]').properties['sizeBytes'];
    },
    judged: { kind: 'older', missing: ['spec.trigger', 'status.history[].sizeBytes'] },
  },
];

describe('a CRD that is', () => {
  test.each(cases)('$name', async ({ name, change, judged }) => {
    const otherGroup = `${name}.served.test`;
    expect(await judge(otherGroup)).toEqual({ kind: 'absent' });
    await install(otherGroup, change);
    await expect.poll(() => judge(otherGroup), { timeout: 30_000 }).toEqual(judged);
  });

  test('upgraded and rolled back', async () => {
    const otherGroup = 'changing.served.test';
    const drop = (schema: Schema): void => {
      delete schema.properties['status'];
    };
    const judged = (): ReturnType<typeof judge> => judge(otherGroup);
    await install(otherGroup, drop);
    await expect.poll(judged, { timeout: 30_000 }).toEqual({ kind: 'older', missing: ['status'] });
    await install(otherGroup, () => undefined);
    await expect.poll(judged, { timeout: 30_000 }).toEqual({ kind: 'current' });
    await kubectl(['delete', 'crd', `${otherNames.plural}.${otherGroup}`]);
    await expect.poll(judged, { timeout: 30_000 }).toEqual({ kind: 'absent' });
  });
});

test('any service account may read it', async () => {
  await install('readable.served.test', () => undefined);
  const path = servedSchemaPath.replace(group, 'readable.served.test');
  const nobody = ['--as=system:serviceaccount:default:nobody', '--as-group=system:authenticated'];
  await expect
    .poll(() => kubectl(['get', '--raw', path, ...nobody]).catch(String), { timeout: 30_000 })
    .toContain('Neo4jBackup');
});
