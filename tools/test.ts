// `npm test`: every suite, one after the other, on parts that this machine builds itself. `npm test -- unit api` runs some.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engine, engineVersions } from './engines.ts';
import {
  greedyImage,
  imageVersions,
  neo4jServerImage,
  neo4jToolsImage,
  operatorImage,
  spillingImage,
} from './images.ts';
import { kernel, testedKernels } from './kernels.ts';
import {
  chartParts,
  controlPlaneParts,
  controllerManagerPart,
  gitopsPart,
  helmPart,
  oldestControlPlaneParts,
  parts,
} from './parts.ts';
import { attached } from './run.ts';
import { steps, type Steps } from './steps.ts';

interface Suite {
  readonly name: string;
  readonly says: string;
  readonly needsRoot: boolean;
  /** A line for each test as it ends: where one may take a minute. */
  readonly isSlow?: true;
  /** Builds what the suite stands on, before it starts: no test's patience should have to cover that. */
  readonly build?: (progress: Steps) => Promise<unknown>;
}

/** In the order in which a fault is found soonest. */
const suites: readonly Suite[] = [
  { name: 'unit', says: 'functions and stories on fakes', needsRoot: false },
  { name: 'faults', says: 'every write, request and event of every story goes wrong once', needsRoot: false },
  {
    name: 'volume',
    says: 'what lies on the volume: crashes, full disks, flipped bits, hostile hands',
    needsRoot: false,
  },
  {
    name: 'contract',
    says: 'the fake API server and its controllers, and the real ones: one suite for both',
    needsRoot: false,
    build: async (progress) => [await controlPlaneParts(progress), await controllerManagerPart(progress)],
  },
  {
    name: 'api',
    says: 'CRD, docs and client on a real API server',
    needsRoot: false,
    build: async (progress) => [await controlPlaneParts(progress), await gitopsPart(progress)],
  },
  {
    name: 'api-oldest',
    says: 'the same on the oldest Kubernetes that is supported',
    needsRoot: false,
    build: oldestControlPlaneParts,
  },
  {
    name: 'chart',
    says: 'the Helm chart and the bases for Kustomize, on a real API server',
    needsRoot: false,
    build: async (progress) => {
      await controlPlaneParts(progress);
      await chartParts(progress);
    },
  },
  {
    name: 'engine',
    says: 'the real tools on real Neo4j servers',
    needsRoot: false,
    isSlow: true,
    build: neo4jVersions,
  },
  {
    name: 'image',
    says: "the operator's image: what is in it, and that it starts",
    needsRoot: true,
    build: operatorImage,
  },
  {
    name: 'cluster',
    says: 'the Kubernetes node that the rest stands on',
    needsRoot: true,
    isSlow: true,
    build: parts,
  },
  {
    name: 'e2e',
    says: 'the installed operator, backups and failures on a real node, with real Neo4j servers',
    needsRoot: true,
    isSlow: true,
    build: buildAll,
  },
];

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** vitest's own summary, as far as we count. */
interface Summary {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
}

async function neo4jVersions(progress: Steps): Promise<void> {
  for (const version of engineVersions) await engine(version, progress);
  for (const version of testedKernels) await kernel(version, progress);
}

async function buildAll(progress: Steps): Promise<void> {
  await parts(progress);
  for (const version of imageVersions) {
    await neo4jServerImage(progress, version);
    await neo4jToolsImage(progress, version);
  }
  await operatorImage(progress);
  await greedyImage(progress);
  await spillingImage(progress);
  await helmPart(progress);
}

function chosen(names: readonly string[]): readonly Suite[] {
  const unknown = names.find((name) => suites.every((suite) => suite.name !== name));
  if (unknown !== undefined)
    throw new Error(`there is no suite ${unknown}: there are ${suites.map(({ name }) => name).join(', ')}`);
  return names.length === 0 ? suites : suites.filter(({ name }) => names.includes(name));
}

/** Runs a suite. One that ends without a count, because its set-up failed, counts as one failure. */
async function run({ name, isSlow }: Suite, folder: string): Promise<Counts> {
  const file = join(folder, `${name}.json`);
  const reporters = [
    `--reporter=${isSlow === true ? 'verbose' : 'default'}`,
    '--reporter=json',
    `--outputFile.json=${file}`,
  ];
  const code = await attached(['vitest', 'run', '--project', name, ...reporters]);
  let summary: Summary | undefined;
  try {
    summary = JSON.parse(readFileSync(file, 'utf8')) as Summary;
  } catch {
    summary = undefined; // no file: it did not come so far
  }
  const { numPassedTests = 0, numFailedTests = 0, numPendingTests = 0, numTodoTests = 0 } = summary ?? {};
  const failed = code !== 0 && numFailedTests === 0 ? 1 : numFailedTests;
  return { passed: numPassedTests, failed, skipped: numPendingTests + numTodoTests };
}

async function runAll(runnable: readonly Suite[]): Promise<Counts> {
  const folder = mkdtempSync(join(tmpdir(), 'test-results-'));
  const total = { passed: 0, failed: 0, skipped: 0 };
  try {
    for (const [i, suite] of runnable.entries()) {
      console.error(`[${i + 1}/${runnable.length}] ${suite.name}: ${suite.says}`);
      const begun = performance.now();
      await suite.build?.(steps());
      const counts = await run(suite, folder);
      total.passed += counts.passed;
      total.failed += counts.failed;
      total.skipped += counts.skipped;
      const seconds = Math.round((performance.now() - begun) / 1000);
      console.error(
        `      ${suite.name}: ${counts.passed} passed, ${counts.failed} failed in ${seconds} s\n`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return total;
}

async function main(names: readonly string[]): Promise<number> {
  const isCI = process.env['CI'] !== undefined;
  const isRoot = process.getuid?.() === 0;
  const wanted = chosen(names);
  const runnable = wanted.filter(({ needsRoot }) => isRoot || !needsRoot);
  const left = wanted.filter((suite) => !runnable.includes(suite));
  const { passed, failed, skipped } = await runAll(runnable);
  for (const { name, says } of left)
    console.error(`left out: ${name} (${says}), which needs root. To run it: sudo npm test -- ${name}`);
  const skips = skipped + left.length;
  if (skips > 0) console.error(`${skips} skipped${isCI ? ': in CI that is a failure' : ''}`);
  console.log(`${passed} passed, ${failed} failed`);
  return failed > 0 || passed === 0 || (isCI && skips > 0) ? 1 : 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
