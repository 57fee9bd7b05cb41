import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aManifest, parseManifest } from '../../test/support/volume.ts';
import { formatManifest, type Manifest } from './manifest.ts';

/** A text whose checksum is right, whatever the body is: what an attacker, or a later version, could write. */
function sealed(body: unknown): string {
  const sha256 = createHash('sha256').update(JSON.stringify(body)).digest('hex');
  return JSON.stringify({ manifest: body, sha256 });
}

function withPath(path: string): unknown {
  return { ...aManifest(), files: [{ path, size: 1, sha256: 'a'.repeat(64) }] };
}

describe('formatManifest and parseManifest', () => {
  const { consistent: _, fullBecause: __, ...least } = aManifest();
  const cases: readonly { readonly name: string; readonly manifest: Manifest }[] = [
    { name: 'a full backup', manifest: aManifest() },
    { name: 'no optional field at all', manifest: least },
    { name: 'an inconsistent backup', manifest: aManifest({ consistent: false }) },
    {
      name: 'an increment',
      manifest: aManifest({ type: 'Incremental', parent: '20260101T030000Z-00000000', sequence: 2 }),
    },
    {
      name: 'a transaction id beyond what JavaScript counts',
      manifest: aManifest({ lastTransactionID: '9223372036854775807' }),
    },
    {
      name: 'names outside of ASCII',
      manifest: aManifest({ files: [{ path: 'schema/ëü/𝛼.cfs', size: 0, sha256: '0'.repeat(64) }] }),
    },
  ];
  test.each(cases)('give back $name', ({ manifest }) => {
    expect(parseManifest(formatManifest(manifest))).toEqual({ kind: 'good', manifest });
  });

  test('refuse to write what could not be read back', () => {
    expect(() => formatManifest(aManifest({ files: [] }))).toThrow('files');
    expect(() => formatManifest(aManifest({ chain: '../../etc' }))).toThrow('chain');
  });
});

describe('parseManifest', () => {
  test('takes no text with one bit changed for another manifest', () => {
    const manifest = aManifest({ sequence: 2, parent: '20260101T030000Z-00000000' });
    const text = Buffer.from(formatManifest(manifest));
    const survivors: unknown[] = [];
    for (let bit = 0; bit < text.length * 8; bit++) {
      const flipped = Buffer.from(text);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const parsed = parseManifest(flipped.toString('utf8'));
      if (parsed.kind !== 'damaged') survivors.push(parsed);
    }
    for (const survivor of survivors) expect(survivor).toEqual({ kind: 'good', manifest });
    // Only whitespace between the tokens may change unseen.
    expect(survivors.length).toBeLessThan(10);
  });

  test('takes no text that ends early for a manifest', () => {
    const text = formatManifest(aManifest());
    for (let length = 0; length < text.trimEnd().length; length++)
      expect(parseManifest(text.slice(0, length))).toMatchObject({ kind: 'damaged' });
  });

  test('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.jsonValue().map(sealed)), (text) => {
        expect(['damaged', 'tooNew']).toContain(parseManifest(text).kind);
      }),
    );
  });

  const nested = '['.repeat(200_000) + ']'.repeat(200_000);
  test.each([
    { name: 'nothing', text: '' },
    { name: 'null', text: 'null' },
    { name: 'a number', text: '42' },
    { name: 'a list', text: '[]' },
    { name: 'no manifest', text: '{"sha256":"x"}' },
    { name: 'no checksum', text: JSON.stringify({ manifest: aManifest() }) },
    { name: 'the checksum of another manifest', text: formatManifest(aManifest()).replace('"8"', '"9"') },
    { name: 'a manifest nested deeper than a stack is', text: `{"manifest":{"a":${nested}},"sha256":"x"}` },
    { name: 'a version of no number', text: sealed({ ...aManifest(), schemaVersion: '1' }) },
    { name: 'version 0', text: sealed({ ...aManifest(), schemaVersion: 0 }) },
    { name: 'a chain that leaves the destination', text: sealed({ ...aManifest(), chain: '../../etc' }) },
    {
      name: 'a point that is a path',
      text: sealed({ ...aManifest(), point: '20260101T030000Z-00000000/..' }),
    },
    { name: 'no file', text: sealed({ ...aManifest(), files: [] }) },
    { name: 'a negative size', text: sealed({ ...aManifest(), sizeBytes: -1 }) },
    {
      name: 'a transaction id that is no number',
      text: sealed({ ...aManifest(), lastTransactionID: '1e9' }),
    },
    ...['', '.', '..', '/etc/passwd', 'a/../../b', '../a', 'a//b', 'a/', 'a/./b', 'a\\..\\b', 'a\0b'].map(
      (path) => ({ name: `the file path ${JSON.stringify(path)}`, text: sealed(withPath(path)) }),
    ),
  ])('finds $name damaged', ({ text }) => {
    expect(parseManifest(text)).toMatchObject({ kind: 'damaged' });
  });

  test('says of a newer version that it is newer, whatever else it holds', () => {
    expect(parseManifest(sealed({ schemaVersion: 2, points: {} }))).toEqual({
      kind: 'tooNew',
      schemaVersion: 2,
    });
  });

  test('ignores what a later writer of the same version added', () => {
    expect(parseManifest(sealed({ ...aManifest(), note: 'x' }))).toEqual({
      kind: 'good',
      manifest: aManifest(),
    });
  });
});
