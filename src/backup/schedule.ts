// When a schedule strikes: arithmetic alone, in UTC. Nothing is started by a timer of the library. Pure.
import { Cron } from 'croner';

export interface Schedule {
  /** The newest moment that is not after this one. Undefined: there was none yet. */
  readonly newest: (now: Date) => Date | undefined;
  /** The first moment after this one. */
  readonly next: (now: Date) => Date | undefined;
}

export type Parsed =
  | { readonly kind: 'valid'; readonly schedule: Schedule }
  /** In words that go on after `it is "…": `. */
  | { readonly kind: 'invalid'; readonly problem: string };

/** Each pass over a resource asks, and to read a schedule takes longer than all the rest of a pass. */
const known = new Map<string, Parsed>();
const mostKnown = 1_000;

/** Five fields, or a name such as @daily. Seconds are refused: nobody reads a volume back so often. */
export function parseSchedule(text: string): Parsed {
  const before = known.get(text);
  if (before !== undefined) return before;
  const parsed = parse(text);
  if (known.size >= mostKnown) known.clear();
  known.set(text, parsed);
  return parsed;
}

function parse(text: string): Parsed {
  const cron = cronOf(text);
  if (typeof cron === 'string') return { kind: 'invalid', problem: cron };
  const schedule: Schedule = {
    // The library leaves out a run at the very moment that it is asked for.
    newest: (now) => cron.previousRuns(1, new Date(now.getTime() + 1))[0],
    next: (now) => cron.nextRun(now) ?? undefined,
  };
  const anyTime = new Date('2026-01-01T00:00:00Z');
  return schedule.next(anyTime) === undefined
    ? { kind: 'invalid', problem: 'there is no such day' }
    : { kind: 'valid', schedule };
}

function cronOf(text: string): Cron | string {
  try {
    return new Cron(text, { timezone: 'UTC', mode: '5-part' });
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    return said.replace(/^\w+: /, '');
  }
}
