import * as z from 'zod';
import { KubeError } from './errors.ts';
import { apiVersionOf, formatKey, type KubeObject, type ObjectKey, type Resource } from './resource.ts';

/**
 * Parses one object as the server sent it. Fields that the schema does not name are dropped.
 *
 * @throws {KubeError} `unreadable`, naming the object and the first field that is not as expected, never its value.
 */
export function parseObject<T extends KubeObject>(resource: Resource<T>, json: unknown): T {
  const parsed = resource.schema.safeParse(withType(resource, json));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? 'the object' : issue.path.join('.');
  const { key } = identify(json);
  throw new KubeError(
    'unreadable',
    `${resource.plural} ${formatKey(key)}: ${where}: ${issue?.message ?? 'unreadable'}`,
  );
}

/** What can be told of an object that did not parse. Missing parts are `''`. */
export function identify(json: unknown): { readonly key: ObjectKey; readonly resourceVersion: string } {
  const parsed = identitySchema.safeParse(json);
  if (!parsed.success) return { key: { namespace: '', name: '' }, resourceVersion: '' };
  const { namespace, name, resourceVersion } = parsed.data.metadata;
  return { key: { namespace, name }, resourceVersion };
}

const identitySchema = z.object({
  metadata: z.object({
    namespace: z.string().catch(''),
    name: z.string().catch(''),
    resourceVersion: z.string().catch(''),
  }),
});

/** Items of a list carry neither apiVersion nor kind. */
function withType(resource: Resource, json: unknown): unknown {
  if (typeof json !== 'object' || json === null || 'kind' in json) return json;
  return { apiVersion: apiVersionOf(resource), kind: resource.kind, ...json };
}
