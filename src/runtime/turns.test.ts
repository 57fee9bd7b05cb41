import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Turns } from './turns.ts';

/** `namespace/name`. */
function takeAll(turns: Turns): string[] {
  const order: string[] = [];
  for (let ready = turns.take(); ready !== undefined; ready = turns.take())
    order.push(`${ready.key.namespace}/${ready.key.name}`);
  return order;
}

function turnsOf(...keys: readonly string[]): Turns {
  const turns = new Turns();
  for (const key of keys) push(turns, key);
  return turns;
}

function push(turns: Turns, key: string): void {
  const [namespace = '', name = ''] = key.split('/');
  turns.push({ key: { namespace, name }, sinceMs: 0 });
}

test('gives every namespace its turn, and within one serves who came first', () => {
  const turns = turnsOf('a/1', 'a/2', 'a/3', 'b/1', 'c/1', 'c/2');
  expect(turns.size).toBe(6);
  expect(takeAll(turns)).toEqual(['a/1', 'b/1', 'c/1', 'a/2', 'c/2', 'a/3']);
  expect(turns.size).toBe(0);
});

test('delays the only key of a namespace by one of another that has thousands', () => {
  const turns = turnsOf(...Array.from({ length: 5_000 }, (_, n) => `big/${n}`));
  turns.take();
  push(turns, 'small/1');
  turns.take();
  expect(turns.take()?.key.namespace).toBe('small');
});

const step = fc.oneof(
  fc.record({ namespace: fc.constantFrom('a', 'b', 'c', 'd') }),
  fc.constant('take' as const),
);

test('lets no key wait for more than one of each other namespace that waits before it, and one of its own per turn', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
      const turns = new Turns();
      /** What waits, in the order it came, and how many of other namespaces were taken while it was the first of its own. */
      const waiting: { key: string; namespace: string; passedBy: number }[] = [];
      let count = 0;
      for (const one of steps) {
        if (one !== 'take') {
          const key = `${one.namespace}/${(count += 1)}`;
          push(turns, key);
          waiting.push({ key, namespace: one.namespace, passedBy: 0 });
          continue;
        }
        const taken = turns.take();
        const firsts = waiting.filter(
          ({ namespace }, at) => waiting.findIndex((other) => other.namespace === namespace) === at,
        );
        const mine = firsts.find(({ key }) => key === `${taken?.key.namespace}/${taken?.key.name}`);
        expect(mine === undefined).toBe(waiting.length === 0);
        if (mine === undefined) continue;
        waiting.splice(waiting.indexOf(mine), 1);
        for (const first of firsts) if (first !== mine) first.passedBy += 1;
        // Three other namespaces, one key each.
        expect(mine.passedBy).toBeLessThanOrEqual(3);
      }
      expect(turns.size).toBe(waiting.length);
      expect(takeAll(turns).toSorted()).toEqual(waiting.map(({ key }) => key).toSorted());
    }),
  );
});
