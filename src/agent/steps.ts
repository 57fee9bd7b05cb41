// The command lines of a run, and which of them follow which. Pure.
import { join } from 'node:path';
import { allDatabases, type BackupType, type Command } from '../engine/engine.ts';
import { stayingMarks } from '../engine/failure.ts';
import type { Step, StepID } from '../run/exchange.ts';
import type { Manifest } from '../volume/manifest.ts';
import { copyName, foldersOf, type Context } from './context.ts';
import type { Damaged, Target, Try } from './plan.ts';

/** What is to be taken of a database. */
export interface Wanted {
  readonly database: string;
  readonly type: BackupType;
  readonly fullBecause?: string;
  /** What an increment goes on from: one for each database. */
  readonly tips: readonly Manifest[];
  /** By database: why its tip is none of those. */
  readonly setAside?: ReadonlyMap<string, string>;
  /** What was found damaged when it was read for that. */
  readonly damaged?: readonly Damaged[];
}

/** The folder in staging of a try at a database. */
export function folderOf(database: string, type: BackupType): string {
  return `${type.toLowerCase()}.${database === allDatabases ? 'all' : `db-${database}`}`;
}

/** The folder beside that of a try for what the tool unpacks. */
export function temporaryOf(folder: string): string {
  return `${folder}.tmp`;
}

/** Gives each try its steps, counted through the whole run. */
export function planTries(context: Context, wanted: readonly Wanted[]): readonly Target[] {
  let last = 0;
  const next = (): StepID => String((last += 1));
  return wanted.map(({ database, type, fullBecause }) => {
    const types: readonly BackupType[] = mayEndInFull(context, type) ? [type, 'Full'] : [type];
    const tries = types.map((one) => aTry(context, database, one, next));
    return { database, tries, ...(fullBecause === undefined ? {} : { fullBecause }) };
  });
}

function aTry(context: Context, database: string, type: BackupType, next: () => StepID): Try {
  const { companions, checks } = context.engine;
  const folder = folderOf(database, type);
  const isChecked = checksConsistency(context.request.consistencyCheck, type) && checks.includes(type);
  const backup = next();
  const listings = companions?.inspect(commandOf(context, database, type, folder)) ?? [];
  return {
    type,
    folder,
    backup,
    inspect: listings.map(next),
    // One database at a time: of all of them nobody knows the names yet.
    ...(companions !== undefined && isChecked && database !== allDatabases ? { check: next() } : {}),
  };
}

/** Whether a full backup may have to follow an increment that fails: with generation A the tool takes it by itself. */
function mayEndInFull({ engine, request }: Context, type: BackupType): boolean {
  if (type === 'Full') return false;
  const isUnsure = engine.prunedMarks.length > 0 || engine.causeMarks !== undefined;
  return isUnsure || request.onIncrementalFailure === 'NewChain';
}

export function stepsOf(context: Context, targets: readonly Target[]): readonly Step[] {
  return targets.flatMap(({ database, tries: [first, second] }) =>
    [first, second].flatMap((one, i) => {
      if (one === undefined) return [];
      const after = i === 0 || first === undefined ? {} : { after: followUp(context, database, first) };
      return stepsOfTry(context, database, one, after);
    }),
  );
}

function stepsOfTry(
  context: Context,
  database: string,
  { type, folder, backup, inspect, check }: Try,
  after: Pick<Step, 'after'>,
): readonly Step[] {
  const { engine } = context;
  const command = commandOf(context, database, type, folder);
  const { companions } = engine;
  const listings = companions?.inspect(command) ?? [];
  return [
    { id: backup, argv: engine.commandLine(command), ...after },
    // Also where the tool says that it failed: it says so of a backup that is whole, too.
    ...inspect.flatMap((id, i): Step[] => {
      const argv = listings[i];
      return argv === undefined ? [] : [{ id, argv, after: { step: backup, exitCodes: 'any' } }];
    }),
    ...(check === undefined || companions === undefined
      ? []
      : [{ id: check, argv: companions.check(command), after: { step: backup, exitCodes: 'any' } } as const]),
  ];
}

/**
 * When the full backup follows. For pruned logs always, and for a failure without a word of its cause, which theirs may
 * be: report publishes it only where it is of the same store. With NewChain also for every other cause, but for those
 * that a full backup would meet again, and the one that it must not get around: another store.
 */
function followUp({ engine, request }: Context, database: string, first: Try): NonNullable<Step['after']> {
  // Of all databases some are new, and fail for want of anything to go on from.
  if (database === allDatabases && engine.layout === 'store') return { step: first.backup, exitCodes: [1] };
  const unless = request.onIncrementalFailure === 'NewChain' ? stayingMarks : engine.causeMarks;
  return {
    step: first.backup,
    exitCodes: [1],
    when: engine.prunedMarks,
    ...(unless === undefined ? {} : { unless }),
  };
}

function commandOf(context: Context, database: string, type: BackupType, folder: string): Command {
  const { request } = context;
  const { staging, reports } = foldersOf(context);
  return {
    type,
    host: request.source.host,
    port: request.source.port,
    database,
    parent: join(staging, folder),
    name: copyName(context, database),
    reports,
    temporary: join(staging, temporaryOf(folder)),
    check: {
      Full: checksConsistency(request.consistencyCheck, 'Full'),
      Incremental: checksConsistency(request.consistencyCheck, 'Incremental'),
    },
    version: request.neo4jVersion,
    tool: request.tool,
  };
}

export function checksConsistency(when: 'OnFull' | 'Always' | 'Never', type: BackupType): boolean {
  return when === 'Always' || (when === 'OnFull' && type === 'Full');
}
