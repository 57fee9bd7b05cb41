// Our look at the port before the tool starts, on the real servers: they must take it for what it is, and log no error.
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:net';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { preflight } from '../../src/agent/preflight.ts';
import { engine, engineVersions, type EngineVersion } from '../../tools/engines.ts';
import { startServer } from '../../tools/engines/server.ts';
import { steps } from '../../tools/steps.ts';

/** A server starts in 5 to 20 s here, by how busy the machine is; its jars may have to be fetched. */
const patienceMs = 15 * 60_000;

/** What all log files below a folder hold of complaints. */
function complaintsIn(folder: string): readonly string[] {
  const logs = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && entry.name.endsWith('.log'),
  );
  expect(logs.some(({ name }) => ['debug.log', 'messages.log'].includes(name))).toBe(true); // the latter is that of 2.3
  return logs
    .flatMap((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8').split('\n'))
    .filter((line) => /\b(WARN|ERROR)\b|Exception|BackupServer.*fail/i.test(line));
}

/** A server with its logs in the same folder as its store. */
async function serving(version: EngineVersion): Promise<{ readonly folder: string; readonly port: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'preflight-test-'));
  const server = await startServer(await engine(version, steps()), {
    store: join(folder, 'graph.db'),
    settings: { 'dbms.directories.logs': join(folder, 'logs') },
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

test(
  'what announces more than the protocol allows does leave a trace in the log of 3.4.18: 3.0.7 takes everything in silence',
  async () => {
    const { folder, port } = await serving('3.4.18');
    const before = complaintsIn(folder);
    const socket = connect(port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write('GET / HTTP/1.1\r\n\r\n');
    await expect.poll(() => complaintsIn(folder).length, { timeout: 20_000 }).toBeGreaterThan(before.length);
  },
  patienceMs,
);
