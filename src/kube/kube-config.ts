import { KubeConfig } from '@kubernetes/client-node';

/**
 * Reads where the API server is and who we are.
 *
 * With a path: from that kubeconfig file. Without: from the service account of the Pod we run in. There is no default
 * beyond these two, so a wrong path can never end at another cluster.
 *
 * @throws {Error} one sentence for people: no such file, no current context, or not in a cluster.
 */
export function loadKubeConfig(path?: string): KubeConfig {
  const kubeConfig = new KubeConfig();
  if (path === undefined) loadServiceAccount(kubeConfig);
  else loadFile(kubeConfig, path);
  return kubeConfig;
}

function loadFile(kubeConfig: KubeConfig, path: string): void {
  try {
    kubeConfig.loadFromFile(path);
  } catch (error) {
    throw new Error(`cannot read the kubeconfig ${path}: ${messageOf(error)}`, { cause: error });
  }
  const name = kubeConfig.getCurrentContext() ?? '';
  if (name === '') throw new Error(`the kubeconfig ${path} has no current-context`);
  const context = kubeConfig.getContextObject(name);
  if (context === null) throw new Error(`the kubeconfig ${path} has no context "${name}"`);
  const cluster = kubeConfig.getCluster(context.cluster);
  if (cluster === null) throw new Error(`the kubeconfig ${path} has no cluster "${context.cluster}"`);
  if (kubeConfig.getUser(context.user) === null) {
    throw new Error(`the kubeconfig ${path} has no user "${context.user}"`);
  }
  if (!URL.canParse(cluster.server)) {
    throw new Error(`the kubeconfig ${path} has no usable server for the cluster "${context.cluster}"`);
  }
}

/** Outside of a cluster client-node makes up the address `https://undefined:undefined`, which is no URL. */
function loadServiceAccount(kubeConfig: KubeConfig): void {
  kubeConfig.loadFromCluster();
  const server = kubeConfig.getCurrentCluster()?.server ?? '';
  if (!URL.canParse(server)) {
    throw new Error(
      'not in a Kubernetes cluster, and no kubeconfig was named: there is no API server to talk to',
    );
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
