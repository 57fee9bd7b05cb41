// Many that are due in one second, on a real API server and a real clock: how late their Jobs are.
import { backups, jobs, type Neo4jBackup } from '../../../src/backup/resources.ts';
import { keyOf } from '../../../src/kube/resource.ts';
import { aBackup } from '../../../test/support/builders.ts';
import type { Companion } from '../../run.ts';
import { createJob, workers } from '../controller/bare-loop.ts';
import { cpuSeconds } from '../controller/process.ts';
import { counted, type Counted } from '../controller/requests.ts';
import { forEach, pause, until } from '../controller/until.ts';
import {
  apply,
  clear,
  makeNamespaces,
  playStart,
  wishes,
  type Wish,
  type World,
} from '../controller/workload.ts';

const minuteMs = 60_000;

/** To apply a resource and to tell of it takes at most as long as so many Jobs of the bare loop. */
const jobsOfApply = 10;

/** As many a second as of those that are spread; fewer of them, as each stands alone. */
const pacedJobs = 100;
const pacedMs = 180;

/** Milliseconds until each Job was made. */
type Delays = readonly number[];

export interface Strike {
  /** From the moment that its schedule names, and from its own start: the same where there is no spread. */
  readonly fromNominal: Delays;
  readonly fromStart: Delays;
  /** CPU seconds of the operator, from the moment until the last Job was made. */
  readonly cpuSeconds: number;
  /** What it asked for meanwhile. */
  readonly requests: Counted;
}

/**
 * - `one`: all are to be made at once, and are, one call at a time.
 * - `several`: the same, as many at a time as the operator has workers.
 * - `paced`: one after the other, each at a time of its own, as they come when they are spread.
 */
export type BareStrike = Readonly<Record<'one' | 'several' | 'paced', Delays>>;

export interface Strikes {
  readonly count: number;
  /** Before and after. */
  readonly bare: readonly BareStrike[];
  readonly together: Strike;
  readonly apart: Strike;
}

interface Due {
  readonly name: string;
  readonly count: number;
  readonly spread?: string;
  /** What this machine makes of them without an operator. */
  readonly bare: BareStrike;
}

/** Applies so many with one and the same moment, waits for it, and for their Jobs. What was made is gone afterwards. */
export async function strike(world: World, operator: Companion, due: Due): Promise<Strike> {
  const { plane, clients, requests } = world;
  await makeNamespaces(plane, due.name);
  const applyMs = Math.max(...due.bare.several) * jobsOfApply;
  const nominal = Math.ceil((Date.now() + applyMs) / minuteMs + 0.5) * minuteMs;
  const all = wishes(due.name, due.count).map((wish) => scheduled(wish, new Date(nominal), due.spread));
  await apply(clients.admin, all);
  await requests.quiet();
  if (Date.now() > nominal - 2_000) throw new Error('they had not come to rest when their time came');
  const starts = await startsOf(world, all, nominal);
  await pause(nominal - 1_000 - Date.now());
  const before = cpuSeconds(operator.pid);
  const made = (): ReturnType<typeof requests.since> =>
    requests
      .since(nominal)
      .filter(({ verb, resource, code }) => verb === 'create' && resource === 'jobs' && code === 201);
  const playing = new AbortController();
  const played = givePods(world, playing.signal);
  await until('a Job for each', () => made().length >= due.count);
  const cpu = cpuSeconds(operator.pid) - before;
  playing.abort();
  await played;
  const asked = counted(requests.since(nominal));
  const owners = await ownersOf(world, all);
  const delays = made().map(({ answered, namespace, name }) => {
    const start = starts.get(owners.get(`${namespace}/${name}`) ?? '');
    if (start === undefined) throw new Error(`the Job ${namespace}/${name} is of no resource`);
    return { fromNominal: answered - nominal, fromStart: answered - start };
  });
  await requests.quiet();
  await clear(plane, due.name);
  await requests.quiet();
  return {
    fromNominal: delays.map(({ fromNominal }) => fromNominal),
    fromStart: delays.map(({ fromStart }) => fromStart),
    cpuSeconds: cpu,
    requests: asked,
  };
}

/** Plays the controller of Jobs: of one without a Pod the operator would ask again and again what is in its way. */
async function givePods({ clients: { admin } }: World, signal: AbortSignal): Promise<void> {
  const { resourceVersion } = await admin.list(jobs, {});
  try {
    for await (const event of admin.watch(jobs, { resourceVersion, signal }))
      if (event.type === 'added') await playStart(admin, event.object);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** It strikes once a year. */
function scheduled({ spec, ...wish }: Wish, at: Date, spread: string | undefined): Wish {
  const line = [at.getUTCMinutes(), at.getUTCHours(), at.getUTCDate(), at.getUTCMonth() + 1, '*'];
  return {
    ...wish,
    spec: { ...spec, fullSchedule: line.join(' '), ...(spread === undefined ? {} : { spread }) },
  };
}

function namespacesOf(all: readonly Wish[]): readonly string[] {
  return [...new Set(all.map(({ namespace }) => namespace))];
}

/** When each is to start, by namespace and name. */
async function startsOf(
  { clients }: World,
  all: readonly Wish[],
  nominal: number,
): Promise<ReadonlyMap<string, number>> {
  const starts = new Map<string, number>();
  for (const namespace of namespacesOf(all)) {
    const { items } = await clients.admin.list(backups, { namespace });
    for (const { metadata, status } of items)
      starts.set(`${namespace}/${metadata.name}`, nominal + (status?.spreadSeconds ?? 0) * 1_000);
  }
  return starts;
}

/** Of which resource each Job is. */
async function ownersOf({ clients }: World, all: readonly Wish[]): Promise<ReadonlyMap<string, string>> {
  const owners = new Map<string, string>();
  for (const namespace of namespacesOf(all)) {
    const { items } = await clients.admin.list(jobs, { namespace });
    for (const { metadata } of items)
      owners.set(`${namespace}/${metadata.name}`, `${namespace}/${metadata.ownerReferences?.[0]?.name}`);
  }
  return owners;
}

/** Makes the same Jobs without an operator, of resources that are not there. They are gone afterwards. */
export async function strikeBare(world: World, name: string, count: number): Promise<BareStrike> {
  const { plane, clients } = world;
  await makeNamespaces(plane, name);
  const all = wishes(name, count).map(unapplied);
  const loop = async (atOnce: number): Promise<Delays> => {
    const delays: number[] = [];
    const begun = performance.now();
    await forEach(all, atOnce, async (backup) => {
      await createJob(clients.account, backup);
      delays.push(performance.now() - begun);
    });
    await clear(plane, name, ['jobs']);
    return delays;
  };
  const [one, several] = [await loop(1), await loop(workers)];
  const paced: number[] = [];
  for (const backup of all.slice(0, pacedJobs)) {
    const begun = performance.now();
    await createJob(clients.account, backup);
    paced.push(performance.now() - begun);
    await pause(Math.max(0, pacedMs - (performance.now() - begun)));
  }
  await clear(plane, name, ['jobs']);
  return { one, several, paced };
}

function unapplied({ namespace, name, spec }: Wish): Neo4jBackup {
  const backup = aBackup({ metadata: { namespace, name, uid: `${namespace}-${name}` }, spec });
  return { ...backup, metadata: { ...backup.metadata, ...keyOf(backup) } };
}
