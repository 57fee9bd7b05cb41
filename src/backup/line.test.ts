import { describe, expect, test } from 'vitest';
import { Line } from './line.ts';

const [a, b, c] = ['a', 'b', 'c'].map((name) => ({ namespace: 'shop', name })) as [Key, Key, Key];

interface Key {
  readonly namespace: string;
  readonly name: string;
}

describe('the line for a claim', () => {
  test('lets one look at a time, and wakes the next when that one has made its Job', () => {
    const line = new Line();
    expect(line.begin('x', a, true)).toBeUndefined();
    expect(line.begin('x', b, true)).toEqual(a);
    expect(line.end('x', a, false)).toEqual(b);
    expect(line.begin('x', b, true)).toBeUndefined();
    expect(line.end('x', b, false)).toBeUndefined();
  });

  test('keeps the order in which they became due, also while the first one waits', () => {
    const line = new Line();
    line.begin('x', a, true);
    expect(line.end('x', a, true)).toBeUndefined();
    expect(line.begin('x', b, true)).toEqual(a);
    line.end('x', b, true);
    expect(line.begin('x', c, true)).toEqual(a);
    line.end('x', c, true);
    line.begin('x', a, true);
    expect(line.end('x', a, false)).toEqual(b);
    expect(line.begin('x', c, true)).toEqual(b);
  });

  test('lets a backup go before what only tends the volume', () => {
    const line = new Line();
    line.begin('x', a, true);
    line.end('x', a, true);
    expect(line.begin('x', b, false)).toEqual(a);
    line.end('x', b, false);
    expect(line.begin('x', a, true)).toBeUndefined();
  });

  test('wakes a backup that came while a Job that tends the volume was being made', () => {
    const line = new Line();
    expect(line.begin('x', b, false)).toBeUndefined();
    expect(line.begin('x', a, true)).toEqual(b);
    expect(line.end('x', b, false)).toEqual(a);
  });

  test('is one for each claim', () => {
    const line = new Line();
    line.begin('x', a, true);
    expect(line.begin('y', b, true)).toBeUndefined();
  });

  test('forgets who is gone, and wakes the next', () => {
    const line = new Line();
    line.begin('x', a, true);
    line.end('x', a, true);
    line.begin('x', b, true);
    expect(line.forget(a)).toEqual([b]);
    expect(line.begin('x', b, true)).toBeUndefined();
  });

  test('takes a second look in the same pass for the same turn', () => {
    const line = new Line();
    line.begin('x', a, true);
    line.begin('x', b, true);
    expect(line.begin('x', a, true)).toBeUndefined();
    expect(line.end('x', a, false)).toEqual(b);
  });
});
