// The main job and its failures on real parts: a real node, a real Neo4j 3.4.18 behind a Service, the real tool.
import { createHash } from 'node:crypto';
import { chownSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Neo4jBackupStatus, RunStatus } from '../../src/api/neo4jbackup.ts';
import { countNodes, engine, type Engine } from '../../tools/engines.ts';
import { demoManifests, startPlayground, type Manifest, type Playground } from '../../tools/playground.ts';
import { steps } from '../../tools/steps.ts';

let on: Playground;
let neo4j: Engine;

const progress = steps();

beforeAll(async () => {
  neo4j = await engine('3.4.18', progress);
  on = await startPlayground('e2e', progress, ['--allowed-hosts', 'nowhere.invalid']);
  await on.apply(...demoManifests('neo4j.yaml'), silentServer(), serviceFor('silent'));
  for (const claim of ['backups', 'failures']) await on.apply(aClaim(claim));
  await on.kubectl(['rollout', 'status', 'deployment/orders-neo4j', '--timeout=180s']);
});

afterAll(async () => {
  await on?.stop();
});

// --- what is applied

interface Spec {
  readonly [field: string]: unknown;
}

function aBackup(name: string, spec: Spec = {}, claim = 'backups'): Manifest {
  return {
    apiVersion: 'neo4j-backup.dev/v1alpha1',
    kind: 'Neo4jBackup',
    metadata: { name },
    spec: {
      source: { serviceRef: { name: 'orders-neo4j' } },
      neo4j: { version: '3.4.18', image: 'localhost/neo4j:3.4.18' },
      destination: { persistentVolumeClaim: { claimName: claim } },
      ...spec,
    },
  };
}

function aClaim(name: string): Manifest {
  const [claim] = demoManifests('claim.yaml');
  return { ...claim, metadata: { name } };
}

/** A server under another name, with other arguments. */
function aServer(name: string, args: readonly string[]): readonly Manifest[] {
  const text = JSON.stringify(demoManifests('neo4j.yaml')).replaceAll('orders-neo4j', name);
  const manifests = JSON.parse(text) as readonly Manifest[];
  return manifests.map((manifest) =>
    manifest['kind'] === 'Deployment'
      ? (JSON.parse(
          JSON.stringify(manifest).replace(/"args":\[[^\]]*\]/, `"args":${JSON.stringify(args)}`),
        ) as Manifest)
      : manifest,
  );
}

/** Accepts connections on 6362 and never says a word, as something that is no backup service may. */
function silentServer(): Manifest {
  const program =
    'require("net").createServer(()=>{}).listen(6362); process.on("SIGTERM",()=>process.exit(0))';
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'silent', labels: { app: 'silent' } },
    spec: {
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'silent',
          image: 'localhost/neo4j-backup-operator:dev',
          imagePullPolicy: 'IfNotPresent',
          command: ['/usr/bin/node', '-e', program],
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
    },
  };
}

function serviceFor(app: string): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: app },
    spec: { selector: { app }, ports: [{ port: 6362 }] },
  };
}

// --- what is seen

async function statusOf(name: string): Promise<Neo4jBackupStatus> {
  const object = (await on.get('neo4jbackup', name)) as { readonly status?: Neo4jBackupStatus } | undefined;
  return object?.status ?? {};
}

/** The end of a run: of the first one, or of the one that a trigger started. */
function runEnds(name: string, triggerID?: string): Promise<RunStatus> {
  const look = async (): Promise<RunStatus | undefined> => {
    const { lastRun } = await statusOf(name);
    return lastRun?.triggerID === triggerID ? lastRun : undefined;
  };
  return on.until(`end of the run of ${name}`, look, 240);
}

async function trigger(name: string, id: string, type = 'Auto'): Promise<void> {
  await on.kubectl([
    'patch',
    'neo4jbackup',
    name,
    '--type=merge',
    '-p',
    JSON.stringify({ spec: { trigger: { id, type } } }),
  ]);
}

function becomes(name: string, type: string, reason: string): Promise<Neo4jBackupStatus> {
  const look = async (): Promise<Neo4jBackupStatus | undefined> => {
    const status = await statusOf(name);
    return status.conditions?.some((c) => c.type === type && c.reason === reason) ? status : undefined;
  };
  return on.until(`condition ${type} of ${name} with the reason ${reason}`, look, 120);
}

function condition(status: Neo4jBackupStatus, type: string): string {
  return status.conditions?.find((c) => c.type === type)?.status ?? 'absent';
}

async function jobsOf(name: string): Promise<number> {
  const names = await on.kubectl(['get', 'jobs', '-l', `neo4j-backup.dev/backup=${name}`, '-o', 'name']);
  return names.split('\n').filter((line) => line !== '').length;
}

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** Every file below a folder with the hash of its content. */
function fingerprint(folder: string): ReadonlyMap<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return new Map(
    files
      .map((entry) => join(entry.parentPath, entry.name))
      .toSorted()
      .map((path) => [relative(folder, path), hashOf(path)]),
  );
}

async function nodesIn(claim: string, { path = '' }: RunStatus): Promise<number> {
  return countNodes(neo4j, join(await on.volumeOf(claim), path, 'data'));
}

describe('one resource, from its first backup on', () => {
  let full: RunStatus;
  let incremental: RunStatus;

  test('takes a full backup into a blank destination', async () => {
    await on.apply(aBackup('orders'));

    full = await runEnds('orders');

    expect(full).toMatchObject({
      result: 'Succeeded',
      reason: 'FullBackupTaken',
      type: 'Full',
      requestedType: 'Auto',
    });
    expect(full.sizeBytes).toBeGreaterThan(100_000);
    const status = await statusOf('orders');
    expect(
      ['Ready', 'Reconciling', 'Stalled', 'LastRunSucceeded'].map((type) => condition(status, type)),
    ).toEqual(['True', 'False', 'False', 'True']);
    expect(status.databases).toEqual([
      { name: 'graph.db', storeID: full.storeID, lastTransactionID: full.lastTransactionID },
    ]);
    expect(await nodesIn('backups', full)).toBeGreaterThanOrEqual(2000);
  });

  test('takes an incremental one on top, which holds more, and leaves the first as it was', async () => {
    const volume = await on.volumeOf('backups');
    const before = fingerprint(join(volume, full.path ?? ''));
    await trigger('orders', 'second');

    incremental = await runEnds('orders', 'second');

    expect(incremental).toMatchObject({
      result: 'Succeeded',
      reason: 'IncrementalBackupTaken',
      type: 'Incremental',
    });
    expect(incremental.storeID).toBe(full.storeID);
    expect(BigInt(incremental.lastTransactionID ?? 0)).toBeGreaterThan(BigInt(full.lastTransactionID ?? 0));
    expect(await nodesIn('backups', incremental)).toBeGreaterThan(await nodesIn('backups', full));
    expect(fingerprint(join(volume, full.path ?? ''))).toEqual(before);
  });

  test('records a run that ended while the operator was away, and starts no second one', async () => {
    await trigger('orders', 'third');
    await on.until('the run', async () =>
      (await statusOf('orders')).currentRun?.triggerID === 'third' ? true : undefined,
    );
    await on.stopOperator();
    const { currentRun } = await statusOf('orders');
    await on.kubectl(['wait', '--for=condition=Complete', `job/${currentRun?.id}`, '--timeout=180s']);
    on.startOperator();

    const run = await runEnds('orders', 'third');

    expect(run).toMatchObject({ id: currentRun?.id, result: 'Succeeded', type: 'Incremental' });
    expect((await statusOf('orders')).history?.map(({ triggerID }) => triggerID)).toEqual([
      'third',
      'second',
      undefined,
    ]);
  });

  test('keeps the Jobs of the newest success and failure, and no older ones', async () => {
    const left = await on.until('deletion of older Jobs', async () => {
      const jobs = await jobsOf('orders');
      return jobs === 1 ? jobs : undefined;
    });
    expect(left).toBe(1);
  });

  test('fires nothing when a trigger is reverted or removed', async () => {
    const before = await statusOf('orders');
    await trigger('orders', 'second');
    await on.until('the new generation', async () =>
      (await statusOf('orders')).observedGeneration !== before.observedGeneration ? true : undefined,
    );
    await on.kubectl([
      'patch',
      'neo4jbackup',
      'orders',
      '--type=json',
      '-p',
      '[{"op":"remove","path":"/spec/trigger"}]',
    ]);
    const generation = (before.observedGeneration ?? 0) + 2;
    const after = await on.until('the generation after it', async () => {
      const status = await statusOf('orders');
      return status.observedGeneration === generation ? status : undefined;
    });

    expect(after.history).toEqual(before.history);
    expect(after.currentRun).toBeUndefined();
  });

  test('says PortUnreachable when the server is down, and changes nothing', async () => {
    const points = join(await on.volumeOf('backups'), 'orders/points');
    const before = fingerprint(points);
    await on.kubectl(['scale', 'deployment/orders-neo4j', '--replicas=0']);
    await on.kubectl(['wait', '--for=delete', 'pod', '-l', 'app=orders-neo4j', '--timeout=120s']);
    await trigger('orders', 'server-down');

    const run = await runEnds('orders', 'server-down');

    expect(run).toMatchObject({ result: 'Failed', reason: 'PortUnreachable' });
    expect(run.message).toMatch(
      /orders-neo4j\.shop\.svc:6362.*loopback.*dbms\.backup\.address=0\.0\.0\.0:6362/,
    );
    expect(fingerprint(points)).toEqual(before);
    const status = await statusOf('orders');
    expect(condition(status, 'Ready')).toBe('True');
    expect(status.lastIncremental?.triggerID).toBe('third');
  });

  test("says StoreMismatch for another store's server, whatever type is asked for, and keeps the old backup byte for byte", async () => {
    const points = join(await on.volumeOf('backups'), 'orders/points');
    const before = fingerprint(points);
    // Its data went with its Pod: what comes up now is another store under the same name.
    await on.kubectl(['scale', 'deployment/orders-neo4j', '--replicas=1']);
    await on.kubectl(['rollout', 'status', 'deployment/orders-neo4j', '--timeout=180s']);
    for (const type of ['Auto', 'Full']) {
      const id = `other-store-${type}`;
      await trigger('orders', id, type);

      const run = await runEnds('orders', id);

      expect(run).toMatchObject({ result: 'Failed', reason: 'StoreMismatch' });
      expect(run.message).toContain(full.storeID);
      expect(fingerprint(points)).toEqual(before);
    }
    expect(readdirSync(join(await on.volumeOf('backups'), 'orders/.staging'))).toEqual([]);
  });

  test('says all that in Events too, once each', async () => {
    const text = await on.kubectl([
      'get',
      'events',
      '--field-selector=involvedObject.name=orders',
      '-o',
      'json',
    ]);
    const { items } = JSON.parse(text) as { readonly items: readonly { readonly reason: string }[] };
    expect(items.map(({ reason }) => reason).toSorted()).toEqual([
      'FullBackupTaken',
      'IncrementalBackupTaken',
      'IncrementalBackupTaken',
      'PortUnreachable',
      'StoreMismatch',
      'StoreMismatch',
    ]);
  });
});

describe('a server that prunes its logs', () => {
  test('is backed up in full again, in a new chain, and the old chain stays', async () => {
    const pruning = [
      'dbms.backup.address=0.0.0.0:6362',
      'dbms.tx_log.rotation.retention_policy=false',
      'dbms.tx_log.rotation.size=1M',
      'dbms.checkpoint.interval.tx=5',
      'dbms.checkpoint.interval.time=3s',
      'x.nodes=100',
      'x.rate=300',
      'x.bytes=4000',
    ];
    await on.apply(...aServer('pruning', pruning));
    await on.kubectl(['rollout', 'status', 'deployment/pruning', '--timeout=180s']);
    await on.apply(aBackup('pruned', { source: { serviceRef: { name: 'pruning' } } }));
    const full = await runEnds('pruned');
    expect(full).toMatchObject({ reason: 'FullBackupTaken', fullBecause: 'DestinationBlank' });
    const first = join(await on.volumeOf('backups'), full.path ?? '');
    const before = fingerprint(first);

    await trigger('pruned', 'after-pruning');
    const again = await runEnds('pruned', 'after-pruning');

    expect(again).toMatchObject({ reason: 'FullBackupTaken', type: 'Full', fullBecause: 'LogsPruned' });
    expect(again.path?.split('/')[2]).not.toBe(full.path?.split('/')[2]);
    expect(fingerprint(first)).toEqual(before);
    await on.kubectl(['delete', 'deployment', 'pruning', '--wait=false']);
  });
});

describe.concurrent('what goes wrong in the first week', () => {
  test('DestinationNotABackup: a folder with something else in it is not touched', async () => {
    await on.apply(aBackup('first', {}, 'failures'));
    await runEnds('first');
    const folder = join(await on.volumeOf('failures'), 'junk');
    mkdirSync(folder);
    writeFileSync(join(folder, 'neostore'), 'a backup of somebody else');
    chownSync(folder, 7474, 7474);
    await on.apply(aBackup('junk', {}, 'failures'));

    const run = await runEnds('junk');

    expect(run).toMatchObject({ result: 'Failed', reason: 'DestinationNotABackup' });
    expect(run.message).toContain('neostore');
    expect([...fingerprint(folder).keys()]).toEqual(['neostore']);
  });

  test('HostNotFound: a host that does not resolve', async () => {
    await on.apply(aBackup('nowhere', { source: { host: 'nowhere.invalid' } }, 'failures'));
    const run = await runEnds('nowhere');
    expect(run).toMatchObject({ result: 'Failed', reason: 'HostNotFound' });
    expect(run.message).toContain('nowhere.invalid');
  });

  test('HostNotAllowed: only an edit can help, and no Job is made', async () => {
    await on.apply(aBackup('elsewhere', { source: { host: '169.254.169.254' } }, 'failures'));
    const status = await becomes('elsewhere', 'Stalled', 'HostNotAllowed');
    expect([condition(status, 'Ready'), condition(status, 'Stalled')]).toEqual(['False', 'True']);
    expect(await jobsOf('elsewhere')).toBe(0);
  });

  test('UnsupportedVersion: no Job is made, and the edit that helps does', async () => {
    await on.apply(
      aBackup('future', { neo4j: { version: '9.9.9', image: 'localhost/neo4j:3.4.18' } }, 'failures'),
    );
    const status = await becomes('future', 'Stalled', 'UnsupportedVersion');
    expect(status.phase).toBe('Stalled');
    expect(await jobsOf('future')).toBe(0);
    await on.apply(aBackup('future', {}, 'failures'));
    expect(await runEnds('future')).toMatchObject({ result: 'Succeeded' });
  });

  test('LicenseNotAccepted: the default image wants its license accepted', async () => {
    await on.apply(aBackup('unlicensed', { neo4j: { version: '3.4.18' } }, 'failures'));
    await becomes('unlicensed', 'Stalled', 'LicenseNotAccepted');
    expect(await jobsOf('unlicensed')).toBe(0);
  });

  test('ClaimNotFound: goes on by itself when the claim is there', async () => {
    await on.apply(aBackup('patient', {}, 'later'));
    const status = await becomes('patient', 'Ready', 'ClaimNotFound');
    expect([
      condition(status, 'Ready'),
      condition(status, 'Reconciling'),
      condition(status, 'Stalled'),
    ]).toEqual(['False', 'True', 'False']);
    expect(await jobsOf('patient')).toBe(0);
    await on.apply(aClaim('later'));
    expect(await runEnds('patient')).toMatchObject({ result: 'Succeeded' });
  });

  test('ServiceNotFound: no Job is made', async () => {
    await on.apply(aBackup('lost', { source: { serviceRef: { name: 'no-such-service' } } }, 'failures'));
    await becomes('lost', 'Ready', 'ServiceNotFound');
    expect(await jobsOf('lost')).toBe(0);
  });

  test('ImagePullFailed: is told while the run waits for its image', async () => {
    const version = { version: '3.4.18', image: 'localhost/no-such-image:1' };
    await on.apply(aBackup('imageless', { neo4j: version }, 'failures'));
    const status = await becomes('imageless', 'Ready', 'ImagePullFailed');
    expect(condition(status, 'Reconciling')).toBe('True');
    expect(status.conditions?.find(({ type }) => type === 'Ready')?.message).toContain(
      'localhost/no-such-image:1',
    );
  });

  test('DeadlineExceeded: a peer that never answers does not hold the run for ever', async () => {
    const spec = { source: { serviceRef: { name: 'silent' } }, job: { activeDeadlineSeconds: 60 } };
    await on.apply(aBackup('slow', spec, 'failures'));
    const run = await runEnds('slow');
    expect(run).toMatchObject({ result: 'Failed', reason: 'DeadlineExceeded' });
    expect(run.message).toContain('activeDeadlineSeconds');
  });

  test('OutOfMemory: the kernel kills the tool', async () => {
    await on.apply(aBackup('small', { job: { resources: { limits: { memory: '64Mi' } } } }, 'failures'));
    const run = await runEnds('small');
    expect(run).toMatchObject({ result: 'Failed', reason: 'OutOfMemory' });
    expect(run.message).toContain('spec.job.resources.limits.memory');
  });

  test("EngineFailed: carries the tool's last line", async () => {
    const version = { version: '3.4.18', image: 'localhost/neo4j-server:3.4.18' };
    await on.apply(aBackup('toolless', { neo4j: version }, 'failures'));
    const run = await runEnds('toolless');
    expect(run).toMatchObject({ result: 'Failed', reason: 'EngineFailed' });
    expect(run.message).toContain('neo4j-admin: not found');
  });
});
