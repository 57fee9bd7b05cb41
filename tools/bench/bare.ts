// The bare tool: one Pod that runs the command line that a run of ours gives it, and nothing else.
import { join } from 'node:path';
import { adminBackupB2 } from '../../src/engine/admin-backup-b2.ts';
import type { BackupType } from '../../src/engine/engine.ts';
import { mounts } from '../../src/run/exchange.ts';
import { demoManifests, type Manifest, type Playground } from '../playground.ts';
import { timelineOf, type Timeline } from './timeline.ts';

export interface BareRun {
  /** When the API server was asked for the Pod. Milliseconds since 1970, as all times here. */
  readonly createdAt: number;
  readonly timeline: Timeline;
}

const claim = 'bare';

/** What the shell does before the tool: the folders and the configuration that `prepare` makes in a run of ours. */
const script = `mkdir -p "$NEO4J_CONF" "$REPORTS" "$PARENT"
printf %s "$CONFIGURATION" > "$NEO4J_CONF/neo4j.conf"
exec "$@"`;

export function bareClaim(): Manifest {
  const [manifest] = demoManifests('claim.yaml');
  return { ...manifest, metadata: { name: claim } };
}

/** @param series a full backup begins one, and the increments of the same series go on top of it */
function barePod(name: string, type: BackupType, series: string): Manifest {
  const parent = join(mounts.backup, series);
  const reports = join(parent, 'reports');
  const tool = { options: {} };
  const argv = adminBackupB2.commandLine({
    tool,
    type,
    host: 'orders-neo4j.shop.svc',
    port: 6362,
    database: 'graph.db',
    parent,
    name: 'data',
    version: '3.4.18',
    reports,
    temporary: reports,
    check: { Full: true, Incremental: false }, // what a Neo4jBackup has where it says nothing of it
  });
  const environment = {
    ...adminBackupB2.environment(256), // as in a run of ours without a limit
    CONFIGURATION: adminBackupB2.configuration(tool)['neo4j.conf'] ?? '',
    PARENT: parent,
    REPORTS: reports,
  };
  return {
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
          name: 'tool',
          image: 'localhost/neo4j:3.4.18',
          imagePullPolicy: 'IfNotPresent',
          command: ['/bin/sh', '-euc', script, 'sh', ...argv],
          env: Object.entries(environment).map(([variable, value]) => ({ name: variable, value })),
          resources: { requests: { cpu: '100m', memory: '512Mi' } },
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          volumeMounts: [
            { name: 'backup', mountPath: mounts.backup },
            { name: 'exchange', mountPath: mounts.exchange },
            { name: 'temporary', mountPath: mounts.temporary },
          ],
        },
      ],
      volumes: [
        { name: 'backup', persistentVolumeClaim: { claimName: claim } },
        { name: 'exchange', emptyDir: {} },
        { name: 'temporary', emptyDir: {} },
      ],
    },
  };
}

/** Takes a backup with the bare tool. @throws Error with what it printed when it fails */
export async function runBare(on: Playground, type: BackupType, series: string): Promise<BareRun> {
  const name = `${series}-${type.toLowerCase()}`;
  await on.apply(barePod(name, type, series));
  const phase = await on.until(
    `end of the Pod ${name}`,
    async () => {
      const { status } = (await on.get('pod', name)) as { readonly status?: { readonly phase?: string } };
      return status?.phase === 'Succeeded' || status?.phase === 'Failed' ? status.phase : undefined;
    },
    300,
  );
  if (phase === 'Failed') throw new Error(`the bare tool failed:\n${await on.kubectl(['logs', name])}`);
  const created = on.cluster
    .auditLog()
    .find((entry) => entry.resource === 'pods' && entry.name === name && entry.code === 201);
  if (!created) throw new Error(`the audit log has no creation of the Pod ${name}`);
  const timeline = timelineOf(on.cluster.log('containerd'), name);
  await on.kubectl(['delete', 'pod', name]);
  return { createdAt: created.time, timeline };
}
