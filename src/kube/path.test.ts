import { expect, test } from 'vitest';
import { configMaps, jobs } from '../../test/contract/kube-client.ts';
import { collectionPath, objectPath } from './path.ts';

test('addresses core and other groups, one namespace and all of them', () => {
  expect(objectPath(configMaps, { namespace: 'shop', name: 'a.b' })).toBe(
    '/api/v1/namespaces/shop/configmaps/a.b',
  );
  expect(objectPath(jobs, { namespace: 'shop', name: 'one' })).toBe(
    '/apis/batch/v1/namespaces/shop/jobs/one',
  );
  expect(collectionPath(jobs, undefined)).toBe('/apis/batch/v1/jobs');
});

test('encodes what it asks for, and leaves out what is undefined', () => {
  const path = collectionPath(configMaps, 'shop', {
    labelSelector: 'a in (b,c)',
    continue: undefined,
    limit: '5',
  });
  expect(path).toBe('/api/v1/namespaces/shop/configmaps?labelSelector=a+in+%28b%2Cc%29&limit=5');
});

test.for(['', '.', '..', 'a/b', 'a%2fb', 'a?b', 'a#b', 'a\\b'])(
  'refuses "%s" as a name and as a namespace',
  (name) => {
    const refusal = expect.objectContaining({ kind: 'invalid' });
    expect(() => objectPath(jobs, { namespace: 'shop', name })).toThrow(refusal);
    expect(() => objectPath(jobs, { namespace: name, name: 'one' })).toThrow(refusal);
    expect(() => collectionPath(jobs, name)).toThrow(refusal);
  },
);
