import type { Log, LogLine } from '../../src/runtime/log.ts';

/** A log that counts its lines per level and forgets them. */
export function quietLog(): Log & { readonly counts: Record<keyof Log, number> } {
  const counts = { debug: 0, info: 0, warn: 0, error: 0 };
  const count =
    (level: keyof Log): LogLine =>
    () => {
      counts[level] += 1;
    };
  return { counts, debug: count('debug'), info: count('info'), warn: count('warn'), error: count('error') };
}
