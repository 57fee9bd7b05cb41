// What is done for the destination as a whole once a run has ended: retention, the catalogue, the guide for restoring.
import { join } from 'node:path';
import { exchange } from '../run/exchange.ts';
import type { RunReport } from '../run/report.ts';
import { entryOf, writeCatalogue, type Entry } from '../volume/catalogue-file.ts';
import {
  pointsIn,
  pointsOf,
  readDestination,
  readPoints,
  type PointRead,
  type PointsRead,
  type Read,
} from '../volume/catalogue.ts';
import { readText } from '../volume/files.ts';
import { LockLost, withLock, type Held } from '../volume/lock.ts';
import type { Manifest } from '../volume/manifest.ts';
import { newMark, readMarks, writeMarks } from '../volume/marks.ts';
import { writeRestoreGuide } from '../volume/restore-guide.ts';
import { foldersOf, holderOf, type Context } from './context.ts';
import { parsePlan } from './plan.ts';
import { refuse } from './prepare.ts';
import { endsOf, lookAtVolume, retain } from './retain.ts';

/** Facts about the volume that a report may carry. */
export type Tidied = Pick<RunReport, 'volume' | 'retention'>;

/**
 * Puts the destination in order, under its lock. It never makes a backup that was taken a failure: what goes wrong here is
 * said in the log, and the next run does it.
 */
export async function tidy(context: Context, ended: RunReport): Promise<Tidied> {
  const { root } = foldersOf(context);
  try {
    if (refuse(context, await readDestination(root)) !== undefined) return {};
    return await withLock(context.files, root, holderOf(context), (held) => putInOrder(context, held, ended));
  } catch (error) {
    context.say({ err: error }, 'the destination could not be put in order');
    return {};
  }
}

async function putInOrder(context: Context, held: Held, ended: RunReport): Promise<Tidied> {
  const retention = await applied(context, held, ended);
  await held.check();
  const read = await readPoints(held.root, outlineOf);
  await catalogue(context, held, read);
  const volume = await lookAtVolume(context, goodOnes(read));
  return { volume, ...(retention === undefined ? {} : { retention }) };
}

/** Of the files of a point, of which there may be thousands of both, no more is kept than the guide names: an artifact. */
interface Outline {
  readonly entry: Entry;
  readonly files: Manifest['files'];
}

function outlineOf(read: Read): Outline {
  return { entry: entryOf(read), files: read.manifest.files.slice(0, 1) };
}

function goodOnes(read: PointsRead<Outline>): readonly Manifest[] {
  if (read.kind !== 'ours') return [];
  return read.places.flatMap((one) =>
    one.kind === 'good' ? [{ ...one.kept.entry, files: one.kept.files }] : [],
  );
}

function entriesOf(read: PointsRead<Outline>): PointsRead<Entry> {
  if (read.kind !== 'ours') return read;
  const places = read.places.map((one): PointRead<Entry> => {
    const { place } = one;
    return one.kind === 'good'
      ? { place, kind: one.kind, kept: one.kept.entry }
      : { place, kind: one.kind, why: one.why };
  });
  return { kind: 'ours', places };
}

/** What prepare found damaged must not count as good from now on: for its sake retention would take what is. */
async function markDamaged({ exchange: folder, files, request }: Context, held: Held): Promise<void> {
  const text = await readText(join(folder, exchange.plan));
  const { damaged = [] } = text === undefined ? {} : parsePlan(text);
  if (damaged.length === 0) return;
  const points = pointsIn(await readDestination(held.root));
  const fresh = damaged.flatMap(({ database, point, file }) =>
    pointsOf(points, database)
      .filter((one) => one.point === point)
      .map((one) => newMark(one, { time: request.createdTime, damaged: file })),
  );
  const marks = new Map([...(await readMarks(held.root)), ...fresh]);
  await held.check();
  await writeMarks(files, held.root, marks);
}

/** What lies in the trash and cannot be removed, say, must not leave a guide behind that knows nothing of the newest backups. */
async function applied(context: Context, held: Held, ended: RunReport): Promise<Tidied['retention']> {
  try {
    await markDamaged(context, held);
    return await retain(context, held, endsOf(ended));
  } catch (error) {
    if (error instanceof LockLost) throw error;
    context.say({ err: error }, 'retention failed');
    return undefined;
  }
}

/** Both follow from the manifests: without them the next run is slower, and somebody has to look for a command. */
async function catalogue({ files, say }: Context, held: Held, read: PointsRead<Outline>): Promise<void> {
  try {
    await writeCatalogue(files, held.root, entriesOf(read));
    if (read.kind !== 'ours') return;
    await held.check();
    await writeRestoreGuide(files, held.root, goodOnes(read));
  } catch (error) {
    say({ err: error }, 'the catalogue or the guide could not be written');
  }
}
