import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aManifest, aPointName } from '../../test/support/volume.ts';
import { hasDamage, proveChains, type Link } from './chain.ts';
import { placeOf } from './layout.ts';

type Layout = Link['layout'];

/** A chain as runs leave it: a full backup up to transaction 10, and increments of ten transactions each. */
function aChain(layout: Layout, length: number): readonly Link[] {
  return Array.from({ length }, (_, i) =>
    aManifest({
      layout,
      sequence: i + 1,
      chain: aPointName(1),
      artifact: { storeID: '1-2', recovered: true },
      lastTransactionID: String(10 * (i + 1)),
      ...(i === 0
        ? {}
        : { type: 'Incremental', parent: aPointName(i), firstTransactionID: String(10 * i + 1) }),
    }),
  );
}

const namesOf = (points: readonly Link[]): readonly string[] => points.map(({ point }) => point);

/** The numbers of the points that are broken, each with the number of the one that is at fault. */
function brokenIn(points: readonly Link[]): readonly (readonly [point: number, at: number])[] {
  const numberOf = (name: string): number =>
    Array.from({ length: 20 }, (_, i) => aPointName(i)).indexOf(name);
  return proveChains(points).broken.map(({ point, at }) => [numberOf(point.point), numberOf(at)]);
}

const layouts: readonly Layout[] = ['store', 'artifacts'];

describe('proveChains', () => {
  test.each(layouts)('proves a chain of %s as runs leave it, in whatever order it is read', (layout) => {
    const chain = aChain(layout, 5);
    expect(proveChains(chain.toReversed())).toEqual({ intact: chain, broken: [] });
  });

  test('proves nothing of nothing', () => {
    expect(proveChains([])).toEqual({ intact: [], broken: [] });
  });

  /** What is wrong with the third of five points, and what that takes away. */
  interface Case {
    readonly name: string;
    readonly change: Partial<Link> | 'gone';
    readonly why: string;
    readonly store: readonly number[];
    readonly artifacts: readonly number[];
  }
  const cases: readonly Case[] = [
    { name: 'that is gone', change: 'gone', why: 'is not there', store: [], artifacts: [4, 5] },
    {
      name: 'of another store',
      change: { storeID: '9-9' },
      why: 'of another store',
      store: [3, 4],
      artifacts: [3, 4, 5],
    },
    {
      name: 'of another chain',
      change: { chain: aPointName(2) },
      why: 'of another chain',
      store: [3, 4],
      artifacts: [3, 4, 5],
    },
    {
      name: 'that begins too late',
      change: { firstTransactionID: '22' },
      why: 'it begins with transaction 22, and',
      store: [3],
      artifacts: [3, 4, 5],
    },
    {
      name: 'that ends before its parent does',
      change: { firstTransactionID: '11', lastTransactionID: '19' },
      why: 'it ends with transaction 19, and',
      store: [3, 4], // and so the next one begins too late
      artifacts: [3, 4, 5],
    },
    {
      name: 'that ends before the next one begins',
      change: { lastTransactionID: '29' },
      why: 'begins with transaction 31, and',
      store: [4],
      artifacts: [4, 5],
    },
    {
      name: 'that is full in the middle of a chain',
      change: { type: 'Full' },
      why: 'a full backup, and names a parent',
      store: [3],
      artifacts: [3, 4, 5],
    },
    {
      name: 'without a parent',
      change: { parent: undefined },
      why: 'names no parent',
      store: [3],
      artifacts: [3, 4, 5],
    },
    {
      name: 'that is its own parent',
      change: { parent: aPointName(3) },
      why: 'was not published before it',
      store: [3],
      artifacts: [3, 4, 5],
    },
    {
      name: 'that was published before its parent',
      change: { sequence: 1 },
      why: 'was not published before it',
      store: [3],
      artifacts: [3, 4, 5],
    },
  ];
  const withThird = (layout: Layout, change: Case['change']): readonly Link[] =>
    aChain(layout, 5).flatMap((point, i) =>
      i !== 2 ? [point] : change === 'gone' ? [] : [{ ...point, ...change }],
    );

  test.each(cases)('finds what a point $name takes away of artifacts', ({ change, why, artifacts }) => {
    const points = withThird('artifacts', change);
    expect(brokenIn(points).map(([point]) => point)).toEqual(artifacts);
    expect(proveChains(points).broken[0]?.why).toContain(why);
    // One fault, however many points it takes away.
    expect(new Set(brokenIn(points).map(([, at]) => at))).toEqual(new Set([artifacts[0]]));
  });

  test.each(cases)('finds what a point $name takes away of stores', ({ change, store }) => {
    expect(brokenIn(withThird('store', change)).map(([point]) => point)).toEqual(store);
  });

  test('tells artifacts apart whose database is the same and whose store is another one', () => {
    const points = aChain('artifacts', 3).map((point, i) =>
      i === 1 ? { ...point, artifact: { storeID: '9-9', recovered: false } } : point,
    );
    expect(brokenIn(points)).toEqual([
      [2, 2],
      [3, 2],
    ]);
    const untold = points.map((point, i) => (i === 1 ? { ...point, artifact: undefined } : point));
    expect(brokenIn(untold)).toEqual([]);
  });

  test('proves an artifact that brings nothing, and none that does not say where it begins', () => {
    const [full, second] = aChain('artifacts', 2);
    if (full === undefined || second === undefined) throw new Error('no chain');
    const untold = { ...second, firstTransactionID: undefined };
    expect(brokenIn([full, { ...untold, lastTransactionID: '10' }])).toEqual([]);
    expect(brokenIn([full, untold])).toEqual([[2, 2]]);
  });

  test('lets one artifact alone go on from another, and stores as many as like', () => {
    for (const layout of layouts) {
      const chain = aChain(layout, 3);
      const rival = { ...chain[1]!, point: aPointName(4), sequence: 4 };
      expect(brokenIn([...chain, rival])).toEqual(layout === 'store' ? [] : [[4, 4]]);
    }
  });

  test('lets one full artifact alone begin a chain', () => {
    const [full] = aChain('artifacts', 1);
    expect(brokenIn([full!, { ...full!, point: aPointName(2), sequence: 2 }])).toEqual([[2, 2]]);
  });

  test('does not take the point of one database for the parent in another', () => {
    const [full, second] = aChain('artifacts', 2);
    expect(brokenIn([{ ...full!, database: 'other' }, second!])).toEqual([[2, 2]]);
  });

  test('proves transactions beyond what a number holds', () => {
    const [full, second] = aChain('artifacts', 2);
    const first = '9007199254740993';
    expect(
      brokenIn([
        { ...full!, lastTransactionID: '9007199254740992' },
        { ...second!, firstTransactionID: first, lastTransactionID: first },
      ]),
    ).toEqual([]);
    expect(
      brokenIn([
        { ...full!, lastTransactionID: '9007199254740991' },
        { ...second!, firstTransactionID: first, lastTransactionID: first },
      ]),
    ).toEqual([[2, 2]]);
  });
});

describe('whatever the points are', () => {
  /** Points that name each other at random: some chains, many faults. */
  const anyPoints = fc.array(
    fc.record({
      layout: fc.constantFrom<Layout>('store', 'artifacts'),
      chain: fc.integer({ min: 1, max: 3 }),
      parent: fc.option(fc.integer({ min: 1, max: 8 })),
      isFull: fc.boolean(),
      sequence: fc.integer({ min: 1, max: 8 }),
      first: fc.option(fc.bigInt({ min: 0n, max: 20n })),
      last: fc.bigInt({ min: 0n, max: 20n }),
      storeID: fc.constantFrom('1-1', '1-1', '1-1', '2-2'),
    }),
    { maxLength: 8 },
  );
  const pointsFrom = (all: typeof anyPoints extends fc.Arbitrary<infer T> ? T : never): readonly Link[] =>
    all.map(({ chain, parent, isFull, first, last, ...rest }, i) =>
      aManifest({
        ...rest,
        point: aPointName(i + 1),
        chain: aPointName(chain),
        type: isFull ? 'Full' : 'Incremental',
        ...(parent === null ? {} : { parent: aPointName(parent) }),
        ...(first === null ? {} : { firstTransactionID: String(first) }),
        lastTransactionID: String(last),
      }),
    );
  const check = (holds: (points: readonly Link[]) => void): void =>
    fc.assert(
      fc.property(anyPoints, (all) => holds(pointsFrom(all))),
      { numRuns: 2_000 },
    );

  test('each is either intact or broken', () => {
    check((points) => {
      const { intact, broken } = proveChains(points);
      const told = [...intact, ...broken.map(({ point }) => point)];
      expect(namesOf(told).toSorted()).toEqual(namesOf(points).toSorted());
    });
  });

  test('the order in which they are read does not matter, but for two of one sequence', () => {
    check((points) => {
      const each = points.map((point, i) => ({ ...point, sequence: i + 1 }));
      expect(proveChains(each.toReversed())).toEqual(proveChains(each));
    });
  });

  test('every intact artifact has all before it, without a gap, down to one full backup', () => {
    check((points) => {
      const { intact } = proveChains(points);
      for (const tip of intact.filter(({ layout }) => layout === 'artifacts')) {
        let at = tip;
        while (at.type === 'Incremental') {
          const parent = intact.find(({ point }) => point === at.parent);
          if (parent === undefined) throw new Error(`${at.point} rests on nothing`);
          expect([parent.chain, parent.storeID, parent.layout]).toEqual([at.chain, at.storeID, 'artifacts']);
          expect(parent.sequence).toBeLessThan(at.sequence);
          expect(BigInt(at.lastTransactionID) >= BigInt(parent.lastTransactionID)).toBe(true);
          const first = BigInt(at.firstTransactionID ?? at.lastTransactionID);
          expect(first <= BigInt(parent.lastTransactionID) + 1n).toBe(true);
          at = parent;
        }
        expect(at.parent).toBeUndefined();
      }
    });
  });

  test('of what is left when any point of a good chain goes, only what rested on it is broken', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...layouts),
        fc.integer({ min: 2, max: 9 }),
        fc.nat(8),
        (layout, length, at) => {
          const gone = at % length;
          const left = aChain(layout, length).toSpliced(gone, 1);
          expect(namesOf(proveChains(left).intact)).toEqual(
            namesOf(layout === 'store' ? left : left.slice(0, gone)),
          );
        },
      ),
    );
  });
});

describe('hasDamage', () => {
  test('holds for the chain of a damaged artifact, and for no other', () => {
    const [full] = aChain('artifacts', 1);
    const damaged = [placeOf({ ...full!, point: aPointName(2) }).manifest];
    expect(hasDamage(full!, damaged)).toBe(true);
    expect(hasDamage(full!, [])).toBe(false);
    expect(hasDamage({ ...full!, chain: aPointName(2) }, damaged)).toBe(false);
    expect(hasDamage({ ...full!, database: 'graph' }, damaged)).toBe(false);
    expect(hasDamage({ ...full!, layout: 'store' }, damaged)).toBe(false);
  });
});
