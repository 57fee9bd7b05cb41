// The first container of a run: decides full or incremental, and stages what the tool will work on.
import { join } from 'node:path';
import { exchange, formatArguments } from '../run/exchange.ts';
import type { RunReport } from '../run/report.ts';
import { pointOfRun, readDestination, tipOf, nextSequence, type Destination } from '../volume/catalogue.ts';
import { listFolder } from '../volume/files.ts';
import { folders as layoutFolders, pointEntries, pointFolder, stagingOwner } from '../volume/layout.ts';
import { stageCopy } from '../volume/stage.ts';
import { failedReport, foldersOf, type Context } from './context.ts';
import type { Plan, Take } from './plan.ts';
import { preflight } from './preflight.ts';

/**
 * Kept back from the Pod's deadline: 5 s until a tool that ignores SIGTERM is killed, 4 s until the rest of its output is
 * given up, and 11 s for a report to say so.
 */
const reportMarginSeconds = 20;

/**
 * Prepares one attempt.
 *
 * Guarantees: nothing published is changed, and a destination that is not ours is not written to at all. Killed on any
 * line, it leaves no more than a staging folder.
 * @returns undefined when the tool can start; the report when the run ends here
 * @throws the system error of a failed call on the volume
 */
export async function prepare(context: Context): Promise<RunReport | undefined> {
  const { request, engine, files } = context;
  const folders = foldersOf(context);
  const startedAt = context.now();
  const destination = await readDestination(folders.root);
  const refused = refuse(context, destination);
  if (refused !== undefined) return refused;
  const points = destination.kind === 'ours' ? destination.points : [];

  // An attempt before us published, and died before it could say so.
  if (pointOfRun(points, request.run, request.resource.uid) !== undefined) {
    await writePlan(context, { kind: 'published' });
    await files.writeNew(join(context.exchange, exchange.skip), '');
    return undefined;
  }

  const { host, port } = request.source;
  const reached = await preflight(host, port, { listenSetting: engine.listenSetting });
  if (reached.kind === 'failed') return failedReport(context, reached.reason, reached.detail);
  context.say({ host, port, address: reached.address }, 'the backup port accepts connections');

  await files.makeFolder(folders.root);
  await files.sync(context.volume); // or else a loss of power could take the folder with all that was published in it
  await removeLeftovers(context);
  for (const folder of [folders.first, folders.second, folders.reports]) await files.makeFolder(folder);
  const plan = await stage(context, destination, startedAt);
  await writeCommands(context, plan, startedAt);
  await writePlan(context, plan);
  context.say({ type: plan.type, fullBecause: plan.fullBecause, tip: plan.tip?.point }, 'prepared');
  return undefined;
}

/** The report for a destination that must not be touched. */
export function refuse(context: Context, destination: Destination): RunReport | undefined {
  if (destination.kind === 'foreign') {
    const named = destination.entries.slice(0, 3).join(', ');
    const more = destination.entries.length > 3 ? ` and ${destination.entries.length - 3} more` : '';
    return failedReport(
      context,
      'DestinationNotABackup',
      `The folder ${context.request.path} of the volume holds ${named}${more}`,
    );
  }
  if (destination.kind === 'tooNew')
    return failedReport(
      context,
      'LayoutTooNew',
      `The destination has layout version ${destination.schemaVersion}`,
    );
  return undefined;
}

/** Chooses the type, and for an incremental backup copies the tip. */
async function stage(context: Context, destination: Destination, startedAt: Date): Promise<Take> {
  const { request, files } = context;
  const { root, first } = foldersOf(context);
  const { points, damaged: unreadable } =
    destination.kind === 'ours' ? destination : { points: [], damaged: [] };
  const tip = tipOf(points);
  const base = {
    kind: 'take',
    startTime: startedAt.toISOString(),
    nextSequence: nextSequence(points),
    ...(tip === undefined
      ? {}
      : {
          tip: {
            chain: tip.chain,
            point: tip.point,
            sequence: tip.sequence,
            storeID: tip.storeID,
            lastTransactionID: tip.lastTransactionID,
          },
        }),
  } as const;
  if (tip === undefined) {
    const fullBecause = unreadable.length > 0 ? 'ArtifactCorrupt' : 'DestinationBlank';
    return { ...base, type: 'Full', fullBecause };
  }
  if (request.requestedType === 'Full') return { ...base, type: 'Full', fullBecause: 'Requested' };

  const from = join(root, pointFolder(tip.chain, tip.point), pointEntries.data);
  const copy = join(first, pointEntries.data);
  const damaged = await stageCopy(files, from, copy, tip.files);
  if (damaged === undefined) return { ...base, type: 'Incremental' };
  context.say(
    { point: tip.point, file: damaged },
    'the newest backup is damaged: a full one is taken instead',
  );
  await files.remove(copy);
  return { ...base, type: 'Full', fullBecause: 'ArtifactCorrupt' };
}

async function writeCommands(context: Context, plan: Take, startedAt: Date): Promise<void> {
  const { request, engine, files } = context;
  const { first, second, reports } = foldersOf(context);
  const command = (type: 'Full' | 'Incremental', parent: string): string =>
    formatArguments(
      engine.commandLine({
        type,
        host: request.source.host,
        port: request.source.port,
        parent,
        name: pointEntries.data,
        reports,
        check: {
          Full: checksConsistency(request.consistencyCheck, 'Full'),
          Incremental: checksConsistency(request.consistencyCheck, 'Incremental'),
        },
      }),
    );
  const write = (name: string, content: string): Promise<void> =>
    files.writeNew(join(context.exchange, name), content);
  await files.makeFolder(join(context.exchange, exchange.configuration));
  for (const [name, content] of Object.entries(engine.configuration))
    await write(join(exchange.configuration, name), content);
  await write(exchange.arguments('first'), command(plan.type, first));
  if (plan.type === 'Incremental' && engine.prunedMarks.length > 0) {
    await write(exchange.arguments('second'), command('Full', second));
    await write(exchange.secondWhen, `${engine.prunedMarks.join('\n')}\n`);
  }
  await write(exchange.deadline, String(deadlineOf(context, startedAt)));
}

/**
 * Unix time at which the tool is ended. The Pod's time has run since before prepare began, and copying a large tip takes
 * its share. Never in the past: a tool that is ended at once still says why.
 */
function deadlineOf({ request, now }: Context, startedAt: Date): number {
  const latest = startedAt.getTime() / 1000 + request.podDeadlineSeconds - reportMarginSeconds;
  return Math.floor(Math.max(now().getTime() / 1000 + 1, latest));
}

export function checksConsistency(
  when: 'OnFull' | 'Always' | 'Never',
  type: 'Full' | 'Incremental',
): boolean {
  return when === 'Always' || (when === 'OnFull' && type === 'Full');
}

async function writePlan({ files, exchange: folder }: Context, plan: Plan): Promise<void> {
  await files.writeNew(join(folder, exchange.plan), JSON.stringify(plan));
}

/** Removes the staging folders of Pods that will never write again. Those of others, and what is not ours, stay. */
async function removeLeftovers(context: Context): Promise<void> {
  const staging = join(foldersOf(context).root, layoutFolders.staging);
  for (const entry of (await listFolder(staging)) ?? []) {
    const owner = stagingOwner(entry);
    if (owner === undefined || !context.request.terminalPods.includes(owner)) continue;
    context.say({ folder: entry }, 'removing what an earlier attempt left behind');
    await context.files.remove(join(staging, entry));
  }
}
