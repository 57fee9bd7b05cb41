// What a name from outside may be made of: the same for the CRD, the operator and the agent. Each of these ends up in a
// command line or in a path, so none can begin with a dash, hold a slash, a glob or a blank.

/** A folder of the volume: one segment without dots, so it can never lead out. */
export const pathSegment = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** A host name, or an address: of IPv6 without brackets. At most 253 characters. */
export const hostName = /^[A-Za-z0-9]([-A-Za-z0-9.:]*[A-Za-z0-9])?$/;

/**
 * A database of Neo4j 4.0 or newer, in lower case, as the server keeps it: 3 to 63 letters, digits, dots and dashes, a
 * letter first. The manual also forbids a name that begins with `system`, but for that database itself: the server's to
 * say. A glob is no name.
 */
export const databaseName = /^[a-z][-a-z0-9.]{1,61}[a-z0-9]$/;
