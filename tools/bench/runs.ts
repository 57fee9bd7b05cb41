// `npm run bench -- runs`: what a backup by the operator costs beside the bare tool.
import type { BackupType } from '../../src/engine/engine.ts';
import { bareClaim, runBare } from './bare.ts';
import { measureInstall, type Install } from './install.ts';
import { fixedJob } from './noise.ts';
import { runOperated } from './operated.ts';
import { ratios, spread, type Spread } from './spread.ts';
import { breakdown, comparison, requestsPerRun, type Pair } from './whole-run.ts';
import { demoManifests, playgroundSteps, startPlayground, type Playground } from '../playground.ts';
import { steps } from '../steps.ts';

/** Writes per run: the Job, status at its start and at its end, and the deletion of the Job before. */
const writesAim = 4;

/** How often the fixed job runs each time. */
const noiseSamples = 5;

function line(name: string, { min, median, max }: Spread, rest = ''): string {
  const [least, middle, most] = [min, median, max].map((value) => value.toFixed(2).padStart(7));
  return `  ${name.padEnd(54)} ${middle} ${least} ${most}${rest === '' ? '' : `   ${rest}`}`;
}

function table(title: string, rows: readonly string[]): void {
  console.log(`\n${title.padEnd(56)}  median     min     max`);
  for (const row of rows) console.log(row);
}

interface Figures {
  readonly pairs: readonly Pair[];
  readonly installs: readonly Install[];
  readonly noise: Readonly<Record<'before' | 'between' | 'after', readonly number[]>>;
}

function printRuns(pairs: readonly Pair[]): void {
  for (const type of ['Full', 'Incremental'] as const) {
    const chosen = pairs.filter((pair) => pair.type === type);
    const compared = comparison(chosen);
    table(
      `${type} backup: ratios`,
      compared.ratios.map(([name, value]) => line(name, value)),
    );
    table(
      `${type} backup: seconds`,
      compared.seconds.map(([name, value]) => line(name, value)),
    );
    table(
      `${type} backup: where the seconds of a whole run go`,
      breakdown(chosen).map(([name, value]) => line(name, value)),
    );
  }
}

function printRequests(pairs: readonly Pair[]): void {
  const { writes, reads, kinds } = requestsPerRun(pairs);
  const verdict = `aim: ${writesAim}${writes.max > writesAim ? ', missed' : ''}`;
  table('Requests in a run, beside those for Events and the lease', [
    line('writes', writes, verdict),
    line('reads', reads),
    ...kinds.map(([name, value]) => line(`  ${name}`, value)),
  ]);
}

function printInstalls(installs: readonly Install[]): void {
  const chart = installs.map((sample) => sample.chart / 1000);
  const pod = installs.map((sample) => sample.barePod / 1000);
  table('Installing', [
    line('ratio: chart / bare Pod', ratios(chart, pod)),
    line('seconds: helm install to a ready operator', spread(chart)),
    line('seconds: a Pod of the same image to ready', spread(pod)),
  ]);
}

function print({ pairs, installs, noise }: Figures): void {
  table('This machine: seconds of one and the same job', [
    line('before', spread(noise.before)),
    line('between the backups', spread(noise.between)),
    line('after', spread(noise.after)),
  ]);
  printRuns(pairs);
  printRequests(pairs);
  printInstalls(installs);
}

function measureNoise(): readonly number[] {
  return Array.from({ length: noiseSamples }, () => fixedJob() / 1000);
}

/** One of each, the order changing: what comes second finds other caches than what comes first. */
async function measurePair(on: Playground, type: BackupType, series: number): Promise<Pair> {
  const isOursFirst = series % 2 === 0;
  const operate = async (): Promise<Pair['operated']> => runOperated(on, type, `${series}-${type}`);
  const early = isOursFirst ? await operate() : undefined;
  const bare = await runBare(on, type, `bare-${series}`);
  return { type, bare, operated: early ?? (await operate()) };
}

/** A full backup and an increment on top of it, by each. */
async function measureSeries(on: Playground, series: number): Promise<readonly Pair[]> {
  return [await measurePair(on, 'Full', series), await measurePair(on, 'Incremental', series)];
}

async function measure(
  on: Playground,
  repetitions: number,
  progress: ReturnType<typeof steps>,
): Promise<Figures> {
  await progress.run('a Neo4j to back up', async () => {
    await on.apply(...demoManifests('neo4j.yaml'), ...demoManifests('claim.yaml'), bareClaim());
    await on.kubectl(['rollout', 'status', 'deployment/orders-neo4j', '--timeout=120s']);
  });
  await progress.run('backups that do not count', () => measureSeries(on, 0));
  const before = measureNoise();
  const between: number[] = [];
  const pairs: Pair[] = [];
  for (let series = 1; series <= repetitions; series += 1)
    await progress.run(
      `backups by the operator and by the bare tool, ${series} of ${repetitions}`,
      async () => {
        pairs.push(...(await measureSeries(on, series)));
        between.push(...measureNoise());
      },
    );
  const installs: Install[] = [];
  await progress.run('installing the chart, again and again', async () => {
    for (let i = 0; i < repetitions; i += 1) installs.push(await measureInstall(on));
  });
  return { pairs, installs, noise: { before, between, after: measureNoise() } };
}

/** Measures and prints. @param stopped resolves when it has to end, with an exit code. @returns the exit code */
export async function benchRuns(repetitions: number, stopped: Promise<number>): Promise<number> {
  const progress = steps(playgroundSteps + 3 + repetitions + 1);
  let playground: Playground | undefined;
  const measured = (async (): Promise<number> => {
    playground = await startPlayground('bench', progress);
    print(await measure(playground, repetitions, progress));
    return 0;
  })();
  const code = await Promise.race([measured, stopped]).catch((error: unknown) => {
    console.error(`\nThe bench failed: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  });
  if (playground) await progress.run('removing the cluster', async () => playground?.stop());
  return code;
}
