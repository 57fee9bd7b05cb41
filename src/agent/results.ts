// From how each database ended to one report of the run. Pure.
import { explain, isSuccess, type RunReason } from '../api/reasons.ts';
import type { Engine } from '../engine/engine.ts';
import type { DatabaseReport, RunReport } from '../run/report.ts';
import type { RunRequest } from '../run/request.ts';
import { placeOf } from '../volume/layout.ts';
import type { Manifest } from '../volume/manifest.ts';

/** How one database ended. What was published is told by its manifest alone: a second attempt has no more to go by. */
export type Result =
  | { readonly kind: 'published'; readonly manifest: Manifest }
  | {
      readonly kind: 'failed';
      readonly database: string;
      readonly reason: RunReason;
      readonly detail?: string;
    };

/** What a report is made of, beside the results. */
export interface Told {
  readonly request: RunRequest;
  readonly engine: Engine;
  readonly now: () => Date;
}

/** The report of a run in which nothing was taken, for a reason that concerns all of it. */
export function failedReport(told: Told, reason: RunReason, detail?: string): RunReport {
  const { request, now } = told;
  return {
    schemaVersion: 1,
    run: request.run,
    reason,
    message: [explain(reason, detail), settingsFor(told, reason, detail)].join('').slice(0, 1024),
    neo4jVersion: request.neo4jVersion,
    completionTime: now().toISOString(),
  };
}

/** The server's settings that a reason is about, as this version of it calls them; once. */
function settingsFor({ engine, request }: Told, reason: RunReason, detail = ''): string {
  const { enabled, listen, tls = '' } = engine.settings;
  const ofVersion = `With Neo4j ${request.neo4jVersion}`;
  if (reason === 'PortUnreachable' && !detail.includes(listen))
    return ` ${ofVersion} these are ${enabled}=true and ${listen}=0.0.0.0:${request.source.port}.`;
  if (reason === 'TLSHandshakeFailed' && !detail.includes(tls))
    return ` ${ofVersion} the setting of the server is ${tls}.`;
  return '';
}

/**
 * The report of a run.
 * @param results one for each database at least
 */
export function reportOf(told: Told, results: readonly Result[]): RunReport {
  const [only] = results;
  if (told.engine.databases === 'one' && only !== undefined) return reportOfOne(told, only);
  const databases = results.map((result) => databaseReport(told, result));
  const failed = databases.filter(({ path }) => path === undefined);
  const taken = databases.filter(({ path }) => path !== undefined);
  const counts = { databasesSucceeded: taken.length, databasesFailed: failed.length };
  const worstFirst = [
    ...failed,
    ...taken.toSorted((a, b) => Number(isSuccess(a.reason)) - Number(isSuccess(b.reason))),
  ];
  const whole =
    only !== undefined && results.length === 1
      ? reportOfOne(told, only)
      : reportOfMany(told, results, databases);
  return { ...whole, databases: worstFirst, ...counts };
}

function reportOfOne(told: Told, result: Result): RunReport {
  if (result.kind === 'failed') return failedReport(told, result.reason, result.detail);
  const { manifest } = result;
  const { type, fullBecause, lastTransactionID, completionTime } = manifest;
  const reason = reasonOf(manifest);
  const what =
    `${type === 'Full' ? 'A full' : 'An incremental'} backup up to transaction ${lastTransactionID} was taken, read back and verified` +
    (fullBecause === undefined ? '' : ` (full because ${fullBecause})`);
  const hint =
    fullBecause === 'LogsPruned'
      ? ` Have the server keep its logs for longer with ${told.engine.settings.retention}.`
      : '';
  return {
    schemaVersion: 1,
    run: told.request.run,
    reason,
    message: reason === 'Inconsistent' ? explain(reason) : `${what}.${hint}`,
    ...factsOf(told, manifest),
    neo4jVersion: manifest.neo4jVersion,
    completionTime,
  };
}

function reportOfMany(
  told: Told,
  results: readonly Result[],
  databases: readonly DatabaseReport[],
): RunReport {
  const manifests = results.flatMap((result) => (result.kind === 'published' ? [result.manifest] : []));
  const failed = databases.filter(({ path }) => path === undefined);
  if (manifests.length === 0) {
    const [first] = failed;
    const detail = `None of ${databases.length} databases was backed up. ${listed(failed)}`;
    return failedReport(told, first?.reason ?? 'ArtifactMissing', detail);
  }
  const types = new Set(manifests.map(({ type }) => type));
  const [type = 'Full'] = types;
  const reason = reasonOfMany(databases, types);
  return {
    schemaVersion: 1,
    run: told.request.run,
    reason,
    message: messageOfMany(reason, databases, manifests).slice(0, 1024),
    type: types.size > 1 ? 'Mixed' : type,
    path: told.request.path,
    sizeBytes: manifests.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    neo4jVersion: told.request.neo4jVersion,
    completionTime:
      manifests
        .map(({ completionTime }) => completionTime)
        .toSorted()
        .at(-1) ?? told.now().toISOString(),
  };
}

function reasonOfMany(databases: readonly DatabaseReport[], types: ReadonlySet<string>): RunReason {
  if (databases.some(({ path }) => path === undefined)) return 'PartiallySucceeded';
  if (databases.some(({ reason }) => reason === 'Inconsistent')) return 'Inconsistent';
  if (types.size > 1) return 'BackupsTaken';
  return types.has('Full') ? 'FullBackupTaken' : 'IncrementalBackupTaken';
}

function messageOfMany(
  reason: RunReason,
  databases: readonly DatabaseReport[],
  manifests: readonly Manifest[],
): string {
  const count = (type: Manifest['type']): number =>
    manifests.filter((manifest) => manifest.type === type).length;
  const parts = [
    [count('Full'), 'in full'],
    [count('Incremental'), 'incrementally'],
  ].flatMap(([n, how]) => (n === 0 ? [] : [`${n} ${how}`]));
  const taken = `${manifests.length} of ${databases.length} databases were backed up, read back and verified (${parts.join(', ')})`;
  const bad = databases.filter((database) => !isSuccess(database.reason));
  return isSuccess(reason) ? `${taken}.` : explain(reason, `${taken}. ${listed(bad)}`);
}

/** A few of the databases that failed, and how: all are in the list beside. */
function listed(failed: readonly DatabaseReport[]): string {
  const some = failed.slice(0, 3).map(({ name, reason }) => `${name}: ${reason}`);
  return `${some.join(', ')}${failed.length > some.length ? ` and ${failed.length - some.length} more` : ''}`;
}

function databaseReport(told: Told, result: Result): DatabaseReport {
  if (result.kind === 'published') {
    const { manifest } = result;
    return { name: manifest.database, reason: reasonOf(manifest), ...factsOf(told, manifest) };
  }
  const { database, reason, detail } = result;
  const message = detail === undefined ? {} : { message: detail.slice(0, 256).toWellFormed() };
  return { name: database, reason, ...message };
}

function reasonOf({ consistent, type }: Manifest): RunReason {
  if (consistent === false) return 'Inconsistent';
  return type === 'Full' ? 'FullBackupTaken' : 'IncrementalBackupTaken';
}

function factsOf({ request }: Told, manifest: Manifest): Omit<DatabaseReport, 'name' | 'reason' | 'message'> {
  const { type, fullBecause, storeID, firstTransactionID, lastTransactionID, sizeBytes, consistent, files } =
    manifest;
  const { data } = placeOf(manifest);
  // Of an artifact people want the file, of a store the folder of its point.
  const [file] = files;
  const path =
    manifest.layout === 'artifacts' ? `${data}/${file?.path ?? ''}` : data.slice(0, data.lastIndexOf('/'));
  return {
    type,
    ...(fullBecause === undefined ? {} : { fullBecause }),
    path: `${request.path}/${path}`,
    storeID,
    ...(firstTransactionID === undefined ? {} : { firstTransactionID }),
    lastTransactionID,
    sizeBytes,
    consistencyCheck: consistent === undefined ? 'NotChecked' : consistent ? 'Consistent' : 'Inconsistent',
  };
}
