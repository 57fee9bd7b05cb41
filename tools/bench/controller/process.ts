// What a process costs: its CPU time and memory, as the kernel counts them.
import { readFileSync } from 'node:fs';

/** The kernel tells of CPU time in hundredths of a second on every machine of ours. */
const ticksPerSecond = 100;

/** Seconds of CPU that the process has used, its own and the kernel's for it. @throws Error when it has ended. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, which stands in brackets, may hold anything; user and system time are the 12th and 13th word after it.
  const words = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(words[11]) + Number(words[12])) / ticksPerSecond;
}

/** What of its memory is resident, in MiB: all of it, and without what it shares with its files. */
export function memory(pid: number): { readonly resident: number; readonly own: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (name: string): number =>
    Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { resident: of('VmRSS'), own: of('RssAnon') };
}
