// What the volume is coming to: what the next run will write, how fast it fills, and what a policy asks for in the end. Pure.
import type { RetentionPolicy, VolumeStatus } from '../api/neo4jbackup.ts';
import { pointsOf } from './catalogue.ts';
import type { Point } from './manifest.ts';
import { msOf, skewedOf } from './retention.ts';
import type { Space } from './space.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Fewer points, or less time between them, say nothing of the next week. */
const fewest = 3;
const shortestMs = 6 * hourMs;

/** Further ahead nobody should plan by it. */
const horizonMs = 10 * 365 * dayMs;

/** The newest so many tell what is usual. */
const usualOf = 8;

/** What a backup of one database will probably write, going by those before it. Nothing to go by: 0. */
export function expectedBytes(points: readonly Point[], database: string, type: Point['type']): number {
  const ordered = inOrder(pointsOf(points, database));
  const newest = ordered.at(-1);
  const full = ordered.findLast((point) => point.type === 'Full');
  if (type === 'Full') return full?.sizeBytes ?? newest?.sizeBytes ?? 0;
  const increments = ordered.filter((point) => point.type === 'Incremental').slice(-usualOf);
  if (newest?.layout === 'artifacts') return middle(increments.map(({ sizeBytes }) => sizeBytes));
  // A store is copied whole, and grows by as much as it mostly did.
  const sizes = ordered.slice(-usualOf).map(({ sizeBytes }) => sizeBytes);
  const growth = sizes.slice(1).map((size, i) => Math.max(0, size - (sizes[i] ?? size)));
  return (newest?.sizeBytes ?? 0) + middle(growth);
}

/** What status tells of the volume. */
export function volumeStatus({
  points,
  space,
  policy,
  now,
}: {
  readonly points: readonly Point[];
  /** Undefined: the file system does not tell. */
  readonly space: Space | undefined;
  readonly policy: RetentionPolicy | undefined;
  readonly now: Date;
}): VolumeStatus {
  const backupBytes = sum(points.map(({ sizeBytes }) => sizeBytes));
  const growth = growthPerDay(points);
  const policyBytes = policy && bytesOfPolicy(points, policy);
  const free = space?.freeBytes;
  // What is removed in time never fills the volume.
  const isBounded = policy?.mode === 'Enforce' && (policyBytes ?? 0) <= backupBytes + (free ?? 0);
  return {
    time: now.toISOString(),
    totalBytes: bounded(space?.totalBytes),
    freeBytes: bounded(free),
    backupBytes: bounded(backupBytes),
    points: points.length,
    growthBytesPerDay: bounded(growth),
    fullTime: isBounded ? undefined : fullAt(free, growth, now),
    policyBytes: bounded(policyBytes),
  };
}

/** Some file systems call themselves larger than a number can be that JSON carries exactly, and some policies ask for as much. */
function bounded<T extends number | undefined>(bytes: T): T;
function bounded(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : Math.min(bytes, Number.MAX_SAFE_INTEGER);
}

/**
 * What came onto the volume each day since the oldest point that is still there, and stayed. By the times of points whose
 * clocks agree with their order.
 */
function growthPerDay(points: readonly Point[]): number | undefined {
  const counted = timely(points);
  const [first, last] = [counted[0], counted.at(-1)];
  if (first === undefined || last === undefined || counted.length < fewest) return undefined;
  const spanMs = timeOf(last) - timeOf(first);
  if (spanMs < shortestMs) return undefined;
  const bytes = sum(counted.slice(1).map(({ sizeBytes }) => sizeBytes));
  return Math.round((bytes * dayMs) / spanMs);
}

function fullAt(free: number | undefined, growth: number | undefined, now: Date): string | undefined {
  if (free === undefined || growth === undefined || growth <= 0) return undefined;
  const leftMs = (free / growth) * dayMs;
  return leftMs > horizonMs ? undefined : new Date(now.getTime() + leftMs).toISOString();
}

/** The points that a policy keeps at most, times what they take today: of stores each point, of artifacts each chain. */
function bytesOfPolicy(points: readonly Point[], policy: RetentionPolicy): number {
  const databases = [...Map.groupBy(points, ({ database }) => database).values()];
  return sum(databases.map((those) => bytesOfDatabase(inOrder(those), policy)));
}

function bytesOfDatabase(points: readonly Point[], policy: RetentionPolicy): number {
  const newest = points.at(-1);
  if (newest === undefined) return 0;
  const intervalMs = usualInterval(points);
  const rules = reaches(policy, intervalMs);
  if (newest.layout === 'store') return Math.max(2, sum(rules.map(({ most }) => most))) * newest.sizeBytes;
  const chains = [
    ...Map.groupBy(
      points.filter(({ layout }) => layout === 'artifacts'),
      ({ chain }) => chain,
    ).values(),
  ];
  const chainMs = Math.max(...chains.map(({ length }) => length)) * intervalMs;
  const most = sum(rules.map((rule) => Math.min(rule.most, Math.ceil(rule.reachMs / chainMs) + 1)));
  const chainBytes = Math.max(...chains.map((those) => sum(those.map(({ sizeBytes }) => sizeBytes))));
  return Math.max(2, most) * chainBytes;
}

interface Reach {
  /** How many points a rule keeps at most. */
  readonly most: number;
  /** How far back the oldest of them lies. */
  readonly reachMs: number;
}

function reaches(policy: RetentionPolicy, intervalMs: number): readonly Reach[] {
  const { keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly, keepWithin } = policy;
  const counted: readonly (readonly [number | undefined, number])[] = [
    [keepLast, 0],
    [keepHourly, hourMs],
    [keepDaily, dayMs],
    [keepWeekly, 7 * dayMs],
    [keepMonthly, 31 * dayMs],
    [keepYearly, 366 * dayMs],
  ];
  const withinMs = keepWithin === undefined ? undefined : msOf(keepWithin);
  return [
    ...counted.flatMap(([most, bucketMs]) =>
      most === undefined ? [] : [{ most, reachMs: most * Math.max(bucketMs, intervalMs) }],
    ),
    ...(withinMs === undefined ? [] : [{ most: Math.floor(withinMs / intervalMs) + 1, reachMs: withinMs }]),
  ];
}

/** Between two points, mostly. Where there are too few to tell: a day. */
function usualInterval(points: readonly Point[]): number {
  const times = timely(points)
    .slice(-usualOf - 1)
    .map(timeOf);
  const between = times.slice(1).map((time, i) => time - (times[i] ?? time));
  return between.length === 0 ? dayMs : Math.max(60_000, middle(between));
}

/** Points whose times agree with their order. */
function timely(points: readonly Point[]): readonly Point[] {
  const ordered = inOrder(points);
  const skewed = skewedOf(ordered);
  return ordered.filter((point) => !skewed.has(point));
}

function inOrder(points: readonly Point[]): readonly Point[] {
  return points.toSorted((a, b) => a.sequence - b.sequence);
}

function timeOf({ completionTime }: Point): number {
  return Date.parse(completionTime);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

/** The one in the middle, which a few that are out of the ordinary do not move. */
function middle(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.trunc(numbers.length / 2)] ?? 0;
}
