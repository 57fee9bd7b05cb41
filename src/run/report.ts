// What the agent tells the operator: the termination message of a Pod. The whole truth is in runs/<run>.json on the volume.
import * as z from 'zod';
import { RetentionStatus, VolumeStatus } from '../api/neo4jbackup.ts';
import { plain } from '../api/plain.ts';
import { isRunReason, isSuccess, reasons, type RunReason } from '../api/reasons.ts';
import { shortList } from './upkeep.ts';

/**
 * Our own bound of what every report says, in bytes of UTF-8, and of a report with a list of databases. The kubelet keeps
 * 4,096 per container, and 12 KiB per Pod.
 */
const maxBytes = 1024;
const mostMessageBytes = 3_800;

/** More databases than this are told of in the record on the volume alone. */
const mostDatabases = 32;

/** Past runs that a report tells of. */
export const mostPast = 10;

const reason = z.string().refine(isRunReason);
const transactionID = z
  .string()
  .max(20)
  .regex(/^[0-9]+$/);

/** What is known of a backup that was published. */
const facts = {
  /** The type taken. Absent when nothing was published. */
  type: z.enum(['Full', 'Incremental', 'Mixed']).optional(),
  fullBecause: z.string().max(64).optional(),
  /** Folder of the point below the root of the volume, or the artifact. Of several databases: the folder of the destination. */
  path: z.string().max(256).optional(),
  storeID: z.string().max(64).optional(),
  /** The first transaction that an increment brought. */
  firstTransactionID: transactionID.optional(),
  lastTransactionID: transactionID.optional(),
  sizeBytes: z.int().min(0).optional(),
  consistencyCheck: z.enum(['Consistent', 'Inconsistent', 'NotChecked']).optional(),
};

const DatabaseReport = z.object({
  name: z.string().max(63),
  reason,
  /** Of a failure. */
  message: z.string().max(256).optional(),
  ...facts,
});

/** A run of which there is a record on the volume, in short. */
const PastReport = z.object({
  run: z.string().max(63),
  reason,
  requestedType: z.enum(['Auto', 'Full']),
  triggerID: z.string().max(63).optional(),
  /** When its Job was made. */
  createdTime: z.iso.datetime(),
  completionTime: z.iso.datetime(),
  type: facts.type,
  path: facts.path,
  lastTransactionID: facts.lastTransactionID,
  sizeBytes: facts.sizeBytes,
});

const Report = z.object({
  schemaVersion: z.literal(1),
  run: z.string().max(63),
  reason,
  message: z.string().max(1024),
  ...facts,
  neo4jVersion: z.string().max(32).optional(),
  /** Where databases have names: how each ended, the failed ones first. */
  databases: z.array(DatabaseReport).max(mostDatabases).optional(),
  databasesSucceeded: z.int().min(0).optional(),
  databasesFailed: z.int().min(0).optional(),
  /** True: the list above is not whole; runs/<run>.json is. */
  truncated: z.literal(true).optional(),
  completionTime: z.iso.datetime(),
  /** How the run left the volume, and what retention did there. Neither is ever worth the rest: they go first when room is scarce. */
  volume: VolumeStatus.optional(),
  retention: RetentionStatus.optional(),
  /** What the volume remembers of the runs before this one, the newest first: status and Jobs may have been lost since. */
  past: z.array(PastReport).max(mostPast).optional(),
});

type WithReason<T> = Readonly<Omit<T, 'reason'>> & { readonly reason: RunReason };
export type DatabaseReport = WithReason<z.output<typeof DatabaseReport>>;
export type PastReport = WithReason<z.output<typeof PastReport>>;
export type RunReport = Omit<WithReason<z.output<typeof Report>>, 'databases' | 'past'> & {
  readonly databases?: readonly DatabaseReport[] | undefined;
  readonly past?: readonly PastReport[] | undefined;
};

/** The exit codes of our containers: how a Pod tells the Job whether another attempt makes sense. */
export const exitCodes = { published: 0, retryable: 10, final: 20 } as const;

/** Nothing else maps a report to an exit code: what was published is never retried, and only what can heal is. */
export function exitCode(report: RunReport): number {
  if (report.reason === 'PartiallySucceeded') {
    const failed = (report.databases ?? []).filter(({ path }) => path === undefined);
    return failed.some((database) => reasons[database.reason].retryable)
      ? exitCodes.retryable
      : exitCodes.final;
  }
  if (report.path !== undefined) return exitCodes.published;
  return reasons[report.reason].retryable ? exitCodes.retryable : exitCodes.final;
}

/**
 * A report as a termination message: its core in at most 1 KiB, the message cut where it must be, never within a character;
 * then what else the kubelet takes: databases, the failed ones first; how the volume is; what retention did; runs of the past.
 */
export function formatReport({ databases, volume, retention, past, ...report }: RunReport): string {
  const message = plain(report.message);
  const room = maxBytes - Buffer.byteLength(JSON.stringify({ ...report, message: '' }));
  let told: object = { ...report, message: cut(message, room) };
  const add = (part: object): boolean => {
    const isFitting = Buffer.byteLength(JSON.stringify({ ...told, ...part })) <= mostMessageBytes;
    if (isFitting) told = { ...told, ...part };
    return isFitting;
  };
  if (databases !== undefined) addDatabases(add, databases, report.truncated === true);
  if (volume !== undefined) add({ volume });
  if (retention !== undefined)
    [40, 20, 10, 5, 0].some((most) => add({ retention: shortList(retention, most) }));
  for (let count = Math.min(past?.length ?? 0, mostPast); count > 0; count -= 1)
    if (add({ past: past?.slice(0, count) })) break;
  return JSON.stringify(told);
}

function addDatabases(
  add: (part: object) => boolean,
  databases: readonly DatabaseReport[],
  isCut: boolean,
): void {
  for (let count = Math.min(databases.length, mostDatabases); count >= 0; count -= 1) {
    const kept = databases.slice(0, count).map(plainly);
    const isWhole = kept.length === databases.length && !isCut;
    if (add({ databases: kept, ...(isWhole ? {} : { truncated: true }) })) return;
  }
}

/** With a message, if there is one, that anybody may read on any terminal. */
function plainly<T extends { readonly message?: string | undefined }>(told: T): T {
  return told.message === undefined ? told : { ...told, message: plain(told.message) };
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
  return message === undefined || message.length > 4096 ? undefined : reportIn(parseJSON(message), run);
}

/** The report within a run's record, which holds more, and every database. Undefined for anything else. */
export function reportInRecord(record: object, run: string): RunReport | undefined {
  const { databases: told } = record as { readonly databases?: unknown };
  const databases = Array.isArray(told) ? told : [];
  if (databases.length <= mostDatabases) return reportIn(record, run);
  return reportIn({ ...record, databases: databases.slice(0, mostDatabases), truncated: true }, run);
}

function parseJSON(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a killed container leaves half a line, or nothing
  }
}

function reportIn(json: unknown, run: string): RunReport | undefined {
  const parsed = Report.safeParse(json);
  if (!parsed.success || parsed.data.run !== run) return undefined;
  const told = plainly(parsed.data as RunReport);
  const report = told.databases === undefined ? told : { ...told, databases: told.databases.map(plainly) };
  const tellsOfABackup = isSuccess(report.reason) || report.reason === 'PartiallySucceeded';
  return tellsOfABackup && report.path === undefined ? undefined : report;
}
