import { describe, expect, test } from 'vitest';
import { windowsOf, type Span, type Windows } from './windows.ts';

type BlackoutWindows = NonNullable<Parameters<typeof windowsOf>[0]['blackoutWindows']>;

function valid(blackoutWindows: BlackoutWindows, timeZone?: string): Windows {
  const parsed = windowsOf({ blackoutWindows, timeZone });
  if (parsed.kind === 'invalid') throw new Error(parsed.problem);
  return parsed.windows;
}

function span(from: string, until: string): Span {
  return { from: new Date(from), until: new Date(until) };
}

const office = [{ schedule: '0 8 * * 1-5', duration: '10h' }];

describe('when a window ends', () => {
  interface Case {
    readonly what: string;
    readonly windows: BlackoutWindows;
    readonly at: string;
    readonly end: string | undefined;
  }
  const cases: readonly Case[] = [
    { what: 'before it', windows: office, at: '2026-11-30T06:59:59.999Z', end: undefined },
    { what: 'as it begins', windows: office, at: '2026-11-30T07:00Z', end: '2026-11-30T17:00Z' },
    {
      what: 'just before its end',
      windows: office,
      at: '2026-11-30T16:59:59.999Z',
      end: '2026-11-30T17:00Z',
    },
    { what: 'at its end', windows: office, at: '2026-11-30T17:00Z', end: undefined },
    {
      what: 'another one follows without a gap',
      windows: [...office, { schedule: '0 18 * * 1', duration: '30m' }],
      at: '2026-11-30T08:00Z',
      end: '2026-11-30T17:30Z',
    },
    {
      what: 'another one that began sooner lasts longer',
      windows: [...office, { schedule: '0 20 * * 0', duration: '1d' }],
      at: '2026-11-30T08:00Z',
      end: '2026-11-30T19:00Z',
    },
    {
      what: 'with the clocks an hour ahead it lasts as long as ever',
      windows: [{ schedule: '0 0 * * *', duration: '4h' }],
      at: '2026-03-28T23:00Z',
      end: '2026-03-29T03:00Z',
    },
    {
      what: 'what begins at a time that does not exist',
      windows: [{ schedule: '30 2 * * *', duration: '1h' }],
      at: '2026-03-29T01:59Z',
      end: '2026-03-29T02:00Z',
    },
    {
      what: 'a day after a day leaves a gap of an hour where there are 25',
      windows: [{ schedule: '0 0 * * *', duration: '1d' }],
      at: '2026-10-20T12:00Z',
      end: '2026-10-25T22:00Z',
    },
    {
      what: 'never: a year is far enough',
      windows: [{ schedule: '* * * * *', duration: '1m' }],
      at: '2026-01-01T00:00Z',
      end: '2027-01-02T00:00Z',
    },
    {
      what: 'never, with two that take turns',
      windows: [
        { schedule: '*/2 * * * *', duration: '1m' },
        { schedule: '1-59/2 * * * *', duration: '1m' },
      ],
      at: '2026-01-01T00:00Z',
      end: '2027-01-02T00:00Z',
    },
    {
      what: 'in centuries',
      windows: [{ schedule: '@yearly', duration: '99999d' }],
      at: '2026-01-01T00:00Z',
      end: '2027-01-02T00:00Z',
    },
  ];
  test.for(cases)('$what', ({ windows, at, end }) => {
    const found = valid(windows, 'Europe/Madrid').endOf(new Date(at));
    expect(found).toEqual(end === undefined ? undefined : new Date(end));
  });

  test('asked forth and back, it says the same', () => {
    const windows = valid(office);
    const times = ['2026-11-30T09:00Z', '2026-11-30T07:00Z', '2026-11-30T09:00Z', '2026-12-01T09:00Z'];
    expect(times.map((time) => windows.endOf(new Date(time))?.toISOString())).toEqual([
      '2026-11-30T18:00:00.000Z',
      undefined,
      '2026-11-30T18:00:00.000Z',
      '2026-12-01T18:00:00.000Z',
    ]);
  });
});

describe('the windows of a span', () => {
  test('cut to it, and together where there is no gap', () => {
    const windows = valid([...office, { schedule: '0 18 * * 1', duration: '30m' }]);
    expect(windows.within(span('2026-11-30T09:00Z', '2026-12-02T09:00Z'))).toEqual([
      span('2026-11-30T09:00Z', '2026-11-30T18:30Z'),
      span('2026-12-01T08:00Z', '2026-12-01T18:00Z'),
      span('2026-12-02T08:00Z', '2026-12-02T09:00Z'),
    ]);
  });

  test.for([
    ['at the end of one', span('2026-11-30T18:00Z', '2026-12-01T08:00Z')],
    ['of no time', span('2026-11-30T09:00Z', '2026-11-30T09:00Z')],
    ['that ends before it begins', span('2026-11-30T09:00Z', '2026-11-29T09:00Z')],
  ] as const)('none: %s', ([, of]) => {
    expect(valid(office).within(of)).toEqual([]);
  });

  test('all of ten years', () => {
    const windows = valid([{ schedule: '0 8 * * *', duration: '10h' }], 'America/New_York');
    expect(windows.within(span('2016-01-01T00:00Z', '2026-01-01T00:00Z'))).toHaveLength(3653);
  });
});

test('without windows nothing is in the way', () => {
  const windows = valid([]);
  expect(windows.endOf(new Date('2026-11-30T09:00Z'))).toBeUndefined();
  expect(windows.within(span('2016-01-01T00:00Z', '2026-01-01T00:00Z'))).toEqual([]);
});

test.each([
  [{ schedule: '0 8 * *', duration: '1h' }, undefined, 'schedule'],
  [{ schedule: '@daily', duration: '1w' }, undefined, 'duration'],
  [{ schedule: '@daily', duration: '1h' }, 'Europe/Atlantis', 'timeZone'],
] as const)('%j is none in %s: the %s', (window, timeZone, field) => {
  const found = windowsOf({ blackoutWindows: [{ schedule: '@daily', duration: '1h' }, window], timeZone });
  const at = field === 'timeZone' ? 0 : 1;
  expect(found).toEqual({ kind: 'invalid', at, field, problem: expect.stringMatching(/\w+/) });
});
