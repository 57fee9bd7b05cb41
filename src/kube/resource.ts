import * as z from 'zod';

/** Where a namespaced object lives. Two objects with the same key may differ in uid: one was deleted and made anew. */
export interface ObjectKey {
  readonly namespace: string;
  readonly name: string;
}

/** An owner as the API stores it. Only owners in the same namespace count for garbage collection. */
const ownerReferenceSchema = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  name: z.string(),
  uid: z.string(),
  controller: z.boolean().optional(),
  blockOwnerDeletion: z.boolean().optional(),
});

export type OwnerReference = z.infer<typeof ownerReferenceSchema>;

/**
 * The part of `metadata` that we read; everything else (managedFields above all) is dropped when parsed.
 *
 * Instants stay the ISO strings that the server sent, so an object can be sent back as it was read.
 */
const metadataSchema = z.object({
  name: z.string(),
  namespace: z.string().optional(),
  uid: z.string(),
  resourceVersion: z.string(),
  generation: z.number().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  creationTimestamp: z.string(),
  deletionTimestamp: z.string().optional(),
  ownerReferences: z.array(ownerReferenceSchema).optional(),
});

type Metadata = z.infer<typeof metadataSchema>;

/** What every object has. Extend it with the fields that are read: `kubeObjectSchema.extend({ spec: ... })`. */
export const kubeObjectSchema = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: metadataSchema,
});

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
}

/**
 * How to address one namespaced kind, and how its JSON is parsed.
 *
 * The schema decides what is kept: fields it does not name are stripped, so a cache holds only what is read.
 * Items of a list carry no apiVersion and kind; the client fills them in before it parses.
 */
export interface Resource<T extends KubeObject = KubeObject> {
  /** API group, `''` for the core group. */
  readonly group: string;
  readonly version: string;
  /** Lower-case plural, as in the URL. */
  readonly plural: string;
  readonly kind: string;
  readonly schema: z.ZodType<T>;
  /** Calls for it never wait for those for other kinds: for a Lease, which is lost to whoever is late. */
  readonly isUrgent?: true;
}

/** `v1` for the core group, else `group/version`. */
export function apiVersionOf(resource: Resource): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}

/** The key of an object; the namespace of an object that names none is `''`. */
export function keyOf(object: {
  readonly metadata: { readonly name: string; readonly namespace?: string | undefined };
}): ObjectKey {
  return { namespace: object.metadata.namespace ?? '', name: object.metadata.name };
}

/** `namespace/name`: for maps and messages. Names hold no slash, so different keys give different texts. */
export function formatKey(key: ObjectKey): string {
  return `${key.namespace}/${key.name}`;
}
