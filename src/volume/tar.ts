// Walks through a tar archive without unpacking it: is it whole, to its end? Names and content do not matter here.
import { Malformed, type ByteReader } from './byte-reader.ts';

const blockBytes = 512;

/** Where the fields of an entry's header are that we read: offset and length in bytes. POSIX.1-1988, the same in every tar. */
const fields = {
  size: [124, 12],
  checksum: [148, 8],
  type: [156, 1],
} as const;

/** An extended header holds a path and some times. Neo4j's paths have at most some hundred bytes. */
const mostExtendedBytes = 64 * 1024;

/** Throws {@link Malformed} where the archive is not whole. What comes after its end must be padding. */
export async function walkTar(bytes: ByteReader): Promise<void> {
  let extendedSize: number | undefined;
  for (;;) {
    const header = await bytes.take(blockBytes);
    if (isZero(header)) break;
    demandChecksum(header);
    const size = octal(header, 'size');
    const type = text(header, 'type');
    if (type === 'x') {
      extendedSize = sizeInExtended(await takeExtended(bytes, size));
    } else if (type === 'g') {
      await bytes.skip(padded(size)); // holds for all entries, and may stand between one and its own extended header
    } else {
      await bytes.skip(padded(extendedSize ?? size));
      extendedSize = undefined;
    }
  }
  if (!isZero(await bytes.take(blockBytes))) throw new Malformed('its archive has no end');
  for await (const chunk of bytes.rest())
    if (!isZero(chunk)) throw new Malformed('something follows the end of its archive');
}

function isZero(bytes: Buffer): boolean {
  return bytes.equals(Buffer.alloc(bytes.length));
}

function padded(size: number): number {
  return Math.ceil(size / blockBytes) * blockBytes;
}

function text(header: Buffer, field: keyof typeof fields): string {
  const [offset, length] = fields[field];
  return header.toString('latin1', offset, offset + length);
}

/** Octal digits, with blanks before and after them. */
function octal(header: Buffer, field: keyof typeof fields): number {
  const digits = /^ *(?<digits>[0-7]+)[ \0]*$/.exec(text(header, field))?.groups?.['digits'];
  if (digits === undefined) throw new Malformed(`the ${field} of an entry of its archive is no number`);
  return Number.parseInt(digits, 8);
}

/** The sum of the header's bytes, where those of the sum itself count as blanks. */
function demandChecksum(header: Buffer): void {
  const [offset, length] = fields.checksum;
  let sum = length * 0x20;
  for (const [i, byte] of header.entries()) if (i < offset || i >= offset + length) sum += byte;
  if (octal(header, 'checksum') !== sum) throw new Malformed('an entry of its archive is damaged');
}

async function takeExtended(bytes: ByteReader, size: number): Promise<Buffer> {
  if (size > mostExtendedBytes) throw new Malformed('an entry of its archive is damaged');
  return (await bytes.take(padded(size))).subarray(0, size);
}

/**
 * The size in an extended header of POSIX.1-2001, which holds for the entry after it: eleven octal digits reach to 8 GiB
 * only. It is a row of records `<length of the record> <key>=<value>\n`.
 */
function sizeInExtended(payload: Buffer): number | undefined {
  let size: number | undefined;
  for (let rest = payload.toString('latin1'); rest !== '';) {
    const { length, key, value } = firstRecord(rest);
    if (key === 'size') {
      if (!/^\d{1,15}$/.test(value)) throw new Malformed('the size of an entry of its archive is no number');
      size = Number(value);
    }
    rest = rest.slice(length);
  }
  return size;
}

function firstRecord(records: string): {
  readonly length: number;
  readonly key: string;
  readonly value: string;
} {
  const length = Number(/^\d{1,5}(?= )/.exec(records)?.[0] ?? 0);
  const record = /^\d+ (?<key>[^=]+)=(?<value>.*)\n$/s.exec(records.slice(0, length))?.groups;
  if (record === undefined || length > records.length)
    throw new Malformed('an entry of its archive is damaged');
  return { length, key: record['key'] ?? '', value: record['value'] ?? '' };
}
