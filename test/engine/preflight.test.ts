// Our look at the port before the tool starts, on the real servers: they must take it for what it is, and log no error.
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { preflight } from '../../src/agent/preflight.ts';
import { engine, engineVersions, type EngineVersion } from '../../tools/engines.ts';
import { startServer } from '../../tools/engines/server.ts';
import { steps } from '../../tools/steps.ts';

/** A server starts in 5 to 20 s here, by how busy the machine is; its jars may have to be fetched. */
const patienceMs = 15 * 60_000;

/** What all log files below a folder hold of complaints, but for those of a machine that has much to do. */
function complaintsIn(folder: string): readonly string[] {
  const logs = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && entry.name.endsWith('.log'),
  );
  expect(logs.some(({ name }) => ['debug.log', 'messages.log'].includes(name))).toBe(true); // the latter is that of 2.3
  return logs
    .flatMap((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8').split('\n'))
    .filter((line) => /\b(WARN|ERROR)\b|Exception|BackupServer.*fail/i.test(line))
    .filter((line) => !/stop-the-world|Detected VM|GC Monitor/i.test(line));
}

/** A server with its logs in the same folder as its store. */
async function serving(version: EngineVersion): Promise<{ readonly folder: string; readonly port: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'preflight-test-'));
  const server = await startServer(await engine(version, steps()), {
    store: join(folder, 'graph.db'),
    settings: { 'dbms.directories.logs': join(folder, 'logs'), 'metrics.enabled': 'false' },
  });
  onTestFinished(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return { folder, port: server.port };
}

test.each(engineVersions)(
  'Neo4j %s stays silent, and has nothing to say of it in its log',
  async (version) => {
    const { folder, port } = await serving(version);
    const before = complaintsIn(folder);
    for (let i = 0; i < 3; i += 1)
      expect(
        await preflight('127.0.0.1', port, { listenSetting: '', refusedAs: () => undefined }),
      ).toMatchObject({ kind: 'reachable' });
    expect(complaintsIn(folder)).toEqual(before);
  },
  patienceMs,
);
