// What a resource comes to in the days that follow: its runs, what they leave on the volume, and what may be lost. Pure.
import type { Neo4jBackup } from '../backup/resources.ts';
import { calendarOf } from '../backup/calendar.ts';
import { parseSchedule } from '../backup/schedule.ts';
import { spanMs, timingOf } from '../backup/timing.ts';
import type { Span } from '../backup/windows.ts';
import { dayMs, zoneOf, type Zone } from '../backup/zone.ts';
import { selectEngine } from '../engine/select.ts';
import { dataLossIn, startsAround } from './loss.ts';
import { notesOn } from './notes.ts';
import { playPoints, type Points, type Sizes, type TakenRun } from './points.ts';
import type { Plan, Report } from './report.ts';
import { readResources, type Found } from './resources.ts';
import { countMoments, runsWithin, type Dark, type Runs, type Timing } from './runs.ts';
import { clockChanges, onWall, type ClockChange } from './wall.ts';

export interface Asked {
  readonly from: Date;
  readonly days: number;
  readonly sizes: Sizes | undefined;
}

type Planned =
  | { readonly kind: 'planned'; readonly plan: Plan }
  /** In words that go on after the name of the resource. */
  | { readonly kind: 'tooMany'; readonly problem: string };

export type Answer =
  | { readonly kind: 'planned'; readonly report: Report }
  /** What is wrong with the file, a line each. */
  | { readonly kind: 'wrong'; readonly problems: readonly string[] };

/** Plans every resource of ours that a text of YAML holds, or none. */
export function planFile(text: string, asked: Asked): Answer {
  const { found, ignored, problems } = readResources(text);
  const plans: Plan[] = [];
  const wrong = [...problems];
  for (const one of found) {
    const planned = planOf(one, asked);
    if (planned.kind === 'planned') plans.push(planned.plan);
    else wrong.push(`document ${one.document}, ${one.backup.metadata.name}: ${planned.problem}`);
  }
  if (wrong.length === 0 && plans.length === 0) wrong.push('there is no Neo4jBackup in it');
  if (wrong.length > 0) return { kind: 'wrong', problems: wrong };
  return { kind: 'planned', report: { schemaVersion: 1, plans, ignored: [...ignored] } };
}

/** A plan of more runs nobody reads. */
const mostRuns = 20_000;

/** Of a resource that nothing speaks against. */
function planOf({ document, backup }: Found, asked: Asked): Planned {
  const { spec, metadata } = backup;
  const span = { from: asked.from, until: new Date(asked.from.getTime() + asked.days * dayMs) };
  const timing = plannedTiming(backup);
  const problem = tooMany(timing, backup, { span, days: asked.days });
  if (problem !== undefined) return { kind: 'tooMany', problem };
  const zone = zoneNamed(spec.timeZone ?? 'UTC');
  const runs = timing === undefined ? { runs: [], dark: [] } : runsWithin(timing, span);
  const engine = selectEngine(spec.neo4j.version);
  const points = playPoints(runs.runs, {
    policy: spec.retention,
    engine: engine ?? { layout: 'store', generation: 'B2' },
    sizes: asked.sizes,
  });
  const tell = (time: Date): string => onWall(zone, time);
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
    notes: notesOn(backup, runs, { timing, points }),
  };
  return { kind: 'planned', plan };
}

/** A field that is there only where it has something to say. */
function given<K extends string, V>(name: K, value: V | undefined): { readonly [name in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [name in K]: V });
}

function zoneNamed(name: string): Zone {
  const zone = zoneOf(name);
  if (zone === undefined) throw new Error(`there is no zone ${name}`); // who read the resource has refused it
  return zone;
}

// --- schedules

function plannedTiming(backup: Neo4jBackup): Timing | undefined {
  const calendar = calendarOf(timingOf(backup), '');
  if (calendar === undefined) return undefined;
  const { span, seconds } = spreadIn(backup) ?? { span: '0m', seconds: 0 };
  const spread =
    seconds === undefined
      ? { leastMs: 0, mostMs: (spanMs(span) ?? 0) - 1_000 }
      : { leastMs: seconds * 1_000, mostMs: seconds * 1_000 };
  return { timetable: calendar.timetable, windows: calendar.windows, spread };
}

/** The offset follows from the uid, which no file has. A resource that was read from a cluster tells it. */
function spreadIn({ spec, status }: Neo4jBackup): Plan['spread'] {
  const { spread: span } = spec;
  if (span === undefined) return undefined;
  const seconds = status?.spreadSeconds;
  const isKnown = seconds !== undefined && seconds * 1_000 < (spanMs(span) ?? 0);
  return isKnown ? { span, seconds } : { span };
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
  const utc = zoneNamed('UTC');
  return { schedule, times: verificationTimes(schedule, span).map((time) => onWall(utc, time)) };
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
  { time, date, before, after }: ClockChange,
  taken: readonly TakenRun[],
  zone: Zone,
): Plan['clockChanges'][number] {
  return {
    time: onWall(zone, time),
    date,
    offsetBefore: before,
    offsetAfter: after,
    runs: taken.filter(
      ({ run }) =>
        Math.abs(run.start.getTime() - time.getTime()) < 2 * dayMs &&
        onWall(zone, run.start).startsWith(date),
    ).length,
  };
}

function totalsOf({ taken }: Points, { dark }: Runs): Plan['totals'] {
  const full = taken.filter(({ fullBecause }) => fullBecause !== undefined).length;
  return { runs: taken.length, full, incremental: taken.length - full, blackedOut: dark.length };
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
