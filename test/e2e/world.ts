// What every story of this suite works with: the cluster, what is applied to it, and what is seen of it.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Neo4jBackupStatus, RunStatus } from '../../src/api/neo4jbackup.ts';
import { countNodes, engine, type EngineVersion } from '../../tools/engines.ts';
import { greedyImage, imageVersions, spillingImage } from '../../tools/images.ts';
import { demoManifests, startPlayground, type Manifest, type Playground } from '../../tools/playground.ts';
import { steps } from '../../tools/steps.ts';

const progress = steps();
let started: Playground | undefined;

/** The cluster of this suite, with the operator in it. */
export function on(): Playground {
  if (started === undefined) throw new Error('the cluster is not up');
  return started;
}

/**
 * What the chart is told: a host that tests name, that images come from nowhere else than here, and that one server serves several
 * stories at once, of which some are about runs that never start.
 */
export const values = [
  '--set=allowedHosts={nowhere.invalid}',
  '--set=allowedImages={localhost/**}',
  '--set=limits.runningBackupsPerServer=0',
];

export async function startWorld(): Promise<void> {
  started = await startPlayground('e2e', progress, {
    values: [...values, '--set=logLevel=debug'],
    versions: imageVersions,
  });
  for (const image of [greedyImage, spillingImage])
    await started.cluster.importImage((await image(progress)).archive);
  await started.apply(...demoManifests('neo4j.yaml'));
  for (const claim of ['backups', 'failures']) await started.apply(aClaim(claim));
  await rolledOut('orders-neo4j');
}

export async function endWorld(): Promise<void> {
  await started?.stop();
}

// --- what is applied

export interface Spec {
  readonly [field: string]: unknown;
}

export function aBackup(name: string, spec: Spec = {}, claim = 'backups'): Manifest {
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

export function aClaim(name: string, spec: Spec = {}): Manifest {
  const [claim] = demoManifests('claim.yaml');
  const { spec: usual } = claim as { readonly spec: Spec };
  return { ...claim, metadata: { name }, spec: { ...usual, ...spec } };
}

interface ServerOptions {
  readonly args?: readonly string[];
  readonly version?: EngineVersion;
}

/** The demo's server and its Service under another name, with other arguments, of another version. */
export function aServer(name: string, { args, version = '3.4.18' }: ServerOptions = {}): readonly Manifest[] {
  const text = JSON.stringify(demoManifests('neo4j.yaml'))
    .replaceAll('orders-neo4j', name)
    .replace('localhost/neo4j-server:3.4.18', `localhost/neo4j-server:${version}`)
    .replace(/"args":\[[^\]]*\]/, (usual) => (args === undefined ? usual : `"args":${JSON.stringify(args)}`));
  return JSON.parse(text) as readonly Manifest[];
}

/** A Pod that runs a line of JavaScript, in the one image that has Node. */
export function aPod(name: string, program: string, labels: Readonly<Record<string, string>> = {}): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name, ...labels } },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'main',
          image: 'localhost/neo4j-backup-operator:dev',
          imagePullPolicy: 'IfNotPresent',
          command: ['node', '-e', `process.on("SIGTERM",()=>process.exit(0));${program}`],
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
    },
  };
}

export function aService(name: string, spec: Spec = {}): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { selector: { app: name }, ports: [{ port: 6362 }], ...spec },
  };
}

export async function rolledOut(deployment: string): Promise<void> {
  await on().kubectl(['rollout', 'status', `deployment/${deployment}`, '--timeout=300s']);
}

export async function trigger(name: string, id: string, type = 'Auto'): Promise<void> {
  await edit(name, { trigger: { id, type } });
}

/** Changes fields of the spec. */
export async function edit(name: string, spec: Spec): Promise<void> {
  await on().kubectl(['patch', 'neo4jbackup', name, '--type=merge', '-p', JSON.stringify({ spec })]);
}

// --- what is seen

export async function statusOf(name: string): Promise<Neo4jBackupStatus> {
  const object = (await on().get('neo4jbackup', name)) as { readonly status?: Neo4jBackupStatus } | undefined;
  return object?.status ?? {};
}

/** The status, once this holds of it. */
export function statusWhere(
  name: string,
  what: string,
  holds: (status: Neo4jBackupStatus) => boolean,
  seconds = 180,
): Promise<Neo4jBackupStatus> {
  const look = async (): Promise<Neo4jBackupStatus | undefined> => {
    const status = await statusOf(name);
    return holds(status) ? status : undefined;
  };
  return on().until(`${what} of ${name}`, look, seconds);
}

/** The end of a run: of the first one, or of the one that a trigger started. */
export function runEnds(name: string, triggerID?: string): Promise<RunStatus> {
  const look = async (): Promise<RunStatus | undefined> => {
    const { lastRun } = await statusOf(name);
    return lastRun?.triggerID === triggerID ? lastRun : undefined;
  };
  return on().until(`end of the run of ${name}`, look, 240);
}

/** A run is under way, with its Job. @returns the name of both */
export function runBegins(name: string, triggerID?: string): Promise<string> {
  const look = async (): Promise<string | undefined> => {
    const { currentRun } = await statusOf(name);
    return currentRun !== undefined && currentRun.triggerID === triggerID ? currentRun.id : undefined;
  };
  return on().until(`start of the run of ${name}`, look, 120);
}

export function becomes(name: string, type: string, reason: string): Promise<Neo4jBackupStatus> {
  const look = async (): Promise<Neo4jBackupStatus | undefined> => {
    const status = await statusOf(name);
    return status.conditions?.some((c) => c.type === type && c.reason === reason) ? status : undefined;
  };
  return on().until(`condition ${type} of ${name} with the reason ${reason}`, look, 120);
}

/** The status of each condition, in this order: Ready, Reconciling, Stalled, LastRunSucceeded. */
export function conditionsOf({ conditions }: Neo4jBackupStatus): readonly string[] {
  return ['Ready', 'Reconciling', 'Stalled', 'LastRunSucceeded'].map(
    (type) => conditions?.find((c) => c.type === type)?.status ?? 'absent',
  );
}

export function messageOf({ conditions }: Neo4jBackupStatus, type: string): string {
  return conditions?.find((c) => c.type === type)?.message ?? '';
}

export async function jobsOf(name: string): Promise<number> {
  const names = await on().kubectl(['get', 'jobs', '-l', `neo4j-backup.dev/backup=${name}`, '-o', 'name']);
  return names.split('\n').filter((line) => line !== '').length;
}

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** Every file below a folder with the hash of its content. */
export function fingerprint(folder: string): ReadonlyMap<string, string> {
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

/** Opens the backup with a kernel of its own version, and counts. */
export async function nodesIn(
  claim: string,
  { path = '' }: RunStatus,
  version: EngineVersion = '3.4.18',
): Promise<number> {
  return countNodes(await engine(version, progress), join(await on().volumeOf(claim), path, 'data'));
}
