// What the volume tells of a run of which nobody saw the end, on a volume that is a folder.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  aPod,
  attempt,
  aWorld,
  container,
  failingTool,
  podUID,
  tool,
  type World,
} from '../../test/support/agent.ts';
import { listing } from '../../test/support/temporary.ts';

const first = { run: 'orders-1', createdTime: '2026-01-01T03:00:00.000Z', pod: 1 };
/** A Job of the same run, a week after the first one. */
const weekLater = { ...first, createdTime: '2026-01-08T03:00:00.000Z', pod: 2 };
const outOfHeap = 'java.lang.OutOfMemoryError: Java heap space\n';

const recordOf = ({ root }: World): string => join(root, 'runs/orders-1.json');

describe('inspect', () => {
  test('tells what the run published exactly as the run would have, and changes nothing', async () => {
    const world = await aWorld();
    const taken = await attempt(world, first, tool());
    rmSync(recordOf(world)); // the Pod died after it had published, and before anything else
    const before = listing(world.volume);
    const { volume: _, ...report } = taken.report ?? {}; // how the run left the volume is not told again
    expect(await container('inspect', aPod(world, weekLater))).toEqual({ code: 0, report });
    expect(listing(world.volume)).toEqual(before);
  });

  test('does not take the record at its word: what is damaged is no backup', async () => {
    const world = await aWorld();
    const { report } = await attempt(world, first, tool());
    writeFileSync(join(world.volume, report?.path ?? '', 'data/neostore.nodestore.db'), 'another file');
    const { code, report: told } = await container('inspect', aPod(world, weekLater));
    expect([code, told]).toMatchObject([0, { reason: 'ArtifactCorrupt' }]);
    expect(told).not.toHaveProperty('path');
  });

  test('tells of a backup that was taken and is not there any more', async () => {
    const world = await aWorld();
    await attempt(world, first, tool());
    rmSync(join(world.root, 'points'), { recursive: true });
    const { report } = await container('inspect', aPod(world, weekLater));
    expect(report).toMatchObject({ reason: 'ArtifactMissing', run: 'orders-1' });
  });

  test('tells why the run failed, where its record says so', async () => {
    const world = await aWorld();
    const failed = await attempt(world, first, failingTool(outOfHeap));
    expect(failed.report?.reason).toBe('OutOfMemory');
    expect(await container('inspect', aPod(world, weekLater))).toEqual({ code: 0, report: failed.report });
  });

  interface Unknown {
    readonly name: string;
    readonly prepare: (world: World) => Promise<unknown>;
  }
  const unknown: readonly Unknown[] = [
    { name: 'nothing at all', prepare: () => Promise.resolve() },
    { name: 'another run', prepare: (world) => attempt(world, { ...first, run: 'orders-2' }, tool()) },
    {
      name: 'a run of that name of another resource',
      prepare: (world) =>
        attempt(
          world,
          { ...first, resource: { namespace: 'shop', name: 'orders', uid: 'other' } },
          tool(),
        ).then(() => rmSync(recordOf(world))),
    },
    {
      name: 'a record that is none',
      prepare: async ({ root }) => {
        mkdirSync(join(root, 'runs'), { recursive: true });
        writeFileSync(join(root, 'runs/orders-1.json'), '{"run":"orders-1","reason":"FullBackupTaken"');
      },
    },
    {
      name: 'a record that claims a backup and names none',
      prepare: async (world) => {
        await attempt(world, first, failingTool(outOfHeap));
        const { record } = JSON.parse(readFileSync(recordOf(world), 'utf8')) as { readonly record: object };
        writeFileSync(recordOf(world), JSON.stringify({ ...record, reason: 'FullBackupTaken' })); // as ever unsealed
      },
    },
    {
      name: 'a record that is a link',
      prepare: async (world) => {
        await attempt(world, first, failingTool(outOfHeap));
        renameSync(recordOf(world), join(world.volume, 'elsewhere'));
        symlinkSync(join(world.volume, 'elsewhere'), recordOf(world));
      },
    },
  ];
  test.each(unknown)('admits that the volume does not know: $name', async ({ prepare }) => {
    const world = await aWorld();
    await prepare(world);
    const { code, report } = await container('inspect', aPod(world, weekLater));
    expect([code, report?.reason]).toEqual([0, 'ResultLost']);
  });

  test('leaves another Pod to try where the volume cannot be read', async () => {
    const world = await aWorld();
    const volume = join(world.volume, 'loop');
    symlinkSync('loop', volume);
    expect(await container('inspect', aPod({ ...world, volume }, weekLater))).toEqual({
      code: 10,
      report: undefined,
    });
  });
});

describe('a Job of a run that has ended before it was made', () => {
  test('tells how, and asks neither server nor tool', async () => {
    const world = await aWorld();
    const { report } = await attempt(world, first, failingTool(outOfHeap));
    const source = { host: 'nowhere.invalid', port: 6362 };
    const again = await attempt(world, { ...weekLater, source }, tool());
    expect([again.calls, again.report]).toEqual([[], report]);
    // Nor does its second attempt.
    expect((await attempt(world, { ...weekLater, source, pod: 3 }, tool())).report).toEqual(report);
    expect(existsSync(join(world.root, 'points'))).toBe(false);
  });

  test.each([
    { name: 'but goes on after a failed attempt of its own', next: { ...first, pod: 2 } },
    {
      name: 'but goes on after one of the Job that it was made anew for',
      next: { ...weekLater, terminalPods: [podUID(1)] },
    },
    { name: 'but is another run', next: { ...weekLater, run: 'orders-2' } },
  ])('$name', async ({ next }) => {
    const world = await aWorld();
    await attempt(world, first, failingTool(outOfHeap));
    expect((await attempt(world, next, tool())).report?.reason).toBe('FullBackupTaken');
  });
});
