// What /proc tells about processes.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Reads below /proc, where a process may end between any two lines. */
function tryRead(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined; // it ended: that is the answer
  }
}

export function allPids(): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** When the process started, in ticks since boot: with its number the one name that is never given twice. */
export function startOf(pid: number): string | undefined {
  const stat = tryRead(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  // The second field is a name, which may itself contain blanks and brackets.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

/** The running processes that have `word` as one of their arguments. A zombie has none. */
export function pidsWithArgument(word: string): readonly number[] {
  return allPids().filter((pid) =>
    tryRead(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
      ?.split('\0')
      .includes(word),
  );
}

/** Identifies the network that a process is in. */
export function networkOf(pid: number): string | undefined {
  return tryRead(() => readlinkSync(`/proc/${pid}/ns/net`));
}

export function kill(pids: Iterable<number>): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // it ended by itself: that is what was wanted
    }
  }
}

/** Asks again and again until the answer is yes. @returns whether that happened in time */
export async function eventually(
  isDone: () => boolean | Promise<boolean>,
  { withinMs, everyMs = 50 }: { withinMs: number; everyMs?: number },
): Promise<boolean> {
  const end = performance.now() + withinMs;
  while (!(await isDone())) {
    if (performance.now() > end) return false;
    await sleep(everyMs);
  }
  return true;
}
