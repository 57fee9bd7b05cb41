// A Neo4jBackup as part of somebody's own chart: `helm install --wait` waits for the backup, and fails where only an edit helps.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { aBackup, conditionsOf, on, statusOf, type Spec } from './world.ts';

/** A chart with one resource in it. */
function chartOf(name: string, spec: Spec): string {
  const folder = mkdtempSync(join(tmpdir(), 'wish-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'templates'));
  writeFileSync(join(folder, 'Chart.yaml'), `apiVersion: v2\nname: ${name}\nversion: 1.0.0\n`);
  writeFileSync(join(folder, 'templates/backup.yaml'), JSON.stringify(aBackup(name, spec)));
  return folder;
}

export function helmWait(): void {
  describe('helm install --wait of a Neo4jBackup', () => {
    const install = (name: string, spec: Spec): Promise<string> =>
      on().helm(['install', name, chartOf(name, spec), '--wait', '--timeout=20m'], on().namespace);

    test('returns when the first backup was taken', async () => {
      await install('by-helm', {});
      const status = await statusOf('by-helm');
      expect(status.lastRun).toMatchObject({ reason: 'FullBackupTaken' });
      expect(conditionsOf(status)).toEqual(['True', 'False', 'False', 'True']);
    });

    test('fails at once where only an edit helps', async () => {
      // Were it not at once, this test would run out of time long before helm does.
      await expect(install('never-by-helm', { source: { host: 'elsewhere.invalid' } })).rejects.toThrow(
        /never-by-helm.*Failed/,
      );
    });
  });
}
