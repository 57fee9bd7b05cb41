// `agent explain`: what a run would make of an output that somebody has at hand. For people who report a problem.
import { createReadStream } from 'node:fs';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { explain, reasons, type Reason } from '../api/reasons.ts';
import { ConfigError, type ExplainConfig } from '../config.ts';
import type { BackupType, Ended, Engine, Verdict } from '../engine/engine.ts';
import { keptOutputBytes } from '../run/exchange.ts';
import { keepEnds, readKept } from '../run/kept.ts';

export interface Explanation {
  readonly result: 'Succeeded' | 'Failed';
  /** What the tool was at, as far as its output tells. */
  readonly type: BackupType | null;
  /** Null: it ended well, and does not tell what it took. */
  readonly reason: Reason | null;
  readonly retryable: boolean;
  readonly message: string;
  /** What the reason always says. */
  readonly says: string;
}

/** Reads the files, and judges what is in them as a run would. @throws ConfigError when one cannot be read */
export async function explainFiles({ engine, exitCode, files }: ExplainConfig): Promise<Explanation> {
  const outputs: Buffer[] = [];
  for (const { flag, path } of files) outputs.push(await readEnds(flag, path));
  return explainEnd(engine, { exitCode, output: readKept(Buffer.concat(outputs)) });
}

const ownAccount =
  'By its own account the tool took a backup. A run believes that only when it has read the backup back.';

const untold = 'The output does not tell which type of backup was taken.';

export function explainEnd(engine: Engine, ended: Ended): Explanation {
  const type = typeTold(ended.output);
  const verdict = engine.judge(ended);
  const reason = reasonOf(verdict, type);
  const isGood = verdict.kind === 'taken' && verdict.check === 'none';
  const detail = verdict.kind === 'failed' ? verdict.detail : undefined;
  if (reason === null)
    return { result: 'Succeeded', type, reason, retryable: false, message: ownAccount, says: untold };
  const { retryable, says } = reasons[reason];
  const message = isGood ? ownAccount : explain(reason, detail);
  return { result: isGood ? 'Succeeded' : 'Failed', type, reason, retryable, message, says };
}

function reasonOf(verdict: Verdict, type: BackupType | null): Reason | null {
  if (verdict.kind === 'failed') return verdict.reason;
  if (verdict.kind === 'pruned') return 'LogsPruned';
  if (verdict.check === 'failed') return 'ConsistencyCheckFailed';
  if (verdict.check === 'inconsistent') return 'Inconsistent';
  if (type === null) return null;
  return type === 'Full' ? 'FullBackupTaken' : 'IncrementalBackupTaken';
}

/**
 * The words of 2.3 to 3.5. A tool that falls back to a full backup speaks of both: what it ends with counts. What later ones
 * say of it is not known, so nothing is claimed.
 */
const fullMarks =
  /new full backup will be performed|receiving store files|doing full backup|StoreCopyClient\] Cop/i;
const incrementalMarks = /(trying|doing) incremental backup|^Transactions applied/m;

function typeTold(output: string): BackupType | null {
  if (fullMarks.test(output)) return 'Full';
  return incrementalMarks.test(output) ? 'Incremental' : null;
}

/** Both ends of a file, gzipped or not, as a run keeps them of what the tool prints. */
async function readEnds(flag: string, path: string): Promise<Buffer> {
  try {
    const unpack = path.endsWith('.gz') ? createGunzip() : new PassThrough();
    return await pipeline(createReadStream(path), unpack, (bytes: AsyncIterable<Buffer>) =>
      keepEnds(bytes, keptOutputBytes),
    );
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`--${flag}: ${path} cannot be read: ${why}`, { cause: error });
  }
}
