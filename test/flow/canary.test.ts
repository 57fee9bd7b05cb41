// Secrets where none belongs, followed to everything that others can read: status, Events, logs, reports, records. Whoever
// may read the volume may read the database; the tool's output lies there as it was.
import { createServer, type AddressInfo, type Server } from 'node:net';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { events, pods } from '../../src/backup/resources.ts';
import type { Log, LogLine } from '../../src/runtime/log.ts';
import { aPod, aWorld, container, runTool } from '../support/agent.ts';
import { ended } from '../support/builders.ts';
import { namespace, Scene } from './scene.ts';

const canary = 'cAnArY7Zq4mustNotBeSeen';

/** As a tool, a server, a kubelet or a webhook might blurt it out. */
const leaks: readonly string[] = [
  `java.io.IOException: cannot open bolt://neo4j:${canary}@10.0.0.7:7687`,
  `Caused by: javax.net.ssl.SSLException: password=${canary}`,
  `dbms.ssl.policy.backup.private_key_password=${canary}`,
  `Authorization: Bearer ${canary}`,
  `AWS_SECRET_ACCESS_KEY=${canary} was refused`,
  `-----BEGIN PRIVATE KEY-----\n${canary}\n${canary}\n-----END PRIVATE KEY-----`,
  `{"token":"${canary}"}`,
  `pass\u001b[1mword\u001b[0m: ${canary}`,
  `\u001b]0;${canary}\u0007No space left on device, secret: ${canary}`,
];

/** All that was said at any level. */
function recordingLog(): { readonly lines: string[]; readonly log: Log } {
  const lines: string[] = [];
  const write: LogLine = (...said: readonly unknown[]) => {
    lines.push(said.map(textOf).join(' '));
  };
  return { lines, log: { debug: write, info: write, warn: write, error: write } };
}

function textOf(said: unknown): string {
  return JSON.stringify(said, (_, value: unknown) =>
    value instanceof Error ? { message: value.message, stack: value.stack } : value,
  );
}

test.each(leaks)('what the tool prints is in no report, record or line of our log: %j', async (leak) => {
  process.env['CANARY'] = canary;
  onTestFinished(() => {
    delete process.env['CANARY'];
  });
  const world = await aWorld();
  const { lines, log } = recordingLog();
  const made = aPod(world);
  const pod = {
    ...made,
    context: { ...made.context, say: (...said: Parameters<LogLine>) => log.info(...said) },
  };
  expect(await container('prepare', pod)).toMatchObject({ code: 0 });
  await runTool(pod, () => Promise.resolve({ exitCode: 1, output: `Starting\n${leak}\n` }));
  const { code, report } = await container('report', pod);
  expect(code).toBeGreaterThan(0);
  expect(report?.message).toBeDefined();
  const runs = join(world.root, 'runs');
  const records = readdirSync(runs)
    .filter((name) => name.endsWith('.json'))
    .map((name) => readFileSync(join(runs, name), 'utf8'));
  expect(records).toHaveLength(1);
  for (const text of [readFileSync(pod.terminationLog, 'utf8'), ...records, ...lines])
    expect(text).not.toContain(canary);
});

test('what another service answers on the port is not repeated', async () => {
  const world = await aWorld();
  const server: Server = createServer((socket) => socket.end(`HTTP/1.1 200 ${canary}\r\n`));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const pod = aPod(world, { source: { host: '127.0.0.1', port } });
  expect(await container('prepare', pod)).toMatchObject({
    code: 20,
    report: { reason: 'NotABackupService' },
  });
  expect(readFileSync(pod.terminationLog, 'utf8')).not.toContain(canary);
});

test.each(leaks)(
  'what a Pod and the cluster say is in nothing that the operator writes or logs: %j',
  async (leak) => {
    const scene = new Scene();
    onTestFinished(() => scene.stop());
    const { lines, log } = recordingLog();
    scene.apply();
    await scene.start({ log });
    const job = scene.activeJob();
    scene.stuck(job, 'ImagePullBackOff');
    scene.complain(`${job}-stuck`, 'Failed', leak);
    await scene.settle();
    scene.kube.edit(pods, { namespace, name: `${job}-stuck` }, (draft) => {
      const report = { schemaVersion: 1, run: job, reason: 'EngineFailed', message: leak };
      const message = JSON.stringify({ ...report, completionTime: '2026-01-01T00:05:00Z' });
      draft['status'] = { phase: 'Failed', containerStatuses: [ended('report', 20, { message })] };
    });
    scene.end(job, 'Failed');
    await scene.settle();
    expect(scene.status().lastRun).toMatchObject({ result: 'Failed', reason: 'EngineFailed' });

    scene.refusePod(job, leak); // and what is said of it afterwards
    scene.trigger('again');
    await scene.settle();
    const written = scene.kube.requests.filter(({ verb }) => ['create', 'replaceStatus'].includes(verb));
    expect(written.length).toBeGreaterThan(2);
    for (const text of [
      ...written.map(textOf),
      ...scene.events.map(textOf),
      textOf(scene.status()),
      ...lines,
    ])
      expect(text).not.toContain(canary);
    expect(scene.kube.all(events).map(textOf).join('')).toContain('cAnArY'); // it was there to be found
  },
);
