import { describe, expect, test } from 'vitest';
import { zoneOf, type Zone } from '../backup/zone.ts';
import { clockChanges, onWall } from './wall.ts';

function zone(name: string): Zone {
  const found = zoneOf(name);
  if (found === undefined) throw new Error(name);
  return found;
}

describe('a time on the wall', () => {
  test.each([
    { name: 'UTC', time: '2026-10-25T01:30:00Z', is: '2026-10-25T01:30:00+00:00' },
    { name: 'Europe/Madrid', time: '2026-10-25T00:30:00Z', is: '2026-10-25T02:30:00+02:00' },
    { name: 'Europe/Madrid', time: '2026-10-25T01:30:00Z', is: '2026-10-25T02:30:00+01:00' },
    { name: 'Asia/Kolkata', time: '2026-01-01T20:00:00Z', is: '2026-01-02T01:30:00+05:30' },
    { name: 'America/St_Johns', time: '2026-01-01T00:00:00Z', is: '2025-12-31T20:30:00-03:30' },
  ])('$time in $name', ({ name, time, is }) => {
    expect(onWall(zone(name), new Date(time))).toBe(is);
    expect(new Date(is)).toEqual(new Date(time));
  });
});

describe('changes of clocks', () => {
  const year = [new Date('2026-01-01T00:00:00Z'), new Date('2027-01-01T00:00:00Z')] as const;

  test('are told with the day that the wall shows after them', () => {
    expect(clockChanges(zone('Europe/Madrid'), ...year)).toEqual([
      { time: new Date('2026-03-29T01:00:00Z'), date: '2026-03-29', before: '+01:00', after: '+02:00' },
      { time: new Date('2026-10-25T01:00:00Z'), date: '2026-10-25', before: '+02:00', after: '+01:00' },
    ]);
  });

  test('at midnight belong to the day that has not 24 hours', () => {
    // Cairo: forward at 00:00 of a Friday, back at 24:00 of a Thursday.
    expect(clockChanges(zone('Africa/Cairo'), ...year).map(({ date }) => date)).toEqual([
      '2026-04-24',
      '2026-10-29',
    ]);
  });

  test('the end of a year is none', () => {
    const decade = [year[0], new Date('2036-01-01T00:00:00Z')] as const;
    expect(clockChanges(zone('UTC'), ...decade)).toEqual([]);
    expect(clockChanges(zone('Europe/Madrid'), ...decade)).toHaveLength(20);
  });

  test('one at the very end of the span is not in it, one at its beginning has been', () => {
    const change = new Date('2026-10-25T01:00:00Z');
    expect(clockChanges(zone('Europe/Madrid'), year[0], change)).toHaveLength(1);
    expect(clockChanges(zone('Europe/Madrid'), change, year[1])).toEqual([]);
  });
});
