import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { listing, temporaryFolder } from '../../test/support/temporary.ts';
import { errorCode, listFolder, readText, realFiles } from './files.ts';

describe('realFiles', () => {
  test('never overwrites: not with a write, not with a copy', async () => {
    const [a, b] = ['a', 'b'].map((name) => join(temporaryFolder(), name)) as [string, string];
    await writeFile(a, 'old');
    await writeFile(b, 'other');
    await expect(realFiles.writeNew(a, 'new')).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(realFiles.copy(b, a)).rejects.toMatchObject({ code: 'EEXIST' });
    expect(await readFile(a, 'utf8')).toBe('old');
  });

  test('leaves nothing of a copy that failed, which would take the room that was wanting', async () => {
    const root = temporaryFolder();
    await mkdir(join(root, 'folder'));
    await expect(realFiles.copy(join(root, 'folder'), join(root, 'to'))).rejects.toMatchObject({
      code: 'EISDIR',
    });
    expect(Object.keys(listing(root))).toEqual(['folder']);
  });

  test('does not rename onto a folder that holds something', async () => {
    const root = temporaryFolder();
    await mkdir(join(root, 'from'));
    await mkdir(join(root, 'to/inner'), { recursive: true });
    const before = listing(root);
    await expect(realFiles.rename(join(root, 'from'), join(root, 'to'))).rejects.toMatchObject({
      code: 'ENOTEMPTY',
    });
    expect(listing(root)).toEqual(before);
  });

  test('removes a link, never what it leads to', async () => {
    const root = temporaryFolder();
    await mkdir(join(root, 'kept'));
    await writeFile(join(root, 'kept/file'), '');
    await mkdir(join(root, 'gone'));
    await symlink('../kept', join(root, 'gone/link'));
    await realFiles.remove(join(root, 'gone'));
    await realFiles.remove(join(root, 'gone'));
    expect(Object.keys(listing(root))).toEqual(['kept', 'kept/file']);
  });

  test('keeps what it writes from others than owner and group', async () => {
    const root = temporaryFolder();
    await realFiles.makeFolder(join(root, 'a/b'));
    await realFiles.writeNew(join(root, 'a/b/c'), '');
    const modes = await Promise.all(
      ['a', 'a/b', 'a/b/c'].map(async (path) => (await stat(join(root, path))).mode & 0o007),
    );
    expect(modes).toEqual([0, 0, 0]);
  });

  test('syncs files and folders', async () => {
    const root = temporaryFolder();
    await writeFile(join(root, 'file'), '');
    await realFiles.sync(join(root, 'file'));
    await realFiles.sync(root);
    await expect(realFiles.sync(join(root, 'absent'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

test('listFolder sorts, and knows no folder where there is none', async () => {
  const root = temporaryFolder();
  for (const name of ['b', 'a', 'c']) await writeFile(join(root, name), '');
  expect(await listFolder(root)).toEqual(['a', 'b', 'c']);
  expect(await listFolder(join(root, 'absent'))).toBeUndefined();
  expect(await listFolder(join(root, 'a'))).toBeUndefined();
});

test('readText reads a file, and nothing else', async () => {
  const root = temporaryFolder();
  await writeFile(join(root, 'file'), 'text');
  await symlink('self', join(root, 'self'));
  expect(await readText(join(root, 'file'))).toBe('text');
  for (const path of ['absent', '.', 'file/below', 'self'])
    expect(await readText(join(root, path))).toBeUndefined();
});

test.each([
  [Object.assign(new Error('x'), { code: 'ENOSPC' }), 'ENOSPC'],
  [Object.assign(new Error('x'), { code: 28 }), undefined],
  [new Error('ENOSPC'), undefined],
  ['ENOSPC', undefined],
  [undefined, undefined],
])('errorCode of %o is %s', (error, code) => {
  expect(errorCode(error)).toBe(code);
});
