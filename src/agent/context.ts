// What both of our containers work with.
import { join } from 'node:path';
import { explain, type RunReason } from '../api/reasons.ts';
import type { Engine } from '../engine/engine.ts';
import type { RunReport } from '../run/report.ts';
import type { RunRequest } from '../run/request.ts';
import { errorCode, type Files } from '../volume/files.ts';
import { pointFolder, stagingFolder } from '../volume/layout.ts';
import type { Manifest } from '../volume/manifest.ts';

export interface Context {
  readonly request: RunRequest;
  readonly engine: Engine;
  readonly podUID: string;
  readonly files: Files;
  /** Root of the volume, and the exchange folder, as this container sees them. */
  readonly volume: string;
  readonly exchange: string;
  readonly now: () => Date;
  /** A line of progress in the log of the container. */
  readonly say: (fields: Readonly<Record<string, unknown>>, message: string) => void;
}

/** Folders of this attempt. `first` and `second` are where the two command lines put their copy: parents of data/. */
export interface Folders {
  readonly root: string;
  readonly staging: string;
  readonly first: string;
  readonly second: string;
  readonly reports: string;
}

export function foldersOf({ request, podUID, volume }: Context): Folders {
  const root = join(volume, request.path);
  const staging = join(root, stagingFolder(request.run, podUID));
  return {
    root,
    staging,
    first: join(staging, 'first'),
    second: join(staging, 'second'),
    reports: join(staging, 'reports'),
  };
}

export function failedReport({ request, now }: Context, reason: RunReason, detail?: string): RunReport {
  return {
    schemaVersion: 1,
    run: request.run,
    reason,
    message: explain(reason, detail).slice(0, 1024),
    completionTime: now().toISOString(),
  };
}

/** The report of a published point: also the one that a second attempt gives, so it says nothing but what the manifest holds. */
export function publishedReport({ request }: Context, manifest: Manifest): RunReport {
  const {
    type,
    consistent,
    fullBecause,
    chain,
    point,
    storeID,
    lastTransactionID,
    sizeBytes,
    completionTime,
  } = manifest;
  const taken = type === 'Full' ? 'FullBackupTaken' : 'IncrementalBackupTaken';
  const reason = consistent === false ? 'Inconsistent' : taken;
  const what =
    `${type === 'Full' ? 'A full' : 'An incremental'} backup up to transaction ${lastTransactionID} was taken, read back and verified` +
    (fullBecause === undefined ? '' : ` (full because ${fullBecause})`);
  return {
    schemaVersion: 1,
    run: request.run,
    reason,
    message: reason === 'Inconsistent' ? explain(reason) : `${what}.`,
    type,
    ...(fullBecause === undefined ? {} : { fullBecause }),
    path: `${request.path}/${pointFolder(chain, point)}`,
    storeID,
    lastTransactionID,
    sizeBytes,
    completionTime,
  };
}

/** A failed system call on the volume, as a reason. Undefined: it is none that a reason exists for. */
export function volumeReason(error: unknown): RunReason | undefined {
  const code = errorCode(error) ?? '';
  if (['ENOSPC', 'EDQUOT'].includes(code)) return 'NoSpaceLeft';
  if (['EACCES', 'EPERM', 'EROFS'].includes(code)) return 'PermissionDenied';
  return undefined;
}
