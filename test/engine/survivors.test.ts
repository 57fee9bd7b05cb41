// What retention leaves, opened by Neo4j's own kernel: real backups, pruned by several policies, and twenty of the survivors.
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runPrune } from '../../src/agent/prune.ts';
import type { RetentionPolicy } from '../../src/api/neo4jbackup.ts';
import { placeOf } from '../../src/volume/layout.ts';
import type { Manifest } from '../../src/volume/manifest.ts';
import { countNodes, engine, type Engine, type EngineVersion } from '../../tools/engines.ts';
import { startServer } from '../../tools/engines/server.ts';
import { runTool } from '../../tools/engines/tool.ts';
import { steps } from '../../tools/steps.ts';
import { aPod, attempt, type Tool, type World } from '../support/agent.ts';
import { readManifests } from '../support/volume.ts';

/** A cold cache, and some twenty JVMs on a busy machine. */
const timeoutMs = 15 * 60_000;

const work = mkdtempSync(join(tmpdir(), 'neo4j-survivors-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const policies: readonly RetentionPolicy[] = [
  { keepLast: 1, mode: 'Enforce' },
  { keepLast: 3, mode: 'Enforce' },
  { keepDaily: 3, mode: 'Enforce' },
  { keepWithin: '30h', mode: 'Enforce' },
];

/** Day by day two runs, the first of them in full: what each leaves has more nodes than the one before. */
const runs = [1, 2, 3].flatMap((date) => [
  { date, hour: 3, requestedType: 'Full' as const },
  { date, hour: 15, requestedType: 'Auto' as const },
]);

async function takeBackups(on: Engine, world: World): Promise<void> {
  const server = await startServer(on, {
    store: join(work, `${on.version}.db`),
    settings: { 'x.nodes': '100', 'x.rate': '20' },
  });
  const real: Tool = async ({ argv }) => {
    const { rc, stdout, stderr } = await runTool(on, argv.slice(1), { home: join(work, 'home') });
    return { exitCode: rc, output: stdout + stderr };
  };
  try {
    for (const [i, { date, hour, requestedType }] of runs.entries()) {
      const options = {
        run: `orders-${i + 1}`,
        pod: i + 1,
        createdTime: new Date(Date.UTC(2026, 0, date, hour)).toISOString(),
        neo4jVersion: on.version,
        source: { host: '127.0.0.1', port: server.port },
        requestedType,
      };
      const { code, report } = await attempt(world, options, real);
      expect([code, report?.type]).toEqual([0, requestedType === 'Full' ? 'Full' : 'Incremental']);
    }
  } finally {
    await server.stop();
  }
}

async function pointsIn(root: string): Promise<readonly Manifest[]> {
  const destination = await readManifests(root);
  return destination.kind === 'ours' ? destination.points : [];
}

/** What a policy leaves of a copy of the volume. */
async function pruned(on: Engine, from: World, policy: RetentionPolicy): Promise<World> {
  const volume = mkdtempSync(join(work, 'pruned-'));
  cpSync(from.volume, volume, { recursive: true });
  const world = { ...from, volume, root: join(volume, 'orders') };
  const { context, terminationLog } = aPod(world, {
    run: 'prune',
    retention: policy,
    neo4jVersion: on.version,
  });
  expect(await runPrune(context, terminationLog)).toBe(0);
  return world;
}

describe.each<EngineVersion>(['3.0.7', '3.4.18'])('backups by the tool of %s', (version) => {
  test(
    'are restored after others have gone',
    async () => {
      const on = await engine(version, steps());
      const volume = join(work, `${version}-volume`);
      const world: World = { volume, root: join(volume, 'orders'), port: 0 };
      await takeBackups(on, world);
      const nodes = new Map<number, number>();
      let opened = 0;
      for (const policy of policies) {
        const { root } = await pruned(on, world, policy);
        const points = await pointsIn(root);
        expect(points.length).toBeLessThan(runs.length);
        for (const point of points) {
          const count = await countNodes(on, join(root, placeOf(point).data));
          expect(count).toBe(nodes.get(point.sequence) ?? count);
          nodes.set(point.sequence, count);
          opened += 1;
        }
      }
      // Each holds what the server had by then, and no two the same.
      const counts = [...nodes].toSorted(([a], [b]) => a - b).map(([, count]) => count);
      expect(counts).toEqual([...new Set(counts)].toSorted((a, b) => a - b));
      expect(counts[0]).toBeGreaterThanOrEqual(100);
      expect(opened).toBeGreaterThanOrEqual(10);
    },
    timeoutMs,
  );
});
