// The release over time: replicas, an upgrade in the middle of a run, uninstalling, and coming back with fewer rights.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { chartFolder, watchPermissions } from '../../tools/chart.ts';
import { kill, pidsWithArgument } from '../../tools/cluster/processes.ts';
import { imageValues, operatorAccount, release } from '../../tools/playground.ts';
import type { Permission } from '../../src/kube/permission.ts';
import { leasePermissions } from '../../src/runtime/leader.ts';
import { limitedNamespaces } from './failures.ts';
import { aBackup, fingerprint, jobsOf, on, runBegins, runEnds, statusOf, trigger, values } from './world.ts';

const ofRelease = ['--namespace', release.namespace];

/** A copy of the chart whose CRD has one field more, as a later version's has. */
function laterChart(): string {
  const folder = mkdtempSync(join(tmpdir(), 'later-chart-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  cpSync(chartFolder, folder, { recursive: true });
  const path = join(folder, 'templates/crd.yaml');
  const crd = readFileSync(path, 'utf8');
  const later = crd.replace(
    /^( +)consistencyCheck:\n/m,
    (field, indent: string) => `${indent}note:\n${indent}  type: string\n${indent}  maxLength: 64\n${field}`,
  );
  expect(later).not.toBe(crd);
  writeFileSync(path, later);
  return folder;
}

/** Everything of ours that must outlive the operator: kind, name, and spec. */
async function wishes(): Promise<unknown> {
  const text = await on().kubectl(['get', 'neo4jbackups,jobs,pvc', '-o', 'json']);
  const { items } = JSON.parse(text) as {
    readonly items: readonly {
      readonly kind: string;
      readonly metadata: { uid: string };
      readonly spec: object;
    }[];
  };
  return items.map(({ kind, metadata, spec }) => ({ kind, uid: metadata.uid, spec }));
}

/** Who holds the Lease. */
async function leader(): Promise<string> {
  return on().kubectl([...ofRelease, 'get', 'lease', release.name, '-o', 'jsonpath={.spec.holderIdentity}']);
}

/** The operator's own process, as this machine sees it. */
function operatorPids(): readonly number[] {
  return pidsWithArgument('/app/main.js');
}

/** While the release is not installed, or half: milliseconds since 1970. */
const away = { from: 0, to: 0 };

export function theRelease(): void {
  describe('the release', () => {
    test('has a second replica that takes over in the middle of a run, and no run starts twice', async () => {
      await on().scaleOperator(2);
      await on().apply(aBackup('handed-on'));
      const run = await runBegins('handed-on');
      const first = await leader();
      await on().kubectl([...ofRelease, 'delete', 'pod', first, '--wait=false']);
      await on().until('another leader', async () => {
        const holder = await leader();
        return holder !== '' && holder !== first ? holder : undefined;
      });
      expect(await runEnds('handed-on')).toMatchObject({ id: run, result: 'Succeeded' });
      expect((await statusOf('handed-on')).history).toHaveLength(1);
      expect(await jobsOf('handed-on')).toBe(1);
      await on().scaleOperator(1);
    });

    test('is killed outright, as a run begins and before it can tell of its end: within 30 s it is back and tells', async () => {
      await on().apply(aBackup('survivor'));
      const run = await runBegins('survivor');
      kill(operatorPids());
      await on().until('another process', async () => operatorPids()[0], 30);
      for (const pid of operatorPids()) process.kill(pid, 'SIGSTOP');
      await on().kubectl(['wait', '--for=condition=Complete', `job/${run}`, '--timeout=180s']);
      kill(operatorPids());

      const told = await on().until('end of the run', async () => (await statusOf('survivor')).lastRun, 30);

      expect(told).toMatchObject({ id: run, result: 'Succeeded' });
      expect((await statusOf('survivor')).history).toHaveLength(1);
      expect(await jobsOf('survivor')).toBe(1);
      const made = on()
        .cluster.auditLog()
        .filter(
          ({ verb, resource, name, code }) =>
            verb === 'create' && resource === 'jobs' && name === run && code === 201,
        );
      expect(made).toHaveLength(1);
    });

    test('asks the volume what a run took whose Job was deleted before anybody saw its end', async () => {
      await on().apply(aBackup('forgotten'));
      const run = await runBegins('forgotten');
      for (const pid of operatorPids()) process.kill(pid, 'SIGSTOP');
      await on().kubectl(['wait', '--for=condition=Complete', `job/${run}`, '--timeout=180s']);
      await on().kubectl(['delete', 'job', run]);
      for (const pid of operatorPids()) process.kill(pid, 'SIGCONT');

      const told = await on().until('end of the run', async () => (await statusOf('forgotten')).lastRun, 120);

      expect(told).toMatchObject({ id: run, result: 'Succeeded', type: 'Full', storeID: expect.any(String) });
      expect((await statusOf('forgotten')).history).toHaveLength(1);
      const container = await on().kubectl([
        'get',
        'jobs',
        '-l',
        'neo4j-backup.dev/task=inspect,neo4j-backup.dev/backup=forgotten',
        '-o',
        'jsonpath={.items[*].metadata.annotations}',
      ]);
      expect(container).toContain(run);
    });

    test('is upgraded in the middle of a run: the CRD gets its new field, the run its one end', async () => {
      await trigger('handed-on', 'upgrade');
      const run = await runBegins('handed-on', 'upgrade');

      await on().helm([
        'upgrade',
        release.name,
        laterChart(),
        '--reuse-values',
        '--set=podAnnotations.version=later',
        '--wait',
        '--timeout=3m',
      ]);

      expect(await runEnds('handed-on', 'upgrade')).toMatchObject({ id: run, result: 'Succeeded' });
      await on().apply(aBackup('handed-on', { note: 'a field of tomorrow', trigger: { id: 'upgrade' } }));
      const noted = await on().kubectl(['get', 'neo4jbackup', 'handed-on', '-o', 'jsonpath={.spec.note}']);
      expect(noted).toBe('a field of tomorrow');
      const triggers = (await statusOf('handed-on')).history?.map(({ triggerID }) => triggerID);
      expect(triggers).toEqual(['upgrade', undefined]);
    });

    test('is uninstalled without losing a resource or a byte', async () => {
      const volume = await on().volumeOf('backups');
      const before = { bytes: fingerprint(volume), wishes: await wishes() };

      away.from = Date.now();
      await on().helm(['uninstall', release.name, '--wait', '--timeout=2m']);

      expect({ bytes: fingerprint(volume), wishes: await wishes() }).toEqual(before);
      expect(await on().kubectl(['get', 'crd', 'neo4jbackups.neo4j-backup.dev', '-o', 'name'])).toContain(
        'neo4jbackups',
      );
      const all = [...ofRelease, 'get', 'all,roles,rolebindings,serviceaccounts', '-o', 'name'];
      const isAllGone = async (): Promise<true | undefined> =>
        (await on().kubectl(all)).trim() === 'serviceaccount/default' ? true : undefined;
      await on().until('removal of the last Pod of the release', isAllGone);
    });

    test('comes back with rights in one namespace only, and goes on where it was', async () => {
      const text = ['install', release.name, chartFolder, ...imageValues, ...values];
      await on().helm([...text, '--set=watchNamespaces={shop}', '--wait', '--timeout=3m']);
      away.to = Date.now();
      const roles = await on().kubectl([
        'get',
        'clusterroles',
        '-l',
        'app.kubernetes.io/instance=neo4j-backup-operator',
        '-o',
        'name',
      ]);
      expect(roles).not.toMatch(/neo4j-backup-operator$/m);

      await trigger('handed-on', 'back-again');

      expect(await runEnds('handed-on', 'back-again')).toMatchObject({ reason: 'IncrementalBackupTaken' });
      expect((await statusOf('handed-on')).history).toHaveLength(3);
    });

    test('used each of its rights, and asked for nothing beyond them', () => {
      const asked = on()
        .cluster.auditLog()
        .filter(({ user }) => user === operatorAccount);
      const refused = asked
        .filter(({ code }) => code === 401 || code === 403)
        .filter(({ namespace = '' }) => !limitedNamespaces.includes(namespace))
        // Helm removes the roles while the Pod still ends.
        .filter(({ time }) => time < away.from || time > away.to);
      expect(refused).toEqual([]);
      const used = asked.map(({ group, resource, subresource, verb }) =>
        [group, subresource === undefined ? resource : `${resource}/${subresource}`, verb].join(' '),
      );
      const granted = [...watchPermissions, ...leasePermissions].flatMap(
        ({ apiGroup, resource, verbs }: Permission) => verbs.map((verb) => `${apiGroup} ${resource} ${verb}`),
      );
      expect(new Set(used.toSorted())).toEqual(new Set(granted.toSorted()));
    });
  });
}
