// A volume on which somebody else has been: whatever stands in the place of what is ours, each verb ends, says something
// clear, and neither reads as ours, nor changes, nor removes anything outside of the destination.
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { runOffline } from '../../src/agent/offline.ts';
import { runPrune } from '../../src/agent/prune.ts';
import { runScrub } from '../../src/agent/scrub.ts';
import { ConfigError } from '../../src/config.ts';
import { writeCatalogue } from '../../src/volume/catalogue-file.ts';
import { realFiles } from '../../src/volume/files.ts';
import { placeOf, stagingFolder } from '../../src/volume/layout.ts';
import { formatManifest, type Manifest } from '../../src/volume/manifest.ts';
import { newMark, writeMarks } from '../../src/volume/marks.ts';
import { writeRecord } from '../../src/volume/records.ts';
import { aPod, aRequest, attempt, aWorld, container, podUID, tool, type World } from '../support/agent.ts';
import { listing } from '../support/temporary.ts';
import { aPointName, makeArtifact, makePoint, makeStore } from '../support/volume.ts';
import { concludeCampaign } from './campaign.ts';

/** A destination with all that there may be in one, and beside it what is none of our business. */
interface Scene {
  readonly world: World;
  readonly root: string;
  readonly outside: string;
  readonly stores: readonly [Manifest, Manifest];
  readonly artifacts: readonly [Manifest, Manifest];
}

/** What stands in every file outside: nobody is ever to say it, or to have it. */
const secret = 'SECRET-OF-ANOTHER';

async function aScene(): Promise<Scene> {
  const world = await aWorld();
  const { root, volume } = world;
  mkdirSync(root);
  const stores = [
    await makePoint(root, { sequence: 1 }, { lastTransactionId: 8n }),
    await makePoint(root, { sequence: 2, run: 'orders-2' }, { lastTransactionId: 9n }),
  ] as const;
  const chain = aPointName(3);
  const artifacts = [
    await makeArtifact(root, { sequence: 3, chain }),
    await makeArtifact(root, { sequence: 4, chain, type: 'Incremental', parent: chain }),
  ] as const;
  const record = {
    schemaVersion: 1,
    run: 'orders-7',
    reason: 'EngineFailed',
    message: 'no',
    completionTime: '2026-01-01T00:00:00.000Z',
  };
  await writeRecord(realFiles, root, 'orders-7', { record, output: 'said' });
  await writeMarks(
    realFiles,
    root,
    new Map(stores.map((point) => newMark(point, { time: point.startTime }))),
  );
  await writeCatalogue(realFiles, root);

  const outside = join(volume, 'outside');
  makeStore(join(outside, 'data'));
  mkdirSync(join(outside, 'folder/data'), { recursive: true });
  for (const name of [
    'file',
    'folder/file',
    'folder/manifest.json',
    'folder/orders-7.json',
    'folder/data/neostore',
  ])
    writeFileSync(join(outside, name), secret);
  return { world, root, outside, stores, artifacts };
}

/** Puts a link in the place of something, which goes outside. */
function linkAway({ root, outside }: Scene, path: string): void {
  const aside = join(outside, 'moved');
  mkdirSync(dirname(aside), { recursive: true });
  renameSync(join(root, path), aside);
  symlinkSync(aside, join(root, path));
}

const { uid } = aRequest().resource;

/** Puts a link to something of others in the place of something, or where nothing is. */
function linkTo({ root, outside }: Scene, path: string, target: string): void {
  rmSync(join(root, path), { recursive: true, force: true });
  mkdirSync(dirname(join(root, path)), { recursive: true });
  symlinkSync(join(outside, target), join(root, path));
}

function pipe({ root }: Scene, path: string): void {
  rmSync(join(root, path), { recursive: true, force: true });
  mkdirSync(dirname(join(root, path)), { recursive: true });
  execFileSync('mkfifo', [join(root, path)]);
}

/** Where a file of which nothing takes room is as large as told. */
function sparse({ root }: Scene, path: string, size = 2 ** 30): void {
  rmSync(join(root, path), { force: true });
  closeSync(openSync(join(root, path), 'w'));
  truncateSync(join(root, path), size);
}

function many({ root }: Scene, folder: string, nameOf: (n: number) => string): void {
  mkdirSync(join(root, folder), { recursive: true });
  for (let n = 0; n < 1_000_000; n += 1) closeSync(openSync(join(root, folder, nameOf(n)), 'w'));
}

/** A manifest whose seal is whole: what an attacker can write as well as we. */
function forge({ root, stores: [, tip] }: Scene, over: object): void {
  const text = formatManifest(tip);
  const { manifest } = JSON.parse(text) as { readonly manifest: object };
  const body = { ...manifest, ...over };
  const sha256 = execFileSync('sha256sum', { input: JSON.stringify(body) })
    .toString()
    .slice(0, 64);
  writeFileSync(join(root, placeOf(tip).manifest), JSON.stringify({ manifest: body, sha256 }));
}

interface Case {
  readonly name: string;
  readonly make: (scene: Scene) => unknown;
  /** What a run tells. */
  readonly reason: string;
  /** What `verify` ends with. */
  readonly verified: 0 | 1;
}

const first = `points/${aPointName(1)}/${aPointName(1)}`;
const tip = `points/${aPointName(2)}/${aPointName(2)}`;
const chain = `chains/neo4j/${aPointName(3)}`;
const refused = { reason: 'DestinationNotABackup', verified: 1 } as const;
const goesOn = { reason: 'IncrementalBackupTaken', verified: 1 } as const;
const ignored = { reason: 'IncrementalBackupTaken', verified: 0 } as const;
/** Found damaged when it is staged, or before: an older one is gone on from, or a full one is taken. */
const anew = { reason: 'FullBackupTaken', verified: 1 } as const;

const links: readonly Case[] = [
  ...[
    'points',
    'chains',
    'runs',
    '.staging',
    '.lock',
    '.trash',
    'catalog.json',
    'verification.json',
    'RESTORE.md',
  ].map((name): Case => ({
    name: `a link in the place of ${name}`,
    make: (scene) => linkTo(scene, name, 'folder'),
    ...refused,
  })),
  {
    name: 'a link in the place of points, to the points',
    make: (scene) => linkAway(scene, 'points'),
    ...refused,
  },
  {
    name: 'a link in the place of a chain of stores',
    make: (scene) => linkAway(scene, dirname(first)),
    ...goesOn,
  },
  {
    name: 'a link in the place of the chain of the tip',
    make: (scene) => linkAway(scene, dirname(tip)),
    ...goesOn,
  },
  { name: 'a link in the place of a point', make: (scene) => linkAway(scene, first), ...goesOn },
  { name: 'a link in the place of the tip', make: (scene) => linkAway(scene, tip), ...goesOn },
  {
    name: 'a link in the place of the data of the tip',
    make: (scene) => linkAway(scene, `${tip}/data`),
    ...anew,
  },
  {
    name: 'a link in the place of a folder in a store',
    make: (scene) => linkAway(scene, `${tip}/data/schema`),
    ...anew,
  },
  {
    name: 'a link in the place of a file of the tip',
    make: (scene) => linkTo(scene, `${tip}/data/neostore`, 'file'),
    ...anew,
  },
  {
    name: 'a link to the very file in its place',
    make: (scene) => linkAway(scene, `${tip}/data/neostore`),
    ...anew,
  },
  {
    name: 'a link in the place of a manifest',
    make: (scene) => linkAway(scene, `${tip}/manifest.json`),
    ...goesOn,
  },
  {
    name: 'a link to a manifest of others',
    make: (scene) => linkTo(scene, `${tip}/manifest.json`, 'file'),
    ...goesOn,
  },
  {
    name: 'a link in the place of a record',
    make: (scene) => linkTo(scene, 'runs/orders-7.json', 'folder/orders-7.json'),
    ...goesOn,
  },
  {
    name: 'a link in the place of an output',
    make: (scene) => linkTo(scene, 'runs/orders-7.log.gz', 'file'),
    ...goesOn,
  },
  {
    name: 'a link where the record of the run will be',
    make: (scene) => linkTo(scene, 'runs/orders-9.json', 'file'),
    ...goesOn,
  },
  {
    name: 'a link where that is written first',
    make: (scene) => linkTo(scene, 'runs/orders-9.json.partial', 'file'),
    ...ignored,
  },
  {
    name: 'a link where the catalogue is written first',
    make: (scene) => linkTo(scene, '.staging/catalog.json.partial', 'file'),
    ...ignored,
  },
  { name: 'a link in the place of a database', make: (scene) => linkAway(scene, 'chains/neo4j'), ...goesOn },
  { name: 'a link in the place of a chain of artifacts', make: (scene) => linkAway(scene, chain), ...goesOn },
  {
    name: 'a link in the place of the manifests of a chain',
    make: (scene) => linkAway(scene, `${chain}/.manifests`),
    ...goesOn,
  },
  {
    name: 'a link in the place of an artifact',
    make: (scene) => linkTo(scene, `${chain}/neo4j-4.backup`, 'file'),
    ...goesOn,
  },
  {
    name: 'a link in the place of the staging of a dead Pod',
    make: (scene) => linkTo(scene, stagingFolder({ run: 'orders-5', uid, podUID: podUID(5) }), 'folder'),
    ...ignored,
  },
  {
    name: 'a link in the staging of a dead Pod',
    make: (scene) =>
      linkTo(scene, `${stagingFolder({ run: 'orders-5', uid, podUID: podUID(5) })}/x`, 'folder'),
    ...ignored,
  },
  {
    name: 'a link in the place of the staging of a run that nobody knows any more',
    make(scene) {
      const folder = stagingFolder({ run: 'orders-4', uid, podUID: podUID(99) });
      linkTo(scene, folder, 'folder');
      lutimesSync(join(scene.root, folder), 0, 0);
    },
    ...ignored,
  },
  {
    name: 'a link in the place of a claim of a dead Pod',
    make: (scene) => linkTo(scene, `${chain}/.manifests/${aPointName(5)}.${podUID(5)}.claim`, 'file'),
    ...ignored,
  },
  { name: 'a link in the trash', make: (scene) => linkTo(scene, '.trash/x', 'folder'), ...ignored },
  {
    name: 'a link in the place of the whole destination',
    make: ({ root, outside }) => {
      renameSync(root, join(outside, 'orders'));
      symlinkSync(join(outside, 'orders'), root);
    },
    ...refused,
  },
];

const files: readonly Case[] = [
  ...[
    `${tip}/manifest.json`,
    `${chain}/.manifests/${aPointName(4)}.json`,
    'runs/orders-7.json',
    'runs/orders-7.log.gz',
  ].map((path): Case => ({
    name: `a pipe in the place of ${path}`,
    make: (scene) => pipe(scene, path),
    ...goesOn,
  })),
  {
    name: 'a pipe in the place of a file of the tip',
    make: (scene) => pipe(scene, `${tip}/data/neostore.nodestore.db`),
    ...anew,
  },
  {
    name: 'a pipe in the place of the neostore of the tip',
    make: (scene) => pipe(scene, `${tip}/data/neostore`),
    ...anew,
  },
  {
    name: 'a pipe in the place of an artifact',
    make: (scene) => pipe(scene, `${chain}/neo4j-4.backup`),
    ...goesOn,
  },
  { name: 'a pipe in the place of the catalogue', make: (scene) => pipe(scene, 'catalog.json'), ...refused },
  { name: 'a pipe in the place of the marks', make: (scene) => pipe(scene, 'verification.json'), ...refused },
  {
    name: 'a pipe that nobody knows in runs/',
    make: (scene) => pipe(scene, 'runs/orders-8.json'),
    ...goesOn,
  },
  { name: 'a manifest of a gigabyte', make: (scene) => sparse(scene, `${tip}/manifest.json`), ...goesOn },
  {
    name: 'a manifest as large as one may be, and empty',
    make: (scene) => sparse(scene, `${tip}/manifest.json`, 2 ** 26),
    ...goesOn,
  },
  { name: 'a catalogue of a gigabyte', make: (scene) => sparse(scene, 'catalog.json'), ...goesOn },
  { name: 'marks of a gigabyte', make: (scene) => sparse(scene, 'verification.json'), ...goesOn },
  { name: 'a record of a gigabyte', make: (scene) => sparse(scene, 'runs/orders-7.json'), ...goesOn },
  {
    name: 'a folder in the place of a record',
    make: ({ root }) => {
      rmSync(join(root, 'runs/orders-7.json'));
      mkdirSync(join(root, 'runs/orders-7.json'));
    },
    ...goesOn,
  },
  {
    name: 'a hard link to a file outside, with other content',
    make: ({ root, outside }) => {
      rmSync(join(root, tip, 'data/neostore'));
      linkSync(join(outside, 'file'), join(root, tip, 'data/neostore'));
    },
    ...anew,
  },
  {
    name: 'a second name outside for each file of the tip',
    make: ({ root, outside, stores: [, { files: all }] }) => {
      for (const [n, { path }] of all.entries())
        linkSync(join(root, tip, 'data', path), join(outside, `second-${n}`));
    },
    ...ignored,
  },
  {
    name: 'a second name outside for an artifact',
    make: ({ root, outside }) => linkSync(join(root, chain, 'neo4j-4.backup'), join(outside, 'second')),
    ...ignored,
  },
];

const paths: readonly Case[] = [
  ...[
    '../../../../outside/file',
    '/etc/passwd',
    'a/../../../../outside/file',
    'schema/../../../../outside/file',
  ].map((path): Case => ({
    name: `a manifest that names ${path}`,
    make: (scene) => forge(scene, { files: [{ path, size: secret.length, sha256: 'a'.repeat(64) }] }),
    ...goesOn,
  })),
  { name: 'a manifest whose chain is ..', make: (scene) => forge(scene, { chain: '..' }), ...goesOn },
  {
    name: 'a manifest whose point leads away',
    make: (scene) => forge(scene, { point: `../../outside` }),
    ...goesOn,
  },
  {
    name: 'a manifest of artifacts whose database is ..',
    make: (scene) => forge(scene, { layout: 'artifacts', database: '..' }),
    ...goesOn,
  },
  {
    name: 'a manifest that claims another point',
    make: (scene) => forge(scene, { point: aPointName(1), chain: aPointName(1) }),
    ...goesOn,
  },
  {
    name: 'a manifest of a newer version',
    make: (scene) => forge(scene, { schemaVersion: 2 }),
    reason: 'LayoutTooNew',
    verified: 1,
  },
  {
    name: 'a claim of a dead Pod that names files of others',
    make: ({ root, stores: [, point] }) => {
      const claim: Manifest = { ...point, files: [{ path: 'sub/file', size: 1, sha256: 'a'.repeat(64) }] };
      symlinkSync(join(root, '../outside/folder'), join(root, chain, 'sub'));
      writeFileSync(
        join(root, chain, '.manifests', `${aPointName(5)}.${podUID(5)}.claim`),
        formatManifest(claim),
      );
    },
    ...ignored,
  },
];

const names = [
  'line\nbreak',
  '\u001b[2J',
  ' ',
  '-rf',
  '*',
  'ü\u202e',
  '\ufffd',
  '$(id)',
  "'",
  '%s',
  'x'.repeat(255),
];

const folders: readonly Case[] = [
  ...names.map((name): Case => ({
    name: `a file that is called ${JSON.stringify(name.slice(0, 20))}`,
    make: ({ root }) => writeFileSync(join(root, name), secret),
    ...refused,
  })),
  {
    name: 'such names everywhere below',
    make: ({ root }) => {
      for (const name of names)
        for (const folder of [
          'points',
          dirname(tip),
          'chains',
          'chains/neo4j',
          chain,
          `${chain}/.manifests`,
          'runs',
          '.staging',
        ]) {
          mkdirSync(join(root, folder), { recursive: true });
          writeFileSync(join(root, folder, name), '');
        }
    },
    ...ignored,
  },
  {
    name: 'records with such names',
    make: ({ root }) => {
      for (const name of names.filter(({ length }) => length < 99))
        writeFileSync(join(root, 'runs', `${name}.json`), '{}');
    },
    ...goesOn,
  },
  { name: 'a million strangers', make: (scene) => many(scene, '', (n) => `x${n}`), ...refused },
];

/** Longer than any verb takes on a machine that is busy: what takes longer waits for somebody. */
const patienceMs = 60_000;

function within<T>(what: string, work: Promise<T>): Promise<T> {
  return Promise.race([
    work,
    new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error(`${what} hangs`)), patienceMs).unref();
    }),
  ]);
}

/** Bytes that the process may have more of at the end of a case than before. */
const mostMemory = 400 * 1_048_576;

/** What is said by the verbs, and what of it is not as it should be. */
interface Heard {
  readonly said: string[];
  readonly wrong: string[];
}

/** Plays one case, and says what did not hold. */
async function play(one: Case): Promise<readonly string[]> {
  const scene = await aScene();
  const { world, root, outside } = scene;
  await one.make(scene);
  const before = listing(outside);
  const memory = process.memoryUsage().rss;
  const heard: Heard = { said: [], wrong: [] };
  await askOffline(scene, one, heard);
  await askInJobs(scene, one, heard);
  const { said, wrong } = heard;
  if (JSON.stringify(listing(outside)) !== JSON.stringify(before))
    wrong.push('something outside has changed');
  if (said.some((text) => text.includes(secret))) wrong.push('something outside was told');
  if (one.reason !== refused.reason && holdsSecret(root)) wrong.push('something outside was copied');
  if (process.memoryUsage().rss - memory > mostMemory) wrong.push('it took too much memory');
  execFileSync('rm', ['-rf', world.volume]); // what no path leads to, Node cannot remove
  return wrong;
}

async function askOffline(
  { world }: Scene,
  { reason, verified }: Case,
  { said, wrong }: Heard,
): Promise<void> {
  for (const verb of ['catalog', 'verify'] as const)
    for (const output of ['table', 'json'] as const) {
      const ended = runOffline({ verb, folder: world.volume, output }).catch((error: unknown) => ({
        text: String(error),
        exitCode: error instanceof ConfigError ? 2 : 3,
      }));
      const { text, exitCode } = await within(verb, ended);
      said.push(text);
      // A link is no destination of a volume.
      const isLink = reason === refused.reason && exitCode === 2;
      if (!isLink && exitCode !== (verb === 'verify' ? verified : 0))
        wrong.push(`${verb} ended with ${exitCode}: ${text.slice(0, 200)}`);
    }
}

async function askInJobs({ world }: Scene, { reason }: Case, { said, wrong }: Heard): Promise<void> {
  const createdTime = '2026-02-01T03:00:00.000Z';
  const options = { run: 'orders-9', pod: 9, terminalPods: [podUID(5)], createdTime };
  const asked = await within('inspect', container('inspect', aPod(world, { ...options, run: 'orders-2' })));
  if (asked.report === undefined && asked.code !== 10) wrong.push('inspect said nothing');
  const modern = { ...options, pod: 8, neo4jVersion: '5.26.0', databases: ['neo4j'] };
  const staged = await within('prepare', container('prepare', aPod(world, modern)));
  if (staged.report === undefined && staged.code !== 0) wrong.push('prepare said nothing');
  const ended = await within('a run', attempt(world, options, tool({ lastTransactionId: 10n })));
  if (ended.report?.reason !== reason)
    wrong.push(`the run ended with ${ended.report?.reason}: ${ended.report?.message}`);
  said.push(JSON.stringify([asked, staged, ended]));
  const scrubbing = aPod(world, { ...options, run: 'scrub-1', pod: 11 });
  await within('scrub', runScrub(scrubbing.context, scrubbing.terminationLog));
  const retention = { mode: 'Enforce', keepLast: 1 } as const;
  const pruning = aPod(world, { ...options, run: 'prune-1', pod: 10, retention });
  await within('prune', runPrune(pruning.context, pruning.terminationLog));
  for (const { terminationLog } of [scrubbing, pruning]) said.push(readFileSync(terminationLog, 'utf8'));
}

/** Whether a file of ours has the content of one outside. */
function holdsSecret(root: string): boolean {
  const found = ['points', 'chains', 'runs'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true }),
  );
  return found
    .filter((entry) => entry.isFile() && entry.name.length < 99)
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => realpathSync(path).startsWith(root) && lstatSync(path).size < 1_048_576) // the large ones are empty
    .filter((path) => lstatSync(path).nlink === 1) // another name of a file outside is no copy of it
    .some((path) => readFileSync(path).includes(secret));
}

test('nothing outside of the destination is touched, whatever lies on the volume', async () => {
  const all = [...links, ...files, ...paths, ...folders];
  const only = process.env['ONLY'];
  const played = only === undefined ? all : all.filter(({ name }) => name.includes(only));
  const violations: string[] = [];
  for (const one of played) {
    const wrong = await play(one).catch((error: unknown) => [
      error instanceof Error ? String(error.stack).slice(0, 600) : String(error),
    ]);
    violations.push(...wrong.map((what) => `${one.name}: ${what}`));
  }
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  concludeCampaign('hostile volume', played.length, violations);
});
