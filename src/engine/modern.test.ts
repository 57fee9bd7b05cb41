// The tools since 4.0, which cannot be had: their command lines as the manuals have them, and a reading of the lines that
// manuals document or that people pasted. Nothing here was seen to be printed by a tool that we ran.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { adminBackupB3 } from './admin-backup-b3.ts';
import { databaseBackupC } from './database-backup-c.ts';
import type { ToolSettings } from '../run/request.ts';
import type { Command, Engine } from './engine.ts';
import { selectEngine } from './select.ts';

const staging = '/backup/orders/.staging/x';

const command: Command = {
  type: 'Full',
  host: 'orders.shop.svc',
  port: 6362,
  database: 'neo4j',
  parent: `${staging}/full.db-neo4j`,
  name: 'neo4j',
  reports: `${staging}/reports`,
  temporary: `${staging}/full.db-neo4j.tmp`,
  check: { Full: true, Incremental: false },
  version: '5.26.28',
  tool: { options: {} },
};

describe('the command line of 4.x', () => {
  const full = [
    'neo4j-admin',
    'backup',
    `--backup-dir=${command.parent}`,
    '--database=neo4j',
    '--from=orders.shop.svc:6362',
    '--check-consistency=true',
    `--report-dir=${staging}/reports`,
    '--verbose',
  ];

  test('takes a full backup', () => {
    expect(adminBackupB3.commandLine(command)).toEqual(full);
  });

  test('forbids an increment to end as anything else', () => {
    const argv = adminBackupB3.commandLine({ ...command, type: 'Incremental' });
    expect(argv).toContain('--fallback-to-full=false');
    expect(argv).toContain('--check-consistency=false');
  });
});

describe('the command lines of 5 and newer', () => {
  const listing = databaseBackupC.companions?.inspect ?? (() => []);

  test.each([
    { type: 'Full', database: 'neo4j', flag: '--type=FULL', last: 'neo4j' },
    { type: 'Incremental', database: 'neo4j', flag: '--type=DIFF', last: 'neo4j' },
    { type: 'Incremental', database: '*', flag: '--type=AUTO', last: '*' },
  ] as const)('asks for $flag of $database', ({ type, database, flag, last }) => {
    const argv = databaseBackupC.commandLine({ ...command, type, database });
    expect(argv).toContain(flag);
    expect(argv.at(-1)).toBe(last);
    expect(argv.slice(0, 3)).toEqual(['neo4j-admin', 'database', 'backup']);
  });

  test.each([
    { version: '5.0.0', temp: false, format: false },
    { version: '5.23.1', temp: false, format: false },
    { version: '5.24.0', temp: true, format: false },
    { version: '5.25.1', temp: true, format: true },
    { version: '2025.01.0', temp: true, format: true },
    { version: '2026.06.0', temp: true, format: true },
  ])('uses of $version only what it has', ({ version, temp, format }) => {
    const argv = databaseBackupC.commandLine({ ...command, version });
    expect(argv.some((argument) => argument.startsWith('--temp-path='))).toBe(temp);
    const listings = listing({ ...command, version });
    expect(listings.some((one) => one.includes('--format=JSON'))).toBe(format);
    expect(listings.some((one) => one.includes(`--inspect-path=${command.parent}`))).toBe(!format);
  });

  test('looks for empty artifacts, too', () => {
    for (const argv of listing(command)) expect(argv).toContain('--empty');
  });

  test('has a full backup checked in a place of its own', () => {
    expect(databaseBackupC.companions?.check(command)).toEqual([
      'neo4j-admin',
      'database',
      'check',
      `--from-path=${command.parent}`,
      `--temp-path=${command.temporary}/check`,
      `--report-path=${command.reports}`,
      '--verbose',
      'neo4j',
    ]);
  });
});

const all: readonly Engine[] = [adminBackupB3, databaseBackupC];

test.each(all)('of $generation: an address of IPv6 stands in brackets', (engine) => {
  expect(engine.commandLine({ ...command, host: 'fd00::1' })).toContain('--from=[fd00::1]:6362');
});

describe.each(all)('the settings of generation $generation', (engine) => {
  const { version } = engine === adminBackupB3 ? { version: '4.4.48' } : { version: '2026.06.0' };
  const lines = (tls: ToolSettings['tls']): readonly string[] =>
    engine.configuration({ ...(tls === undefined ? {} : { tls }), options: {} })['neo4j.conf']?.split('\n') ??
    [];

  test('have a policy only where TLS is asked for', () => {
    const added = lines({}).filter((line) => !lines(undefined).includes(line));
    expect(added).toEqual([
      'dbms.ssl.policy.backup.enabled=true',
      'dbms.ssl.policy.backup.base_directory=/tls',
      'dbms.ssl.policy.backup.revoked_dir=/exchange/revoked',
      'dbms.ssl.policy.backup.client_auth=REQUIRE',
      'dbms.ssl.policy.backup.trust_all=false',
    ]);
    expect(lines(undefined).join()).not.toContain('ssl');
  });

  test.each([true, false])(
    'leave the check of names to the version, unless it is set: %s',
    (verifyHostname) => {
      expect(lines({}).join()).not.toContain('verify_hostname');
      expect(lines({ verifyHostname })).toContain(`dbms.ssl.policy.backup.verify_hostname=${verifyHostname}`);
    },
  );

  test('give heap, page cache and what is allowed, before the name of a database', () => {
    expect(engine.environment(300)).toMatchObject({ HEAP_SIZE: '300m' });
    const tool = { pageCacheMiB: 64, options: { 'include-metadata': 'users' } };
    const argv = engine.commandLine({ ...command, version, tool });
    const plain = engine.commandLine({ ...command, version });
    expect(argv.filter((argument) => !plain.includes(argument))).toEqual([
      '--pagecache=64m',
      '--include-metadata=users',
    ]);
    expect(argv.at(-1)).toBe(plain.at(-1));
  });

  test('never give what is not allowed', () => {
    const tool = { options: { 'to-path': 'x' } };
    expect(() => engine.commandLine({ ...command, version, tool })).toThrow('not allowed');
  });
});

test.each([
  { version: '4.0.12', names: ['check-graph', 'check-indexes'] },
  { version: '4.2.0', names: ['check-graph', 'check-indexes', 'include-metadata'] },
  { version: '5.26.28', names: ['compress', 'include-metadata', 'parallel-recovery'] },
  {
    version: '2025.04.0',
    names: ['compress', 'include-metadata', 'parallel-recovery', 'prefer-diff-as-parent'],
  },
  {
    version: '2025.11.2',
    names: [
      'compress',
      'include-metadata',
      'parallel-recovery',
      'prefer-diff-as-parent',
      'remote-address-resolution',
      'parallel-download',
    ],
  },
])('what $version allows is what it has', ({ version, names }) => {
  expect(Object.keys(selectEngine(version)?.options(version) ?? {})).toEqual(names);
});

test('a flag is written without its value', () => {
  const tool = { options: { 'prefer-diff-as-parent': 'true' } };
  expect(databaseBackupC.commandLine({ ...command, version: '2025.11.2', tool })).toContain(
    '--prefer-diff-as-parent',
  );
});

interface Failure {
  readonly name: string;
  readonly output: string;
  readonly reason: string;
}

/** Java's own names, and what people pasted of 4.4.15, 5.26 and of the image. */
const failures: readonly Failure[] = [
  {
    name: 'a refused connection',
    output: 'java.net.ConnectException: Connection refused: /10.0.0.1:6362',
    reason: 'PortUnreachable',
  },
  {
    name: 'a certificate that is not trusted',
    output: 'Caused by: javax.net.ssl.SSLHandshakeException: PKIX path building failed',
    reason: 'TLSHandshakeFailed',
  },
  {
    name: 'a key that cannot be read',
    output: 'java.lang.RuntimeException: Failed to load private key: /tls/private.key',
    reason: 'TLSPolicyRejected',
  },
  { name: 'an unknown host', output: 'java.net.UnknownHostException: orders-neo4j', reason: 'HostNotFound' },
  { name: 'a full disk', output: 'java.io.IOException: No space left on device', reason: 'NoSpaceLeft' },
  {
    name: 'a folder that may not be written to',
    output: 'java.nio.file.AccessDeniedException: /backup/x',
    reason: 'PermissionDenied',
  },
  { name: 'no memory', output: 'java.lang.OutOfMemoryError: Java heap space', reason: 'OutOfMemory' },
  {
    name: 'another store',
    output: 'org.neo4j.kernel.impl.store.MismatchingStoreIdException: Expected:x, encountered:y',
    reason: 'StoreMismatch',
  },
  {
    name: 'logs of another version',
    output: 'Caused by: org.neo4j.kernel.impl.transaction.log.entry.UnsupportedLogVersionException: x',
    reason: 'OlderVersion',
  },
  {
    name: 'a closed connection',
    output: 'java.nio.channels.ClosedChannelException',
    reason: 'ServerClosedConnection',
  },
  {
    name: 'a stalled pull of transactions',
    output:
      'com.neo4j.backup.v1.BackupExecutionException: StoreCopyFailedException: Pulling tx failed consecutively without progress',
    reason: 'EngineFailed',
  },
  {
    name: 'an option that it does not know',
    output: "Unknown option: '--frobnicate'",
    reason: 'EngineFailed',
  },
];

describe.each(all)('generation $generation', (engine) => {
  test.each(failures)('reads $reason from $name', ({ output, reason }) => {
    expect(engine.judge({ exitCode: 1, output: `noise\n${output}\n\tat a.b.C(D.java:1)\n` })).toMatchObject({
      kind: 'failed',
      reason,
    });
  });

  test('has a full backup follow an increment that failed, but not for what it would meet again', () => {
    const marks = engine.causeMarks ?? [];
    const follows = (output: string): boolean => !marks.some((mark) => output.includes(mark));
    expect(failures.filter(({ output }) => follows(output)).map(({ name }) => name)).toEqual([
      'logs of another version',
      'a closed connection',
      'a stalled pull of transactions',
      'an option that it does not know',
    ]);
  });

  test('never lets a value become an option, or two arguments', () => {
    const value = fc.string();
    const plain = engine.commandLine(command).length;
    fc.assert(
      fc.property(value, value, value, value, (host, parent, reports, temporary) => {
        const given = { ...command, host, parent, reports, temporary };
        const argv = engine.commandLine(given);
        expect(argv).toHaveLength(plain);
        expect(argv.filter((argument) => /^--(additional-config|expand-commands)/.test(argument))).toEqual(
          [],
        );
      }),
    );
  });
});

test.each(all)('of $generation: the kernel’s own name for a database that is not there is read', (engine) => {
  const output =
    'org.neo4j.dbms.api.DatabaseNotFoundException: Database does not exist. Database name: `orders`.';
  expect(engine.judge({ exitCode: 1, output })).toMatchObject({ kind: 'failed', reason: 'DatabaseNotFound' });
});

test('4.4 names the databases that failed, and how each ended', () => {
  const output = [
    '2026-01-01 03:00:00.000+0000 ERROR [c.n.b.v.OnlineBackupExecutor] Error in database orders',
    '2026-01-01 03:00:00.000+0000 INFO  [c.n.b.v.OnlineBackupExecutor] databaseName=neo4j, backupStatus=successful, reason=',
    '2026-01-01 03:00:00.000+0000 INFO  [c.n.b.v.OnlineBackupExecutor] databaseName=old, backupStatus=failed, reason=no such',
  ].join('\n');
  expect([...(adminBackupB3.failedDatabases?.(output) ?? [])]).toEqual([
    ['orders', 'Error in database orders'],
    ['old', 'no such'],
  ]);
});

test('5.26 names what it began with: without an artifact in the end it failed, whatever was said on the way', () => {
  const log = (text: string): string =>
    `2026-01-01 03:00:00.000+0000 INFO  [c.n.b.b.BackupOutputMonitor] ${text}`;
  const output = [
    log("Starting backup of database 'neo4j' from servers: [s:6362]"),
    log(
      "Differential backup of database 'neo4j' failed. Reason: Differential backups require that a full backup exists.",
    ),
    log("Falling back to full backup of database 'neo4j'."),
    log("Finished artifact creation 'neo4j-2026-01-01T03-00-00.backup' for database 'neo4j', took 38ms."),
    log("Starting backup of database 'orders' from servers: [s:6362]"),
  ].join('\n');
  expect([...(databaseBackupC.failedDatabases?.(output) ?? new Map()).keys()]).toEqual(['orders']);
});

test.each([
  ['4.0.0', 'B3'],
  ['4.4.48', 'B3'],
  ['5.0.0', 'C'],
  ['5.26.28', 'C'],
  ['2025.01.0', 'C'],
  ['2026.08.1', 'C'],
])('%s is served by generation %s', (version, generation) => {
  expect(selectEngine(version)?.generation).toBe(generation);
});
