// What is done for the destination as a whole once a run has ended: retention, the catalogue, the guide for restoring.
import type { RunReport } from '../run/report.ts';
import { readDestination } from '../volume/catalogue.ts';
import { writeRestoreGuide } from '../volume/restore-guide.ts';
import { foldersOf, type Context } from './context.ts';

/** Facts about the volume that a report may carry. */
export type Tidied = Pick<RunReport, 'volume' | 'retention'>;

/** Puts the destination in order. It never makes a backup that was taken a failure: what goes wrong here is said in the log. */
export async function tidy(context: Context): Promise<Tidied> {
  try {
    await writeGuide(context);
  } catch (error) {
    context.say({ err: error }, 'the destination could not be put in order');
  }
  return {};
}

async function writeGuide(context: Context): Promise<void> {
  const { root } = foldersOf(context);
  const destination = await readDestination(root);
  if (destination.kind === 'ours') await writeRestoreGuide(context.files, root, destination.points);
}
