// The measurements in their order: 300 resources at once, 1,000 at once, and 5,000 of them.
import { kubeClient } from '../../../src/kube/http.ts';
import { loadKubeConfig } from '../../../src/kube/kube-config.ts';
import type { Companion } from '../../run.ts';
import type { Steps } from '../../steps.ts';
import { fixedJob } from '../noise.ts';
import { measureLoops, type Loops } from './bare-loop.ts';
import { fill, measureBurst, type Burst, type Size } from './burst.ts';
import type { ControlPlane } from './control-plane.ts';
import { latencies } from './latency.ts';
import { startOperator } from './operator.ts';
import { memory } from './process.ts';
import { Requests, counted, type Counted } from './requests.ts';
import { pause } from './until.ts';
import { clear, type World } from './workload.ts';

/** How long the operator is watched doing nothing. Milliseconds. */
const idleMs = 60_000;

/** How often the fixed job runs each time. */
const noiseSamples = 5;

/** How many single resources are applied, one after the other. */
const singles = 50;

const few = { name: 'few', count: 300 } as const;
const many = { name: 'many', count: 1_000 } as const;

/** One burst, the loops before and after it, and a minute with nothing to do. */
export interface BurstFigures {
  readonly burst: Burst;
  readonly loops: readonly Loops[];
  readonly idle: Counted;
  /** Seconds of one and the same job, before, in between and after. */
  readonly noise: readonly number[];
}

export interface Figures {
  readonly bursts: readonly BurstFigures[];
  readonly memory: readonly MemorySample[];
  readonly latencies: readonly LatencySample[];
}

export interface MemorySample {
  readonly when: 'idle' | 'after their runs' | 'after a restart';
  readonly resources: number;
  /** MiB. */
  readonly resident: number;
  readonly own: number;
}

interface LatencySample {
  readonly resources: number;
  /** Milliseconds. */
  readonly samples: readonly number[];
}

/** So many steps has a measurement that ends with so many resources. */
export function stepsOf(most: number): number {
  return (most >= many.count ? 8 : 4) + (most > many.count ? 3 : 0);
}

/** @param most with how many resources it ends: 300, 1,000 or more */
export async function measureController(
  plane: ControlPlane,
  most: number,
  progress: Steps,
): Promise<Figures> {
  const bench = new Bench(worldOf(plane), progress);
  try {
    await bench.measure(few);
    if (most < many.count) return bench.figures;
    await clear(plane, few.name);
    await bench.measure(many);
    if (most > many.count) await bench.measureMost(most);
    return bench.figures;
  } finally {
    await bench.close();
  }
}

export function worldOf(plane: ControlPlane): World {
  const clientOf = (kubeconfig: string): World['clients']['admin'] =>
    kubeClient({ kubeConfig: loadKubeConfig(kubeconfig), userAgent: 'bench' });
  const { admin, operator } = plane.kubeconfigs;
  const clients = { admin: clientOf(admin), account: clientOf(operator) };
  return { plane, clients, requests: new Requests(plane.audit) };
}

class Bench {
  readonly #world: World;
  readonly #progress: Steps;
  readonly #bursts: BurstFigures[] = [];
  readonly #memory: MemorySample[] = [];
  readonly #latencies: LatencySample[] = [];

  constructor(world: World, progress: Steps) {
    this.#world = world;
    this.#progress = progress;
  }

  get figures(): Figures {
    return { bursts: this.#bursts, memory: this.#memory, latencies: this.#latencies };
  }

  async close(): Promise<void> {
    const { admin, account } = this.#world.clients;
    await Promise.all([admin.close(), account.close()]);
  }

  /** All of a burst, by an operator of its own. */
  async measure(size: Size): Promise<void> {
    const progress = this.#progress;
    const noise = measureNoise();
    const before = await progress.run(`bare loops over ${size.count}`, () => this.#loops(size, 'before'));
    const operator = await startOperator(this.#world.plane);
    await this.#measureSingles(operator, size);
    const { burst, idle } = await progress.run(`${size.count} at once, two runs of each`, async () => {
      const measured = await measureBurst(this.#world, operator, size);
      noise.push(...measureNoise());
      const begun = Date.now();
      await pause(idleMs);
      return { burst: measured, idle: counted(this.#world.requests.since(begun)) };
    });
    this.#weigh(operator, 'after their runs', size.count);
    await operator.stop();
    const after = await progress.run(`bare loops over ${size.count}`, () => this.#loops(size, 'after'));
    noise.push(...measureNoise());
    this.#bursts.push({ burst, loops: [before, after], idle, noise });
  }

  /** From those of the last burst on. */
  async measureMost(most: number): Promise<void> {
    const { plane } = this.#world;
    const operator = await startOperator(plane);
    await this.#progress.run(`${most - many.count} more`, () =>
      fill(this.#world, { name: 'most', count: most - many.count }),
    );
    await this.#progress.run('single resources again', async () => {
      await pause(idleMs);
      this.#weigh(operator, 'after their runs', most);
      this.#latencies.push({ resources: most, samples: await latencies(this.#world, 'again', singles) });
    });
    await operator.stop();
    await this.#progress.run('an operator that finds them all', async () => {
      const next = await startOperator(plane);
      await pause(idleMs);
      this.#weigh(next, 'after a restart', most);
      await next.stop();
    });
  }

  /** They also warm up the operator: the next burst does not find it cold. */
  async #measureSingles(operator: Companion, { name }: Size): Promise<void> {
    await this.#progress.run('an idle operator, and single resources', async () => {
      await pause(idleMs / 2);
      if (this.#memory.length === 0) this.#weigh(operator, 'idle', 0);
      const samples = await latencies(this.#world, `${name}-single`, singles);
      if (this.#latencies.length === 0) this.#latencies.push({ resources: 0, samples });
      await clear(this.#world.plane, `${name}-single`);
    });
  }

  async #loops({ name, count }: Size, when: 'before' | 'after'): Promise<Loops> {
    return measureLoops(this.#world, `${name}-${when}`, count);
  }

  #weigh({ pid }: Companion, when: MemorySample['when'], resources: number): void {
    this.#memory.push({ when, resources, ...memory(pid) });
  }
}

export function measureNoise(): number[] {
  return Array.from({ length: noiseSamples }, () => fixedJob() / 1000);
}
