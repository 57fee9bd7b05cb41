// The main job, on Neo4j 3.4: from a blank destination on, and when the server has pruned its logs.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RunStatus } from '../../src/api/neo4jbackup.ts';
import {
  aBackup,
  aServer,
  becomes,
  conditionsOf,
  fingerprint,
  jobsOf,
  nodesIn,
  on,
  rolledOut,
  runBegins,
  runEnds,
  statusOf,
  trigger,
} from './world.ts';

export function firstBackups(): void {
  describe('one resource, from its first backup on', () => {
    let full: RunStatus;
    let incremental: RunStatus;

    test('takes a full backup into a blank destination', async () => {
      await on().apply(aBackup('orders'));

      full = await runEnds('orders');

      expect(full).toMatchObject({
        result: 'Succeeded',
        reason: 'FullBackupTaken',
        type: 'Full',
        requestedType: 'Auto',
      });
      expect(full.sizeBytes).toBeGreaterThan(100_000);
      const status = await statusOf('orders');
      expect(conditionsOf(status)).toEqual(['True', 'False', 'False', 'True']);
      expect(status.databases).toEqual([
        { name: 'graph.db', storeID: full.storeID, lastTransactionID: full.lastTransactionID },
      ]);
      expect(await nodesIn('backups', full)).toBeGreaterThanOrEqual(2000);
    });

    test('takes an incremental one on top, which holds more, and leaves the first as it was', async () => {
      const volume = await on().volumeOf('backups');
      const before = fingerprint(join(volume, full.path ?? ''));
      await trigger('orders', 'second');

      incremental = await runEnds('orders', 'second');

      expect(incremental).toMatchObject({
        result: 'Succeeded',
        reason: 'IncrementalBackupTaken',
        type: 'Incremental',
      });
      expect(incremental.storeID).toBe(full.storeID);
      expect(BigInt(incremental.lastTransactionID ?? 0)).toBeGreaterThan(BigInt(full.lastTransactionID ?? 0));
      expect(await nodesIn('backups', incremental)).toBeGreaterThan(await nodesIn('backups', full));
      expect(fingerprint(join(volume, full.path ?? ''))).toEqual(before);
    });

    test('records a run that ended while the operator was away, and starts no second one', async () => {
      await trigger('orders', 'third');
      const id = await runBegins('orders', 'third');
      await on().scaleOperator(0);
      await on().kubectl(['wait', '--for=condition=Complete', `job/${id}`, '--timeout=180s']);
      await on().scaleOperator(1);

      const run = await runEnds('orders', 'third');

      expect(run).toMatchObject({ id, result: 'Succeeded', type: 'Incremental' });
      expect((await statusOf('orders')).history?.map(({ triggerID }) => triggerID)).toEqual([
        'third',
        'second',
        undefined,
      ]);
    });

    test('keeps the Jobs of the newest success and failure, and no older ones', async () => {
      const left = await on().until('deletion of older Jobs', async () => {
        const jobs = await jobsOf('orders');
        return jobs === 1 ? jobs : undefined;
      });
      expect(left).toBe(1);
    });

    test('fires nothing when a trigger is reverted or removed', async () => {
      const before = await statusOf('orders');
      await trigger('orders', 'second');
      await on().until('the new generation', async () =>
        (await statusOf('orders')).observedGeneration !== before.observedGeneration ? true : undefined,
      );
      await on().kubectl([
        'patch',
        'neo4jbackup',
        'orders',
        '--type=json',
        '-p',
        '[{"op":"remove","path":"/spec/trigger"}]',
      ]);
      const generation = (before.observedGeneration ?? 0) + 2;
      const after = await on().until('the generation after it', async () => {
        const status = await statusOf('orders');
        return status.observedGeneration === generation ? status : undefined;
      });

      expect(after.history).toEqual(before.history);
      expect(after.currentRun).toBeUndefined();
    });

    test('waits for a server that is down, goes on by itself, and refuses the store of another one byte for byte', async () => {
      const points = join(await on().volumeOf('backups'), 'orders/points');
      const before = fingerprint(points);
      await on().kubectl(['scale', 'deployment/orders-neo4j', '--replicas=0']);
      await on().kubectl(['wait', '--for=delete', 'pod', '-l', 'app=orders-neo4j', '--timeout=120s']);
      await trigger('orders', 'server-down');

      const waiting = await becomes('orders', 'Ready', 'NoReadyEndpoints');
      expect(conditionsOf(waiting)).toEqual(['False', 'True', 'False', 'True']);
      expect([waiting.phase, waiting.currentRun]).toEqual(['Pending', undefined]);

      // Its data went with its Pod: what comes up now is another store under the same name.
      await on().kubectl(['scale', 'deployment/orders-neo4j', '--replicas=1']);
      const run = await runEnds('orders', 'server-down');

      expect(run).toMatchObject({ result: 'Failed', reason: 'StoreMismatch' });
      expect(run.message).toContain(full.storeID);
      expect(fingerprint(points)).toEqual(before);
    });

    test('refuses it where a full backup was asked for, too', async () => {
      const points = join(await on().volumeOf('backups'), 'orders/points');
      const before = fingerprint(points);
      await trigger('orders', 'other-store', 'Full');

      const run = await runEnds('orders', 'other-store');

      expect(run).toMatchObject({ result: 'Failed', reason: 'StoreMismatch' });
      expect(fingerprint(points)).toEqual(before);
      expect(readdirSync(join(await on().volumeOf('backups'), 'orders/.staging'))).toEqual([]);
      expect((await statusOf('orders')).lastIncremental?.triggerID).toBe('third');
    });

    test('says all that in Events too, once each', async () => {
      const text = await on().kubectl([
        'get',
        'events',
        '--field-selector=involvedObject.name=orders',
        '-o',
        'json',
      ]);
      const { items } = JSON.parse(text) as { readonly items: readonly { readonly reason: string }[] };
      expect(items.map(({ reason }) => reason).toSorted()).toEqual([
        'FullBackupTaken',
        'IncrementalBackupTaken',
        'IncrementalBackupTaken',
        'NoReadyEndpoints',
        'StoreMismatch',
        'StoreMismatch',
      ]);
    });
  });
}

export function prunedLogs(): void {
  describe('a server that prunes its logs', () => {
    test('is backed up in full again, in a new chain, and the old chain stays', async () => {
      const pruning = [
        'dbms.backup.address=0.0.0.0:6362',
        'dbms.tx_log.rotation.retention_policy=false',
        'dbms.tx_log.rotation.size=1M',
        'dbms.checkpoint.interval.tx=5',
        'dbms.checkpoint.interval.time=3s',
        'x.nodes=100',
        'x.rate=300',
        'x.bytes=4000',
      ];
      await on().apply(...aServer('pruning', { args: pruning }));
      await rolledOut('pruning');
      await on().apply(aBackup('pruned', { source: { serviceRef: { name: 'pruning' } } }));
      const full = await runEnds('pruned');
      expect(full).toMatchObject({ reason: 'FullBackupTaken', fullBecause: 'DestinationBlank' });
      const first = join(await on().volumeOf('backups'), full.path ?? '');
      const before = fingerprint(first);

      await trigger('pruned', 'after-pruning');
      const again = await runEnds('pruned', 'after-pruning');

      expect(again).toMatchObject({ reason: 'FullBackupTaken', type: 'Full', fullBecause: 'LogsPruned' });
      expect(again.path?.split('/')[2]).not.toBe(full.path?.split('/')[2]);
      expect(fingerprint(first)).toEqual(before);
      await on().kubectl(['delete', 'deployment', 'pruning', '--wait=false']);
    });
  });
}
