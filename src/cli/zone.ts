// What the clocks on the wall say in a zone, and when they are changed. Pure: the zones are those that Node has with it.

/** A moment from which on the clocks of a zone say something else. */
export interface ClockChange {
  readonly time: Date;
  /** Of the wall, after the change, such as 2026-10-25. */
  readonly date: string;
  /** What is added to UTC, before and after. Milliseconds. */
  readonly beforeMs: number;
  readonly afterMs: number;
}

export interface Zone {
  /** What is added to UTC at a moment. Milliseconds. */
  readonly offsetMs: (at: Date) => number;
}

/** @throws RangeError where there is no such zone */
export function zoneOf(name: string): Zone {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' });
  return { offsetMs: (at) => parsedOffset(format.format(at)) };
}

/** Of a text that ends with GMT, GMT+01:00 or, long ago, GMT-00:44:30. */
function parsedOffset(text: string): number {
  const [, sign, hours, minutes, seconds = '0'] = /GMT([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(text) ?? [];
  const ms = ((Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60 + Number(seconds)) * 1000;
  return sign === '-' ? -ms : ms;
}

/** As RFC 3339 writes it, such as 2026-10-25T02:30:00+01:00. */
export function inZone(zone: Zone, at: Date): string {
  const offsetMs = zone.offsetMs(at);
  const wall = new Date(at.getTime() + offsetMs).toISOString().slice(0, 19);
  return `${wall}${offsetInWords(offsetMs)}`;
}

/** Such as +01:00. RFC 3339 knows no seconds in it. */
export function offsetInWords(offsetMs: number): string {
  const minutes = Math.trunc(Math.abs(offsetMs) / 60_000);
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${offsetMs < 0 ? '-' : '+'}${two(Math.trunc(minutes / 60))}:${two(minutes % 60)}`;
}

const dayMs = 86_400_000;

/** The changes after the one moment and not after the other. Two within a day that undo each other are not seen. */
export function clockChanges(zone: Zone, after: Date, through: Date): readonly ClockChange[] {
  const changes: ClockChange[] = [];
  let from = after.getTime();
  while (from < through.getTime()) {
    const until = Math.min(from + dayMs, through.getTime());
    const change = changeBetween(zone, from, until);
    if (change !== undefined) changes.push(change);
    from = until;
  }
  return changes;
}

function changeBetween(zone: Zone, from: number, until: number): ClockChange | undefined {
  const offsetAt = (ms: number): number => zone.offsetMs(new Date(ms));
  const beforeMs = offsetAt(from);
  if (offsetAt(until) === beforeMs) return undefined;
  let [old, changed] = [from, until];
  while (changed - old > 1) {
    const middle = Math.trunc((old + changed) / 2);
    if (offsetAt(middle) === beforeMs) old = middle;
    else changed = middle;
  }
  const time = new Date(changed);
  return { time, date: inZone(zone, time).slice(0, 10), beforeMs, afterMs: offsetAt(changed) };
}
