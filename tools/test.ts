// `npm test`: every suite, one after the other, on parts that this machine builds itself. `npm test -- unit api` runs some.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
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
  { name: 'time', says: 'schedules in every zone, where the clocks jump and elsewhere', needsRoot: false },
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
  /** What failed, a line each: told once more at the end, where it is found without searching an hour's output. */
  readonly failures: readonly string[];
}

/** vitest's own summary, as far as we count. */
interface Summary {
  readonly numPassedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    /** Of a file that did not come to its tests. */
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

/** Characters of a failure's message that are told again at the end. */
const messageLimit = 300;

function failuresIn({ testResults }: Summary, suite: string): string[] {
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === 'failed');
    const told = failed.map((test) => ({ of: test.fullName, why: test.failureMessages?.[0] ?? '' }));
    if (told.length === 0 && status === 'failed') told.push({ of: 'the file', why: message });
    return told.map(
      ({ of, why }) => `failed: ${suite}: ${relative('.', name)}: ${of}: ${why.slice(0, messageLimit)}`,
    );
  });
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

/** What vitest wrote of a suite, if it came so far. */
function summaryIn(file: string): Summary | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Summary;
  } catch {
    return undefined;
  }
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
  const summary = summaryIn(file);
  if (summary === undefined) {
    return {
      passed: 0,
      failed: 1,
      skipped: 0,
      failures: [`failed: ${name}: vitest ended with code ${code}`],
    };
  }
  const failures = failuresIn(summary, name);
  if (code !== 0 && failures.length === 0) failures.push(`failed: ${name}: vitest ended with code ${code}`);
  return {
    passed: summary.numPassedTests,
    failed: failures.length,
    skipped: summary.numPendingTests + summary.numTodoTests,
    failures,
  };
}

async function runAll(runnable: readonly Suite[]): Promise<Counts> {
  const folder = mkdtempSync(join(tmpdir(), 'test-results-'));
  const total = { passed: 0, failed: 0, skipped: 0, failures: [] as string[] };
  try {
    for (const [i, suite] of runnable.entries()) {
      console.error(`[${i + 1}/${runnable.length}] ${suite.name}: ${suite.says}`);
      const begun = performance.now();
      await suite.build?.(steps());
      const counts = await run(suite, folder);
      total.passed += counts.passed;
      total.failed += counts.failed;
      total.skipped += counts.skipped;
      total.failures.push(...counts.failures);
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
  const { passed, failed, skipped, failures } = await runAll(runnable);
  for (const { name, says } of left)
    console.error(`left out: ${name} (${says}), which needs root. To run it: sudo npm test -- ${name}`);
  const skips = skipped + left.length;
  if (skips > 0) console.error(`${skips} skipped${isCI ? ': in CI that is a failure' : ''}`);
  for (const failure of failures) console.error(failure);
  console.log(`${passed} passed, ${failed} failed`);
  return failed > 0 || passed === 0 || (isCI && skips > 0) ? 1 : 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
