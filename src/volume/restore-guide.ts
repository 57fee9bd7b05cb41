// RESTORE.md: for whoever has this folder and a Neo4j, and neither our programs nor a cluster. Pure but for its writing.
import { join } from 'node:path';
import { databaseName, versionNumber } from '../api/patterns.ts';
import { proveChains } from './chain.ts';
import type { Entry } from './entry.ts';
import { readText, replaceFile, type Files } from './files.ts';
import { folders, placeOf } from './layout.ts';

/** So many of the newest points have their commands written out; those before them are restored in the same way. */
const mostWrittenOut = 20;

/** So many are in the table. */
const mostListed = 200;

const guideName = 'RESTORE.md';

/**
 * Replaces RESTORE.md where what it says has changed. A reader sees the old text or the new one.
 * @param points what is published and may be used
 */
export async function writeRestoreGuide(files: Files, root: string, points: readonly Entry[]): Promise<void> {
  const target = join(root, guideName);
  const text = restoreGuide(points);
  if ((await readText(target)) === text) return;
  await replaceFile(files, target, text, join(root, folders.staging, `${guideName}.partial`));
}

/** How a server of some versions gets a database from a point. */
interface Recipe {
  readonly versions: RegExp;
  readonly title: string;
  /** Run against the real tool by our tests. */
  readonly isProven: boolean;
  readonly before: string;
  readonly commands: (point: Restorable) => readonly string[];
  readonly after: string;
}

interface Restorable extends Entry {
  /** The folder of a store, or the artifact: relative, of harmless characters only. */
  readonly from: string;
}

const stopServer =
  'Stop the server, each member of it where it is a cluster (which also needs `unbind`, see its manual).';
const startServer = 'Start the server.';

const keptAside = 'The database that is there is kept beside it, as `graph.db.replaced`.';

function byCopying(folder: string): Recipe['commands'] {
  const target = `"$NEO4J_HOME/${folder}"`;
  const aside = `"$NEO4J_HOME/${folder}.replaced"`;
  return ({ from }) => [
    `mkdir -p "$NEO4J_HOME/${folder}"`,
    `mv -T ${target} ${aside}`,
    `cp -R ${from} ${target}`,
  ];
}

const recipes: readonly Recipe[] = [
  {
    versions: /^2\.3\b/,
    title: 'Neo4j 2.3',
    isProven: false,
    before: `${stopServer} ${keptAside}`,
    commands: byCopying('data/graph.db'),
    after: startServer,
  },
  {
    versions: /^3\.0\b/,
    title: 'Neo4j 3.0',
    isProven: true,
    before: `${stopServer} ${keptAside}`,
    commands: byCopying('data/databases/graph.db'),
    after: startServer,
  },
  {
    versions: /^3\.[1-5]\b/,
    title: 'Neo4j 3.1 to 3.5',
    isProven: true,
    before: `${stopServer} \`--force\` replaces the database that is there.`,
    commands: ({ from }) => [`neo4j-admin restore --from="$PWD/${from}" --database=graph.db --force`],
    after: startServer,
  },
  {
    versions: /^4\.[0-4]\b/,
    title: 'Neo4j 4.0 to 4.4',
    isProven: false,
    before:
      'Stop the database (`STOP DATABASE name` in the database `system`), or the server. `--force` replaces the database that is there.',
    commands: ({ from, database }) => [
      `neo4j-admin restore --from="$PWD/${from}" --database=${database} --force`,
    ],
    after:
      'Start the database (`START DATABASE name`), or where the server did not have it: `CREATE DATABASE name`.',
  },
  {
    versions: /^(5|20\d\d)\./,
    title: 'Neo4j 5 and newer',
    isProven: false,
    before:
      'Stop the database (`STOP DATABASE name` in the database `system`). The tool finds the artifacts that come before the one it is given beside it. ' +
      'In a cluster, and for the database `system`, follow the manual of your version: it names other steps.',
    commands: ({ from, database }) => [
      `neo4j-admin database restore --from-path="$PWD/${from}" --overwrite-destination=true ${database}`,
    ],
    after:
      'Start the database (`START DATABASE name`), or where the server did not have it: `CREATE DATABASE name`.',
  },
];

/** The text of RESTORE.md, relative to the folder that it lies in. Nothing in it that was not checked for what it is. */
export function restoreGuide(points: readonly Entry[]): string {
  const all = usable(points)
    .toSorted((a, b) => b.sequence - a.sequence)
    .flatMap(restorable);
  const lines = [
    '# How to restore the backups in this folder',
    '',
    'Written anew whenever a backup was taken. It needs no operator and no cluster: a shell, and the tools of the Neo4j that a backup is of.',
    '',
    ...(all.length === 0 ? ['There is no backup here yet.'] : partsOf(all)),
    '',
  ];
  return lines.join('\n');
}

/** A store is complete by itself; an artifact needs those before it. */
function usable(points: readonly Entry[]): readonly Entry[] {
  const proven = new Set(proveChains(points).intact);
  return points.filter((point) => point.layout === 'store' || proven.has(point));
}

/** None where anything of it could be more than a name. */
function restorable(point: Entry): readonly Restorable[] {
  const isPlain = versionNumber.test(point.neo4jVersion) && databaseName.test(point.database);
  if (!isPlain || recipeOf(point) === undefined) return [];
  const { data } = placeOf(point);
  if (point.layout === 'store') return [{ ...point, from: data }];
  const { file } = point;
  return file !== undefined && /^\w[\w.-]*$/.test(file) ? [{ ...point, from: `${data}/${file}` }] : [];
}

function recipeOf({ neo4jVersion }: Entry): Recipe | undefined {
  return recipes.find(({ versions }) => versions.test(neo4jVersion));
}

function partsOf(all: readonly Restorable[]): readonly string[] {
  return [...choice(all), ...checking(), ...preparing(all), ...restoring(all), ...afterwards(all)];
}

function choice(all: readonly Restorable[]): readonly string[] {
  const listed = all.slice(0, mostListed);
  const more = all.length - listed.length;
  return [
    '## 1. Choose a point',
    '',
    'Each is complete, whether it was taken in full or incrementally. The newest is first. Times are UTC.',
    '',
    '| taken | database | up to transaction | type | size | consistent | Neo4j | where |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...listed.map(rowOf),
    ...(more > 0 ? ['', `And ${more} older ones below \`points/\` and \`chains/\`.`] : []),
    '',
  ];
}

function rowOf(point: Restorable): string {
  const { completionTime, database, lastTransactionID, type, sizeBytes, neo4jVersion } = point;
  const taken = completionTime.slice(0, 19).replace('T', ' ');
  const cells = [
    taken,
    database,
    lastTransactionID,
    type.toLowerCase(),
    sizeOf(sizeBytes),
    consistencyOf(point),
  ];
  return `| ${[...cells, neo4jVersion, point.from.replace(/\/data$/, '')].join(' | ')} |`;
}

function consistencyOf({ consistent }: Entry): string {
  return consistent === undefined ? 'not checked' : consistent ? 'yes' : '**no**';
}

function sizeOf(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const at = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${(bytes / 1024 ** at).toFixed(at === 0 ? 0 : 1)} ${units[at]}`;
}

function checking(): readonly string[] {
  return [
    '## 2. Check it',
    '',
    'The first command for each point below compares every file with the hash that was noted when the backup was taken, and what follows runs only',
    'when all are the same. Everything in this folder at once is read by `node agent.js verify .`, with the `agent.js` of the operator’s image.',
    '',
  ];
}

function preparing(all: readonly Restorable[]): readonly string[] {
  const used = recipes.filter(({ versions }) => all.some(({ neo4jVersion }) => versions.test(neo4jVersion)));
  return [
    '## 3. Make the server ready',
    '',
    ...used.flatMap(({ title, before, isProven }) => [
      `- ${title}: ${before}${isProven ? '' : ` ${unproven}`}`,
    ]),
    '',
    'Run what follows in the folder of this file, as the user that the server runs as: else what is restored is not the server’s to write, and',
    'it needs a `chown -R`. `NEO4J_HOME` is the folder of the server, with `conf` in it; the tools are those of its `bin`.',
    '',
  ];
}

const unproven =
  '(As the manual has it: these commands were not run by our tests, since that Neo4j cannot be had for them.)';

function restoring(all: readonly Restorable[]): readonly string[] {
  const written = all.slice(0, mostWrittenOut);
  return [
    '## 4. Restore',
    '',
    ...written.flatMap((point) => [`### ${titleOf(point)}`, '', ...warningsOf(point), ...blockOf(point), '']),
    ...(all.length > written.length
      ? ['Every older point: the same commands, with its own path from the table in the place of these.', '']
      : []),
  ];
}

function titleOf({ point, database, lastTransactionID }: Restorable): string {
  return `${point}: ${database} up to transaction ${lastTransactionID}`;
}

function warningsOf({ consistent }: Restorable): readonly string[] {
  return consistent === false
    ? ['**The consistency check found something in this one.** Take another where you can.', '']
    : [];
}

/** Path and hash of each file, line by line as `sha256sum` reads them, out of a manifest: a tool that everybody has. */
const hashes = String.raw`awk -F'"' '/"path":/ {path = $4} /"sha256":/ && path {print $4 "  " path; path = ""}'`;

function blockOf(point: Restorable): readonly string[] {
  const { data, manifest } = placeOf(point);
  const depth = data.split('/').map(() => '..');
  const check = `(cd ${data} && ${hashes} ${depth.join('/')}/${manifest} | sha256sum --check --quiet)`;
  return ['```sh', [check, ...(recipeOf(point)?.commands(point) ?? [])].join(' &&\n'), '```'];
}

function afterwards(all: readonly Restorable[]): readonly string[] {
  const used = recipes.filter(({ versions }) => all.some(({ neo4jVersion }) => versions.test(neo4jVersion)));
  return [
    '## 5. Start it',
    '',
    ...used.map(({ title, after }) => `- ${title}: ${after}`),
    '',
    'A newer Neo4j brings a store up to itself when its configuration allows that; an older one never opens it.',
    'What is in this folder is only read by all this, and stays good for the next restore.',
  ];
}
