import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aBackup } from '../../test/support/builders.ts';
import type { MemoryNeeds } from '../engine/engine.ts';
import { shareMemory, type Shared } from './memory.ts';

interface Wish {
  readonly limit?: string | number;
  readonly heapSize?: string | number;
  readonly pageCacheSize?: string | number;
}

function shared({ limit, ...tool }: Wish, over: Partial<MemoryNeeds> = {}): Shared {
  const resources = limit === undefined ? {} : { limits: { memory: limit } };
  return shareMemory(
    aBackup({
      spec: { neo4j: { version: '3.4.18', acceptLicenseAgreement: true, tool }, job: { resources } },
    }),
    { leastHeapMiB: 32, besideHeapMiB: 128, takesPageCache: () => true, ...over },
  );
}

describe('shareMemory', () => {
  const cases: readonly { readonly name: string; readonly wish: Wish; readonly heapMiB: number }[] = [
    { name: 'what served every store, without a limit', wish: {}, heapMiB: 256 },
    { name: 'half of a limit', wish: { limit: '2Gi' }, heapMiB: 1024 },
    { name: 'half of 512Mi', wish: { limit: '512Mi' }, heapMiB: 256 },
    { name: 'what the rest leaves of a small limit', wish: { limit: '200Mi' }, heapMiB: 64 },
    { name: 'what a page cache leaves', wish: { limit: '512Mi', pageCacheSize: '256Mi' }, heapMiB: 128 },
    { name: 'the least that serves, of a limit too small', wish: { limit: '64Mi' }, heapMiB: 32 },
    { name: 'what is asked for', wish: { limit: '1Gi', heapSize: '800Mi' }, heapMiB: 800 },
    { name: 'what is asked for, without a limit', wish: { heapSize: '31Gi' }, heapMiB: 31_744 },
    { name: 'whole mebibytes of other units', wish: { heapSize: '1.5G' }, heapMiB: 1430 },
    { name: 'whole mebibytes of bytes', wish: { heapSize: 104_857_600 }, heapMiB: 100 },
  ];
  test.each(cases)('gives the heap $name', ({ wish, heapMiB }) => {
    expect(shared(wish)).toMatchObject({ kind: 'fits', memory: { heapMiB } });
  });

  test('says nothing of a page cache that nobody asked for', () => {
    expect(shared({ limit: '1Gi' })).toEqual({ kind: 'fits', memory: { heapMiB: 512 } });
    expect(shared({ pageCacheSize: '64Mi' })).toEqual({
      kind: 'fits',
      memory: { heapMiB: 256, pageCacheMiB: 64 },
    });
  });

  test('refuses what does not fit, with the numbers', () => {
    expect(shared({ limit: '1Gi', heapSize: '900Mi', pageCacheSize: '100Mi' })).toEqual({
      kind: 'unfit',
      problem:
        'a heap of 900Mi, a page cache of 100Mi and 128Mi for the JVM itself are more than spec.job.resources.limits.memory, which is 1024Mi',
    });
  });

  test('takes what fits to the byte', () => {
    expect(shared({ limit: '1Gi', heapSize: '796Mi', pageCacheSize: '100Mi' }).kind).toBe('fits');
    expect(shared({ limit: '1Gi', heapSize: '797Mi', pageCacheSize: '100Mi' }).kind).toBe('unfit');
  });

  test.each([
    { name: 'below what the tool needs', wish: { heapSize: '31Mi' }, says: 'it needs 32Mi at least' },
    { name: 'of nothing', wish: { heapSize: 0 }, says: 'it needs 32Mi at least' },
    { name: 'of thousandths', wish: { heapSize: '100m' }, says: 'it needs 32Mi at least' },
    { name: 'as a page cache of nothing', wish: { pageCacheSize: 0 }, says: '1Mi at least' },
  ])('refuses memory $name', ({ wish, says }) => {
    expect(shared(wish)).toMatchObject({ kind: 'unfit', problem: expect.stringContaining(says) });
  });

  test('knows what the generation needs', () => {
    expect(shared({ heapSize: '24Mi' }, { leastHeapMiB: 24 }).kind).toBe('fits');
    expect(shared({ limit: '512Mi' }, { besideHeapMiB: 256 })).toMatchObject({ memory: { heapMiB: 248 } });
  });

  test('never chooses a heap that does not fit where one fits', () => {
    fc.assert(
      fc.property(fc.integer({ min: 170, max: 65_536 }), (limitMiB) => {
        const chosen = shared({ limit: `${limitMiB}Mi` });
        expect(chosen.kind === 'fits' ? chosen.memory.heapMiB + 8 + 128 : Infinity).toBeLessThanOrEqual(
          limitMiB,
        );
      }),
    );
  });
});
