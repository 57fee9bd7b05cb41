import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseNeostore, type NeostoreProblem, type StoreId } from './neostore.ts';

/** Files of real backups that the tools took: a full one, and what increments made of it. */
function fixture(name: string, version = '3.4.18'): Uint8Array {
  return readFileSync(join(import.meta.dirname, 'testdata', `${version}-${name}.neostore`));
}

/** The file with record `position` overwritten. */
function withRecord(position: number, value: bigint, inUse = 1): Uint8Array {
  const bytes = Uint8Array.from(fixture('full'));
  const view = new DataView(bytes.buffer);
  view.setUint8(position * 9, inUse);
  view.setBigInt64(position * 9 + 1, value);
  return bytes;
}

/** As the kernel itself printed it for these files (tools/engines/java/StoreFacts.java). */
const storeId: StoreId = {
  creationTime: 1_795_376_507_308n,
  randomId: -5_360_431_900_134_838_163n,
  storeVersion: 'v0.A.9',
  upgradeTime: 1_795_376_507_308n,
  upgradeTransactionId: 1n,
};

describe('parseNeostore', () => {
  test('reads what the kernel reads from a full backup', () => {
    expect(parseNeostore(fixture('full'))).toEqual({
      ok: true,
      neostore: { storeId, lastTransactionId: 8n, lastTransactionTime: 1_795_376_509_700n, logVersion: 0n },
    });
  });

  test('reads a later transaction of the same store after increments', () => {
    expect(parseNeostore(fixture('incremental'))).toEqual({
      ok: true,
      neostore: { storeId, lastTransactionId: 29n, lastTransactionTime: 1_795_376_530_881n, logVersion: 0n },
    });
  });

  test('reads what the kernel of 3.0 reads from its own', () => {
    const creationTime = 1_795_388_329_798n;
    const ofThat: StoreId = {
      creationTime,
      randomId: -6_077_663_815_557_723_697n,
      storeVersion: 'v0.A.7',
      upgradeTime: creationTime,
      upgradeTransactionId: 1n,
    };
    const files = ['full', 'incremental'].map((name) => parseNeostore(fixture(name, '3.0.7')));
    expect(files.map((file) => file.ok && file.neostore)).toEqual([
      { storeId: ofThat, lastTransactionId: 7n, lastTransactionTime: 1_795_388_334_837n, logVersion: 0n },
      { storeId: ofThat, lastTransactionId: 16n, lastTransactionTime: 1_795_388_344_756n, logVersion: 0n },
    ]);
  });

  // The numbers are those that tools/engines/kernel/Store.java printed of these stores.
  test.each([
    {
      name: 'standard',
      version: '4.0.11',
      storeVersion: 'SF4.0.0',
      creationTime: 1_796_021_291_812n,
      randomId: -7_167_596_189_879_917_094n,
      lastTransactionId: 10n,
      lastTransactionTime: 1_796_021_295_688n,
    },
    {
      name: 'aligned',
      version: '4.2.19',
      storeVersion: 'AF4.1.a',
      creationTime: 1_796_021_436_868n,
      randomId: -5_729_398_577_473_935_253n,
      lastTransactionId: 10n,
      lastTransactionTime: 1_796_021_437_694n,
    },
    {
      name: 'standard',
      version: '4.4.44',
      storeVersion: 'SF4.3.0',
      creationTime: 1_796_021_467_042n,
      randomId: 4_960_800_839_434_561_084n,
      lastTransactionId: 12n,
      lastTransactionTime: 1_796_021_468_026n,
    },
    {
      name: 'aligned',
      version: '4.4.44',
      storeVersion: 'AF4.3.0',
      creationTime: 1_796_021_493_451n,
      randomId: -1_229_926_682_070_385_677n,
      lastTransactionId: 12n,
      lastTransactionTime: 1_796_021_494_543n,
    },
  ])('reads what the kernel of $version reads from its own ($storeVersion)', ({ name, version, ...of }) => {
    const { storeVersion, creationTime, randomId, ...last } = of;
    const ofThat: StoreId = {
      creationTime,
      randomId,
      storeVersion,
      upgradeTime: creationTime,
      upgradeTransactionId: 1n,
    };
    expect(parseNeostore(fixture(name, version))).toEqual({
      ok: true,
      neostore: { storeId: ofThat, ...last, logVersion: 0n },
    });
  });

  test('reads what the kernel of 3.3 reads from its own', () => {
    expect(parseNeostore(fixture('incremental', '3.3.5'))).toEqual({
      ok: true,
      neostore: {
        storeId: {
          creationTime: 1_796_019_714_864n,
          randomId: -5_195_720_344_969_801_288n,
          storeVersion: 'v0.A.8',
          upgradeTime: 1_796_019_714_864n,
          upgradeTransactionId: 1n,
        },
        lastTransactionId: 14n,
        lastTransactionTime: 1_796_019_724_525n,
        logVersion: 0n,
      },
    });
  });

  test('reads what the kernel of 2.3 reads from its own, which has no record of the commit time', () => {
    expect(parseNeostore(fixture('incremental', '2.3.3'))).toEqual({
      ok: true,
      neostore: {
        storeId: {
          creationTime: 1_796_019_694_906n,
          randomId: 360_220_597_136_823_959n,
          storeVersion: 'v0.A.6',
          upgradeTime: 1_796_019_694_906n,
          upgradeTransactionId: 1n,
        },
        lastTransactionId: 11n,
        lastTransactionTime: undefined,
        logVersion: 0n,
      },
    });
  });

  test.each([
    ['3.0.7', 'vE.H.0b'],
    ['3.1.6', 'vE.H.2'],
    ['3.2.9', 'vE.H.3'],
  ])('reads the format of the high limit of %s', (version, storeVersion) => {
    expect(parseNeostore(fixture('high-limit', version))).toMatchObject({
      ok: true,
      neostore: { storeId: { storeVersion }, lastTransactionId: 6n },
    });
  });

  test('reads a file that lies somewhere in a larger buffer', () => {
    const bytes = fixture('full');
    const larger = new Uint8Array(bytes.length + 5);
    larger.set(bytes, 5);
    expect(parseNeostore(larger.subarray(5))).toEqual(parseNeostore(bytes));
  });

  test('does without the commit time, which older formats lack', () => {
    const result = parseNeostore(withRecord(13, 0n, 0));
    expect(result.ok && result.neostore.lastTransactionTime).toBeUndefined();
  });

  interface Case {
    readonly name: string;
    readonly bytes: Uint8Array;
    readonly problem: NeostoreProblem;
  }
  const cases: readonly Case[] = [
    { name: 'an empty file', bytes: new Uint8Array(0), problem: { kind: 'TooShort', sizeBytes: 0 } },
    {
      name: 'a file cut within the records',
      bytes: fixture('full').subarray(0, 134),
      problem: { kind: 'TooShort', sizeBytes: 134 },
    },
    {
      name: 'a page of zeros, as a crash leaves it',
      bytes: new Uint8Array(8192),
      problem: { kind: 'RecordMissing', record: 'creationTime' },
    },
    {
      name: 'a record that is not in use',
      bytes: withRecord(3, 8n, 0),
      problem: { kind: 'RecordMissing', record: 'lastTransactionId' },
    },
    {
      name: 'a transaction id below the first one',
      bytes: withRecord(3, 0n),
      problem: { kind: 'RecordImplausible', record: 'lastTransactionId', value: 0n },
    },
    {
      name: 'a format version of impossible length',
      bytes: withRecord(4, 0x08n),
      problem: { kind: 'RecordImplausible', record: 'storeVersion', value: 8n },
    },
    {
      name: 'a format version that is no text',
      bytes: withRecord(4, 0x07_01n),
      problem: { kind: 'RecordImplausible', record: 'storeVersion', value: 0x07_01n },
    },
    {
      name: 'a format version with something after its end',
      bytes: withRecord(4, 0x41_41_01n),
      problem: { kind: 'RecordImplausible', record: 'storeVersion', value: 0x41_41_01n },
    },
  ];
  test.each(cases)('refuses $name', ({ bytes, problem }) => {
    expect(parseNeostore(bytes)).toEqual({ ok: false, problem });
  });

  test('never throws, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(parseNeostore(bytes).ok).toBeTypeOf('boolean');
      }),
    );
  });

  test('never throws for a real file with some bytes changed', () => {
    const change = fc.tuple(fc.nat(134), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), (changes) => {
        const bytes = Uint8Array.from(fixture('full'));
        for (const [offset, value] of changes) bytes[offset] = value;
        expect(parseNeostore(bytes).ok).toBeTypeOf('boolean');
      }),
    );
  });
});
