// What of a spec decides when scheduled runs start. Pure.
import type { Timing } from '../api/neo4jbackup.ts';
import { duration } from '../api/patterns.ts';
import type { Neo4jBackup } from './resources.ts';

/** @returns undefined when there is no schedule */
export function timingOf({ spec }: Pick<Neo4jBackup, 'spec'>): Timing | undefined {
  const { schedule, fullSchedule, timeZone, spread, blackoutWindows } = spec;
  if (schedule === undefined && fullSchedule === undefined) return undefined;
  return Object.fromEntries(
    Object.entries({ schedule, fullSchedule, timeZone, spread, blackoutWindows }).filter(
      ([, value]) => value !== undefined,
    ),
  );
}

/** Milliseconds of the units of a span. */
const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of a span, such as 90m, 10h or 2d. Undefined: it is none. */
export function spanMs(text: string): number | undefined {
  const oneMs = unitMs[text.slice(-1)];
  return oneMs === undefined || !duration.test(text) ? undefined : Number(text.slice(0, -1)) * oneMs;
}

/** A time as Kubernetes writes it: to the second. */
export function instant(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** The last second that has four digits for its year, as Kubernetes wants them. */
const lastMs = Date.UTC(9999, 11, 31, 23, 59, 59);

/** A time that anybody may have edited. */
export function instantIn(text: string | undefined): string | undefined {
  const ms = Date.parse(text ?? '');
  return ms >= 0 && ms <= lastMs ? instant(ms) : undefined;
}
