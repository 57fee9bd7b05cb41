import { expect, test } from 'vitest';
import { Pace, type Ending } from './pace.ts';

interface Case {
  readonly name: string;
  readonly endings: readonly Ending[];
  /** The longest waits: random is 1. */
  readonly waitsMs: readonly number[];
}

const cases: readonly Case[] = [
  {
    name: 'does not wait while all is well',
    endings: ['listed', 'closed', 'closed', 'listed'],
    waitsMs: [0, 0, 0, 0],
  },
  {
    name: 'waits twice as long with every failure, up to half a minute',
    endings: Array.from({ length: 8 }, () => 'fruitless'),
    waitsMs: [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000],
  },
  {
    name: 'does not take a list for a working watch',
    endings: ['fruitless', 'listed', 'fruitless', 'listed', 'fruitless'],
    waitsMs: [500, 0, 1_000, 0, 2_000],
  },
  {
    name: 'comes back soon when a watch is cut that went well',
    endings: ['fruitless', 'fruitless', 'cut', 'cut'],
    waitsMs: [500, 1_000, 500, 500],
  },
  {
    name: 'comes back soon from the first watch that is over at once, then walks',
    endings: ['brief', 'brief', 'brief', 'closed', 'brief'],
    waitsMs: [500, 1_250, 1_250, 0, 500],
  },
  {
    name: 'begins anew once a watch went well',
    endings: ['fruitless', 'fruitless', 'closed', 'fruitless'],
    waitsMs: [500, 1_000, 0, 500],
  },
];
test.for(cases)('$name', ({ endings, waitsMs }) => {
  const pace = new Pace(() => 1);
  expect(endings.map((ending) => pace.waitMs(ending, 0))).toEqual(waitsMs);
});

test('waits what the server asks and a little more, or longer after many failures', () => {
  const pace = new Pace(() => 1);
  expect([1, 2, 3, 4].map(() => pace.waitMs('fruitless', 3_000))).toEqual([3_500, 3_500, 3_500, 4_000]);
});

test('waits a little after a failure even where chance says not to', () => {
  const pace = new Pace(() => 0);
  expect((['fruitless', 'cut', 'brief'] as const).map((ending) => pace.waitMs(ending, 0))).toEqual([
    100, 100, 750,
  ]);
});
