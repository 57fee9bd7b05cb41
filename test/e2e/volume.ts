// What several resources share, and what is done for a volume beside the backups: on a real one.
import { closeSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  aBackup,
  aClaim,
  becomes,
  edit,
  messageOf,
  on,
  runEnds,
  statusOf,
  statusWhere,
  trigger,
} from './world.ts';

const claim = 'shared';

/** Folders of the points of a resource, below the root of its volume, oldest first. */
async function pointsOf(name: string): Promise<readonly string[]> {
  const root = join(await on().volumeOf(claim), name, 'points');
  const chains = readdirSync(root).toSorted();
  return chains.flatMap((chain) =>
    readdirSync(join(root, chain))
      .toSorted()
      .map((point) => join(root, chain, point)),
  );
}

/** Turns one bit of a file around, in its middle. */
function flip(path: string): void {
  const file = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  const at = 4096;
  readSync(file, byte, 0, 1, at);
  byte.writeUInt8(byte.readUInt8() ^ 1);
  writeSync(file, byte, 0, 1, at);
  closeSync(file);
}

export function theVolume(): void {
  describe('a volume', () => {
    test('that one Pod at a time may use is used by two resources in turn', async () => {
      await on().apply(aClaim(claim), aBackup('one', {}, claim), aBackup('other', {}, claim));
      const queued = await on().until('a resource that waits', async () => {
        for (const name of ['one', 'other']) {
          const { conditions = [] } = await statusOf(name);
          if (conditions.some(({ reason }) => reason === 'Queued')) return name;
        }
        return undefined;
      });
      const first = queued === 'one' ? 'other' : 'one';
      expect(messageOf(await statusOf(queued), 'Reconciling')).toMatch(/ waits for the (Job|resource) /);
      const [before, after] = [await runEnds(first), await runEnds(queued)];
      expect([before.result, after.result]).toEqual(['Succeeded', 'Succeeded']);
      expect(Date.parse(after.startTime)).toBeGreaterThanOrEqual(
        Math.floor(Date.parse(before.completionTime ?? '') / 1000) * 1000,
      );
    });

    test('keeps each folder for the older of two resources, until that is deleted', async () => {
      const path = 'other';
      const destination = { persistentVolumeClaim: { claimName: claim }, path };
      await on().apply(aBackup('younger', { destination }, claim));
      const refused = await becomes('younger', 'Ready', 'DestinationConflict');
      expect(messageOf(refused, 'Ready')).toMatch(/The resource other, which is older/);
      expect(refused.currentRun).toBeUndefined();
      await trigger('other', 'undisturbed');
      expect(await runEnds('other', 'undisturbed')).toMatchObject({ result: 'Succeeded' });

      await on().kubectl(['delete', 'neo4jbackup', 'other']);

      expect(await runEnds('younger')).toMatchObject({ result: 'Succeeded', type: 'Incremental' });
    });

    test('is pruned when its policy is edited: shown first, then done', async () => {
      for (const id of ['a', 'b', 'c']) {
        await trigger('one', id);
        await runEnds('one', id);
      }
      const before = await pointsOf('one');
      expect(before).toHaveLength(4);
      await edit('one', { retention: { keepLast: 1, mode: 'Plan' } });
      const { retention: shown } = await statusWhere(
        'one',
        'plan',
        ({ retention }) => retention?.mode === 'Plan',
      );
      expect(shown).toMatchObject({ kept: 2, condemned: 2, removed: 0 });
      expect(await pointsOf('one')).toEqual(before);

      await edit('one', { retention: { keepLast: 1, mode: 'Enforce' } });
      const { retention: done, volume } = await statusWhere(
        'one',
        'retention',
        ({ retention }) => retention?.mode === 'Enforce',
      );
      expect(done).toMatchObject({ kept: 2, condemned: 0, removed: 2 });
      expect(await pointsOf('one')).toEqual(before.slice(2));
      expect(volume).toMatchObject({ points: 2 });
    });

    test('is read back by schedule, and a flipped bit is found', async () => {
      const [oldest = ''] = await pointsOf('one');
      flip(join(oldest, 'data/neostore.nodestore.db'));
      await edit('one', { verification: { schedule: '* * * * *' } });
      const found = await becomes('one', 'LastVerificationSucceeded', 'ArtifactCorrupt');
      await edit('one', { verification: null });
      expect(found.lastVerification).toMatchObject({
        result: 'Failed',
        damaged: [
          { point: oldest.split('/').at(-1), file: expect.stringContaining('neostore.nodestore.db') },
        ],
      });
      expect(messageOf(found, 'LastVerificationSucceeded')).toMatch(/neostore\.nodestore\.db/);
      const events = await on().kubectl([
        'get',
        'events',
        '--field-selector=involvedObject.name=one,reason=ArtifactCorrupt',
        '-o',
        'name',
      ]);
      expect(events.trim()).not.toBe('');
    });
  });
}
