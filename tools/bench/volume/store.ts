// A store as large as one likes, of bytes that do not compress: what copies and hashes never looks at what is in them.
import { closeSync, mkdirSync, openSync, readdirSync, writeSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join, relative } from 'node:path';
import { makeStore } from '../../../test/support/volume.ts';

/** How a store of some size is spread over its files: relationships and properties first, and many small ones. */
const shares: Readonly<Record<string, number>> = {
  'neostore.relationshipstore.db': 0.45,
  'neostore.propertystore.db': 0.3,
  'neostore.propertystore.db.strings': 0.15,
  'neostore.nodestore.db': 0.1,
};

const blockBytes = 4 * 1_048_576;

/** Writes a store of so many bytes. */
export function makeLargeStore(folder: string, sizeBytes: number): void {
  mkdirSync(folder, { recursive: true });
  makeStore(folder, { lastTransactionId: 8n });
  const block = randomBytes(blockBytes);
  for (const [name, share] of Object.entries(shares)) {
    const file = openSync(join(folder, name), 'w');
    for (let left = Math.floor(sizeBytes * share); left > 0; left -= blockBytes) {
      block.writeUInt32LE(left % 2 ** 32, 0); // no two blocks alike
      writeSync(file, block, 0, Math.min(left, blockBytes));
    }
    closeSync(file);
  }
}

/** The files of a folder. */
export function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted();
}
