import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RetentionStatus } from '../api/neo4jbackup.ts';
import { plain } from '../api/plain.ts';
import { reasons, isRunReason, type RunReason } from '../api/reasons.ts';
import { exitCode, formatReport, parseReport, type PastReport, type RunReport } from './report.ts';

const published: RunReport = {
  schemaVersion: 1,
  run: 'orders-1',
  reason: 'FullBackupTaken',
  message: 'A full backup up to transaction 4711 was taken, read back and verified.',
  type: 'Full',
  fullBecause: 'DestinationBlank',
  path: 'orders/points/20260101T030000Z-00000000/20260101T030000Z-00000000',
  storeID: '1a2b-ffffffffffffffff',
  lastTransactionID: '9223372036854775807',
  sizeBytes: Number.MAX_SAFE_INTEGER,
  completionTime: '2026-01-01T03:05:00.000Z',
};

const failed: RunReport = {
  schemaVersion: 1,
  run: 'orders-1',
  reason: 'EngineFailed',
  message: 'It failed.',
  completionTime: '2026-01-01T03:05:00.000Z',
};

const sizeOf = (text: string): number => Buffer.byteLength(text);

/** What a tool may print, and worse. */
const message = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 3000 }),
  fc.string({ unit: fc.constantFrom('"', '\\', '\n', '\u0000', '💾', 'é', '\u2028', 'a'), maxLength: 3000 }),
);

describe('formatReport', () => {
  interface Case {
    readonly name: string;
    readonly text: string;
  }
  const cases: readonly Case[] = [
    { name: 'letters', text: 'a'.repeat(100_000) },
    { name: 'emoji of two units', text: '💾'.repeat(2000) },
    { name: 'emoji after a letter, so that a cut falls between the units', text: `a${'💾'.repeat(2000)}` },
    { name: 'quotes, which take two bytes', text: '"'.repeat(2000) },
    { name: 'halves of emoji, which take six bytes', text: '\ud83d'.repeat(2000) },
  ];
  test.each(cases)('cuts a message of $name to 1 KiB', ({ text }) => {
    const formatted = formatReport({ ...published, message: text });
    expect(sizeOf(formatted)).toBeLessThanOrEqual(1024);
    expect(sizeOf(formatted)).toBeGreaterThan(900);
    const parsed = parseReport(formatted, 'orders-1');
    expect(parsed).toEqual({ ...published, message: expect.stringMatching(/…$/) });
    expect(parsed?.message.isWellFormed()).toBe(true);
  });

  test('says the same after it was read, and never more than 1 KiB', () => {
    const report = fc.record({ base: fc.constantFrom(published, failed), message });
    fc.assert(
      fc.property(report, ({ base, message: text }) => {
        const given = { ...base, message: text };
        const formatted = formatReport(given);
        expect(sizeOf(formatted)).toBeLessThanOrEqual(1024);
        const parsed = parseReport(formatted, base.run);
        expect(parsed).toEqual({ ...given, message: parsed?.message });
        const uncut = plain(text);
        const said = parsed?.message ?? '';
        expect(said === uncut || (said.endsWith('…') && uncut.startsWith(said.slice(0, -1)))).toBe(true);
      }),
    );
  });

  test('leaves a message alone that fits', () => {
    expect(JSON.parse(formatReport(published))).toEqual(published);
  });

  test('keeps every fact, however long the names are', () => {
    const longest: RunReport = {
      ...published,
      run: 'r'.repeat(63),
      path: `${'p'.repeat(63)}/${published.path?.slice(7)}`,
      fullBecause: 'f'.repeat(64),
      message: 'm'.repeat(5000),
    };
    const formatted = formatReport(longest);
    expect(sizeOf(formatted)).toBeLessThanOrEqual(1024);
    expect(parseReport(formatted, longest.run)).toEqual({ ...longest, message: expect.any(String) });
  });
});

describe('formatReport of a run that tells of the volume', () => {
  const volume = {
    time: published.completionTime,
    totalBytes: Number.MAX_SAFE_INTEGER,
    freeBytes: Number.MAX_SAFE_INTEGER,
    backupBytes: Number.MAX_SAFE_INTEGER,
    points: 10_000,
    growthBytesPerDay: Number.MAX_SAFE_INTEGER,
    fullTime: published.completionTime,
    policyBytes: Number.MAX_SAFE_INTEGER,
  };
  const verdicts = (n: number, because: string): RetentionStatus['points'] =>
    Array.from({ length: n }, (_, i) => ({
      point: `20260101T030000Z-${String(i).padStart(8, '0')}`,
      database: 'd'.repeat(63),
      verdict: 'Removed',
      because,
    }));
  const retention: RetentionStatus = {
    time: published.completionTime,
    mode: 'Enforce',
    kept: 9,
    condemned: 1,
    removed: 2,
    condemnedBytes: Number.MAX_SAFE_INTEGER,
    blockedBecause: 'DestinationNotABackup',
  };
  const databases = (n: number, text: string): NonNullable<RunReport['databases']> =>
    Array.from({ length: n }, (_, i) => ({ name: `db-${i}`, reason: 'EngineFailed', message: text }));

  test('leaves out nothing that fits', () => {
    const report = { ...published, volume, retention: { ...retention, points: verdicts(5, 'keepLast') } };
    expect(parseReport(formatReport(report), 'orders-1')).toEqual(report);
  });

  test('cuts the list of verdicts first, and says so', () => {
    const report = {
      ...published,
      volume,
      retention: { ...retention, points: verdicts(40, 'b'.repeat(96)) },
    };
    const parsed = parseReport(formatReport(report), 'orders-1');
    expect(parsed).toEqual({
      ...report,
      retention: { ...retention, points: expect.any(Array), truncated: true },
    });
    expect(parsed?.retention?.points).toEqual(verdicts(10, 'b'.repeat(96)));
  });

  test('takes no room from databases, nor from the message', () => {
    const facts = { volume, retention: { ...retention, points: verdicts(40, 'keepLast') } };
    for (const count of [1, 5, 8, 9, 10, 11, 12, 32]) {
      const report = { ...published, message: 'm'.repeat(900), databases: databases(count, 'x'.repeat(256)) };
      const {
        volume: _,
        retention: __,
        ...parsed
      } = parseReport(formatReport({ ...report, ...facts }), 'orders-1') ?? {};
      expect(parsed).toEqual(parseReport(formatReport(report), 'orders-1'));
      expect(parsed.databases?.length).toBeGreaterThan(0);
    }
  });

  test('is never larger than the kubelet keeps', () => {
    const anything = fc.record({
      message,
      count: fc.nat(32),
      text: fc.string({ unit: 'binary', maxLength: 256 }),
      verdicts: fc.nat(40),
      because: fc.string({ unit: 'grapheme', maxLength: 96 }),
    });
    fc.assert(
      fc.property(anything, ({ message: said, count, text, verdicts: n, because }) => {
        const formatted = formatReport({
          ...published,
          message: said,
          databases: databases(count, text),
          volume,
          retention: { ...retention, points: verdicts(n, because) },
        });
        expect(sizeOf(formatted)).toBeLessThanOrEqual(3_800);
        expect(JSON.parse(formatted)).toMatchObject({ run: 'orders-1', reason: 'FullBackupTaken' });
      }),
    );
  });
});

describe('parseReport', () => {
  test('reads a report of this run', () => {
    expect(parseReport(JSON.stringify(published), 'orders-1')).toEqual(published);
  });

  const text = JSON.stringify(published);
  const { path: _, ...withoutPath } = published;
  interface Case {
    readonly name: string;
    readonly message: string | undefined;
  }
  const cases: readonly Case[] = [
    { name: 'nothing at all', message: undefined },
    { name: 'an empty text', message: '' },
    { name: 'what a shell says', message: 'sh: 1: neo4j-admin: not found' },
    { name: 'null', message: 'null' },
    { name: 'a list', message: '[]' },
    { name: 'a number', message: '1' },
    { name: 'half a report', message: text.slice(0, text.length / 2) },
    { name: 'a report with a line after it', message: `${text}\nKilled` },
    { name: 'a report of another run', message: JSON.stringify({ ...published, run: 'orders-2' }) },
    { name: 'a report of another version', message: JSON.stringify({ ...published, schemaVersion: 2 }) },
    { name: 'a reason that is none', message: JSON.stringify({ ...failed, reason: 'Broken' }) },
    { name: 'a reason from the prototype', message: JSON.stringify({ ...failed, reason: 'constructor' }) },
    { name: 'a reason that no run ends with', message: JSON.stringify({ ...failed, reason: 'Idle' }) },
    { name: 'a success without a backup', message: JSON.stringify(withoutPath) },
    {
      name: 'a transaction id in numbers',
      message: JSON.stringify({ ...published, lastTransactionID: 4711 }),
    },
    { name: 'a negative size', message: JSON.stringify({ ...published, sizeBytes: -1 }) },
    { name: 'a time that is none', message: JSON.stringify({ ...failed, completionTime: 'now' }) },
    { name: 'a megabyte', message: JSON.stringify({ ...failed, message: 'a'.repeat(1_000_000) }) },
    { name: 'a megabyte of blanks around it', message: ' '.repeat(1_000_000) + text },
    { name: 'a depth that no stack has', message: '['.repeat(4000) },
  ];
  test.each(cases)('refuses $name', ({ message: given }) => {
    expect(parseReport(given, 'orders-1')).toBeUndefined();
  });

  test('refuses every report that was cut short', () => {
    for (let length = 0; length < text.length; length++)
      expect(parseReport(text.slice(0, length), 'orders-1')).toBeUndefined();
  });

  test('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (given) => {
        expect(parseReport(given, 'orders-1')).toBeUndefined();
      }),
    );
  });
});

describe('exitCode', () => {
  test('is 0 for what was published, whatever else is to say about it', () => {
    expect(exitCode(published)).toBe(0);
    expect(exitCode({ ...published, reason: 'Inconsistent' })).toBe(0);
  });

  const all = (Object.keys(reasons) as (keyof typeof reasons)[]).filter(isRunReason);
  const retried: readonly RunReason[] = [
    'HostNotFound',
    'PortUnreachable',
    'ServerClosedConnection',
    'DestinationBusy',
    'Evicted',
    'Preempted',
    'Interrupted',
  ];
  test.each(all)('is 10 for %s only if it can heal by itself, else 20', (reason) => {
    expect(exitCode({ ...failed, reason })).toBe(retried.includes(reason) ? 10 : 20);
  });
});

describe('what else a report has room for', () => {
  const time = '2026-01-01T03:05:00.000Z';
  const pastRun = (n: number): PastReport => ({
    run: `orders-${'0'.repeat(10)}-${n}`,
    reason: 'IncrementalBackupTaken',
    requestedType: 'Auto',
    createdTime: time,
    completionTime: time,
    type: 'Incremental',
    path: `orders/points/20260101T030000Z-00000000/20260101T030000Z-0000000${n}`,
    lastTransactionID: '9223372036854775807',
    sizeBytes: Number.MAX_SAFE_INTEGER,
  });
  const past = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(pastRun);
  const volume = { time, backupBytes: 1, points: 1 };
  const retention = (count: number): NonNullable<RunReport['retention']> => ({
    time,
    mode: 'Enforce',
    kept: count,
    condemned: 0,
    removed: 0,
    points: Array.from({ length: count }, (_, n) => ({
      point: `20260101T030000Z-000000${n}`,
      verdict: 'Kept',
      because: 'daily, weekly, monthly, yearly, the tip and its predecessor',
    })),
  });
  const databases = Array.from({ length: 32 }, (_, n) => ({
    name: `database-${n}`,
    reason: 'FullBackupTaken' as const,
    path: `orders/chains/database-${n}/20260101T030000Z-00000000/database-${n}-2026-01-01T03-00-00.backup`,
    lastTransactionID: '9223372036854775807',
  }));
  const read = (report: RunReport): RunReport | undefined => {
    const text = formatReport(report);
    expect(sizeOf(text)).toBeLessThanOrEqual(3800);
    return parseReport(text, report.run);
  };

  test('is all of it, when it fits', () => {
    const whole = { ...published, volume, retention: retention(3), past: past.slice(0, 3) };
    expect(read(whole)).toEqual(whole);
  });

  test('are the newest runs of the past, as many as there is room for', () => {
    const told = read({ ...published, volume, past });
    expect(told?.past?.length).toBeGreaterThan(5);
    expect(told?.past).toEqual(past.slice(0, told?.past?.length));
    expect(told?.volume).toEqual(volume);
  });

  test('is first what the run is about: no memory, no verdict takes the place of a database', () => {
    const alone = read({ ...published, databases });
    const told = read({ ...published, databases, volume, retention: retention(40), past });
    expect(told?.databases).toEqual(alone?.databases);
    expect(told?.message).toBe(published.message);
  });

  test('are fewer verdicts where there are many, and it says so', () => {
    const told = read({ ...published, retention: retention(40) });
    expect(told?.retention).toMatchObject({ kept: 40, truncated: true });
    expect(told?.retention?.points?.length).toBeGreaterThan(5);
  });

  test('is never a past of more runs than asked for', () => {
    const short = past.map(({ run, reason, requestedType }) => ({
      run: run.slice(-1),
      reason,
      requestedType,
      createdTime: time,
      completionTime: time,
    }));
    expect(read({ ...published, past: [...short, ...short] })?.past).toHaveLength(10);
  });
});
