// A log, as far as the runtime writes to one.
/** One log line: what happened in a few fixed words, and the facts as fields. Never throws. */
export type LogLine = (fields: Readonly<Record<string, unknown>>, message: string) => void;

export interface Log {
  readonly debug: LogLine;
  readonly info: LogLine;
  readonly warn: LogLine;
  readonly error: LogLine;
}
