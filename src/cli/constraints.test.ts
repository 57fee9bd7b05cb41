import { expect, test } from 'vitest';
import { openAPISchema } from '../api/crd.ts';
import { brokenConstraints, constraints } from './constraints.ts';

/** Each rule of the schema, but those that look at the object before. */
function rulesIn(value: unknown, path: readonly string[] = []): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  const rules = (
    value as { readonly 'x-kubernetes-validations'?: readonly { rule: string; message: string }[] }
  )['x-kubernetes-validations'];
  const own = (rules ?? [])
    .filter(({ rule }) => !rule.includes('oldSelf'))
    .map(({ message }) => `${path.filter((name) => name !== 'properties').join('.')}: ${message}`);
  return [...own, ...Object.entries(value).flatMap(([name, inner]) => rulesIn(inner, [...path, name]))];
}

test('there is one for each rule that the API server checks', () => {
  const known = constraints.map(({ message, at }) => `${['spec', ...at].join('.')}: ${message}`);
  expect(known.toSorted()).toEqual(rulesIn(openAPISchema()).toSorted());
});

test.each([
  { source: { host: 'a' }, problems: [] },
  { source: { serviceRef: { name: 'a' } }, retention: { keepYearly: 1 }, allDatabases: true, problems: [] },
  { source: {}, problems: ['spec.source'] },
  {
    source: { host: 'a', serviceRef: {} },
    retention: { mode: 'Plan' },
    problems: ['spec.source', 'spec.retention'],
  },
  { source: { host: 'a' }, databases: ['neo4j'], allDatabases: true, problems: ['spec'] },
])('$problems of $source, $retention', ({ problems, ...spec }) => {
  expect(brokenConstraints(spec).map((problem) => problem.split(':')[0])).toEqual(problems);
});
