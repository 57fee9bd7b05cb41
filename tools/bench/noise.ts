// How even this machine is: one and the same job for one core, again and again.
import { createHash } from 'node:crypto';

const block = Buffer.alloc(16 * 1024 * 1024);

/** Hashes 256 MiB. @returns milliseconds: they differ by nothing but what else the machine does */
export function fixedJob(): number {
  const begun = performance.now();
  const hash = createHash('sha256');
  for (let i = 0; i < 16; i += 1) hash.update(block);
  hash.digest();
  return performance.now() - begun;
}
