// How the memory of the tool's container is shared out: heap, page cache, and what a JVM needs beside them. Pure.
import { numberOf } from '../api/quantity.ts';
import type { MemoryNeeds } from '../engine/engine.ts';
import type { Neo4jBackup } from './resources.ts';

export interface Memory {
  readonly heapMiB: number;
  /** Absent: as the tool has it. */
  readonly pageCacheMiB?: number;
}

export type Shared =
  { readonly kind: 'fits'; readonly memory: Memory } | { readonly kind: 'unfit'; readonly problem: string };

/** What the tools make their page cache when they are not told, by their own help and manuals, in MiB. */
const ownPageCacheMiB = 8;

/** Where nobody limits the container: it served every store that was tried, and fits into the default request of 512 MiB. */
const defaultHeapMiB = 256;

/** Whole mebibytes of a quantity that the schema has let through. */
function mebibytes(quantity: string | number): number {
  return Math.floor(numberOf(quantity) / 1024 ** 2);
}

/** What the spec says, in MiB. */
interface Wished {
  readonly limitMiB: number | undefined;
  readonly heapMiB: number | undefined;
  readonly pageCacheMiB: number | undefined;
}

function wishedBy({ spec }: Neo4jBackup): Wished {
  const whole = (quantity: string | number | undefined): number | undefined =>
    quantity === undefined ? undefined : mebibytes(quantity);
  const { heapSize, pageCacheSize } = spec.neo4j.tool ?? {};
  const limit = spec.job.resources?.limits?.memory;
  return { limitMiB: whole(limit), heapMiB: whole(heapSize), pageCacheMiB: whole(pageCacheSize) };
}

/**
 * Shares the memory out. What a user sets is taken as it is, or refused with the numbers; what is not set is chosen so that
 * it fits: half of the limit for the heap, since the check of a large store keeps much outside of it.
 */
export function shareMemory(backup: Neo4jBackup, needs: MemoryNeeds): Shared {
  const wished = wishedBy(backup);
  const problem = tooSmall(wished, needs) ?? tooLarge(wished, needs);
  if (problem !== undefined) return { kind: 'unfit', problem };
  const { pageCacheMiB } = wished;
  const heapMiB = heapOf(wished, needs);
  return { kind: 'fits', memory: { heapMiB, ...(pageCacheMiB === undefined ? {} : { pageCacheMiB }) } };
}

function heapOf(
  { heapMiB, limitMiB, pageCacheMiB = ownPageCacheMiB }: Wished,
  { leastHeapMiB, besideHeapMiB }: MemoryNeeds,
): number {
  if (heapMiB !== undefined) return heapMiB;
  if (limitMiB === undefined) return defaultHeapMiB;
  const roomMiB = limitMiB - pageCacheMiB - besideHeapMiB;
  // A limit that is too small even so is the user's to see: the tool is tried, and runs out of memory.
  return Math.max(leastHeapMiB, Math.min(roomMiB, Math.floor(limitMiB / 2)));
}

function tooSmall(
  { heapMiB = Infinity, pageCacheMiB }: Wished,
  { leastHeapMiB }: MemoryNeeds,
): string | undefined {
  if (heapMiB < leastHeapMiB)
    return `a heap of ${heapMiB}Mi is too small for the tool: it needs ${leastHeapMiB}Mi at least`;
  return pageCacheMiB === 0 ? 'a page cache is 1Mi at least' : undefined;
}

function tooLarge(wished: Wished, needs: MemoryNeeds): string | undefined {
  const { limitMiB = Infinity, pageCacheMiB = ownPageCacheMiB } = wished;
  if (wished.heapMiB === undefined && wished.pageCacheMiB === undefined) return undefined;
  const heapMiB = heapOf(wished, needs);
  const { besideHeapMiB } = needs;
  if (heapMiB + pageCacheMiB + besideHeapMiB <= limitMiB) return undefined;
  return `a heap of ${heapMiB}Mi, a page cache of ${pageCacheMiB}Mi and ${besideHeapMiB}Mi for the JVM itself are more than spec.job.resources.limits.memory, which is ${limitMiB}Mi`;
}
