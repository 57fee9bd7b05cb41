// The content of a file, read from its beginning to its end, one chunk ahead of whoever works on it.
import type { FileHandle } from 'node:fs/promises';

/**
 * How much is read at a time. Bytes. Measured from 64 KiB to 4 MiB: below it the calls cost, above it a chunk is no longer
 * in the processor's cache when it is hashed.
 */
const chunkBytes = 262_144;

/**
 * The chunks of a file. While one is worked on the next is read into the other of two buffers: a chunk holds for as long as
 * no other is asked for.
 * @throws the system error of a read that fails
 */
export async function* chunksOf(file: FileHandle): AsyncGenerator<Buffer, void> {
  const { size } = await file.stat();
  const length = Math.max(1, Math.min(size, chunkBytes)); // most files of a store are small
  let [filling, other] = [Buffer.allocUnsafe(length), Buffer.allocUnsafe(length)];
  let read = file.read(filling, 0, length);
  try {
    for (;;) {
      const { bytesRead, buffer } = await read;
      if (bytesRead === 0) return;
      [filling, other] = [other, filling];
      read = file.read(filling, 0, length);
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    // Whoever stops early leaves a read behind that nobody waits for.
    await read.catch(() => undefined);
  }
}
