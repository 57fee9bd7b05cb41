import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { aSpec } from '../../test/support/builders.ts';
import { planFile } from './plan.ts';
import { lengthInWords, printReport } from './print.ts';
import type { Report } from './report.ts';

function report(spec: Readonly<Record<string, unknown>>, size?: number): Report {
  const head = { apiVersion: 'neo4j-backup.dev/v1alpha1', kind: 'Neo4jBackup', metadata: { name: 'orders' } };
  const answer = planFile(stringify({ ...head, spec: aSpec(spec) }), {
    from: new Date('2026-10-24T00:00:00Z'),
    days: 7,
    sizes: size === undefined ? undefined : { fullBytes: size, growthBytes: 0 },
  });
  if (answer.kind === 'wrong') throw new Error(answer.problems.join('\n'));
  return answer.report;
}

function printed(spec: Readonly<Record<string, unknown>>, size?: number): readonly string[] {
  return printReport(report(spec, size)).split('\n');
}

/** What stands behind a word of the summary. */
function said(lines: readonly string[], word: string): string | undefined {
  return lines
    .find((line) => line.startsWith(`${word}  `))
    ?.slice(word.length)
    .trim();
}

describe('a plan for people', () => {
  const hourly = { schedule: '0 * * * *', timeZone: 'Europe/Madrid' };

  test('has the first runs, those of days when clocks change, and tells how many more there are', () => {
    const lines = printed(hourly);
    expect(lines.filter((line) => /^and \d+ more$/.test(line))).toEqual(['and 148 more', 'and 148 more']);
    expect(lines.filter((line) => line.endsWith('clocks change'))).toHaveLength(25);
    expect(said(lines, 'runs')).toBe('168: 1 full, 167 incremental');
    expect(said(lines, 'clocks change')).toContain('from +02:00 to +01:00; 25 runs on that day');
  });

  test('says what is not there', () => {
    const lines = printed({});
    expect(said(lines, 'schedule')).toBe('none');
    expect(said(lines, 'data loss')).toContain('unknown');
    expect(said(lines, 'room')).toBe('nothing is taken');
    expect(said(lines, 'verification')).toContain('none');
    expect(said(lines, 'objective')).toBeUndefined();
  });

  test('says whether an objective is met', () => {
    const of = (maxDataLossSeconds: number): string | undefined =>
      said(printed({ ...hourly, objectives: { maxDataLossSeconds } }), 'objective');
    expect(of(7200)).toBe('2h: met');
    expect(of(3000)).toBe('50m: NOT MET, 169 times');
  });

  test.each([
    { policy: undefined, is: 'none: 168 of 168 points stay' },
    { policy: { keepLast: 5 }, is: '5 of 168 points stay in the end, of 1 of 1 chain; 163 go' },
    { policy: { keepLast: 5, mode: 'Plan' }, is: 'only planned: 168 of 168 points stay in the end' },
  ])('of retention: $is', ({ policy, is }) => {
    expect(said(printed({ ...hourly, retention: policy }), 'retention')).toContain(is);
  });

  test('tells room in sizes where it knows them', () => {
    const policy = { ...hourly, retention: { keepLast: 5 } };
    expect(said(printed(policy), 'room')).toMatch(/^6 times a full backup at most/);
    expect(said(printed(policy, 2 ** 30), 'room')).toMatch(/^6.0 GiB: 6 times a full backup at most/);
    expect(said(printed(policy, 2 ** 30), 'room of policy')).toMatch(/^5.0 GiB at most/);
    const version = { neo4j: { version: '5.26.0', acceptLicenseAgreement: true } };
    expect(said(printed({ ...policy, ...version }), 'room')).toMatch(
      /^1 full backup and 167 increments at most/,
    );
  });

  test('has a row for each blackout window, and says what took its place', () => {
    const lines = printed({
      ...hourly,
      fullSchedule: '0 9 * * *',
      blackoutWindows: [{ schedule: '0 8 * * 1', duration: '3h' }],
    });
    expect(said(lines, 'runs')).toContain('; 3 moments blacked out');
    expect(lines.filter((line) => line.startsWith('Mon 2026-10-26 08:00'))).toEqual([
      'Mon 2026-10-26 08:00 +01:00  Mon 2026-10-26 11:00 +01:00  3        1',
    ]);
    expect(printed({ ...hourly, fullSchedule: '30 0 * * 6' }).join()).not.toContain('blacked out');
  });

  test('names what was ignored, and moves no cursor', () => {
    const { plans } = report(hourly);
    const ignored = [{ document: 2, apiVersion: 'v1', kind: 'Service', name: 'a\u001b[2Jb\nc' }];
    const text = printReport({ schemaVersion: 1, plans, ignored });
    expect(text.endsWith('\ndocument 2 is ignored: v1 Service ab c\n')).toBe(true);
  });
});

test.each([
  [0, '0s'],
  [59, '59s'],
  [3600, '1h'],
  [5400, '1h 30m'],
  [90_061, '1d 1h'],
  [86_401, '1d 1s'],
])('%d seconds are %s', (seconds, words) => {
  expect(lengthInWords(seconds)).toBe(words);
});
