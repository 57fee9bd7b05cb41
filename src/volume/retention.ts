// Which restore points stay, and why. Pure: it goes by manifests, in the order of their sequence, and never by a clock.
import type { RetentionPolicy } from '../api/neo4jbackup.ts';
import type { RunReason } from '../api/reasons.ts';
import { nameOf } from './catalogue.ts';
import { chainFolder, placeOf, pointFolder } from './layout.ts';
import type { Point } from './manifest.ts';

/** What is known beside the manifests. */
export interface Marks {
  /** What cannot be trusted any more, as a destination names it: folders of points, manifests of artifacts. */
  readonly damaged: readonly string[];
  /** How the newest run ended, and each of its databases. */
  readonly newestRun: readonly RunReason[];
}

interface Verdict<T extends Point> {
  readonly point: T;
  readonly stays: boolean;
  /** The rules that keep it, or why it goes. */
  readonly because: string;
}

/** What goes at once: a point that is a store, or a whole chain of artifacts. */
export interface Unit<T extends Point = Point> {
  /** Relative to <path>. */
  readonly folder: string;
  readonly points: readonly T[];
  /** What goes only because that of an earlier look goes has a later one: where that stays, this does, too. */
  readonly look: number;
}

/** `T`: what the caller holds of each point. */
export interface RetentionPlan<T extends Point = Point> {
  /** One for each point, by sequence. */
  readonly verdicts: readonly Verdict<T>[];
  /** What goes, in the order in which it must: look by look, the newest first, so that no point outlives the one that tells on it. */
  readonly condemned: readonly Unit<T>[];
  /** The newest good ones of each database, on which all that goes relies. */
  readonly leansOn: readonly Point[];
  /** Present: the newest run found the destination itself amiss, so nothing may go. */
  readonly blockedBecause?: RunReason;
}

/**
 * Reasons that cast doubt on what the destination holds. Nothing goes while the newest run ended with one of them; that a
 * server was down, or a volume full, says nothing of the backups.
 */
const doubtful: ReadonlySet<RunReason> = new Set([
  'ArtifactCorrupt',
  'ArtifactMissing',
  'ChainBroken',
  'DestinationNotABackup',
  'LayoutTooNew',
  'StoreMismatch',
]);

/**
 * Decides on every point. What it keeps it would keep again after the rest is gone, and nothing else: a second look finds
 * nothing to do.
 */
export function planRetention<T extends Point>(
  points: readonly T[],
  policy: RetentionPolicy,
  { damaged, newestRun }: Marks,
): RetentionPlan<T> {
  const ordered = points.toSorted((a, b) => a.sequence - b.sequence);
  const condemned: Unit<T>[] = [];
  let verdicts: readonly Verdict<T>[] = [];
  // What goes may be all that spoke against the time of another point: so look once more, without it.
  for (let look = 1, standing = ordered; ; look += 1) {
    const reasons = databasesOf(standing).flatMap((those) => [
      ...reasonsToStay(healthOf(those, damaged), policy),
    ]);
    const judged = byUnit(standing, new Map(reasons), damaged);
    const gone = new Set(judged.condemned.flatMap((unit) => unit.points));
    condemned.push(...judged.condemned.map((unit) => ({ ...unit, look })));
    verdicts = [...verdicts.filter(({ stays }) => !stays), ...judged.verdicts];
    if (gone.size === 0) break;
    standing = standing.filter((point) => !gone.has(point));
  }
  const blockedBecause = newestRun.find((reason) => doubtful.has(reason));
  return {
    verdicts: verdicts.toSorted((a, b) => a.point.sequence - b.point.sequence),
    condemned: condemned.toSorted((a, b) => a.look - b.look || newestOf(b) - newestOf(a)),
    leansOn: databasesOf(ordered).flatMap((those) => healthOf(those, damaged).good.slice(-2)),
    ...(blockedBecause === undefined ? {} : { blockedBecause }),
  };
}

function newestOf({ points }: Pick<Unit, 'points'>): number {
  return Math.max(...points.map(({ sequence }) => sequence));
}

function databasesOf(points: readonly Point[]): readonly (readonly Point[])[] {
  return [...Map.groupBy(points, ({ database }) => database).values()];
}

/** The folder of what can only stay or go as a whole. */
export function unitOf({ layout, database, chain, point }: Point): string {
  return layout === 'artifacts' ? chainFolder(database, chain) : pointFolder(chain, point);
}

interface Judged<T extends Point> {
  readonly verdicts: readonly Verdict<T>[];
  readonly condemned: readonly Omit<Unit<T>, 'look'>[];
}

/** A unit stays when any of its points does, or when something in it is damaged. */
function byUnit<T extends Point>(
  points: readonly T[],
  reasons: ReadonlyMap<Point, readonly string[]>,
  damaged: readonly string[],
): Judged<T> {
  const verdicts: Verdict<T>[] = [];
  const condemned: Omit<Unit<T>, 'look'>[] = [];
  for (const [folder, those] of Map.groupBy(points, unitOf)) {
    const isKept = those.some((point) => reasons.has(point)) || isDamaged(folder, damaged);
    if (!isKept) condemned.push({ folder, points: those });
    for (const point of those) {
      const because =
        reasons.get(point)?.join(', ') ?? (isKept ? 'part of a chain that stays' : whyGone(point));
      verdicts.push({ point, stays: isKept, because });
    }
  }
  return { verdicts, condemned };
}

function whyGone({ layout }: Point): string {
  return layout === 'artifacts' ? 'no rule keeps a point of its chain' : 'no rule keeps it';
}

function isDamaged(folder: string, damaged: readonly string[]): boolean {
  return damaged.some((one) => one === folder || one.startsWith(`${folder}/`));
}

/** Why what is damaged stays. */
export const neverRemoved = 'damaged: never removed by itself';

type Reasons = ReadonlyMap<Point, readonly string[]>;

/** What is known of the points of one database, in the order of their sequence. */
interface Health {
  readonly broken: ReadonlySet<Point>;
  readonly flawed: ReadonlySet<Point>;
  readonly skewed: ReadonlySet<Point>;
  /** What can be restored and is consistent, as far as anybody knows. */
  readonly good: readonly Point[];
}

function healthOf(points: readonly Point[], damaged: readonly string[]): Health {
  const parentOf = parentsIn(points);
  const broken = brokenOf(points, parentOf, new Set(damaged));
  const flawed = flawedOf(points, parentOf);
  const good = points.filter((point) => !broken.has(point) && !flawed.has(point));
  return { broken, flawed, skewed: skewedOf(points), good };
}

/** Why points of one database stay, each by itself. What is not in it goes, if its unit does. */
function reasonsToStay({ broken, flawed, skewed, good }: Health, policy: RetentionPolicy): Reasons {
  const reasons = new Map<Point, string[]>();
  const keep = (because: string, those: Iterable<Point>): void => {
    for (const point of those) reasons.set(point, [...(reasons.get(point) ?? []), because]);
  };
  const counted = good.filter((point) => !skewed.has(point));

  keep('the newest good one', good.slice(-1));
  keep('the one before it', good.slice(-2, -1));
  for (const rule of rulesOf(policy)) for (const [point, because] of rule(counted)) keep(because, [point]);
  if (!hasRule(policy)) keep('there is no rule', [...good, ...broken, ...flawed]);
  keep('ClockSkewed', skewed);
  keep(neverRemoved, broken);
  const isNeeded = (point: Point): boolean =>
    reasons.has(point) || point.sequence > (good.at(-2)?.sequence ?? 0);
  // That keeps the tip of the next run, too, where nothing is good: nothing good is newer than it then.
  keep('inconsistent', flawedThatStay(flawed, isNeeded, withinOf(policy, counted)));
  return reasons;
}

/** Of one chain all or none: one that was not checked must not outlive the one that tells on it. */
function flawedThatStay(
  flawed: ReadonlySet<Point>,
  ...stays: readonly ((point: Point) => boolean)[]
): readonly Point[] {
  const chains = [...Map.groupBy(flawed, ({ chain }) => chain).values()];
  return chains.flatMap((those) => (those.some((point) => stays.some((holds) => holds(point))) ? those : []));
}

/**
 * Points that cannot be restored, as far as manifests tell: those that are marked, and artifacts whose chain has a gap
 * before them. They count for nothing, and people should look at them, so they stay.
 */
function brokenOf(
  points: readonly Point[],
  parentOf: ParentOf,
  marked: ReadonlySet<string>,
): ReadonlySet<Point> {
  const broken = new Set<Point>();
  for (const point of points) {
    const { layout, type } = point;
    const parent = parentOf(point);
    const isOrphan =
      layout === 'artifacts' && type === 'Incremental' && (parent === undefined || broken.has(parent));
    if (isOrphan || (marked.size > 0 && marked.has(markOf(point)))) broken.add(point);
  }
  return broken;
}

/** How a destination names a point that is damaged. */
export function markOf(point: Point): string {
  return nameOf(placeOf(point).manifest);
}

type ParentOf = (point: Point) => Point | undefined;

/** The point that another one was taken on top of: one of a lower sequence, in the same chain, if it is there. */
function parentsIn(points: readonly Point[]): ParentOf {
  const names = new Map(points.map((point) => [point.point, point]));
  return ({ parent, chain, sequence }) => {
    const found = parent === undefined ? undefined : names.get(parent);
    return found?.chain === chain && found.sequence < sequence ? found : undefined;
  };
}

/**
 * Points that are inconsistent, or were taken on top of such a one and not checked since. They count for nothing, and go when
 * the two newest good ones are newer than they are.
 */
function flawedOf(points: readonly Point[], parentOf: ParentOf): ReadonlySet<Point> {
  const flawed = new Set<Point>();
  for (const point of points) {
    const parent = point.consistent === undefined ? parentOf(point) : undefined;
    if (point.consistent === false || (parent !== undefined && flawed.has(parent))) flawed.add(point);
  }
  return flawed;
}

/** Points whose time is older than that of one that was there before them. In the order of their sequence. */
export function skewedOf(points: readonly Point[]): ReadonlySet<Point> {
  const skewed = new Set<Point>();
  let newest = -Infinity;
  for (const point of points) {
    const time = timeOf(point);
    if (time < newest) skewed.add(point);
    newest = Math.max(newest, time);
  }
  return skewed;
}

function timeOf({ completionTime }: Point): number {
  return Date.parse(completionTime);
}

/** Of the points that count, in their order, those that a rule keeps. */
type Rule = (counted: readonly Point[]) => Iterable<readonly [Point, string]>;

function rulesOf(policy: RetentionPolicy): readonly Rule[] {
  const { keepLast = 0, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly, keepWithin } = policy;
  const last: Rule = (counted) =>
    keepLast === 0 ? [] : counted.slice(-keepLast).map((point) => [point, 'keepLast'] as const);
  const inTime: Rule = (counted) =>
    counted.filter(withinOf(policy, counted)).map((point) => [point, `keepWithin ${keepWithin}`] as const);
  return [
    last,
    ofBuckets('keepHourly', keepHourly, (time) => time.slice(0, 13)),
    ofBuckets('keepDaily', keepDaily, (time) => time.slice(0, 10)),
    ofBuckets('keepWeekly', keepWeekly, isoWeek),
    ofBuckets('keepMonthly', keepMonthly, (time) => time.slice(0, 7)),
    ofBuckets('keepYearly', keepYearly, (time) => time.slice(0, 4)),
    inTime,
  ];
}

/** A policy without one asks for nothing to go: a slip, such as an empty object, costs no backup. */
function hasRule(policy: RetentionPolicy): boolean {
  return Object.entries(policy).some(([name, value]) => name !== 'mode' && value !== undefined);
}

/** The newest of each of the last so many buckets that have one. */
function ofBuckets(name: string, most: number | undefined, bucketOf: (time: string) => string): Rule {
  return (counted) => {
    const kept = new Map<string, Point>();
    for (const point of counted.toReversed()) {
      if (kept.size === (most ?? 0)) break;
      const bucket = bucketOf(new Date(timeOf(point)).toISOString());
      if (!kept.has(bucket)) kept.set(bucket, point);
    }
    return [...kept].map(([bucket, point]) => [point, `${name} ${bucket}`] as const);
  };
}

const dayMs = 86_400_000;

/** Such as 2026-W48. A week begins on Monday and belongs to the year that its Thursday is in. */
function isoWeek(time: string): string {
  const date = new Date(time);
  const thursday = new Date(date.getTime() + (4 - (date.getUTCDay() || 7)) * dayMs);
  const year = thursday.getUTCFullYear();
  const days = Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / dayMs);
  const week = Math.floor(days / 7) + 1;
  return `${year}-W${String(week).padStart(2, '0')}`;
}

const spanMs = { h: 3_600_000, d: dayMs, w: 7 * dayMs } as const;

/** The length of time that keepWithin says, such as 36h. Milliseconds. */
export function msOf(span: string): number {
  return Number(span.slice(0, -1)) * spanMs[span.slice(-1) as keyof typeof spanMs];
}

/**
 * Whether a point is no older than keepWithin says, counted back from the newest one. One time alone never condemns all
 * that came before it, since that clock may have been wrong: then it is counted back from the one before.
 */
function withinOf({ keepWithin }: RetentionPolicy, counted: readonly Point[]): (point: Point) => boolean {
  const newest = counted.at(-1);
  if (keepWithin === undefined || newest === undefined) return () => false;
  const span = msOf(keepWithin);
  const before = counted.at(-2) ?? newest;
  const last = timeOf(newest) - timeOf(before) > span ? before : newest;
  return (point) => timeOf(point) >= timeOf(last) - span;
}
