// Releases on the API server: how they come and go, and what is there meanwhile.
import { group, plural } from '../../src/api/names.ts';
import { chartFolder } from '../../tools/chart.ts';
import type { Output } from '../../tools/run.ts';
import { helm, mustKubectl, type Manifest, type Values } from './helm.ts';

export const crd = `customresourcedefinition/${plural}.${group}`;
export const backups = `${plural}.${group}`;

export async function install(
  name: string,
  namespace: string,
  values: Values = {},
  chart = chartFolder,
): Promise<Output> {
  return helm(
    ['upgrade', '--install', name, chart, '--namespace', namespace, '--create-namespace', '--values', '-'],
    {
      input: JSON.stringify(values),
    },
  );
}

export async function mustInstall(
  name: string,
  namespace: string,
  values: Values = {},
  chart = chartFolder,
): Promise<void> {
  const { code, stderr } = await install(name, namespace, values, chart);
  if (code !== 0) throw new Error(stderr);
}

export async function uninstall(name: string, namespace: string): Promise<void> {
  const { code, stderr } = await helm(['uninstall', name, '--namespace', namespace]);
  if (code !== 0) throw new Error(stderr);
}

export async function find(what: string, namespace = 'default'): Promise<Manifest | undefined> {
  const text = await mustKubectl([
    'get',
    what,
    '--namespace',
    namespace,
    '--ignore-not-found',
    '--output=json',
  ]);
  return text === '' ? undefined : (JSON.parse(text) as Manifest);
}

/** Every object that an installation can make, but CRD and Namespaces, as `kind/name`. */
export async function installed(instance: string): Promise<readonly string[]> {
  const kinds =
    'deployment,serviceaccount,role,rolebinding,clusterrole,clusterrolebinding,networkpolicy,poddisruptionbudget,secret';
  const selectors = [`app.kubernetes.io/instance=${instance}`, `owner=helm,name=${instance}`];
  const found = await Promise.all(
    selectors.map((selector) =>
      mustKubectl(['get', kinds, '--all-namespaces', '--output=name', '--selector', selector]),
    ),
  );
  return found.flatMap((names) => names.split('\n').filter((name) => name !== ''));
}

export async function createBackup(namespace: string): Promise<string> {
  const spec = {
    source: { serviceRef: { name: 'orders-neo4j' } },
    neo4j: { version: '3.4.18', acceptLicenseAgreement: true },
    destination: { persistentVolumeClaim: { claimName: 'backups' } },
  };
  const metadata = { name: 'orders', namespace };
  const made = await mustKubectl(
    ['create', '--output=json', '-f', '-'],
    JSON.stringify({ apiVersion: 'neo4j-backup.dev/v1alpha1', kind: 'Neo4jBackup', metadata, spec }),
  );
  return uidOf(JSON.parse(made) as Manifest);
}

export function uidOf(object: Manifest | undefined): string {
  return String((object?.metadata as { readonly uid?: string } | undefined)?.uid);
}

/** Leaves no release, no Neo4jBackup and no definition of it, whatever a test has left. */
export async function cleanUp(): Promise<void> {
  const { stdout } = await helm(['list', '--all-namespaces', '--output', 'json']);
  const releases = JSON.parse(stdout) as readonly { readonly name: string; readonly namespace: string }[];
  for (const { name, namespace } of releases) await uninstall(name, namespace);
  await mustKubectl(['delete', crd, '--ignore-not-found']);
}
