import { expect, test } from 'vitest';
import { KubeError } from './errors.ts';
import { retryDelayMs } from './retry.ts';

const limits = { attempts: 4, baseMs: 200, maxWaitMs: 5_000 };
const cut = new KubeError('unavailable', 'reset');
const turnedAway = new KubeError('tooManyRequests', 'slow down', { status: 429, retryAfterMs: 1_000 });
const notReady = new KubeError('unavailable', 'starting', { status: 503, retryAfterMs: 1_000 });

interface Case {
  readonly name: string;
  readonly error: unknown;
  readonly attempt?: number;
  readonly reads: boolean;
  readonly delayMs: number | undefined;
}

/** With a random of 0.5. */
const cases: readonly Case[] = [
  { name: 'repeats a read after a cut connection', error: cut, reads: true, delayMs: 100 },
  { name: 'waits longer each time', error: cut, attempt: 3, reads: true, delayMs: 400 },
  { name: 'gives up after the last attempt', error: cut, attempt: 4, reads: true, delayMs: undefined },
  { name: 'leaves a write alone whose answer was lost', error: cut, reads: false, delayMs: undefined },
  { name: 'repeats a write that was turned away', error: turnedAway, reads: false, delayMs: 1_125 },
  { name: 'repeats a write that met a server not ready', error: notReady, reads: false, delayMs: 1_125 },
  {
    name: 'leaves a write alone when a server not ready does not say when to come',
    error: new KubeError('unavailable', 'starting', { status: 503 }),
    reads: false,
    delayMs: undefined,
  },
  {
    name: 'leaves a write alone that timed out, whatever the header says',
    error: new KubeError('unavailable', 'timeout', { status: 504, retryAfterMs: 1_000 }),
    reads: false,
    delayMs: undefined,
  },
  {
    name: 'leaves a long wait to the caller',
    error: new KubeError('tooManyRequests', 'slow down', { status: 429, retryAfterMs: 5_001 }),
    reads: true,
    delayMs: undefined,
  },
  {
    name: 'does not repeat what is refused',
    error: new KubeError('forbidden', 'no'),
    reads: true,
    delayMs: undefined,
  },
  {
    name: 'does not repeat what it does not know',
    error: new TypeError('oops'),
    reads: true,
    delayMs: undefined,
  },
];

test.for(cases)('$name', ({ error, attempt = 1, reads, delayMs }) => {
  expect(retryDelayMs({ error, attempt, reads }, limits, () => 0.5)).toBe(delayMs);
});
