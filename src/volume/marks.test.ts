import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/support/temporary.ts';
import { aManifest, dyingFiles, filesWith, readManifests, writeManifest } from '../../test/support/volume.ts';
import { realFiles } from './files.ts';
import { placeOf, pointFolder } from './layout.ts';
import type { Manifest } from './manifest.ts';
import { markOf, marksOf, newMark, parseMarks, readMarks, writeMarks, type Marks } from './marks.ts';

const time = '2026-02-01T03:00:00.000Z';
const later = '2026-03-01T03:00:00.000Z';
const first = aManifest({ sequence: 1 });
const second = aManifest({ sequence: 2 });

/** A destination with both points, and these marks. */
async function destination(marks: Marks): Promise<string> {
  const root = join(temporaryFolder(), 'orders');
  mkdirSync(root);
  for (const point of [first, second]) await writeManifest(root, point);
  await writeMarks(realFiles, root, marks);
  return root;
}

const markedDamaged: Marks = new Map([
  newMark(first, { time }),
  newMark(second, { time, damaged: 'neostore' }),
]);

function write(root: string, text: string): void {
  writeFileSync(join(root, 'verification.json'), text);
}

describe('marks', () => {
  test('are read as they were written, beside points that are none of theirs', async () => {
    const root = await destination(markedDamaged);
    const marks = await readMarks(root);
    expect(marks).toEqual(markedDamaged);
    expect(markOf(marks, first)).toMatchObject({ time });
    expect(markOf(marks, second)).toMatchObject({ time, damaged: 'neostore' });
    expect(markOf(marks, aManifest({ sequence: 3 }))).toBeUndefined();
  });

  test('say nothing of a point whose manifest is another one by now', async () => {
    const other = { ...second, lastTransactionID: '9' };
    expect(markOf(markedDamaged, other)).toBeUndefined();

    const root = await destination(markedDamaged);
    await writeManifest(root, other);
    expect(await readManifests(root)).toMatchObject({ kind: 'ours', points: [first, other], damaged: [] });
  });

  test('know a manifest whatever the order of its fields', () => {
    const reversed = Object.fromEntries(Object.entries(second).toReversed()) as unknown as Manifest;
    expect(markOf(markedDamaged, reversed)).toMatchObject({ damaged: 'neostore' });
  });

  test('make a point that was found damaged a damaged one', async () => {
    const root = await destination(markedDamaged);
    expect(await readManifests(root)).toEqual({
      kind: 'ours',
      points: [first],
      damaged: [pointFolder(second.chain, second.point)],
      newestSequence: second.sequence,
    });
  });

  test('make no artifact of a chain damaged but the one that they name', async () => {
    const root = temporaryFolder();
    const artifacts = [first, second].map((point) => ({
      ...point,
      chain: first.chain,
      layout: 'artifacts' as const,
      database: 'neo4j',
    }));
    const [sound, bad] = artifacts as [Manifest, Manifest];
    for (const one of artifacts) await writeManifest(root, one);
    await writeMarks(realFiles, root, new Map([newMark(bad, { time, damaged: 'x.backup' })]));
    expect(await readManifests(root)).toEqual({
      kind: 'ours',
      points: [sound],
      damaged: [placeOf(bad).manifest],
      newestSequence: bad.sequence,
    });
  });

  test('can be kept for those points alone that are still there', () => {
    expect([...marksOf(markedDamaged, [second]).keys()]).toEqual([placeOf(second).manifest]);
  });

  interface Unusable {
    readonly name: string;
    readonly spoil: (root: string) => void;
  }
  const unusable: readonly Unusable[] = [
    { name: 'empty', spoil: (root) => write(root, '') },
    { name: 'of another kind', spoil: (root) => write(root, '{"manifest":{}}') },
    {
      name: 'edited by hand',
      spoil: (root) =>
        write(root, readFileSync(join(root, 'verification.json'), 'utf8').replace('neostore', 'neostorf')),
    },
  ];
  test.each(unusable)('are none when the file is $name, and people can see that', async (one) => {
    const root = await destination(markedDamaged);
    one.spoil(root);
    expect(await readMarks(root)).toEqual(new Map());
    expect(await parseMarks(root)).toMatchObject({ kind: 'damaged' });
    expect(await readManifests(root)).toMatchObject({ kind: 'ours', points: [first, second], damaged: [] });
  });

  test('are none when there is no file', async () => {
    expect(await readMarks(temporaryFolder())).toEqual(new Map());
    expect(await parseMarks(temporaryFolder())).toEqual({ kind: 'absent' });
  });

  test('of a newer operator make the destination too new: they may say what we do not know', async () => {
    const root = await destination(new Map());
    const body = { schemaVersion: 2, points: 'otherwise' };
    const sha256 = createHash('sha256').update(JSON.stringify(body)).digest('hex');
    write(root, JSON.stringify({ verification: body, sha256 }));
    expect(await readMarks(root)).toEqual(new Map());
    expect(await readManifests(root)).toEqual({ kind: 'tooNew', schemaVersion: 2 });
  });

  test('are the old ones whole or the new ones whole, wherever the process dies', async () => {
    const newer: Marks = new Map([newMark(first, { time: later })]);
    const files = filesWith(() => undefined);
    await writeMarks(files, await destination(markedDamaged), newer);
    expect(files.operations.map(({ verb }) => verb)).toEqual([
      'makeFolder',
      'remove',
      'writeNew',
      'rename',
      'sync',
    ]);
    for (const half of [false, true])
      for (const k of files.operations.keys()) {
        const root = await destination(markedDamaged);
        await expect(writeMarks(dyingFiles(k + 1, half), root, newer)).rejects.toThrow('dead');
        expect([markedDamaged, newer]).toContainEqual(await readMarks(root));
        expect((await readManifests(root)).kind).toBe('ours');
        await writeMarks(realFiles, root, newer);
        expect(await readMarks(root)).toEqual(newer);
        expect(readdirSync(join(root, '.staging'))).toEqual([]);
      }
  });
});
