// The measurements in their order: few resources, 300 at once, 1,000 at once, and 5,000 of them.
import { kubeClient } from '../../../src/kube/http.ts';
import { loadKubeConfig } from '../../../src/kube/kube-config.ts';
import { bundle } from '../../bundle.ts';
import type { Companion } from '../../run.ts';
import type { Steps } from '../../steps.ts';
import { fixedJob } from '../noise.ts';
import { fill, measureBurst, type Burst, type World } from './burst.ts';
import { startControlPlane, type ControlPlane } from './control-plane.ts';
import { latencies } from './latency.ts';
import { startOperator } from './operator.ts';
import { memory } from './process.ts';
import { Requests, counted, type Counted } from './requests.ts';
import { pause } from './until.ts';
import { clear } from './workload.ts';

/** How long the operator is watched doing nothing. Milliseconds. */
const idleMs = 60_000;

/** How often the fixed job runs each time. */
const noiseSamples = 5;

/** How many single resources are applied, one after the other. */
const singles = 50;

const few = 300;
const many = 1_000;

export interface Figures {
  readonly bursts: readonly Burst[];
  /** What an operator asked in a minute with nothing to do. */
  readonly idle: readonly Counted[];
  readonly memory: readonly MemorySample[];
  readonly latencies: readonly LatencySample[];
  /** Seconds of one and the same job, at several times. */
  readonly noise: readonly number[];
}

export interface MemorySample {
  readonly when: string;
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

type Draft = { -readonly [Key in keyof Figures]: Figures[Key][number][] };

/** So many steps has a measurement of so many resources. */
export function stepsOf(count: number): number {
  return 5 + (count >= many ? 1 : 0) + (count > many ? 3 : 0);
}

/** @param count with how many resources it ends: 300, 1,000 or more */
export async function measureController(count: number, progress: Steps): Promise<Figures> {
  await bundle(['main']);
  const plane = await progress.run('etcd and an API server', () => startControlPlane(progress));
  const world = worldOf(plane);
  const figures: Draft = { bursts: [], idle: [], memory: [], latencies: [], noise: [] };
  try {
    await measureFew(world, figures, progress);
    await clear(plane, ['few', 'single']);
    if (count >= many) await measureMany(world, figures, { count, progress });
    figures.noise.push(...noise());
    return figures;
  } finally {
    await Promise.all([world.clients.admin.close(), world.clients.account.close()]);
    await progress.run('removing the control plane', () => plane.stop());
  }
}

function worldOf(plane: ControlPlane): World {
  const clientOf = (kubeconfig: string): World['clients']['admin'] =>
    kubeClient({ kubeConfig: loadKubeConfig(kubeconfig), userAgent: 'bench' });
  const { admin, operator } = plane.kubeconfigs;
  const clients = { admin: clientOf(admin), account: clientOf(operator) };
  return { plane, clients, requests: new Requests(plane.audit) };
}

async function measureFew(world: World, figures: Draft, progress: Steps): Promise<void> {
  const operator = await startOperator(world.plane);
  figures.noise.push(...noise());
  await progress.run('an operator with nothing to do', () => pause(idleMs / 2));
  figures.memory.push(memoryOf(operator, 'idle', 0));
  // They also warm up both sides.
  await progress.run('single resources', async () => {
    figures.latencies.push({ resources: 0, samples: await latencies(world, 'single', singles) });
  });
  await measureOne(world, operator, { name: 'few', count: few }, { figures, progress });
  await operator.stop();
}

async function measureMany(
  world: World,
  figures: Draft,
  { count, progress }: { readonly count: number; readonly progress: Steps },
): Promise<void> {
  const operator = await startOperator(world.plane);
  figures.noise.push(...noise());
  await measureOne(world, operator, { name: 'many', count: many }, { figures, progress });
  if (count > many) {
    await progress.run(`${count - many} more`, () => fill(world, { name: 'most', count: count - many }));
    await progress.run('single resources again', async () => {
      figures.latencies.push({ resources: count, samples: await latencies(world, 'again', singles) });
    });
    figures.memory.push(memoryOf(operator, 'after their runs', count));
  }
  await operator.stop();
  if (count > many)
    await progress.run('an operator that finds them all', async () => {
      const next = await startOperator(world.plane);
      await pause(idleMs);
      figures.memory.push(memoryOf(next, 'after a restart', count));
      await next.stop();
    });
}

async function measureOne(
  world: World,
  operator: Companion,
  size: { readonly name: string; readonly count: number },
  { figures, progress }: { readonly figures: Draft; readonly progress: Steps },
): Promise<void> {
  await progress.run(`${size.count} resources at once, two runs of each`, async () => {
    figures.bursts.push(await measureBurst(world, operator, size));
    figures.noise.push(...noise());
    const begun = Date.now();
    await pause(idleMs);
    figures.idle.push(counted(world.requests.since(begun)));
    figures.memory.push(memoryOf(operator, 'after their runs', size.count));
  });
}

function memoryOf({ pid }: Companion, when: string, resources: number): MemorySample {
  return { when, resources, ...memory(pid) };
}

function noise(): readonly number[] {
  return Array.from({ length: noiseSamples }, () => fixedJob() / 1000);
}
