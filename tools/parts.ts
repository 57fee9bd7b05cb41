// The programs that a Kubernetes node consists of, built from their pinned Go modules into the cache.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached, hashOf } from './cache.ts';
import { ensurePackages } from './debian.ts';
import { must } from './run.ts';
import type { Steps } from './steps.ts';

const folderOf = (module: string): string => join(import.meta.dirname, 'parts', module);

interface Recipe {
  /** The folder below `parts/` whose `go.mod` and `go.sum` pin the versions. */
  readonly module: string;
  /** What is built: a program of a dependency, or the module's own main package. */
  readonly source: string;
  readonly tags?: readonly string[];
  /** Debian packages for the C half; without them the program is built without C. */
  readonly cgo?: readonly string[];
}

const containerd = {
  module: 'containerd',
  tags: ['no_btrfs', 'no_devmapper', 'no_zfs', 'no_tracing'],
} as const;

const recipes = {
  etcd: { module: 'etcd', source: 'go.etcd.io/etcd/server/v3' },
  'kube-apiserver': { module: 'kubernetes', source: 'k8s.io/kubernetes/cmd/kube-apiserver' },
  kubectl: { module: 'kubernetes', source: 'k8s.io/kubernetes/cmd/kubectl' },
  'kube-controller-manager': {
    module: 'kubernetes',
    source: 'k8s.io/kubernetes/cmd/kube-controller-manager',
  },
  'kube-scheduler': { module: 'kubernetes', source: 'k8s.io/kubernetes/cmd/kube-scheduler' },
  kubelet: { module: 'kubernetes', source: 'k8s.io/kubernetes/cmd/kubelet' },
  'kube-proxy': { module: 'kubernetes', source: 'k8s.io/kubernetes/cmd/kube-proxy' },
  containerd: { ...containerd, source: 'github.com/containerd/containerd/v2/cmd/containerd' },
  'containerd-shim-runc-v2': {
    ...containerd,
    source: 'github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2',
  },
  ctr: { ...containerd, source: 'github.com/containerd/containerd/v2/cmd/ctr' },
  runc: {
    module: 'runc',
    source: 'github.com/opencontainers/runc',
    tags: ['seccomp'],
    cgo: ['gcc', 'libc6-dev', 'pkg-config', 'libseccomp-dev'],
  },
  coredns: { module: 'coredns', source: '.' },
  pause: { module: 'pause', source: '.' },
  helm: { module: 'helm', source: 'helm.sh/helm/v4/cmd/helm' },
  kubeconform: { module: 'kubeconform', source: 'github.com/yannh/kubeconform/cmd/kubeconform' },
  // Without the ways to find what to scrape: they are most of the program, and no rule needs one.
  promtool: {
    module: 'promtool',
    source: 'github.com/prometheus/prometheus/cmd/promtool',
    tags: ['remove_all_sd', 'netgo'],
  },
  'kube-apiserver-oldest': { module: 'kubernetes-oldest', source: 'k8s.io/kubernetes/cmd/kube-apiserver' },
  'gitops-verdicts': { module: 'gitops', source: '.' },
} as const satisfies Readonly<Record<string, Recipe>>;

export type PartName = keyof typeof recipes;

/** What an API server without a node needs: enough for everything that only talks to the API. */
const controlPlane = ['etcd', 'kube-apiserver', 'kubectl'] as const satisfies readonly PartName[];

/** What the tests of the chart run beside the control plane. */
const chartTools = ['helm', 'kubectl', 'kubeconform', 'promtool'] as const satisfies readonly PartName[];

/** What no node runs: the API server of the oldest Kubernetes that we support, the judgement of GitOps tools, and that of Prometheus. */
const apart = ['kube-apiserver-oldest', 'gitops-verdicts', 'promtool'] as const satisfies readonly PartName[];

/** The path of each program. */
export type Parts = Readonly<Record<Exclude<PartName, (typeof apart)[number]>, string>>;
export type ControlPlaneParts = Pick<Parts, (typeof controlPlane)[number]>;
type ChartParts = Readonly<Record<(typeof chartTools)[number], string>>;

/** Kubernetes refuses to work with components that do not know their version; it comes from what go.mod pins. */
function kubernetesVersion(module: string): readonly string[] {
  const pinned = /k8s\.io\/kubernetes (v(\d+)\.(\d+)\.\S+)/.exec(
    readFileSync(join(folderOf(module), 'go.mod'), 'utf8'),
  );
  if (!pinned) throw new Error(`parts/${module}/go.mod names no version of k8s.io/kubernetes`);
  const variables = { gitVersion: pinned[1], gitMajor: pinned[2], gitMinor: pinned[3] };
  return Object.entries(variables).map(
    ([name, value]) => `-X k8s.io/component-base/version.${name}=${value ?? ''}`,
  );
}

function linkerFlags({ module }: Recipe): string {
  return ['-s', '-w', ...(module.startsWith('kubernetes') ? kubernetesVersion(module) : [])].join(' ');
}

async function compile(recipe: Recipe, out: string): Promise<void> {
  const tags = recipe.tags ? ['-tags', recipe.tags.join(',')] : [];
  const flags = ['-mod=readonly', '-trimpath', '-buildvcs=false', ...tags, '-ldflags', linkerFlags(recipe)];
  await must(['go', 'build', ...flags, '-o', out, recipe.source], {
    cwd: folderOf(recipe.module),
    // The person's own Go settings must not decide what is built; where to download from stays theirs.
    env: { CGO_ENABLED: recipe.cgo ? '1' : '0', GOFLAGS: '', GOWORK: 'off', GOOS: 'linux', GOARCH: '' },
  });
}

async function build(name: PartName, which: string, steps: Steps): Promise<string> {
  const recipe: Recipe = recipes[name];
  const flags = [recipe.source, ...(recipe.tags ?? []), linkerFlags(recipe), process.arch];
  const folder = await cached(`part-${name}`, hashOf([folderOf(recipe.module)], flags), async (partial) => {
    if (recipe.cgo) await ensurePackages(recipe.cgo, steps);
    await steps.run(`building ${name} (${which})`, async () => compile(recipe, join(partial, name)));
  });
  return join(folder, name);
}

/** A program from `KUBEBUILDER_ASSETS`, the folder where tests of operators traditionally find a control plane. */
function provided(name: PartName): string | undefined {
  const assets = process.env['KUBEBUILDER_ASSETS'];
  if (!assets || !controlPlane.some((part) => part === name)) return undefined;
  const path = join(assets, name);
  return existsSync(path) ? path : undefined;
}

async function gather<Name extends PartName>(
  names: readonly Name[],
  steps: Steps,
): Promise<Readonly<Record<Name, string>>> {
  const paths: [Name, string][] = [];
  // One after the other: each build keeps every core busy.
  for (const [i, name] of names.entries()) {
    const which = `program ${i + 1} of ${names.length}`;
    paths.push([name, provided(name) ?? (await build(name, which, steps))]);
  }
  return Object.fromEntries(paths) as Record<Name, string>;
}

/**
 * Gives every program of the node, building what is neither in the cache nor in `KUBEBUILDER_ASSETS`.
 * From nothing that takes about a quarter of an hour on two cores.
 */
export async function parts(steps: Steps): Promise<Parts> {
  const names = (Object.keys(recipes) as PartName[]).filter((name) => !apart.some((other) => other === name));
  return gather(names as (keyof Parts)[], steps);
}

/** Gives etcd, kube-apiserver and kubectl alone. They are also the first that {@link parts} builds. */
export async function controlPlaneParts(steps: Steps): Promise<ControlPlaneParts> {
  return gather(controlPlane, steps);
}

/** The same with the API server of the oldest Kubernetes that we support, whatever `KUBEBUILDER_ASSETS` holds. */
export async function oldestControlPlaneParts(steps: Steps): Promise<ControlPlaneParts> {
  const { etcd, kubectl, ...made } = await gather(['etcd', 'kubectl', 'kube-apiserver-oldest'], steps);
  return { etcd, kubectl, 'kube-apiserver': made['kube-apiserver-oldest'] };
}

/** Gives the path of kube-controller-manager, of the version of the node. */
export async function controllerManagerPart(steps: Steps): Promise<string> {
  return (await gather(['kube-controller-manager'], steps))['kube-controller-manager'];
}

/** Gives the path of the program that judges objects as GitOps tools do. */
export async function gitopsPart(steps: Steps): Promise<string> {
  return (await gather(['gitops-verdicts'], steps))['gitops-verdicts'];
}

/** Gives helm, kubectl, kubeconform and promtool: what the tests of the chart need beside an API server. */
export async function chartParts(steps: Steps): Promise<ChartParts> {
  return gather(chartTools, steps);
}

/** Gives the path of helm. */
export async function helmPart(steps: Steps): Promise<string> {
  return (await gather(['helm'], steps)).helm;
}
