// Schedules, zones, spans and blackout windows by chance: what is asked in different ways has one answer, and it is that of
// the daemon which looks at the wall with each minute.
import * as fc from 'fast-check';
import { test } from 'vitest';
import { timetableOf, type Moment, type Timetable } from '../../src/backup/timetable.ts';
import { windowsOf } from '../../src/backup/windows.ts';
import { concludeCampaign, plansOf, seed } from './campaign.ts';
import { clocksOf, ticks, type Clocks, type Told, type Wall } from './oracle.ts';

const [minute, day] = [60_000, 86_400_000] as const;
const [first, last] = [Date.UTC(2024, 0, 1), Date.UTC(2029, 0, 1)];

// --- a schedule by chance, as text and as what it names

interface Field {
  readonly text: string;
  readonly names: (value: number) => boolean;
}

const every: Field = { text: '*', names: () => true };

function rangeIn(least: number, most: number): fc.Arbitrary<Field> {
  return fc
    .tuple(
      fc.integer({ min: least, max: most }),
      fc.integer({ min: least, max: most }),
      fc.integer({ min: 1, max: Math.min(9, most - least) }),
    )
    .map(([a, b, step]) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)];
      return {
        text: step === 1 ? `${low}-${high}` : `${low}-${high}/${step}`,
        names: (value) => value >= low && value <= high && (value - low) % step === 0,
      };
    });
}

function fieldIn(least: number, most: number): fc.Arbitrary<Field> {
  const one = fc
    .integer({ min: least, max: most })
    .map((n): Field => ({ text: `${n}`, names: (value) => value === n }));
  const stepped = fc
    .integer({ min: 2, max: Math.min(20, most - least) })
    .map((step): Field => ({ text: `*/${step}`, names: (value) => (value - least) % step === 0 }));
  const list = fc
    .array(fc.oneof(one, rangeIn(least, most)), { minLength: 1, maxLength: 3 })
    .map((parts): Field => ({
      text: parts.map(({ text }) => text).join(','),
      names: (value) => parts.some(({ names }) => names(value)),
    }));
  return fc.oneof(one, stepped, list);
}

function often(field: fc.Arbitrary<Field>): fc.Arbitrary<Field> {
  return fc.oneof({ weight: 3, arbitrary: fc.constant(every) }, { weight: 1, arbitrary: field });
}

const hours = Array.from({ length: 24 }, (_, hour) => hour);

const schedules: fc.Arbitrary<Told> = fc
  .record({
    minutes: fc.oneof(fieldIn(0, 59), fc.constant(every)),
    hour: fc.oneof(fieldIn(0, 23), fc.constant(every), rangeIn(0, 3)),
    date: often(fieldIn(1, 28)),
    month: often(fieldIn(1, 12)),
    weekday: often(fieldIn(0, 6)),
  })
  .map(({ minutes, hour, date, month, weekday }) => {
    const isDay = (wall: Wall): boolean =>
      date === every || weekday === every
        ? date.names(wall.date) && weekday.names(wall.weekday)
        : date.names(wall.date) || weekday.names(wall.weekday);
    return {
      text: [minutes, hour, date, month, weekday].map(({ text }) => text).join(' '),
      isOfTheWall: !hours.every((one) => hour.names(one)),
      names: (wall: Wall) =>
        minutes.names(wall.minute) && hour.names(wall.hour) && month.names(wall.month) && isDay(wall),
    };
  });

// --- a zone and a span by chance, more often than not where the clocks jump

const zones = Intl.supportedValuesOf('timeZone');
const knownClocks = new Map<string, Clocks>();

function clocksIn(zone: string): Clocks {
  const clocks = knownClocks.get(zone) ?? clocksOf(zone, first, last);
  knownClocks.set(zone, clocks);
  return clocks;
}

const places = fc
  .record({
    zone: fc.oneof(
      fc.constantFrom(...zones),
      fc.constantFrom(
        'Europe/Madrid',
        'America/New_York',
        'America/Havana',
        'Australia/Lord_Howe',
        'Africa/Cairo',
      ),
    ),
    which: fc.nat(),
    isNear: fc.boolean(),
    time: fc.integer({ min: first + 10 * day, max: last - 10 * day }),
    offset: fc.integer({ min: -2 * day, max: 2 * day }),
    // Uneven: a moment of the schedules at an edge of the span counts at the one and not at the other.
    length: fc.oneof(
      fc.integer({ min: 0, max: 4 * day }),
      fc.integer({ min: 0, max: 4 * 1440 }).map((n) => n * minute),
    ),
    isEven: fc.boolean(),
  })
  .map(({ zone, which, isNear, time, offset, length, isEven }) => {
    const clocks = clocksIn(zone);
    const change = isNear ? clocks.changes[which % Math.max(1, clocks.changes.length)] : undefined;
    const start = (change?.at ?? time) + offset;
    const after = isEven ? Math.floor(start / minute) * minute : start;
    return { clocks, after, through: after + length };
  });

const pairs = fc.record({ place: places, one: schedules, other: fc.option(schedules, { nil: undefined }) });

interface Plans<T> {
  readonly of: fc.Arbitrary<T>;
  readonly usually: number;
}

/** Plays plans of chance, each of which finds what is wrong, or nothing; the smallest that fails is told. */
function play<T>(
  { of, usually }: Plans<T>,
  judge: (plan: T) => string | undefined,
): readonly [number, readonly string[]] {
  let played = 0;
  let wrong: string | undefined;
  const property = fc.property(of, (plan) => {
    played += 1;
    const problem = judge(plan);
    if (problem !== undefined) wrong = `SEED=${seed}: ${problem}`;
    return problem === undefined;
  });
  fc.check(property, { seed, numRuns: plansOf(usually) });
  return [played, wrong === undefined ? [] : [wrong]];
}

// --- timetables

function timetableFor(timing: Parameters<typeof timetableOf>[0]): Timetable | undefined {
  const parsed = timetableOf(timing);
  return parsed?.kind === 'valid' ? parsed.timetable : undefined;
}

test('timetables by chance are those of the daemon', () => {
  const found = play({ of: pairs, usually: 1_000 }, ({ place, one, other }) => {
    const { clocks, after, through } = place;
    const timing = { timeZone: clocks.zone, schedule: one.text, fullSchedule: other?.text };
    const of = `${JSON.stringify(timing)} from ${new Date(after).toISOString()} to ${new Date(through).toISOString()}`;
    const timetable = timetableFor(timing);
    if (timetable === undefined) return `${of}: refused`;
    const expected = [...ticks(clocks, other === undefined ? [one] : [one, other], { after, through })];
    const wrong = mismatch(
      timetable,
      { after, through },
      expected.map(({ time, striking }) => ({ time, isFull: striking.includes(1) })),
    );
    return wrong === undefined ? undefined : `${of}: ${wrong}`;
  });
  concludeCampaign('timetables by chance', ...found);
});

interface Span {
  readonly after: number;
  readonly through: number;
}

interface Expected {
  readonly time: number;
  readonly isFull: boolean;
}

function isSame(found: Expected | undefined, expected: Expected): boolean {
  return found?.time === expected.time && found.isFull === expected.isFull;
}

function plainly(moment: Moment | undefined): Expected | undefined {
  return moment === undefined ? undefined : { time: moment.time.getTime(), isFull: moment.isFull };
}

function mismatch(timetable: Timetable, span: Span, expected: readonly Expected[]): string | undefined {
  const [after, through] = [new Date(span.after), new Date(span.through)];
  const count = timetable.count(after, through);
  if (count !== expected.length) return `count is ${count} of ${expected.length}`;
  const full = wrongFull(
    timetable,
    span,
    expected.filter(({ isFull }) => isFull),
  );
  if (full !== undefined) return full;
  for (const [i, moment] of expected.entries()) {
    // From one until just before the next one the answer stays the same.
    const asked = [expected[i - 1]?.time ?? span.after, moment.time - 1];
    const next = asked.map((time) => plainly(timetable.next(new Date(time))));
    const newest = plainly(timetable.newest(new Date(moment.time)));
    if (![...next, newest].every((one) => isSame(one, moment)))
      return `around ${new Date(moment.time).toISOString()}: ${JSON.stringify({ next, newest })}`;
  }
  return undefined;
}

function wrongFull(
  { newestFull, nextFull }: Timetable,
  span: Span,
  fulls: readonly Expected[],
): string | undefined {
  if (fulls.length === 0) return undefined;
  const found = [nextFull(new Date(span.after)), newestFull(new Date(span.through))].map((time) =>
    time?.getTime(),
  );
  const expected = [fulls[0]?.time, fulls.at(-1)?.time];
  return JSON.stringify(found) === JSON.stringify(expected)
    ? undefined
    : `of full ones ${found.join(' and ')}`;
}

const longSpans = fc.record({
  zone: fc.constantFrom(...zones),
  one: schedules,
  other: fc.option(schedules, { nil: undefined }),
  times: fc
    .array(fc.integer({ min: Date.UTC(2012, 0, 1), max: Date.UTC(2034, 0, 1) }), {
      minLength: 3,
      maxLength: 3,
    })
    .map((times) => times.toSorted((a, b) => a - b)),
});

test('next, newest and count agree over decades', () => {
  const found = play({ of: longSpans, usually: 300 }, ({ zone, one, other, times }) => {
    const timing = { timeZone: zone, schedule: one.text, fullSchedule: other?.text };
    const timetable = timetableFor(timing);
    const wrong = timetable === undefined ? 'refused' : disagreement(timetable, times);
    return wrong === undefined ? undefined : `${JSON.stringify(timing)} at ${times.join(', ')}: ${wrong}`;
  });
  concludeCampaign('answers that agree', ...found);
});

function disagreement(timetable: Timetable, times: readonly number[]): string | undefined {
  const [start, middle, end] = times.map((time) => new Date(time)) as [Date, Date, Date];
  const { count } = timetable;
  const [newest, next] = [timetable.newest(middle)?.time, timetable.next(middle)?.time];
  if (newest === undefined || next === undefined) return 'there is no end of it';
  const holds: Readonly<Record<string, boolean>> = {
    'parts and whole': count(start, middle) + count(middle, end) === count(start, end),
    'both are around': newest <= middle && middle < next,
    'newest is the newest': count(newest, middle) === 0,
    'next is the next': count(newest, next) === 1,
    'newest is one': count(new Date(newest.getTime() - 1), newest) === 1,
    'next is newest then': timetable.newest(next)?.time.getTime() === next.getTime(),
  };
  return Object.keys(holds).find((what) => holds[what] !== true);
}

// --- blackout windows

const lengths = fc.oneof(
  fc.integer({ min: 1, max: 200 }).map((n) => ({ text: `${n}m`, ms: n * minute })),
  fc.integer({ min: 1, max: 30 }).map((n) => ({ text: `${n}h`, ms: n * 60 * minute })),
  fc.integer({ min: 1, max: 2 }).map((n) => ({ text: `${n}d`, ms: n * day })),
);

const blackouts = fc.record({
  place: places,
  windows: fc.array(fc.record({ told: schedules, length: lengths }), { minLength: 1, maxLength: 4 }),
});

test('blackout windows by chance are those of the daemon', () => {
  const found = play({ of: blackouts, usually: 400 }, ({ place: { clocks, after, through }, windows }) => {
    const timing = {
      timeZone: clocks.zone,
      blackoutWindows: windows.map(({ told, length }) => ({ schedule: told.text, duration: length.text })),
    };
    const of = `${JSON.stringify(timing)} from ${new Date(after).toISOString()} to ${new Date(through).toISOString()}`;
    const parsed = windowsOf(timing);
    if (parsed.kind === 'invalid') return `${of}: refused`;
    // Nothing that began three days ago is open any more, and nothing is open for longer than it is looked at afterwards.
    const all = [
      ...ticks(
        clocks,
        windows.map(({ told }) => told),
        { after: after - 3 * day, through: through + 3 * day },
      ),
    ];
    const open = together(
      all.flatMap(({ time, striking }) =>
        striking.map((i) => ({ from: time, until: time + (windows[i]?.length.ms ?? 0) })),
      ),
    );
    const expected = open
      .filter(({ from, until }) => from < through && until > after)
      .map(({ from, until }) => ({
        from: new Date(Math.max(from, after)),
        until: new Date(Math.min(until, through)),
      }));
    const within =
      after < through ? parsed.windows.within({ from: new Date(after), until: new Date(through) }) : expected;
    if (JSON.stringify(within) !== JSON.stringify(expected))
      return `${of}: ${JSON.stringify(within)} instead of ${JSON.stringify(expected)}`;
    for (const time of [
      after,
      ...expected.flatMap(({ from, until }) => [from.getTime(), until.getTime() - 1, until.getTime()]),
    ]) {
      const end = parsed.windows.endOf(new Date(time))?.getTime();
      const should = open.find(({ from, until }) => from <= time && time < until)?.until;
      const isFar = should !== undefined && should > through + 2 * day;
      if (!isFar && end !== should)
        return `${of}: at ${new Date(time).toISOString()} it ends at ${String(end)} and not at ${String(should)}`;
    }
    return undefined;
  });
  concludeCampaign('windows by chance', ...found);
});

interface Open {
  readonly from: number;
  readonly until: number;
}

function together(single: readonly Open[]): readonly Open[] {
  const found: { from: number; until: number }[] = [];
  for (const one of single.toSorted((a, b) => a.from - b.from)) {
    const before = found.at(-1);
    if (before !== undefined && one.from <= before.until) before.until = Math.max(before.until, one.until);
    else found.push({ ...one });
  }
  return found;
}
