import * as z from 'zod';
import { describe, expect, test } from 'vitest';
import type { KubeClient, WatchEvent } from '../../src/kube/client.ts';
import { KubeError } from '../../src/kube/errors.ts';
import { kubeObjectSchema, keyOf, type KubeObject, type Resource } from '../../src/kube/resource.ts';

/** What the suite runs on. */
export interface ContractWorld {
  readonly client: KubeClient;
  /** Exists, is empty, and belongs to this one test. */
  readonly namespace: string;
}

export interface ForgettingWorld extends ContractWorld {
  /** Forgets, and gives a resourceVersion of ConfigMaps that it no longer has the history of. */
  readonly expiredVersion: () => string;
}

const configMapSchema = kubeObjectSchema.extend({ data: z.record(z.string(), z.string()).optional() });

export const configMaps: Resource<z.infer<typeof configMapSchema>> = {
  group: '',
  version: 'v1',
  plural: 'configmaps',
  kind: 'ConfigMap',
  schema: configMapSchema,
};

const jobSchema = kubeObjectSchema.extend({
  spec: z.object({ backoffLimit: z.number().optional() }),
  status: z.object({ active: z.number().optional() }).optional(),
});

export const jobs: Resource<z.infer<typeof jobSchema>> = {
  group: 'batch',
  version: 'v1',
  plural: 'jobs',
  kind: 'Job',
  schema: jobSchema,
};

/** With all of the spec, so that it can be sent back. */
const wholeJobs = {
  ...jobs,
  schema: kubeObjectSchema.extend({ spec: z.looseObject({}) }),
};

/** Kubernetes 1.32 says of an object that is gone that it has another uid. */
const goneKinds = ['notFound', 'conflict'];

const otherUid = '11111111-2222-4333-8444-555555555555';

/**
 * What every KubeClient has to do, with the server behind it. It runs against the fake, against the fake behind HTTP,
 * and against a real API server, so that nothing is tested on a fake that is kinder than the truth.
 */
export function kubeClientContract(name: string, makeWorld: () => Promise<ContractWorld>): void {
  describe(`KubeClient contract: ${name}`, () => {
    describe('create', () => {
      createContract(makeWorld);
    });
    describe('get and list', () => {
      readContract(makeWorld);
    });
    describe('replaceStatus', () => {
      statusContract(makeWorld);
    });
    describe('replace', () => {
      replaceContract(makeWorld);
    });
    describe('delete', () => {
      deleteContract(makeWorld);
    });
    describe('watch', () => {
      watchContract(makeWorld);
    });
  });
}

type MakeWorld = () => Promise<ContractWorld>;

/** For servers that can be made to forget: a real one does so by itself, minutes later, or when it is started anew. */
export function expiryContract(name: string, makeWorld: () => Promise<ForgettingWorld>): void {
  test(`KubeClient contract: ${name}: a watch rejects as expired when its history is gone`, async () => {
    const { client, namespace, expiredVersion } = await makeWorld();
    const resourceVersion = expiredVersion();
    const watched = collect(client, configMaps, { namespace, resourceVersion, count: 1 });
    expect(await refusalOf(watched)).toMatchObject({ kind: 'expired' });
  });
}

function createContract(makeWorld: MakeWorld): void {
  test('gives the object an identity, and keeps what was sent', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(configMaps, namespace, aConfigMap('one', { color: 'red' }));
    expect(made).toMatchObject({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'one', namespace, labels: { color: 'red' } },
      data: { key: 'value' },
    });
    expect(made.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(made.metadata.resourceVersion).not.toBe('');
    expect(made.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  });

  test('refuses a name that is taken as alreadyExists and leaves the first object alone', async () => {
    const { client, namespace } = await makeWorld();
    const first = await client.create(configMaps, namespace, aConfigMap('one'));
    expect(
      await refusalOf(client.create(configMaps, namespace, { ...aConfigMap('one'), data: {} })),
    ).toMatchObject({ kind: 'alreadyExists' });
    expect(await client.get(configMaps, keyOf(first))).toEqual(first);
  });

  const refused: readonly { name: string; object: object }[] = [
    { name: 'a name in capitals', object: { metadata: { name: 'One' } } },
    { name: 'no name', object: { metadata: {} } },
    {
      name: 'a label of 64 characters',
      object: { metadata: { name: 'one', labels: { long: 'x'.repeat(64) } } },
    },
    { name: 'another namespace', object: { metadata: { name: 'one', namespace: 'elsewhere' } } },
    { name: 'another kind', object: { metadata: { name: 'one' }, kind: 'Secret' } },
    {
      name: 'an owner without uid',
      object: { metadata: { name: 'one', ownerReferences: [anOwner({ uid: '' })] } },
    },
  ];
  test.for(refused)('refuses $name as invalid', async ({ object }) => {
    const { client, namespace } = await makeWorld();
    expect(await refusalOf(client.create(configMaps, namespace, object))).toMatchObject({ kind: 'invalid' });
  });

  test('drops a status, and starts the generation at 1', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(jobs, namespace, { ...aJob('one'), status: { active: 3 } });
    expect(made.status?.active).toBeUndefined();
    expect(made.metadata.generation).toBe(1);
  });
}

function readContract(makeWorld: MakeWorld): void {
  test('get answers undefined for what is not there', async () => {
    const { client, namespace } = await makeWorld();
    expect(await client.get(configMaps, { namespace, name: 'nothing' })).toBeUndefined();
  });

  test('get rejects an object that the schema refuses as unreadable', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(configMaps, namespace, aConfigMap('one'));
    const error = await refusalOf(client.get(strictConfigMaps, keyOf(made)));
    expect(error.kind).toBe('unreadable');
    expect(error.message).toContain(`${namespace}/one`);
  });

  test('list leaves out objects that the schema refuses', async () => {
    const { client, namespace } = await makeWorld();
    await client.create(configMaps, namespace, aConfigMap('bad'));
    await client.create(configMaps, namespace, { ...aConfigMap('good'), data: { key: 'value', must: 'be' } });
    expect(await namesOf(client, strictConfigMaps, { namespace })).toEqual(['good']);
  });

  test('list fills in apiVersion and kind, which items do not carry', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(configMaps, namespace, aConfigMap('one'));
    const { items } = await client.list(configMaps, { namespace });
    expect(items.filter((item) => item.metadata.name === 'one')).toEqual([made]);
  });

  test('list stays within the namespace, and sees all of them without one', async () => {
    const { client, namespace } = await makeWorld();
    await client.create(configMaps, namespace, aConfigMap('one', { contract: namespace }));
    expect(await namesOf(client, configMaps, { namespace: `${namespace}-none` })).toEqual([]);
    expect(await namesOf(client, configMaps, { labelSelector: `contract=${namespace}` })).toEqual(['one']);
  });

  const selectors: readonly { selector: string; names: string[] }[] = [
    { selector: 'color=red', names: ['red'] },
    { selector: 'color!=red', names: ['blue', 'plain'] },
    { selector: 'color in (red, blue)', names: ['blue', 'red'] },
    { selector: 'color notin (red),color', names: ['blue'] },
    { selector: 'color', names: ['blue', 'red'] },
    { selector: '!color', names: ['plain'] },
  ];
  test.for(selectors)('list selects by $selector', async ({ selector, names }) => {
    const { client, namespace } = await makeWorld();
    await client.create(configMaps, namespace, aConfigMap('red', { color: 'red', suite: 'x' }));
    await client.create(configMaps, namespace, aConfigMap('blue', { color: 'blue', suite: 'x' }));
    await client.create(configMaps, namespace, aConfigMap('plain', { suite: 'x' }));
    expect(await namesOf(client, configMaps, { namespace, labelSelector: `${selector},suite=x` })).toEqual(
      names,
    );
  });

  test.for([
    { selector: 'metadata.name=red', names: ['red'] },
    { selector: 'metadata.name!=red', names: ['blue'] },
    { selector: 'metadata.name=none', names: [] },
  ])('list selects by the fields of $selector', async ({ selector, names }) => {
    const { client, namespace } = await makeWorld();
    for (const name of ['red', 'blue']) await client.create(configMaps, namespace, aConfigMap(name, {}));
    expect(await namesOf(client, configMaps, { namespace, fieldSelector: selector })).toEqual(names);
  });

  test('list returns no more than the limit', async () => {
    const { client, namespace } = await makeWorld();
    for (const name of ['a', 'b', 'c'])
      await client.create(configMaps, namespace, aConfigMap(name, { suite: 'x' }));
    expect(await namesOf(client, configMaps, { namespace, labelSelector: 'suite=x', limit: 2 })).toEqual([
      'a',
      'b',
    ]);
  });
}

function statusContract(makeWorld: MakeWorld): void {
  test('changes the status, and neither spec nor generation', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(jobs, namespace, aJob('one'));
    const sent = {
      ...aJob('one'),
      metadata: made.metadata,
      status: { active: 1, startTime: '2026-01-01T00:00:00Z' },
    };
    const changed = await client.replaceStatus(jobs, keyOf(made), {
      ...sent,
      spec: { ...sent.spec, backoffLimit: 5 },
    });
    expect(changed.status?.active).toBe(1);
    expect(changed.spec).toEqual(made.spec);
    expect(changed.metadata.generation).toBe(made.metadata.generation);
    expect(changed.metadata.resourceVersion).not.toBe(made.metadata.resourceVersion);
    expect(await client.get(jobs, keyOf(made))).toEqual(changed);
  });

  test('refuses a stale resourceVersion as conflict', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(jobs, namespace, aJob('one'));
    const status = { active: 1, startTime: '2026-01-01T00:00:00Z' };
    const sent = { ...aJob('one'), metadata: made.metadata, status };
    await client.replaceStatus(jobs, keyOf(made), sent);
    expect(
      await refusalOf(client.replaceStatus(jobs, keyOf(made), { ...sent, status: { active: 2 } })),
    ).toMatchObject({ kind: 'conflict' });
  });

  test('refuses the status of another object of that name as conflict', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(jobs, namespace, aJob('one'));
    const sent = { ...aJob('one'), metadata: { ...made.metadata, uid: otherUid }, status: { active: 1 } };
    expect(await refusalOf(client.replaceStatus(jobs, keyOf(made), sent))).toMatchObject({
      kind: 'conflict',
    });
  });

  test('makes no new version when nothing changes', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(jobs, namespace, aJob('one'));
    const status = { active: 1, startTime: '2026-01-01T00:00:00Z' };
    const first = await client.replaceStatus(jobs, keyOf(made), {
      ...aJob('one'),
      metadata: made.metadata,
      status,
    });
    const again = await client.replaceStatus(jobs, keyOf(made), {
      ...aJob('one'),
      metadata: first.metadata,
      status,
    });
    expect(again.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
  });

  test('refuses an object without resourceVersion as invalid', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(jobs, namespace, aJob('one'));
    expect(
      await refusalOf(client.replaceStatus(jobs, keyOf(made), { ...aJob('one'), status: { active: 1 } })),
    ).toMatchObject({ kind: 'invalid' });
  });

  test('rejects when the object is gone', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(jobs, namespace, aJob('one'));
    await client.delete(jobs, keyOf(made), { uid: made.metadata.uid, propagationPolicy: 'Background' });
    const gone = client.replaceStatus(jobs, keyOf(made), { ...aJob('one'), metadata: made.metadata });
    expect(goneKinds).toContain((await refusalOf(gone)).kind);
  });
}

function replaceContract(makeWorld: MakeWorld): void {
  test('changes what was sent, and leaves nothing of what was not', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(configMaps, namespace, aConfigMap('one', { color: 'red' }));
    const { labels: _labels, ...metadata } = made.metadata;
    const changed = await client.replace(configMaps, keyOf(made), { metadata, data: { other: 'text' } });
    expect(changed).toMatchObject({ data: { other: 'text' }, metadata: { uid: made.metadata.uid } });
    expect(changed.data).not.toHaveProperty('key');
    expect(changed.metadata.labels).toBeUndefined();
    expect(changed.metadata.resourceVersion).not.toBe(made.metadata.resourceVersion);
    expect(await client.get(configMaps, keyOf(made))).toEqual(changed);
  });

  test('leaves the status alone', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(jobs, namespace, aJob('one'));
    const status = { active: 1, startTime: '2026-01-01T00:00:00Z' };
    const sent = { ...aJob('one'), metadata: made.metadata, status };
    const { spec, metadata } = await client.replaceStatus(wholeJobs, keyOf(made), sent);
    const labels = { ...metadata.labels, color: 'red' };
    const edited = { spec, metadata: { ...metadata, labels }, status: {} };
    const changed = await client.replace(jobs, keyOf(made), edited);
    expect(changed.status?.active).toBe(1);
    expect(changed.metadata.labels).toMatchObject({ color: 'red' });
  });

  test('refuses a stale resourceVersion as conflict, so that of two only one wins', async () => {
    const { client, namespace } = await makeWorld();
    const { metadata, ...made } = await client.create(configMaps, namespace, aConfigMap('one'));
    const wishes = ['a', 'b'].map((key) =>
      client.replace(configMaps, { namespace, name: 'one' }, { ...made, metadata, data: { [key]: key } }),
    );
    const ended = await Promise.allSettled(wishes);
    expect(ended.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(await refusalOf(Promise.all(wishes))).toMatchObject({ kind: 'conflict' });
  });

  test('refuses another object of that name as conflict', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(configMaps, namespace, aConfigMap('one'));
    const sent = { metadata: { ...made.metadata, uid: otherUid }, data: {} };
    expect(await refusalOf(client.replace(configMaps, keyOf(made), sent))).toMatchObject({
      kind: 'conflict',
    });
  });

  test('refuses an object without resourceVersion as invalid', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(configMaps, namespace, aConfigMap('one'));
    const replaced = client.replace(configMaps, keyOf(made), aConfigMap('one'));
    expect(await refusalOf(replaced)).toMatchObject({ kind: 'invalid' });
  });

  test('rejects when the object is gone', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(configMaps, namespace, aConfigMap('one'));
    await client.delete(configMaps, keyOf(made), { uid: made.metadata.uid });
    expect(goneKinds).toContain((await refusalOf(client.replace(configMaps, keyOf(made), made))).kind);
  });
}

function deleteContract(makeWorld: MakeWorld): void {
  test('deletes the object of that uid', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(configMaps, namespace, aConfigMap('one'));
    await client.delete(configMaps, keyOf(made), { uid: made.metadata.uid });
    expect(await client.get(configMaps, keyOf(made))).toBeUndefined();
  });

  test('is content when the object is gone already', async () => {
    const { client, namespace } = await makeWorld();
    await expect(
      client.delete(configMaps, { namespace, name: 'gone' }, { uid: otherUid }),
    ).resolves.toBeUndefined();
  });

  test('refuses another uid as conflict and leaves the object', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(configMaps, namespace, aConfigMap('one'));
    expect(await refusalOf(client.delete(configMaps, keyOf(made), { uid: otherUid }))).toMatchObject({
      kind: 'conflict',
    });
    expect(await client.get(configMaps, keyOf(made))).toEqual(made);
  });

  test('refuses a stale resourceVersion as conflict and leaves the object', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(configMaps, namespace, aConfigMap('one'));
    const precondition = { uid: made.metadata.uid, resourceVersion: '1' };
    expect(await refusalOf(client.delete(configMaps, keyOf(made), precondition))).toMatchObject({
      kind: 'conflict',
    });
    expect(await client.get(configMaps, keyOf(made))).toEqual(made);
  });

  test('marks an object that a finalizer holds, and no more, however often it is deleted', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(heldJobs, namespace, aHeldJob());
    const { uid } = made.metadata;
    await client.delete(jobs, keyOf(made), { uid, propagationPolicy: 'Background' });
    const marked = await client.get(heldJobs, keyOf(made));
    expect(marked?.metadata).toMatchObject({
      uid,
      generation: 2,
      deletionGracePeriodSeconds: 0,
      finalizers: [held],
    });
    expect(marked?.metadata.deletionTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(marked?.metadata.resourceVersion).not.toBe(made.metadata.resourceVersion);
    await client.delete(jobs, keyOf(made), { uid, propagationPolicy: 'Background' });
    expect(await client.get(heldJobs, keyOf(made))).toEqual(marked);
    expect(await refusalOf(client.create(jobs, namespace, aHeldJob()))).toMatchObject({
      kind: 'alreadyExists',
    });
  });

  test('takes no new finalizer on an object that is deleted', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(heldJobs, namespace, aHeldJob());
    await client.delete(jobs, keyOf(made), { uid: made.metadata.uid, propagationPolicy: 'Background' });
    const marked = await client.get(heldJobs, keyOf(made));
    if (marked === undefined) throw new Error('it is gone');
    const metadata = { ...marked.metadata, finalizers: [held, 'example.com/another'] };
    expect(await refusalOf(client.replace(heldJobs, keyOf(made), { ...marked, metadata }))).toMatchObject({
      kind: 'invalid',
    });
  });

  test('lets an object go with its last finalizer, and tells the watch only then', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(heldJobs, namespace, aHeldJob());
    const { resourceVersion } = made.metadata;
    await client.delete(jobs, keyOf(made), { uid: made.metadata.uid, propagationPolicy: 'Background' });
    const marked = await client.get(heldJobs, keyOf(made));
    if (marked === undefined) throw new Error('it is gone');
    const metadata = { ...marked.metadata, finalizers: [] };
    await client.replace(heldJobs, keyOf(made), { ...marked, metadata });
    expect(await client.get(jobs, keyOf(made))).toBeUndefined();
    const events = await collect(client, jobs, { namespace, resourceVersion, count: 2 });
    expect(events.map(({ type }) => type)).toEqual(['modified', 'deleted']);
    const versions = [resourceVersion, ...events.map((event) => event.resourceVersion)].map(Number);
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    expect(new Set(versions).size).toBe(3);
  });

  test.for([
    { policy: undefined, finalizer: 'orphan' },
    { policy: 'Foreground', finalizer: 'foregroundDeletion' },
  ] as const)(
    'of a Job, with the policy $policy, leaves the rest to the collector',
    async ({ policy, finalizer }) => {
      const { client, namespace } = await makeWorld();
      const made = await client.create(jobs, namespace, aJob('one'));
      await client.delete(jobs, keyOf(made), { uid: made.metadata.uid, propagationPolicy: policy });
      expect((await client.get(heldJobs, keyOf(made)))?.metadata.finalizers).toEqual([finalizer]);
      await client.delete(jobs, keyOf(made), { uid: made.metadata.uid, propagationPolicy: 'Background' });
      expect(await client.get(jobs, keyOf(made))).toBeUndefined();
    },
  );

  test('gives the next object of the name another uid', async () => {
    const { client, namespace } = await makeWorld();
    const first = await client.create(configMaps, namespace, aConfigMap('one'));
    await client.delete(configMaps, keyOf(first), { uid: first.metadata.uid });
    const second = await client.create(configMaps, namespace, aConfigMap('one'));
    expect(second.metadata.uid).not.toBe(first.metadata.uid);
  });
}

function watchContract(makeWorld: MakeWorld): void {
  test('delivers what happened after the list, in order, with the object', async () => {
    const { client, namespace } = await makeWorld();
    const { resourceVersion } = await client.list(jobs, { namespace });
    const made = await client.create(jobs, namespace, aJob('one'));
    const status = { active: 1, startTime: '2026-01-01T00:00:00Z' };
    const changed = await client.replaceStatus(jobs, keyOf(made), {
      ...aJob('one'),
      metadata: made.metadata,
      status,
    });
    await client.delete(jobs, keyOf(made), { uid: made.metadata.uid, propagationPolicy: 'Background' });
    const events = await collect(client, jobs, { namespace, resourceVersion, count: 3 });
    expect(events).toMatchObject([
      { type: 'added', object: made, resourceVersion: made.metadata.resourceVersion },
      { type: 'modified', object: changed, resourceVersion: changed.metadata.resourceVersion },
      { type: 'deleted', object: { metadata: { uid: made.metadata.uid } } },
    ]);
  });

  test('goes on from the resourceVersion of an event', async () => {
    const { client, namespace } = await makeWorld();
    const first = await client.create(configMaps, namespace, aConfigMap('one'));
    await client.create(configMaps, namespace, aConfigMap('two'));
    const { resourceVersion } = first.metadata;
    const events = await collect(client, configMaps, { namespace, resourceVersion, count: 1 });
    expect(events).toMatchObject([{ type: 'added', object: { metadata: { name: 'two' } } }]);
  });

  test('delivers what happens while it is open', async () => {
    const { client, namespace } = await makeWorld();
    const { resourceVersion } = await client.list(configMaps, { namespace });
    const seen = collect(client, configMaps, { namespace, resourceVersion, count: 1 });
    await client.create(configMaps, namespace, aConfigMap('one'));
    expect(await seen).toMatchObject([{ type: 'added', object: { metadata: { name: 'one' } } }]);
  });

  test('keeps to its selector and its namespace', async () => {
    const { client, namespace } = await makeWorld();
    const { resourceVersion } = await client.list(configMaps, { namespace });
    await client.create(configMaps, namespace, aConfigMap('blue', { color: 'blue' }));
    await client.create(configMaps, namespace, aConfigMap('red', { color: 'red' }));
    const scope = { namespace, labelSelector: 'color=red', resourceVersion, count: 1 };
    expect(await collect(client, configMaps, scope)).toMatchObject([
      { object: { metadata: { name: 'red' } } },
    ]);
  });

  test('tells of an object that the schema refuses without its content', async () => {
    const { client, namespace } = await makeWorld();
    const { resourceVersion } = await client.list(configMaps, { namespace, labelSelector: 'suite=x' });
    const made = await client.create(configMaps, namespace, aConfigMap('bad', { suite: 'x' }));
    const scope = { namespace, labelSelector: 'suite=x', resourceVersion, count: 1 };
    expect(await collect(client, strictConfigMaps, scope)).toMatchObject([
      { type: 'unreadable', key: { namespace, name: 'bad' }, resourceVersion: made.metadata.resourceVersion },
    ]);
  });

  test('tells of an object that leaves its selector as deleted, and of one that enters as added', async () => {
    const { client, namespace } = await makeWorld();
    const made = await client.create(configMaps, namespace, aConfigMap('one', { color: 'red' }));
    const { resourceVersion } = made.metadata;
    const blue = { ...made, metadata: { ...made.metadata, labels: { color: 'blue' } } };
    const left = await client.replace(configMaps, keyOf(made), blue);
    const back = await client.replace(configMaps, keyOf(made), {
      ...left,
      metadata: { ...left.metadata, labels: { color: 'red' } },
    });
    const scope = { namespace, labelSelector: 'color=red', resourceVersion, count: 2 };
    expect(await collect(client, configMaps, scope)).toMatchObject([
      {
        type: 'deleted',
        object: { metadata: { uid: made.metadata.uid } },
        resourceVersion: left.metadata.resourceVersion,
      },
      { type: 'added', object: back, resourceVersion: back.metadata.resourceVersion },
    ]);
  });

  test('from a moment that has not come yet tells of nothing before it', async () => {
    const { client, namespace } = await makeWorld();
    const { resourceVersion } = await client.list(configMaps, { namespace });
    const future = String(Number(resourceVersion) + 3);
    const scope = { namespace, labelSelector: 'suite=x', resourceVersion: future, count: 1 };
    const seen = collect(client, configMaps, scope);
    for (let i = 0; i < 5; i += 1)
      await client.create(configMaps, namespace, aConfigMap(`${i}`, { suite: 'x' }));
    const [event] = await seen;
    expect(Number(event?.resourceVersion)).toBeGreaterThan(Number(future));
  });

  test('ends quietly when its signal aborts', async () => {
    const { client, namespace } = await makeWorld();
    const { resourceVersion } = await client.list(configMaps, { namespace });
    const stop = new AbortController();
    const scope = { namespace, labelSelector: 'suite=x', resourceVersion, signal: stop.signal };
    const events: WatchEvent<KubeObject>[] = [];
    await client.create(configMaps, namespace, aConfigMap('one', { suite: 'x' }));
    await client.create(configMaps, namespace, aConfigMap('two', { suite: 'x' }));
    for await (const event of client.watch(configMaps, scope)) {
      events.push(event);
      stop.abort();
    }
    expect(events).toMatchObject([{ object: { metadata: { name: 'one' } } }]);
  });
}

/** Refuses the ConfigMaps that {@link aConfigMap} makes. */
const strictConfigMaps: Resource = {
  ...configMaps,
  schema: kubeObjectSchema.extend({ data: z.object({ must: z.string() }) }),
};

function aConfigMap(name: string, labels: Record<string, string> = {}): { metadata: object; data: object } {
  return { metadata: { name, labels }, data: { key: 'value' } };
}

function aJob(name: string): { metadata: object; spec: object } {
  const containers = [{ name: 'main', image: 'example.invalid/nothing:1' }];
  return {
    metadata: { name },
    spec: { backoffLimit: 1, template: { spec: { containers, restartPolicy: 'Never' } } },
  };
}

function anOwner(part: { uid: string }): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', ...part };
}

async function namesOf(
  client: KubeClient,
  resource: Resource,
  options: { namespace?: string; labelSelector?: string; fieldSelector?: string; limit?: number },
): Promise<string[]> {
  const { items } = await client.list(resource, options);
  // A real API server puts a ConfigMap of its own into every namespace.
  return items.map((item) => item.metadata.name).filter((name) => name !== 'kube-root-ca.crt');
}

const held = 'example.com/held';

const heldJobs: Resource<
  KubeObject & {
    metadata: { finalizers?: string[] | undefined; deletionGracePeriodSeconds?: number | undefined };
  }
> = {
  ...jobs,
  schema: kubeObjectSchema.extend({
    metadata: z.object({
      ...kubeObjectSchema.shape.metadata.shape,
      finalizers: z.array(z.string()).optional(),
      deletionGracePeriodSeconds: z.number().optional(),
    }),
    spec: z.looseObject({}),
  }),
};

function aHeldJob(): object {
  return { ...aJob('one'), metadata: { name: 'one', finalizers: [held] } };
}

interface Scope {
  readonly namespace: string;
  readonly labelSelector?: string;
  readonly resourceVersion: string;
  readonly count: number;
}

/** The first so many events that are no bookmarks and not of the server's own making. */
async function collect<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  { count, ...scope }: Scope,
): Promise<WatchEvent<T>[]> {
  const events: WatchEvent<T>[] = [];
  for await (const event of client.watch(resource, { ...scope, signal: AbortSignal.timeout(20_000) })) {
    if (event.type === 'bookmark') continue;
    const name = event.type === 'unreadable' ? event.key.name : event.object.metadata.name;
    if (name !== 'kube-root-ca.crt') events.push(event);
    if (events.length === count) break;
  }
  return events;
}

/** What the call is refused with. */
export async function refusalOf(call: Promise<unknown>): Promise<KubeError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof KubeError) return error;
  throw new Error('the call was not refused with a KubeError', { cause: error });
}
