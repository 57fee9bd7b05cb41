// Generation B3: `neo4j-admin backup` of Neo4j 4.0 to 4.4. Not run against the real tool, which cannot be had: what it prints
// is taken from manuals and from what people pasted (docs/engines.md says what that is). So little of it is relied upon: a
// failed increment whose cause is not plain is followed by a full backup, which counts only where the store is the same.
import { exchange, mounts } from '../run/exchange.ts';
import type { ToolSettings } from '../run/request.ts';
import { allDatabases, type Command, type Ended, type Engine, type Verdict } from './engine.ts';
import { judgeFailure, modernFailures, stayingMarks } from './failure.ts';
import { oneOf, optionArguments, switches, type ToolOptions } from './options.ts';
import { enablePolicy, policySettings } from './policy.ts';
import { atLeast } from './version.ts';

/** The tool makes these folders below its home, which is read-only here. */
const folders = [
  `dbms.directories.logs=${mounts.temporary}/logs`,
  `dbms.directories.metrics=${mounts.temporary}/metrics`,
  'metrics.enabled=false',
];

function configuration({ tls }: ToolSettings): Readonly<Record<string, string>> {
  const policy = tls === undefined ? [] : [enablePolicy, ...policySettings(tls)];
  return { 'neo4j.conf': [...folders, ...policy, ''].join('\n') };
}

function environment(heapMiB: number): Readonly<Record<string, string>> {
  return { NEO4J_CONF: `${mounts.exchange}/${exchange.configuration}`, HEAP_SIZE: `${heapMiB}m` };
}

/** As the manuals have them. What a copy consists of, and where it lies, is not for a resource to say. */
function options(version: string): ToolOptions {
  return {
    'check-graph': switches,
    'check-indexes': switches,
    ...(atLeast(version, 4, 4) ? { 'check-index-structure': switches } : {}),
    ...(atLeast(version, 4, 2) ? { 'include-metadata': oneOf('all', 'users', 'roles') } : {}),
  };
}

function commandLine(command: Command): readonly string[] {
  const { type, host, port, database, parent, reports, check, tool, version } = command;
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
    ...(tool.pageCacheMiB === undefined ? [] : [`--pagecache=${tool.pageCacheMiB}m`]),
    ...optionArguments(options(version), tool.options, '--'),
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
    tls: 'dbms.ssl.policy.backup.enabled',
  },
  databases: 'named',
  layout: 'store',
  defaultImage: (version) => `neo4j:${version}-enterprise`,
  asksForLicense: true,
  environment,
  // Its launcher may be a JVM of its own, which stays.
  memory: { leastHeapMiB: 64, besideHeapMiB: 256, takesPageCache: () => true },
  hostnameCheck: () => 'off',
  options,
  configuration,
  commandLine,
  checks: ['Full', 'Incremental'],
  // What it says of pruned logs of one database is not known.
  prunedMarks: [],
  causeMarks: stayingMarks,
  judge,
  failedDatabases,
};
