import { expect, test } from 'vitest';
import { adminBackupB2 } from './admin-backup-b2.ts';
import { backupA } from './backup-a.ts';
import { selectEngine, servedVersions } from './select.ts';

test.each(['3.4', '3.4.0', '3.4.18', '3.4.18-SNAPSHOT', '3.4-beta'])(
  'the tool of 3.4 serves %s',
  (version) => {
    expect(selectEngine(version)).toBe(adminBackupB2);
  },
);

test.each(['3.0', '3.0.0', '3.0.7', '3.0.12'])('the tool of 3.0 serves %s', (version) => {
  expect(selectEngine(version)).toBe(backupA);
});

test.each([
  '',
  '3',
  '2.3.3',
  '3.1.9',
  '3.3.5',
  '3.00',
  '3.5.0',
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
  expect(servedVersions).toBe('3.0, 3.4, 4.0 to 4.4, 5, 2025 and newer');
});

test('the default image is the one of that version, and the Enterprise Edition, which alone has the tool', () => {
  expect(selectEngine('3.4.18')?.defaultImage('3.4.18')).toBe('neo4j:3.4.18-enterprise');
});
