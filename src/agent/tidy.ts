// What is done for the destination as a whole once a run has ended: retention, the catalogue, the guide for restoring.
import { join } from 'node:path';
import { exchange } from '../run/exchange.ts';
import type { RunReport } from '../run/report.ts';
import { writeCatalogue } from '../volume/catalogue-file.ts';
import {
  destinationOf,
  pointsIn,
  pointsOf,
  readDestination,
  readPoints,
  type PointsRead,
} from '../volume/catalogue.ts';
import { entryOf, readManifest, type Entry } from '../volume/entry.ts';
import { readText } from '../volume/files.ts';
import { LockLost, withLock, type Held } from '../volume/lock.ts';
import { readKnown } from '../volume/newest.ts';
import { newMark, readMarks, writeMarks } from '../volume/marks.ts';
import { writeRestoreGuide } from '../volume/restore-guide.ts';
import { foldersOf, holderOf, type Context } from './context.ts';
import { parsePlan } from './plan.ts';
import { refuse } from './refuse.ts';
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
    if (refuse(context, await readKnown(root)) !== undefined) return {};
    return await withLock(context.files, root, holderOf(context), (held) => putInOrder(context, held, ended));
  } catch (error) {
    context.say({ err: error }, 'the destination could not be put in order');
    return {};
  }
}

async function putInOrder(context: Context, held: Held, ended: RunReport): Promise<Tidied> {
  const { read, retention } = await applied(context, held, ended);
  if (refuse(context, destinationOf(read)) !== undefined) return {};
  await held.check();
  await catalogue(context, held, read);
  const volume = await lookAtVolume(context, pointsIn(destinationOf(read)));
  return { volume, ...(retention === undefined ? {} : { retention }) };
}

/** What prepare found damaged must not count as good from now on: for its sake retention would take what is. */
async function markDamaged({ exchange: folder, files, request }: Context, held: Held): Promise<void> {
  const text = await readText(join(folder, exchange.plan));
  const { damaged = [] } = text === undefined ? {} : parsePlan(text);
  if (damaged.length === 0) return;
  const points = pointsIn(await readDestination(held.root));
  const marks = new Map(await readMarks(held.root));
  for (const { database, point, file } of damaged) {
    const entry = pointsOf(points, database).find((one) => one.point === point);
    const manifest = entry && (await readManifest(held.root, entry));
    if (manifest !== undefined) marks.set(...newMark(manifest, { time: request.createdTime, damaged: file }));
  }
  await held.check();
  await writeMarks(files, held.root, marks);
}

interface Applied extends Pick<Tidied, 'retention'> {
  /** All manifests that are there now. */
  readonly read: PointsRead<Entry>;
}

/** What lies in the trash and cannot be removed, say, must not leave a guide behind that knows nothing of the newest backups. */
async function applied(context: Context, held: Held, ended: RunReport): Promise<Applied> {
  try {
    await markDamaged(context, held);
    const read = await readPoints(held.root, entryOf);
    const { left, retention } = await retain(context, held, endsOf(ended), destinationOf(read));
    return { read: without(read, left), ...(retention === undefined ? {} : { retention }) };
  } catch (error) {
    if (error instanceof LockLost) throw error;
    context.say({ err: error }, 'retention failed');
    return { read: await readPoints(held.root, entryOf) }; // it may have come half the way
  }
}

/** Without the good points that went. */
function without(read: PointsRead<Entry>, left: readonly Entry[]): PointsRead<Entry> {
  if (read.kind !== 'ours') return read;
  const stays = new Set(left);
  return { ...read, places: read.places.filter((one) => one.kind !== 'good' || stays.has(one.kept)) };
}

/** Both follow from the manifests: without them the next run is slower, and somebody has to look for a command. */
async function catalogue({ files, say }: Context, held: Held, read: PointsRead<Entry>): Promise<void> {
  try {
    await writeCatalogue(files, held.root, read);
    if (read.kind !== 'ours') return;
    await held.check();
    await writeRestoreGuide(files, held.root, pointsIn(destinationOf(read)));
  } catch (error) {
    say({ err: error }, 'the catalogue or the guide could not be written');
  }
}
