import { expect, test } from 'vitest';
import type { KubeObject } from '../kube/resource.ts';
import { Store } from './store.ts';

function anObject(name: string, { uid = 'u1', version = '1', color = 'red' } = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Widget',
    metadata: {
      name,
      namespace: 'shop',
      uid,
      resourceVersion: version,
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { color },
    },
  };
}

function aStore(...objects: readonly KubeObject[]): Store<KubeObject> {
  const store = new Store<KubeObject>({ color: ({ metadata }) => [metadata.labels?.['color'] ?? ''] });
  for (const object of objects) store.put(object);
  return store;
}

const one = anObject('one');
const key = { namespace: 'shop', name: 'one' };

test('tells what a put has changed', () => {
  const store = aStore(one);
  const newer = anObject('one', { version: '2' });
  expect(store.put(newer)).toEqual([{ before: one, after: newer }]);
  expect(store.put(anObject('one', { version: '2' }))).toEqual([]);
});

test('tells of another uid under the same name as gone and new, even at the same version', () => {
  const other = anObject('one', { uid: 'u2' });
  expect(aStore(one).put(other)).toEqual([
    { before: one, after: undefined },
    { before: undefined, after: other },
  ]);
});

test('tells of a removal once', () => {
  const store = aStore(one);
  expect(store.remove(key)).toEqual([{ before: one, after: undefined }]);
  expect(store.remove(key)).toEqual([]);
});

test('tells what went, came and stayed when everything is replaced', () => {
  const [two, three] = [anObject('two', { uid: 'u2' }), anObject('three', { uid: 'u3' })];
  const store = aStore(one, two);
  expect(store.replace([two, three])).toEqual([
    { before: one, after: undefined },
    { before: undefined, after: three },
  ]);
  expect(store.list()).toEqual([two, three]);
});

test('finds an object under its present value only, also when it was removed in between', () => {
  const store = aStore(one);
  store.remove(key);
  const blue = anObject('one', { uid: 'u2', color: 'blue' });
  store.put(blue);
  expect(store.byIndex('color', 'red')).toEqual([]);
  expect(store.byIndex('color', 'blue')).toEqual([blue]);
});

test('lists one namespace, or all', () => {
  const store = aStore(one);
  expect([store.list('shop').length, store.list('lab').length, store.list().length]).toEqual([1, 0, 1]);
});

test('files an object once under a value that it names twice, and forgets values that nobody has', () => {
  const store = new Store<KubeObject>({ owner: () => ['u9', 'u9'] });
  store.put(one);
  expect(store.byIndex('owner', 'u9')).toEqual([one]);
  store.remove(key);
  expect(store.byIndex('owner', 'u9')).toEqual([]);
});

test('a list of an index stays as it was read, whatever changes later', () => {
  const two = anObject('two', { uid: 'u2' });
  const store = aStore(one, two);
  const read = store.byIndex('color', 'red');
  store.remove(key);
  store.put(anObject('three', { uid: 'u3' }));
  expect(read).toEqual([one, two]);
});
