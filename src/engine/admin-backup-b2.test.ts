import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RunReason } from '../api/reasons.ts';
import { adminBackupB2 } from './admin-backup-b2.ts';
import type { ToolSettings } from '../run/request.ts';
import type { Command, Ended, Verdict } from './engine.ts';

const { prunedMarks } = adminBackupB2;
const commandLine = (given: Command): readonly string[] => adminBackupB2.commandLine(given);
const judge = (ended: Ended): Verdict => adminBackupB2.judge(ended);

const command: Command = {
  type: 'Full',
  host: 'orders.shop.svc',
  port: 6362,
  database: 'graph.db',
  parent: '/backup/orders/.staging/x/first',
  name: 'data',
  reports: '/backup/orders/.staging/x/reports',
  temporary: '/backup/orders/.staging/x/first.tmp',
  check: { Full: true, Incremental: true },
  version: '3.4.18',
  tool: { options: {} },
};

describe('commandLine', () => {
  const full = [
    'neo4j-admin',
    'backup',
    '--backup-dir=/backup/orders/.staging/x/first',
    '--name=data',
    '--from=orders.shop.svc:6362',
    '--check-consistency=true',
    '--cc-report-dir=/backup/orders/.staging/x/reports',
  ];

  test('says nothing of falling back for a full backup: with false, a blank folder is refused', () => {
    expect(commandLine(command)).toEqual(full);
  });

  test('forbids falling back for an incremental one: with true, the backup of another store is replaced', () => {
    const argv = commandLine({ ...command, type: 'Incremental' });
    expect(argv.filter((argument) => !full.includes(argument))).toEqual(['--fallback-to-full=false']);
  });

  test.each([
    { host: '10.0.0.7', from: '--from=10.0.0.7:6362' },
    { host: 'fd00::1', from: '--from=[fd00::1]:6362' },
    { host: 'db', from: '--from=db:6362' },
  ])('writes the host $host as $from', ({ host, from }) => {
    expect(commandLine({ ...command, host })).toContain(from);
  });

  test('never lets a value become an option, or two arguments', () => {
    const value = fc.string();
    fc.assert(
      fc.property(value, value, value, value, (host, parent, name, reports) => {
        const argv = commandLine({ ...command, host, parent, name, reports });
        expect(argv).toHaveLength(full.length);
        expect(argv.slice(0, 2)).toEqual(['neo4j-admin', 'backup']);
        for (const argument of argv.slice(2)) expect(argument).toMatch(/^--[a-z-]+=/);
      }),
    );
  });

  test('turns the check off where it is not wanted', () => {
    const check = { Full: true, Incremental: false };
    expect(commandLine({ ...command, check })).toContain('--check-consistency=true');
    expect(commandLine({ ...command, check, type: 'Incremental' })).toContain('--check-consistency=false');
  });
});

test('the tool is made to say why: without it, most failures print the same line', () => {
  expect(adminBackupB2.environment(256)).toMatchObject({ NEO4J_DEBUG: '1' });
});

test('the tool writes its logs where it may, not below its home', () => {
  expect(configured({ options: {} })[0]).toMatch(/^dbms\.directories\.logs=\/tmp\//);
});

/** The lines of the only file of the configuration. */
function configured(settings: ToolSettings): readonly string[] {
  const files = adminBackupB2.configuration(settings);
  expect(Object.keys(files)).toEqual(['neo4j.conf']);
  return files['neo4j.conf']?.split('\n') ?? [];
}

describe('TLS', () => {
  const overTLS = { tls: {}, options: {} };

  test('is a policy in the configuration, whose files are where the Job mounts them', () => {
    const plain = configured({ options: {} });
    const added = configured(overTLS).filter((line) => !plain.includes(line));
    expect(added).toEqual([
      'dbms.backup.ssl_policy=backup',
      'dbms.ssl.policy.backup.base_directory=/tls',
      'dbms.ssl.policy.backup.revoked_dir=/exchange/revoked',
      'dbms.ssl.policy.backup.client_auth=REQUIRE',
      'dbms.ssl.policy.backup.trust_all=false',
    ]);
    expect(plain.join()).not.toMatch(/ssl/);
  });

  test('leaves only the protocol that knows it: with the other one, the tool takes a backup in the clear', () => {
    expect(commandLine(command).join()).not.toMatch(/protocol/);
    expect(commandLine({ ...command, tool: overTLS })).toContain('--protocol=catchup');
  });

  test('was recorded with what the operator gives, and shows why', () => {
    expect(read('tls-full', 'cmd')).toContain(' --protocol=catchup\n');
    expect(read('tls-client-only-any', 'cmd')).not.toContain('--protocol');
    expect(judged('tls-client-only-any')).toEqual({ kind: 'taken', check: 'none' });
  });
});

describe('tuning', () => {
  test('gives the heap and the page cache in mebibytes', () => {
    expect(adminBackupB2.environment(48)).toMatchObject({ HEAP_SIZE: '48m' });
    expect(commandLine({ ...command, tool: { pageCacheMiB: 64, options: {} } })).toContain('--pagecache=64m');
  });

  test('passes on what is allowed, in one order', () => {
    const options = { 'cc-graph': 'false', timeout: '90s' };
    expect(commandLine({ ...command, tool: { options } }).slice(-2)).toEqual([
      '--timeout=90s',
      '--cc-graph=false',
    ]);
  });

  const refused: readonly Readonly<Record<string, string>>[] = [
    { frobnicate: 'yes' },
    { timeout: 'x' },
    { 'cc-graph': 'true --name=x' },
    { toString: 'x' },
  ];
  test.each(refused)('never passes on %j', (options) => {
    expect(() => commandLine({ ...command, tool: { options } })).toThrow('not allowed');
  });
});

const captures = join(import.meta.dirname, '../../test/engine/captures/3.4.18');

function read(name: string, extension: string): string {
  return readFileSync(join(captures, `${name}.${extension}`), 'utf8');
}

/** As the container's log holds it; the streams of a capture come one after the other. */
function outputOf(name: string): string {
  return read(name, 'stdout') + read(name, 'stderr');
}

function judged(name: string): Verdict {
  return judge({ exitCode: Number(read(name, 'rc')), output: outputOf(name) });
}

describe('judge, over all that the real tool was seen to print,', () => {
  const taken = (check: 'none' | 'inconsistent' | 'failed' = 'none'): Verdict => ({ kind: 'taken', check });
  const failed = (reason: RunReason, detail: RegExp): Verdict => ({
    kind: 'failed',
    reason,
    detail: expect.stringMatching(detail) as string,
  });
  const twoStores = /^The destination holds store [0-9a-f-]+, the server has store [0-9a-f-]+$/;
  const lost = /ComException: Channel has been closed$/;
  const notEmpty = /Can only perform a full backup into an empty directory/;
  const silentRefusal = /Failed to run a backup using the available strategies/;
  const progress = /Start receiving store file|Resolved address/;
  const verdicts: Readonly<Record<string, Verdict>> = {
    full: taken(),
    'full-small': taken(),
    'full-unchecked': taken(),
    'full-fallback-false': failed('EngineFailed', silentRefusal),
    incremental: taken(),
    'incremental-unchecked': taken(),
    'incremental-nothing-new': taken(),
    pruned: { kind: 'pruned' },
    'pruned-full': taken(),
    'pruned-fallback': taken(),
    'other-store': failed('StoreMismatch', twoStores),
    refused: failed('PortUnreachable', /Connection refused: \/127\.0\.0\.1:6399$/),
    'refused-fallback': failed('PortUnreachable', /Connection refused: \/127\.0\.0\.1:6399$/),
    'refused-incremental': failed('PortUnreachable', /Connection refused: \/127\.0\.0\.1:6399$/),
    'unknown-host': failed('HostNotFound', /UnknownHostException: no-such-host\.invalid$/),
    'unknown-host-incremental': failed('HostNotFound', /UnresolvedAddressException$/),
    http: failed('ServerClosedConnection', lost),
    'http-incremental': failed('ServerClosedConnection', lost),
    'server-killed': failed('ServerClosedConnection', lost),
    silent: failed('EngineFailed', progress),
    'silent-timeout': failed('EngineFailed', /BlockingReadTimeoutException$/),
    'other-store-fallback': taken(), // that it is another one is for the artifact to show
    'older-server': taken(),
    'older-version': taken(),
    'wrong-generation': failed('ProtocolMismatch', /expected=2, received=1/),
    'wrong-generation-incremental': failed('ProtocolMismatch', /expected=2, received=1/),
    junk: failed('EngineFailed', notEmpty),
    'junk-fallback-false': failed('EngineFailed', silentRefusal),
    // Success by its own account: that there is no store left is for the artifact to show.
    'torn-neostore': taken(),
    'missing-nodestore': taken('failed'),
    inconsistent: taken('inconsistent'),
    'inconsistent-incremental': taken('inconsistent'),
    'inconsistent-unchecked': taken(),
    'disk-full': failed('NoSpaceLeft', /No space left on device$/),
    'disk-full-rerun': failed('NoSpaceLeft', /No space left on device$/),
    'disk-full-base': taken(),
    'disk-full-incremental': failed('NoSpaceLeft', /No space left on device$/),
    'disk-full-incremental-rerun': taken(),
    'not-writable': failed('PermissionDenied', /temp-copy/),
    'not-writable-incremental': failed('PermissionDenied', /neostore\.id/),
    'home-not-writable': failed(
      'EngineFailed',
      /^java.io.IOException: Unable to create directory path \[.*metrics\]/,
    ),
    'home-not-writable-incremental': failed(
      'EngineFailed',
      /^java.io.IOException: Unable to create directory path \[.*logs\]/,
    ),
    'out-of-memory-8m': failed('EngineFailed', /^Exception in thread "main"$/),
    'out-of-memory-16m': failed('OutOfMemory', /OutOfMemoryError: Java heap space/),
    'out-of-memory-24m': failed('OutOfMemory', /OutOfMemoryError/),
    sigterm: failed('EngineFailed', progress),
    'sigterm-rerun': failed('EngineFailed', notEmpty),
    sigkill: failed('EngineFailed', progress),
    'sigkill-rerun': failed('EngineFailed', notEmpty),
    'killed-incremental-base': taken(),
    'sigkill-incremental': failed('EngineFailed', progress),
    'sigkill-incremental-rerun': failed('EngineFailed', /Id file not properly shutdown/),
    'two-at-once-first': taken(),
    'two-at-once-second': failed('EngineFailed', notEmpty),
    'two-at-once-early-first': taken('failed'),
    'two-at-once-early-second': taken('inconsistent'),
    usage: failed('EngineFailed', /^unrecognized option: 'frobnicate'$/),
    'tls-full': taken(),
    'tls-incremental': taken(),
    'tls-wrong-name': taken(),
    'tls-key-pkcs1': taken(),
    'tls-key-ec': taken(),
    'tls-client-only-any': taken(),
    'tls-server-single': taken(),
    'tls-unserved': failed('TLSPolicyRejected', /Unexpected SSL policy/),
    'tls-key-sec1': failed('TLSPolicyRejected', /Failed to load private key: \S+\/private\.key$/),
    'tls-key-encrypted': failed('TLSPolicyRejected', /Failed to load private key: \S+\/private\.key$/),
    'tls-key-missing': failed('TLSPolicyRejected', /Failed to load private key: \S+\/private\.key$/),
    'tls-authority-missing': failed('TLSPolicyRejected', /no trust anchors found in: \S+\/trusted$/),
    'tls-key-of-another': failed('TLSHandshakeFailed', /Received fatal alert: handshake_failure$/),
    'tls-client-not-trusted': failed('TLSHandshakeFailed', /Received fatal alert: bad_certificate$/),
    'tls-client-expired': failed('TLSHandshakeFailed', /Received fatal alert: certificate_unknown$/),
    'tls-server-not-trusted': failed('TLSHandshakeFailed', /PKIX path building failed: .*unable to find/),
    'tls-server-expired': failed('TLSHandshakeFailed', /CertificateExpiredException: NotAfter: /),
    'tls-client-only': failed('TLSHandshakeFailed', /handshake timed out$/),
    // Nothing in it speaks of TLS: prepare asks the server itself before that.
    'tls-server-only': failed('ServerClosedConnection', lost),
    'cluster-full': taken(),
    'cluster-pruned': { kind: 'pruned' },
    'cluster-other-store': failed('StoreMismatch', twoStores),
    'cluster-other-store-single': failed('StoreMismatch', twoStores),
    'tls-refused': failed('PortUnreachable', /Connection refused$/),
    'tls-unknown-host': failed('HostNotFound', /no-such-host\.invalid$/),
    'tls-http': failed('TLSHandshakeFailed', /NotSslRecordException/),
  };
  const recorded = readdirSync(captures)
    .filter((name) => name.endsWith('.rc'))
    .map((name) => name.slice(0, -3));

  test('knows every capture', () => {
    expect(Object.keys(verdicts).toSorted()).toEqual(recorded.toSorted());
  });

  test.each(recorded)('reads %s', (name) => {
    expect(judged(name)).toEqual(verdicts[name]);
  });

  test.each(recorded)('gives a detail of %s that fits into a message', (name) => {
    const verdict = judged(name);
    const detail = verdict.kind === 'failed' ? verdict.detail : '';
    expect(detail.length).toBeLessThanOrEqual(300);
    expect(detail).not.toMatch(/\n|^\s|^at |^Caused by/);
  });

  test('finds the marks of pruned logs in no other capture: it starts a second command', () => {
    const marked = recorded.filter((name) => prunedMarks.some((mark) => outputOf(name).includes(mark)));
    expect(marked).toEqual(['cluster-pruned', 'pruned']);
  });
});

describe('judge', () => {
  interface Case {
    readonly name: string;
    readonly exitCode: number;
    readonly output: string;
    readonly detail: string;
  }
  const cases: readonly Case[] = [
    {
      name: 'a silent end',
      exitCode: 1,
      output: '',
      detail: 'it printed nothing and ended with exit code 1',
    },
    {
      name: 'blank lines',
      exitCode: 1,
      output: '\n \n\t\n',
      detail: 'it printed nothing and ended with exit code 1',
    },
    {
      name: 'a tool that is not there',
      exitCode: 127,
      output: 'sh: 32: neo4j-admin: not found\n',
      detail: 'sh: 32: neo4j-admin: not found',
    },
    {
      name: 'what is cut within dots',
      exitCode: 1,
      output: 'Something odd\n....................  10%\n......',
      detail: 'Something odd',
    },
    {
      name: 'a trace',
      exitCode: 1,
      output: 'Odd: x\n\tat a.b.C(D.java:1)\n\t... 3 more\n',
      detail: 'Odd: x',
    },
  ];
  test.each(cases)('gives the words of $name', ({ exitCode, output, detail }) => {
    expect(judge({ exitCode, output })).toEqual({ kind: 'failed', reason: 'EngineFailed', detail });
  });

  test('does not take exit code 0 for a failure, whatever was printed on the way', () => {
    expect(judge({ exitCode: 0, output: outputOf('pruned') })).toEqual({ kind: 'taken', check: 'none' });
  });

  test('never throws, and never gives more than fits', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 255 }),
        fc.string({ unit: 'binary', maxLength: 2000 }),
        (exitCode, output) => {
          const verdict = judge({ exitCode, output });
          const detail = verdict.kind === 'failed' ? verdict.detail : '';
          expect(detail.length).toBeLessThanOrEqual(300);
          expect(detail.isWellFormed()).toBe(true);
        },
      ),
    );
  });
});
