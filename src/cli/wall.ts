// Times as the clocks on the wall show them in a zone, and when those are changed. Pure.
import type { Zone } from '../backup/zone.ts';

/** A moment from which on the clocks of a zone say something else. */
export interface ClockChange {
  readonly time: Date;
  /** Of the wall, after the change, such as 2026-10-25. */
  readonly date: string;
  /** What is added to UTC, before and after, such as +01:00. */
  readonly before: string;
  readonly after: string;
}

/** As RFC 3339 writes it, such as 2026-10-25T02:30:00+01:00. */
export function onWall(zone: Zone, at: Date): string {
  const { offset } = zone.stretchAt(at.getTime());
  const wall = new Date(at.getTime() + offset).toISOString().slice(0, 19);
  return `${wall}${offsetInWords(offset)}`;
}

/** RFC 3339 knows no seconds in it, as zones had them long ago. */
function offsetInWords(offsetMs: number): string {
  const minutes = Math.trunc(Math.abs(offsetMs) / 60_000);
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${offsetMs < 0 ? '-' : '+'}${two(Math.trunc(minutes / 60))}:${two(minutes % 60)}`;
}

/** The changes after the one moment and before the other. */
export function clockChanges(zone: Zone, from: Date, until: Date): readonly ClockChange[] {
  const changes: ClockChange[] = [];
  let stretch = zone.stretchAt(from.getTime());
  while (stretch.until < until.getTime()) {
    const next = zone.stretchAt(stretch.until);
    // A stretch ends with the year, too.
    if (next.offset !== stretch.offset) {
      const time = new Date(next.from);
      const [before, after] = [offsetInWords(stretch.offset), offsetInWords(next.offset)];
      changes.push({ time, date: onWall(zone, time).slice(0, 10), before, after });
    }
    stretch = next;
  }
  return changes;
}
