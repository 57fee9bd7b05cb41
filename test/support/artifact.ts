// An artifact of generation C as its community writer lays one out, uncompressed (format BTV1): enough for what reads headers.

export interface ArtifactFacts {
  readonly database: string;
  readonly databaseID: string;
  readonly lowest: bigint;
  readonly highest: bigint;
  readonly isFull: boolean;
  readonly creationTime?: bigint;
  readonly randomId?: bigint;
}

/** The fields of a description, in their order. */
interface Description {
  readonly storeIDVersion: number;
  readonly creationTime: bigint;
  readonly randomId: bigint;
  readonly databaseID: Buffer;
  readonly database: string | Buffer;
  readonly seconds: bigint;
  readonly lowest: bigint;
  readonly highest: bigint;
  readonly flags: Buffer;
}

/** 64 signed bits. */
export function long(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

function short(text: string | Buffer): Buffer {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

/** What an artifact says of itself: of a full, compressed and recovered one, unless told. */
export function aDescription(over: Partial<Description> = {}): Buffer {
  const told: Description = { ...usual, ...over };
  return Buffer.concat([
    Buffer.of(told.storeIDVersion),
    long(told.creationTime),
    long(told.randomId),
    short('record'),
    short('aligned'),
    Buffer.of(1, 1),
    short(told.databaseID),
    short(told.database),
    long(told.seconds),
    long(told.lowest),
    long(told.highest),
    short(told.flags),
  ]);
}

const usual: Description = {
  storeIDVersion: 1,
  creationTime: 1n,
  randomId: 2n,
  databaseID: Buffer.alloc(16, 1),
  database: 'neo4j',
  seconds: 1_767_236_400n,
  lowest: 1n,
  highest: 10n,
  flags: Buffer.of(7),
};

/** A tar of nothing: two blocks of zeros end it. */
const emptyTar = Buffer.alloc(1024);

export function anArtifact({ databaseID, isFull, ...facts }: ArtifactFacts): Buffer {
  const description = aDescription({
    ...facts,
    databaseID: Buffer.from(databaseID.replaceAll('-', ''), 'hex'),
    flags: isFull ? Buffer.of(4) : Buffer.alloc(0), // none set: no byte
  });
  return Buffer.concat([Buffer.from('BTV1'), description, emptyTar]);
}
