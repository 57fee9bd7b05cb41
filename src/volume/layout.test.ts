import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  forsakenName,
  isKnown,
  pointFolder,
  pointName,
  pointNamePattern,
  stagingFolder,
  stagingOwner,
} from './layout.ts';

const instant = fc
  .date({ min: new Date('1970-01-01'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true })
  .map((date) => date.toISOString());
const run = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);

describe('pointName', () => {
  test('always matches the pattern that points are found by', () => {
    fc.assert(
      fc.property(instant, run, (time, name) => {
        expect(pointName(time, name)).toMatch(pointNamePattern);
      }),
    );
  });

  test('sorts by time, to the second', () => {
    fc.assert(
      fc.property(instant, instant, run, (a, b, name) => {
        const [earlier = '', later = ''] = [a, b].map((time) => time.slice(0, 19)).toSorted();
        const names = [pointName(`${earlier}Z`, name), pointName(`${later}Z`, name)];
        expect(names).toEqual(names.toSorted());
      }),
    );
  });

  test('is the same for every attempt of a run, and another for another run of the same second', () => {
    const time = '2026-11-22T20:05:30.531Z';
    expect(pointName(time, 'orders-1')).toBe(pointName(time, 'orders-1'));
    expect(pointName(time, 'orders-1')).not.toBe(pointName(time, 'orders-2'));
    expect(pointName(time, 'orders-1')).toMatch(/^20261122T200530Z-/);
  });
});

describe('stagingOwner', () => {
  test('finds the Pod in every staging folder that we name', () => {
    fc.assert(
      fc.property(run, fc.uuid(), fc.uuid(), run, (name, uid, podUID, later) => {
        const attempt = { run: name, uid, podUID };
        const [parent, entry = '', ...rest] = stagingFolder(attempt).split('/');
        expect([parent, rest]).toEqual(['.staging', []]);
        expect(stagingOwner(entry)).toEqual(attempt);
        expect(stagingOwner(forsakenName(entry, later))).toEqual({ ...attempt, takenBy: later });
      }),
    );
  });

  const uid = '7d1e6f0e-0000-4000-8000-000000000001';
  test.each([
    { name: 'a name without a Pod', entry: 'orders-1' },
    { name: 'a Pod without a run', entry: `.${uid}` },
    { name: 'what hides a second extension', entry: `orders.${uid}.bak` },
    { name: 'a shorter uid', entry: `orders.${uid.slice(1)}` },
    { name: 'a line after the name', entry: `orders.${uid}\n` },
    { name: 'the folder above', entry: '..' },
  ])('knows no owner of $name', ({ entry }) => {
    expect(stagingOwner(entry)).toBeUndefined();
  });

  test('knows no resource of what a Pod makes for the lock', () => {
    expect(stagingOwner(`lock-new-0123abcd.${uid}`)).toEqual({
      run: 'lock-new-0123abcd',
      podUID: uid,
    });
  });
});

test('a point lies two folders below points/, so that no name of it can leave the destination', () => {
  expect(pointFolder('20260101T030000Z-00000000', '20260102T030000Z-00000001')).toBe(
    'points/20260101T030000Z-00000000/20260102T030000Z-00000001',
  );
});

test.each([
  ['points', 'folder'],
  ['runs', 'folder'],
  ['.staging', 'folder'],
  ['lost+found', 'folder'],
  ['RESTORE.md', 'file'],
  ['catalog.json', 'file'],
] as const)('%s is ours as a %s', (name, kind) => {
  expect(isKnown(name, kind)).toBe(true);
});

test.each([
  ['graph.db', 'folder'],
  ['neostore', 'file'],
  ['.snapshot', 'folder'],
  ['Points', 'folder'],
  ['points ', 'folder'],
  ['points', 'file'],
  ['.staging', 'other'],
  ['RESTORE.md', 'folder'],
  ['constructor', 'file'],
  ['', 'folder'],
] as const)('%j is not ours as a %s', (name, kind) => {
  expect(isKnown(name, kind)).toBe(false);
});
