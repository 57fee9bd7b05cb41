import { execFile } from 'node:child_process';
import { createWriteStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { generations, type Capture } from '../../test/support/captures.ts';
import { temporaryFolder } from '../../test/support/temporary.ts';
import { ConfigError, explainConfig } from '../config.ts';
import { explainEnd, explainFiles, type Explanation } from './explain.ts';

/** The program itself, as somebody calls it. Most tests do without: it takes its time to start. */
function agent(
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const program = join(import.meta.dirname, '../agent.ts');
  return new Promise((resolve) => {
    execFile(process.execPath, [program, 'explain', ...args], (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

function explained(...args: readonly string[]): Promise<Explanation> {
  return Promise.resolve().then(() => explainFiles(explainConfig(args)));
}

function captureOf(version: string, name: string): Capture {
  const found = generations
    .find((generation) => generation.version === version)
    ?.captures.find((capture) => capture.name === name);
  if (found === undefined) throw new Error(`there is no capture ${version}/${name}`);
  return found;
}

/** The files of a capture, and the flags that name them. */
function filesOf({ stdout, stderr, exitCode }: Capture): readonly string[] {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'stdout'), stdout);
  writeFileSync(join(folder, 'stderr'), stderr);
  const files = ['--stdout', join(folder, 'stdout'), '--stderr', join(folder, 'stderr')];
  return [...files, '--exit-code', String(exitCode)];
}

describe('agent explain', () => {
  interface Case {
    readonly version: string;
    readonly name: string;
    readonly is: Partial<Explanation>;
  }
  const cases: readonly Case[] = [
    {
      version: '3.4.18',
      name: 'full',
      is: { result: 'Succeeded', type: 'Full', reason: 'FullBackupTaken', retryable: false },
    },
    {
      version: '3.4.18',
      name: 'incremental',
      is: { result: 'Succeeded', type: 'Incremental', reason: 'IncrementalBackupTaken' },
    },
    {
      version: '3.4.18',
      name: 'refused',
      is: { result: 'Failed', type: 'Full', reason: 'PortUnreachable', retryable: true },
    },
    {
      version: '3.4.18',
      name: 'other-store',
      is: { result: 'Failed', type: 'Incremental', reason: 'StoreMismatch', retryable: false },
    },
    {
      version: '3.4.18',
      name: 'pruned',
      is: { result: 'Failed', type: 'Incremental', reason: 'LogsPruned' },
    },
    { version: '3.4.18', name: 'inconsistent', is: { result: 'Failed', reason: 'Inconsistent' } },
    {
      version: '3.4.18',
      name: 'missing-nodestore',
      is: { result: 'Failed', reason: 'ConsistencyCheckFailed' },
    },
    {
      version: '3.0.7',
      name: 'pruned',
      is: { result: 'Succeeded', type: 'Full', reason: 'FullBackupTaken' },
    },
    {
      version: '3.0.7',
      name: 'inconsistent',
      is: { result: 'Failed', type: 'Full', reason: 'Inconsistent' },
    },
    { version: '3.0.7', name: 'disk-full', is: { result: 'Failed', type: 'Full', reason: 'NoSpaceLeft' } },
  ];
  test.each(cases)('tells what $name of $version was', async ({ version, name, is }) => {
    expect(await explained('--version', version, ...filesOf(captureOf(version, name)))).toMatchObject(is);
  });

  test('prints one JSON object, and ends with 0', async () => {
    const files = filesOf(captureOf('3.4.18', 'refused'));
    const { code, stdout, stderr } = await agent('--version', '3.4.18', ...files);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const told: unknown = JSON.parse(stdout);
    expect(told).toEqual(await explained('--version', '3.4.18', ...files));
    expect(Object.keys(told as object)).toEqual(['result', 'type', 'reason', 'retryable', 'message', 'says']);
  });

  test('reads the output of a run as it lies on the volume, and of 200 MB no more than the two ends', async () => {
    const folder = temporaryFolder();
    const { output } = captureOf('3.4.18', 'disk-full');
    const kept = join(folder, 'orders-1.log.gz');
    writeFileSync(kept, gzipSync(output));
    const long = join(folder, 'long');
    const filling = Buffer.alloc(1_048_576, 'x');
    const parts = [Buffer.from(output), ...Array<Buffer>(200).fill(filling), Buffer.from('\nthe end\n')];
    await pipeline(Readable.from(parts), createWriteStream(long));
    for (const path of [kept, long]) {
      const told = await explained('--version', '3.4', '--exit-code', '1', '--output', path);
      expect(told).toMatchObject({ reason: 'NoSpaceLeft', type: 'Full' });
    }
  });

  interface Refusal {
    readonly name: string;
    /** Beside what is right. */
    readonly args: (file: string) => readonly string[];
    readonly says: readonly string[];
  }
  const refusals: readonly Refusal[] = [
    {
      name: 'a version that nothing serves',
      args: () => ['--version', '1.9'],
      says: ['--version is 1.9', 'served are 2.3'],
    },
    {
      name: 'an exit code that is none',
      args: () => ['--exit-code', 'x'],
      says: ['--exit-code is x', '255'],
    },
    { name: 'an exit code beyond all', args: () => ['--exit-code', '256'], says: ['--exit-code is 256'] },
    { name: 'an exit code below zero', args: () => ['--exit-code=-1'], says: ['--exit-code is -1'] },
    {
      name: 'a file that is away',
      args: (file) => ['--stderr', `${file}.gone`],
      says: ['--stderr', 'ENOENT'],
    },
    { name: 'a folder', args: () => ['--stderr', '/'], says: ['--stderr', 'EISDIR'] },
    { name: 'what is no gzip', args: (file) => ['--output', `${file}.gz`], says: ['--output', 'header'] },
    { name: 'an unknown flag', args: (file) => ['--stdin', file], says: ['--stdin'] },
  ];
  test.each(refusals)('refuses $name, and names the flag', async ({ args, says }) => {
    const file = join(temporaryFolder(), 'output');
    for (const path of [file, `${file}.gz`]) writeFileSync(path, 'neither here nor there\n');
    const good = ['--version', '3.4.18', '--exit-code', '1', '--stdout', file];
    const refused = explained(...good, ...args(file));
    await expect(refused).rejects.toThrow(ConfigError);
    for (const text of says) await expect(refused).rejects.toThrow(text);
  });

  test('asked nothing, says all that is missing and how to ask', async () => {
    const { code, stdout, stderr } = await agent();
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    for (const flag of ['version', 'exit-code', 'stdout'])
      expect(stderr).toMatch(new RegExp(`^--${flag}.* is missing`, 'm'));
    expect(stderr).toContain('usage: agent explain');
  });
});

test('there are versions whose tool says what it takes', () => {
  expect(generations.filter(({ captures }) => captures.length > 30).length).toBeGreaterThan(3);
});

describe.each(generations)('what is explained of $version', ({ engine, captures }) => {
  test('is what a run makes of it, for every capture', () => {
    for (const { exitCode, output } of captures) {
      const told = explainEnd(engine, { exitCode, output });
      const verdict = engine.judge({ exitCode, output });
      const [reason, detail] =
        verdict.kind === 'failed' ? [verdict.reason, verdict.detail] : [told.reason, ''];
      expect(told).toMatchObject({ reason, message: expect.stringContaining(detail) });
      expect(told.result === 'Succeeded').toBe(verdict.kind === 'taken' && verdict.check === 'none');
    }
  });

  test.each([
    { type: 'Full', names: /^full(-small|-unchecked)?$|^pruned-full$/ },
    { type: 'Incremental', names: /^incremental(-unchecked)?$/ },
  ])('is of type $type where the tool says so', ({ type, names }) => {
    const named = captures.filter(({ name }) => names.test(name));
    const others = named.filter((ended) => explainEnd(engine, ended).type !== type);
    expect(others.map(({ name }) => name)).toEqual([]);
  });
});
