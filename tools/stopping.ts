// How a tool learns that it has to stop: a signal, or the death of who started it.

/** How often to look whether the parent is still there. npm dies by SIGTERM without a word to what it runs. */
const lookMs = 500;

/**
 * Resolves when this process has to go, with the exit code to go with. The first signal stops in order; the second,
 * from somebody who cannot wait, ends the process, and what it leaves is removed by those who watch over it.
 */
export function stopRequested(): Promise<number> {
  const parent = process.ppid;
  return new Promise((resolve) => {
    let asked = false;
    const ask = (code: number): void => {
      if (asked) process.exit(code);
      asked = true;
      resolve(code);
    };
    process.on('SIGINT', () => ask(130));
    process.on('SIGTERM', () => ask(143));
    process.on('SIGHUP', () => ask(129));
    const timer = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(timer);
      ask(143);
    }, lookMs);
    timer.unref();
  });
}
