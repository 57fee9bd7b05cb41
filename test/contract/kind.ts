// What the API server makes of our kind: schema, defaults, subresource. The suite, for the fake and for the real one.
import * as z from 'zod';
import { describe, expect, test } from 'vitest';
import { backups } from '../../src/backup/resources.ts';
import { KubeError } from '../../src/kube/errors.ts';
import { keyOf, kubeObjectSchema, type KubeObject, type Resource } from '../../src/kube/resource.ts';
import { aRun, aSpec } from '../support/builders.ts';
import { refusalOf, type ContractWorld } from './kube-client.ts';

interface Whole extends KubeObject {
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>> | undefined;
}

/** As it is stored, without the defaults that we fill in when we read. */
const whole: Resource<Whole> = {
  ...backups,
  schema: kubeObjectSchema.extend({
    spec: z.record(z.string(), z.unknown()),
    status: z.record(z.string(), z.unknown()).optional(),
  }),
};

/** In the place of a field: that the rules were not asked, because the shape is wrong. */
const unasked = '<nil>';

type MakeWorld = () => Promise<ContractWorld>;

export function kindContract(name: string, makeWorld: MakeWorld): void {
  describe(`Neo4jBackup contract: ${name}`, () => {
    describe('create', () => {
      createContract(makeWorld);
    });
    describe('replace', () => {
      replaceContract(makeWorld);
    });
    describe('replaceStatus', () => {
      statusContract(makeWorld);
    });
  });
}

function createContract(makeWorld: MakeWorld): void {
  test('keeps the spec as it was sent, and says that nobody has looked at it', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(whole, namespace, aBackup());
    expect(made.spec).toEqual(aSpec());
    expect(made.status).toEqual({ observedGeneration: -1 });
    expect(made.metadata.generation).toBe(1);
    expect(await client.get(whole, keyOf(made))).toEqual(made);
  });

  test('drops the status', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(whole, namespace, { ...aBackup(), status: { phase: 'Running' } });
    expect(made.status).toEqual({ observedGeneration: -1 });
  });

  test('drops fields that the schema does not know', async () => {
    const { client, namespace } = await makeWorld();
    const source = { serviceRef: { name: 'orders-neo4j', namespace: 'elsewhere' } };
    const made = await client.create(whole, namespace, aBackup({ source, surprise: { deep: 1 } }));
    expect(made.spec).toEqual(aSpec());
  });

  const refused: readonly { name: string; spec: Readonly<Record<string, unknown>>; fields: string[] }[] = [
    { name: 'a field that is missing', spec: { neo4j: {} }, fields: [unasked, 'spec.neo4j.version'] },
    {
      name: 'text for a number',
      spec: { source: { host: 'a', port: 'b' } },
      fields: [unasked, 'spec.source.port'],
    },
    {
      name: 'a number out of bounds',
      spec: { source: { host: 'a', port: 70_000 } },
      fields: ['spec.source.port'],
    },
    {
      name: 'a word of none',
      spec: { consistencyCheck: 'Sometimes' },
      fields: [unasked, 'spec.consistencyCheck'],
    },
    {
      name: 'a text of another form',
      spec: { trigger: { id: '-' } },
      fields: ['spec.trigger.id'],
    },
    {
      name: 'a text that is too long',
      spec: { trigger: { id: 'a'.repeat(64) } },
      fields: [unasked, 'spec.trigger.id'],
    },
    {
      name: 'two at once',
      spec: { consistencyCheck: 1, trigger: {} },
      fields: [unasked, 'spec.consistencyCheck', 'spec.trigger.id'],
    },
    { name: 'what a rule forbids', spec: { source: { port: 6362 } }, fields: ['spec.source'] },
    {
      name: 'a key that comes twice',
      spec: { job: { imagePullSecrets: [{ name: 'a' }, { name: 'a' }] } },
      fields: ['spec.job.imagePullSecrets[1]'],
    },
    {
      name: 'a list that is too long',
      spec: { job: { tolerations: Array.from({ length: 17 }, () => ({})) } },
      fields: [unasked, 'spec.job.tolerations'],
    },
  ];
  test.for(refused)('refuses $name as invalid, and says where', async ({ spec, fields }) => {
    const { client, namespace } = await makeWorld();
    const error = await refusalOf(client.create(whole, namespace, aBackup(spec)));
    expect(error).toMatchObject({ kind: 'invalid', status: 422, reason: 'Invalid' });
    expect(fieldsOf(error)).toEqual(fields);
    expect((await client.list(whole, { namespace })).items).toEqual([]);
  });

  test('refuses an object without a spec as invalid', async () => {
    const { client, namespace } = await makeWorld();
    const error = await refusalOf(client.create(whole, namespace, { metadata: { name: 'orders' } }));
    expect(fieldsOf(error)).toEqual([unasked, 'spec']);
  });
}

function replaceContract(makeWorld: MakeWorld): void {
  test('counts a change of the spec, and no other', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(whole, namespace, aBackup());
    const labelled = await client.replace(whole, keyOf(made), {
      ...made,
      metadata: { ...made.metadata, labels: { color: 'red' } },
    });
    expect(labelled.metadata.generation).toBe(1);
    const spec = { ...made.spec, trigger: { id: 'a' } };
    const changed = await client.replace(whole, keyOf(made), { ...labelled, spec });
    expect(changed.metadata.generation).toBe(2);
    const status = { observedGeneration: 2, phase: 'Running' };
    const told = await client.replaceStatus(whole, keyOf(made), { ...changed, status });
    expect(told.metadata.generation).toBe(2);
    const field = await client.replace(whole, keyOf(made), { ...told, spec: { ...spec, surprise: 1 } });
    expect(field.metadata).toMatchObject({ generation: 2, resourceVersion: told.metadata.resourceVersion });
    expect(field.status).toEqual(status);
  });

  test('refuses another destination as invalid', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(whole, namespace, aBackup());
    const destination = { persistentVolumeClaim: { claimName: 'others' } };
    const error = await refusalOf(
      client.replace(whole, keyOf(made), { ...made, spec: { ...made.spec, destination } }),
    );
    expect(error).toMatchObject({ kind: 'invalid', status: 422 });
    expect(error.causes.join()).toContain('the destination is immutable');
    expect(await client.get(whole, keyOf(made))).toEqual(made);
  });
}

function statusContract(makeWorld: MakeWorld): void {
  test('keeps what the schema knows, and leaves labels and spec alone', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(whole, namespace, aBackup());
    const lastRun = aRun();
    const told = await client.replaceStatus(whole, keyOf(made), {
      ...made,
      metadata: { ...made.metadata, labels: { color: 'red' } },
      spec: { ...made.spec, trigger: { id: 'a' } },
      status: { observedGeneration: 1, lastRun: { ...lastRun, surprise: 1 }, surprise: 1 },
    });
    expect(told.status).toEqual({ observedGeneration: 1, lastRun });
    expect(told.spec).toEqual(made.spec);
    expect(told.metadata.labels).toBeUndefined();
  });

  test.for([
    { name: 'a word of none', status: { phase: 'Sleeping' }, fields: [unasked, 'status.phase'] },
    {
      name: 'a time that is none',
      status: { lastSuccessfulTime: 'now' },
      fields: [unasked, 'status.lastSuccessfulTime'],
    },
    {
      name: 'too much of the past',
      status: { history: Array.from({ length: 21 }, () => aRun()) },
      fields: [unasked, 'status.history'],
    },
    {
      name: 'a condition that comes twice',
      status: { conditions: [aCondition(), aCondition()] },
      fields: ['status.conditions[1]'],
    },
  ])('refuses $name as invalid, and keeps the status', async ({ status, fields }) => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(whole, namespace, aBackup());
    const error = await refusalOf(client.replaceStatus(whole, keyOf(made), { ...made, status }));
    expect(error).toMatchObject({ kind: 'invalid', status: 422 });
    expect(fieldsOf(error)).toEqual(fields);
    expect(await client.get(whole, keyOf(made))).toEqual(made);
  });

  test('is what it was at the beginning when it is taken away', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(whole, namespace, aBackup());
    const told = await client.replaceStatus(whole, keyOf(made), {
      ...made,
      status: { observedGeneration: 1 },
    });
    const { status: _status, ...rest } = told;
    const emptied = await client.replaceStatus(whole, keyOf(made), rest);
    expect(emptied.status).toEqual({ observedGeneration: -1 });
  });
}

function aBackup(spec: Readonly<Record<string, unknown>> = {}): object {
  return { metadata: { name: 'orders' }, spec: aSpec(spec) };
}

function aCondition(): object {
  const lastTransitionTime = '2026-01-01T00:00:00Z';
  return { type: 'Ready', status: 'True', reason: 'Settled', message: '', lastTransitionTime };
}

/** What the server points at, each once, in the order of the alphabet: its own order is its own affair. */
function fieldsOf(error: KubeError): readonly string[] {
  return [...new Set(error.causes.map((cause) => cause.split(':')[0] ?? ''))].toSorted();
}
