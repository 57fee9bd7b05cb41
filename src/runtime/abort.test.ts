import { expect, test } from 'vitest';
import { unlessAborted } from './abort.ts';

const never = new Promise<string>(() => undefined);

test('brings what the promise brings', async () => {
  const { signal } = new AbortController();
  await expect(unlessAborted(Promise.resolve('done'), signal)).resolves.toBe('done');
  await expect(unlessAborted(Promise.reject(new Error('failed')), signal)).rejects.toThrow('failed');
});

test('waits no longer than the signal allows', async () => {
  const stop = new AbortController();
  const waiting = unlessAborted(never, stop.signal);
  stop.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  await expect(unlessAborted(never, stop.signal)).rejects.toThrow('enough');
});

test('a failure that comes after the abort is nobody’s unhandled rejection', async () => {
  const stop = new AbortController();
  const late = Promise.withResolvers<string>();
  const waiting = unlessAborted(late.promise, stop.signal);
  stop.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  late.reject(new Error('too late'));
  // Node tells of an unhandled rejection when the turn is over; vitest then fails the run.
  await new Promise((resolve) => setImmediate(resolve));
});
