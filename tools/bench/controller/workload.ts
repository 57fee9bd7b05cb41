// What others do around the operator: servers and claims, Neo4jBackups and their triggers, and runs that end.
import { containers } from '../../../src/api/names.ts';
import { backups, jobs, pods, type Neo4jBackup } from '../../../src/backup/resources.ts';
import type { HttpKubeClient } from '../../../src/kube/http.ts';
import { keyOf, kubeObjectSchema, type KubeObject, type Resource } from '../../../src/kube/resource.ts';
import { formatReport } from '../../../src/run/report.ts';
import type { ControlPlane } from './control-plane.ts';
import type { Requests } from './requests.ts';
import { forEach } from './until.ts';

const namespacesPerBurst = 5;

/** As many calls at once as the client makes. */
const hands = 32;

export interface World {
  readonly plane: ControlPlane;
  readonly requests: Requests;
  /** An administrator, and one with the name and the limits of the operator's account. */
  readonly clients: Readonly<Record<'admin' | 'account', HttpKubeClient>>;
}

/** A Neo4jBackup as it is applied. */
export interface Wish {
  readonly namespace: string;
  readonly name: string;
  readonly spec: Readonly<Record<string, unknown>>;
}

function namespacesOf(burst: string): readonly string[] {
  return Array.from({ length: namespacesPerBurst }, (_, i) => `${burst}-${i}`);
}

/** Such wishes, spread over the namespaces of a burst. */
export function wishes(burst: string, count: number): readonly Wish[] {
  return Array.from({ length: count }, (_, i) => ({
    namespace: `${burst}-${i % namespacesPerBurst}`,
    name: `orders-${String(i).padStart(4, '0')}`,
    spec: {
      source: { serviceRef: { name: 'orders-neo4j' } },
      neo4j: { version: '3.4.18', acceptLicenseAgreement: true },
      destination: { persistentVolumeClaim: { claimName: 'backups' } },
    },
  }));
}

/** Makes the namespaces of a burst, each with a server behind its Service, and a claim for all: none waits for another. */
export async function makeNamespaces(plane: ControlPlane, burst: string): Promise<void> {
  const items = namespacesOf(burst).flatMap(objectsOf);
  await plane.kubectl(['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
}

function objectsOf(namespace: string): readonly unknown[] {
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'orders-neo4j', namespace },
      spec: { ports: [{ port: 6362 }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: 'orders-neo4j-1',
        namespace,
        labels: { 'kubernetes.io/service-name': 'orders-neo4j' },
      },
      addressType: 'IPv4',
      ports: [{ port: 6362 }],
      endpoints: [{ addresses: ['10.1.2.3'], conditions: { ready: true } }],
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'backups', namespace },
      spec: { accessModes: ['ReadWriteMany'], resources: { requests: { storage: '1Gi' } } },
    },
  ];
}

/** All at once. */
export async function apply(
  client: HttpKubeClient,
  all: readonly Wish[],
  onApplied: (backup: Neo4jBackup) => void = () => undefined,
): Promise<void> {
  await forEach(all, hands, async ({ namespace, name, spec }) =>
    onApplied(await client.create(backups, namespace, { metadata: { name }, spec })),
  );
}

/** Fields that nobody here reads must survive, or writing the object back would take them away. */
const wholeBackups: Resource = { ...backups, schema: kubeObjectSchema.loose() };

/** Asks each for another run, all at once. */
export async function trigger(client: HttpKubeClient, all: readonly Wish[], id: string): Promise<void> {
  await forEach(all, hands, async ({ namespace, name, spec }) => {
    const seen = await client.get(wholeBackups, { namespace, name });
    if (seen === undefined) throw new Error(`${namespace}/${name} is gone`);
    await client.replace(wholeBackups, { namespace, name }, { ...seen, spec: { ...spec, trigger: { id } } });
  });
}

type Kind = 'neo4jbackups' | 'jobs' | 'pods';

/** Takes away what stands in the namespaces of a burst. Nobody collects garbage here, so all kinds are named. */
export async function clear(
  plane: ControlPlane,
  burst: string,
  kinds: readonly Kind[] = ['neo4jbackups', 'jobs', 'pods'],
): Promise<void> {
  const groups = {
    neo4jbackups: `/apis/${backups.group}/${backups.version}`,
    jobs: '/apis/batch/v1',
    pods: '/api/v1',
  };
  for (const namespace of namespacesOf(burst))
    for (const kind of kinds) {
      const path = `${groups[kind]}/namespaces/${namespace}/${kind}?propagationPolicy=Background`;
      await plane.kubectl(['delete', '--raw', path]);
    }
}

/**
 * Plays the Job's controller and the kubelet for all Jobs that have not ended: each gets a Pod, which waits, runs, and
 * leaves the report of a full backup; then the Job is complete.
 */
export async function playEnds(client: HttpKubeClient, burst: string): Promise<void> {
  for (const namespace of namespacesOf(burst)) {
    const { items } = await client.list(jobs, { namespace });
    const active = items.filter(({ status }) => (status?.conditions ?? []).length === 0);
    await forEach(active, hands, async (job) => playEnd(client, job));
  }
}

/** Plays the collector of garbage: Pods whose Job is gone go too. */
export async function collectGarbage(client: HttpKubeClient, burst: string): Promise<void> {
  for (const namespace of namespacesOf(burst)) {
    const there = new Set((await client.list(jobs, { namespace })).items.map(({ metadata }) => metadata.uid));
    const { items } = await client.list(pods, { namespace });
    const orphans = items.filter(({ metadata }) =>
      metadata.ownerReferences?.every(({ uid }) => !there.has(uid)),
    );
    await forEach(orphans, hands, async (pod) => client.delete(pods, keyOf(pod), { uid: pod.metadata.uid }));
  }
}

interface Started {
  readonly job: KubeObject;
  readonly pod: KubeObject;
  readonly startTime: string;
}

/** The Job has a Pod, and the Pod runs. */
export async function playStart(client: HttpKubeClient, job: KubeObject): Promise<Started> {
  const { namespace, name } = keyOf(job);
  const startTime = seconds(new Date());
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name, uid: job.metadata.uid, controller: true };
  const pod = await client.create(pods, namespace, {
    metadata: { name: `${name}-a`, labels: job.metadata.labels, ownerReferences: [owner] },
    spec: {
      restartPolicy: 'Never',
      initContainers: [containers.prepare, containers.engine].map((part) => ({ name: part, image: 'none' })),
      containers: [{ name: containers.report, image: 'none' }],
    },
  });
  const running = await client.replaceStatus(pods, keyOf(pod), withStatus(pod, { phase: 'Running' }));
  const active = await client.replaceStatus(jobs, keyOf(job), withStatus(job, { startTime, active: 1 }));
  return { job: active, pod: running, startTime };
}

async function playEnd(client: HttpKubeClient, waiting: KubeObject): Promise<void> {
  const { name } = keyOf(waiting);
  const { job, pod, startTime } = await playStart(client, waiting);
  const terminated = { exitCode: 0, reason: 'Completed', message: reportOf(name) };
  const ended = { phase: 'Succeeded', containerStatuses: [statusOf(containers.report, { terminated })] };
  await client.replaceStatus(pods, keyOf(pod), withStatus(pod, ended));
  const completionTime = seconds(new Date());
  const conditions = ['SuccessCriteriaMet', 'Complete'].map((type) => ({ type, status: 'True' }));
  const complete = { startTime, completionTime, succeeded: 1, conditions };
  await client.replaceStatus(jobs, keyOf(job), withStatus(job, complete));
}

/** As Kubernetes writes an instant, and compares it with what it has. */
function seconds(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

/** With all of its metadata: what is left out is taken away. */
function withStatus({ metadata }: KubeObject, status: object): object {
  return { metadata, status };
}

function statusOf(name: string, state: object): object {
  return { name, image: 'none', imageID: 'none', ready: false, restartCount: 0, state };
}

function reportOf(run: string): string {
  return formatReport({
    schemaVersion: 1,
    run,
    reason: 'FullBackupTaken',
    message: 'A full backup up to transaction 4711 was taken, read back and verified.',
    type: 'Full',
    path: `${run.slice(0, 40)}/points/20260101T000000Z-00000000/20260101T000000Z-00000000`,
    storeID: '1a2b-3c4d',
    lastTransactionID: '4711',
    sizeBytes: 1_000_000,
    completionTime: new Date().toISOString(),
  });
}
