// The older tool: Neo4j 3.0.7 and its own `neo4j-backup`, chosen from spec.neo4j.version.
import { describe, expect, test } from 'vitest';
import { aBackup, aServer, nodesIn, on, rolledOut, runEnds, trigger } from './world.ts';

export function generationA(): void {
  describe('Neo4j 3.0.7', () => {
    test('is backed up in full, then incrementally, and both open', async () => {
      await on().apply(...aServer('archive-neo4j', { version: '3.0.7' }));
      await rolledOut('archive-neo4j');
      await on().apply(
        aBackup('archive', {
          source: { serviceRef: { name: 'archive-neo4j' } },
          neo4j: { version: '3.0.7', image: 'localhost/neo4j:3.0.7' },
        }),
      );
      const full = await runEnds('archive');
      expect(full).toMatchObject({ reason: 'FullBackupTaken', fullBecause: 'DestinationBlank' });

      await trigger('archive', 'second');
      const incremental = await runEnds('archive', 'second');

      expect(incremental).toMatchObject({ reason: 'IncrementalBackupTaken', storeID: full.storeID });
      const inFull = await nodesIn('backups', full, '3.0.7');
      expect(inFull).toBeGreaterThanOrEqual(2000);
      expect(await nodesIn('backups', incremental, '3.0.7')).toBeGreaterThan(inFull);
      await on().kubectl(['delete', 'deployment', 'archive-neo4j', '--wait=false']);
    });
  });
}
