// Both ends of an output of any length, in bounded memory: what the engine script keeps of what the tool prints.
import { withoutEscapes } from '../api/plain.ts';

const elided = Buffer.from('\n[…]\n');

/** Head and tail as one text. A tail that is not full goes on where the head ends. */
export function joinEnds(head: Buffer, tail: Buffer, mostBytes: number): Buffer {
  return Buffer.concat(tail.length < mostBytes ? [head, tail] : [head, elided, tail]);
}

/** Reads all of a stream, and keeps so many bytes at either end. */
export async function keepEnds(stream: AsyncIterable<Buffer>, mostBytes: number): Promise<Buffer> {
  const head: Buffer[] = [];
  let headBytes = 0;
  let tail: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    const first = chunk.subarray(0, mostBytes - headBytes);
    if (first.length > 0) head.push(first);
    headBytes += first.length;
    tail = Buffer.concat([tail, chunk.subarray(first.length)]).subarray(-mostBytes);
  }
  return joinEnds(Buffer.concat(head), tail, mostBytes);
}

/** What the engines read: the text, without colours and the like, in which their marks would hide. */
export function readKept(bytes: Buffer): string {
  return withoutEscapes(bytes.toString('utf8'));
}
