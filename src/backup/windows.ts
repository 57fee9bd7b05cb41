// When the schedules start nothing. Pure.
import type { Timing } from '../api/neo4jbackup.ts';

/** From the first moment on, until just before the second one. */
export interface Span {
  readonly from: Date;
  readonly until: Date;
}

export interface Windows {
  /** When the window that this time lies in ends, with those that follow upon it without a gap. Undefined: it lies in none. */
  readonly endOf: (at: Date) => Date | undefined;
  /** The windows that have a part in this span, without gaps put together, oldest first; cut to it. */
  readonly within: (span: Span) => readonly Span[];
}

export type ParsedWindows =
  | { readonly kind: 'valid'; readonly windows: Windows }
  /** `problem` goes on after `spec.blackoutWindows[<at>].<field> is "…": `. */
  | {
      readonly kind: 'invalid';
      readonly at: number;
      readonly field: 'schedule' | 'duration';
      readonly problem: string;
    };

export function windowsOf(timing: Timing): ParsedWindows {
  void timing;
  return { kind: 'valid', windows: { endOf: () => undefined, within: () => [] } };
}
