// What the real tools printed, for tests over all of it. A generation joins with its version, the name of its folder.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine } from '../../src/engine/engine.ts';
import { selectEngine } from '../../src/engine/select.ts';

const folder = join(import.meta.dirname, '../engine/captures');

export interface Capture {
  readonly name: string;
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Both, as the engines' own tests read them. */
  readonly output: string;
}

export interface Generation {
  readonly version: string;
  readonly engine: Engine;
  readonly captures: readonly Capture[];
}

/** Every version of which there are captures. */
export const generations: readonly Generation[] = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name: version }) => {
    const engine = selectEngine(version);
    if (engine === undefined) throw new Error(`no engine serves ${version}`);
    return { version, engine, captures: capturesOf(version) };
  });

function capturesOf(version: string): readonly Capture[] {
  const read = (name: string): string => readFileSync(join(folder, version, name), 'utf8');
  return readdirSync(join(folder, version))
    .filter((file) => file.endsWith('.rc'))
    .map((file) => {
      const name = file.slice(0, -3);
      const [stdout, stderr] = [read(`${name}.stdout`), read(`${name}.stderr`)];
      return { name, exitCode: Number(read(file)), stdout, stderr, output: stdout + stderr };
    });
}
