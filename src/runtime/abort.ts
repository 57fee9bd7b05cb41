/**
 * What the promise brings, or the signal's reason as soon as that aborts: for waiting on somebody who may not hear it. What
 * the promise brings later is lost.
 *
 * @throws the signal's reason, and what the promise rejects with.
 */
export async function unlessAborted<R>(promise: Promise<R>, signal: AbortSignal): Promise<R> {
  const aborted = Promise.withResolvers<never>();
  const stop = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await Promise.race([aborted.promise, promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
