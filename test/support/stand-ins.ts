// Stand-ins for the tools of 4.x and 5 and newer, which cannot be had. They print only lines that manuals document or that
// people pasted, and never more: what the operator makes of them says nothing of what the real tools may print beside.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tool, ToolResult } from './agent.ts';
import { anArtifact } from './artifact.ts';
import { makeStore } from './volume.ts';

/** A database of the server. */
interface ServedDatabase {
  readonly id?: string;
  readonly creationTime?: bigint;
  readonly lastTransactionId: bigint;
  /** The oldest transaction in its logs. */
  readonly oldestLogged?: bigint;
  /** What the tool ends with for it, instead of a backup. */
  readonly fails?: ToolResult;
  /** The answer of the consistency check: 0 when absent. */
  readonly check?: ToolResult;
}

export type Served = Readonly<Record<string, ServedDatabase>>;

const idOf = ({ id = '62d1820c-3ac6-4b15-a0b3-bf7e7becc8d0' }: ServedDatabase): string => id;

function identityOf(database: ServedDatabase): {
  readonly databaseID: string;
  readonly creationTime: bigint;
} {
  return { databaseID: idOf(database), creationTime: database.creationTime ?? 1n };
}

function option(argv: readonly string[], name: string): string {
  return argv.find((argument) => argument.startsWith(`--${name}=`))?.slice(name.length + 3) ?? '';
}

/** `neo4j-admin backup` of 4.4: a store for each database, below the folder of backups. */
export function toolB3(served: Served): Tool {
  return ({ argv }) => {
    const wanted = option(argv, 'database');
    const results = (wanted === '*' ? Object.keys(served) : [wanted]).map((name) =>
      storeOf(argv, name, served[name]),
    );
    const exitCode = Math.max(0, ...results.map((result) => result.exitCode));
    const end = exitCode === 0 ? 'Backup complete successful.\n' : '';
    return Promise.resolve({ exitCode, output: results.map(({ output = '' }) => output).join('') + end });
  };
}

const executor = '[c.n.b.v.OnlineBackupExecutor]';

function storeOf(argv: readonly string[], name: string, database: ServedDatabase | undefined): ToolResult {
  const folder = join(option(argv, 'backup-dir'), name);
  const isNew = argv.includes('--fallback-to-full=false') && !existsSync(folder);
  if (database === undefined || isNew || database.fails !== undefined) {
    const { exitCode, output = '' } = database?.fails ?? {
      exitCode: 1,
      output: 'com.neo4j.backup.v1.BackupExecutionException: it failed',
    };
    const line = `2026-01-01 03:00:00.000+0000 ERROR ${executor} Error in database ${name}`;
    return { exitCode, output: `${line}\n${output}\n` };
  }
  const { lastTransactionId, creationTime } = database;
  makeStore(folder, { lastTransactionId, ...(creationTime === undefined ? {} : { creationTime }) });
  const line = `2026-01-01 03:00:00.000+0000 INFO  ${executor} databaseName=${name}, backupStatus=successful, reason=`;
  return { exitCode: 0, output: `${line}\n` };
}

/** `neo4j-admin` of 5.26: backup, inspect and check. */
export function toolC(served: Served, now: () => Date = () => new Date()): Tool {
  return ({ argv }) => {
    const [, ...words] = argv;
    if (words[0] === 'backup') return Promise.resolve(inspect(argv));
    const name = argv.at(-1) ?? '';
    if (words[1] === 'check') return Promise.resolve(served[name]?.check ?? { exitCode: 0, output: '' });
    return Promise.resolve(backUp(argv, served, now()));
  };
}

function backUp(argv: readonly string[], served: Served, now: Date): ToolResult {
  const wanted = argv.at(-1) ?? '';
  const results = (wanted === '*' ? Object.keys(served) : [wanted]).map((name) =>
    backUpOne(argv, name, { served, now }),
  );
  const output = results.map((result) => result.output ?? '').join('');
  const exitCode = Math.max(0, ...results.map((result) => result.exitCode));
  return { exitCode, output: exitCode === 0 ? `${output}Backup command completed.\n` : output };
}

interface World {
  readonly served: Served;
  readonly now: Date;
}

function log(...texts: readonly string[]): string {
  return texts
    .map((text) => `2026-01-01 03:00:00.000+0000 INFO  [c.n.b.b.BackupOutputMonitor] ${text}\n`)
    .join('');
}

function backUpOne(argv: readonly string[], name: string, { served, now }: World): ToolResult {
  const database = served[name];
  const begun = log(`Starting backup of database '${name}' from servers: [${option(argv, 'from')}]`);
  if (database === undefined) return { exitCode: 0, output: begun }; // so it was with 5.x: no artifact, and no failure
  if (database.fails !== undefined)
    return { ...database.fails, output: `${begun}${database.fails.output ?? ''}` };
  const folder = option(argv, 'to-path');
  const parent = newestIn(folder, name);
  if (option(argv, 'type') === 'DIFF' && parent === undefined)
    return {
      exitCode: 1,
      output: `${begun}Differential backups require that a full backup of the same database exists in the folder defined in --to-path. No existing backup found here: ${folder}\n`,
    };
  const file = `${name}-${now.toISOString().slice(0, 19).replaceAll(':', '-')}.backup`;
  const range = option(argv, 'type') === 'FULL' ? undefined : rangeAfter(parent, database);
  const { lowest, highest } = range ?? { lowest: 1n, highest: database.lastTransactionId };
  const isFull = range === undefined;
  writeFileSync(
    join(folder, file),
    anArtifact({ database: name, ...identityOf(database), lowest, highest, isFull }),
  );
  return {
    exitCode: 0,
    output:
      begun +
      log(
        `Start ${isFull ? 'full' : 'differential'} backup of database '${name}'.`,
        `Finished ${isFull ? 'full' : 'differential'} backup of database '${name}'.`,
        `Finished artifact creation '${file}' for database '${name}', took 38ms.`,
      ),
  };
}

interface Range {
  readonly lowest: bigint;
  readonly highest: bigint;
}

/** What an increment brings; 0 to 0 where there is nothing new. Undefined: the logs that it needs are pruned. */
function rangeAfter(
  parent: { readonly highest: bigint } | undefined,
  { lastTransactionId: last, oldestLogged = 2n }: ServedDatabase,
): Range | undefined {
  if (parent === undefined || parent.highest + 1n < oldestLogged) return undefined;
  return parent.highest === last
    ? { lowest: 0n, highest: 0n }
    : { lowest: parent.highest + 1n, highest: last };
}

/** The header that {@link anArtifact} wrote: by position, since only that wrote it. */
function headerOf(bytes: Buffer): {
  readonly database: string;
  readonly id: string;
  readonly lowest: bigint;
  readonly highest: bigint;
  readonly isFull: boolean;
} {
  const at = 4 + 1 + 16 + 7 + 8 + 2; // magic, store id with `record` and `aligned`
  const uuid = bytes.subarray(at + 1, at + 17).toString('hex');
  const length = bytes[at + 17] ?? 0;
  const after = at + 18 + length;
  return {
    database: bytes.subarray(at + 18, after).toString(),
    id: [uuid.slice(0, 8), uuid.slice(8, 12), uuid.slice(12, 16), uuid.slice(16, 20), uuid.slice(20)].join(
      '-',
    ),
    lowest: bytes.readBigInt64BE(after + 8),
    highest: bytes.readBigInt64BE(after + 16),
    isFull: bytes[after + 24] === 1,
  };
}

function artifactsIn(folder: string): readonly (ReturnType<typeof headerOf> & { readonly file: string })[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.backup'));
  return files.map((file) => ({ file, ...headerOf(readFileSync(join(folder, file))) }));
}

function newestIn(folder: string, name: string): { readonly highest: bigint } | undefined {
  mkdirSync(folder, { recursive: true });
  const all = artifactsIn(folder).filter(({ database, highest }) => database === name && highest > 0n);
  return all.toSorted((a, b) => Number(a.highest - b.highest)).at(-1);
}

/** The table as documented for 5.25 and later. Its JSON has only the one key that was seen in public. */
function inspect(argv: readonly string[]): ToolResult {
  const folder = argv.at(-1) ?? '';
  const found = artifactsIn(folder);
  if (argv.includes('--format=JSON'))
    return {
      exitCode: 0,
      output: `${JSON.stringify(found.map(({ file }) => ({ uri: `file://${folder}/${file}` })))}\n`,
    };
  const header =
    '| FILE | DATABASE | DATABASE ID | TIME (UTC) | FULL | COMPRESSED | LOWEST TX | HIGHEST TX |';
  const rows = found.map(
    ({ file, database, id, isFull, lowest, highest }) =>
      `| file://${folder}/${file} | ${database} | ${id} | 2026-01-01T03:00:00 | ${isFull} | true | ${lowest} | ${highest} |`,
  );
  return { exitCode: 0, output: `${[header, ...rows].join('\n')}\n` };
}
