// The community edition of Neo4j 4.0 and later for the tests: its kernel makes stores, its writer packs artifacts. Fetched
// from Maven Central, never committed, never shipped. The online backup itself is in no public package of these versions.
import { delimiter, join } from 'node:path';
import { cached, hashOf } from './cache.ts';
import { fetchJars, javaFlags } from './engines.ts';
import { must } from './run.ts';
import type { Steps } from './steps.ts';

interface Row {
  /** The oldest Java that runs it. The java and javac of the path must be as new, and 17 serves all but the last. */
  readonly java: '11' | '17' | '21';
  /** Our programs for it, in engines/kernel. */
  readonly programs: readonly string[];
}

const rows = {
  '4.0.11': { java: '11', programs: ['Store'] },
  '4.2.19': { java: '11', programs: ['Store'] },
  '4.4.44': { java: '11', programs: ['Store'] },
  '5.26.12': { java: '17', programs: ['Store', 'Artifact', 'dump-5/Dump'] },
  '2026.08.1': { java: '21', programs: ['Artifact', 'dump-2026/Dump'] },
} as const satisfies Readonly<Record<string, Row>>;

export type KernelVersion = keyof typeof rows;

/** What the tests run: the others served to make their data (engines/artifacts.ts, docs/engines.md). */
export const testedKernels: readonly KernelVersion[] = ['4.0.11', '4.4.44', '5.26.12'];

/** One version, ready to run. */
export interface Kernel {
  readonly version: KernelVersion;
  readonly jars: string;
  readonly classes: string;
}

const folder = join(import.meta.dirname, 'engines', 'kernel');
const pom = join(folder, 'pom.xml');

/** Fetches and compiles what is not there yet: 65 to 150 MB, one to two minutes by the network's speed. */
export async function kernel(version: KernelVersion, steps: Steps): Promise<Kernel> {
  const { java, programs } = rows[version];
  const jarsHash = hashOf([pom], [version]);
  const jars = await cached(`neo4j-community-${version}-jars`, jarsHash, (target) =>
    steps.run(`fetching Neo4j ${version} from Maven Central (65 to 150 MB, for tests only)`, () =>
      fetchJars(pom, version, target, 'neo4j-kernel'),
    ),
  );
  const files = programs.map((name) => join(folder, `${name}.java`));
  const classes = await cached(
    `neo4j-community-${version}-classes`,
    hashOf(files, [jarsHash]),
    async (target) => {
      await must([
        'javac',
        '--release',
        java,
        '-nowarn',
        '-Xlint:none',
        '-cp',
        `${jars}/*`,
        '-d',
        target,
        ...files,
      ]);
    },
  );
  return { version, jars, classes };
}

/** A program of the kernel's, as an argument vector for `must` and `output`. */
export function kernelCommand(on: Kernel, program: readonly string[]): readonly string[] {
  const classPath = [on.classes, `${on.jars}/*`].join(delimiter);
  return ['java', '-Xmx256m', ...javaFlags, '-Dfile.encoding=UTF-8', '-cp', classPath, ...program];
}

/** What a program of ours prints: one JSON object of strings. */
export async function kernelSays(
  on: Kernel,
  program: string,
  given: Readonly<Record<string, string | number | boolean | bigint>>,
): Promise<Readonly<Record<string, string>>> {
  const args = Object.entries(given).map(([key, value]) => `${key}=${value}`);
  return JSON.parse(await must(kernelCommand(on, [program, ...args]))) as Readonly<Record<string, string>>;
}
