// Objects as the API server gives them, for tests of src/backup: valid, with whatever a test wants otherwise.
import { annotations, containers, group, kind, labels, managedBy, version } from '../../src/api/names.ts';
import { Neo4jBackupSpec, type Neo4jBackupStatus, type RunStatus } from '../../src/api/neo4jbackup.ts';
import type { Observed } from '../../src/backup/observe.ts';
import type { ContainerStatus, Job, Neo4jBackup, Pod } from '../../src/backup/resources.ts';
import type { RunReport } from '../../src/run/report.ts';

type PodStatus = NonNullable<Pod['status']>;
type JobCondition = NonNullable<NonNullable<Job['status']>['conditions']>[number];

const createdTime = '2026-01-01T00:00:00Z';

/** A spec as a user writes it, before defaults. */
export function aSpec(overrides: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    source: { serviceRef: { name: 'orders-neo4j' } },
    neo4j: { version: '3.4.18', acceptLicenseAgreement: true },
    destination: { persistentVolumeClaim: { claimName: 'backups' } },
    ...overrides,
  };
}

/** Every setting of the Jobs, as a user writes them. */
export const jobSettings = {
  activeDeadlineSeconds: 3600,
  resources: { requests: { cpu: 1, memory: '512Mi' }, limits: { memory: '1Gi' } },
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'backups', effect: 'NoSchedule' }],
  priorityClassName: 'low',
  imagePullSecrets: [{ name: 'my-registry' }],
  securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000 },
};

interface BackupOverrides {
  readonly metadata?: Partial<Neo4jBackup['metadata']>;
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Neo4jBackupStatus;
}

export function aBackup({ metadata, spec, status }: BackupOverrides = {}): Neo4jBackup {
  return {
    apiVersion: `${group}/${version}`,
    kind,
    metadata: {
      name: 'orders',
      namespace: 'shop',
      uid: 'backup-uid',
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: createdTime,
      ...metadata,
    },
    spec: Neo4jBackupSpec.parse(aSpec(spec)),
    ...(status === undefined ? {} : { status }),
  };
}

/** What a pass sees of a resource that has all that it names, and of which nothing is under way. */
export function anObserved(overrides: Partial<Observed> = {}): Observed {
  return {
    now: new Date('2026-01-01T00:10:00Z'),
    backup: aBackup(),
    runs: [],
    inspections: [],
    upkeeps: [],
    orphaned: [],
    claimExists: true,
    service: 'present',
    ...overrides,
  };
}

interface JobOverrides {
  readonly metadata?: Partial<Job['metadata']>;
  readonly triggerID?: string;
  readonly conditions?: readonly JobCondition[];
}

/** A Job of `aBackup()`. Its uid is its name and `-uid`. */
export function aJob({ metadata, triggerID, conditions }: JobOverrides = {}): Job {
  const name = metadata?.name ?? 'orders-1';
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      namespace: 'shop',
      uid: `${name}-uid`,
      resourceVersion: '2',
      creationTimestamp: createdTime,
      labels: { [labels.managedBy]: managedBy, [labels.backupUID]: 'backup-uid' },
      annotations: {
        [annotations.requestedType]: 'Auto',
        ...(triggerID === undefined ? {} : { [annotations.triggerID]: triggerID }),
      },
      ownerReferences: [{ apiVersion: `${group}/${version}`, kind, name: 'orders', uid: 'backup-uid' }],
      ...metadata,
    },
    ...(conditions === undefined ? {} : { status: { conditions: [...conditions] } }),
  };
}

export const complete: JobCondition = {
  type: 'Complete',
  status: 'True',
  lastTransitionTime: '2026-01-01T00:05:00Z',
};

/** How a Job ends that did not succeed. */
export function jobFailed(reason: string, message?: string): JobCondition {
  return {
    type: 'Failed',
    status: 'True',
    reason,
    lastTransitionTime: '2026-01-01T00:05:00Z',
    ...(message === undefined ? {} : { message }),
  };
}

interface PodOverrides {
  readonly metadata?: Partial<Pod['metadata']>;
  readonly job?: string;
  readonly status?: PodStatus;
}

/** A Pod of the Job named, without containers that have ended. */
export function aPod({ metadata, job = 'orders-1', status }: PodOverrides = {}): Pod {
  const name = metadata?.name ?? `${job}-a`;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'shop',
      uid: `${name}-uid`,
      resourceVersion: '3',
      creationTimestamp: createdTime,
      labels: { [labels.managedBy]: managedBy, [labels.backupUID]: 'backup-uid' },
      ownerReferences: [
        { apiVersion: 'batch/v1', kind: 'Job', name: job, uid: `${job}-uid`, controller: true },
      ],
      ...metadata,
    },
    status: status ?? { phase: 'Running' },
  };
}

type Terminated = NonNullable<NonNullable<ContainerStatus['state']>['terminated']>;

export function ended(
  name: keyof typeof containers,
  exitCode: number,
  more: Partial<Terminated> = {},
): ContainerStatus {
  return { name: containers[name], state: { terminated: { exitCode, ...more } } };
}

export function aReport(overrides: Partial<RunReport> = {}): RunReport {
  return {
    schemaVersion: 1,
    run: 'orders-1',
    reason: 'FullBackupTaken',
    message: 'A full backup up to transaction 4711 was taken, read back and verified.',
    type: 'Full',
    path: 'orders/points/20260101T000000Z-00000000/20260101T000000Z-00000000',
    storeID: '1a2b-3c4d',
    lastTransactionID: '4711',
    sizeBytes: 1_000_000,
    completionTime: '2026-01-01T00:04:00.000Z',
    ...overrides,
  };
}

/** A report of a run that took nothing. */
export function aFailure(overrides: Partial<RunReport> = {}): RunReport {
  return {
    schemaVersion: 1,
    run: 'orders-1',
    reason: 'PortUnreachable',
    message: 'Nothing listens on 6362.',
    completionTime: '2026-01-01T00:04:00.000Z',
    ...overrides,
  };
}

export function aRun(overrides: Partial<RunStatus> = {}): RunStatus {
  return {
    id: 'orders-1',
    requestedType: 'Auto',
    type: 'Full',
    result: 'Succeeded',
    reason: 'FullBackupTaken',
    message: 'A full backup up to transaction 4711 was taken, read back and verified.',
    startTime: createdTime,
    completionTime: '2026-01-01T00:04:00.000Z',
    ...overrides,
  };
}
