// Every zone, around every change of its clocks, and whole years of some: each nominal time has exactly one moment.
import { test } from 'vitest';
import { timetableOf, type Moment, type Timetable } from '../../src/backup/timetable.ts';
import { concludeCampaign } from './campaign.ts';
import { clocksOf, ticks, type Clocks, type Tick } from './oracle.ts';
import { table } from './table.ts';

const day = 86_400_000;
const [first, last] = [Date.UTC(2024, 0, 1), Date.UTC(2029, 0, 1)];

interface Span {
  readonly after: number;
  readonly through: number;
}

/** A schedule each, and each of them together with another one as that of full backups. */
const pairs = table.map((_, i) => ({ schedule: i, fullSchedule: (i + 5) % table.length }));
const singles = table.map((_, i) => ({ schedule: i, fullSchedule: undefined }));

interface Plan {
  readonly schedule: number;
  readonly fullSchedule: number | undefined;
}

test('around every change of the clocks', () => {
  const violations: string[] = [];
  let plans = 0;
  for (const clocks of distinctClocks()) {
    for (const { at } of clocks.changes) {
      plans += play(
        clocks,
        { after: at - 1.5 * day, through: at + 1.5 * day },
        [...singles, ...pairs],
        violations,
      );
    }
  }
  concludeCampaign('around every change of the clocks', plans, violations);
});

test.for([
  'Europe/Madrid',
  'America/New_York',
  'Australia/Lord_Howe',
  'Africa/Casablanca',
  'Asia/Kathmandu',
  'UTC',
])('a year of %s', (zone) => {
  const violations: string[] = [];
  const clocks = clocksOf(zone, first, last);
  const span = { after: Date.UTC(2025, 11, 31, 23, 59, 30), through: Date.UTC(2026, 11, 31, 23, 59, 30) };
  const plans = play(clocks, span, [...singles, ...pairs.slice(11)], violations);
  concludeCampaign(`a year of ${zone}`, plans, violations);
});

/** Of zones whose clocks do the same all the time the first one. */
function distinctClocks(): readonly Clocks[] {
  const all = Intl.supportedValuesOf('timeZone').map((zone) => clocksOf(zone, first, last));
  return [
    ...new Map(
      all.toReversed().map((clocks) => [JSON.stringify([clocks.first, clocks.changes]), clocks]),
    ).values(),
  ];
}

function play(clocks: Clocks, span: Span, plans: readonly Plan[], violations: string[]): number {
  const seen = [...ticks(clocks, table, span)];
  for (const plan of plans) {
    const wrong = judge(clocks.zone, plan, { span, seen });
    if (wrong !== undefined) violations.push(wrong);
  }
  return plans.length;
}

function judge(
  zone: string,
  { schedule, fullSchedule }: Plan,
  { span, seen }: { readonly span: Span; readonly seen: readonly Tick[] },
): string | undefined {
  const timing = {
    timeZone: zone,
    schedule: table[schedule]?.text,
    ...(fullSchedule === undefined ? {} : { fullSchedule: table[fullSchedule]?.text }),
  };
  const parsed = timetableOf(timing);
  if (parsed?.kind !== 'valid') return `${JSON.stringify(timing)} is refused`;
  const expected = seen
    .filter(
      ({ striking }) =>
        striking.includes(schedule) || (fullSchedule !== undefined && striking.includes(fullSchedule)),
    )
    .map(({ time, striking }) =>
      numbered(time, fullSchedule !== undefined && striking.includes(fullSchedule)),
    );
  const wrong = difference(parsed.timetable, span, expected);
  return wrong === undefined ? undefined : `${JSON.stringify(timing)}: ${wrong}`;
}

/** A moment in one number: there are millions. An odd one is a full one. */
function numbered(time: number, isFull: boolean): number {
  return 2 * time + Number(isFull);
}

function said(moment: number | undefined): string {
  if (moment === undefined) return 'nothing';
  return `${new Date(Math.floor(moment / 2)).toISOString()}${moment % 2 === 1 ? ' full' : ''}`;
}

function difference(timetable: Timetable, span: Span, expected: readonly number[]): string | undefined {
  const onward = firstDifference(walk(span, timetable.next), expected);
  if (onward !== undefined) return `next: ${onward}`;
  const back = firstDifference(walkBack(span, timetable.newest), expected);
  if (back !== undefined) return `newest: ${back}`;
  const count = timetable.count(new Date(span.after), new Date(span.through));
  return count === expected.length ? undefined : `count is ${count} of ${expected.length}`;
}

function walk({ after, through }: Span, next: Timetable['next']): number[] {
  const found: number[] = [];
  let moment: Moment | undefined = next(new Date(after));
  while (moment !== undefined && moment.time.getTime() <= through) {
    found.push(numbered(moment.time.getTime(), moment.isFull));
    moment = next(moment.time);
  }
  return found;
}

function walkBack({ after, through }: Span, newest: Timetable['newest']): number[] {
  const found: number[] = [];
  let moment: Moment | undefined = newest(new Date(through));
  while (moment !== undefined && moment.time.getTime() > after) {
    found.push(numbered(moment.time.getTime(), moment.isFull));
    moment = newest(new Date(moment.time.getTime() - 1));
  }
  return found.toReversed();
}

function firstDifference(found: readonly number[], expected: readonly number[]): string | undefined {
  const at = expected.findIndex((moment, i) => moment !== found[i]);
  if (at >= 0) return `${said(found[at])} instead of ${said(expected[at])}`;
  return found.length > expected.length ? `${said(found[expected.length])} is too many` : undefined;
}
