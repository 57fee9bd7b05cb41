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

function long(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

function short(text: string | Buffer): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

/** A tar of nothing: two blocks of zeros end it. */
const emptyTar = Buffer.alloc(1024);

export function anArtifact(facts: ArtifactFacts): Buffer {
  const { database, databaseID, lowest, highest, isFull, creationTime = 1n, randomId = 2n } = facts;
  const storeID = [
    Buffer.from([1]),
    long(creationTime),
    long(randomId),
    short('record'),
    short('aligned'),
    Buffer.from([1, 1]),
  ];
  const flags = isFull ? [1, 4] : [0]; // bit 2: full
  return Buffer.concat([
    Buffer.from('BTV1'),
    ...storeID,
    short(Buffer.from(databaseID.replaceAll('-', ''), 'hex')),
    short(database),
    long(1_767_236_400n),
    long(lowest),
    long(highest),
    Buffer.from(flags),
    emptyTar,
  ]);
}
