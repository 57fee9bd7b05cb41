// What goes wrong in the first week: each with a reason of its own, and what heals by itself heals.
import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RunStatus } from '../../src/api/neo4jbackup.ts';
import type { Neo4jBackup } from '../../src/backup/resources.ts';
import { runName } from '../../src/backup/run.ts';
import {
  aBackup,
  aClaim,
  aPod,
  aServer,
  aService,
  becomes,
  conditionsOf,
  edit,
  fingerprint,
  jobsOf,
  messageOf,
  on,
  rolledOut,
  runBegins,
  runEnds,
  type Spec,
} from './world.ts';

/** Applies a resource that cannot succeed as it is. */
async function wish(name: string, spec: Spec): Promise<void> {
  await on().apply(aBackup(name, spec, 'failures'));
}

/** The end of a first run that takes no backup. */
async function failureOf(name: string, spec: Spec): Promise<RunStatus> {
  await wish(name, spec);
  const run = await runEnds(name);
  expect(run.result).toBe('Failed');
  return run;
}

const toService = (name: string): Spec => ({ serviceRef: { name } });

/** Something that stands still until it ends: nothing of it is asked but to be there. */
const stand = 'setInterval(()=>{},1e6)';

export function theSource(): void {
  describe.concurrent('the source', () => {
    test('PortUnreachable: Neo4j listens on loopback only', async () => {
      const [service, deployment] = aServer('loopback', { args: ['dbms.backup.address=127.0.0.1:6362'] });
      const text = JSON.stringify(deployment).replace(/"readinessProbe":\{[^}]*\{[^}]*\}[^}]*\},?/, '');
      await on().apply(service ?? {}, JSON.parse(text.replace(/,\}/g, '}')) as Spec);
      const isReady = async (): Promise<true | undefined> => {
        const log = await on()
          .kubectl(['logs', 'deployment/loopback'])
          .catch(() => '');
        return log.includes('READY') ? true : undefined;
      };
      await on().until('READY of the server', isReady, 240);

      const run = await failureOf('on-loopback', { source: toService('loopback') });

      expect(run.reason).toBe('PortUnreachable');
      expect(run.message).toMatch(/refuses connections.*loopback.*set dbms\.backup\.address=0\.0\.0\.0:6362/);
      await on().kubectl(['delete', 'deployment', 'loopback', '--wait=false']);
    });

    test('PortUnreachable: a NetworkPolicy drops the packets, until it lets the Pods of backups through', async () => {
      const policy = (ingress: readonly Spec[]): Spec => ({
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { name: 'guarded' },
        spec: { podSelector: { matchLabels: { app: 'guarded' } }, policyTypes: ['Ingress'], ingress },
      });
      await on().apply(...aServer('guarded'), policy([]));
      await rolledOut('guarded');

      const run = await failureOf('shut-out', { source: toService('guarded') });
      expect(run.reason).toBe('PortUnreachable');
      expect(run.message).toMatch(/did not answer within 5 s.*NetworkPolicy/);

      const ours = {
        podSelector: { matchLabels: { 'app.kubernetes.io/managed-by': 'neo4j-backup-operator' } },
      };
      await on().apply(policy([{ from: [ours], ports: [{ port: 6362 }] }]));
      await edit('shut-out', { trigger: { id: 'let-in' } });
      expect(await runEnds('shut-out', 'let-in')).toMatchObject({ reason: 'FullBackupTaken' });
      // Nobody else gets there.
      const knock =
        'require("net").connect(6362,"guarded",()=>process.exit(1)).on("error",()=>process.exit(0)).setTimeout(3000,()=>process.exit(0))';
      await on().apply(aPod('stranger', knock));
      await on().kubectl([
        'wait',
        '--for=jsonpath={.status.phase}=Succeeded',
        'pod/stranger',
        '--timeout=90s',
      ]);
      await on().kubectl(['delete', 'deployment', 'guarded', '--wait=false']);
    });

    test('NotABackupService: HTTP answers on the port', async () => {
      await on().apply(aPod('web', 'require("http").createServer().listen(6362)'), aService('web'));
      await on().kubectl(['wait', '--for=condition=Ready', 'pod/web', '--timeout=90s']);
      const run = await failureOf('to-the-web', { source: toService('web') });
      expect(run.reason).toBe('NotABackupService');
      expect(run.message).toMatch(/web\.shop\.svc:6362 .* answers with HTTP.*spec\.source\.port/);
    });

    test('DeadlineExceeded: a peer that never answers does not hold the run for ever', async () => {
      await on().apply(
        aPod('silent', 'require("net").createServer(()=>{}).listen(6362)'),
        aService('silent'),
      );
      await on().kubectl(['wait', '--for=condition=Ready', 'pod/silent', '--timeout=90s']);
      const spec = { source: toService('silent'), job: { activeDeadlineSeconds: 60 } };
      const run = await failureOf('slow', spec);
      expect(run.reason).toBe('DeadlineExceeded');
      expect(run.message).toContain('activeDeadlineSeconds');
    });

    test('SecretNotFound: the certificates are not there, until they are; then the tool of 3.4 rejects them, which has no TLS', async () => {
      const tls = { clientCertificateSecretRef: { name: 'backup-client' } };
      await wish('encrypted', { source: { ...toService('orders-neo4j'), tls } });
      const status = await becomes('encrypted', 'Ready', 'SecretNotFound');
      expect(messageOf(status, 'Ready')).toContain('backup-client');

      const canary = 'c2VjcmV0LWNhbmFyeQ';
      await on().apply({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'backup-client' },
        stringData: { 'tls.crt': canary, 'tls.key': canary, 'ca.crt': canary },
      });
      const run = await runEnds('encrypted');

      // The public jars were built without it: the kubelet has mounted what the tool was told to use (docs/tls.md).
      expect(run).toMatchObject({ result: 'Failed', reason: 'TLSPolicyRejected' });
      for (const kind of ['jobs', 'pods', 'events', 'neo4jbackups'])
        expect(await on().kubectl(['get', kind, '-o', 'yaml'])).not.toContain(canary);
    });

    test('PortNotExposed: the Service has another port', async () => {
      await on().apply(aService('other-port', { ports: [{ port: 7687 }] }));
      await wish('wrong-port', { source: toService('other-port') });
      expect(messageOf(await becomes('wrong-port', 'Ready', 'PortNotExposed'), 'Ready')).toContain('6362');
      expect(await jobsOf('wrong-port')).toBe(0);
    });

    test('NoReadyEndpoints: no Pod stands behind the Service', async () => {
      await on().apply(aService('nobody'));
      await wish('unserved', { source: toService('nobody') });
      const status = await becomes('unserved', 'Ready', 'NoReadyEndpoints');
      expect(conditionsOf(status)).toEqual(['False', 'True', 'False', 'Unknown']);
      expect(await jobsOf('unserved')).toBe(0);
    });

    test('ServiceNotFound: no Job is made', async () => {
      await wish('lost', { source: toService('no-such-service') });
      await becomes('lost', 'Ready', 'ServiceNotFound');
      expect(await jobsOf('lost')).toBe(0);
    });

    test('ExternalNameRefused: a Service that points anywhere', async () => {
      const spec = {
        type: 'ExternalName',
        externalName: 'db.example.com',
        ports: undefined,
        selector: undefined,
      };
      await on().apply(aService('anywhere', spec));
      await wish('external', { source: toService('anywhere') });
      expect(conditionsOf(await becomes('external', 'Stalled', 'ExternalNameRefused'))).toEqual([
        'False',
        'False',
        'True',
        'Unknown',
      ]);
      expect(await jobsOf('external')).toBe(0);
    });

    test('HostNotFound: a host that does not resolve', async () => {
      const run = await failureOf('nowhere', { source: { host: 'nowhere.invalid' } });
      expect(run.reason).toBe('HostNotFound');
      expect(run.message).toContain('nowhere.invalid');
    });

    test.each([
      { name: 'elsewhere', host: 'db.example.org', says: 'nowhere.invalid' },
      { name: 'at-the-metadata', host: '169.254.169.254', says: 'a link-local address' },
    ])(
      'HostNotAllowed: only an edit can help, and no Job is made for $host',
      async ({ name, host, says }) => {
        await wish(name, { source: { host } });
        const status = await becomes(name, 'Stalled', 'HostNotAllowed');
        expect(messageOf(status, 'Stalled')).toContain(says);
        expect(await jobsOf(name)).toBe(0);
      },
    );
  });
}

export function theTool(): void {
  describe.concurrent('the tool and its image', () => {
    test('UnsupportedVersion: no Job is made, and the edit that helps does', async () => {
      await wish('future', { neo4j: { version: '9.9.9', image: 'localhost/neo4j:3.4.18' } });
      expect((await becomes('future', 'Stalled', 'UnsupportedVersion')).phase).toBe('Stalled');
      expect(await jobsOf('future')).toBe(0);
      await wish('future', {});
      expect(await runEnds('future')).toMatchObject({ result: 'Succeeded' });
    });

    test('LicenseNotAccepted: the default image wants its license accepted', async () => {
      await wish('unlicensed', { neo4j: { version: '3.4.18' } });
      await becomes('unlicensed', 'Stalled', 'LicenseNotAccepted');
      expect(await jobsOf('unlicensed')).toBe(0);
    });

    test('ImageNotAllowed: an image from elsewhere, the default one too', async () => {
      await wish('foreign', { neo4j: { version: '3.4.18', acceptLicenseAgreement: true } });
      const status = await becomes('foreign', 'Stalled', 'ImageNotAllowed');
      expect(messageOf(status, 'Stalled')).toMatch(/neo4j:3\.4\.18-enterprise.*localhost\/\*\*/);
      expect(await jobsOf('foreign')).toBe(0);
    });

    test('ImagePullFailed: is told while the run waits, and a corrected image starts the same run anew', async () => {
      await wish('imageless', { neo4j: { version: '3.4.18', image: 'localhost/no-such-image:1' } });
      const status = await becomes('imageless', 'Ready', 'ImagePullFailed');
      expect(conditionsOf(status)).toEqual(['False', 'True', 'False', 'Unknown']);
      expect(messageOf(status, 'Ready')).toContain('localhost/no-such-image:1');

      await wish('imageless', {});

      expect(await runEnds('imageless')).toMatchObject({
        id: status.currentRun?.id,
        reason: 'FullBackupTaken',
      });
      expect(await jobsOf('imageless')).toBe(1);
    });

    test('Unschedulable: no node has the label, until the spec asks for another', async () => {
      await wish('placeless', { job: { nodeSelector: { disk: 'no-such-disk' } } });
      const status = await becomes('placeless', 'Ready', 'Unschedulable');
      expect(messageOf(status, 'Ready')).toContain('node affinity/selector');
      await wish('placeless', { job: { nodeSelector: { 'kubernetes.io/os': 'linux' } } });
      expect(await runEnds('placeless')).toMatchObject({ id: status.currentRun?.id, result: 'Succeeded' });
    });

    test("EngineFailed: carries the tool's last line", async () => {
      const run = await failureOf('toolless', {
        neo4j: { version: '3.4.18', image: 'localhost/neo4j-server:3.4.18' },
      });
      expect(run.reason).toBe('EngineFailed');
      expect(run.message).toContain('neo4j-admin: not found');
    });

    test('EngineFailed: an image without a shell', async () => {
      const run = await failureOf('shell-less', {
        neo4j: { version: '3.4.18', image: 'localhost/neo4j-backup-operator:dev' },
      });
      expect(run.reason).toBe('EngineFailed');
      expect(run.message).toContain('/bin/sh');
    });

    const little = { resources: { limits: { memory: '64Mi' } } };

    test('OutOfMemory: the kernel kills the tool', async () => {
      const run = await failureOf('small', { job: little });
      expect(run.reason).toBe('OutOfMemory');
      expect(run.message).toContain('spec.job.resources.limits.memory');
    });

    test('OutOfMemory: the kernel kills the whole container', async () => {
      const run = await failureOf('greedy', {
        neo4j: { version: '3.4.18', image: 'localhost/greedy:1' },
        job: little,
      });
      expect(run.reason).toBe('OutOfMemory');
    });

    test('Evicted: the tool writes more than a volume of the Pod may hold, and is not tried again', async () => {
      const run = await failureOf('spilling', {
        neo4j: { version: '3.4.18', image: 'localhost/spilling:1' },
      });
      expect(run.reason).toBe('Evicted');
      expect(run.message).toContain('"exchange" exceeds the limit');
      const pods = ['get', 'pods', '-l', 'neo4j-backup.dev/backup=spilling', '-o', 'name'];
      expect((await on().kubectl(pods)).trim().split('\n')).toHaveLength(1);
    });

    test('ProtocolMismatch: the tool of one generation, the server of another', async () => {
      const run = await failureOf('mistaken', {
        neo4j: { version: '3.0.7', image: 'localhost/neo4j:3.0.7' },
      });
      expect(run.reason).toMatch(/^(ProtocolMismatch|ServerClosedConnection)$/);
    });
  });
}

export function theDestination(): void {
  describe.concurrent('the destination', () => {
    test('DestinationNotABackup: a folder with something else in it is not touched', async () => {
      await on().apply(aBackup('first', {}, 'failures'));
      await runEnds('first');
      const folder = join(await on().volumeOf('failures'), 'junk');
      mkdirSync(folder);
      writeFileSync(join(folder, 'neostore'), 'a backup of somebody else');
      chownSync(folder, 7474, 7474);

      const run = await failureOf('junk', {});

      expect(run.reason).toBe('DestinationNotABackup');
      expect(run.message).toContain('neostore');
      expect([...fingerprint(folder).keys()]).toEqual(['neostore']);
    });

    test('ClaimNotFound: goes on by itself when the claim is there, though it waits for its first consumer', async () => {
      await on().apply(aBackup('patient', {}, 'later'));
      const status = await becomes('patient', 'Ready', 'ClaimNotFound');
      expect(conditionsOf(status)).toEqual(['False', 'True', 'False', 'Unknown']);
      expect(await jobsOf('patient')).toBe(0);
      const modes = ['get', 'storageclass', '-o', 'jsonpath={.items[*].volumeBindingMode}'];
      expect(await on().kubectl(modes)).toBe('WaitForFirstConsumer');
      await on().apply(aClaim('later'));
      expect(await runEnds('patient')).toMatchObject({ result: 'Succeeded' });
    });

    test('VolumeNotMounted: the disk is not there, until it is', async () => {
      const claim = { namespace: on().namespace, name: 'unplugged' };
      const owner = { uid: 0, gid: 7474 };
      await on().cluster.addVolume({ name: 'unplugged', size: '1Gi', owner, claim });
      const disk = on().cluster.volumePath('unplugged');
      rmSync(disk, { recursive: true });
      await on().apply(
        aClaim('unplugged', { volumeName: 'unplugged' }),
        aBackup('diskless', {}, 'unplugged'),
      );
      expect(messageOf(await becomes('diskless', 'Ready', 'VolumeNotMounted'), 'Ready')).toContain(disk);

      mkdirSync(disk);
      chownSync(disk, 0, 7474);
      chmodSync(disk, 0o2770);
      expect(await runEnds('diskless')).toMatchObject({ result: 'Succeeded' });
    });

    test('ClaimNotBound: the claim names a volume that there is not, until there is', async () => {
      await on().apply(aClaim('unbound', { volumeName: 'unbound' }), aBackup('homeless', {}, 'unbound'));
      const status = await becomes('homeless', 'Ready', 'ClaimNotBound');
      expect(messageOf(status, 'Ready')).toContain('unbound immediate PersistentVolumeClaims');
      expect(await jobsOf('homeless')).toBe(1); // a claim is never waited for before there is a Pod that wants it

      const claim = { namespace: on().namespace, name: 'unbound' };
      await on().cluster.addVolume({ name: 'unbound', size: '1Gi', owner: { uid: 0, gid: 7474 }, claim });
      expect(await runEnds('homeless')).toMatchObject({ result: 'Succeeded' });
    });

    test('VolumeAttachConflict: another Pod has the volume for itself, until it goes', async () => {
      const accessModes = ['ReadWriteOncePod'];
      const claim = { namespace: on().namespace, name: 'exclusive' };
      const owner = { uid: 0, gid: 7474 };
      await on().cluster.addVolume({ name: 'exclusive', size: '1Gi', owner, claim, accessModes });
      const holder = aPod('holder', stand) as { readonly spec: Spec };
      const volumes = [{ name: 'held', persistentVolumeClaim: { claimName: 'exclusive' } }];
      await on().apply(aClaim('exclusive', { volumeName: 'exclusive', accessModes }), {
        ...holder,
        spec: { ...holder.spec, volumes },
      });
      await on().kubectl(['wait', '--for=condition=Ready', 'pod/holder', '--timeout=90s']);
      await on().apply(aBackup('second', {}, 'exclusive'));
      expect(messageOf(await becomes('second', 'Ready', 'VolumeAttachConflict'), 'Ready')).toContain(
        'ReadWriteOncePod',
      );

      await on().kubectl(['delete', 'pod', 'holder', '--wait=false']);
      expect(await runEnds('second')).toMatchObject({ result: 'Succeeded' });
    });

    test('ResultLost: the Job is deleted before the tool has anything, and the volume has nothing either', async () => {
      await on().apply(aBackup('forsaken', {}, 'failures'));
      const run = await runBegins('forsaken');
      await on().kubectl(['delete', 'job', run, '--wait=false']);
      const asking = await becomes('forsaken', 'Reconciling', 'Inspecting');
      expect(conditionsOf(asking)).toEqual(['True', 'True', 'False', 'Unknown']);
      const told = await runEnds('forsaken');
      expect(told).toMatchObject({ id: run, result: 'Failed', reason: 'ResultLost' });
      expect(told.message).toContain('the volume has no backup of it and no record');
    });

    test('PermissionDenied: the folder belongs to somebody else, until it is handed over', async () => {
      const claim = { namespace: on().namespace, name: 'foreign' };
      const owner = { uid: 0, gid: 7474 };
      await on().cluster.addVolume({ name: 'foreign', size: '1Gi', owner, claim });
      const volume = on().cluster.volumePath('foreign');
      chmodSync(volume, 0o2770); // as the kubelet leaves it for fsGroup: it looks no further then
      const folder = join(volume, 'locked-out');
      mkdirSync(folder, { mode: 0o755 });
      await on().apply(aClaim('foreign', { volumeName: 'foreign' }), aBackup('locked-out', {}, 'foreign'));
      const run = await runEnds('locked-out');
      expect(run).toMatchObject({ result: 'Failed', reason: 'PermissionDenied' });
      expect(run.message).toContain('spec.job.securityContext');

      chownSync(folder, 7474, 7474);
      await edit('locked-out', { trigger: { id: 'handed-over' } });
      expect(await runEnds('locked-out', 'handed-over')).toMatchObject({ result: 'Succeeded' });
    });
  });
}

/** The namespaces below, where what the operator asks for is refused by admission. */
export const limitedNamespaces = ['few-pods', 'no-jobs', 'small-pods'];

/** A namespace of its own, since its limits hold for everything in it. */
async function tightNamespace(name: string, limits: Spec): Promise<(...args: string[]) => Promise<string>> {
  const kubectl = (...args: string[]): Promise<string> => on().kubectl(['--namespace', name, ...args]);
  await on().kubectl(['create', 'namespace', name]);
  const pod = aPod('server', stand);
  const objects = [limits, aClaim('backups'), aService('orders-neo4j', { selector: { app: 'server' } }), pod];
  // The server is there before the limits are, as in real life.
  for (const object of [pod, ...objects.filter((other) => other !== pod)])
    await on().kubectl(['--namespace', name, 'apply', '--server-side', '-f', '-'], JSON.stringify(object));
  await kubectl('wait', '--for=condition=Ready', 'pod/server', '--timeout=90s');
  await on().kubectl(
    ['--namespace', name, 'apply', '--server-side', '-f', '-'],
    JSON.stringify(aBackup('squeezed')),
  );
  return kubectl;
}

async function readyIn(kubectl: (...args: string[]) => Promise<string>, reason: string): Promise<string> {
  const look = async (): Promise<string | undefined> => {
    const path = (field: string): string => `{.status.conditions[?(@.type=="Ready")].${field}}`;
    const told = await kubectl(
      'get',
      'neo4jbackup',
      'squeezed',
      '-o',
      `jsonpath=${path('reason')} ${path('message')}`,
    );
    return told.startsWith(`${reason} `) ? told : undefined;
  };
  return on().until(`Ready with the reason ${reason}`, look, 240);
}

export function theNamespace(): void {
  describe.concurrent('the namespace', () => {
    test('QuotaExceeded: no room for the Pod, until the quota is raised', async () => {
      const kubectl = await tightNamespace('few-pods', {
        apiVersion: 'v1',
        kind: 'ResourceQuota',
        metadata: { name: 'few' },
        spec: { hard: { pods: '1' } },
      });
      expect(await readyIn(kubectl, 'QuotaExceeded')).toContain('exceeded quota: few');
      await kubectl('patch', 'resourcequota', 'few', '-p', '{"spec":{"hard":{"pods":"9"}}}');
      await readyIn(kubectl, 'Accepted');
      await kubectl('delete', 'namespace', 'few-pods', '--wait=false');
    });

    test('QuotaExceeded: no room for the Job', async () => {
      const kubectl = await tightNamespace('no-jobs', {
        apiVersion: 'v1',
        kind: 'ResourceQuota',
        metadata: { name: 'none' },
        spec: { hard: { 'count/jobs.batch': '0' } },
      });
      expect(await readyIn(kubectl, 'QuotaExceeded')).toContain('exceeded quota: none');
      await kubectl('delete', 'namespace', 'no-jobs', '--wait=false');
    });

    test('JobRejected: admission refuses the Pod, until the spec asks for what is allowed', async () => {
      const kubectl = await tightNamespace('small-pods', {
        apiVersion: 'v1',
        kind: 'LimitRange',
        metadata: { name: 'small' },
        spec: { limits: [{ type: 'Container', max: { memory: '300Mi' }, default: { memory: '300Mi' } }] },
      });
      expect(await readyIn(kubectl, 'JobRejected')).toContain('memory');
      const resources = { requests: { memory: '100Mi' }, limits: { memory: '300Mi' } };
      await kubectl(
        'patch',
        'neo4jbackup',
        'squeezed',
        '--type=merge',
        '-p',
        JSON.stringify({ spec: { job: { resources } } }),
      );
      await readyIn(kubectl, 'Accepted');
      await kubectl('delete', 'namespace', 'small-pods', '--wait=false');
    });

    test("NameConflict: somebody's Job has the name of the run, until it goes", async () => {
      await on().apply(aBackup('named', {}, 'taken'));
      await becomes('named', 'Ready', 'ClaimNotFound');
      const name = runName((await on().get('neo4jbackup', 'named')) as unknown as Neo4jBackup, 'once');
      const container = { name: 'main', image: 'localhost/greedy:1' };
      await on().apply({
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name },
        spec: { suspend: true, template: { spec: { restartPolicy: 'Never', containers: [container] } } },
      });
      await on().apply(aClaim('taken'));
      expect(messageOf(await becomes('named', 'Ready', 'NameConflict'), 'Ready')).toContain(name);
      await on().kubectl(['delete', 'job', name]);
      expect(await runBegins('named')).toBe(name);
    });

    test('a run that takes its time is under way, and kubectl wait knows', async () => {
      await on().apply(aBackup('waited-for', {}, 'failures'));
      await runBegins('waited-for');
      await on().kubectl([
        'wait',
        '--for=condition=LastRunSucceeded',
        'neo4jbackup/waited-for',
        '--timeout=180s',
      ]);
      expect(await runEnds('waited-for')).toMatchObject({ result: 'Succeeded' });
    });
  });
}
