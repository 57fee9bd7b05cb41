// What a resource comes to in the days that follow: its runs, what they leave on the volume, and what may be lost. Pure.
import type { Neo4jBackup } from '../backup/resources.ts';
import { parseSchedule } from '../backup/schedule.ts';
import { timetableOf } from '../backup/timetable.ts';
import { windowsOf, type Span } from '../backup/windows.ts';
import { selectEngine } from '../engine/select.ts';
import { playPoints, type Points, type Sizes, type TakenRun } from './points.ts';
import type { Plan } from './report.ts';
import type { Found } from './resources.ts';
import {
  countMoments,
  runsWithin,
  startBefore,
  startFrom,
  type Dark,
  type Runs,
  type Timing,
} from './runs.ts';
import { clockChanges, inZone, offsetInWords, zoneOf, type ClockChange, type Zone } from './zone.ts';

export interface Asked {
  readonly from: Date;
  readonly days: number;
  readonly sizes: Sizes | undefined;
}

export type Planned =
  | { readonly kind: 'planned'; readonly plan: Plan }
  /** In words that go on after the name of the resource. */
  | { readonly kind: 'tooMany'; readonly problem: string };

/** A plan of more runs nobody reads. */
const mostRuns = 20_000;
const dayMs = 86_400_000;

/** Of a resource that nothing speaks against. */
export function planOf({ document, backup }: Found, asked: Asked): Planned {
  const { spec, metadata } = backup;
  const span = { from: asked.from, until: new Date(asked.from.getTime() + asked.days * dayMs) };
  const timing = timingOf(backup);
  const problem = tooMany(timing, backup, { span, days: asked.days });
  if (problem !== undefined) return { kind: 'tooMany', problem };
  const zone = zoneOf(spec.timeZone ?? 'UTC');
  const runs = timing === undefined ? { runs: [], dark: [] } : runsWithin(timing, span);
  const engine = selectEngine(spec.neo4j.version);
  const points = playPoints(runs.runs, {
    policy: spec.retention,
    engine: engine ?? { layout: 'store', generation: 'B2' },
    sizes: asked.sizes,
  });
  const tell = (time: Date): string => inZone(zone, time);
  const changes = clockChanges(zone, span.from, span.until);
  const plan: Plan = {
    document,
    name: metadata.name,
    namespace: metadata.namespace ?? 'default',
    neo4jVersion: spec.neo4j.version,
    from: tell(span.from),
    until: tell(span.until),
    timeZone: spec.timeZone ?? 'UTC',
    ...given('schedule', spec.schedule),
    ...given('fullSchedule', spec.fullSchedule),
    suspended: spec.suspend,
    ...given('spread', spreadIn(backup)),
    clockChanges: changes.map((change) => toldChange(change, points.taken, zone)),
    totals: totalsOf(points, runs),
    dataLoss: dataLossIn(startsAround(timing, runs, span), spec.objectives?.maxDataLossSeconds, tell),
    retention: retentionIn(points, backup, {
      tell,
      unit: engine?.layout === 'artifacts' ? 'Chain' : 'Point',
    }),
    ...given('space', spaceIn(points, asked.sizes, tell)),
    ...given('verification', verificationIn(backup, span)),
    runs: points.taken.map((run) => toldRun(run, new Set(changes.map(({ date }) => date)), tell)),
    blackedOut: runs.dark.map((dark) => toldDark(dark, tell)),
    notes: notesOn(backup, runs, { timing, points, sizes: asked.sizes }),
  };
  return { kind: 'planned', plan };
}

/** A field that is there only where it has something to say. */
function given<K extends string, V>(name: K, value: V | undefined): { readonly [name in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [name in K]: V });
}

// --- schedules

function timingOf(backup: Neo4jBackup): Timing | undefined {
  const { spec } = backup;
  const timetable = timetableOf(spec);
  const windows = windowsOf(spec);
  if (timetable?.kind !== 'valid' || windows.kind !== 'valid') return undefined;
  const { span, seconds } = spreadIn(backup) ?? { span: '0m', seconds: 0 };
  const spread =
    seconds === undefined
      ? { leastMs: 0, mostMs: spanMs(span) - 1_000 }
      : { leastMs: seconds * 1_000, mostMs: seconds * 1_000 };
  return { timetable: timetable.timetable, windows: windows.windows, spread };
}

/** The offset follows from the uid, which no file has. A resource that was read from a cluster tells it. */
function spreadIn({ spec, status }: Neo4jBackup): Plan['spread'] {
  const { spread: span } = spec;
  if (span === undefined) return undefined;
  const seconds = status?.spreadSeconds;
  const isKnown = seconds !== undefined && seconds * 1_000 < spanMs(span);
  return isKnown ? { span, seconds } : { span };
}

const unitMs = { m: 60_000, h: 3_600_000, d: dayMs } as const;

function spanMs(text: string): number {
  return Number(text.slice(0, -1)) * unitMs[text.slice(-1) as keyof typeof unitMs];
}

function tooMany(
  timing: Timing | undefined,
  { spec }: Neo4jBackup,
  { span, days }: { readonly span: Span; readonly days: number },
): string | undefined {
  const runs = timing === undefined ? 0 : countMoments(timing, span);
  const verifications = verificationTimes(spec.verification?.schedule, span).length;
  const most = Math.max(runs, verifications);
  if (most <= mostRuns) return undefined;
  const what = runs > mostRuns ? `${runs} moments` : `more than ${mostRuns} verifications`;
  return `its schedules have ${what} in ${days} days, and ${mostRuns} can be planned at most: ask for fewer with --days`;
}

function verificationTimes(schedule: string | undefined, { from, until }: Span): readonly Date[] {
  const parsed = schedule === undefined ? undefined : parseSchedule(schedule);
  if (parsed?.kind !== 'valid') return [];
  const times: Date[] = [];
  let time = parsed.schedule.next(new Date(from.getTime() - 1));
  while (time !== undefined && time < until && times.length <= mostRuns) {
    times.push(time);
    time = parsed.schedule.next(time);
  }
  return times;
}

/** Its schedule is one of UTC, whatever the zone of the others. */
function verificationIn({ spec }: Neo4jBackup, span: Span): Plan['verification'] {
  const schedule = spec.verification?.schedule;
  if (schedule === undefined) return undefined;
  const utc = zoneOf('UTC');
  return { schedule, times: verificationTimes(schedule, span).map((time) => inZone(utc, time)) };
}

// --- runs

type Tell = (time: Date) => string;

function toldRun(
  { run, fullBecause, pruned, points, chains }: TakenRun,
  changing: ReadonlySet<string>,
  tell: Tell,
): Plan['runs'][number] {
  const time = tell(run.start);
  const scheduledTime = tell(run.moment);
  return {
    time,
    ...(time === scheduledTime ? {} : { scheduledTime }),
    type: fullBecause === undefined ? 'Incremental' : 'Full',
    ...given('fullBecause', fullBecause),
    ...(changing.has(time.slice(0, 10)) ? { clocksChange: true } : {}),
    ...(run.isUnsure ? { unsure: true } : {}),
    pruned,
    points,
    chains,
  };
}

function toldDark({ start, isFull, until, isUnsure }: Dark, tell: Tell): Plan['blackedOut'][number] {
  return {
    time: tell(start),
    type: isFull ? 'Full' : 'Auto',
    until: tell(until),
    ...(isUnsure ? { unsure: true } : {}),
  };
}

function toldChange(
  { time, date, beforeMs, afterMs }: ClockChange,
  taken: readonly TakenRun[],
  zone: Zone,
): Plan['clockChanges'][number] {
  return {
    time: inZone(zone, time),
    date,
    offsetBefore: offsetInWords(beforeMs),
    offsetAfter: offsetInWords(afterMs),
    runs: taken.filter(
      ({ run }) =>
        Math.abs(run.start.getTime() - time.getTime()) < 2 * dayMs &&
        inZone(zone, run.start).startsWith(date),
    ).length,
  };
}

function totalsOf({ taken }: Points, { dark }: Runs): Plan['totals'] {
  const full = taken.filter(({ fullBecause }) => fullBecause !== undefined).length;
  return { runs: taken.length, full, incremental: taken.length - full, blackedOut: dark.length };
}

// --- what may be lost

/** The runs before and after count, too: what is lost in these days may have been taken before them. */
function startsAround(timing: Timing | undefined, { runs }: Runs, { from, until }: Span): readonly Date[] {
  if (timing === undefined) return [];
  const before = startBefore(timing, from);
  const after = startFrom(timing, until);
  return [
    ...(before === undefined ? [] : [before]),
    ...runs.map(({ start }) => start),
    ...(after === undefined ? [] : [after]),
  ];
}

function dataLossIn(
  starts: readonly Date[],
  maxDataLossSeconds: number | undefined,
  tell: Tell,
): Plan['dataLoss'] {
  const gaps = starts.slice(1).map((until, i) => {
    const from = starts[i] ?? until;
    return { from, until, seconds: Math.round((until.getTime() - from.getTime()) / 1_000) };
  });
  const told = ({ from, until, seconds }: (typeof gaps)[number]): Plan['dataLoss']['tooLong'][number] => ({
    from: tell(from),
    until: tell(until),
    seconds,
  });
  const [first] = gaps;
  if (first === undefined) return { ...given('maxDataLossSeconds', maxDataLossSeconds), tooLong: [] };
  const longest = gaps.reduce((so, gap) => (gap.seconds > so.seconds ? gap : so), first);
  if (maxDataLossSeconds === undefined) return { longest: told(longest), tooLong: [] };
  const tooLong = gaps.filter(({ seconds }) => seconds > maxDataLossSeconds);
  return {
    longest: told(longest),
    maxDataLossSeconds,
    met: tooLong.length === 0,
    tooLong: tooLong.map(told),
  };
}

// --- what is on the volume

function retentionIn(
  { taken, kept, chainsStarted, coarsest }: Points,
  { spec }: Neo4jBackup,
  { tell, unit }: { readonly tell: Tell; readonly unit: 'Point' | 'Chain' },
): Plan['retention'] {
  return {
    mode: spec.retention?.mode ?? 'None',
    unit,
    pointsTaken: taken.length,
    pointsPruned: taken.length - kept.length,
    pointsKept: kept.length,
    pointsCondemned: kept.filter(({ isCondemned }) => isCondemned).length,
    chainsStarted,
    chainsKept: new Set(kept.map(({ chainTime }) => chainTime.getTime())).size,
    reckonedEvery: coarsest,
    kept: kept.map(({ time, type, chainTime, because, isCondemned }) => ({
      time: tell(time),
      type,
      chain: tell(chainTime),
      because,
      ...(isCondemned ? { condemned: true } : {}),
    })),
  };
}

function spaceIn({ most, policyBytes }: Points, sizes: Sizes | undefined, tell: Tell): Plan['space'] {
  if (most === undefined) return undefined;
  const { time, points, full, bytes } = most;
  return {
    time: tell(time),
    points,
    full,
    incremental: points - full,
    ...(sizes === undefined ? {} : { bytes: bounded(bytes) }),
    ...given('policyBytes', policyBytes),
  };
}

/** JSON carries no more exactly. */
function bounded(bytes: number): number {
  return Math.min(Math.round(bytes), Number.MAX_SAFE_INTEGER);
}

// --- what the numbers rest on

interface Grounds {
  readonly timing: Timing | undefined;
  readonly points: Points;
  readonly sizes: Sizes | undefined;
}

type Note = (backup: Neo4jBackup, runs: Runs, grounds: Grounds) => string | undefined;

const notes: readonly Note[] = [
  ({ spec }) =>
    spec.suspend ? 'spec.suspend is true: nothing of this starts until that is taken back.' : undefined,
  ({ spec }, _, { timing }) =>
    timing === undefined
      ? `There is no schedule: there is one run, ${spec.trigger === undefined ? 'at creation' : 'for its trigger'}, and it is not planned here.`
      : undefined,
  ({ spec }, _, { timing }) =>
    timing !== undefined && spec.trigger !== undefined
      ? 'spec.trigger starts a run when its id is new: it is not among these.'
      : undefined,
  (_, { runs }) =>
    runs.length > 0
      ? 'The destination is taken to be blank, so the first run is a full one; every run succeeds, and takes no time.'
      : undefined,
  ({ spec }) => {
    if (spec.allDatabases === true) return 'A point stands for one of each database that the server has.';
    const { databases = [] } = spec;
    return databases.length > 1
      ? `A point stands for one of each of the ${databases.length} databases.`
      : undefined;
  },
  (_, { runs, dark }) => {
    const unsure = [...runs, ...dark].filter(({ isUnsure }) => isUnsure).length;
    return unsure > 0
      ? `The spread may put ${unsure} of the moments to the other side of a blackout window's edge.`
      : undefined;
  },
  ({ spec }) =>
    selectEngine(spec.neo4j.version)?.layout === 'artifacts' && spec.consistencyCheck !== 'Never'
      ? 'While the consistency check runs it needs room for an unpacked store beside all that.'
      : undefined,
  (_, __, { points }) =>
    points.coarsest > 1
      ? `So many points stay that retention is reckoned for every ${points.coarsest} runs together: a point may go up to as many runs before.`
      : undefined,
];

function notesOn(backup: Neo4jBackup, runs: Runs, grounds: Grounds): string[] {
  return notes.flatMap((note) => note(backup, runs, grounds) ?? []);
}
