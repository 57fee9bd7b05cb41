// Random histories of a destination: runs that succeed, fail and find inconsistencies, clocks that are wrong, edits of the
// policy, damage, foreign files, and retention that is cut short. After every step the reckoning of restorable.ts, which
// knows no rule, and the rules told once more in other words, look at what is left.
import { expect, test } from 'vitest';
import type { RetentionPolicy } from '../../src/api/neo4jbackup.ts';
import type { RunReason } from '../../src/api/reasons.ts';
import { tipOf } from '../../src/volume/catalogue.ts';
import { placeOf } from '../../src/volume/layout.ts';
import type { Manifest, Point } from '../../src/volume/manifest.ts';
import { consistentOnes, restorable } from '../../src/volume/restorable.ts';
import { planRetention, unitOf, type RetentionPlan } from '../../src/volume/retention.ts';
import { aManifest } from '../support/volume.ts';
import { concludeCampaign } from './campaign.ts';

const histories = Number(process.env['PLANS'] ?? 30_000);
const seed = Number(process.env['SEED'] ?? Math.trunc(Math.random() * 1_000_000_000));
const databases = ['orders', 'stock'];
const stepsOfHistory = 20;

const [minute, hour, day] = [60_000, 3_600_000, 86_400_000] as const;
const year = 365 * day;

/** Numbers by chance, and the same ones for the same seed (mulberry32). */
function chance(from: number): () => number {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Dice {
  below(n: number): number;
  one<T>(of: readonly T[]): T;
  isOneIn(n: number): boolean;
}

function diceOf(next: () => number): Dice {
  const below = (n: number): number => Math.trunc(next() * n);
  return { below, one: <T>(of: readonly T[]) => of[below(of.length)] as T, isOneIn: (n) => below(n) === 0 };
}

/** What is on the volume, and what is known of it. */
interface World {
  points: readonly Manifest[];
  readonly damaged: Set<Manifest>;
  /** Units with something in them that is not ours: they are not touched. */
  readonly foreign: Set<string>;
  policy: RetentionPolicy;
  newestRun: readonly RunReason[];
  layout: Manifest['layout'];
  now: number;
  /** By how much the clock of the nodes is wrong. */
  skew: number;
  taken: number;
}

function aPolicy(dice: Dice): RetentionPolicy {
  const rules: [string, number | string][] = [
    ['keepLast', 1 + dice.below(4)],
    ['keepHourly', 1 + dice.below(3)],
    ['keepDaily', 1 + dice.below(4)],
    ['keepWeekly', 1 + dice.below(3)],
    ['keepMonthly', 1 + dice.below(3)],
    ['keepYearly', 1 + dice.below(2)],
    ['keepWithin', dice.one(['2h', '36h', '3d', '2w'])],
  ];
  const first = dice.one(rules);
  const chosen = rules.filter((rule) => rule === first || dice.isOneIn(4));
  return { ...Object.fromEntries(chosen), mode: dice.isOneIn(6) ? 'Plan' : 'Enforce' };
}

/** As the catalogue names what is damaged. */
function markOf(point: Manifest): string {
  return point.layout === 'store' ? unitOf(point) : placeOf(point).manifest;
}

/** What the reckoning that knows no rule says of points. */
interface Reckoned {
  readonly can: ReadonlySet<Manifest>;
  readonly consistent: ReadonlySet<Manifest>;
  readonly good: readonly Manifest[];
}

function reckon({ damaged }: World, points: readonly Manifest[]): Reckoned {
  const can = new Set(restorable(points, (point) => !damaged.has(point)));
  const consistent = new Set(consistentOnes(points));
  return { can, consistent, good: points.filter((point) => can.has(point) && consistent.has(point)) };
}

function nameOf(n: number): string {
  return `20260101T000000Z-${n.toString(16).padStart(8, '0')}`;
}

/** A run publishes a point: an increment where there is something to go on from. */
function publish(world: World, dice: Dice, database: string, consistent: boolean | undefined): void {
  world.taken += 1;
  const point = nameOf(world.taken);
  const sound = world.points.filter((one) => one.database === database && !world.damaged.has(one));
  const can = new Set(restorable(sound, () => true));
  const tip = tipOf(sound.filter((one) => can.has(one)));
  const isFull = tip?.layout !== world.layout || dice.isOneIn(5);
  const parent = isFull ? undefined : tip;
  const sequence = Math.max(0, ...world.points.map((one) => one.sequence)) + 1;
  const isChecked = isFull || world.layout === 'store';
  const manifest = aManifest({
    layout: world.layout,
    database,
    point,
    chain: parent?.chain ?? point,
    parent: parent?.point,
    sequence,
    type: isFull ? 'Full' : 'Incremental',
    consistent: isChecked ? consistent : undefined,
    completionTime: new Date(world.now + world.skew).toISOString(),
    files: [{ path: `${point}.backup`, size: 12, sha256: 'a'.repeat(64) }],
  });
  world.points = [...world.points, manifest];
}

const failures: readonly RunReason[] = [
  'PortUnreachable',
  'NoSpaceLeft',
  'ArtifactCorrupt',
  'ChainBroken',
  'StoreMismatch',
  'DeadlineExceeded',
];

/** What one step does before retention follows it. */
const steps: readonly (readonly [weight: number, act: (world: World, dice: Dice) => void])[] = [
  [
    24,
    (world, dice) => {
      for (const database of databases.slice(0, dice.isOneIn(3) ? 2 : 1))
        publish(world, dice, database, dice.one([true, undefined]));
      world.newestRun = [dice.one(['FullBackupTaken', 'IncrementalBackupTaken'])];
    },
  ],
  [
    4,
    (world, dice) => {
      publish(world, dice, dice.one(databases), false);
      world.newestRun = ['Inconsistent'];
    },
  ],
  [4, (world, dice) => void (world.newestRun = [dice.one(failures)])],
  [3, (world, dice) => void (world.skew = dice.one([0, 0, 0, 10 * year, -10 * year, -hour, hour, -3 * day]))],
  [3, (world, dice) => void (world.policy = aPolicy(dice))],
  [
    2,
    (world, dice) => {
      for (const point of world.points) if (dice.isOneIn(5)) world.damaged.add(point);
      world.newestRun = dice.one([world.newestRun, ['ArtifactCorrupt']]);
    },
  ],
  [1, (world) => world.damaged.clear()],
  [1, (world, dice) => void (world.points.length > 0 && world.foreign.add(unitOf(dice.one(world.points))))],
  [1, (world) => world.foreign.clear()],
  [1, (world) => void (world.layout = 'artifacts')],
  // Somebody removes a point by hand.
  [1, (world, dice) => void (world.points = world.points.filter(() => !dice.isOneIn(8)))],
];

const wheel = steps.flatMap(([weight, act]) => Array.from({ length: weight }, () => act));

/** As src/volume/prune.ts does it, killed before so many units are gone. */
function prune(world: World, plan: RetentionPlan, most: number): 'whole' | 'partly' {
  if (world.policy.mode === 'Plan' || plan.blockedBecause !== undefined) return 'partly';
  const gone = new Set<Point>();
  const untouched: { readonly parent: string; readonly look: number }[] = [];
  for (const { folder, points, look } of plan.condemned.slice(0, most)) {
    const parent = folder.slice(0, folder.lastIndexOf('/'));
    const isBound = untouched.some((one) => one.parent === parent || one.look < look);
    if (isBound || world.foreign.has(folder)) untouched.push({ parent, look });
    else for (const point of points) gone.add(point);
  }
  world.points = world.points.filter((point) => !gone.has(point));
  return untouched.length > 0 || most < plan.condemned.length ? 'partly' : 'whole';
}

type Bucket = (time: number) => number;
const months: Bucket = (time) => new Date(time).getUTCFullYear() * 12 + new Date(time).getUTCMonth();
const buckets: readonly (readonly [keyof RetentionPolicy, Bucket])[] = [
  ['keepHourly', (time) => Math.floor(time / hour)],
  ['keepDaily', (time) => Math.floor(time / day)],
  ['keepWeekly', (time) => Math.floor((time / day + 3) / 7)], // the first of January 1970 was a Thursday
  ['keepMonthly', months],
  ['keepYearly', (time) => Math.floor(months(time) / 12)],
];

const timeOf = (point: Manifest): number => Date.parse(point.completionTime);
const isSkewed = (point: Manifest, among: readonly Manifest[]): boolean =>
  among.some((other) => other.sequence < point.sequence && timeOf(other) > timeOf(point));

/** The rule that keeps a point among others, told for one point at a time. */
function ruleFor(point: Manifest, among: readonly Manifest[], policy: RetentionPolicy): string | undefined {
  const newer = among.filter(({ sequence }) => sequence > point.sequence);
  if (newer.length < (policy.keepLast ?? 0)) return 'keepLast';
  for (const [name, bucketOf] of buckets) {
    const later = new Set(newer.map((other) => bucketOf(timeOf(other))));
    const isNewestOfIts = !later.has(bucketOf(timeOf(point)));
    if (isNewestOfIts && later.size < Number(policy[name] ?? 0)) return name;
  }
  const { keepWithin } = policy;
  if (keepWithin === undefined) return undefined;
  const unit = { h: hour, d: day, w: 7 * day }[keepWithin.slice(-1)] ?? 0;
  const newest = Math.max(...among.map(timeOf));
  return timeOf(point) >= newest - Number.parseInt(keepWithin, 10) * unit ? 'keepWithin' : undefined;
}

/** What must not have gone, of that which has. */
function wronglyGone(world: World, before: readonly Manifest[], { good }: Reckoned): readonly string[] {
  const wrong: string[] = [];
  const left = new Set(world.points);
  const isGood = new Set(good);
  const newest = databases.flatMap((name) => good.filter(({ database }) => database === name).slice(-2));
  for (const point of before) {
    if (left.has(point)) continue;
    const others = world.points.filter(({ database }) => database === point.database);
    const counted = others.filter((other) => isGood.has(other) && !isSkewed(other, others));
    if (isSkewed(point, others)) wrong.push(`${point.sequence} went, and its clock was wrong`);
    if (world.damaged.has(point)) wrong.push(`${point.sequence} went, and was damaged`);
    if (newest.includes(point)) wrong.push(`${point.sequence} went, one of the newest two that are good`);
    const rule = isGood.has(point) ? ruleFor(point, [...counted, point], world.policy) : undefined;
    if (rule !== undefined) wrong.push(`${point.sequence} went, and ${rule} keeps it`);
  }
  return wrong;
}

/** What must not have become of what is left. */
function wronglyLeft({ points }: World, before: Reckoned, after: Reckoned): readonly string[] {
  const has = (name: string, { good }: Reckoned): boolean => good.some(({ database }) => database === name);
  return [
    ...points.flatMap((point) => [
      ...(before.can.has(point) && !after.can.has(point)
        ? [`${point.sequence} cannot be restored any more`]
        : []),
      ...(!before.consistent.has(point) && after.consistent.has(point)
        ? [`${point.sequence} was inconsistent, and nothing tells so any more`]
        : []),
    ]),
    ...databases.flatMap((name) =>
      has(name, before) && !has(name, after) ? [`the last good one of ${name} went`] : [],
    ),
  ];
}

function retentionOf({ points, policy, damaged, newestRun }: World): RetentionPlan {
  return planRetention(points, policy, { damaged: [...damaged].map(markOf), newestRun });
}

function tipsOf({ points }: World): string {
  return databases.map((name) => tipOf(points.filter(({ database }) => database === name))?.point).join();
}

/** One pass of retention. @returns what did not hold */
function retain(world: World, dice: Dice): readonly string[] {
  const before = world.points;
  const tips = tipsOf(world);
  const plan = retentionOf(world);
  const end = prune(world, plan, dice.isOneIn(4) ? dice.below(3) : Infinity);
  if (world.points.length === before.length) return []; // the points are what they were
  const reckoned = reckon(world, before);
  return [
    ...wronglyGone(world, before, reckoned),
    ...wronglyLeft(world, reckoned, reckon(world, world.points)),
    ...(tips === tipsOf(world) ? [] : ['the next run goes on from another point']),
    ...(end === 'whole' && retentionOf(world).condemned.length > 0 ? ['a second look finds more to do'] : []),
    ...(world.policy.mode === 'Plan' ? ['something went in mode Plan'] : []),
  ];
}

/** Plays one history. @returns what did not hold, and when */
function play(from: number): { readonly wrong: readonly string[]; readonly removed: number } {
  const dice = diceOf(chance(from));
  const world: World = {
    points: [],
    damaged: new Set(),
    foreign: new Set(),
    policy: aPolicy(dice),
    newestRun: [],
    layout: dice.one(['store', 'store', 'artifacts']),
    now: Date.UTC(2026, dice.below(12), 1 + dice.below(28), dice.below(24)),
    skew: 0,
    taken: 0,
  };
  let removed = 0;
  for (let step = 0; step < stepsOfHistory; step += 1) {
    world.now += dice.one([minute, 20 * minute, hour, 5 * hour, day, 7 * day, 40 * day]);
    dice.one(wheel)(world, dice);
    const before = world.points.length;
    const wrong = retain(world, dice);
    removed += before - world.points.length;
    if (wrong.length > 0)
      return { removed, wrong: wrong.map((one) => `SEED=${from} PLANS=1, step ${step}: ${one}`) };
  }
  return { wrong: [], removed };
}

test('random histories leave what must be left', () => {
  const violations: string[] = [];
  let removed = 0;
  for (let n = 0; n < histories; n += 1) {
    const played = play(seed + n);
    violations.push(...played.wrong);
    removed += played.removed;
  }
  expect(removed).toBeGreaterThan(histories > 100 ? histories : 0); // else nothing was tried
  concludeCampaign('random histories', histories, violations);
});
