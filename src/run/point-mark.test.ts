import { expect, test } from 'vitest';
import { newestPoints, pointMark } from './point-mark.ts';

test('a mark is of a run, and of each of its databases another one', () => {
  const marks = [pointMark('orders-1'), pointMark('orders-2'), pointMark('orders-1', 'neo4j')];
  expect(new Set(marks).size).toBe(3);
  expect(marks.filter((mark) => !/^[0-9a-f]{8}$/.test(mark))).toEqual([]);
});

test('the newest of many stay, in their order', () => {
  const points = ['20260103T000000Z-a', '20260101T000000Z-b', '20260102T000000Z-c'].map((point) => ({
    point,
  }));
  expect(newestPoints(points, 3)).toEqual(points);
  expect(newestPoints(points, 2)).toEqual([points[0], points[2]]);
  expect(newestPoints(points, 0)).toEqual([]);
});
