import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { splitLines } from './lines.ts';

const limits = { step: 'watch jobs', maxLineBytes: 64 };

async function* chunked(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  let start = 0;
  for (const end of ends) {
    yield bytes.subarray(start, end);
    start = end;
  }
}

async function linesOf(text: string, cuts: readonly number[] = []): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of splitLines(chunked(Buffer.from(text), cuts), limits)) lines.push(line);
  return lines;
}

test('gives the lines back, wherever the stream was cut into chunks', async () => {
  const line = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
    .filter((text) => !text.includes('\n') && Buffer.byteLength(text) <= limits.maxLineBytes);
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.array(fc.nat(500)), async (lines, cuts) => {
      const text = lines.map((each) => `${each}\n`).join('');
      // Lone surrogates cannot be sent; they arrive as the replacement character.
      expect(await linesOf(text, cuts)).toEqual(lines.map((each) => Buffer.from(each).toString()));
    }),
  );
});

test('leaves out empty lines', async () => {
  expect(await linesOf('\n\na\n\nb\n')).toEqual(['a', 'b']);
});

test('rejects as unavailable when the stream ends inside a line', async () => {
  await expect(linesOf('whole\nhal')).rejects.toMatchObject({ kind: 'unavailable' });
});

test('delivers the whole lines before a cut one', async () => {
  const lines: string[] = [];
  const read = async (): Promise<void> => {
    for await (const line of splitLines(chunked(Buffer.from('a\nb\nhal'), []), limits)) lines.push(line);
  };
  await expect(read()).rejects.toMatchObject({ kind: 'unavailable' });
  expect(lines).toEqual(['a', 'b']);
});

test.for([{ cuts: [] }, { cuts: [10, 20, 30, 40, 50, 60] }])(
  'takes a line at the limit, with cuts at $cuts',
  async ({ cuts }) => {
    expect(await linesOf(`${'x'.repeat(64)}\n`, cuts)).toHaveLength(1);
    await expect(linesOf(`${'x'.repeat(65)}\n`, cuts)).rejects.toMatchObject({ kind: 'unreadable' });
  },
);

test('gives up on an endless line before it has been read to its end', async () => {
  let read = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      read += 1;
      yield Buffer.from('xxxxxxxxxx');
    }
  }
  await expect(splitLines(endless(), limits).next()).rejects.toMatchObject({ kind: 'unreadable' });
  expect(read).toBe(7);
});
