// Makes the artifacts of src/volume/testdata anew, with the writers of the community edition:
// `node tools/engines/artifacts.ts`. Their content is a text of ours. Needs a Java 21 or newer on the path.
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kernel, kernelSays, type KernelVersion } from '../kernels.ts';
import { steps } from '../steps.ts';

const testdata = join(import.meta.dirname, '../../src/volume/testdata');

/** What each says of itself. The name comes back in lower case. */
const full = {
  creationTime: 1_764_484_067_123n,
  random: -3_399_810_474_064_449_570n,
  databaseID: 'c8368b24-55e2-474d-bb41-75657f5bfcde',
  database: 'Orders',
  seconds: 1_764_484_067n,
  lowest: 12n,
  highest: 4711n,
  recovered: true,
  full: true,
};
const withScript = { ...full, script: 'CREATE USER anna' };
const increment = { ...full, recovered: false, full: false };

interface Case {
  readonly name: string;
  readonly format: string;
  readonly says: typeof full & { readonly script?: string; readonly part?: number };
}

const cases: readonly (readonly [KernelVersion, readonly Case[]])[] = [
  [
    '5.26.12',
    [
      { name: 'BZV1', format: 'BZV1', says: full },
      { name: 'BTV1', format: 'BTV1', says: full },
      { name: 'BZV2', format: 'BZV2', says: withScript },
      { name: 'BTV2', format: 'BTV2', says: withScript },
      { name: 'increment', format: 'BTV1', says: increment },
      { name: 'empty', format: 'BZV2', says: { ...increment, lowest: 0n, highest: 0n } },
    ],
  ],
  [
    '2026.08.1',
    [
      { name: 'BZV2', format: 'BZV2', says: withScript },
      { name: 'BTV2', format: 'BTV2', says: withScript },
      { name: 'BZV3', format: 'BZV3', says: withScript },
      { name: 'split', format: 'BZV2', says: { ...full, part: 200 } },
    ],
  ],
];

const progress = steps();
const work = mkdtempSync(join(tmpdir(), 'neo4j-artifacts-'));
const folder = join(work, 'store');
mkdirSync(folder);
writeFileSync(join(folder, 'text'), 'A text of ours, in the place of a store.\n');
utimesSync(join(folder, 'text'), 0, 0);
for (const [version, those] of cases) {
  const on = await kernel(version, progress);
  for (const { name, format, says } of those) {
    const to = join(testdata, `${version}-${name}.backup`);
    for (const old of [to, `${to}.1`, `${to}.2`]) rmSync(old, { force: true });
    console.log(name, await kernelSays(on, 'Artifact', { format, folder, to, ...says }));
  }
}
rmSync(work, { recursive: true });
