// How a tool learns that it has to stop: a signal, or the death of who started it.
import { readFileSync } from 'node:fs';

/** How often to look whether who started us is still there. Milliseconds. */
const lookMs = 500;

/** npm, its shell, and the npm of the script that called ours: npm dies by SIGTERM without a word to what it runs. */
const npmLevels = 3;

/** The processes that started us, nearest first: the parent, or under npm all those of ours up to the first script. */
function starters(): string {
  const levels = process.env['npm_lifecycle_event'] === undefined ? 1 : npmLevels;
  const found = [process.ppid];
  while (found.length < levels) found.push(parentOf(found.at(-1) ?? 0));
  return found.join(' ');
}

/** 0 when there is no such process, any more. */
function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0; // it ended between two looks
  }
}

/**
 * Resolves when this process has to go, with the exit code to go with. The first signal stops in order; the second,
 * from somebody who cannot wait, ends the process, and what it leaves is removed by those who watch over it.
 */
export function stopRequested(): Promise<number> {
  const before = starters();
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
      if (starters() === before) return;
      clearInterval(timer);
      if (!asked) ask(143);
    }, lookMs);
    timer.unref();
  });
}
