import { expect, test } from 'vitest';
import type { Engine } from './engine.ts';
import { selectEngine, servedVersions } from './select.ts';

const until2 = {
  enabled: 'online_backup_enabled',
  listen: 'online_backup_server',
  retention: 'keep_logical_logs',
} as const;
const since3 = {
  enabled: 'dbms.backup.enabled',
  listen: 'dbms.backup.address',
  retention: 'dbms.tx_log.rotation.retention_policy',
} as const;

interface Row {
  readonly versions: readonly string[];
  readonly generation: string;
  /** Those that people are told of. */
  readonly settings: Engine['settings'];
  readonly asksForLicense: boolean;
}

const rows: readonly Row[] = [
  {
    versions: ['2.3', '2.3.0', '2.3.3', '2.3.12'],
    generation: 'A',
    settings: until2,
    asksForLicense: false,
  },
  {
    versions: ['3.0', '3.0.0', '3.0.7', '3.0.12'],
    generation: 'A',
    settings: since3,
    asksForLicense: false,
  },
  {
    versions: ['3.1', '3.1.9', '3.2.0', '3.2.14-SNAPSHOT'],
    generation: 'B1',
    settings: since3,
    asksForLicense: false,
  },
  {
    versions: ['3.3', '3.3.0', '3.3.5', '3.3-beta'],
    generation: 'B1',
    settings: since3,
    asksForLicense: true,
  },
  {
    versions: ['3.4', '3.4.0', '3.4.18', '3.4.18-SNAPSHOT', '3.5.0', '3.5.35'],
    generation: 'B2',
    settings: since3,
    asksForLicense: true,
  },
];

const cases = rows.flatMap(({ versions, ...row }) => versions.map((version) => ({ version, ...row })));

test.each(cases)('generation $generation serves $version', ({ version, ...row }) => {
  expect(selectEngine(version)).toMatchObject(row);
});

test.each([
  '',
  '3',
  '2.2.9',
  '2.3x',
  '2.30.1',
  '12.3.3',
  '3.00',
  '3.10.1',
  '3.6.0',
  '3.40',
  '3.40.1',
  '13.4.1',
  '4.5.0',
  '5',
  '6.0.0',
  '2024.1.0',
  '20260.1',
  'x3.4',
  '3x4',
  '3.4x',
  '3.4\n',
])('no tool serves %j', (version) => {
  expect(selectEngine(version)).toBeUndefined();
});

test('people are told what is served', () => {
  expect(servedVersions).toBe('2.3, 3.0, 3.1, 3.2, 3.3, 3.4, 3.5, 4.0 to 4.4, 5, 2025 and newer');
});

test('the default image is the one of that version, and the Enterprise Edition, which alone has the tool', () => {
  for (const { version } of cases)
    expect(selectEngine(version)?.defaultImage(version)).toBe(`neo4j:${version}-enterprise`);
});
