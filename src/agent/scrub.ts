// Reads back all that was ever published: a disk that rots says nothing by itself, and a restore is no time to find out.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { VerificationStatus } from '../api/neo4jbackup.ts';
import { explain, type Reason } from '../api/reasons.ts';
import { newestPoints } from '../run/point-mark.ts';
import { cut, exitCodes } from '../run/report.ts';
import { formatUpkeep, type UpkeepReport } from '../run/upkeep.ts';
import { readPoints, type PointRead } from '../volume/catalogue.ts';
import { entryOf } from '../volume/entry.ts';
import { placeOf, pointNamePattern } from '../volume/layout.ts';
import { LockBusy, withLock } from '../volume/lock.ts';
import { lossesOf, type Loss, type Unreadable } from '../volume/loss.ts';
import { manifestSeal, type Manifest, type Point } from '../volume/manifest.ts';
import { marksOf, newMark, readMarks, writeMarks, type Mark } from '../volume/marks.ts';
import { progressOf, type Progress } from '../volume/progress.ts';
import { damageIn, type Damage } from '../volume/readback.ts';
import { readSealed } from '../volume/seal.ts';
import { foldersOf, holderOf, volumeReason, type Context } from './context.ts';
import { refuse } from './refuse.ts';

/** What was found is kept this often, so that one who is killed has lost no more. Milliseconds. */
const keptEveryMs = 30_000;

/** What a scrub found: everything of a report but whose it is. */
type Finding = Pick<VerificationStatus, 'result' | 'message' | 'points' | 'readBytes' | 'damaged'> & {
  readonly reason: Reason;
};

/**
 * The container of a Job that reads back what lies on the volume: what it found is its termination message.
 * @returns its exit code: 0 with an answer, whatever it is; else another Pod may try, and goes on where this one was
 */
export async function runScrub(context: Context, terminationLog: string): Promise<number> {
  const { finding, exitCode } = await scrub(context).then(
    ({ isKept, ...found }) => ({
      finding: found,
      exitCode: isKept ? exitCodes.published : exitCodes.retryable,
    }),
    (error: unknown) => {
      context.say({ err: error }, 'the volume could not be read back');
      const detail = error instanceof Error ? error.message : String(error);
      const reason = volumeReason(error) ?? 'UpkeepFailed';
      return { finding: failed(reason, detail), exitCode: exitCodes.retryable };
    },
  );
  await writeFile(terminationLog, formatUpkeep(reportOn(context, finding)));
  context.say({ ...finding }, 'the verification ended');
  return exitCode;
}

function failed(reason: Reason, detail: string): Finding {
  return { result: 'Failed', reason, message: cut(explain(reason, detail), 1024) };
}

function reportOn({ request, now }: Context, { reason, ...found }: Finding): UpkeepReport {
  const completionTime = now().toISOString();
  const verification = { ...found, id: request.run, reason, completionTime };
  return {
    schemaVersion: 1,
    task: 'scrub',
    id: request.run,
    reason,
    message: found.message,
    completionTime,
    verification,
  };
}

/** A point, without the list of its files: of ten thousand points that would take more memory than a Pod has. */
interface Kept {
  readonly point: Point;
  /** When it was last read, and what was found then. */
  readonly mark: Mark | undefined;
}

/**
 * @returns what was found, and whether it is marked on the volume
 * @throws the system error of a call that says nothing of what was to be read
 */
async function scrub(context: Context): Promise<Finding & { readonly isKept: boolean }> {
  const { root } = foldersOf(context);
  const read = await readPoints(root, (one): Kept => ({ point: entryOf(one), mark: one.mark }));
  if (read.kind !== 'ours') {
    const refused = refuse(context, read);
    const [reason, message] = [refused?.reason ?? 'UpkeepFailed', refused?.message ?? ''] as const;
    return { result: 'Failed', reason, message, isKept: true };
  }
  const reading = new Reading(
    context,
    read.places.flatMap(({ kept }) => kept ?? []),
  );
  const isKept = await reading.readAll();
  return { ...findingOf(reading, unreadableOf(read.places)), isKept };
}

/** Reads points back, and keeps what it finds where a later Pod looks for it. */
class Reading {
  readonly points: readonly Point[];
  readonly damaged = new Map<Point, Damage>();
  readBytes = 0;
  readonly #context: Context;
  readonly #kept: readonly Kept[];
  /** Found by this Pod, and not kept yet. */
  #fresh = new Map<string, Mark>();
  #keptMs: number;

  constructor(context: Context, kept: readonly Kept[]) {
    this.#context = context;
    this.#kept = kept;
    this.points = kept.map(({ point }) => point);
    this.#keptMs = context.now().getTime();
  }

  /** @returns whether all that it found is kept */
  async readAll(): Promise<boolean> {
    const left = this.#kept.filter((one) => !this.#isDone(one)).toSorted((a, b) => lastRead(a) - lastRead(b));
    const progress = this.#progress(left);
    for (const { point } of left) {
      await this.#readOne(point, progress);
      const isTime = this.#context.now().getTime() - this.#keptMs >= keptEveryMs;
      if (isTime || this.damaged.has(point)) await this.#keepIfFree();
    }
    await this.#keep().catch((error: unknown) => this.#putUpWith(error));
    return this.#fresh.size === 0;
  }

  /** A volume that is full, or read-only since its disk fails, takes no marks. That hides no damage: of that people are told. */
  #putUpWith(error: unknown): void {
    if (this.damaged.size === 0) throw error;
    this.#context.say({ err: error }, 'what was found could not be kept');
  }

  /**
   * Whether a Pod before this one has read it for the same Job. A mark bears the time for which the Job was made, which is
   * the same in all its Pods: no clock of a node decides what is left out.
   */
  #isDone({ point, mark }: Kept): boolean {
    if (mark?.time !== this.#context.request.createdTime) return false;
    if (mark.damaged !== undefined)
      this.damaged.set(point, { file: mark.damaged, why: 'it is not what was written' });
    return true;
  }

  #progress(left: readonly Kept[]): Progress {
    const total = left.reduce((sum, { point }) => sum + point.sizeBytes, 0);
    const tell = progressOf(this.#context, total, 'reading back what was published');
    return (bytes) => {
      this.readBytes += bytes;
      tell(bytes);
    };
  }

  async #readOne(point: Point, progress: Progress): Promise<void> {
    const { request, say } = this.#context;
    const { root } = foldersOf(this.#context);
    const manifest = await manifestOf(root, point);
    const damage = manifest === undefined ? undefined : await damageIn(root, manifest, progress);
    // Retention may take a point away while it is read: manifest and all, in one step.
    if (manifest === undefined || (damage !== undefined && (await manifestOf(root, point)) === undefined))
      return;
    if (damage !== undefined) {
      this.damaged.set(point, damage);
      say({ point: point.point, database: point.database, ...damage }, 'a published backup is damaged');
    }
    const file = damage?.file;
    const found = { time: request.createdTime, ...(file === undefined ? {} : { damaged: file }) };
    this.#fresh.set(...newMark(manifest, found));
  }

  /** Dies the process before, the next one reads again what was not kept. */
  async #keep(): Promise<void> {
    this.#keptMs = this.#context.now().getTime();
    if (this.#fresh.size === 0) return;
    const { files } = this.#context;
    const { root } = foldersOf(this.#context);
    await withLock(files, root, holderOf(this.#context), async (held) => {
      const all = new Map([...(await readMarks(root)), ...this.#fresh]);
      await held.check();
      await writeMarks(files, root, marksOf(all, this.points));
    });
    this.#fresh = new Map();
  }

  /** A run that publishes goes before. */
  async #keepIfFree(): Promise<void> {
    try {
      await this.#keep();
    } catch (error) {
      if (!(error instanceof LockBusy)) return this.#putUpWith(error);
      this.#context.say({ holder: error.holder }, 'what was found is kept later: the destination is in use');
    }
  }
}

/** Those first that nobody has read for longest. A point was read when it was published. */
function lastRead({ point, mark }: Kept): number {
  return Date.parse(mark?.time ?? point.completionTime);
}

/** Undefined: it is gone. */
async function manifestOf(root: string, point: Point): Promise<Manifest | undefined> {
  const read = await readSealed(join(root, placeOf(point).manifest), manifestSeal);
  return read.kind === 'good' ? read.value : undefined;
}

/** Points whose manifest cannot be trusted, as far as their place names them. */
function unreadableOf(places: readonly PointRead<Kept>[]): readonly Unreadable[] {
  return places.flatMap((one) => {
    if (one.kind === 'good' || one.kept !== undefined) return [];
    const parts = one.place.split('/');
    const [top, first = '', second = ''] = parts;
    // points/<chain>/<point>/manifest.json, chains/<database>/<chain>/.manifests/<point>.json
    const [database, point] =
      top === 'chains' ? [first, (parts[4] ?? '').replace(/\.json$/, '')] : ['', second];
    return [
      { database, point: pointNamePattern.test(point) ? point : 'unknown', file: one.place, why: one.why },
    ];
  });
}

/** As many as status has room for. */
const mostDamaged = 16;

function findingOf({ points, damaged, readBytes }: Reading, unreadable: readonly Unreadable[]): Finding {
  const losses = lossesOf(points, damaged, unreadable);
  const counts = { points: points.length + unreadable.length, readBytes };
  if (losses.length === 0) {
    const message =
      points.length === 0
        ? 'There is no restore point yet.'
        : `${count(points.length)} read back: all that was written is there.`;
    return { result: 'Succeeded', reason: 'Verified', message, ...counts };
  }
  const reason = losses.some(({ file }) => file !== undefined) ? 'ArtifactCorrupt' : 'ChainBroken';
  return {
    result: 'Failed',
    reason,
    message: cut(explain(reason, tellOf(losses)), 1024),
    ...counts,
    damaged: newestPoints(losses, mostDamaged).map(({ point, database, file, why }) => ({
      point,
      ...(database === '' ? {} : { database }),
      file: (file ?? why).slice(0, 256),
    })),
  };
}

/** Names the worst fault: the one that takes most restore points away. */
function tellOf(losses: readonly Loss[]): string {
  const byFault = [...Map.groupBy(losses, ({ database, at }) => `${database}/${at}`).values()];
  const [worst = []] = byFault.toSorted((a, b) => b.length - a.length);
  const [first] = worst;
  const named = worst.slice(0, 3).map(({ point }) => point);
  const more = worst.length > named.length ? ` and ${worst.length - named.length} more` : '';
  const others =
    byFault.length > 1
      ? ` ${byFault.length - 1} more such faults take away ${count(losses.length - worst.length)}.`
      : '';
  return `${first?.file ?? 'The chain'} of ${first?.at}: ${first?.why}. That takes away ${count(worst.length)}: ${named.join(', ')}${more}.${others}`;
}

function count(points: number): string {
  return points === 1 ? '1 restore point' : `${points} restore points`;
}
