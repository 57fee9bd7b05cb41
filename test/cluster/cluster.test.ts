import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { AuditEntry } from '../../tools/cluster/audit.ts';
import { startCluster, type Cluster } from '../../tools/cluster/cluster.ts';
import { clustersFolder, nodeAddress } from '../../tools/cluster/places.ts';
import { eventually } from '../../tools/cluster/processes.ts';
import { findRecord } from '../../tools/cluster/registry.ts';
import { must } from '../../tools/run.ts';
import { steps } from '../../tools/steps.ts';
import { withBusybox } from './busybox.ts';
import { buildClaim, buildJob, buildNamespace, buildPod, buildPolicy, buildService } from './manifests.ts';
import { clusterNetwork, traces } from './traces.ts';

const name = `test-${process.pid}`;
const progress = steps();

/** Not `wget -T`: the static busybox of Debian 12 crashes on it. */
const download = ['busybox', 'timeout', '3', 'wget', '-q', '-O', '/dev/null'];
const resolve = ['busybox', 'timeout', '3', 'nslookup', 'orders-neo4j.shop.svc.cluster.local.'];
let cluster: Cluster;

async function kubectl(...args: readonly string[]): Promise<string> {
  return must(cluster.kubectlCommand(args));
}

async function create(...objects: readonly unknown[]): Promise<void> {
  const list = { apiVersion: 'v1', kind: 'List', items: objects };
  await must(cluster.kubectlCommand(['create', '-f', '-']), { input: JSON.stringify(list) });
}

async function apply(object: unknown): Promise<void> {
  await must(cluster.kubectlCommand(['apply', '-f', '-']), { input: JSON.stringify(object) });
}

async function read<T>(...args: readonly string[]): Promise<T> {
  return JSON.parse(await kubectl('get', '-o', 'json', ...args)) as T;
}

interface PodStatus {
  readonly status: {
    readonly containerStatuses: readonly {
      readonly state: { readonly terminated?: { readonly reason: string; readonly message?: string } };
    }[];
  };
}

/** Starts a process that owns a cluster of its own, and gives its end of it. */
function startOwner(owned: string): ReturnType<typeof spawn> {
  const program = join(import.meta.dirname, 'owner.ts');
  return spawn(process.execPath, [program, owned], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function untilUp(owner: ReturnType<typeof spawn>): Promise<void> {
  if (!owner.stdout) throw new Error('the owner has no output');
  for await (const line of createInterface({ input: owner.stdout })) if (line === 'up') return;
  throw new Error('the owner ended before its cluster was up');
}

async function expectNoTrace(folder: string, network?: string): Promise<void> {
  await eventually(() => traces(folder, network).length === 0, { withinMs: 20_000, everyMs: 200 });
  expect(traces(folder, network)).toEqual([]);
}

beforeAll(async () => {
  cluster = await startCluster({ name, steps: progress });
  await withBusybox(progress, async (archive) => cluster.importImage(archive));
  await create(buildNamespace('shop'));
  await create(
    buildPod('shop', 'web', { containers: [{ name: 'web', script: 'httpd -f -p 8080 -h /bin' }] }),
    buildService('shop', 'orders-neo4j', { app: 'web', kind: 'plain' }),
    buildService('shop', 'orders-neo4j-pods', { app: 'web', kind: 'headless' }),
    buildPod('default', 'client', { containers: [{ name: 'client', script: 'sleep 1000000' }] }),
  );
  await kubectl('wait', '-n', 'shop', '--for=condition=Ready', 'pod/web', '--timeout=60s');
  await kubectl('wait', '--for=condition=Ready', 'pod/client', '--timeout=60s');
}, 30 * 60_000);

afterAll(async () => cluster.stop(), 60_000);

describe('a Job of the restricted profile', () => {
  test('runs its init container and its container on a volume that was made for its claim', async () => {
    const mounts = { scratch: '/scratch', backups: '/backups' };
    await create(
      buildClaim('shop', 'backups'),
      buildJob('shop', 'writes', {
        initContainers: [{ name: 'prepare', script: 'id -u > /scratch/user', mounts }],
        containers: [
          {
            name: 'report',
            script: 'cp /scratch/user /backups/user; cat /backups/user > /dev/termination-log',
            mounts,
          },
        ],
        claims: { backups: 'backups' },
      }),
    );

    await kubectl('wait', '-n', 'shop', '--for=condition=Complete', 'job/writes', '--timeout=60s');

    const pods = await read<{ items: readonly PodStatus[] }>('pods', '-n', 'shop', '-l', 'job-name=writes');
    expect(pods.items[0]?.status.containerStatuses[0]?.state.terminated?.message).toBe('7474\n');
    const claim = await read<{ spec: { volumeName: string } }>('pvc', 'backups', '-n', 'shop');
    const folder = cluster.volumePath(claim.spec.volumeName);
    expect(readFileSync(join(folder, 'user'), 'utf8')).toBe('7474\n');

    await kubectl('delete', '-n', 'shop', 'job/writes', 'pvc/backups');
    expect(await eventually(() => !existsSync(folder), { withinMs: 15_000 })).toBe(true);
  });

  test('finds its disk full when the file system of its volume is', async () => {
    const owner = { uid: 7474, gid: 7474 };
    await cluster.addVolume({ name: 'small', size: '16Mi', owner, fileSystem: { sizeMiB: 16 } });
    const mounts = { small: '/small' };
    const script = 'dd if=/dev/zero of=/small/file bs=1M count=20 2> /dev/termination-log; exit 0';
    await create(
      buildClaim('shop', 'small', 'small'),
      buildJob('shop', 'fills', {
        containers: [{ name: 'fill', script, mounts }],
        claims: { small: 'small' },
      }),
    );

    await kubectl('wait', '-n', 'shop', '--for=condition=Complete', 'job/fills', '--timeout=60s');

    const pods = await read<{ items: readonly PodStatus[] }>('pods', '-n', 'shop', '-l', 'job-name=fills');
    expect(pods.items[0]?.status.containerStatuses[0]?.state.terminated?.message).toContain(
      'No space left on device',
    );
    expect(statSync(join(cluster.volumePath('small'), 'file')).size).toBeGreaterThan(1_000_000);
  });

  test('is the only kind that its namespace admits', async () => {
    const { code, stderr } = await cluster.kubectl(['run', 'any', '-n', 'shop', '--image=any']);

    expect(code).not.toBe(0);
    expect(stderr).toContain('violates PodSecurity "restricted:latest"');
  });
});

describe('the name of a Service', () => {
  const cases = [
    { name: 'short', address: 'orders-neo4j.shop.svc:6362' },
    { name: 'in full', address: 'orders-neo4j.shop.svc.cluster.local:6362' },
    { name: 'of a headless Service', address: 'orders-neo4j-pods.shop.svc:8080' },
  ];
  test.for(cases)('leads a Pod of another namespace to it: $name', async ({ address }) => {
    // The Service's rules follow the Pod's readiness within a second or two.
    const ask = ['exec', 'client', '--', ...download, `http://${address}/sh`];
    expect(await eventually(async () => (await cluster.kubectl(ask)).code === 0, { withinMs: 15_000 })).toBe(
      true,
    );
  });

  test('that does not exist is answered at once', async () => {
    const begun = performance.now();
    const { stdout } = await cluster.kubectl(['exec', 'client', '--', 'nslookup', 'nobody.example.com.']);

    expect(stdout).toContain('NXDOMAIN');
    expect(performance.now() - begun).toBeLessThan(4_000);
  });

  test('has an address that a program inside() reaches, on a network that this machine has no part in', async () => {
    const service = await read<{ spec: { clusterIP: string } }>('service', 'orders-neo4j', '-n', 'shop');
    await must(cluster.inside([...download, `http://${service.spec.clusterIP}:6362/sh`]));

    expect(await must(['ip', 'address'])).not.toContain(nodeAddress);
  });
});

describe('a NetworkPolicy', () => {
  /** What `client`, in another namespace, can reach: the Pod behind the Service, on its own port. */
  const reaches = async (): Promise<boolean> => {
    const ask = [...download, 'http://orders-neo4j.shop.svc:6362/sh'];
    return (await cluster.kubectl(['exec', 'client', '--', ...ask])).code === 0;
  };
  const becomes = async (expected: boolean): Promise<boolean> =>
    eventually(async () => (await reaches()) === expected, { withinMs: 20_000 });
  const byName = (wanted: string): unknown => ({ matchLabels: { 'kubernetes.io/metadata.name': wanted } });
  const client = { namespaceSelector: byName('default'), podSelector: { matchLabels: { app: 'client' } } };

  const cases = [
    { name: 'that admits nobody', spec: { ingress: [] }, expected: false },
    { name: 'that admits by label', spec: { ingress: [{ from: [client] }] }, expected: true },
    {
      name: 'that admits that label in its own namespace alone',
      spec: { ingress: [{ from: [{ podSelector: client.podSelector }] }] },
      expected: false,
    },
    {
      name: 'that admits everybody to its port',
      spec: { ingress: [{ ports: [{ port: 8080 }] }] },
      expected: true,
    },
    {
      name: 'that admits everybody to another port',
      spec: { ingress: [{ ports: [{ port: 8081 }] }] },
      expected: false,
    },
    {
      name: 'that admits addresses but some',
      spec: { ingress: [{ from: [{ ipBlock: { cidr: '10.88.0.0/16', except: ['10.88.0.0/17'] } }] }] },
      expected: false,
    },
    {
      name: 'that admits addresses',
      spec: { ingress: [{ from: [{ ipBlock: { cidr: '10.88.0.0/16' } }] }] },
      expected: true,
    },
    {
      name: 'that speaks of what others send',
      spec: { policyTypes: ['Egress'], egress: [] },
      expected: true,
    },
    {
      name: 'for other Pods',
      spec: { podSelector: { matchLabels: { app: 'other' } }, ingress: [] },
      expected: true,
    },
  ];
  test.for(cases)('$name; reached: $expected', async ({ spec, expected }) => {
    // The other answer first: what was so all along proves nothing.
    await apply(buildPolicy('shop', 'web', { ingress: expected ? [] : [{}] }));
    expect(await becomes(!expected)).toBe(true);

    await apply(buildPolicy('shop', 'web', spec));

    expect(await becomes(expected)).toBe(true);
  });

  test('for what a Pod sends keeps it from the node too, DNS and API server with it', async () => {
    const lookup = ['exec', 'client', '--', ...resolve];
    expect((await cluster.kubectl(lookup)).code).toBe(0);

    await apply(buildPolicy('default', 'silent', { policyTypes: ['Egress'], egress: [] }));

    const isSilent = async (): Promise<boolean> => (await cluster.kubectl(lookup)).code !== 0;
    expect(await eventually(isSilent, { withinMs: 20_000 })).toBe(true);
    await kubectl('delete', 'networkpolicy', 'silent');
  });

  test('that is deleted holds nobody any more', async () => {
    await apply(buildPolicy('shop', 'web', { ingress: [] }));
    expect(await becomes(false)).toBe(true);

    await kubectl('delete', 'networkpolicy', 'web', '-n', 'shop');

    expect(await becomes(true)).toBe(true);
  });
});

test('a container that takes more memory than its limit is killed, and its status says so', async () => {
  const script = 'tail /dev/zero';
  await create(buildPod('shop', 'hog', { containers: [{ name: 'hog', script, memory: '32Mi' }] }));

  await kubectl('wait', '-n', 'shop', '--for=jsonpath={.status.phase}=Failed', 'pod/hog', '--timeout=60s');

  const hog = await read<PodStatus>('pod', 'hog', '-n', 'shop');
  expect(hog.status.containerStatuses[0]?.state.terminated?.reason).toBe('OOMKilled');
});

describe('the audit log', () => {
  const account = 'system:serviceaccount:shop:default';
  const entries = (): readonly AuditEntry[] => cluster.auditLog().filter(({ user }) => user === account);

  test('has what an account asked for and was refused, with the program that asked', async () => {
    const token = (await kubectl('create', 'token', 'default', '-n', 'shop')).trim();
    await cluster.kubectl(['get', 'job', 'writes', '-n', 'shop', `--token=${token}`]);

    await eventually(() => entries().length > 0, { withinMs: 5_000 });
    expect(entries()).toEqual([
      {
        time: expect.closeTo(Date.now(), -5),
        answered: expect.closeTo(Date.now(), -5),
        user: account,
        userAgent: expect.stringMatching(/^kubectl/),
        verb: 'get',
        group: 'batch',
        resource: 'jobs',
        namespace: 'shop',
        name: 'writes',
        code: 403,
      },
    ]);
  });

  test('has a watch from its beginning, once', async () => {
    const reader = 'nobody';
    const watches = (): readonly AuditEntry[] =>
      cluster.auditLog().filter(({ user, verb }) => user === reader && verb === 'watch');
    await kubectl('create', 'clusterrolebinding', 'reader', '--clusterrole=view', `--user=${reader}`);
    const [program = '', ...args] = cluster.kubectlCommand(['get', 'pods', '--watch-only', `--as=${reader}`]);
    const watcher = spawn(program, args, { stdio: 'ignore' });
    const ended = once(watcher, 'exit');

    await eventually(() => watches().length > 0, { withinMs: 15_000 });
    expect(watches().map(({ resource, code }) => ({ resource, code }))).toEqual([
      { resource: 'pods', code: 200 },
    ]);

    watcher.kill();
    await ended;
    const log = (): string => cluster.log('audit');
    const isOver = (): boolean =>
      log()
        .split('\n')
        .filter((line) => line.includes(`"${reader}"`)).length > 1;
    expect(await eventually(isOver, { withinMs: 15_000 })).toBe(true);
    expect(watches()).toHaveLength(1);
  });

  test('has nothing of the node’s own programs', () => {
    const users = new Set(cluster.auditLog().map(({ user }) => user));

    expect([...users].toSorted()).toEqual(['admin', 'nobody', account]);
  });
});

test('a component that ends early is named, with its last words, and nothing is left of the cluster', async () => {
  const assets = mkdtempSync(join(tmpdir(), 'assets-'));
  onTestFinished(() => rmSync(assets, { recursive: true }));
  writeFileSync(join(assets, 'etcd'), '#!/bin/sh\necho no disk for me\nexit 3\n', { mode: 0o755 });
  vi.stubEnv('KUBEBUILDER_ASSETS', assets);
  onTestFinished(() => void vi.unstubAllEnvs());

  const start = startCluster({ name: `${name}-a`, steps: progress });

  await expect(start).rejects.toThrow('etcd ended with exit code 3:\nno disk for me');
  expect(readdirSync(clustersFolder()).filter((entry) => entry.startsWith(`${name}-a`))).toEqual([]);
});

describe('the end', () => {
  test('a name in use is refused, and its cluster goes on', async () => {
    await expect(startCluster({ name, steps: progress })).rejects.toThrow(`process ${process.pid} has it`);

    await kubectl('get', '--raw', '/readyz');
  });

  test(
    'of an owner that is killed takes its cluster along, also half-way, and no other',
    { timeout: 180_000 },
    async () => {
      const [first, second] = [`${name}-b`, `${name}-c`];
      const owner = startOwner(first);
      await untilUp(owner);
      const up = findRecord(first)?.folder ?? '';
      const network = clusterNetwork(up);
      expect(traces(up, network).length).toBeGreaterThan(20);

      // A later node must not keep hold of what an earlier one has mounted.
      const lateOwner = startOwner(second);
      const isHalfWay = (): boolean => existsSync(`${findRecord(second)?.folder}/etcd/member`);
      expect(await eventually(isHalfWay, { withinMs: 60_000 })).toBe(true);
      const halfWay = findRecord(second)?.folder ?? '';
      const lateNetwork = clusterNetwork(halfWay);

      owner.kill('SIGKILL');
      await expectNoTrace(up, network);
      expect(await eventually(() => !findRecord(first), { withinMs: 5_000 })).toBe(true);

      lateOwner.kill('SIGKILL');
      await expectNoTrace(halfWay, lateNetwork);

      await kubectl('get', '--raw', '/readyz');
    },
  );

  test('by stop() leaves nothing, also of a program inside its network, and comes twice at no harm', async () => {
    const { folder } = cluster;
    const network = clusterNetwork(folder);
    const [program = '', ...args] = cluster.inside(['sleep', '1000000']);
    const guest = spawn(program, args, { stdio: 'ignore' });

    await cluster.stop();
    await cluster.stop();

    if (guest.exitCode === null && guest.signalCode === null) await once(guest, 'exit');
    expect(traces(folder, network)).toEqual([]);
    expect(findRecord(name)).toBeUndefined();
  });
});
