// Generation C: `neo4j-admin database backup` of Neo4j 5 and of the calendar versions since 2025. Not run against the real
// tool, which cannot be had: what it prints is taken from manuals and from what people pasted (docs/engines.md says what that
// is). The artifact is what counts: it tells of itself, and the tool's own listing must agree.
import { exchange, mounts } from '../run/exchange.ts';
import type { ToolSettings } from '../run/request.ts';
import { allDatabases, type Command, type Ended, type Engine, type Verdict } from './engine.ts';
import { judgeFailure, modernFailures, stayingMarks } from './failure.ts';
import { flag, oneOf, optionArguments, switches, type ToolOptions } from './options.ts';
import { enablePolicy, policySettings } from './policy.ts';
import { atLeast } from './version.ts';

function environment(heapMiB: number): Readonly<Record<string, string>> {
  return {
    NEO4J_CONF: `${mounts.exchange}/${exchange.configuration}`,
    HEAP_SIZE: `${heapMiB}m`,
    TZ: 'UTC', // some versions name an artifact by the local time
  };
}

const folders = [`server.directories.logs=${mounts.temporary}/logs`, 'server.metrics.enabled=false'];

function configuration({ tls }: ToolSettings): Readonly<Record<string, string>> {
  const policy = tls === undefined ? [] : [enablePolicy, ...policySettings(tls)];
  return { 'neo4j.conf': [...folders, ...policy, ''].join('\n') };
}

/**
 * As the manuals have them, by the version that brought them. Not there is what would leave something else than an artifact
 * that is whole: `keep-failed`, `skip-recovery`.
 */
function options(version: string): ToolOptions {
  return {
    compress: switches,
    'include-metadata': oneOf('none', 'all', 'users', 'roles'),
    'parallel-recovery': switches,
    ...(atLeast(version, 2025, 4) ? { 'prefer-diff-as-parent': flag } : {}),
    ...(atLeast(version, 2025, 9) ? { 'remote-address-resolution': switches } : {}),
    ...(atLeast(version, 2025, 11) ? { 'parallel-download': switches } : {}),
  };
}

/** With all databases AUTO: some of them are new, and each artifact tells what it is. */
function typeOf({ type, database }: Command): string {
  if (type === 'Full') return 'FULL';
  return database === allDatabases ? 'AUTO' : 'DIFF';
}

function commandLine(command: Command): readonly string[] {
  const { host, port, database, parent, version, temporary, tool } = command;
  return [
    'neo4j-admin',
    'database',
    'backup',
    `--from=${host.includes(':') ? `[${host}]` : host}:${port}`,
    `--to-path=${parent}`,
    `--type=${typeOf(command)}`,
    // The default is the working folder, which is small here.
    ...(atLeast(version, 5, 24) ? [`--temp-path=${temporary}/backup`] : []),
    ...(tool.pageCacheMiB === undefined ? [] : [`--pagecache=${tool.pageCacheMiB}m`]),
    ...optionArguments(options(version), tool.options, '--'),
    '--verbose',
    database === allDatabases ? '*' : database,
  ];
}

/** Empty artifacts are left out unless asked for, and so is, before 2025.07, everything but the names. */
function inspect({ parent, version }: Command): readonly (readonly string[])[] {
  if (!atLeast(version, 5, 25)) return [['neo4j-admin', 'database', 'backup', `--inspect-path=${parent}`]];
  const inFormat = (format: string): readonly string[] => [
    'neo4j-admin',
    'backup',
    'inspect',
    '--empty',
    '--show-metadata',
    `--format=${format}`,
    parent,
  ];
  // The keys of the JSON are documented nowhere, the columns of the table are.
  return [inFormat('JSON'), inFormat('TABULAR')];
}

function check({ parent, database, reports, temporary }: Command): readonly string[] {
  return [
    'neo4j-admin',
    'database',
    'check',
    `--from-path=${parent}`,
    `--temp-path=${temporary}/check`, // by default it unpacks beside the backup
    `--report-path=${reports}`,
    '--verbose',
    database,
  ];
}

const differentialFailed =
  /Differential backup of database '([a-z][-a-z0-9.]{1,62})' failed\. Reason: (.{0,300})/;

function judge({ exitCode, output }: Ended): Verdict {
  // Also of a database that is not there: that there is no artifact tells.
  return exitCode === 0
    ? { kind: 'taken', check: 'none' }
    : judgeFailure({ exitCode, output }, modernFailures);
}

/** Databases that the tool began with and did not end an artifact of. */
function failedDatabases(output: string): ReadonlyMap<string, string> {
  const failed = new Map<string, string>();
  for (const line of output.split('\n')) {
    const begun = /Start(?:ing)? backup of database '([a-z][-a-z0-9.]{1,62})'/.exec(line)?.[1];
    if (begun !== undefined && !failed.has(begun))
      failed.set(begun, 'The tool began with it and ended no artifact');
    const differential = differentialFailed.exec(line);
    if (differential?.[1] !== undefined) failed.set(differential[1], differential[0]);
  }
  // A second look: the tool goes on with a full one after an increment that failed, and begins several times.
  for (const [, done = ''] of output.matchAll(
    /Finished artifact creation '[^']{1,200}' for database '([^']{1,63})'/g,
  ))
    failed.delete(done);
  return failed;
}

export const databaseBackupC: Engine = {
  generation: 'C',
  versions: '5, 2025 and newer',
  settings: {
    enabled: 'server.backup.enabled',
    listen: 'server.backup.listen_address',
    retention: 'db.tx_log.rotation.retention_policy',
    tls: 'dbms.ssl.policy.backup.enabled',
  },
  databases: 'named',
  layout: 'artifacts',
  defaultImage: (version) => `neo4j:${version}-enterprise`,
  asksForLicense: true,
  environment,
  // Its launcher is a JVM of its own, which stays.
  memory: { leastHeapMiB: 64, besideHeapMiB: 256, takesPageCache: () => true },
  hostnameCheck: (version) => (atLeast(version, 2025, 1) ? 'on' : 'off'),
  options,
  configuration,
  commandLine,
  companions: { inspect, check },
  checks: ['Full'],
  prunedMarks: ['Differential backups require that a full backup of the same database exists'],
  causeMarks: stayingMarks,
  judge,
  failedDatabases,
};
