import { Readable } from 'node:stream';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { joinEnds, keepEnds, readKept } from './kept.ts';

function streamOf(chunks: readonly string[]): AsyncIterable<Buffer> {
  return Readable.from(chunks.map((chunk) => Buffer.from(chunk)));
}

describe('keepEnds', () => {
  test.each([
    { name: 'nothing', chunks: [], kept: '' },
    { name: 'less than one end', chunks: ['ab'], kept: 'ab' },
    { name: 'as much as one end', chunks: ['abc', 'd'], kept: 'abcd' },
    { name: 'less than both ends', chunks: ['abcdefg'], kept: 'abcdefg' },
    { name: 'more, in one piece', chunks: ['abcdefghij'], kept: 'abcd\n[…]\nghij' },
    { name: 'more, letter by letter', chunks: 'abcdefghij'.split(''), kept: 'abcd\n[…]\nghij' },
  ])('keeps of $name what there is to keep', async ({ chunks, kept }) => {
    expect((await keepEnds(streamOf(chunks), 4)).toString()).toBe(kept);
  });

  test('says the same however the pieces were cut, and never holds more than its ends', async () => {
    const pieces = fc.array(fc.string({ minLength: 1, maxLength: 9, unit: 'grapheme-ascii' }), {
      maxLength: 20,
    });
    await fc.assert(
      fc.asyncProperty(pieces, fc.integer({ min: 1, max: 30 }), async (chunks, most) => {
        const whole = Buffer.from(chunks.join(''));
        const kept = await keepEnds(streamOf(chunks), most);
        const expected = joinEnds(whole.subarray(0, most), whole.subarray(most).subarray(-most), most);
        expect(kept.toString()).toBe(expected.toString());
        expect(kept.length).toBeLessThanOrEqual(2 * most + '\n[…]\n'.length + 2);
      }),
    );
  });
});

test('readKept leaves colours out, and every byte that is no text readable', () => {
  expect(readKept(Buffer.from('\u001b[31mred\u001b[0m\nnext'))).toBe('red\nnext');
  expect(readKept(Buffer.from([0x61, 0xff, 0x62]))).toBe('a\uFFFDb');
});
