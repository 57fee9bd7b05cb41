// The restore points that planned runs leave on a volume, by the functions with which the agent decides on real ones. Pure.
import type { RetentionPolicy } from '../api/neo4jbackup.ts';
import type { Engine } from '../engine/engine.ts';
import { volumeStatus } from '../volume/forecast.ts';
import type { Point } from '../volume/manifest.ts';
import { planRetention } from '../volume/retention.ts';
import type { PlannedRun } from './runs.ts';

/** What is known of sizes. Bytes. */
export interface Sizes {
  readonly fullBytes: number;
  /** Of a store: what it grows by from run to run. Of artifacts: what an increment takes. */
  readonly growthBytes: number;
}

/** Why a run takes a full backup. */
type FullBecause = 'DestinationBlank' | 'FullSchedule' | 'Owed';

/** A run, and what lies on the volume when it is over. */
export interface TakenRun {
  readonly run: PlannedRun;
  readonly fullBecause: FullBecause | undefined;
  readonly pruned: number;
  readonly points: number;
  readonly chains: number;
}

/** What lies on the volume at once. */
interface Held {
  readonly points: number;
  readonly full: number;
  /** Means something only where sizes are known. */
  readonly bytes: number;
}

interface KeptPoint {
  readonly time: Date;
  readonly type: Point['type'];
  /** The full backup that its chain begins with. */
  readonly chainTime: Date;
  /** The rules that keep it, or why it would go. */
  readonly because: string;
  /** A policy that only plans would have it go. */
  readonly isCondemned: boolean;
}

export interface Points {
  readonly taken: readonly TakenRun[];
  /** What is there in the end, oldest first. */
  readonly kept: readonly KeptPoint[];
  readonly chainsStarted: number;
  /** When most lies there: while a run publishes, and before retention comes after it. Undefined: there is no run. */
  readonly most: (Held & { readonly time: Date }) | undefined;
  /** What status.volume will say of the policy. Undefined without sizes, without points, or without a policy. */
  readonly policyBytes: number | undefined;
  /** Where many points stay, retention is reckoned for every so manieth run alone: it prunes a little later here than it would. */
  readonly coarsest: number;
}

export interface Wishes {
  readonly policy: RetentionPolicy | undefined;
  readonly engine: Pick<Engine, 'layout' | 'generation'>;
  readonly sizes: Sizes | undefined;
}

/**
 * Plays the runs on a blank destination. Each point is complete, and its consistency known, at the very moment at which its
 * run starts.
 */
export function playPoints(runs: readonly PlannedRun[], wishes: Wishes): Points {
  const volume = new Volume(wishes, runs.length);
  const taken = runs.map((run) => volume.take(run));
  const kept = judged(volume.standing, wishes.policy);
  const last = volume.standing.at(-1);
  return {
    taken,
    kept,
    chainsStarted: volume.chainsStarted,
    most: volume.most,
    policyBytes:
      wishes.sizes === undefined || last === undefined
        ? undefined
        : volumeStatus({
            points: volume.standing,
            space: undefined,
            policy: wishes.policy,
            now: timeOf(last),
          }).policyBytes,
    coarsest: volume.coarsest,
  };
}

/** To compare by: a full backup counts for more than any number of increments, which nobody has said to be large. */
const unknownSizes: Sizes = { fullBytes: 1_000_000, growthBytes: 1 };

/** So many looks at points are a second or so. */
const affordable = 200_000;

class Volume {
  standing: Point[] = [];
  chainsStarted = 0;
  most: Points['most'];
  coarsest = 1;
  private readonly wishes: Wishes;
  /** How many runs there will be. */
  private readonly all: number;
  private taken = 0;
  private unjudged = 0;
  /** The name of the chain that goes on: when it was begun. */
  private chain = '';
  /** How many points each chain has. */
  private readonly links = new Map<string, number>();
  private held: Held = { points: 0, full: 0, bytes: 0 };

  constructor(wishes: Wishes, all: number) {
    this.wishes = wishes;
    this.all = all;
  }

  take(run: PlannedRun): TakenRun {
    const fullBecause = this.taken === 0 ? 'DestinationBlank' : run.full;
    this.taken += 1;
    if (fullBecause !== undefined) {
      this.chainsStarted += 1;
      this.chain = run.start.toISOString();
    }
    const point = this.pointOf(run, fullBecause === undefined ? 'Incremental' : 'Full');
    this.standing.push(point);
    this.links.set(point.chain, (this.links.get(point.chain) ?? 0) + 1);
    this.held = sum(this.held, [point], 1);
    if (this.held.bytes > (this.most?.bytes ?? 0)) this.most = { ...this.held, time: run.start };
    const pruned = this.prune();
    return { run, fullBecause, pruned, points: this.standing.length, chains: this.links.size };
  }

  private pointOf(run: PlannedRun, type: Point['type']): Point {
    const { engine } = this.wishes;
    const parent = this.standing.at(-1)?.point;
    const time = run.start.toISOString();
    return {
      schemaVersion: 1,
      run: `run-${this.taken}`,
      resource: { namespace: '', name: '', uid: '' },
      chain: this.chain,
      point: `point-${this.taken}`,
      ...(type === 'Full' || parent === undefined ? {} : { parent }),
      sequence: this.taken,
      type,
      generation: engine.generation,
      layout: engine.layout,
      neo4jVersion: '',
      source: { host: '', port: 0 },
      database: 'neo4j',
      storeID: '',
      storeVersion: '',
      lastTransactionID: String(this.taken),
      startTime: time,
      completionTime: time,
      sizeBytes: this.sizeOf(type),
    };
  }

  private sizeOf(type: Point['type']): number {
    const { sizes = unknownSizes, engine } = this.wishes;
    const { fullBytes, growthBytes } = sizes;
    if (engine.layout === 'store')
      return fullBytes + (sizes === unknownSizes ? 0 : growthBytes) * (this.taken - 1);
    return type === 'Full' ? fullBytes : growthBytes;
  }

  private prune(): number {
    const { policy } = this.wishes;
    if (policy?.mode !== 'Enforce') return 0;
    this.unjudged += 1;
    const step = this.step();
    if (this.unjudged < step && this.taken < this.all) return 0;
    this.coarsest = Math.max(this.coarsest, this.unjudged);
    this.unjudged = 0;
    const { condemned } = planRetention(this.standing, policy, { damaged: [], newestRun: [] });
    const gone = new Set(condemned.flatMap(({ points }) => points));
    if (gone.size === 0) return 0;
    this.standing = this.standing.filter((point) => !gone.has(point));
    this.held = sum(this.held, [...gone], -1);
    for (const { chain } of gone) {
      const left = (this.links.get(chain) ?? 0) - 1;
      if (left > 0) this.links.set(chain, left);
      else this.links.delete(chain);
    }
    return gone.size;
  }

  /** What no rule keeps after one run, none keeps after the next: who looks later finds no less to go. */
  private step(): number {
    const there = this.standing.length;
    return Math.min(Math.ceil((there * this.all) / affordable), Math.ceil(there / 16));
  }
}

function sum(held: Held, points: readonly Point[], sign: 1 | -1): Held {
  return {
    points: held.points + sign * points.length,
    full: held.full + sign * points.filter(({ type }) => type === 'Full').length,
    bytes: held.bytes + sign * points.reduce((bytes, { sizeBytes }) => bytes + sizeBytes, 0),
  };
}

function judged(points: readonly Point[], policy: RetentionPolicy | undefined): readonly KeptPoint[] {
  const told = (point: Point, because: string, isCondemned: boolean): KeptPoint => ({
    time: timeOf(point),
    type: point.type,
    chainTime: new Date(point.chain),
    because,
    isCondemned,
  });
  if (policy === undefined) return points.map((point) => told(point, 'there is no policy', false));
  const { verdicts } = planRetention(points, policy, { damaged: [], newestRun: [] });
  return verdicts.map(({ point, because, stays }) => told(point, because, !stays));
}

function timeOf({ completionTime }: Point): Date {
  return new Date(completionTime);
}
