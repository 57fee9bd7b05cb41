// From the volume back to a running Neo4j, by RESTORE.md alone: the operator has no part in it. And where the backups came
// from somebody else's script, to begin with.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RunStatus } from '../../src/api/neo4jbackup.ts';
import type { EngineVersion } from '../../tools/engines.ts';
import type { Manifest } from '../../tools/playground.ts';
import { commandsOf } from '../support/restore.ts';
import {
  aBackup,
  aClaim,
  aServer,
  fingerprint,
  nodesIn,
  on,
  rolledOut,
  runEnds,
  trigger,
  type Spec,
} from './world.ts';
import { readManifests } from '../support/volume.ts';

/** Nodes that the server has when the full backup is taken, and when the increment is. */
const atFirst = 2000;
const later = 2300;

export function restores(): void {
  describe('RESTORE.md, followed to the letter', () => {
    test('brings back what Neo4j 3.0.7 had when the increment was taken', async () => {
      await on().apply(...claimsOf('old'));
      // A class whose volumes wait for who uses them first: nothing of ours waits for the claim in turn.
      expect(await on().kubectl(['get', 'pvc', 'old-backups', '-o', 'jsonpath={.status.phase}'])).toBe(
        'Pending',
      );
      await serverWith('old', atFirst, '3.0.7');
      await on().apply(backupOf('old', '3.0.7'));
      expect(await runEnds('old')).toMatchObject({ reason: 'FullBackupTaken' });
      await serverWith('old', later, '3.0.7');
      await trigger('old', 'second');
      const increment = await runEnds('old', 'second');

      await comesBack('old', increment, '3.0.7');
    });

    test('brings back what Neo4j 3.4.18 had, of a chain that began with a script’s own backup', async () => {
      await on().apply(...claimsOf('found'));
      await serverWith('found', atFirst);
      await takeByHand('found');
      const volume = await on().volumeOf('found-backups');
      const before = fingerprint(join(volume, 'cron'));
      await serverWith('found', later);
      await on().apply(backupOf('found', '3.4.18', { adoptFrom: 'cron' }));
      const first = await runEnds('found');

      expect(first).toMatchObject({ reason: 'IncrementalBackupTaken', type: 'Incremental' });
      expect(fingerprint(join(volume, 'cron'))).toEqual(before);
      const destination = await readManifests(join(volume, 'found'));
      const points = destination.kind === 'ours' ? destination.points : [];
      expect(points).toMatchObject([
        { type: 'Full', fullBecause: 'Adopted', storeID: first.storeID },
        { type: 'Incremental', run: first.id },
      ]);
      await comesBack('found', first, '3.4.18');
    });
  });
}

function claimsOf(name: string): readonly Manifest[] {
  return ['data', 'backups', 'restored'].map((what) => aClaim(`${name}-${what}`));
}

function backupOf(name: string, version: EngineVersion, destination: Spec = {}): Manifest {
  return aBackup(name, {
    source: { serviceRef: { name: `${name}-neo4j` } },
    neo4j: { version, image: `localhost/neo4j:${version}` },
    destination: { persistentVolumeClaim: { claimName: `${name}-backups` }, ...destination },
  });
}

/** A server that keeps its store from one Pod to the next, has so many nodes, and writes no more. */
async function serverWith(name: string, nodes: number, version: EngineVersion = '3.4.18'): Promise<void> {
  const args = ['dbms.backup.enabled=true', 'dbms.backup.address=0.0.0.0:6362', `x.nodes=${nodes}`];
  const manifests = JSON.stringify(aServer(`${name}-neo4j`, { args, version })).replace(
    '{"name":"data","emptyDir":{}}',
    JSON.stringify({ name: 'data', persistentVolumeClaim: { claimName: `${name}-data` } }),
  );
  await on().apply(...(JSON.parse(manifests) as readonly Manifest[]));
  await rolledOut(`${name}-neo4j`);
}

/** What a cron script does, without the operator. */
async function takeByHand(name: string): Promise<void> {
  // The tool writes logs and metrics below its home, which this user may not.
  const settings = ['dbms.directories.logs=/tmp/logs', 'metrics.enabled=false'];
  const tool = `neo4j-admin backup --from=${name}-neo4j:6362 --backup-dir=/backups/cron --name=graph.db-backup`;
  const command = `printf '%s\\n' ${settings.join(' ')} >/tmp/neo4j.conf && mkdir cron && exec ${tool}`;
  await runsTo('by-hand', 'Succeeded', {
    image: 'localhost/neo4j:3.4.18',
    command: ['/bin/sh', '-c', command],
    workingDir: '/backups',
    env: [
      { name: 'HEAP_SIZE', value: '256m' },
      { name: 'NEO4J_CONF', value: '/tmp' },
    ],
    mounts: { [`${name}-backups`]: '/backups' },
  });
}

/** Everything after the loss of the server: the guide, its commands in an image of Neo4j, and a server on what they made. */
async function comesBack(name: string, run: RunStatus, version: EngineVersion): Promise<void> {
  await on().kubectl(['delete', 'deployment', `${name}-neo4j`]);
  const root = join(await on().volumeOf(`${name}-backups`), name);
  const guide = readFileSync(join(root, 'RESTORE.md'), 'utf8');
  expect(commandsOf(guide)).toContain(run.path?.slice(name.length + 1));
  await runsTo(`${name}-restore`, 'Succeeded', {
    image: `localhost/neo4j:${version}`,
    command: ['/bin/sh', '-c', commandsOf(guide)],
    workingDir: `/backups/${name}`,
    env: [
      { name: 'NEO4J_HOME', value: '/var/lib/neo4j' },
      { name: 'HEAP_SIZE', value: '256m' },
    ],
    mounts: { [`${name}-backups`]: '/backups', [`${name}-restored`]: '/var/lib/neo4j/data' },
    readOnly: `${name}-backups`,
  });
  await runsTo(`${name}-again`, 'Running', {
    image: `localhost/neo4j-server:${version}`,
    mounts: { [`${name}-restored`]: '/data' },
  });
  const nodes = await on().until('a server on what was restored', async () => {
    const log = await on().kubectl(['logs', `${name}-again`]);
    return /READY nodes=(\d+)/.exec(log)?.[1];
  });
  expect(Number(nodes)).toBe(later);
  expect(await nodesIn(`${name}-backups`, run, version)).toBe(later);
  await on().kubectl(['delete', 'pod', `${name}-again`, '--wait=false']);
}

interface Program {
  readonly image: string;
  readonly command?: readonly string[];
  readonly workingDir?: string;
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  /** Where each claim is mounted, and the one that is not to be written to. */
  readonly mounts: Readonly<Record<string, string>>;
  readonly readOnly?: string;
}

/** A Pod as the user of the server, until it has come to a phase. */
async function runsTo(name: string, phase: 'Running' | 'Succeeded', program: Program): Promise<void> {
  const { mounts, readOnly, ...container } = program;
  const claims = Object.entries(mounts);
  await on().apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 7474,
        runAsGroup: 7474,
        fsGroup: 7474,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        {
          ...container,
          name: 'main',
          imagePullPolicy: 'IfNotPresent',
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          volumeMounts: claims.map(([claim, mountPath]) => ({
            name: claim,
            mountPath,
            readOnly: claim === readOnly,
          })),
        },
      ],
      volumes: claims.map(([claimName]) => ({ name: claimName, persistentVolumeClaim: { claimName } })),
    },
  });
  await on().until(`${phase} Pod ${name}`, async () => {
    const now = await on().kubectl(['get', 'pod', name, '-o', 'jsonpath={.status.phase}']);
    if (now === 'Failed') throw new Error(await on().kubectl(['logs', name]));
    return now === phase ? now : undefined;
  });
}
