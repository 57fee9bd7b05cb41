// Generation A: `neo4j-backup` of Neo4j 2.3 and 3.0. What it prints was taken from real runs: test/engine/captures.
import type { Command, Ended, Engine, Verdict } from './engine.ts';
import { judgeFailure, type FailureMark } from './failure.ts';
import { durations, optionArguments, type ToolOptions } from './options.ts';
import { atLeast } from './version.ts';

/** The official images of 2.3 and 3.0 do not have it on their PATH. */
const tool = '/var/lib/neo4j/bin/neo4j-backup';

/** The tool found pruned logs, and went on by removing what was staged and taking a full backup in its place. */
const fellBackMark = 'Existing backup is too far out of date, a new full backup will be performed.';

/** It found a store of an older version, moved that into a folder within itself, and took a full backup beside it. */
const olderVersionMark = 'The database present in the target directory is of an older version.';
const olderVersion: readonly FailureMark[] = [[/of an older version\./, 'OlderVersion']];

const inconsistentMark = /^WARNING: The database is inconsistent\.$/m;
const checkFailedMark = 'Consistency check incomplete';

/** First match wins, so what names a cause stands above what only names a symptom. */
const failures: readonly FailureMark[] = [
  [/MismatchingStoreIdException/, 'StoreMismatch'],
  [/logically different store|the target directory contained a backup from database/, 'StoreMismatch'],
  [/java\.lang\.OutOfMemoryError/, 'OutOfMemory'],
  [/No space left on device|Disk quota exceeded/, 'NoSpaceLeft'],
  [/UpgradeNotAllowed|UnexpectedStoreVersion|StoreUpgrade|UnexpectedUpgradingStoreVersion/, 'OlderVersion'],
  [/AccessDeniedException|Permission denied|Read-only file system/, 'PermissionDenied'],
  // What a folder that may not be written to looks like to this tool.
  [/temp-copy\/\S+ \(No such file or directory\)|Unable to create directory path \[/, 'PermissionDenied'],
  [/IllegalProtocolVersionException|Unrecognized log entry version/, 'ProtocolMismatch'],
  [/UnknownHostException|UnresolvedAddressException|Name or service not known/, 'HostNotFound'],
  [/Connection refused|ConnectTimeoutException|NoRouteToHostException/, 'PortUnreachable'],
  [/connection timed out/i, 'PortUnreachable'],
  [/Channel has been closed|Connection reset|ClosedChannelException|Broken pipe/, 'ServerClosedConnection'],
  // It says this of a host that it does not find and of a port that refuses, too (ifReachable).
  [/^Couldn't connect to '/, 'ProtocolMismatch'],
];

/** What it does not know it ignores, with exit code 0: so nothing is taken that was not seen to have an effect. */
function options(version: string): ToolOptions {
  return atLeast(version, 3, 0) ? { timeout: durations } : {};
}

function commandLine({
  host,
  port,
  parent,
  name,
  check,
  tool: settings,
  version,
}: Command): readonly string[] {
  return [
    tool,
    `-host=${host}`, // the tool puts the brackets around an IPv6 address itself
    `-port=${port}`,
    `-to=${parent}/${name}`,
    // It is never an increment that is checked, but an increment may end as a full backup.
    `-verify=${check.Full}`,
    ...optionArguments(options(version), settings.options, '-'),
  ];
}

function judge({ exitCode, output }: Ended): Verdict {
  if (output.includes(olderVersionMark)) return judgeFailure({ exitCode, output }, olderVersion);
  const fellBack = output.includes(fellBackMark) ? ({ fellBack: true } as const) : {};
  if (exitCode === 0) return { kind: 'taken', check: 'none', ...fellBack };
  // The copy is complete by then, and the exit code that of any failure.
  if (exitCode === 1 && inconsistentMark.test(output))
    return {
      kind: 'taken',
      check: output.includes(checkFailedMark) ? 'failed' : 'inconsistent',
      ...fellBack,
    };
  const failed = judgeFailure({ exitCode, output }, failures);
  const isUnsure = failed.kind === 'failed' && failed.detail.startsWith("Couldn't connect to '");
  return isUnsure ? { ...failed, ifReachable: true } : failed;
}

export const backupA: Engine = {
  generation: 'A',
  versions: '3.0',
  settings: {
    enabled: 'dbms.backup.enabled',
    listen: 'dbms.backup.address',
    retention: 'dbms.tx_log.rotation.retention_policy',
  },
  databases: 'one',
  layout: 'store',
  defaultImage: (version) => `neo4j:${version}-enterprise`,
  asksForLicense: false, // the official images do since 3.3
  environment: (heapMiB) => ({ JAVA_OPTS: `-Xmx${heapMiB}m` }), // its launcher does not know HEAP_SIZE
  memory: { leastHeapMiB: 24, besideHeapMiB: 128, takesPageCache: () => false },
  hostnameCheck: () => 'never',
  options,
  configuration: () => ({}),
  commandLine,
  checks: ['Full'],
  prunedMarks: [], // it takes a full backup by itself
  judge,
};

/** The same tool; the server's settings had other names. */
export const backupA23: Engine = {
  ...backupA,
  versions: '2.3',
  settings: {
    enabled: 'online_backup_enabled',
    listen: 'online_backup_server',
    retention: 'keep_logical_logs',
  },
};
