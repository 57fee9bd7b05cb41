// Reads a `.backup` artifact of Neo4j 5 and later without Neo4j: what it says of itself, and whether it is whole.
import { createHash } from 'node:crypto';
import { constants, open, type FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createZstdDecompress, constants as zlib } from 'node:zlib';
import { formatStoreID } from '../run/store-id.ts';
import { byteReader, Malformed, type ByteReader } from './byte-reader.ts';
import { errorCode } from './files.ts';
import { silent, type Progress } from './progress.ts';
import { walkTar } from './tar.ts';

/** What an artifact says of itself. */
export interface ArtifactHeader {
  /** Identity of the store, as {@link formatStoreID} writes it. */
  readonly storeID: string;
  /** UUID of the database, lower case. Another one after a drop and a new creation under the same name. */
  readonly databaseID: string;
  readonly database: string;
  /** When it was taken, by the server's clock, to the second. ISO 8601, UTC. */
  readonly backupTime: string;
  /** Both are 0 in an increment that brings nothing. */
  readonly lowestTransactionID: bigint;
  readonly highestTransactionID: bigint;
  readonly isFull: boolean;
  readonly isCompressed: boolean;
  /** The transaction logs in it were applied: it opens as it is. */
  readonly isRecovered: boolean;
}

/** What all bytes of it come to, read in the same pass. */
interface Content {
  readonly size: number;
  readonly sha256: string;
}

export type ReadArtifact =
  | ({ readonly kind: 'artifact'; readonly header: ArtifactHeader } & Content)
  /** Too new for us: whole as far as can be told, but it does not say what it is. */
  | ({ readonly kind: 'unknownFormat'; readonly why: string } & Content)
  | { readonly kind: 'noArtifact'; readonly why: string };

/** Why it may be an artifact that we cannot read. Never leaves this file. */
class UnknownFormat extends Error {}

const chunkBytes = 256 * 1024;

/**
 * Reads all of it once, in constant memory. Never throws for what the bytes are; throws the system error of a read that
 * fails. A compressed artifact carries a checksum of its content, so that each changed bit is found. One that is not
 * compressed has none: there we see that it is whole from its first entry to its last, and not whether their content is.
 */
export async function readArtifact(path: string, progress: Progress = silent): Promise<ReadArtifact> {
  // Without blocking, since the opening of a pipe waits for a writer.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!(await file.stat()).isFile()) return { kind: 'noArtifact', why: 'it is no file' };
    const hashed = hashing(file, progress);
    const judged = await readWhole(byteReader(hashed.chunks())).then(
      (header): Judged => ({ kind: 'artifact', header }),
      (error: unknown): Judged => {
        const found = finding(error);
        if (found === undefined) throw error;
        return found;
      },
    );
    return judged.kind === 'noArtifact' ? judged : { ...judged, ...(await hashed.finish()) };
  } finally {
    await file.close();
  }
}

type Judged =
  | { readonly kind: 'artifact'; readonly header: ArtifactHeader }
  | { readonly kind: 'unknownFormat'; readonly why: string }
  | { readonly kind: 'noArtifact'; readonly why: string };

/** What an error tells of the bytes. Undefined: nothing, the reading itself failed. */
function finding(error: unknown): Exclude<Judged, { kind: 'artifact' }> | undefined {
  if (error instanceof UnknownFormat) return { kind: 'unknownFormat', why: error.message };
  if (error instanceof Malformed) return { kind: 'noArtifact', why: error.message };
  const code = errorCode(error);
  if (code === 'Z_BUF_ERROR') return { kind: 'noArtifact', why: 'it ends too early' };
  if (code === 'ZSTD_error_frameParameter_windowTooLarge')
    return { kind: 'unknownFormat', why: 'its compression needs more memory than we give it' };
  if (code?.startsWith('ZSTD_error_') === true)
    return { kind: 'noArtifact', why: 'its compressed content is damaged' };
  return undefined;
}

interface Hashing {
  /** All bytes, in chunks that each have a buffer of their own: who parses them holds parts of several. */
  readonly chunks: () => AsyncGenerator<Buffer, void>;
  /** Reads what the parser did not, which of a format that it does not know is nearly all, and tells what all bytes come to. */
  readonly finish: () => Promise<Content>;
}

function hashing(file: FileHandle, progress: Progress): Hashing {
  const hash = createHash('sha256');
  let size = 0;
  const readOn = async (): Promise<Buffer> => {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, size);
    const chunk = buffer.subarray(0, bytesRead);
    hash.update(chunk);
    size += bytesRead;
    progress(bytesRead);
    return chunk;
  };
  // One after the other: a parser that gives up may leave a read under way.
  let last: Promise<unknown> = Promise.resolve();
  const next = (): Promise<Buffer> => {
    const read = last.then(readOn);
    last = read.catch(() => undefined);
    return read;
  };
  return {
    async *chunks() {
      for (let chunk = await next(); chunk.length > 0; chunk = await next()) yield chunk;
    },
    async finish() {
      while ((await next()).length > 0);
      return { size, sha256: hash.digest('hex') };
    },
  };
}

/**
 * The formats, by the four characters with which they begin. `B` stands for backup, the second letter for tar or zstd; from
 * 2 on the description has a version of its own and more fields; in the third it stands before what is compressed.
 * Source: what the community edition's writers (org.neo4j.dbms.archive.backup) make of a folder, see docs/engines.md.
 */
const formats = new Map<string, (bytes: ByteReader) => Promise<ArtifactHeader>>([
  ['BTV1', (bytes) => describedTar(bytes, readDescriptionV1)],
  ['BTV2', (bytes) => describedTar(bytes, readDescriptionV2)],
  ['BZV1', (bytes) => decompressed(bytes, (inner) => describedSizedTar(inner, readDescriptionV1))],
  ['BZV2', (bytes) => decompressed(bytes, (inner) => describedSizedTar(inner, readDescriptionV2))],
  ['BZV3', readV3],
]);

async function readWhole(bytes: ByteReader): Promise<ArtifactHeader> {
  const magic = (await bytes.take(4)).toString('latin1');
  const read = formats.get(magic);
  if (read !== undefined) return read(bytes);
  // What takes it for a backup would publish a file without its content. Only a setting that is not for users splits.
  if (magic === 'SMV1') throw new Malformed('it is split into several files, which are not read');
  if (/^B[A-Z]V\d$/.test(magic)) throw new UnknownFormat(`it is of a format that is not known: ${magic}`);
  if (/^D[A-Z]V\d$/.test(magic)) throw new Malformed('it is a dump and no backup');
  throw new Malformed('it is no backup of Neo4j 5 or later');
}

type ReadDescription = (bytes: ByteReader) => Promise<ArtifactHeader>;

async function describedTar(bytes: ByteReader, read: ReadDescription): Promise<ArtifactHeader> {
  const header = await read(bytes);
  await walkTar(bytes);
  return header;
}

async function describedSizedTar(bytes: ByteReader, read: ReadDescription): Promise<ArtifactHeader> {
  const header = await read(bytes);
  await sizedTar(bytes);
  return header;
}

async function readV3(bytes: ByteReader): Promise<ArtifactHeader> {
  const header = await readDescriptionV2(bytes);
  await decompressed(bytes, sizedTar);
  return header;
}

/** How many files and bytes there will be, for the progress that `load` shows, stands before a compressed archive only. */
async function sizedTar(bytes: ByteReader): Promise<void> {
  const version = (await bytes.take(4)).readInt32BE();
  if (version !== 1) throw new UnknownFormat(`its archive is of version ${version}`);
  await bytes.skip(16);
  await walkTar(bytes);
}

/**
 * Reads what is compressed, to its end. Only there is the checksum: `read` must go as far.
 * The window bounds the memory. The writer's is 2 MiB, and 8 MiB serves every level of compression below the 20th.
 */
async function decompressed<T>(bytes: ByteReader, read: (inner: ByteReader) => Promise<T>): Promise<T> {
  const zstd = createZstdDecompress({
    chunkSize: chunkBytes,
    params: { [zlib.ZSTD_d_windowLogMax]: 23 },
  });
  return pipeline(bytes.rest(), zstd, async (chunks: AsyncIterable<Buffer>) => {
    const inner = byteReader(chunks);
    if ((await inner.take(4)).toString('latin1') !== 'zstd')
      throw new Malformed('its content does not begin as it should');
    return read(inner);
  });
}

/** Entries of the description's map. A writer of 2026 knows seven. */
const mostEntries = 1000;

/** A number in the range of the engine's 64 signed bits. */
async function takeLong(bytes: ByteReader): Promise<bigint> {
  return (await bytes.take(8)).readBigInt64BE();
}

async function takeByte(bytes: ByteReader): Promise<number> {
  return (await bytes.take(1)).readUInt8();
}

/** Bytes whose number stands before them in one byte. */
async function takeShort(bytes: ByteReader): Promise<Buffer> {
  return bytes.take(await takeByte(bytes));
}

async function readDescriptionV1(bytes: ByteReader): Promise<ArtifactHeader> {
  const storeID = await readStoreID(bytes);
  const databaseID = formatUUID(await takeShort(bytes));
  const database = (await takeShort(bytes)).toString('utf8');
  // The engine allows letters, digits, dots and dashes; what it makes itself may have underscores.
  if (!/^[\w.-]+$/.test(database)) throw new Malformed('its database has no name');
  const seconds = await takeLong(bytes);
  const lowestTransactionID = await takeLong(bytes);
  const highestTransactionID = await takeLong(bytes);
  const [flags = 0] = await takeShort(bytes); // none of them set: no byte at all
  return {
    storeID,
    databaseID,
    database,
    backupTime: formatTime(seconds),
    lowestTransactionID,
    highestTransactionID,
    isRecovered: (flags & 1) !== 0,
    isCompressed: (flags & 2) !== 0,
    isFull: (flags & 4) !== 0,
  };
}

async function readDescriptionV2(bytes: ByteReader): Promise<ArtifactHeader> {
  const version = await takeByte(bytes);
  if (version !== 2) throw new UnknownFormat(`its description is of version ${version}`);
  const header = await readDescriptionV1(bytes);
  const entries = (await bytes.take(4)).readInt32BE();
  if (entries < 0 || entries > mostEntries) throw new Malformed('its description is damaged');
  // Keys and values by turns. A script that makes users and roles is among them: nothing for us.
  for (let i = 0; i < 2 * entries; i += 1) {
    const length = (await bytes.take(4)).readInt32BE();
    if (length < 0) throw new Malformed('its description is damaged');
    await bytes.skip(length);
  }
  return header;
}

async function readStoreID(bytes: ByteReader): Promise<string> {
  const version = await takeByte(bytes);
  if (version !== 1) throw new UnknownFormat(`its store id is of version ${version}`);
  const creationTime = await takeLong(bytes);
  const randomId = await takeLong(bytes);
  if (creationTime < 1n) throw new Malformed('its store has no id');
  await takeShort(bytes); // the storage engine, e.g. record
  await takeShort(bytes); // its format, e.g. aligned
  await bytes.skip(2); // and the version of that
  return formatStoreID({ creationTime, randomId });
}

function formatUUID(bytes: Buffer): string {
  if (bytes.length !== 16) throw new Malformed('its database has no id');
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** The year 10000, in seconds since 1970: until then a date has four digits. */
const endOfTime = 253_402_300_800n;

function formatTime(seconds: bigint): string {
  if (seconds < 0n || seconds >= endOfTime) throw new Malformed('it does not tell when it was taken');
  return new Date(Number(seconds) * 1000).toISOString();
}
