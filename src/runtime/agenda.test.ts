import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { Agenda } from './agenda.ts';

const namespace = 'shop';

function anAgenda(): { agenda: Agenda; clock: FakeClock; due: [name: string, atMs: number][] } {
  const clock = new FakeClock();
  const due: [string, number][] = [];
  const agenda = new Agenda(clock, ({ name }) => due.push([name, clock.monotonicMs()]));
  return { agenda, clock, due };
}

test('tells of each key at its time, with one timer for all of them', async () => {
  const { agenda, clock, due } = anAgenda();
  for (const [name, delayMs] of [
    ['c', 300],
    ['a', 100],
    ['b', 200],
  ] as const)
    agenda.set({ namespace, name }, delayMs);
  expect(clock.waiting).toBe(1);
  await clock.advance(1_000);
  expect(due).toEqual([
    ['a', 100],
    ['b', 200],
    ['c', 300],
  ]);
  expect(clock.waiting).toBe(0);
});

test('a timer that rings a little early is no time that has come', async () => {
  const due: string[] = [];
  const clock = new FakeClock();
  const early = {
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs: number, callback: () => void) => clock.after(Math.max(0.01, delayMs - 1), callback),
  };
  const agenda = new Agenda(early, ({ name }) => due.push(name));
  agenda.set({ namespace, name: 'a' }, 100);
  await clock.advance(99.9);
  expect(due).toEqual([]);
  await clock.advance(0.2);
  expect(due).toEqual(['a']);
});

const step = fc.record({
  name: fc.nat(40).map(String),
  act: fc.constantFrom('set', 'set', 'set', 'delete', 'advance'),
  delayMs: fc.nat(50),
});

test('tells of each key once, when it was set for last, unless it was deleted', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 200, size: 'max' }), async (steps) => {
      const { agenda, clock, due } = anAgenda();
      const wanted = new Map<string, number>();
      const expected: [string, number][] = [];
      const pass = (untilMs: number): void => {
        for (const [name, atMs] of wanted) {
          if (atMs > untilMs) continue;
          expected.push([name, atMs]);
          wanted.delete(name);
        }
      };
      for (const { name, act, delayMs } of steps) {
        const nowMs = clock.monotonicMs();
        if (act === 'set') wanted.set(name, nowMs + delayMs);
        if (act === 'set') agenda.set({ namespace, name }, delayMs);
        if (act === 'delete') wanted.delete(name);
        if (act === 'delete') agenda.delete({ namespace, name });
        if (act === 'advance') pass(nowMs + delayMs);
        if (act === 'advance') await clock.advance(delayMs);
        expect(agenda.size).toBe(wanted.size);
      }
      pass(Infinity);
      await clock.advance(100);
      // In time's order; keys that are due at once come in any.
      expect(due.map(([, atMs]) => atMs)).toEqual(due.map(([, atMs]) => atMs).toSorted((x, y) => x - y));
      expect(due.toSorted(byTimeAndName)).toEqual(expected.toSorted(byTimeAndName));
      expect(clock.waiting).toBe(0);
    }),
    { numRuns: 30 },
  );
});

function byTimeAndName([oneName, oneMs]: [string, number], [otherName, otherMs]: [string, number]): number {
  return oneMs - otherMs || oneName.localeCompare(otherName);
}
