// What the agent tells the operator: the termination message of a Pod. The whole truth is in runs/<run>.json on the volume.
import * as z from 'zod';
import { isRunReason, isSuccess, reasons, type RunReason } from '../api/reasons.ts';

/** Our own bound, in bytes of UTF-8. The kubelet keeps 4,096 per container, and 12 KiB per Pod. */
const maxBytes = 1024;

const Report = z.object({
  schemaVersion: z.literal(1),
  run: z.string().max(63),
  reason: z.string().refine(isRunReason),
  message: z.string().max(1024),
  /** The type taken. Absent when nothing was published. */
  type: z.enum(['Full', 'Incremental']).optional(),
  fullBecause: z.string().max(64).optional(),
  /** Folder of the point below the root of the volume. */
  path: z.string().max(256).optional(),
  storeID: z.string().max(64).optional(),
  lastTransactionID: z
    .string()
    .max(20)
    .regex(/^[0-9]+$/)
    .optional(),
  sizeBytes: z.int().min(0).optional(),
  completionTime: z.iso.datetime(),
});

export type RunReport = Readonly<Omit<z.output<typeof Report>, 'reason'>> & { readonly reason: RunReason };

/** The exit codes of our containers: how a Pod tells the Job whether another attempt makes sense. */
export const exitCodes = { published: 0, retryable: 10, final: 20 } as const;

/** Nothing else maps a report to an exit code: what was published is never retried, and only what can heal is. */
export function exitCode(report: RunReport): number {
  if (report.path !== undefined) return exitCodes.published;
  return reasons[report.reason].retryable ? exitCodes.retryable : exitCodes.final;
}

/** A report as a termination message: at most 1 KiB, the message cut where it must be, never within a character. */
export function formatReport(report: RunReport): string {
  const message = report.message.toWellFormed();
  const room = maxBytes - Buffer.byteLength(JSON.stringify({ ...report, message: '' }));
  return JSON.stringify({ ...report, message: cut(message, room) });
}

/** The beginning of a text that takes at most so many bytes within JSON, where quotes and line breaks take more. */
export function cut(text: string, mostBytes: number): string {
  if (bytesOf(text) <= mostBytes) return text;
  let left = mostBytes - bytesOf('…');
  let kept = '';
  for (const character of text) {
    left -= bytesOf(character);
    if (left < 0) break;
    kept += character;
  }
  return `${kept}…`;
}

function bytesOf(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2;
}

/** Reads what a container left behind. Undefined for anything that is not a report of this run. */
export function parseReport(message: string | undefined, run: string): RunReport | undefined {
  if (message === undefined || message.length > 4096) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(message);
  } catch {
    return undefined; // a killed container leaves half a line, or nothing
  }
  const parsed = Report.safeParse(json);
  if (!parsed.success || parsed.data.run !== run) return undefined;
  const report = parsed.data as RunReport;
  return isSuccess(report.reason) && report.path === undefined ? undefined : report;
}
