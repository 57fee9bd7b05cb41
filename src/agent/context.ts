// What both of our containers work with.
import { join } from 'node:path';
import type { RunReason } from '../api/reasons.ts';
import type { Engine } from '../engine/engine.ts';
import type { RunRequest } from '../run/request.ts';
import { errorCode, type Files } from '../volume/files.ts';
import { isLockError, type Clock, type Holder } from '../volume/lock.ts';
import { pointEntries, stagingFolder } from '../volume/layout.ts';
import type { Space } from '../volume/space.ts';
import type { PreflightOptions } from './preflight.ts';

export interface Context {
  readonly request: RunRequest;
  readonly engine: Engine;
  readonly podUID: string;
  readonly files: Files;
  /** Root of the volume, and the exchange folder, as this container sees them. */
  readonly volume: string;
  readonly exchange: string;
  readonly now: () => Date;
  readonly clock: Clock;
  /** What the file system at a path says of itself. */
  readonly readSpace: (path: string) => Promise<Space>;
  /** What an address is, if no backup may be taken from it (run/address.ts). */
  readonly refusedAs: (address: string) => string | undefined;
  /** A line of progress in the log of the container. */
  readonly say: (fields: Readonly<Record<string, unknown>>, message: string) => void;
}

/** Folders of this attempt. Below `staging`, each try at a backup has a folder of its own. */
export interface Folders {
  readonly root: string;
  readonly staging: string;
  readonly reports: string;
}

export function foldersOf({ request, podUID, volume }: Context): Folders {
  const root = join(volume, request.path);
  const staging = join(root, stagingFolder({ run: request.run, uid: request.resource.uid, podUID }));
  return { root, staging, reports: join(staging, 'reports') };
}

/** Longer than a holder that died blocks the lock, and than others publish. */
const lockPatienceMs = 180_000;

/** This Pod, as it asks for the lock of the destination. */
export function holderOf({ request, podUID, clock }: Context): Holder {
  const { run, terminalPods } = request;
  return { podUID, run, terminalPods, clock, patienceMs: lockPatienceMs };
}

/** What is known of the server before anybody has spoken to it. */
export function expectedOf({ engine, request, refusedAs }: Context): PreflightOptions {
  const { listen, tls } = engine.settings;
  return { listenSetting: listen, tlsSetting: tls, expectTLS: request.tool.tls !== undefined, refusedAs };
}

/** Name of the folder that the tool makes, or brings up to date, in the folder of a try. */
export function copyName({ engine }: Context, database: string): string {
  return engine.databases === 'named' ? database : pointEntries.data;
}

/** The room on the volume. Undefined: a driver that does not tell, which is no reason to fail. */
export function spaceOf({ readSpace, volume }: Context): Promise<Space | undefined> {
  return readSpace(volume).catch(() => undefined);
}

/** What went wrong on the volume, as a reason. Undefined: it is nothing that a reason exists for. */
export function volumeReason(error: unknown): RunReason | undefined {
  if (isLockError(error)) return 'DestinationBusy';
  const code = errorCode(error) ?? '';
  if (['ENOSPC', 'EDQUOT'].includes(code)) return 'NoSpaceLeft';
  if (['EACCES', 'EPERM', 'EROFS'].includes(code)) return 'PermissionDenied';
  return undefined;
}
