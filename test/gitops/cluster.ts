// A namespace of its own on the API server of the suite, with our kind in it.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { inject } from 'vitest';
import type { Neo4jBackupStatus } from '../../src/api/neo4jbackup.ts';
import { backups, type Neo4jBackup } from '../../src/backup/resources.ts';
import { kubeClient, type HttpKubeClient } from '../../src/kube/http.ts';
import { loadKubeConfig } from '../../src/kube/kube-config.ts';
import { must, output, type Output } from '../../tools/run.ts';

/** An object as the server stores it, before our schema reads it. */
export interface Stored {
  readonly metadata: {
    readonly resourceVersion: string;
    readonly generation: number;
    readonly managedFields: readonly { readonly manager: string; readonly subresource?: string }[];
  };
  readonly spec: unknown;
}

export class GitopsCluster {
  readonly namespace: string;
  readonly #client: HttpKubeClient;

  constructor(namespace: string) {
    this.namespace = namespace;
    this.#client = kubeClient({
      kubeConfig: loadKubeConfig(inject('kubeconfig')),
      userAgent: 'neo4j-backup-operator',
    });
  }

  kubectl(args: readonly string[], input = ''): Promise<Output> {
    return output(this.#command(args), { input });
  }

  /** @throws Error when kubectl fails, with what it said */
  must(args: readonly string[], input = ''): Promise<string> {
    return must(this.#command(args), { input });
  }

  async stored(name: string): Promise<Stored> {
    const args = ['get', 'neo4jbackups.neo4j-backup.dev', name, '-o', 'json', '--show-managed-fields'];
    return JSON.parse(await this.must(args)) as Stored;
  }

  /** As the operator writes it. */
  async writeStatus(name: string, status: Neo4jBackupStatus): Promise<Neo4jBackup> {
    const key = { namespace: this.namespace, name };
    const backup = await this.#client.get(backups, key);
    if (backup === undefined) throw new Error(`there is no Neo4jBackup ${name}`);
    const { apiVersion, kind, metadata } = backup;
    return this.#client.replaceStatus(backups, key, { apiVersion, kind, metadata, status });
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  #command(args: readonly string[]): readonly string[] {
    return [inject('kubectl'), '--kubeconfig', inject('kubeconfig'), '--namespace', this.namespace, ...args];
  }
}

export async function gitopsCluster(): Promise<GitopsCluster> {
  const cluster = new GitopsCluster(`gitops-${randomBytes(4).toString('hex')}`);
  const crds = join(import.meta.dirname, '../../crds');
  await cluster.must(['apply', '--server-side', '-f', crds]);
  const name = 'crd/neo4jbackups.neo4j-backup.dev';
  await cluster.must(['wait', '--for=condition=Established', name, '--timeout=30s']);
  await cluster.must(['create', 'namespace', cluster.namespace]);
  return cluster;
}
