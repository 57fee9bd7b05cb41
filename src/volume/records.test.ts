import { createHash } from 'node:crypto';
import {
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/support/temporary.ts';
import { dyingFiles, filesWith } from '../../test/support/volume.ts';
import { realFiles } from './files.ts';
import { findRecord, pastRuns, readRecord, writeRecord } from './records.ts';

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

function without(record: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(record).filter(([key]) => key !== 'schemaVersion'));
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

const report = {
  schemaVersion: 1,
  run: 'orders-1',
  reason: 'EngineFailed',
  message: 'It failed.',
  completionTime: '2026-01-01T03:05:00.000Z',
} as const;

const resource = { namespace: 'shop', name: 'orders', uid: '7d1e6f0e-0000-4000-8000-000000000001' };

/** The record of the n-th run, made at n o'clock. */
function recordOfRun(n: number, over: object = {}): object {
  const createdTime = new Date(Date.UTC(2026, 0, 1, n)).toISOString();
  const more = { podUID: `pod-${n}`, requestedType: 'Full', triggerID: `t-${n}`, createdTime, resource };
  return { ...report, run: `orders-${n}`, ...more, ...over };
}

async function withRecords(...records: readonly object[]): Promise<string> {
  const root = temporaryFolder();
  for (const [at, record] of records.entries())
    await writeRecord(realFiles, root, `orders-${at + 1}`, { record, output: '' });
  return root;
}

const pathOf = (root: string): string => join(root, 'runs/orders-1.json');

describe('findRecord', () => {
  test('gives back what was written', async () => {
    const root = await withRecords(recordOfRun(1));
    expect(await findRecord(root, 'orders-1')).toEqual({
      kind: 'good',
      record: {
        report,
        podUID: 'pod-1',
        requestedType: 'Full',
        triggerID: 't-1',
        createdTime: '2026-01-01T01:00:00.000Z',
        resource: { namespace: 'shop', name: 'orders' },
      },
    });
    expect(await findRecord(root, 'orders-2')).toEqual({ kind: 'absent' });
  });

  test('reads one of the time before there were seals', async () => {
    const root = await withRecords({});
    writeFileSync(pathOf(root), JSON.stringify(recordOfRun(1), undefined, 1));
    expect(await findRecord(root, 'orders-1')).toMatchObject({
      kind: 'good',
      record: { report, podUID: 'pod-1' },
    });
  });

  test('believes none with one bit changed', async () => {
    const root = await withRecords(recordOfRun(1));
    const sound = readFileSync(pathOf(root));
    const whole = await findRecord(root, 'orders-1');
    const believed: unknown[] = [];
    for (let bit = 0; bit < sound.length * 8; bit += 3) {
      const flipped = Buffer.from(sound);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      writeFileSync(pathOf(root), flipped);
      const found = await findRecord(root, 'orders-1');
      if (found.kind === 'good') believed.push(found);
    }
    for (const found of believed) expect(found).toEqual(whole);
    // Only whitespace between the tokens may change unseen.
    expect(believed.length).toBeLessThan(10);
    for (let length = 0; length < sound.length - 1; length += 7) {
      writeFileSync(pathOf(root), sound.subarray(0, length));
      expect((await findRecord(root, 'orders-1')).kind).toBe('damaged');
    }
  });

  test.each([
    {
      name: 'the record of another run',
      spoil: (root: string) => writeFileSync(pathOf(root), readFileSync(join(root, 'runs/orders-2.json'))),
    },
    {
      name: 'one with its seal broken off',
      spoil: (root: string) => writeFileSync(pathOf(root), JSON.stringify({ record: recordOfRun(1) })),
    },
    {
      name: 'one larger than any that we write',
      spoil: (root: string) => truncateSync(pathOf(root), 2 ** 30),
    },
    {
      name: 'a link',
      spoil: (root: string) => {
        rmSync(pathOf(root));
        symlinkSync('orders-2.json', pathOf(root));
      },
    },
  ])('calls $name damaged', async ({ spoil }) => {
    const root = await withRecords(recordOfRun(1), recordOfRun(2));
    spoil(root);
    expect(await findRecord(root, 'orders-1')).toMatchObject({ kind: 'damaged' });
    expect(await readRecord(root, 'orders-1')).toBeUndefined();
  });

  test('says of one of a newer version that it is newer', async () => {
    const root = await withRecords({});
    const body = { schemaVersion: 2 };
    const sha256 = createHash('sha256').update(JSON.stringify(body)).digest('hex');
    writeFileSync(pathOf(root), JSON.stringify({ record: body, sha256 }));
    expect(await findRecord(root, 'orders-1')).toEqual({ kind: 'tooNew', schemaVersion: 2 });
  });

  test('follows no link to where the records should be', async () => {
    const root = await withRecords(recordOfRun(1));
    renameSync(join(root, 'runs'), join(root, 'elsewhere'));
    symlinkSync('elsewhere', join(root, 'runs'));
    expect(await findRecord(root, 'orders-1')).toEqual({ kind: 'absent' });
  });
});

describe('pastRuns', () => {
  const told = (past: readonly { readonly run: string }[]): readonly string[] => past.map(({ run }) => run);

  test('tells of the newest runs but the one at hand, in short', async () => {
    const root = await withRecords(...[1, 2, 3, 4].map((n) => recordOfRun(n)));
    const past = await pastRuns(root, { run: 'orders-4', resource }, 2);
    expect(told(past)).toEqual(['orders-3', 'orders-2']);
    expect(past[0]).toEqual({
      run: 'orders-3',
      reason: 'EngineFailed',
      requestedType: 'Full',
      triggerID: 't-3',
      createdTime: '2026-01-01T03:00:00.000Z',
      completionTime: report.completionTime,
    });
  });

  test('passes over what is damaged, and what is of another resource', async () => {
    const other = { namespace: 'shop', name: 'customers', uid: 'x' };
    const root = await withRecords(
      recordOfRun(1),
      recordOfRun(2, { resource: other }),
      recordOfRun(3),
      recordOfRun(4),
    );
    truncateSync(join(root, 'runs/orders-3.json'), 100);
    expect(told(await pastRuns(root, { run: 'orders-5', resource }, 10))).toEqual(['orders-4', 'orders-1']);
  });

  test('has nothing to tell where there are no records', async () => {
    expect(await pastRuns(temporaryFolder(), { run: 'orders-1', resource }, 10)).toEqual([]);
  });
});
