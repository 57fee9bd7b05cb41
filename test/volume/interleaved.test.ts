// Two Pods on one destination, each stopped before any of its operations while the other goes on: for as long as the other
// likes, so that it takes what the stopped one holds. There are never two publishers, and the loser harms nothing.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'vitest';
import type { Files } from '../../src/volume/files.ts';
import type { Manifest } from '../../src/volume/manifest.ts';
import { aWorld, podUID, type AttemptOptions, type Ended, type World } from '../support/agent.ts';
import { FakeClock, until } from '../support/fake-clock.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { concludeCampaign, enough } from './campaign.ts';
import { chosen, draw, seed } from './lots.ts';
import { portThrough } from './port.ts';
import {
  begin,
  copyOf,
  keepOne,
  leftIn,
  play,
  pointsIn,
  runsOfArtifacts,
  runsOfStores,
  wrongFor,
  type Run,
  type Runs,
} from './stories.ts';

/** A Pod whose operations wait for us. Its clock runs only while it may run. */
class Stepped {
  readonly clock = new FakeClock();
  readonly files: Files;
  #left = 0;
  #stopped = Promise.withResolvers<undefined>();
  #go = Promise.withResolvers<undefined>();
  #work: Promise<Ended | undefined> | undefined;
  operations = 0;

  constructor() {
    this.files = portThrough(async (_, __, work) => {
      while (this.#left === 0) {
        this.#stopped.resolve(undefined);
        await this.#go.promise;
      }
      this.#left -= 1;
      this.operations += 1;
      return work();
    });
  }

  /** Lets it do so many operations more. @returns how it ended, when it did */
  async run(world: World, run: Run, operations: number): Promise<Ended | undefined> {
    this.#left = operations;
    this.#stopped = Promise.withResolvers<undefined>();
    const go = this.#go;
    this.#go = Promise.withResolvers<undefined>();
    go.resolve(undefined);
    const options: AttemptOptions = { ...run.options, files: this.files, clock: this.clock };
    this.#work ??= play(world, { ...run, options });
    return until(this.clock, Promise.race([this.#work, this.#stopped.promise]));
  }
}

interface Duel {
  readonly name: string;
  readonly runs: Runs;
  readonly before: number;
  /** Whether points that were there may be gone afterwards. */
  readonly mayGo?: boolean;
  /** Whether the first is of a run that was given up: nobody reads how it ends. */
  readonly isGivenUp?: boolean;
  /** The run of either Pod. */
  readonly pods: (runs: Runs, n: number) => readonly [Run, Run];
}

/** The same resource, the same run: a Job has started two Pods. */
const twoAttempts: Duel['pods'] = (runs, n) => [runs(n, { pod: 41 }), runs(n, { pod: 42 })];

/** Another resource, perhaps in another cluster, with the same folder. */
const twoResources: Duel['pods'] = (runs, n) => [
  runs(n, { pod: 41 }),
  runs(n, { pod: 42, run: `other-${n}`, resource: { namespace: 'else', name: 'other', uid: 'another' } }),
];

/** A run that was given up, though its Pod goes on where nobody reaches it, and the one after it: all staging is older than that. */
const oneGivenUp: Duel['pods'] = (runs, n) => [
  runs(n, { pod: 41 }),
  runs(n, { pod: 42, run: `later-${n}`, createdTime: '2099-01-01T00:00:00.000Z' }),
];

const duels: readonly Duel[] = [
  { name: 'two attempts of a first run', runs: runsOfStores, before: 0, pods: twoAttempts },
  { name: 'two attempts of a run', runs: runsOfStores, before: 1, pods: twoAttempts },
  { name: 'two resources', runs: runsOfStores, before: 1, pods: twoResources },
  { name: 'two resources with artifacts', runs: runsOfArtifacts, before: 1, pods: twoResources },
  { name: 'two attempts with artifacts', runs: runsOfArtifacts, before: 1, pods: twoAttempts },
  { name: 'a run that was given up', runs: runsOfStores, before: 1, pods: oneGivenUp, isGivenUp: true },
  {
    name: 'a run of artifacts that was given up',
    runs: runsOfArtifacts,
    before: 1,
    pods: oneGivenUp,
    isGivenUp: true,
  },
  {
    name: 'two resources with retention',
    runs: (n, over) => runsOfStores(n, { ...(n > 3 ? { retention: keepOne } : {}), ...over }),
    before: 3,
    pods: twoResources,
    mayGo: true,
  },
];

interface Prepared {
  readonly duel: Duel;
  readonly world: World;
  readonly before: readonly Manifest[];
  /** What must be there afterwards. */
  readonly kept: readonly Manifest[];
  /** Operations of a Pod that is alone. */
  readonly alone: number;
}

async function prepareDuel(duel: Duel, place: string): Promise<Prepared> {
  const world = await aWorld();
  await begin(world, duel);
  const before = await pointsIn(world.root);
  const [run] = duel.pods(duel.runs, duel.before + 1);
  const pod = new Stepped();
  const ended = await pod.run(copyOf(world, join(place, 'alone', duel.name)), run, Infinity);
  if (ended?.code !== 0) throw new Error(`${duel.name}: ${JSON.stringify(ended?.report)}`);
  return { duel, world, before, kept: duel.mayGo === true ? [] : before, alone: pod.operations };
}

interface Plan {
  readonly prepared: Prepared;
  /** Operations of the first until it is stopped, then of the second. After that the first goes on to its end, then the second. */
  readonly first: number;
  readonly second: number;
}

async function playPlan({ prepared, first, second }: Plan, place: string): Promise<readonly string[]> {
  const { duel, kept } = prepared;
  const world = copyOf(prepared.world, join(place, 'volume'));
  const n = duel.before + 1;
  const [runA, runB] = duel.pods(duel.runs, n);
  const [a, b] = [new Stepped(), new Stepped()];
  await a.run(world, runA, first);
  await b.run(world, runB, second);
  const ended = [await a.run(world, runA, Infinity), await b.run(world, runB, Infinity)];
  const points = await pointsIn(world.root);
  const problems = [...(await wrongFor(world.root, kept)), ...untrueOf(ended, points, { prepared, second })];

  const clock = new FakeClock();
  const next = duel.runs(n + 1, { clock, terminalPods: [podUID(41), podUID(42)] });
  const healed = await until(clock, play(world, next));
  if (healed?.code !== 0) problems.push(`the next run: ${JSON.stringify(healed?.report)}`);
  const stays = duel.mayGo === true ? [] : points;
  return [...problems, ...(await wrongFor(world.root, stays)), ...(await leftIn(world.root))];
}

/** What the two said of themselves, against what is there. */
function untrueOf(
  ended: readonly (Ended | undefined)[],
  points: readonly Manifest[],
  { prepared: { before, duel }, second }: Pick<Plan, 'prepared' | 'second'>,
): readonly string[] {
  const [told = [], lost = []] = [true, false].map((isSuccess) =>
    ended.filter((one) => (one?.code === 0) === isSuccess),
  );
  const problems = lost
    .filter((one) => duel.isGivenUp !== true || one !== ended[0])
    .filter((one) => one?.report?.reason !== 'DestinationBusy')
    .map((one) => `one ended with ${JSON.stringify(one?.report)}`);
  // Where both are stopped for longer than the other waits, each may lose to the other: both say so, and come again.
  if (told.length === 0 && second === Infinity) problems.push('neither has published');
  const there = new Set(before.map(({ point }) => point));
  const taken = named(points.filter(({ point }) => !there.has(point)).map(({ run }) => run));
  const said = named(told.map((one) => one?.report?.run ?? ''));
  return said === taken ? problems : [...problems, `told as taken: ${said}; published: ${taken}`];
}

function named(runs: readonly string[]): string {
  return [...new Set(runs)].toSorted().join();
}

test('two Pods on one destination never publish both at once, wherever either stops', async () => {
  const random = draw(seed);
  const place = temporaryFolder();
  const plans: Plan[] = [];
  for (const duel of duels) {
    const prepared = await prepareDuel(duel, place);
    for (let first = 0; first <= prepared.alone; first += 1) {
      plans.push({ prepared, first, second: Infinity });
      for (let second = 0; second <= prepared.alone; second += 1) plans.push({ prepared, first, second });
    }
  }
  const played = chosen(plans, 600, random, ({ second }) => second === Infinity);
  const violations: string[] = [];
  for (const plan of played) {
    if (violations.length >= enough) break;
    const at = mkdtempSync(join(place, 'plan-'));
    const { prepared, first, second } = plan;
    try {
      const problems = await playPlan(plan, at);
      const name = `${prepared.duel.name}, stopped after ${first} and ${second}`;
      if (problems.length > 0) violations.push(`seed ${seed}: ${name}: ${problems.join('; ')}`);
    } finally {
      rmSync(at, { recursive: true });
    }
  }
  concludeCampaign('two Pods interleaved', played.length, violations);
});
