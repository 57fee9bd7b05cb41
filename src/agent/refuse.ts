// Which destinations no Job touches: those of others, and those of a newer operator.
import type { RunReport } from '../run/report.ts';
import type { Destination } from '../volume/catalogue.ts';
import type { Point } from '../volume/manifest.ts';
import type { Context } from './context.ts';
import { failedReport } from './results.ts';

/** The report for a destination that must not be touched. */
export function refuse(context: Context, destination: Destination<Point>): RunReport | undefined {
  if (destination.kind === 'foreign') {
    const named = destination.entries.slice(0, 3).join(', ');
    const more = destination.entries.length > 3 ? ` and ${destination.entries.length - 3} more` : '';
    return failedReport(
      context,
      'DestinationNotABackup',
      `The folder ${context.request.path} of the volume holds ${named}${more}`,
    );
  }
  if (destination.kind === 'tooNew')
    return failedReport(
      context,
      'LayoutTooNew',
      `The destination has layout version ${destination.schemaVersion}`,
    );
  return undefined;
}
