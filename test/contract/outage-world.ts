// What the stories of an API server that fails have in common: the operator as a process, and everybody else but it.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import * as z from 'zod';
import { backups } from '../../src/backup/resources.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { isKubeError } from '../../src/kube/errors.ts';
import { keyOf, kubeObjectSchema, type KubeObject, type Resource } from '../../src/kube/resource.ts';
import { formatReport } from '../../src/run/report.ts';
import { aReport, aSpec, ended } from '../support/builders.ts';

/** An object as it is, so that it can be sent back. */
const whole = kubeObjectSchema
  .extend({ metadata: z.looseObject(kubeObjectSchema.shape.metadata.shape) })
  .loose();

function core(plural: string, kind: string, group = ''): Resource<KubeObject & { status?: unknown }> {
  return { group, version: 'v1', plural, kind, schema: whole };
}

const jobs = core('jobs', 'Job', 'batch');
const pods = core('pods', 'Pod');

/** The triggers of each resource, one after the other. */
const triggers = ['first', 'second'] as const;

/** An operator as a process, with the kubelet's care: one that ends without being told is started anew. */
export class Operator {
  readonly #args: readonly string[];
  readonly #name: string;
  #child: ChildProcess;
  #stopping: Promise<number | string> | undefined;
  /** How each process ended that was not told to: exit code, or signal. */
  readonly ends: (number | string)[] = [];

  constructor(name: string, args: readonly string[]) {
    this.#name = name;
    this.#args = [join(import.meta.dirname, '../../src/main.ts'), '--agent-image=agent:1', ...args];
    this.#child = this.#spawn();
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Tells it to end. Stopping twice is fine. @returns its exit code, or the signal it ended by */
  stop(): Promise<number | string> {
    this.#stopping ??= once(this.#child, 'exit').then(endOf);
    this.#child.kill('SIGTERM');
    return this.#stopping;
  }

  #spawn(): ChildProcess {
    const env = { ...process.env, HOSTNAME: this.#name };
    const command = ['--pdeathsig', 'KILL', process.execPath, ...this.#args]; // it must not outlive the test
    const child = spawn('setpriv', command, { env, stdio: ['ignore', 'ignore', 'inherit'] });
    child.once('exit', (...how) => {
      if (this.#stopping !== undefined) return;
      this.ends.push(endOf(how));
      this.#child = this.#spawn();
    });
    return child;
  }
}

/** What an `exit` event tells. */
function endOf([code, signal]: readonly unknown[]): number | string {
  return (code ?? signal) as number | string;
}

/**
 * Every Job that came into being in a namespace, by what etcd stored: no outage of the API server can hide one.
 *
 * @returns the name of each, again when one of that name is made again; it grows until the signal aborts
 */
export async function followJobs(
  etcd: string,
  namespace: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const made: string[] = [];
  const prefix = `/registry/jobs/${namespace}/`;
  const encode = (text: string): string => Buffer.from(text).toString('base64');
  // `0` is what follows `/`: the range holds all keys that begin with the prefix.
  const range = { key: encode(prefix), range_end: encode(prefix.replace(/\/$/, '0')) };
  const body = JSON.stringify({ create_request: range });
  const response = await fetch(`${etcd}/v3/watch`, { method: 'POST', body, signal });
  if (response.body === null) throw new Error('etcd tells nothing');
  const lines = response.body.pipeThrough(new TextDecoderStream());
  void readChanges(lines, (key) => made.push(key.slice(prefix.length))).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  return made;
}

const changes = z.object({
  result: z.object({
    events: z
      .array(
        z.object({
          type: z.string().optional(),
          kv: z.object({ key: z.string(), version: z.string().optional() }),
        }),
      )
      .default([]),
  }),
});

async function readChanges(chunks: AsyncIterable<string>, onMade: (key: string) => void): Promise<void> {
  let held = '';
  for await (const chunk of chunks) {
    const lines = (held + chunk).split('\n');
    held = lines.pop() ?? '';
    lines.flatMap(keysMade).forEach(onMade);
  }
}

/** What is not deleted, and of its first version, has just been made. */
function keysMade(line: string): readonly string[] {
  return changes
    .parse(JSON.parse(line))
    .result.events.filter(({ type, kv }) => type === undefined && kv.version === '1')
    .map(({ kv }) => Buffer.from(kv.key, 'base64').toString());
}

/** A namespace with a server, a claim, and so many wishes to back it up. */
export async function furnish(client: KubeClient, namespace: string, count: number): Promise<void> {
  await client.create(core('services', 'Service'), namespace, {
    metadata: { name: 'orders-neo4j' },
    spec: { ports: [{ port: 6362 }] },
  });
  await client.create(core('endpointslices', 'EndpointSlice', 'discovery.k8s.io'), namespace, {
    metadata: { name: 'orders-neo4j-1', labels: { 'kubernetes.io/service-name': 'orders-neo4j' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.1.0.1'], conditions: { ready: true } }],
    ports: [{ port: 6362 }],
  });
  await client.create(core('persistentvolumeclaims', 'PersistentVolumeClaim'), namespace, {
    metadata: { name: 'backups' },
    // For many: else only one of the resources would have a Job at a time.
    spec: { accessModes: ['ReadWriteMany'], resources: { requests: { storage: '1Gi' } } },
  });
  const spec = aSpec({ trigger: { id: triggers[0] } });
  const made = Array.from({ length: count }, (_, i) =>
    client.create(backups, namespace, { metadata: { name: `b${i}` }, spec }),
  );
  await Promise.all(made);
}

/** Everybody else: Jobs run and end well, and whoever has a backup wants the next one. Goes on whatever fails. */
export async function play(client: KubeClient, namespace: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const { items } = await client.list(jobs, { namespace, signal });
      await Promise.all(items.filter((job) => !isOver(job)).map((job) => finish(client, job, signal)));
      await wishAgain(client, namespace, signal);
    } catch (error) {
      if (!signal.aborted && !isKubeError(error)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function isOver({ status }: { readonly status?: unknown }): boolean {
  return JSON.stringify(status ?? {}).includes('Complete');
}

async function finish(client: KubeClient, job: KubeObject, signal: AbortSignal): Promise<void> {
  const { name, uid, labels } = job.metadata;
  const { namespace } = keyOf(job);
  const key = { namespace, name: `${name}-a` };
  const ownerReferences = [{ apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true }];
  const spec = { restartPolicy: 'Never', containers: [{ name: 'report', image: 'agent:1' }] };
  const metadata = { name: key.name, labels, ownerReferences };
  const pod =
    (await client.get(pods, key, { signal })) ??
    (await client.create(pods, namespace, { metadata, spec }, { signal }));
  const message = formatReport(aReport({ run: name }));
  const containerStatuses = [
    { ...ended('report', 0, { message }), image: 'agent:1', imageID: '', ready: false, restartCount: 0 },
  ];
  await client.replaceStatus(
    pods,
    key,
    { ...pod, status: { phase: 'Succeeded', containerStatuses } },
    { signal },
  );
  const time = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const conditions = ['SuccessCriteriaMet', 'Complete'].map((type) => ({
    type,
    status: 'True',
    lastProbeTime: time,
    lastTransitionTime: time,
  }));
  const status = { startTime: time, completionTime: time, succeeded: 1, conditions };
  await client.replaceStatus(jobs, keyOf(job), { ...job, status }, { signal });
}

/** Sets the next trigger of each resource whose last one has led to a backup. */
async function wishAgain(client: KubeClient, namespace: string, signal: AbortSignal): Promise<void> {
  const { items } = await client.list(backups, { namespace, signal });
  const wishes = items.map(async (backup) => {
    const next = triggers[triggers.findIndex((id) => id === backup.status?.lastRun?.triggerID) + 1];
    if (next === undefined || next === backup.spec.trigger?.id) return;
    const spec = aSpec({ trigger: { id: next } });
    await client.replace(backups, keyOf(backup), { ...backup, spec }, { signal });
  });
  await Promise.all(wishes);
}

/** How the runs of each resource ended, oldest first, as `first Succeeded, second Succeeded`. */
export async function endsOf(client: KubeClient, namespace: string): Promise<readonly string[]> {
  const { items } = await client.list(backups, { namespace });
  return items.map(({ status }) =>
    (status?.history ?? [])
      .toReversed()
      .map(({ triggerID, result }) => `${triggerID} ${result}`)
      .join(', '),
  );
}

/** The name of every run that status tells of. */
export async function runsOf(client: KubeClient, namespace: string): Promise<readonly string[]> {
  const { items } = await client.list(backups, { namespace });
  return items.flatMap(({ status }) => (status?.history ?? []).map(({ id }) => id));
}
