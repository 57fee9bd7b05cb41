// Real releases on a real API server without a node: what they leave behind, and that no Neo4jBackup is ever lost.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { chartFolder } from '../../tools/chart.ts';
import type { Output } from '../../tools/run.ts';
import { kubectl, mustKubectl } from './helm.ts';
import {
  backups,
  cleanUp,
  crd,
  createBackup,
  find,
  install,
  installed,
  mustInstall,
  uidOf,
  uninstall,
} from './release.ts';

const folder = mkdtempSync(join(tmpdir(), 'chart-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(cleanUp);

/** The chart as a later version has it: its definition has one field more. */
function laterChart(): string {
  const later = join(folder, 'later');
  cpSync(chartFolder, later, { recursive: true });
  const template = join(later, 'templates/crd.yaml');
  const text = readFileSync(template, 'utf8');
  const grown = text.replace(/^( +)(destination:\n)/m, '$1novelty:\n$1  type: string\n$1$2');
  if (grown === text) throw new Error('the CRD has no destination to stand before');
  writeFileSync(template, grown);
  return later;
}

const explain = (field: string): Promise<Output> => kubectl(['explain', `${backups}.${field}`]);

describe('a release', () => {
  test('comes, grows its definition, goes and comes again; no Neo4jBackup is lost', async () => {
    const namespace = 'story';
    await mustInstall('backups', namespace, {
      networkPolicy: { enabled: true },
      podDisruptionBudget: { enabled: true },
    });
    await mustKubectl(['wait', '--for=condition=Established', crd]);
    const uid = await createBackup(namespace);
    expect((await explain('spec.novelty')).code).not.toBe(0);

    await mustInstall('backups', namespace, { networkPolicy: { enabled: false } }, laterChart());
    await expect.poll(async () => (await explain('spec.novelty')).code, { timeout: 30_000 }).toBe(0);
    expect(uidOf(await find(`${backups}/orders`, namespace))).toBe(uid);
    expect(await find('networkpolicy/backups-neo4j-backup-operator', namespace)).toBeUndefined();

    await uninstall('backups', namespace);
    expect(await installed('backups')).toEqual([]);
    expect(uidOf(await find(`${backups}/orders`, namespace))).toBe(uid);

    await mustInstall('backups', namespace);
    expect(uidOf(await find(`${backups}/orders`, namespace))).toBe(uid);
    await uninstall('backups', namespace);
  });

  test('is alone in its namespace, since a second one would only wait for the first', async () => {
    await mustInstall('first', 'shared');
    const second = await install('second', 'shared', {
      crds: { enabled: false },
      watchNamespaces: ['elsewhere'],
    });
    expect(second.code).not.toBe(0);
    expect(second.stderr).toContain(
      'Role "neo4j-backup-operator-leader-election" in namespace "shared" exists',
    );
    await uninstall('first', 'shared');
  });
});
