// Generation B2: `neo4j-admin backup` of Neo4j 3.4 and 3.5. What it prints was taken from real runs of 3.4: test/engine/captures.
// 3.5 was not run: its enterprise edition is in no public repository. Its manual tells of the same options and exit codes.
import { exchange, mounts } from '../run/exchange.ts';
import type { ToolSettings } from '../run/request.ts';
import type { Command, Ended, Engine, Verdict } from './engine.ts';
import { judgeFailure, tlsFailures, type FailureMark } from './failure.ts';
import { durations, optionArguments, switches, type ToolOptions } from './options.ts';
import { policySettings } from './policy.ts';
import { atLeast } from './version.ts';

function environment(heapMiB: number): Readonly<Record<string, string>> {
  return {
    /** Without it, another store, pruned logs and a refused connection all print the same line. */
    NEO4J_DEBUG: '1',
    NEO4J_CONF: `${mounts.exchange}/${exchange.configuration}`,
    HEAP_SIZE: `${heapMiB}m`,
  };
}

/** The tool makes these folders below its home, which is read-only here, and fails when it cannot. */
const folders = [
  `dbms.directories.logs=${mounts.temporary}/logs`,
  `dbms.directories.metrics=${mounts.temporary}/metrics`,
  'metrics.enabled=false',
];

function configuration({ tls }: ToolSettings): Readonly<Record<string, string>> {
  const policy = tls === undefined ? [] : ['dbms.backup.ssl_policy=backup', ...policySettings(tls)];
  return { 'neo4j.conf': [...folders, ...policy, ''].join('\n') };
}

/** The check reads the whole copy several times: each of these parts of it can be left out. 3.1 knows none of them. */
function options(version: string): ToolOptions {
  if (!atLeast(version, 3, 2)) return { timeout: durations };
  return {
    timeout: durations,
    'cc-graph': switches,
    'cc-indexes': switches,
    'cc-label-scan-store': switches,
    'cc-property-owners': switches,
  };
}

/**
 * In the words of a single server, and of a member of a cluster. The latter says the same of a store that it does not have,
 * which the tool finds out before, and of one that is not open at the moment: then the full backup that follows fails, too.
 */
const prunedMarks = [
  'IncrementalBackupNotPossibleException',
  'End state of catchup was not a successful end of stream',
] as const;

/** With NEO4J_DEBUG a failure is a stack trace; what the tool, its shell or its frame say without one names itself. */
const causeMarks = ['Exception', 'Error', 'unrecognized', 'not found', 'denied', 'No space left'] as const;

/**
 * First match wins, so what names a cause stands above what only names a symptom. The tool tries the protocol of clusters
 * first and prints how that failed, too: a closed channel, nearly always.
 */
const failures: readonly FailureMark[] = [
  [/MismatchingStoreIdException|Remote store id was .* but local is /, 'StoreMismatch'],
  [/java\.lang\.OutOfMemoryError/, 'OutOfMemory'],
  [/No space left on device|Disk quota exceeded/, 'NoSpaceLeft'],
  ...tlsFailures,
  [/UpgradeNotAllowed|UnexpectedStoreVersion|StoreUpgrade|UnexpectedUpgradingStoreVersion/, 'OlderVersion'],
  [/AccessDeniedException|Permission denied|Read-only file system/, 'PermissionDenied'],
  // What a folder that may not be written to looks like to this tool.
  [/temp-copy\/\S+ \(No such file or directory\)|Can't create id file \[/, 'PermissionDenied'],
  [/IllegalProtocolVersionException/, 'ProtocolMismatch'],
  [/UnknownHostException/, 'HostNotFound'],
  [/UnresolvedAddressException|Name or service not known/, 'HostNotFound'],
  [
    /Connection refused|ConnectTimeoutException|NoRouteToHostException|connection timed out/i,
    'PortUnreachable',
  ],
  [/BlockingReadTimeoutException|^unrecognized option/, 'EngineFailed'],
  [/Channel has been closed|Connection reset|ClosedChannelException|Broken pipe/, 'ServerClosedConnection'],
];

function commandLine(command: Command): readonly string[] {
  const { type, host, port, parent, name, reports, check, tool, version } = command;
  return [
    'neo4j-admin',
    'backup',
    `--backup-dir=${parent}`,
    `--name=${name}`,
    `--from=${host.includes(':') ? `[${host}]` : host}:${port}`,
    // For a full backup the flag must be left out: with false, a blank destination ends in an error instead of a backup.
    // For an incremental one it must be false: with true, another store's backup is replaced with exit code 0.
    ...(type === 'Incremental' ? ['--fallback-to-full=false'] : []),
    `--check-consistency=${check[type]}`,
    `--cc-report-dir=${reports}`,
    // The tool knows two protocols, and by itself tries the other one where the first fails. Only that of clusters goes over
    // TLS: with both, a backup that was to be encrypted is taken in the clear, with exit code 0.
    ...(tool.tls === undefined ? [] : ['--protocol=catchup']),
    ...(tool.pageCacheMiB === undefined ? [] : [`--pagecache=${tool.pageCacheMiB}m`]),
    ...optionArguments(options(version), tool.options, '--'),
  ];
}

function judge({ exitCode, output }: Ended): Verdict {
  if (exitCode === 0) return { kind: 'taken', check: 'none' };
  // 3 and 2 come only after the copy is complete; a shell that cannot start the tool ends with 126 or 127.
  if (exitCode === 3) return { kind: 'taken', check: 'inconsistent' };
  if (exitCode === 2) return { kind: 'taken', check: 'failed' };
  if (prunedMarks.some((mark) => output.includes(mark))) return { kind: 'pruned' };
  return judgeFailure({ exitCode, output }, failures);
}

export const adminBackupB2: Engine = {
  generation: 'B2',
  versions: '3.4, 3.5',
  settings: {
    enabled: 'dbms.backup.enabled',
    listen: 'dbms.backup.address',
    tls: 'dbms.backup.ssl_policy',
    retention: 'dbms.tx_log.rotation.retention_policy',
  },
  databases: 'one',
  layout: 'store',
  defaultImage: (version) => `neo4j:${version}-enterprise`,
  asksForLicense: true,
  environment,
  // Resident beside the heap were 96 MiB, with Java 17 (docs/engines.md).
  memory: { leastHeapMiB: 32, besideHeapMiB: 128, takesPageCache: () => true },
  hostnameCheck: () => 'never',
  options,
  configuration,
  commandLine,
  checks: ['Full', 'Incremental'],
  prunedMarks,
  causeMarks,
  judge,
};
