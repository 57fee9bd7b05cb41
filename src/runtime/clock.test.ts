import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from './clock.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

test('after waits for a delay that is longer than a timer of Node can be', () => {
  const fired = vi.fn<() => void>();
  const delayMs = 60 * 24 * 3_600_000;
  systemClock.after(delayMs, fired);
  vi.advanceTimersByTime(delayMs - 1);
  expect(fired).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(fired).toHaveBeenCalledTimes(1);
});

test('after never calls back once it was cancelled, also in a later stretch', () => {
  const fired = vi.fn<() => void>();
  const delayMs = 60 * 24 * 3_600_000;
  const cancel = systemClock.after(delayMs, fired);
  vi.advanceTimersByTime(delayMs - 1);
  cancel();
  vi.advanceTimersByTime(delayMs);
  expect(fired).not.toHaveBeenCalled();
});

test('sleep ends at its time', async () => {
  const slept = systemClock.sleep(1_000, new AbortController().signal);
  vi.advanceTimersByTime(1_000);
  await expect(slept).resolves.toBeUndefined();
});

test('sleep rejects with the reason as soon as its signal aborts, and leaves no timer', async () => {
  const stop = new AbortController();
  const slept = systemClock.sleep(1_000, stop.signal);
  stop.abort(new Error('stopped'));
  await expect(slept).rejects.toThrow('stopped');
  expect(vi.getTimerCount()).toBe(0);
});

test('sleep rejects at once when its signal has already aborted', async () => {
  await expect(systemClock.sleep(1_000, AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped');
  expect(vi.getTimerCount()).toBe(0);
});
