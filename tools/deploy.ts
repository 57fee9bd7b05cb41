// deploy/: the chart as Helm renders it, for those who install with kubectl and Kustomize.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments, stringify, visit, type Document } from 'yaml';
import { chartFolder } from './chart.ts';
import { must } from './run.ts';

const name = 'neo4j-backup-operator';
const note = '# Generated from charts/neo4j-backup-operator by `npm run generate:deploy`: edit there.\n';

/** The bases: what each says of itself, and the values it is rendered with. */
const bases = {
  cluster: { says: 'Watches all namespaces.', values: [] },
  namespaced: {
    says: 'Watches the namespace that it is in, with rights there and nowhere else.',
    values: [`watchNamespaces={${name}}`, 'rbac.aggregateRoles=false'],
  },
} as const;

/** Not objects of a Helm release: nothing may say that they are. */
const helmLabels = ['helm.sh/chart', 'app.kubernetes.io/managed-by'];

/**
 * Path below the project's folder, and content. Without the CRD: `kubectl delete -k` would delete it, and with it every
 * Neo4jBackup. Without a Namespace: an overlay may move the rest into one that holds more.
 */
export async function deployFiles(helm: string): Promise<Readonly<Record<string, string>>> {
  const files: [string, string][] = [];
  for (const [base, { says, values }] of Object.entries(bases)) {
    const objects = await render(helm, values);
    files.push(
      [`deploy/${base}/operator.yaml`, `${note}${objects}`],
      [`deploy/${base}/kustomization.yaml`, kustomization(says)],
      [`deploy/${base}/images.yaml`, imageFields()],
    );
  }
  return Object.fromEntries(files);
}

async function render(helm: string, values: readonly string[]): Promise<string> {
  const set = ['crds.enabled=false', ...values].flatMap((value) => ['--set', value]);
  const home = mkdtempSync(join(tmpdir(), 'helm-'));
  try {
    const text = await must([helm, 'template', name, chartFolder, '--namespace', name, ...set], {
      env: helmHome(home),
    });
    const objects = text.replaceAll(/^# Source: .*\n/gm, '');
    return parseAllDocuments(objects, { version: '1.1' }).map(withoutHelm).join('');
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** Helm's own files, all below one folder: a person's repositories and plugins must not decide what is rendered. */
export function helmHome(folder: string): Readonly<Record<string, string>> {
  return {
    HELM_CACHE_HOME: join(folder, 'cache'),
    HELM_CONFIG_HOME: join(folder, 'config'),
    HELM_DATA_HOME: join(folder, 'data'),
    HELM_PLUGINS: join(folder, 'plugins'),
  };
}

function withoutHelm(document: Document): string {
  visit(document, {
    Pair: (_, { key }) => (helmLabels.includes(String(key)) ? visit.REMOVE : undefined),
  });
  return `---\n${document.toString({ directives: false, lineWidth: 110, flowCollectionPadding: false })}`;
}

function kustomization(says: string): string {
  const content = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: ['operator.yaml'],
    configurations: ['images.yaml'],
  };
  return `${note}# ${says} The CRD is apart, in crds/, so that nothing done here can delete it.\n${stringify(content)}`;
}

/** The image of the backups' Pods is told to the operator: it changes together with the operator's own. */
function imageFields(): string {
  return `${note}# Where else the image stands: \`images\` of an overlay changes it there too.\n${stringify({
    images: [{ path: 'spec/template/spec/containers[]/env[]/value', kind: 'Deployment' }],
  })}`;
}
