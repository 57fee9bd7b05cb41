import { mkdirSync, readFileSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/support/temporary.ts';
import { dyingFiles, filesWith } from '../../test/support/volume.ts';
import { realFiles } from './files.ts';
import { writeRecord } from './records.ts';

const kept = 336;
const hour = 3600;

/** runs/ with so many runs in it, one an hour, the last one an hour ago. */
function manyRuns(count: number, names: (n: number) => readonly string[]): string {
  const root = temporaryFolder();
  mkdirSync(join(root, 'runs'));
  for (let n = 0; n < count; n++)
    for (const name of names(n)) {
      writeFileSync(join(root, 'runs', name), '');
      const at = Date.now() / 1000 - (count - n) * hour;
      utimesSync(join(root, 'runs', name), at, at);
    }
  return root;
}

const bothFiles = (n: number): readonly string[] => [`run-${n}.json`, `run-${n}.log.gz`];

function runsIn(root: string): readonly string[] {
  return readdirSync(join(root, 'runs')).toSorted();
}

/** What the seal of a record holds. */
function recordIn(root: string): Readonly<Record<string, unknown>> {
  const file = JSON.parse(readFileSync(join(root, 'runs/orders-1.json'), 'utf8')) as {
    readonly record: object;
  };
  return { ...file.record };
}

function without({ schemaVersion: _, ...record }: Readonly<Record<string, unknown>>): object {
  return record;
}

const content = { record: { reason: 'EngineFailed' }, output: 'what the tool said' };

describe('writeRecord', () => {
  test('writes what was reported and what the tool printed', async () => {
    const root = temporaryFolder();
    await writeRecord(realFiles, root, 'orders-1', content);
    expect(recordIn(root)).toEqual({ ...content.record, schemaVersion: 1 });
    expect(gunzipSync(readFileSync(join(root, 'runs/orders-1.log.gz'))).toString()).toBe(content.output);
    expect(runsIn(root)).toEqual(['orders-1.json', 'orders-1.log.gz']);
  });

  test('replaces the record of an earlier attempt', async () => {
    const root = temporaryFolder();
    await writeRecord(realFiles, root, 'orders-1', { record: { attempt: 1 }, output: 'first' });
    await writeRecord(realFiles, root, 'orders-1', { record: { attempt: 2 }, output: '' });
    expect(recordIn(root)).toEqual({ attempt: 2, schemaVersion: 1 });
    expect(gunzipSync(readFileSync(join(root, 'runs/orders-1.log.gz'))).toString()).toBe('');
  });

  test('has the old record whole or the new one whole, wherever the process dies', async () => {
    const files = filesWith(() => undefined);
    await writeRecord(files, temporaryFolder(), 'orders-1', content);
    for (const [k, half] of files.operations.flatMap((_, i) => [
      [i + 1, false] as const,
      [i + 1, true] as const,
    ])) {
      const root = temporaryFolder();
      await writeRecord(realFiles, root, 'orders-1', { record: { attempt: 1 }, output: 'first' });
      await expect(writeRecord(dyingFiles(k, half), root, 'orders-1', content)).rejects.toThrow('dead');
      expect([content.record, { attempt: 1 }]).toContainEqual(without(recordIn(root)));
      await writeRecord(realFiles, root, 'orders-1', content);
      expect(without(recordIn(root))).toEqual(content.record);
      expect(runsIn(root)).toEqual(['orders-1.json', 'orders-1.log.gz']);
    }
  });

  test('removes the oldest runs beyond the bound, both files of each', async () => {
    const root = manyRuns(kept + 2, bothFiles);
    await writeRecord(realFiles, root, 'orders-1', content);
    const runs = runsIn(root);
    expect(runs).toHaveLength(2 * kept);
    for (const gone of [0, 1, 2].flatMap(bothFiles)) expect(runs).not.toContain(gone);
    expect(runs).toEqual(expect.arrayContaining(['orders-1.json', 'orders-1.log.gz', ...bothFiles(3)]));
  });

  test('removes nothing at the bound', async () => {
    const root = manyRuns(kept - 1, bothFiles);
    await writeRecord(realFiles, root, 'orders-1', content);
    expect(runsIn(root)).toHaveLength(2 * kept);
  });

  test('keeps the record it has just written, though a clock that went back makes it the oldest', async () => {
    const root = manyRuns(kept, bothFiles);
    for (const name of runsIn(root)) utimesSync(join(root, 'runs', name), 4e9, 4e9);
    await writeRecord(realFiles, root, 'orders-1', content);
    expect(runsIn(root)).toContain('orders-1.json');
    expect(runsIn(root)).toHaveLength(2 * kept);
  });

  test('bounds what attempts that died left behind, too', async () => {
    const root = manyRuns(kept + 5, (n) => [`run-${n}.log.gz`, `run-${n}.json.partial`]);
    await writeRecord(realFiles, root, 'orders-1', content);
    const runs = runsIn(root);
    expect(runs).toHaveLength(2 * kept);
    expect(runs).not.toContain('run-0.log.gz');
    expect(runs).not.toContain('run-5.json.partial');
  });
});
