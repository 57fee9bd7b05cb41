// What the demo and the end-to-end tests stand on: a real cluster, our images, the operator, and manifests to apply.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { bundle, bundleFolder } from './bundle.ts';
import { startCluster, type Cluster } from './cluster/cluster.ts';
import { neo4jServerImage, neo4jToolsImage, operatorImage, type Image } from './images.ts';
import { companion, type Companion } from './run.ts';
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
  apply(...manifests: readonly Manifest[]): Promise<void>;
  /** An object as JSON; undefined when there is none of that name. */
  get(kind: string, name: string): Promise<Manifest | undefined>;
  /** Looks until the test gives something, and gives that. @throws Error that names `what`, with the last state, when it takes too long */
  until<T>(what: string, look: () => Promise<T | undefined>, withinSeconds?: number): Promise<T>;
  /** Folder on this machine of the volume that is bound to a claim. */
  volumeOf(claim: string): Promise<string>;
  startOperator(): void;
  stopOperator(): Promise<void>;
  /** What the operator has logged. */
  operatorLog(): string;
  stop(): Promise<void>;
}

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

/** How many steps {@link startPlayground} takes. */
export const playgroundSteps = 4;

/** Builds what is missing, starts a cluster with the images and the CRD in it, and the operator's bundle beside it. */
export async function startPlayground(
  name: string,
  steps: Steps,
  operatorFlags: readonly string[] = [],
): Promise<Playground> {
  const images = await steps.run('the images: Neo4j, its backup tool, and ours', () => buildImages(steps));
  const cluster = await steps.run('a Kubernetes node: its programs, then the node', () =>
    startCluster({ name, steps }),
  );
  const flags = ['--agent-image', images.operator.ref, '--log-level', 'debug', ...operatorFlags];
  const playground = playgroundOn(cluster, flags);
  try {
    await steps.run('giving the node its images', async () => {
      for (const image of Object.values(images)) await cluster.importImage(image.archive);
    });
    await steps.run('installing the CRD and starting the operator', async () => {
      await playground.kubectl(['apply', '--server-side', '-f', join(root, 'crds')]);
      await playground.kubectl(['wait', '--for=condition=Established', 'crd/neo4jbackups.neo4j-backup.dev']);
      await playground.kubectl(['create', 'namespace', playground.namespace]);
      await playground.kubectl([
        'label',
        'namespace',
        playground.namespace,
        'pod-security.kubernetes.io/enforce=restricted',
      ]);
      playground.startOperator();
    });
    return playground;
  } catch (error) {
    await playground.stop();
    throw error;
  }
}

async function buildImages(steps: Steps): Promise<Readonly<Record<'server' | 'tools' | 'operator', Image>>> {
  await bundle(['main', 'agent']);
  return {
    server: await neo4jServerImage(steps),
    tools: await neo4jToolsImage(steps),
    operator: await operatorImage(steps),
  };
}

function playgroundOn(cluster: Cluster, operatorFlags: readonly string[]): Playground {
  const namespace = 'shop';
  const logFile = join(cluster.folder, 'operator.log');
  let operator: Companion | undefined;

  async function kubectl(args: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await cluster.kubectl(['-n', namespace, ...args], input);
    if (code !== 0) throw new Error(stderr.trim());
    return stdout;
  }

  async function stopOperator(): Promise<void> {
    await operator?.stop();
    operator = undefined;
  }

  return {
    cluster,
    namespace,
    kubectl,
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
    startOperator() {
      const program = [process.execPath, join(bundleFolder, 'main.mjs')];
      const flags = ['--kubeconfig', cluster.kubeconfig, ...operatorFlags];
      operator = companion([...program, ...flags], { log: logFile, inside: (bare) => cluster.inside(bare) });
    },
    stopOperator,
    operatorLog: () => readFileSync(logFile, 'utf8'),
    async stop() {
      await stopOperator();
      await cluster.stop();
    },
  };
}

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
