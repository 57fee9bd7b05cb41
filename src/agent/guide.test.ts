// RESTORE.md as a run leaves it.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { attempt, aWorld, failingTool, tool } from '../../test/support/agent.ts';
import { commandsOf } from '../../test/support/restore.ts';
import { failingFiles } from '../../test/support/volume.ts';

test('a run that took a backup leaves the commands for it', async () => {
  const world = await aWorld();
  const { report } = await attempt(world, {}, tool());
  const guide = readFileSync(join(world.root, 'RESTORE.md'), 'utf8');
  expect(`orders/${/--from="\$PWD\/(?<path>.*)\/data"/.exec(commandsOf(guide))?.groups?.['path']}`).toBe(
    report?.path,
  );
});

test('a guide that cannot be written makes no backup a failure', async () => {
  const world = await aWorld();
  const files = failingFiles('EIO', ({ paths }) => paths.some((path) => path.includes('RESTORE.md')));
  const { code, report } = await attempt(world, { files }, tool());
  expect([code, report?.reason]).toEqual([0, 'FullBackupTaken']);
  expect(existsSync(join(world.root, 'RESTORE.md'))).toBe(false);
});

test('a run that took nothing leaves it as it was', async () => {
  const world = await aWorld();
  await attempt(world, {}, tool());
  const before = readFileSync(join(world.root, 'RESTORE.md'), 'utf8');
  await attempt(world, { run: 'orders-2' }, failingTool('boom'));
  expect(readFileSync(join(world.root, 'RESTORE.md'), 'utf8')).toBe(before);
});
