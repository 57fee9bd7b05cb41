// Generation B3: `neo4j-admin backup` of Neo4j 4.0 to 4.4. Not run against the real tool, which cannot be had: what it prints
// is taken from manuals and from what people pasted (docs/engines.md says what that is). So little of it is relied upon: a
// failed increment whose cause is not plain is followed by a full backup, which counts only where the store is the same.
import { exchange, mounts } from '../run/exchange.ts';
import { allDatabases, type Command, type Ended, type Engine, type Verdict } from './engine.ts';
import { judgeFailure, modernFailures, stayingMarks } from './failure.ts';

/** The tool makes these folders below its home, which is read-only here. */
const configuration = {
  'neo4j.conf': [
    `dbms.directories.logs=${mounts.temporary}/logs`,
    `dbms.directories.metrics=${mounts.temporary}/metrics`,
    'metrics.enabled=false',
    '',
  ].join('\n'),
} as const;

function commandLine(command: Command): readonly string[] {
  const { type, host, port, database, parent, reports, check } = command;
  return [
    'neo4j-admin',
    'backup',
    `--backup-dir=${parent}`,
    // Only the one word that stands for all of them is ever a glob: names hold none.
    `--database=${database === allDatabases ? '*' : database}`,
    `--from=${host.includes(':') ? `[${host}]` : host}:${port}`,
    // As with 3.4: false is refused where nothing is there, and true would replace what is.
    ...(type === 'Incremental' ? ['--fallback-to-full=false'] : []),
    `--check-consistency=${check[type]}`,
    `--report-dir=${reports}`,
    '--verbose', // or else a failure is one line without its cause
  ];
}

function judge({ exitCode, output }: Ended): Verdict {
  if (exitCode === 0) return { kind: 'taken', check: 'none' };
  // The manual: 2, the check could not be done, 3, it found something; both only where one database was asked for.
  if (exitCode === 3) return { kind: 'taken', check: 'inconsistent' };
  if (exitCode === 2) return { kind: 'taken', check: 'failed' };
  return judgeFailure({ exitCode, output }, modernFailures);
}

/** Seen of 4.4: a line of the outcome for each database, and before it, for one that failed, a line without a reason. */
function failedDatabases(output: string): ReadonlyMap<string, string> {
  const failed = new Map<string, string>();
  for (const line of output.split('\n')) {
    const error = /Error in database ([a-z][-a-z0-9.]{1,62})\s*$/.exec(line);
    if (error?.[1] !== undefined && !failed.has(error[1])) failed.set(error[1], error[0]);
    const outcome = /databaseName=([a-z][-a-z0-9.]{1,62}),? backupStatus=(\w+),? reason=(.{0,300})/.exec(
      line,
    );
    if (outcome?.[1] !== undefined && outcome[2] !== 'successful')
      failed.set(outcome[1], outcome[3]?.trim() ?? '');
  }
  return failed;
}

export const adminBackupB3: Engine = {
  generation: 'B3',
  versions: '4.0 to 4.4',
  settings: {
    enabled: 'dbms.backup.enabled',
    listen: 'dbms.backup.listen_address',
    retention: 'dbms.tx_log.rotation.retention_policy',
  },
  databases: 'named',
  layout: 'store',
  defaultImage: (version) => `neo4j:${version}-enterprise`,
  asksForLicense: true,
  environment: { NEO4J_CONF: `${mounts.exchange}/${exchange.configuration}` },
  configuration,
  commandLine,
  checks: ['Full', 'Incremental'],
  // What it says of pruned logs of one database is not known.
  prunedMarks: [],
  causeMarks: stayingMarks,
  judge,
  failedDatabases,
};
