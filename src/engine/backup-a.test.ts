import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RunReason } from '../api/reasons.ts';
import { backupA } from './backup-a.ts';
import type { Command, Ended, Verdict } from './engine.ts';

const commandLine = (given: Command): readonly string[] => backupA.commandLine(given);
const judge = (ended: Ended): Verdict => backupA.judge(ended);

const command: Command = {
  type: 'Full',
  host: 'orders.shop.svc',
  port: 6362,
  database: 'graph.db',
  parent: '/backup/orders/.staging/x/first',
  name: 'data',
  reports: '/backup/orders/.staging/x/reports',
  temporary: '/backup/orders/.staging/x/first.tmp',
  tool: { options: {} },
  check: { Full: true, Incremental: true },
  version: '3.0.7',
};

describe('commandLine', () => {
  const full = [
    '/var/lib/neo4j/bin/neo4j-backup',
    '-host=orders.shop.svc',
    '-port=6362',
    '-to=/backup/orders/.staging/x/first/data',
    '-verify=true',
  ];

  test('names host, port and folder, and whether to check', () => {
    expect(commandLine(command)).toEqual(full);
  });

  test('is the same for an incremental one: what is there decides', () => {
    expect(commandLine({ ...command, type: 'Incremental' })).toEqual(full);
  });

  test('has an increment check what it may end as: a full backup', () => {
    const check = { Full: true, Incremental: false };
    expect(commandLine({ ...command, type: 'Incremental', check })).toContain('-verify=true');
    expect(commandLine({ ...command, type: 'Incremental', check: { ...check, Full: false } })).toContain(
      '-verify=false',
    );
  });

  test('leaves the brackets of an IPv6 address to the tool', () => {
    expect(commandLine({ ...command, host: 'fd00::1' })).toContain('-host=fd00::1');
  });

  test('never lets a value become an option, or two arguments', () => {
    const value = fc.string();
    fc.assert(
      fc.property(value, value, value, (host, parent, name) => {
        const argv = commandLine({ ...command, host, parent, name });
        expect(argv).toHaveLength(full.length);
        for (const argument of argv.slice(1)) expect(argument).toMatch(/^-[a-z]+=/);
      }),
    );
  });
});

test('an increment is never said to be checked: the tool cannot', () => {
  expect(backupA.checks).toEqual(['Full']);
});

const captures = join(import.meta.dirname, '../../test/engine/captures');

function read(version: string, name: string, extension: string): string {
  return readFileSync(join(captures, version, `${name}.${extension}`), 'utf8');
}

/** As the container's log holds it; the streams of a capture come one after the other. */
function outputOf(version: string, name: string): string {
  return read(version, name, 'stdout') + read(version, name, 'stderr');
}

function judged(version: string, name: string): Verdict {
  return judge({ exitCode: Number(read(version, name, 'rc')), output: outputOf(version, name) });
}

function recorded(version: string): readonly string[] {
  return readdirSync(join(captures, version))
    .filter((name) => name.endsWith('.rc'))
    .map((name) => name.slice(0, -3));
}

describe('judge, over all that the real tools were seen to print,', () => {
  const taken = { kind: 'taken', check: 'none' } as const;
  const failed = (reason: RunReason, detail: RegExp): Verdict => ({
    kind: 'failed',
    reason,
    detail: expect.stringMatching(detail) as string,
  });
  const unsure = (detail: RegExp): Verdict =>
    ({ ...failed('ProtocolMismatch', detail), ifReachable: true }) as Verdict;
  const lost = /ComException: Channel has been closed$/;
  const noDatabase = /^java.lang.RuntimeException: .* doesn't contain a database$/;
  const full = /^java.io.IOException: No space left on device$/;
  const progress = /Copying neostore|full backup will be performed|trying incremental backup/;
  const both: Readonly<Record<string, Verdict>> = {
    full: taken,
    'full-small': taken,
    'full-unchecked': taken,
    incremental: taken,
    'incremental-unchecked': taken,
    'incremental-nothing-new': taken,
    'pruned-full': taken,
    pruned: { kind: 'taken', check: 'none', fellBack: true },
    'pruned-disk-full': failed('NoSpaceLeft', full),
    'other-store': failed(
      'StoreMismatch',
      /^The destination holds store [0-9a-f-]+, the server has store [0-9a-f-]+$/,
    ),
    refused: unsure(/^Couldn't connect to '127\.0\.0\.1:6399'$/),
    'refused-incremental': failed('PortUnreachable', /Connection refused: \/127\.0\.0\.1:6399$/),
    'unknown-host': unsure(/^Couldn't connect to 'no-such-host\.invalid:6362'$/),
    'unknown-host-incremental': failed('HostNotFound', /UnresolvedAddressException$/),
    http: unsure(/^Couldn't connect to '127\.0\.0\.1:6364'$/),
    'http-incremental': failed('ServerClosedConnection', lost),
    'server-killed': failed('ServerClosedConnection', lost),
    silent: failed('EngineFailed', progress),
    'wrong-generation': unsure(/^Couldn't connect to '127\.0\.0\.1:6362'$/),
    'wrong-generation-incremental': failed('ProtocolMismatch', /expected=1, received=2/),
    junk: failed('EngineFailed', noDatabase),
    'torn-neostore': failed('OlderVersion', /older data store version/),
    'missing-nodestore': failed('EngineFailed', /Can't create IdGeneratorFile/),
    inconsistent: { kind: 'taken', check: 'inconsistent' },
    'inconsistent-incremental': taken, // increments are not checked
    'inconsistent-unchecked': taken,
    'disk-full': failed('NoSpaceLeft', full),
    'disk-full-rerun': failed('EngineFailed', noDatabase),
    'disk-full-base': taken,
    'disk-full-incremental': failed('NoSpaceLeft', full),
    'disk-full-incremental-rerun': taken,
    'not-writable': failed('PermissionDenied', /temp-copy/),
    'not-writable-incremental': failed('PermissionDenied', /debug\.log \(Permission denied\)$/),
    'out-of-memory-8m': failed('OutOfMemory', /OutOfMemoryError: Java heap space$/),
    'out-of-memory-16m': taken,
    'out-of-memory-24m': taken,
    sigterm: failed('EngineFailed', progress),
    'sigterm-rerun': failed('EngineFailed', noDatabase),
    sigkill: failed('EngineFailed', progress),
    'sigkill-rerun': failed('EngineFailed', noDatabase),
    'killed-incremental-base': taken,
    'sigkill-incremental': failed('EngineFailed', /^Transactions applied$/),
    'sigkill-incremental-rerun': taken,
    'two-at-once-first': taken,
    'two-at-once-second': failed('EngineFailed', noDatabase),
    'two-at-once-early-first': failed('EngineFailed', /Target file\[.*\] already exists$/),
    'two-at-once-early-second': taken,
    usage: taken, // an option that it does not know is no error to this tool
  };
  const otherVersion = failed('ProtocolMismatch', /^The store that the server sent is of another version/);
  const verdicts: Readonly<Record<string, Readonly<Record<string, Verdict>>>> = {
    // It names the cause where 3.0 does not, and gives up on a server that is silent.
    '2.3.3': {
      ...both,
      refused: failed('PortUnreachable', /^java\.net\.ConnectException: Connection refused$/),
      'refused-incremental': failed('PortUnreachable', /^java\.net\.ConnectException: Connection refused$/),
      'unknown-host': failed('HostNotFound', /UnresolvedAddressException$/),
      http: failed('ServerClosedConnection', lost),
      silent: unsure(/^Couldn't connect to '127\.0\.0\.1:6365'$/),
      'wrong-generation': failed('ProtocolMismatch', /expected=1, received=2/),
      'two-at-once-early-first': taken,
      'two-at-once-early-second': failed('EngineFailed', noDatabase),
      'not-writable-incremental': failed('PermissionDenied', /messages\.log \(Permission denied\)$/),
      'newer-server': otherVersion,
      'newer-server-incremental': failed('ProtocolMismatch', /Unrecognized log entry version -9/),
    },
    '3.0.7': {
      ...both,
      'silent-timeout': unsure(/^Couldn't connect to '127\.0\.0\.1:6365'$/),
      'older-server': otherVersion,
      'older-version': failed('OlderVersion', /UpgradeNotAllowed/),
      'newer-server': unsure(/^Couldn't connect to '127\.0\.0\.1:6362'$/),
      'newer-server-incremental': failed('ProtocolMismatch', /expected=1, received=2/),
    },
  };
  const cases = Object.keys(verdicts).flatMap((version) =>
    recorded(version).map((name) => ({ version, name })),
  );

  test.each(Object.keys(verdicts))('knows every capture of %s', (version) => {
    expect(Object.keys(verdicts[version] ?? {}).toSorted()).toEqual(recorded(version).toSorted());
  });

  test.each(cases)('reads $name of $version', ({ version, name }) => {
    expect(judged(version, name)).toEqual(verdicts[version]?.[name]);
  });

  test.each(cases)('gives a detail of $name of $version that fits into a message', ({ version, name }) => {
    const verdict = judged(version, name);
    const detail = verdict.kind === 'failed' ? verdict.detail : '';
    expect(detail.length).toBeLessThanOrEqual(300);
    expect(detail).not.toMatch(/\n|^\s|^at |^Caused by/);
  });

  describe.each(Object.keys(verdicts))('of %s', (version) => {
    test('was recorded with the command line that the operator gives', () => {
      const [, ...options] = commandLine({
        ...command,
        host: '127.0.0.1',
        parent: '/w/plain',
        name: 'graph.db',
      });
      expect(read(version, 'full', 'cmd')).toBe(`JAVA_OPTS=-Xmx256m neo4j-backup ${options.join(' ')}\n`);
    });

    test.each([
      ['full', 'full-unchecked'],
      ['full', 'incremental'],
    ])('the check shows in the output of %s, and not of %s', (checked, unchecked) => {
      const shows = [checked, unchecked].map((name) => outputOf(version, name).includes('100%'));
      expect(shows).toEqual([true, false]);
    });

    test('the full backup that an increment ended as was checked', () => {
      expect(outputOf(version, 'pruned')).toContain('100%');
    });
  });
});

describe('judge', () => {
  const older =
    'The database present in the target directory is of an older version. Backing that up in target and performing a full backup from source\n';

  test('takes a backup in the place of an older version for a failure: the rule is that an increment then fails', () => {
    expect(judge({ exitCode: 0, output: `${older}Done\n` })).toMatchObject({
      kind: 'failed',
      reason: 'OlderVersion',
    });
  });

  test('tells a full backup that was taken for pruned logs and is inconsistent', () => {
    const output = outputOf('3.0.7', 'pruned') + outputOf('3.0.7', 'inconsistent');
    expect(judge({ exitCode: 1, output })).toEqual({ kind: 'taken', check: 'inconsistent', fellBack: true });
  });

  test('tells a check that could not be completed from one that objected', () => {
    const output = `ERROR [o.n.b.BackupService] Consistency check incomplete\n${outputOf('3.0.7', 'inconsistent')}`;
    expect(judge({ exitCode: 1, output })).toEqual({ kind: 'taken', check: 'failed' });
  });

  test('does not take a killed tool for one that ended well, whatever it had printed', () => {
    expect(judge({ exitCode: 137, output: outputOf('3.0.7', 'inconsistent') })).toMatchObject({
      kind: 'failed',
    });
  });

  test('gives the words of a tool that is not there', () => {
    const detail = 'sh: 32: /var/lib/neo4j/bin/neo4j-backup: not found';
    expect(judge({ exitCode: 127, output: `${detail}\n` })).toEqual({
      kind: 'failed',
      reason: 'EngineFailed',
      detail,
    });
  });

  test('never throws, and never gives more than fits', () => {
    fc.assert(
      fc.property(fc.nat(255), fc.string({ unit: 'binary', maxLength: 2000 }), (exitCode, output) => {
        const verdict = judge({ exitCode, output });
        const detail = verdict.kind === 'failed' ? verdict.detail : '';
        expect(detail.length).toBeLessThanOrEqual(300);
        expect(detail.isWellFormed()).toBe(true);
      }),
    );
  });
});
