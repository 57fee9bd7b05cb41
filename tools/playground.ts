// What the demo and the end-to-end tests stand on: a real cluster, our images, the operator's chart installed, manifests to apply.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { chartFolder } from './chart.ts';
import { helmHome } from './deploy.ts';
import { startCluster, type Cluster } from './cluster/cluster.ts';
import type { EngineVersion } from './engines.ts';
import { neo4jServerImage, neo4jToolsImage, operatorImage, type Image } from './images.ts';
import { helmPart } from './parts.ts';
import { must } from './run.ts';
import type { Steps } from './steps.ts';

const root = dirname(import.meta.dirname);

/** A manifest, as loosely as YAML is. */
export type Manifest = Readonly<Record<string, unknown>>;

export interface Playground {
  readonly cluster: Cluster;
  /** The namespace that enforces the restricted profile. */
  readonly namespace: string;
  /** Runs kubectl in the namespace; throws what it says when it fails. */
  kubectl(args: readonly string[], input?: string): Promise<string>;
  /** Runs helm, in the operator's namespace unless told otherwise; throws what it says when it fails. */
  helm(args: readonly string[], inNamespace?: string): Promise<string>;
  apply(...manifests: readonly Manifest[]): Promise<void>;
  /** An object as JSON; undefined when there is none of that name. */
  get(kind: string, name: string): Promise<Manifest | undefined>;
  /** Looks until the test gives something, and gives that. @throws Error that names `what`, with the last state, when it takes too long */
  until<T>(what: string, look: () => Promise<T | undefined>, withinSeconds?: number): Promise<T>;
  /** Folder on this machine of the volume that is bound to a claim. */
  volumeOf(claim: string): Promise<string>;
  /** Has so many operators at work, and waits until they are ready, or gone. */
  scaleOperator(replicas: number): Promise<void>;
  /** What the operators that are there have logged. */
  operatorLog(): Promise<string>;
  stop(): Promise<void>;
}

/** The release, and the namespace it is installed into. */
export const release = { name: 'neo4j-backup-operator', namespace: 'backup-system' } as const;

/** As whom the operator asks the API server. */
export const operatorAccount = `system:serviceaccount:${release.namespace}:${release.name}`;

/** What makes the chart install the image that is built here. */
export const imageValues: readonly string[] = [
  '--set=image.repository=localhost/neo4j-backup-operator',
  '--set=image.tag=dev',
];

/** The text of a file of tools/demo. */
export function demoText(name: string): string {
  return readFileSync(join(root, 'tools/demo', name), 'utf8').trim();
}

export function parseManifests(text: string): readonly Manifest[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

/** The manifests of a file of tools/demo. */
export function demoManifests(name: string): readonly Manifest[] {
  return parseManifests(demoText(name));
}

interface PlaygroundOptions {
  /** Arguments for helm: what the chart is told beyond the image. */
  readonly values?: readonly string[];
  /** Whose servers and tools the node gets the images of. */
  readonly versions?: readonly EngineVersion[];
}

/** How many steps {@link startPlayground} takes. */
export const playgroundSteps = 4;

/** Builds what is missing, starts a cluster with the images in it, and installs the operator by its chart. */
export async function startPlayground(
  name: string,
  steps: Steps,
  { values = [], versions = ['3.4.18'] }: PlaygroundOptions = {},
): Promise<Playground> {
  const images = await steps.run('the images: Neo4j, its backup tool, and ours', () =>
    buildImages(versions, steps),
  );
  const [cluster, helm] = await steps.run('a Kubernetes node: its programs, then the node', async () => {
    const program = await helmPart(steps);
    return [await startCluster({ name, steps }), program] as const;
  });
  const playground = playgroundOn(cluster, helm);
  try {
    await steps.run('giving the node its images', async () => {
      for (const image of images) await cluster.importImage(image.archive);
    });
    await steps.run('installing the operator with Helm', async () => {
      for (const namespace of [release.namespace, playground.namespace])
        await playground.apply({
          apiVersion: 'v1',
          kind: 'Namespace',
          metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
        });
      await playground.helm(['install', release.name, chartFolder, ...imageValues, ...values, ...waiting]);
    });
    return playground;
  } catch (error) {
    await playground.stop();
    throw error;
  }
}

/** Until all is ready: what `helm install --wait` promises. */
const waiting: readonly string[] = ['--wait', '--timeout=3m'];

async function buildImages(versions: readonly EngineVersion[], steps: Steps): Promise<readonly Image[]> {
  const images: Image[] = [await operatorImage(steps)];
  for (const version of versions)
    images.push(await neo4jServerImage(steps, version), await neo4jToolsImage(steps, version));
  return images;
}

function playgroundOn(cluster: Cluster, helmProgram: string): Playground {
  const namespace = 'shop';

  async function kubectl(args: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await cluster.kubectl(['-n', namespace, ...args], input);
    if (code !== 0) throw new Error(stderr.trim());
    return stdout;
  }

  return {
    cluster,
    namespace,
    kubectl,
    async helm(args, inNamespace = release.namespace) {
      const place = [`--kubeconfig=${cluster.kubeconfig}`, `--namespace=${inNamespace}`];
      return must(cluster.inside([helmProgram, ...args, ...place]), {
        env: helmHome(join(cluster.folder, 'helm')),
      });
    },
    async apply(...manifests) {
      const text = manifests.map((manifest) => JSON.stringify(manifest)).join('\n---\n');
      await kubectl(['apply', '--server-side', '-f', '-'], text);
    },
    async get(kind, name) {
      const text = await kubectl(['get', kind, name, '--ignore-not-found', '-o', 'json']);
      return text === '' ? undefined : (parse(text) as Manifest);
    },
    async until(what, look, withinSeconds = 90) {
      const deadline = performance.now() + withinSeconds * 1000;
      for (;;) {
        const found = await look();
        if (found !== undefined) return found;
        if (performance.now() > deadline)
          throw new Error(`no ${what} within ${withinSeconds} s${await state(kubectl)}`);
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    },
    async volumeOf(claim) {
      const volume = await kubectl(['get', 'pvc', claim, '-o', 'jsonpath={.spec.volumeName}']);
      return cluster.volumePath(volume);
    },
    async scaleOperator(replicas) {
      const deployment = `deployment/${release.name}`;
      const inNamespace = `--namespace=${release.namespace}`;
      await kubectl(['scale', deployment, `--replicas=${replicas}`, inNamespace]);
      await kubectl(['rollout', 'status', deployment, '--timeout=60s', inNamespace]);
      if (replicas === 0)
        await kubectl(['wait', '--for=delete', 'pods', ...operatorPods, '--timeout=60s', inNamespace]);
    },
    operatorLog: () =>
      kubectl(['logs', ...operatorPods, '--prefix', '--tail=-1', `--namespace=${release.namespace}`]),
    async stop() {
      await cluster.stop();
    },
  };
}

const operatorPods: readonly string[] = ['-l', `app.kubernetes.io/instance=${release.name}`];

/** What a person would look at first when something did not come. */
async function state(kubectl: Playground['kubectl']): Promise<string> {
  const looks = [
    ['get', 'neo4jbackups,jobs,pods,pvc'],
    ['get', 'neo4jbackups', '-o', 'yaml'],
    ['get', 'events'],
  ];
  const shown = await Promise.all(looks.map((args) => kubectl(args).catch(String)));
  return `:\n${shown.join('\n')}`;
}
