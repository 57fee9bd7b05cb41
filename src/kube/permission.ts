// What a part of the program asks of the Kubernetes API: the roles of the chart are made from these, and from nothing else.

/** Verbs on one resource. */
export interface Permission {
  /** API group, `''` for the core group. */
  readonly apiGroup: string;
  /** Lower-case plural, with its subresource if any: `neo4jbackups/status`. */
  readonly resource: string;
  readonly verbs: readonly string[];
  /** Only the objects of these names. The API cannot hold `create` to a name, nor `list` and `watch` of a collection. */
  readonly resourceNames?: readonly string[];
}
