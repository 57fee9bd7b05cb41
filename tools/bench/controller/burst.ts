// Many Neo4jBackups at once: how long until their Jobs exist, beside bare loops, and what that costs.
import type { HttpKubeClient } from '../../../src/kube/http.ts';
import type { Companion } from '../../run.ts';
import { bareLoop } from './bare-loop.ts';
import type { ControlPlane } from './control-plane.ts';
import { cpuSeconds } from './process.ts';
import { counted, type Counted, type Requests } from './requests.ts';
import { until } from './until.ts';
import { apply, makeNamespaces, playEnds, trigger, wishes, type Wish } from './workload.ts';

export interface World {
  readonly plane: ControlPlane;
  readonly requests: Requests;
  /** An administrator, and one with the name and the limits of the operator's account. */
  readonly clients: Readonly<Record<'admin' | 'account', HttpKubeClient>>;
}

/** So many resources, in namespaces that begin with this name. */
interface Size {
  readonly name: string;
  readonly count: number;
}

type Cpu = Readonly<Record<'operator' | 'apiServer' | 'etcd', number>>;

export interface Phase {
  readonly cpu: Cpu;
  readonly requests: Counted;
}

/** A bare loop: how long it took, and what that cost the control plane. Seconds. */
interface Loop {
  readonly seconds: number;
  readonly serverCpu: number;
}

export interface Burst {
  readonly count: number;
  /** Seconds from the first apply until the last Job existed, and until the last apply was answered. */
  readonly seconds: number;
  readonly applySeconds: number;
  /** Bare loops, one before and one after: one call at a time, and as many at a time as the operator has workers. */
  readonly bare: Readonly<Record<'one' | 'several', readonly Loop[]>>;
  /** Until all Jobs exist and status says so; until their ends are told; the same for a second run of each. */
  readonly phases: Readonly<Record<'start' | 'end' | 'secondStart' | 'secondEnd', Phase>>;
}

/** How many resources the operator works on at once. */
export const workers = 4;

/** A first and a second run of so many resources. */
export async function measureBurst(world: World, operator: Companion, size: Size): Promise<Burst> {
  const { plane, clients } = world;
  const { name, count } = size;
  const all = wishes(name, count);
  await makeNamespaces(plane, name);
  const before = await loops(world, { name: `${name}-before`, count });
  const first = await measureStart(world, operator, all, () => apply(clients.admin, all));
  const end = await measureEnd(world, operator, name);
  const second = await measureStart(world, operator, all, () => trigger(clients.admin, all, 'second'));
  const secondEnd = await measureEnd(world, operator, name);
  const after = await loops(world, { name: `${name}-after`, count });
  return {
    count,
    seconds: first.seconds,
    applySeconds: first.askSeconds,
    bare: { one: [before.one, after.one], several: [before.several, after.several] },
    phases: { start: first.phase, end, secondStart: second.phase, secondEnd },
  };
}

async function loops(
  world: World,
  { name, count }: Size,
): Promise<Readonly<Record<'one' | 'several', Loop>>> {
  return {
    one: await loop(world, { name: `${name}-one`, count }, 1),
    several: await loop(world, { name: `${name}-several`, count }, workers),
  };
}

async function loop({ plane, clients }: World, burst: Size, atOnce: number): Promise<Loop> {
  const { etcd, apiServer } = plane.pids;
  const all = wishes(burst.name, burst.count);
  await makeNamespaces(plane, burst.name);
  const before = cpuSeconds(etcd) + cpuSeconds(apiServer);
  const seconds = await bareLoop(clients.account, all, atOnce);
  return { seconds, serverCpu: cpuSeconds(etcd) + cpuSeconds(apiServer) - before };
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

/** So many more resources that have had a run. */
export async function fill({ plane, requests, clients }: World, { name, count }: Size): Promise<void> {
  const all = wishes(name, count);
  await makeNamespaces(plane, name);
  await apply(clients.admin, all);
  await requests.quiet();
  await playEnds(clients.admin, name);
  await requests.quiet();
}

async function measureEnd(world: World, operator: Companion, name: string): Promise<Phase> {
  const measured = phase(world, operator);
  await playEnds(world.clients.admin, name);
  await world.requests.quiet();
  return measured();
}

/** Begins to count. @returns what ends it */
function phase({ plane, requests }: World, { pid }: Companion): () => Phase {
  const now = (): Cpu => ({
    operator: cpuSeconds(pid),
    apiServer: cpuSeconds(plane.pids.apiServer),
    etcd: cpuSeconds(plane.pids.etcd),
  });
  const [begun, before] = [Date.now(), now()];
  return () => {
    const after = now();
    const cpu = {
      operator: after.operator - before.operator,
      apiServer: after.apiServer - before.apiServer,
      etcd: after.etcd - before.etcd,
    };
    return { cpu, requests: counted(requests.since(begun)) };
  };
}
