import type { KubeConfig } from '@kubernetes/client-node';

/**
 * Reads where the API server is and who we are.
 *
 * With a path: from that kubeconfig file. Without: from the service account of the Pod we run in.
 *
 * @throws {Error} one sentence for people: no such file, no current context, or not in a cluster.
 */
export function loadKubeConfig(path?: string): KubeConfig {
  throw new Error(`to be filled in for ${path}`);
}
