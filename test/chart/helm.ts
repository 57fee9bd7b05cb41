// Helm and the other programs of the chart's tests, and what they give as objects.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, inject } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { chartFolder } from '../../tools/chart.ts';
import { helmHome } from '../../tools/deploy.ts';
import { chartParts } from '../../tools/parts.ts';
import { must, output, type Output, type RunOptions } from '../../tools/run.ts';
import { steps } from '../../tools/steps.ts';

const parts = await chartParts(steps());

/** A person's own repositories, plugins and clusters must not decide what a test sees. */
const home = mkdtempSync(join(tmpdir(), 'helm-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
export const environment = {
  ...helmHome(home),
  KUBECONFIG: inject('kubeconfig'),
};

/** Paths of programs. */
export const {
  helm: helmProgram,
  kubectl: kubectlProgram,
  kubeconform: kubeconformProgram,
  promtool: promtoolProgram,
} = parts;

/** An object of the API, as loosely as YAML is. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** Values of the chart, as a file would hold them. */
export type Values = Readonly<Record<string, unknown>>;

export const release = 'backups';
/** Where the release is, and so the operator. */
export const releaseNamespace = 'operators';

export function helm(args: readonly string[], options: RunOptions = {}): Promise<Output> {
  return output([helmProgram, ...args], { ...options, env: environment });
}

export function kubectl(args: readonly string[], input?: string): Promise<Output> {
  return output([kubectlProgram, ...args], { env: environment, ...(input === undefined ? {} : { input }) });
}

/** @throws Error with what kubectl says when it fails */
export function mustKubectl(args: readonly string[], input?: string): Promise<string> {
  return must([kubectlProgram, ...args], { env: environment, ...(input === undefined ? {} : { input }) });
}

/** What `helm template` prints with these values, which go in as a file: types are kept, unlike with `--set`. */
export function template(values: Values, args: readonly string[] = []): Promise<Output> {
  return helm(['template', release, chartFolder, '--namespace', releaseNamespace, '--values', '-', ...args], {
    input: JSON.stringify(values),
  });
}

const rendered = new Map<string, Promise<readonly Manifest[]>>();

/** The objects that the chart makes of these values. @throws Error with what Helm says when it refuses */
export function render(values: Values): Promise<readonly Manifest[]> {
  const key = JSON.stringify(values);
  const objects = rendered.get(key) ?? renderAfresh(values);
  rendered.set(key, objects);
  return objects;
}

async function renderAfresh(values: Values): Promise<readonly Manifest[]> {
  const { code, stdout, stderr } = await template(values);
  if (code !== 0) throw new Error(stderr);
  return parseManifests(stdout);
}

export function parseManifests(text: string): readonly Manifest[] {
  const documents = parseAllDocuments(text, { version: '1.1' });
  for (const { errors } of documents) if (errors[0] !== undefined) throw errors[0];
  return documents.map((document) => document.toJS() as Manifest | null).filter((object) => object !== null);
}

/** The one object of a kind. @throws Error when there is none, or more than one */
export function only(objects: readonly Manifest[], kind: string, name?: string): Manifest {
  const found = objects.filter(
    (object) => object.kind === kind && (name ?? object.metadata.name) === object.metadata.name,
  );
  const [object] = found;
  if (object === undefined || found.length > 1)
    throw new Error(`${found.length} objects are a ${kind} ${name ?? ''}`);
  return object;
}
