import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RunReason } from '../api/reasons.ts';
import { adminBackupB1 } from './admin-backup-b1.ts';
import { adminBackupB2 } from './admin-backup-b2.ts';
import type { Command, Ended, Verdict } from './engine.ts';

const { prunedMarks } = adminBackupB1;
const judge = (ended: Ended): Verdict => adminBackupB1.judge(ended);

const command: Command = {
  type: 'Full',
  host: '127.0.0.1',
  port: 6362,
  database: 'graph.db',
  version: '3.3.5',
  temporary: '/backup/orders/.staging/x/first.tmp',
  parent: '/w/plain',
  name: 'graph.db',
  reports: '/w/reports',
  check: { Full: true, Incremental: true },
  tool: { options: {} },
};

const captures = join(import.meta.dirname, '../../test/engine/captures');

function read(name: string, extension: string, version = '3.3.5'): string {
  return readFileSync(join(captures, version, `${name}.${extension}`), 'utf8');
}

/** As the container's log holds it; the streams of a capture come one after the other. */
function outputOf(name: string, version?: string): string {
  return read(name, 'stdout', version) + read(name, 'stderr', version);
}

function judged(name: string, version?: string): Verdict {
  return judge({ exitCode: Number(read(name, 'rc', version)), output: outputOf(name, version) });
}

describe('commandLine', () => {
  test.each(['Full', 'Incremental'] as const)(
    'gives the options of the later versions to the tool: %s',
    (type) => {
      const [tool, ...options] = adminBackupB1.commandLine({ ...command, type });
      expect(tool).toBe('/var/lib/neo4j/bin/neo4j-admin');
      expect(options).toEqual(adminBackupB2.commandLine({ ...command, type }).slice(1));
    },
  );

  test.each([
    { name: 'full', type: 'Full' },
    { name: 'incremental', type: 'Incremental' },
  ] as const)('is the one with which $name was recorded', ({ name, type }) => {
    const [, ...options] = adminBackupB1.commandLine({ ...command, type });
    expect(read(name, 'cmd')).toBe(`NEO4J_DEBUG=1 HEAP_SIZE=256m neo4j-admin ${options.join(' ')}\n`);
  });

  test('never lets an increment fall back: the good backup would be renamed away, were the server merely down', () => {
    expect(adminBackupB1.commandLine({ ...command, type: 'Incremental' })).toContain(
      '--fallback-to-full=false',
    );
    expect(read('refused-fallback', 'ls')).toContain('graph.db.err.1/neostore\n');
    expect(read('refused-fallback', 'ls')).not.toContain('graph.db/neostore\n');
    expect(read('refused-incremental', 'ls')).not.toContain('.err.');
  });
});

describe('judge, over all that the real tool was seen to print,', () => {
  const taken = (check: 'none' | 'inconsistent' | 'failed' = 'none'): Verdict => ({ kind: 'taken', check });
  const failed = (reason: RunReason, detail: RegExp): Verdict => ({
    kind: 'failed',
    reason,
    detail: expect.stringMatching(detail) as string,
  });
  const lost =
    /ComException: Channel has been closed$|^command failed: Backup failed: Channel has been closed$/;
  const full = /No space left on device"?\.?$/;
  const progress =
    /^Doing full backup|^Destination is not empty|Cop(ying|ied) neostore|(Start|Finish) recovering store$/;
  const verdicts: Readonly<Record<string, Verdict>> = {
    full: taken(),
    'full-small': taken(),
    'full-unchecked': taken(),
    'full-fallback-false': taken(),
    incremental: taken(),
    'incremental-unchecked': taken(),
    'incremental-nothing-new': taken(),
    pruned: { kind: 'pruned' },
    'pruned-full': taken(),
    'pruned-fallback': taken(),
    'older-version': failed('OlderVersion', /UpgradeNotAllowed/),
    'newer-server': failed('ProtocolMismatch', /^The store that the server sent is of another version/),
    'newer-server-incremental': taken(),
    'other-store': failed(
      'StoreMismatch',
      /^The destination holds store [0-9a-f-]+, the server has store [0-9a-f-]+$/,
    ),
    'other-store-fallback': taken(),
    refused: failed('PortUnreachable', /Connection refused: \/127\.0\.0\.1:6399$/),
    'refused-incremental': failed('PortUnreachable', /Connection refused: \/127\.0\.0\.1:6399$/),
    'refused-fallback': failed('PortUnreachable', /Connection refused: \/127\.0\.0\.1:6399$/),
    'unknown-host': failed('HostNotFound', /UnresolvedAddressException$/),
    'unknown-host-incremental': failed('HostNotFound', /UnresolvedAddressException$/),
    http: failed('ServerClosedConnection', lost),
    'http-incremental': failed('ServerClosedConnection', lost),
    'server-killed': failed('ServerClosedConnection', lost),
    silent: failed('EngineFailed', progress),
    'silent-timeout': failed('EngineFailed', /BlockingReadTimeoutException$/),
    'wrong-generation': failed('ProtocolMismatch', /expected=2, received=1/),
    'wrong-generation-incremental': failed('ProtocolMismatch', /expected=2, received=1/),
    junk: taken(), // renamed away: nothing of the kind ever lies where the operator has it write
    'junk-fallback-false': failed('EngineFailed', /doesn't contain a database$/),
    'torn-neostore': failed('OlderVersion', /UpgradeNotAllowed/),
    'missing-nodestore': taken('failed'),
    inconsistent: taken('inconsistent'),
    'inconsistent-incremental': taken('inconsistent'),
    'inconsistent-unchecked': taken(),
    'disk-full': failed('NoSpaceLeft', full),
    'disk-full-rerun': failed('NoSpaceLeft', full),
    'disk-full-base': taken(),
    'disk-full-incremental': failed('NoSpaceLeft', full),
    'disk-full-incremental-rerun': taken(),
    'not-writable': failed('PermissionDenied', /temp-copy/),
    'not-writable-incremental': failed('PermissionDenied', /Permission denied\)$/),
    'home-not-writable': taken(),
    'home-not-writable-incremental': taken(),
    'out-of-memory-8m': failed('OutOfMemory', /OutOfMemoryError: Java heap space/),
    'out-of-memory-16m': failed('OutOfMemory', /OutOfMemoryError: Java heap space/),
    'out-of-memory-24m': failed('EngineFailed', progress),
    sigterm: failed('EngineFailed', progress),
    'sigterm-rerun': taken(),
    sigkill: failed('EngineFailed', progress),
    'sigkill-rerun': taken(),
    'killed-incremental-base': taken(),
    'sigkill-incremental': failed('EngineFailed', progress),
    'sigkill-incremental-rerun': taken(),
    'two-at-once-first': taken('inconsistent'),
    'two-at-once-second': taken(),
    'two-at-once-early-first': failed('EngineFailed', /StoreLockException/),
    'two-at-once-early-second': failed('EngineFailed', progress),
    usage: failed('EngineFailed', /^unrecognized option: 'frobnicate'$/),
  };
  const recorded = readdirSync(join(captures, '3.3.5'))
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

  test('finds the mark of pruned logs in no other capture: it starts a second command', () => {
    const marked = recorded.filter((name) => prunedMarks.some((mark) => outputOf(name).includes(mark)));
    expect(marked).toEqual(['pruned']);
  });

  test('reads the exit code of 3.1, which is 1 for a store with inconsistencies too', () => {
    expect(read('inconsistent', 'rc', '3.1.6')).toBe('1\n');
    expect(judged('inconsistent', '3.1.6')).toEqual(taken('inconsistent'));
  });
});

describe('judge', () => {
  test('tells the check that failed from the one that objected by their words, where the exit code is 1 for both', () => {
    const output =
      'command failed: Failed to do consistency check on backup: Full consistency check did not complete\n';
    expect(judge({ exitCode: 1, output })).toEqual({ kind: 'taken', check: 'failed' });
  });

  test('does not take a killed tool for one that ended well, whatever it had printed', () => {
    expect(judge({ exitCode: 137, output: outputOf('inconsistent') })).toMatchObject({ kind: 'failed' });
  });
});
