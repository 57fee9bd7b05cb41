import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { selectEngine } from './select.ts';
import { durations, optionArguments, refuseOptions, switches, type ToolOptions } from './options.ts';

/** None where it throws. It throws exactly where the operator objects. */
function argumentsOrNone(options: Readonly<Record<string, string>>): readonly string[] {
  try {
    return optionArguments(allowed, options, '--');
  } catch (error) {
    if (refuseOptions(allowed, options) === undefined) throw error;
    return [];
  }
}

const allowed: ToolOptions = { timeout: durations, 'cc-graph': switches };

describe('refuseOptions', () => {
  interface Case {
    readonly given: Readonly<Record<string, string>>;
    readonly says: string | undefined;
  }
  const cases: readonly Case[] = [
    { given: {}, says: undefined },
    { given: { timeout: '20m' }, says: undefined },
    { given: { timeout: '1500ms', 'cc-graph': 'true' }, says: undefined },
    { given: { timeout: '0m' }, says: 'timeout takes a time such as 90s, 20m or 2h' },
    { given: { 'cc-graph': 'yes' }, says: 'cc-graph takes true or false' },
    { given: { frobnicate: 'true' }, says: 'there is no frobnicate; there are timeout, cc-graph' },
    { given: { constructor: 'true' }, says: 'there is no constructor; there are timeout, cc-graph' },
    {
      given: { '\u001b[31m --x': 'true' },
      says: 'there is no setting of such a name; there are timeout, cc-graph',
    },
    {
      given: { ['x'.repeat(1e6)]: 'true' },
      says: 'there is no setting of such a name; there are timeout, cc-graph',
    },
  ];
  test.each(cases)('says $says', ({ given, says }) => {
    expect(refuseOptions(allowed, given)).toBe(says);
  });

  test('says where there is nothing to set', () => {
    expect(refuseOptions({}, { timeout: '1m' })).toBe('there is no timeout; there are none at all');
  });
});

describe('optionArguments', () => {
  test('writes them in the order of the list', () => {
    expect(optionArguments(allowed, { 'cc-graph': 'false', timeout: '1h' }, '--')).toEqual([
      '--timeout=1h',
      '--cc-graph=false',
    ]);
    expect(optionArguments(allowed, { timeout: '1h' }, '-')).toEqual(['-timeout=1h']);
  });

  test('gives one word each or throws, whatever is given', () => {
    const value = fc.oneof(fc.constantFrom('true', '5m', '5m\n', 'true --name=x'), fc.string());
    const given = fc.dictionary(
      fc.constantFrom('timeout', 'cc-graph', 'name', '__proto__', 'toString'),
      value,
    );
    fc.assert(
      fc.property(given, (options) => {
        for (const argument of argumentsOrNone(options))
          expect(argument).toMatch(/^--(timeout=[1-9][0-9]*(ms|s|m|h)|cc-graph=(true|false))$/);
      }),
    );
  });
});

test.each([
  { version: '2.3.3', names: [] },
  { version: '3.0.7', names: ['timeout'] },
  { version: '3.1.9', names: ['timeout'] },
  {
    version: '3.3.5',
    names: ['timeout', 'cc-graph', 'cc-indexes', 'cc-label-scan-store', 'cc-property-owners'],
  },
])('what $version allows is what it has', ({ version, names }) => {
  expect(Object.keys(selectEngine(version)?.options(version) ?? {})).toEqual(names);
});

test.each([
  { version: '3.0.7', tls: false, pageCache: false },
  { version: '3.1.9', tls: false, pageCache: false },
  { version: '3.2.9', tls: false, pageCache: true },
  { version: '3.3.5', tls: false, pageCache: true },
  { version: '3.4.18', tls: true, pageCache: true },
  { version: '4.0.12', tls: true, pageCache: true },
  { version: '5.26.28', tls: true, pageCache: true },
])('of $version: TLS $tls, page cache $pageCache', ({ version, tls, pageCache }) => {
  const engine = selectEngine(version);
  expect([engine?.settings.tls !== undefined, engine?.memory.takesPageCache(version)]).toEqual([
    tls,
    pageCache,
  ]);
});

describe('docs/tuning.md', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/tuning.md'), 'utf8');
  const names = ['2.3.3', '3.0.7', '3.1.9', '3.4.18', '4.4.48', '2026.06.0'].flatMap((version) =>
    Object.keys(selectEngine(version)?.options(version) ?? {}),
  );

  test.each([...new Set(names)])('tells of %s', (name) => {
    expect(page).toContain(`\`${name}\``);
  });
});
