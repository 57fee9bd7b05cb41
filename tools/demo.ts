// `npm run demo`: the main job on real parts, for somebody who has never seen it. Exit code 0 only if all of it was seen.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  demoManifests,
  demoText,
  imageValues,
  parseManifests,
  playgroundSteps,
  release,
  startPlayground,
  type Manifest,
  type Playground,
} from './playground.ts';
import { followRun } from './follow.ts';
import { steps } from './steps.ts';
import { stopRequested } from './stopping.ts';

/** Neo4j, and the end. */
const progress = steps(playgroundSteps + 2);

function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}

function heading(text: string): void {
  say(`\n━━ ${text} ${'━'.repeat(Math.max(3, 96 - text.length))}\n`);
}

async function show(on: Playground, ...args: readonly string[]): Promise<void> {
  say(`$ kubectl ${args.join(' ')}`);
  say((await on.kubectl(args)).trimEnd());
}

/** Shows a run as it happens. @throws Error when it ended otherwise than it must */
async function runEnds(on: Playground, name: string, reason: string, triggerID?: string): Promise<void> {
  const ended = await followRun(on, { name, say, ...(triggerID === undefined ? {} : { triggerID }) });
  if (ended.reason !== reason)
    throw new Error(`${name}: ${ended.reason} instead of ${reason}: ${ended.message}`);
  say(`           ${ended.reason}\n`);
}

/** The files below a folder, as `tree` would print them: the interesting ones whole, the store's own in one line. */
function tree(folder: string, indent = ''): readonly string[] {
  const lines: string[] = [];
  const store: number[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true }).toSorted((a, b) =>
    a.name.localeCompare(b.name),
  )) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) lines.push(`${indent}${entry.name}/`, ...tree(path, `${indent}  `));
    else if (/^neostore|^profiles$|\.id$/.test(entry.name) || indent.length > 10)
      store.push(statSync(path).size);
    else lines.push(`${indent}${entry.name}  (${statSync(path).size} bytes)`);
  }
  if (store.length > 0)
    lines.push(`${indent}… ${store.length} files of the store, ${store.reduce((a, b) => a + b, 0)} bytes`);
  return lines;
}

/** The same server, but as Neo4j listens when nobody tells it otherwise: on loopback only, where no probe can reach it. */
function loopbackServer(): readonly Manifest[] {
  return parseManifests(
    demoText('neo4j.yaml')
      .replaceAll('orders-neo4j', 'loopback-neo4j')
      .replace('dbms.backup.address=0.0.0.0:6362', 'dbms.backup.address=127.0.0.1:6362')
      .replace(/ +readinessProbe:\n +tcpSocket.*\n +periodSeconds.*\n/, ''),
  );
}

async function story(on: Playground): Promise<void> {
  heading('The operator, installed by its chart, in a namespace that enforces the restricted profile');
  say(
    `$ helm install ${release.name} charts/neo4j-backup-operator --namespace ${release.namespace} --wait ${imageValues.join(' ')}`,
  );
  await show(on, 'get', 'pods', '--namespace', release.namespace);

  heading('A Neo4j 3.4.18 with online backup, behind a Service on port 6362, and a claim for the backups');
  say(demoText('claim.yaml'));
  await on.apply(...demoManifests('neo4j.yaml'), ...demoManifests('claim.yaml'));
  await progress.run('waiting for Neo4j', () =>
    on.kubectl(['rollout', 'status', 'deployment/orders-neo4j', '--timeout=120s']),
  );
  await show(on, 'get', 'deployments,services,pods');

  heading('The wish: this server is backed up to this claim');
  say(demoText('backup.yaml'));
  await on.apply(...demoManifests('backup.yaml'));
  say('\nThe first run: the destination is blank, so it takes a full backup.');
  await runEnds(on, 'orders', 'FullBackupTaken');
  await show(on, 'get', 'neo4jbackups.neo4j-backup.dev');

  heading('The server has written on; a new trigger starts another run');
  const patch = JSON.stringify({ spec: { trigger: { id: 'demo-2' } } });
  await show(on, 'patch', 'neo4jbackup', 'orders', '--type=merge', '-p', patch);
  say('\nThe second run: incremental, without anybody choosing.');
  await runEnds(on, 'orders', 'IncrementalBackupTaken', 'demo-2');
  await show(on, 'get', 'neo4jbackups.neo4j-backup.dev', '-o', 'wide');
  await show(on, 'get', 'events', '--field-selector=involvedObject.kind=Neo4jBackup');
  heading('What lies on the volume: each point is complete, and none was touched after it was published');
  say(tree(await on.volumeOf('backups')).join('\n'));

  heading('A server that listens on loopback only, which is what Neo4j does unless told otherwise');
  const failing = parseManifests(
    demoText('backup.yaml')
      .replace('name: orders-neo4j', 'name: loopback-neo4j')
      .replace('name: orders\n', 'name: loopback\n'),
  );
  await on.apply(...loopbackServer());
  await on.kubectl(['rollout', 'status', 'deployment/loopback-neo4j', '--timeout=120s']);
  await on.apply(...failing);
  say('The run that cannot succeed: it is tried twice, since a port may open.');
  await runEnds(on, 'loopback', 'PortUnreachable');
  await show(on, 'get', 'neo4jbackups.neo4j-backup.dev');
  await show(
    on,
    'get',
    'neo4jbackup',
    'loopback',
    '-o',
    'jsonpath={.status.lastRun.reason}: {.status.lastRun.message}',
  );
}

async function main(): Promise<number> {
  say('neo4j-backup-operator: a real Kubernetes node, a real Neo4j, a full and an incremental backup.');
  say(
    'Needs up to 20 GB of disk (most of it for Go); reckon with twenty minutes to build Kubernetes and Helm the first time, later with two.',
  );
  say('Ctrl-C removes everything again but what was built.');
  const stopped = stopRequested();
  let playground: Playground | undefined;
  const told = (async (): Promise<number> => {
    playground = await startPlayground('demo', progress);
    await story(playground);
    return 0;
  })();
  const code = await Promise.race([told, stopped]).catch(async (error: unknown) => {
    process.stderr.write(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
    if (playground !== undefined)
      process.stderr.write(
        `\nThe operator's last lines:\n${(await playground.operatorLog().catch(String)).slice(-3000)}\n`,
      );
    return 1;
  });
  if (playground !== undefined) await progress.run('removing the cluster', async () => playground?.stop());
  if (code === 0) say('\nSeen: a full backup, an incremental one, and a failure that says what to do.');
  return code;
}

process.exit(await main());
