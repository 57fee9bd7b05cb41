import { KubeError } from './errors.ts';
import type { ObjectKey, Resource } from './resource.ts';

/** URL path of one object. @throws {KubeError} `invalid` when a part of the key cannot be a name. */
export function objectPath(resource: Resource, key: ObjectKey): string {
  return `${collectionPath(resource, key.namespace)}/${segment(key.name)}`;
}

/** URL path, with query, of the objects of one namespace, or of all namespaces. Parts that are undefined are left out. */
export function collectionPath(
  resource: Resource,
  namespace: string | undefined,
  query: Readonly<Record<string, string | undefined>> = {},
): string {
  const root = resource.group === '' ? '/api' : `/apis/${resource.group}`;
  const within = namespace === undefined ? '' : `/namespaces/${segment(namespace)}`;
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, value);
  const suffix = search.size === 0 ? '' : `?${search.toString()}`;
  return `${root}/${resource.version}${within}/${resource.plural}${suffix}`;
}

/**
 * A name or namespace as one segment of a path. An empty one would address the whole collection, `..` something else
 * altogether; neither may leave this process.
 */
function segment(name: string): string {
  if (name === '' || name === '.' || name === '..' || /[/%?#\\]/.test(name)) {
    throw new KubeError('invalid', `"${name}" cannot be the name of an object`);
  }
  return encodeURIComponent(name);
}
