import { KubeError } from '../../src/kube/errors.ts';
import { apiVersionOf, type OwnerReference, type Resource } from '../../src/kube/resource.ts';
import type { Stored } from './fake-kube-world.ts';

/** What the server checks on an object that it takes in, as far as we can get it wrong. @throws {KubeError} `invalid` */
export function checkNew(step: string, resource: Resource, namespace: string, body: Partial<Stored>): void {
  const { name = '', labels = {}, ownerReferences = [] } = body.metadata ?? {};
  if (!/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name)) throw refuse(step, `metadata.name "${name}"`);
  for (const [key, value] of Object.entries(labels)) {
    if (!isLabel(key, value)) throw refuse(step, `metadata.labels "${key}=${value}"`);
  }
  if (!ownerReferences.every(isWhole)) throw refuse(step, 'metadata.ownerReferences');
  const elsewhere = elsewhereIn(resource, namespace, body);
  if (elsewhere !== undefined) throw refuse(step, elsewhere);
}

/** The field that contradicts the address to which the object is sent. */
function elsewhereIn(resource: Resource, namespace: string, body: Partial<Stored>): string | undefined {
  const { metadata, apiVersion, kind } = body;
  if (namespace === '' || isOther(metadata?.namespace, namespace)) return 'metadata.namespace';
  if (isOther(apiVersion, apiVersionOf(resource))) return 'apiVersion';
  if (isOther(kind, resource.kind)) return 'kind';
  return isOther(metadata?.resourceVersion, '') ? 'metadata.resourceVersion' : undefined;
}

/** What is left out is filled in by the client or the server. */
function isOther(sent: string | undefined, expected: string): boolean {
  return sent !== undefined && sent !== expected;
}

function isLabel(key: string, value: string): boolean {
  const word = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
  return word.test(key.split('/').at(-1) ?? '') && (value === '' || word.test(value));
}

function isWhole({ apiVersion, kind, name, uid }: Partial<OwnerReference>): boolean {
  return [apiVersion, kind, name, uid].every((part) => part !== undefined && part !== '');
}

function refuse(step: string, what: string): KubeError {
  return new KubeError('invalid', `${step}: ${what} is invalid`, { status: 422, reason: 'Invalid' });
}
