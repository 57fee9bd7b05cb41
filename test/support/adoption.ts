// Backups that others took and left on a volume, and runs that begin with them.
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '../../src/volume/manifest.ts';
import {
  aPod,
  attempt,
  aWorld,
  container,
  podUID,
  tool,
  type AttemptOptions,
  type Tool,
  type World,
} from './agent.ts';
import { anArtifact, type ArtifactFacts } from './artifact.ts';
import { FakeClock, until } from './fake-clock.ts';
import { toolB3, toolC, type Served } from './stand-ins.ts';
import { listing } from './temporary.ts';
import { dyingFiles, filesWith, makeStore, readManifests, type StoreFacts } from './volume.ts';

/** Run n of the resource, an hour later each time. */
export function run(n: number, over: AttemptOptions = {}): AttemptOptions {
  return {
    run: `orders-${n}`,
    createdTime: new Date(Date.UTC(2026, 0, 2, n)).toISOString(),
    pod: n,
    adoptFrom: 'cron',
    ...over,
  };
}

export async function pointsOf({ root }: World): Promise<readonly Manifest[]> {
  const destination = await readManifests(root);
  return destination.kind === 'ours' ? destination.points : [];
}

/** All of the volume but the destination. */
export function others({ volume }: World): Readonly<Record<string, string>> {
  const all = Object.entries(listing(volume));
  return Object.fromEntries(all.filter(([path]) => path !== 'orders' && !path.startsWith('orders/')));
}

export const takenAt = '2026-01-01T03:00:00.000Z';

/** A store as a tool of others left it, at {@link takenAt}. */
export function aStore({ volume }: World, path: string, facts: StoreFacts = {}): string {
  const folder = join(volume, path);
  makeStore(folder, facts);
  const at = new Date(takenAt);
  utimesSync(join(folder, 'neostore'), at, at);
  return folder;
}

export const databaseID = '62d1820c-3ac6-4b15-a0b3-bf7e7becc8d0';

export function artifact({ volume }: World, path: string, facts: Partial<ArtifactFacts> = {}): void {
  mkdirSync(join(volume, path, '..'), { recursive: true });
  writeFileSync(
    join(volume, path),
    anArtifact({ database: 'neo4j', databaseID, lowest: 1n, highest: 20n, isFull: true, ...facts }),
  );
}

/** A full backup and two increments, and older ones and others beside them. */
export function aChain(world: World, folder = 'cron'): void {
  artifact(world, `${folder}/neo4j-2025-12-31T03-00-00.backup`, { highest: 9n });
  artifact(world, `${folder}/neo4j-2025-12-31T04-00-00.backup`, { isFull: false, lowest: 10n, highest: 12n });
  artifact(world, `${folder}/neo4j-2026-01-01T03-00-00.backup`);
  artifact(world, `${folder}/neo4j-2026-01-01T04-00-00.backup`, { isFull: false, lowest: 21n, highest: 25n });
  artifact(world, `${folder}/neo4j-2026-01-01T05-00-00.backup`, { isFull: false, lowest: 0n, highest: 0n });
  artifact(world, `${folder}/neo4j-2026-01-01T06-00-00.backup`, { isFull: false, lowest: 26n, highest: 29n });
  artifact(world, `${folder}/stock-2026-01-01T03-00-00.backup`, { database: 'stock' });
}

export interface AdoptionCase {
  readonly name: string;
  readonly options: AttemptOptions;
  readonly make: (world: World) => void;
  readonly tool: Tool;
}

export function served(lastTransactionId: bigint): Served {
  return { neo4j: { lastTransactionId }, system: { lastTransactionId } };
}

let taken = 0;

/** The tool names an artifact by the second. */
function nextHour(): Date {
  taken += 1;
  return new Date(Date.UTC(2026, 0, 3, taken));
}

export const cases: readonly AdoptionCase[] = [
  {
    name: 'the folder of neo4j-backup (3.0)',
    options: { neo4jVersion: '3.0.7' },
    make: (world) => aStore(world, 'cron'),
    tool: tool({ lastTransactionId: 29n }),
  },
  {
    name: 'the folder of neo4j-admin backup (3.4), the one around it named',
    options: {},
    make: (world) => aStore(world, 'cron/graph.db-backup'),
    tool: tool({ lastTransactionId: 29n }),
  },
  {
    name: 'a folder of the root of the volume, where our own lies, too',
    options: { adoptFrom: '.' },
    make: (world) => aStore(world, 'graph.db-backup'),
    tool: tool({ lastTransactionId: 29n }),
  },
  {
    name: 'the folders of databases (4.4)',
    options: { neo4jVersion: '4.4.48', databases: ['neo4j', 'system'] },
    make: (world) => {
      aStore(world, 'cron/neo4j');
      aStore(world, 'cron/system');
      aStore(world, 'cron/stock');
    },
    tool: toolB3(served(29n)),
  },
  {
    name: 'the artifacts of a database (5.26), in the root of the volume',
    options: { neo4jVersion: '5.26.28', adoptFrom: '.' },
    make: (world) => aChain(world, '.'),
    tool: toolC(served(35n), nextHour),
  },
];

/** How many operations on the volume the first container takes that adopts, and which of them publish. */
export async function operationsOf({
  options,
  make,
}: AdoptionCase): Promise<{ readonly count: number; readonly publishing: readonly number[] }> {
  const world = await aWorld();
  make(world);
  const { operations, ...files } = filesWith(() => undefined);
  await container('prepare', aPod(world, run(1, { ...options, files })));
  const publishing = operations.flatMap(({ verb, paths: [, to = ''] }, i) =>
    verb === 'rename' && !to.includes('/runs/') ? [i + 1] : [],
  );
  return { count: operations.length, publishing };
}

/**
 * A process that dies over its k-th operation, and the attempt after it: of the same run, or where `isLater` of another one,
 * which knows by then that the Pod is dead.
 * @returns what does not hold
 */
export async function diesAt(
  { options, make, tool: work }: AdoptionCase,
  k: number,
  { half, isLater }: { readonly half: boolean; readonly isLater: boolean },
): Promise<string | undefined> {
  const world = await aWorld();
  make(world);
  const before = JSON.stringify(others(world));
  const files = dyingFiles(k, half);
  await container('prepare', aPod(world, run(1, { ...options, files }))).catch(() => undefined);
  const left = await readManifests(world.root);
  if (left.kind === 'ours' ? left.damaged.length > 0 : left.kind !== 'blank') return 'a part lies there';
  const clock = new FakeClock(); // the dead process may hold the lock
  const next = isLater ? run(2, { ...options, terminalPods: [podUID(1)] }) : run(1, { ...options, pod: 9 });
  const { report } = await until(clock, attempt(world, { ...next, clock }, work));
  if (report?.type !== 'Incremental') return `the next attempt ends with ${report?.message}`;
  if (JSON.stringify(others(world)) !== before) return 'the original has changed';
  return problemOf(await pointsOf(world));
}

function problemOf(points: readonly Manifest[]): string | undefined {
  const full = points.filter(({ type }) => type === 'Full');
  if (full.some(({ fullBecause }) => fullBecause !== 'Adopted')) return 'it was not adopted';
  const names = new Set(full.map(({ database }) => database));
  return names.size === full.length ? undefined : 'it was adopted twice';
}
