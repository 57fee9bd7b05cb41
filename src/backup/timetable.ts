// The moments of the schedules of one resource, without blackout windows and spread. Pure.
import type { Timing } from '../api/neo4jbackup.ts';

/** A moment of the schedules. Both at once are one moment, of a full backup. */
export interface Moment {
  readonly time: Date;
  readonly isFull: boolean;
}

export interface Timetable {
  /** The newest moment that is not after this time. Undefined: there was none yet. */
  readonly newest: (at: Date) => Moment | undefined;
  /** The first moment after this time. */
  readonly next: (after: Date) => Moment | undefined;
  /** The same, of full backups alone. */
  readonly newestFull: (at: Date) => Date | undefined;
  readonly nextFull: (after: Date) => Date | undefined;
  /** How many moments are after the one time and not after the other. */
  readonly count: (after: Date, through: Date) => number;
}

export type ParsedTimetable =
  | { readonly kind: 'valid'; readonly timetable: Timetable }
  /** `problem` goes on after `spec.<field> is "…": `. */
  | {
      readonly kind: 'invalid';
      readonly field: 'schedule' | 'fullSchedule' | 'timeZone';
      readonly problem: string;
    };

/** @returns undefined when there is no schedule */
export function timetableOf(timing: Timing): ParsedTimetable | undefined {
  void timing;
  return undefined;
}
