// Whole attempts over TLS, with the tool of 3.4.18 and a cluster of it, without Kubernetes. What puts the handler of a policy
// in front of a connection is ours (tools/engines/java-tls): the published 3.4.18 lacks it. The rest is Neo4j's own.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { selectEngine } from '../../src/engine/select.ts';
import type { ToolSettings } from '../../src/run/request.ts';
import type { Manifest } from '../../src/volume/manifest.ts';
import { engine, toolCommand, type Engine } from '../../tools/engines.ts';
import { startServer, type RunningServer } from '../../tools/engines/server.ts';
import { homeWith, layOut, makeCertificate, withTLS, type Material } from '../../tools/engines/tls.ts';
import { output } from '../../tools/run.ts';
import { steps } from '../../tools/steps.ts';
import { attempt, type Attempted, type AttemptOptions, type Tool, type World } from '../support/agent.ts';
import { listing } from '../support/temporary.ts';
import { readManifests } from '../support/volume.ts';

/** Enough for a cold cache, and for two cores that find each other. */
const startTimeoutMs = 15 * 60_000;
const runTimeoutMs = 180_000;

const version = '3.4.18';
const work = mkdtempSync(join(tmpdir(), 'neo4j-engine-tls-test-'));
const certificates = join(work, 'certificates');
let on: Engine;
let cluster: RunningServer;
let single: RunningServer;

const overTLS: ToolSettings = { tls: {}, options: {} };
const good: Material = { key: 'client.key', certificate: 'client.crt', trusted: 'ca.crt' };

beforeAll(async () => {
  mkdirSync(certificates);
  for (const name of ['ca', 'stranger-ca']) await makeCertificate(certificates, { name });
  for (const name of ['server', 'client']) await makeCertificate(certificates, { name, by: 'ca' });
  on = await withTLS(await engine(version, steps()));
  const policy = layOut(certificates, join(work, 'server-policy'), {
    key: 'server.key',
    certificate: 'server.crt',
    trusted: 'ca.crt',
  });
  single = await startServer(on, { store: join(work, 'single.db'), settings: { 'x.nodes': '10' } });
  cluster = await startServer(on, {
    store: join(work, 'cluster'),
    program: 'Cluster',
    settings: {
      'x.nodes': '500',
      'x.rate': '5',
      'dbms.backup.ssl_policy': 'backup',
      'dbms.ssl.policy.backup.base_directory': policy,
      'dbms.ssl.policy.backup.client_auth': 'REQUIRE',
    },
  });
}, startTimeoutMs);

afterAll(async () => {
  await single.stop();
  await cluster.stop();
  rmSync(work, { recursive: true, force: true });
});

/** The tool in the place of the engine container, with the configuration that prepare renders and the files of a Secret. */
function realTool(name: string, tool: ToolSettings, material: Material): Tool {
  return async ({ argv }) => {
    const rendered = selectEngine(version)?.configuration(tool)['neo4j.conf'] ?? '';
    const home = homeWith(rendered, {
      home: join(work, `${name}-home`),
      policy: layOut(certificates, join(work, `${name}-policy`), material),
    });
    const { command, env } = toolCommand(on, argv.slice(1), { home });
    const { code, stdout, stderr } = await output(command, { env: { ...env, NEO4J_DEBUG: '1' } });
    return { exitCode: code, output: stdout + stderr };
  };
}

function aVolume(name: string): World {
  const volume = join(work, name);
  return { volume, root: join(volume, 'orders'), port: 0 }; // each attempt names its server
}

interface How extends AttemptOptions {
  readonly n?: number;
  readonly material?: Material;
}

function backup(
  world: World,
  port: number,
  { n = 1, material = good, ...over }: How = {},
): Promise<Attempted> {
  const tool = over.tool ?? overTLS;
  const options: AttemptOptions = {
    run: `orders-${n}`,
    createdTime: new Date(Date.UTC(2026, 0, 1, n)).toISOString(),
    pod: n,
    neo4jVersion: version,
    source: { host: '127.0.0.1', port },
    ...over,
    tool,
  };
  return attempt(world, options, realTool(`${world.volume.split('/').at(-1)}-${n}`, tool, material));
}

async function pointsOf({ root }: World): Promise<readonly Manifest[]> {
  const destination = await readManifests(root);
  return destination.kind === 'ours' ? destination.points : [];
}

test(
  'a full backup and an increment come over TLS, each side with a certificate that the other one trusts',
  async () => {
    const world = aVolume('good');
    const full = await backup(world, cluster.port);
    expect([full.code, full.report?.reason]).toEqual([0, 'FullBackupTaken']);
    const before = listing(join(world.root, 'points'));
    const next = await backup(world, cluster.port, { n: 2 });
    expect([next.code, next.report?.reason]).toEqual([0, 'IncrementalBackupTaken']);
    const [first, second] = await pointsOf(world);
    expect(second).toMatchObject({ chain: first?.chain, parent: first?.point, storeID: first?.storeID });
    expect(BigInt(second?.lastTransactionID ?? 0)).toBeGreaterThan(BigInt(first?.lastTransactionID ?? 0));
    expect(listing(join(world.root, 'points'))).toMatchObject(before);
  },
  runTimeoutMs,
);

interface Refused {
  readonly name: string;
  readonly how: How;
  readonly at: () => RunningServer;
  readonly reason: string;
  readonly says: RegExp;
  /** Whether the tool was let loose at all. */
  readonly tried: boolean;
}

const refused: readonly Refused[] = [
  {
    name: 'a server that speaks TLS where none was asked for',
    how: { tool: { options: {} } },
    at: () => cluster,
    reason: 'TLSHandshakeFailed',
    says: /answers with TLS, and none was asked for.*dbms\.backup\.ssl_policy/,
    tried: false,
  },
  {
    // It hears prepare's greeting in silence. The tool of two protocols would go on in the clear.
    name: 'a server that speaks none where it was asked for',
    how: {},
    at: () => single,
    reason: 'TLSHandshakeFailed',
    says: /handshake timed out.*dbms\.backup\.ssl_policy/,
    tried: true,
  },
  {
    name: 'a server whose authority is not trusted',
    how: { material: { ...good, trusted: 'stranger-ca.crt' } },
    at: () => cluster,
    reason: 'TLSHandshakeFailed',
    says: /PKIX path building failed/,
    tried: true,
  },
  {
    name: 'to go without a key',
    how: { material: { trusted: 'ca.crt' } },
    at: () => cluster,
    reason: 'TLSPolicyRejected',
    says: /Failed to load private key/,
    tried: true,
  },
];

test.each(refused)(
  'refused is $name',
  async ({ name, how, at, reason, says, tried }) => {
    const world = aVolume(name.replaceAll(/\W+/g, '-'));
    const { code, report, calls } = await backup(world, at().port, how);
    expect([code, report?.reason, calls.length > 0]).toEqual([20, reason, tried]);
    expect(report?.message).toMatch(says);
    expect(await pointsOf(world)).toEqual([]);
  },
  runTimeoutMs,
);
