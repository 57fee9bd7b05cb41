import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aDescription, long } from '../../test/support/artifact.ts';
import { temporaryFolder } from '../../test/support/temporary.ts';
import { readArtifact, type ArtifactHeader, type ReadArtifact } from './artifact.ts';

const testdata = join(import.meta.dirname, 'testdata');

/** What the writers of the community edition made of a text of ours (tools/engines/artifacts.ts). */
function fixture(name: string): Buffer {
  return readFileSync(join(testdata, `${name}.backup`));
}

/** All that are whole and in one piece. */
const whole = readdirSync(testdata)
  .filter((name) => name.endsWith('.backup') && !name.includes('split'))
  .map((name) => name.slice(0, -'.backup'.length));
const compressed = whole.filter((name) => /BZ|empty/.test(name));

/** As Neo4j's own reader printed it for these files. */
const says: ArtifactHeader = {
  storeID: '19ad3722f33-d0d1726305bc6fde',
  databaseID: 'c8368b24-55e2-474d-bb41-75657f5bfcde',
  database: 'orders',
  backupTime: '2025-11-30T06:27:47.000Z',
  lowestTransactionID: 12n,
  highestTransactionID: 4711n,
  isFull: true,
  isCompressed: true,
  isRecovered: true,
};

/** Reads bytes as a file. */
function reader(): (bytes: Uint8Array) => Promise<ReadArtifact> {
  const path = join(temporaryFolder(), 'orders.backup');
  return async (bytes) => {
    await writeFile(path, bytes);
    return readArtifact(path);
  };
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** An entry of a tar, as far as we read it. */
function anEntry(content: Buffer, over: { readonly type?: string; readonly size?: string } = {}): Buffer {
  const header = Buffer.alloc(512);
  header.write('./text', 0);
  header.write(over.size ?? `${content.length.toString(8).padStart(11, '0')} `, 124);
  header.write(over.type ?? '0', 156);
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

const end = Buffer.alloc(1024);
const aTar = Buffer.concat([anEntry(Buffer.from('a text')), end]);

function uncompressed(description = aDescription(), tar: Buffer = aTar): Buffer {
  return Buffer.concat([Buffer.from('BTV1'), description, tar]);
}

function zstd(content: Buffer, windowLog = 21): Buffer {
  // Without the size of the content, as a stream has it: else the window is no larger than the content.
  return zstdCompressSync(content, {
    params: {
      [constants.ZSTD_c_checksumFlag]: 1,
      [constants.ZSTD_c_contentSizeFlag]: 0,
      [constants.ZSTD_c_windowLog]: windowLog,
    },
  });
}

/** What {@link aDescription} says unless told. */
const made: ArtifactHeader = {
  storeID: '1-2',
  databaseID: '01010101-0101-0101-0101-010101010101',
  database: 'neo4j',
  backupTime: '2026-01-01T03:00:00.000Z',
  lowestTransactionID: 1n,
  highestTransactionID: 10n,
  isFull: true,
  isCompressed: true,
  isRecovered: true,
};

/** What is told of all bytes of a file. */
function contentOf(bytes: Buffer): { readonly size: number; readonly sha256: string } {
  return { size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

const sizes = Buffer.concat([int32(1), long(1n), long(6n)]);

describe('readArtifact', () => {
  const cases: readonly (readonly [name: string, Partial<ArtifactHeader>])[] = [
    ['5.26.12-BZV1', {}],
    ['5.26.12-BTV1', { isCompressed: false }],
    ['5.26.12-BZV2', {}],
    ['5.26.12-BTV2', { isCompressed: false }],
    ['5.26.12-increment', { isCompressed: false, isFull: false, isRecovered: false }],
    [
      '5.26.12-empty',
      { isFull: false, isRecovered: false, lowestTransactionID: 0n, highestTransactionID: 0n },
    ],
    ['2026.08.1-BZV2', {}],
    ['2026.08.1-BTV2', { isCompressed: false }],
    ['2026.08.1-BZV3', {}],
  ];
  test.each(cases)('reads of %s what Neo4j reads', async (name, over) => {
    const read = await readArtifact(join(testdata, `${name}.backup`));
    expect(read).toEqual({ kind: 'artifact', header: { ...says, ...over }, ...contentOf(fixture(name)) });
  });

  test('reads every one of them', () => {
    expect(cases.map(([name]) => name).toSorted()).toEqual(whole.toSorted());
  });

  test('takes the first file of a split one for no artifact, since what counts is in the others', async () => {
    const split = join(testdata, '2026.08.1-split.backup');
    expect(await readArtifact(split)).toEqual({
      kind: 'noArtifact',
      why: 'it is split into several files, which are not read',
    });
    for (const part of [1, 2])
      expect(await readArtifact(`${split}.${part}`)).toMatchObject({ kind: 'noArtifact' });
  });

  /** Places of a file: all near its ends, where most of the structure is, and some between. */
  function places(length: number): readonly number[] {
    const step = Math.ceil(length / 50);
    return Array.from({ length }, (_, i) => i).filter((i) => i < 16 || i >= length - 8 || i % step === 0);
  }

  test.each(whole)('finds %s cut short, wherever', async (name) => {
    const read = reader();
    const bytes = fixture(name);
    for (const length of places(bytes.length))
      expect([length, await read(bytes.subarray(0, length))]).toEqual([
        length,
        { kind: 'noArtifact', why: expect.any(String) },
      ]);
  });

  /** Where the checksum begins to hold: not over the magic, and in the third format not over the description. */
  const guardedFrom = (bytes: Buffer): number => bytes.indexOf(Buffer.from('28b52ffd', 'hex'));

  test.each(compressed)('finds a flipped bit of what is compressed in %s, wherever', async (name) => {
    const read = reader();
    const original = fixture(name);
    const expected = await read(original);
    for (const place of places(original.length).filter((i) => i >= guardedFrom(original))) {
      const bytes = Buffer.from(original);
      bytes.writeUInt8(bytes.readUInt8(place) ^ (1 << (place % 8)), place);
      const found = await read(bytes);
      // zstd has a bit that means nothing.
      const same = { ...expected, ...contentOf(bytes) };
      expect(found.kind === 'artifact' ? found : same).toEqual(same);
    }
  });

  test('reads a size that has a header of its own, as files above 8 GiB have it', async () => {
    const record = (content: string): string => {
      const length = content.length + 4; // two digits, a blank, a line feed
      return `${length} ${content}\n`;
    };
    const tar = (records: readonly string[]): Buffer =>
      Buffer.concat([
        anEntry(Buffer.from(records.join('')), { type: 'x' }),
        anEntry(Buffer.alloc(0), { type: 'g' }),
        anEntry(Buffer.alloc(600, 'a'), { size: '00000000000 ' }),
        anEntry(Buffer.alloc(0)),
        end,
      ]);
    const misleading = record('path=./text\n12 size=99\n');
    const read = reader();
    expect([
      await read(uncompressed(aDescription(), tar([record('size=0600'), misleading]))),
      await read(uncompressed(aDescription(), tar([misleading]))),
    ]).toMatchObject([{ kind: 'artifact' }, { kind: 'noArtifact' }]);
  });

  interface Case {
    readonly name: string;
    readonly bytes: Buffer;
    readonly kind: ReadArtifact['kind'];
    readonly why?: string;
  }
  const v2 = (rest: Buffer): Buffer => Buffer.concat([Buffer.from('BTV2'), rest]);
  const z1 = (...content: readonly Buffer[]): Buffer =>
    Buffer.concat([Buffer.from('BZV1'), zstd(Buffer.concat([Buffer.from('zstd'), ...content]))]);
  const hostile: readonly Case[] = [
    { name: 'what it is made of here', bytes: uncompressed(), kind: 'artifact' },
    { name: 'the same, compressed', bytes: z1(aDescription(), sizes, aTar), kind: 'artifact' },
    { name: 'an empty file', bytes: Buffer.alloc(0), kind: 'noArtifact', why: 'ends too early' },
    { name: 'a page of zeros', bytes: Buffer.alloc(8192), kind: 'noArtifact', why: 'no backup' },
    { name: 'a dump', bytes: Buffer.from('DZV1...'), kind: 'noArtifact', why: 'a dump' },
    { name: 'a format to come', bytes: Buffer.from('BZV4...'), kind: 'unknownFormat', why: 'BZV4' },
    { name: 'another packing', bytes: Buffer.from('BXV1...'), kind: 'unknownFormat', why: 'BXV1' },
    { name: 'a description to come', bytes: v2(Buffer.of(3)), kind: 'unknownFormat', why: 'version 3' },
    {
      name: 'a store id to come',
      bytes: uncompressed(aDescription({ storeIDVersion: 2 })),
      kind: 'unknownFormat',
      why: 'store id is of version 2',
    },
    {
      name: 'the id of no store',
      bytes: uncompressed(aDescription({ creationTime: 0n })),
      kind: 'noArtifact',
      why: 'its store has no id',
    },
    {
      name: 'an id of a database that is too short',
      bytes: uncompressed(aDescription({ databaseID: Buffer.alloc(15) })),
      kind: 'noArtifact',
      why: 'its database has no id',
    },
    ...['', 'or/ders', 'or\nders', '\u001b[2J', Buffer.of(0xff), Buffer.alloc(255)].map((database): Case => ({
      name: `a database that is called ${JSON.stringify(database.toString())}`,
      bytes: uncompressed(aDescription({ database })),
      kind: 'noArtifact',
      why: 'its database has no name',
    })),
    ...[-1n, 253_402_300_800n, 2n ** 63n - 1n].map((seconds): Case => ({
      name: `a time of ${seconds}`,
      bytes: uncompressed(aDescription({ seconds })),
      kind: 'noArtifact',
      why: 'when it was taken',
    })),
    {
      name: 'flags that we do not know',
      bytes: uncompressed(aDescription({ flags: Buffer.of(0xff, 0xff) })),
      kind: 'artifact',
    },
    ...[-1, 1001, 0x7fff_ffff].map((entries): Case => ({
      name: `a map of ${entries} entries`,
      bytes: v2(Buffer.concat([Buffer.of(2), aDescription(), int32(entries), aTar])),
      kind: 'noArtifact',
      why: 'its description is damaged',
    })),
    {
      name: 'a value of 2 GiB in the map',
      bytes: v2(
        Buffer.concat([
          Buffer.of(2),
          aDescription(),
          int32(1),
          int32(1),
          Buffer.of(0x61),
          int32(0x7fff_ffff),
        ]),
      ),
      kind: 'noArtifact',
      why: 'ends too early',
    },
    {
      name: 'a key of negative length in the map',
      bytes: v2(Buffer.concat([Buffer.of(2), aDescription(), int32(1), int32(-1), aTar])),
      kind: 'noArtifact',
      why: 'its description is damaged',
    },
    {
      name: 'content that is not what is announced',
      bytes: Buffer.concat([Buffer.from('BZV1'), zstd(Buffer.concat([aDescription(), sizes, aTar]))]),
      kind: 'noArtifact',
      why: 'does not begin as it should',
    },
    {
      name: 'an archive to come',
      bytes: z1(aDescription(), int32(2), aTar),
      kind: 'unknownFormat',
      why: 'its archive is of version 2',
    },
    {
      name: 'a window of 16 MiB',
      bytes: Buffer.concat([Buffer.from('BZV1'), zstd(Buffer.alloc(20_000_000), 24)]),
      kind: 'unknownFormat',
      why: 'more memory',
    },
    {
      name: 'an archive of which only the first of two blocks at its end is there',
      bytes: uncompressed(aDescription(), aTar.subarray(0, -512)),
      kind: 'noArtifact',
      why: 'ends too early',
    },
    {
      name: 'an archive that goes on after a block of zeros',
      bytes: uncompressed(aDescription(), Buffer.concat([aTar.subarray(0, -512), aTar])),
      kind: 'noArtifact',
      why: 'no end',
    },
    {
      name: 'something after the end of the archive',
      bytes: uncompressed(aDescription(), Buffer.concat([aTar, Buffer.of(1)])),
      kind: 'noArtifact',
      why: 'follows the end',
    },
    {
      name: 'padding after the end of the archive',
      bytes: uncompressed(aDescription(), Buffer.concat([aTar, Buffer.alloc(512)])),
      kind: 'artifact',
    },
    {
      name: 'an entry whose header has changed',
      bytes: uncompressed(aDescription(), Buffer.concat([Buffer.from('X'), aTar.subarray(1)])),
      kind: 'noArtifact',
      why: 'an entry of its archive is damaged',
    },
    {
      name: 'an entry that says it is larger than all',
      bytes: uncompressed(
        aDescription(),
        Buffer.concat([anEntry(Buffer.from('a text'), { size: '77777777777 ' }), end]),
      ),
      kind: 'noArtifact',
      why: 'ends too early',
    },
    {
      name: 'an entry whose size is no number',
      bytes: uncompressed(aDescription(), Buffer.concat([anEntry(Buffer.alloc(0), { size: '-1' }), end])),
      kind: 'noArtifact',
      why: 'the size of an entry',
    },
    ...['', '5 a=b', '99999 a=b\n', '6 a=b\n6 ', '4 ab\n', '5 =b\n', '10 size=x\n'].map((records): Case => ({
      name: `an extended header of ${JSON.stringify(records)}`,
      bytes: uncompressed(
        aDescription(),
        Buffer.concat([anEntry(Buffer.from(records), { type: 'x' }), aTar]),
      ),
      kind: records === '' ? 'artifact' : 'noArtifact',
    })),
    {
      name: 'an extended header of 1 GiB',
      bytes: uncompressed(
        aDescription(),
        Buffer.concat([anEntry(Buffer.alloc(0), { type: 'x', size: '10000000000 ' }), end]),
      ),
      kind: 'noArtifact',
      why: 'damaged',
    },
  ];
  test.each(hostile)('takes $name for what it is', async ({ bytes, kind, why = '' }) => {
    const because = { why: expect.stringContaining(why) };
    expect(await reader()(bytes)).toEqual({
      kind,
      ...(kind === 'artifact' ? { header: made } : because),
      ...(kind === 'noArtifact' ? {} : contentOf(bytes)),
    });
  });

  test('does without what follows what is compressed, as Neo4j does', async () => {
    const bytes = Buffer.concat([fixture('5.26.12-BZV2'), Buffer.from('more')]);
    expect(await reader()(bytes)).toEqual({ kind: 'artifact', header: says, ...contentOf(bytes) });
  });

  test('finds no artifact in what is no file', async () => {
    const folder = temporaryFolder();
    await mkdir(join(folder, 'folder.backup'));
    execFileSync('mkfifo', [join(folder, 'pipe.backup')]);
    for (const name of ['folder', 'pipe'])
      expect(await readArtifact(join(folder, `${name}.backup`))).toEqual({
        kind: 'noArtifact',
        why: 'it is no file',
      });
  });

  test('hashes all of a file whose format it does not know', async () => {
    const bytes = Buffer.concat([Buffer.from('BZV4'), Buffer.alloc(1_000_000, 'x')]);
    expect(await reader()(bytes)).toMatchObject({ kind: 'unknownFormat', ...contentOf(bytes) });
    // The window of this one needs more memory than we give: the reading stops in the middle of it.
    const large = Buffer.concat([
      Buffer.from('BZV1'),
      zstd(Buffer.concat([Buffer.from('zstd'), randomBytes(3_000_000)]), 27),
    ]);
    expect(await reader()(large)).toMatchObject({ kind: 'unknownFormat', ...contentOf(large) });
  });

  test('tells of the bytes as it reads them', async () => {
    let told = 0;
    await readArtifact(join(testdata, '5.26.12-BZV2.backup'), (bytes) => {
      told += bytes;
    });
    expect(told).toBe(fixture('5.26.12-BZV2').length);
  });

  test('throws what the system says of a file that cannot be opened', async () => {
    await expect(readArtifact(join(temporaryFolder(), 'absent.backup'))).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });

  test('never throws, whatever the bytes are', async () => {
    const read = reader();
    const magic = fc.constantFrom('', 'BTV1', 'BTV2\u0002', 'BZV1', 'BZV2', 'BZV3\u0002', 'SMV1');
    const rest = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.concat([aDescription(), bytes])),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => zstd(Buffer.concat([Buffer.from('zstd'), bytes]))),
    );
    await fc.assert(
      fc.asyncProperty(magic, rest, async (start, bytes) => {
        const { kind } = await read(Buffer.concat([Buffer.from(start, 'latin1'), bytes]));
        expect(kind).not.toBe('artifact');
      }),
    );
  });

  test('never throws for a real one with some bytes changed', async () => {
    const read = reader();
    const change = fc.tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.nat(255));
    const changes = fc.array(change, { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...whole), changes, async (name, those) => {
        const bytes = fixture(name);
        for (const [place, value] of those) bytes.writeUInt8(value, Math.floor(place * bytes.length));
        expect((await read(bytes)).kind).toBeTypeOf('string');
      }),
    );
  });
});
