// Reads a store's `neostore` file: which store it is, and up to which transaction it goes. Pure.

/**
 * Which store this is. The two first fields make the identity: a store keeps them for life, and the engine refuses an
 * increment on top of a backup where one of them differs.
 */
export interface StoreId {
  /** When the store was created, in milliseconds since 1970. */
  readonly creationTime: bigint;
  /** Signed, as the engine prints it. */
  readonly randomId: bigint;
  /** The record format, e.g. `v0.A.9` for 3.4. */
  readonly storeVersion: string;
  /** When the format was last upgraded; equal to `creationTime` when it never was. Milliseconds since 1970. */
  readonly upgradeTime: bigint;
  /** The transaction at which it was last upgraded; 1 when it never was. */
  readonly upgradeTransactionId: bigint;
}

export interface Neostore {
  readonly storeId: StoreId;
  /**
   * The last committed transaction as of the last checkpoint. In a finished backup that is the last one it holds: the
   * tool ends by closing the store. In a store that is in use, or whose owner was killed, the transaction logs hold
   * later ones (docs/engines.md).
   */
  readonly lastTransactionId: bigint;
  /** When that transaction was committed, in milliseconds since 1970, by the server's clock. 0 in an empty store. 2.3 does not say. */
  readonly lastTransactionTime: bigint | undefined;
  /** Number of the transaction log file that was being written: the N of `neostore.transaction.db.N`. */
  readonly logVersion: bigint;
}

export type NeostoreProblem =
  | { readonly kind: 'TooShort'; readonly sizeBytes: number }
  | { readonly kind: 'RecordMissing'; readonly record: RecordName }
  | { readonly kind: 'RecordImplausible'; readonly record: RecordName; readonly value: bigint };

export type NeostoreResult =
  | { readonly ok: true; readonly neostore: Neostore }
  | { readonly ok: false; readonly problem: NeostoreProblem };

/**
 * Position of each record that we read. The file is a row of records of 9 bytes: one byte, 1 where the record is in use,
 * and a signed 64-bit big-endian number.
 * Source: the positions in the community kernel's MetaDataStore; compared with that class's own answers in test/engine.
 */
const positions = {
  creationTime: 0,
  randomId: 1,
  logVersion: 2,
  lastTransactionId: 3,
  storeVersion: 4,
  upgradeTransactionId: 7,
  upgradeTime: 8,
  lastTransactionTime: 13,
} as const;

type RecordName = keyof typeof positions;

const recordBytes = 9;
const inUse = 1;

/** Fifteen records since 3.0, and thirteen in 2.3; the file is padded with zeros to a page of 8 KiB. */
const leastBytes = 15 * recordBytes;

/** The last transaction of a store to which nothing was ever written: the ids of real ones follow. */
export const baseTransactionId = 1n;

/** The only way a problem leaves the readers below; never leaves this file. */
class Unreadable extends Error {
  readonly problem: NeostoreProblem;
  constructor(problem: NeostoreProblem) {
    super(problem.kind);
    this.problem = problem;
  }
}

/** Reads the content of a `neostore` file of the record formats of 2.3 to 3.x. Never throws, whatever the bytes are. */
export function parseNeostore(bytes: Uint8Array): NeostoreResult {
  try {
    return { ok: true, neostore: readNeostore(bytes) };
  } catch (error) {
    if (error instanceof Unreadable) return { ok: false, problem: error.problem };
    throw error;
  }
}

function readNeostore(bytes: Uint8Array): Neostore {
  if (bytes.length < leastBytes) throw new Unreadable({ kind: 'TooShort', sizeBytes: bytes.length });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const find = (record: RecordName): bigint | undefined => {
    const offset = positions[record] * recordBytes;
    return view.getUint8(offset) === inUse ? view.getBigInt64(offset + 1) : undefined;
  };
  const get = (record: RecordName): bigint => {
    const value = find(record);
    if (value === undefined) throw new Unreadable({ kind: 'RecordMissing', record });
    return value;
  };
  const atLeast = (least: bigint, record: RecordName): bigint => {
    const value = get(record);
    if (value < least) throw new Unreadable({ kind: 'RecordImplausible', record, value });
    return value;
  };
  return {
    storeId: {
      creationTime: atLeast(1n, 'creationTime'),
      randomId: get('randomId'),
      storeVersion: decodeStoreVersion(get('storeVersion')),
      upgradeTime: atLeast(1n, 'upgradeTime'),
      upgradeTransactionId: atLeast(baseTransactionId, 'upgradeTransactionId'),
    },
    lastTransactionId: atLeast(baseTransactionId, 'lastTransactionId'),
    lastTransactionTime: find('lastTransactionTime'),
    logVersion: atLeast(0n, 'logVersion'),
  };
}

/** The lowest byte is the text's length, 1 to 7; the bytes above it are its characters, the first one lowest. */
function decodeStoreVersion(value: bigint): string {
  const implausible = new Unreadable({ kind: 'RecordImplausible', record: 'storeVersion', value });
  const [length = 0, ...codes] = Array.from({ length: 8 }, (_, i) =>
    Number((value >> BigInt(8 * i)) & 0xffn),
  );
  if (length < 1 || length > 7) throw implausible;
  const text = String.fromCharCode(...codes.slice(0, length));
  if (!/^[\w.-]+$/.test(text) || codes.slice(length).some((code) => code !== 0)) throw implausible;
  return text;
}
