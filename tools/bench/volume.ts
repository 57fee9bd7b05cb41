// `npm run bench -- volume`: what staging, verifying and publishing cost, beside doing the copy alone.
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FileEntry } from '../../src/volume/manifest.ts';
import { hashFile, verifyFiles } from '../../src/volume/stage.ts';
import { aManifest, aPointName, makePoint, makeStore, writeManifest } from '../../test/support/volume.ts';
import { bundle } from '../bundle.ts';
import { must } from '../run.ts';
import { steps, type Steps } from '../steps.ts';
import { fixedJob } from './noise.ts';
import { ratios, spread, type Spread } from './spread.ts';
import { exchangeIn, runAgent, type Taken } from './volume/agent.ts';
import { reflinkDisk } from './volume/disk.ts';
import { openPort, playTool, requestOf, timed, timedRun, type Timed } from './volume/run.ts';
import { loopback, realStore } from './volume/real.ts';
import { filesBelow, makeLargeStore } from './volume/store.ts';

const repetitions = 3;
const mebibyte = 1_048_576;
const points = 10_000;

interface Bench {
  readonly folder: string;
  /** A store that is no backup yet. */
  readonly source: string;
  readonly sizeBytes: number;
  readonly port: number;
  readonly noise: number[];
}

/**
 * Measures and prints.
 * @param sizeMiB of the store
 * @param stopped resolves when it has to end, with an exit code
 * @returns the exit code
 */
export async function benchVolume(sizeMiB: number, stopped: Promise<number>): Promise<number> {
  const progress = steps(6);
  const folder = mkdtempSync(join(tmpdir(), 'neo4j-backup-bench-volume-'));
  const { port, server } = await openPort();
  const made: Bench = {
    folder,
    source: join(folder, 'source'),
    sizeBytes: sizeMiB * mebibyte,
    port,
    noise: [],
  };
  const measured = measure(made, progress).then(() => 0);
  const code = await Promise.race([measured, stopped]).catch((error: unknown) => {
    console.error(`\nThe bench failed: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  });
  server.close();
  rmSync(folder, { recursive: true, force: true });
  return code;
}

async function measure(on: Bench, progress: Steps): Promise<void> {
  await progress.run(`a store of ${on.sizeBytes / mebibyte} MiB, and the bundle`, async () => {
    makeLargeStore(on.source, on.sizeBytes);
    await bundle(['agent'], join(on.folder, 'bundle'));
  });
  await progress.run('hashing', () => hashing(on));
  await progress.run('full backups by the real tool', () => fulls(on, progress));
  await progress.run('increments, without reflinks', () => increments(on));
  await progress.run('increments, with reflinks', () => reflinked(on, progress));
  await progress.run(`${points} points in one destination`, () => manyPoints(on));
  table('This machine: seconds of one and the same job', [line('all along', spread(on.noise))]);
}

function line(name: string, { min, median, max }: Spread, rest = ''): string {
  const [least, middle, most] = [min, median, max].map((value) => value.toFixed(2).padStart(8));
  return `  ${name.padEnd(64)} ${middle} ${least} ${most}${rest === '' ? '' : `   ${rest}`}`;
}

function table(title: string, rows: readonly string[]): void {
  console.log(`\n${title.padEnd(66)}   median      min      max`);
  for (const row of rows) console.log(row);
}

/** All is in memory when it is hashed: the disk is the same for both, and would hide what they take. */
async function hashing({ source, noise }: Bench): Promise<void> {
  const files = filesBelow(source);
  const entries: FileEntry[] = [];
  for (const path of files)
    entries.push({
      path,
      size: statSync(join(source, path)).size,
      sha256: await hashFile(join(source, path)),
    });
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let i = 0; i < repetitions; i += 1) {
    noise.push(fixedJob() / 1000);
    const paths = files.map((path) => join(source, path));
    theirs.push((await timed(() => must(['sha256sum', ...paths]))).seconds);
    const { seconds, result } = await timed(() => verifyFiles(source, entries));
    if (result !== undefined) throw new Error(`${result} is damaged`);
    ours.push(seconds);
  }
  table('Hashing the same files, all in memory', [
    line('ratio: sha256sum / ours (aim: at least 1.5)', ratios(theirs, ours)),
    line('seconds: ours', spread(ours)),
    line('seconds: sha256sum', spread(theirs)),
  ]);
}

/** In the place of a tool, where it does not matter what the tool takes. */
async function copyStore(source: string, to: string): Promise<void> {
  await must(['cp', '-r', '-T', source, to]);
}

async function fulls(on: Bench, progress: Steps): Promise<void> {
  const { folder, port, noise } = on;
  const original = await realStore(join(folder, 'real'), on.sizeBytes, progress);
  const runs: Timed[] = [];
  const bare: number[] = [];
  const durable: number[] = [];
  const scrubs: Taken[] = [];
  try {
    for (let i = 0; i < repetitions; i += 1) {
      noise.push(fixedJob() / 1000);
      const volume = join(folder, 'full');
      const own = join(folder, `scrub-${i}`);
      mkdirSync(volume);
      const alone = async (): Promise<void> => {
        const copied = await timed(() => original.copy(join(volume, 'bare')));
        const synced = await timed(() => must(['sync', '-f', volume]));
        bare.push(copied.seconds);
        durable.push(copied.seconds + synced.seconds);
        rmSync(join(volume, 'bare'), { recursive: true });
        await must(['sync', '-f', volume]);
      };
      if (i % 2 === 0) await alone();
      runs.push(await timedRun(volume, requestOf(1, original.port, loopback), original.tool));
      scrubs.push(
        await runAgent(join(folder, 'bundle/agent.js'), 'scrub', {
          volume,
          own,
          request: requestOf(9, port),
        }),
      );
      if (i % 2 === 1) await alone();
      rmSync(volume, { recursive: true });
    }
  } finally {
    await original.close();
  }
  const whole = runs.map(wholeOf);
  table(`A whole full run, beside the tool of Neo4j ${original.version} alone on the same disk`, [
    line('ratio: run / tool (aim: at most 1.25)', ratios(whole, bare)),
    line('ratio: run / tool, and sync', ratios(whole, durable)),
    line('seconds: run', spread(whole)),
    line('seconds: of that prepare', spread(runs.map(({ prepare }) => prepare))),
    line('seconds: of that the tool', spread(runs.map(({ tool }) => tool))),
    line('seconds: of that report', spread(runs.map(({ report }) => report))),
    line('seconds: of that making it durable', spread(runs.map(({ changing }) => changing))),
    line('seconds: tool alone', spread(bare)),
    line('seconds: tool alone, and sync', spread(durable)),
    line('seconds: a scrub of it', spread(scrubs.map(({ seconds }) => seconds))),
    line(
      'MiB resident at most in that (limit of the container: 256)',
      spread(scrubs.map(({ peakMiB }) => peakMiB)),
    ),
  ]);
}

function wholeOf({ prepare, tool, report }: Timed): number {
  return prepare + tool + report;
}

/** What an increment brings: a new last transaction, and a MiB of its log. */
function increment(n: number): (store: string) => Promise<void> {
  return (store) => {
    const aside = mkdtempSync(join(tmpdir(), 'neo4j-backup-bench-increment-'));
    makeStore(aside, { lastTransactionId: BigInt(10 * n) });
    cpSync(join(aside, 'neostore'), join(store, 'neostore'));
    rmSync(aside, { recursive: true });
    appendFileSync(join(store, 'neostore.transaction.db.0'), Buffer.alloc(mebibyte, n));
    return Promise.resolve();
  };
}

async function increments({ folder, source, port, noise }: Bench): Promise<void> {
  const volume = join(folder, 'incremental');
  mkdirSync(volume);
  await timedRun(volume, requestOf(1, port), (store) => copyStore(source, store));
  const runs: Timed[] = [];
  const bare: number[] = [];
  for (let i = 0; i < repetitions; i += 1) {
    noise.push(fixedJob() / 1000);
    bare.push((await timed(() => copyStore(source, join(volume, 'bare')))).seconds);
    rmSync(join(volume, 'bare'), { recursive: true });
    await must(['sync', '-f', volume]);
    runs.push(await timedRun(volume, requestOf(i + 2, port), increment(i + 2)));
  }
  rmSync(volume, { recursive: true });
  const prepares = runs.map(({ prepare }) => prepare);
  table('An incremental run, where the newest point has to be copied', [
    line('ratio: staging, which copies and hashes / bare copy', ratios(prepares, bare)),
    line('seconds: whole run', spread(runs.map(wholeOf))),
    line('seconds: staging', spread(prepares)),
    line('seconds: bare copy', spread(bare)),
  ]);
}

async function reflinked({ sizeBytes, port, noise }: Bench, progress: Steps): Promise<void> {
  const disk = await reflinkDisk(Math.max(4 * sizeBytes, 1024 * mebibyte), progress);
  if (typeof disk === 'string') {
    console.log(`\nNo XFS with reflinks could be had here, so increments on one were not measured: ${disk}`);
    return;
  }
  const rows: string[] = [];
  try {
    for (const share of [0.25, 0.5, 1]) {
      const volume = join(disk.path, 'volume');
      const source = join(disk.path, 'source');
      mkdirSync(volume);
      makeLargeStore(source, sizeBytes * share);
      await timedRun(volume, requestOf(1, port), (store) => copyStore(source, store));
      await must(['sync', '-f', volume]);
      const runs: Timed[] = [];
      for (let i = 0; i < repetitions; i += 1) {
        noise.push(fixedJob() / 1000);
        runs.push(await timedRun(volume, requestOf(i + 2, port), increment(i + 2)));
      }
      const name = `seconds: ${(sizeBytes * share) / mebibyte} MiB,`;
      rows.push(line(`${name} staging and publishing`, spread(runs.map(({ changing }) => changing))));
      rows.push(
        line(
          `${name} reading back before and after the tool`,
          spread(runs.map(({ prepare, report, changing }) => prepare + report - changing)),
        ),
      );
      for (const path of [volume, source]) rmSync(path, { recursive: true });
    }
  } finally {
    await disk.close();
  }
  table('An incremental run on XFS with reflinks', rows);
}

/**
 * Many chains of a full backup and six increments: the newest one is a store, of the others nothing is read but manifests. Each
 * run adds one, and its retention takes the oldest.
 */
async function manyPoints({ folder, port, noise }: Bench): Promise<void> {
  const volume = join(folder, 'many');
  await fillDestination(join(volume, 'orders'));
  const bundled = join(folder, 'bundle/agent.js');
  const run = async (n: number): Promise<readonly [prepare: Taken, report: Taken]> => {
    const own = join(folder, 'pods', String(n));
    const request = { ...requestOf(n, port), retention: { mode: 'Enforce', keepLast: points } as const };
    const prepare = await runAgent(bundled, 'prepare', { volume, own, request });
    await playTool(exchangeIn(own), increment(n));
    return [prepare, await runAgent(bundled, 'report', { volume, own, request })];
  };
  const [uncatalogued] = await run(points + 1);
  const taken: (readonly [Taken, Taken])[] = [];
  for (let i = 0; i < repetitions; i += 1) {
    noise.push(fixedJob() / 1000);
    taken.push(await run(points + 2 + i));
  }
  const blank = {
    volume: join(folder, 'blank'),
    own: join(folder, 'pods/blank'),
    request: requestOf(1, port),
  };
  mkdirSync(blank.volume);
  const alone = await runAgent(bundled, 'prepare', blank);
  const [prepares, reports] = [taken.map(([prepare]) => prepare), taken.map(([, report]) => report)];
  const secondsOf = (those: readonly Taken[]): Spread => spread(those.map(({ seconds }) => seconds));
  const peaksOf = (those: readonly Taken[]): Spread => spread(those.map(({ peakMiB }) => peakMiB));
  table(`A run where ${points} points are, from the start of each process`, [
    line('seconds: prepare (aim: 1)', secondsOf(prepares)),
    line('seconds: prepare, where catalog.json is gone', secondsOf([uncatalogued])),
    line('seconds: prepare, where nothing is', secondsOf([alone])),
    line('seconds: report, which reads all manifests and prunes a point', secondsOf(reports)),
    line('MiB resident at most in prepare (aim: 200)', peaksOf(prepares)),
    line('MiB resident at most in report (limit of the container: 256)', peaksOf(reports)),
  ]);
}

/** A store has some 20 files, and a few more for each of its indexes. */
const filesOfPoint = 80;

async function fillDestination(root: string): Promise<void> {
  for (let sequence = 1; sequence < points; sequence += 1) {
    const first = sequence - ((sequence - 1) % 7);
    const files = Array.from({ length: filesOfPoint }, (_, i) => ({
      path: `neostore.file.${i}`,
      size: 12,
      sha256: createHash('sha256').update(`${sequence} ${i}`).digest('hex'),
    }));
    await writeManifest(
      root,
      aManifest({
        sequence,
        chain: aPointName(first),
        files,
        ...(sequence === first ? {} : { type: 'Incremental', parent: aPointName(sequence - 1) }),
      }),
    );
  }
  await makePoint(root, { sequence: points });
}
