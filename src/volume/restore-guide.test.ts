// What RESTORE.md says, and that a shell does with its commands what it says.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { commandsOf } from '../../test/support/restore.ts';
import { listing, temporaryFolder } from '../../test/support/temporary.ts';
import {
  anEntry,
  aManifest,
  aPointName,
  dyingFiles,
  filesWith,
  makePoint,
  readManifests,
} from '../../test/support/volume.ts';
import { readDestination } from './catalogue.ts';
import type { Entry } from './entry.ts';
import { realFiles } from './files.ts';
import { placeOf } from './layout.ts';
import { formatManifest, type Manifest } from './manifest.ts';
import { restoreGuide, writeRestoreGuide } from './restore-guide.ts';
import { hashFile } from './stage.ts';

function aPoint(over: Partial<Manifest> = {}): Entry {
  return anEntry(aManifest(over));
}

function manifestsOf(files: readonly string[], over: Partial<Manifest> = {}): readonly Manifest[] {
  return files.map((path, i) =>
    aManifest({
      sequence: i + 1,
      chain: aPointName(1),
      ...(i === 0 ? {} : { type: 'Incremental', parent: aPointName(i) }),
      layout: 'artifacts',
      neo4jVersion: '5.26.28',
      database: 'neo4j',
      files: [{ path, size: 12, sha256: 'a'.repeat(64) }],
      ...over,
    }),
  );
}

function aChainOf(files: readonly string[]): readonly Entry[] {
  return manifestsOf(files).map((manifest) => anEntry(manifest));
}

interface Run {
  readonly code: number | null;
  readonly said: string;
}

/** Runs commands in the folder of the guide, with a tool that prints its arguments. */
async function shell(root: string, commands: string, home = temporaryFolder()): Promise<Run> {
  const bin = temporaryFolder();
  await writeFile(join(bin, 'neo4j-admin'), '#!/bin/sh\necho "neo4j-admin $*"\n');
  await chmod(join(bin, 'neo4j-admin'), 0o755);
  const env = { PATH: `${bin}:${process.env['PATH']}`, NEO4J_HOME: home };
  const { status, stdout, stderr } = spawnSync('sh', ['-c', commands], { cwd: root, env, encoding: 'utf8' });
  return { code: status, said: stdout + stderr };
}

async function guideOf(root: string): Promise<string> {
  const destination = await readDestination(root);
  return restoreGuide(destination.kind === 'ours' ? destination.points : []);
}

describe('the commands of a point', () => {
  test.each([
    ['3.4.18', 'graph.db', '--database=graph.db --force'],
    ['3.1.6', 'graph.db', '--database=graph.db --force'],
    ['4.4.48', 'neo4j', '--database=neo4j --force'],
  ])('give the tool of %s the store, once it is what it was', async (neo4jVersion, database, flags) => {
    const root = temporaryFolder();
    const { chain, point } = await makePoint(root, { neo4jVersion, database });
    const before = listing(root);
    const data = join('points', chain, point, 'data');
    const commands = commandsOf(await guideOf(root));
    expect(await shell(root, commands)).toEqual({
      code: 0,
      said: `neo4j-admin restore --from=${join(root, data)} ${flags}\n`,
    });
    expect(listing(root)).toEqual(before);

    await writeFile(join(root, data, 'neostore.nodestore.db'), 'another byte');
    const { code, said } = await shell(root, commands);
    expect(code).not.toBe(0);
    expect(said).toContain('neostore.nodestore.db: FAILED');
    expect(said).not.toContain('neo4j-admin');
  });

  test.each([
    ['2.3.3', 'data/graph.db'],
    ['3.0.7', 'data/databases/graph.db'],
  ])('copy the store to where a server of %s has it, and keep what was there', async (neo4jVersion, to) => {
    const root = temporaryFolder();
    const home = temporaryFolder();
    const { chain, point } = await makePoint(root, { neo4jVersion });
    const commands = commandsOf(await guideOf(root));
    await mkdir(join(home, to), { recursive: true });
    await writeFile(join(home, to, 'old'), '');
    expect(await shell(root, commands, home)).toEqual({ code: 0, said: '' });
    expect(listing(join(home, to))).toEqual(listing(join(root, 'points', chain, point, 'data')));
    expect(existsSync(join(home, `${to}.replaced/old`))).toBe(true);
    // A second time something lies there that is not to be lost.
    expect((await shell(root, commands, home)).code).not.toBe(0);
    expect(existsSync(join(home, `${to}.replaced/old`))).toBe(true);
  });

  test('give the tool of 5.26 the artifact', async () => {
    const root = temporaryFolder();
    const name = 'neo4j-2026-01-01T03-00-00.backup';
    const chain = join(root, 'chains/neo4j', aPointName(1));
    await mkdir(join(chain, '.manifests'), { recursive: true });
    await writeFile(join(chain, name), 'an artifact!');
    const sha256 = await hashFile(join(chain, name));
    const [manifest] = manifestsOf([name], { files: [{ path: name, size: 12, sha256 }] });
    if (manifest === undefined) throw new Error('no manifest');
    await writeFile(join(root, placeOf(manifest).manifest), formatManifest(manifest));
    const commands = commandsOf(await guideOf(root));
    const path = join(chain, name);
    expect(await shell(root, commands)).toEqual({
      code: 0,
      said: `neo4j-admin database restore --from-path=${path} --overwrite-destination=true neo4j\n`,
    });
    await rm(path);
    expect((await shell(root, commands)).said).not.toContain('neo4j-admin');
  });
});

describe('the guide', () => {
  test('says so where there is nothing', () => {
    expect(restoreGuide([])).toContain('no backup here yet');
  });

  test('begins with the newest point, and says what each is', () => {
    const points = [
      aPoint({ sequence: 1, consistent: true, sizeBytes: 3_000_000 }),
      aPoint({ sequence: 2, type: 'Incremental', consistent: false, lastTransactionID: '4711' }),
    ];
    const rows = restoreGuide(points)
      .split('\n')
      .filter((line) => line.startsWith('| 2026'));
    expect(rows).toEqual([
      `| 2026-01-01 03:05:00 | graph.db | 4711 | incremental | 12 B | **no** | 3.4.18 | points/${aPointName(2)}/${aPointName(2)} |`,
      `| 2026-01-01 03:05:00 | graph.db | 8 | full | 2.9 MiB | yes | 3.4.18 | points/${aPointName(1)}/${aPointName(1)} |`,
    ]);
    expect(restoreGuide(points)).toContain('**The consistency check found something in this one.**');
  });

  test('tells what was never run against the real tool, and only of the versions that are there', () => {
    const of34 = restoreGuide([aPoint()]);
    expect(of34).not.toContain('were not run by our tests');
    expect(of34).not.toContain('Neo4j 5');
    expect(restoreGuide(aChainOf(['a.backup']))).toMatch(/Neo4j 5 and newer: .*were not run by our tests/);
  });

  test('stays short for thousands of points', () => {
    const points = Array.from({ length: 5000 }, (_, i) => aPoint({ sequence: i + 1 }));
    const text = restoreGuide(points);
    expect(text.length).toBeLessThan(60_000);
    expect(text.match(/```sh/g)).toHaveLength(20);
    expect(text.match(/^\| 2026/gm)).toHaveLength(200);
    expect(text).toContain('And 4800 older ones');
  });

  test('leaves out an artifact of which something before it is gone', () => {
    const [full, first, second] = aChainOf(['a.backup', 'b.backup', 'c.backup']);
    if (full === undefined || first === undefined || second === undefined) throw new Error('no chain');
    expect(restoreGuide([full, first, second])).toContain('c.backup');
    const text = restoreGuide([full, second]);
    expect(text).toContain('a.backup');
    expect(text).not.toContain('c.backup');
  });

  test.each([
    ['a version', { neo4jVersion: '3.4.18`rm -rf /`' }],
    ['a version of nobody', { neo4jVersion: '1.9.9' }],
    ['a database', { database: 'x"; rm -rf /; "' }],
  ])('holds nothing of %s that is more than a name', (_, over: Partial<Manifest>) => {
    expect(restoreGuide([aPoint(over)])).toContain('no backup here yet');
  });

  test.each(['$(reboot).backup', "a' b.backup", 'a|b.backup', '-x.backup', 'a\nb.backup', '../a.backup'])(
    'holds no artifact that is called %j',
    (path) => {
      expect(restoreGuide(aChainOf([path]))).toContain('no backup here yet');
    },
  );
});

describe('writing it', () => {
  test('replaces it at once: who reads sees the old text or the new one, wherever the process dies', async () => {
    for (let k = 1; k <= 6; k += 1) {
      const root = temporaryFolder();
      await writeRestoreGuide(realFiles, root, [aPoint()]);
      const old = readFileSync(join(root, 'RESTORE.md'), 'utf8');
      const points = [aPoint(), aPoint({ sequence: 2 })];
      await writeRestoreGuide(dyingFiles(k, true), root, points).catch(() => undefined);
      expect([old, restoreGuide(points)]).toContain(readFileSync(join(root, 'RESTORE.md'), 'utf8'));
      expect((await readManifests(root)).kind).toBe('blank'); // nothing in it that is not ours
      await writeRestoreGuide(realFiles, root, points);
      expect(readFileSync(join(root, 'RESTORE.md'), 'utf8')).toBe(restoreGuide(points));
    }
  });

  test('touches nothing where it says the same already', async () => {
    const root = temporaryFolder();
    await writeRestoreGuide(realFiles, root, [aPoint()]);
    const files = filesWith(() => undefined);
    await writeRestoreGuide(files, root, [aPoint()]);
    expect(files.operations).toEqual([]);
  });
});
