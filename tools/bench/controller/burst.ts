// Many Neo4jBackups at once, and a second run of each: how long it takes until their Jobs exist, and what that costs.
import type { Companion } from '../../run.ts';
import { cpuSeconds } from './process.ts';
import { counted, type Counted } from './requests.ts';
import { until } from './until.ts';
import {
  apply,
  collectGarbage,
  makeNamespaces,
  playEnds,
  trigger,
  wishes,
  type Wish,
  type World,
} from './workload.ts';

/** CPU seconds of a while. `bench` is this process, which applies, plays and counts. */
type Cpu = Readonly<Record<'operator' | 'server' | 'bench', number>>;

export interface Phase {
  readonly cpu: Cpu;
  readonly requests: Counted;
}

export interface Burst {
  readonly count: number;
  /** Seconds from the first apply until the last Job existed, and until the last apply was answered. */
  readonly seconds: number;
  readonly applySeconds: number;
  /** Until all Jobs exist and status says so; until their ends are told; the same for a second run of each. */
  readonly phases: Readonly<Record<'start' | 'end' | 'secondStart' | 'secondEnd', Phase>>;
}

/** So many resources, in namespaces that begin with this name. */
export interface Size {
  readonly name: string;
  readonly count: number;
}

/** A first and a second run of so many resources. */
export async function measureBurst(world: World, operator: Companion, { name, count }: Size): Promise<Burst> {
  const { admin } = world.clients;
  const all = wishes(name, count);
  await makeNamespaces(world.plane, name);
  const first = await measureStart(world, operator, all, () => apply(admin, all));
  const end = await measureEnd(world, operator, name);
  const second = await measureStart(world, operator, all, () => trigger(admin, all, 'second'));
  const secondEnd = await measureEnd(world, operator, name);
  return {
    count,
    seconds: first.seconds,
    applySeconds: first.askSeconds,
    phases: { start: first.phase, end, secondStart: second.phase, secondEnd },
  };
}

/** So many more resources that have had a run. */
export async function fill({ plane, requests, clients }: World, { name, count }: Size): Promise<void> {
  await makeNamespaces(plane, name);
  await apply(clients.admin, wishes(name, count));
  await requests.quiet();
  await playEnds(clients.admin, name);
  await requests.quiet();
}

interface Start {
  readonly seconds: number;
  readonly askSeconds: number;
  readonly phase: Phase;
}

/** From the first time that somebody asks until all Jobs exist, and until all is said. */
async function measureStart(
  world: World,
  operator: Companion,
  all: readonly Wish[],
  ask: () => Promise<void>,
): Promise<Start> {
  const { requests } = world;
  const measured = phase(world, operator);
  const begun = Date.now();
  await ask();
  const asked = Date.now();
  const created = (): readonly number[] =>
    requests
      .since(begun)
      .filter(({ verb, resource, code }) => verb === 'create' && resource === 'jobs' && code === 201)
      .map(({ answered }) => answered);
  const told = (): number =>
    requests.since(begun).filter(({ subresource, code }) => subresource === 'status' && code === 200).length;
  await until('a Job for each', () => created().length >= all.length && told() >= all.length);
  const seconds = (Math.max(...created()) - begun) / 1000;
  return { seconds, askSeconds: (asked - begun) / 1000, phase: measured() };
}

async function measureEnd(world: World, operator: Companion, name: string): Promise<Phase> {
  const measured = phase(world, operator);
  await playEnds(world.clients.admin, name);
  await world.requests.quiet();
  await collectGarbage(world.clients.admin, name);
  await world.requests.quiet();
  return measured();
}

/** Begins to count. @returns what ends it */
function phase({ plane, requests }: World, { pid }: Companion): () => Phase {
  const now = (): Cpu => {
    const { user, system } = process.cpuUsage();
    return {
      operator: cpuSeconds(pid),
      server: cpuSeconds(plane.pids.apiServer) + cpuSeconds(plane.pids.etcd),
      bench: (user + system) / 1e6,
    };
  };
  const [begun, before] = [Date.now(), now()];
  return () => {
    const after = now();
    const cpu = {
      operator: after.operator - before.operator,
      server: after.server - before.server,
      bench: after.bench - before.bench,
    };
    return { cpu, requests: counted(requests.since(begun)) };
  };
}
