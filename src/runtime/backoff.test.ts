import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoffMs } from './backoff.ts';

const limits = fc
  .record({ baseMs: fc.integer({ min: 1, max: 10_000 }), capMs: fc.integer({ min: 1, max: 1_000_000 }) })
  .map(({ baseMs, capMs }) => ({ baseMs, capMs: Math.max(baseMs, capMs) }));
const attempts = fc.integer({ min: 1, max: 10_000 });
const randoms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test('is never negative and never above the cap, however many attempts failed', () => {
  fc.assert(
    fc.property(attempts, limits, randoms, (attempt, backoff, random) => {
      const delayMs = backoffMs(attempt, backoff, () => random);
      expect(delayMs).toBeGreaterThanOrEqual(0);
      expect(delayMs).toBeLessThanOrEqual(backoff.capMs);
    }),
  );
});

test('never shrinks with one more failure', () => {
  fc.assert(
    fc.property(attempts, limits, randoms, (attempt, backoff, random) => {
      const next = backoffMs(attempt + 1, backoff, () => random);
      expect(next).toBeGreaterThanOrEqual(backoffMs(attempt, backoff, () => random));
    }),
  );
});

test('doubles its bound per failure until the cap', () => {
  const backoff = { baseMs: 100, capMs: 1_000 };
  const bounds = [1, 2, 3, 4, 5, 6].map((attempt) => backoffMs(attempt, backoff, () => 1));
  expect(bounds).toEqual([100, 200, 400, 800, 1_000, 1_000]);
});
