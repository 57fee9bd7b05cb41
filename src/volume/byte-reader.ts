// Bytes that come in chunks, read in the pieces that a format is made of.

/** Why bytes are not what they should be. The only way such a finding leaves a reader of a format. */
export class Malformed extends Error {}

/** Holds one chunk at a time, and what was asked for. Each method throws {@link Malformed} where the bytes end too early. */
export interface ByteReader {
  /** The next bytes. Whoever takes a number from the bytes themselves bounds it first: so much is held. */
  take(count: number): Promise<Buffer>;
  /** Passes over bytes, however many. */
  skip(count: number): Promise<void>;
  /** All that is left, in chunks. Nothing else may be read then. */
  rest(): AsyncGenerator<Buffer, void>;
}

export function byteReader(source: AsyncIterable<Buffer>): ByteReader {
  const chunks = source[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);

  /** Gives up to so many bytes of what is held, or of the next chunk. Undefined: it has ended. */
  const some = async (most: number): Promise<Buffer | undefined> => {
    while (held.length === 0) {
      const next = await chunks.next();
      if (next.done === true) return undefined;
      held = next.value;
    }
    const part = held.subarray(0, most);
    held = held.subarray(part.length);
    return part;
  };
  const someMore = async (most: number): Promise<Buffer> => {
    const part = await some(most);
    if (part === undefined) throw new Malformed('it ends too early');
    return part;
  };

  return {
    async take(count) {
      const parts: Buffer[] = [];
      for (let left = count; left > 0; left -= parts.at(-1)?.length ?? 0) parts.push(await someMore(left));
      return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
    },
    async skip(count) {
      for (let left = count; left > 0;) left -= (await someMore(left)).length;
    },
    async *rest() {
      for (let part = await some(Infinity); part !== undefined; part = await some(Infinity)) yield part;
    },
  };
}
