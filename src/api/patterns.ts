// The shapes of what users name and we make arguments, addresses and paths of. One each for the schema of our kind, for
// what the operator asks of the agent, and for the agent: what one lets in, the next one does, too. Every one begins with
// a letter or a digit (an address of IPv6 with a colon at most), so nothing that matches is an option, a path or a pattern.

/** One label of a name of DNS. */
const label = '[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?';

/**
 * The last label begins with a letter, as all top-level domains do. Else what is no name would pass for one: 0177.0.0.1 is
 * an address, and not the same one to libc, which reads octal, as to Java, which does not.
 */
const name = String.raw`(${label}\.)*[A-Za-z]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?`;
const byte = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const ipv4 = String.raw`${byte}(\.${byte}){3}`;
/** Not exact: what is no address does not resolve. */
const ipv6 = `[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){2,7}(:${ipv4})?`;

/** A name of DNS without a dot at its end, an address of IPv4 in its one canonical form, or one of IPv6 without a zone. */
export const hostName = new RegExp(`^(${name}|${ipv4}|${ipv6})$`);

/** One folder of the volume. No slash and no dots: the path can never leave the volume. Names of runs are of this shape, too. */
export const pathSegment = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/**
 * A database of Neo4j 4.0 or newer, in lower case, as the server keeps it: 3 to 63 letters, digits, dots and dashes, no dot or
 * dash at either end, a digit in front since 2025.01. The manual also forbids a name that begins with `system`, but for that
 * database itself: the server's to say. A glob is no name: `*` would copy every database, `system` with its users among them.
 */
export const databaseName = /^[a-z0-9][-a-z0-9.]{1,61}[a-z0-9]$/;

/** The id of a trigger: the value of an annotation and of a label, and a part of messages. */
export const triggerName = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

/** An image, which goes to the kubelet alone. */
export const imageName = /^[a-zA-Z0-9][-a-zA-Z0-9._:/@]*$/;

/** A version chooses an engine and is part of an image's name. */
export const versionNumber = /^[0-9]+\.[0-9]+(\.[0-9]+)?([-+.][0-9A-Za-z.]+)?$/;

/**
 * A folder of the volume that others wrote: `.` for its root, or segments with slashes between them. No segment begins with
 * a dot or a dash, so the path never leaves the volume and never is an option.
 */
export const volumePath = /^(\.|[A-Za-z0-9_][-A-Za-z0-9_.]*(\/[A-Za-z0-9_][-A-Za-z0-9_.]*){0,15})$/;

/** A length of time: hours, days or weeks. */
export const timeSpan = /^[1-9][0-9]{0,4}[hdw]$/;

/** Five fields of cron, or one of the names of the usual ones. Whether it means anything is for the one who reads it to say. */
export const cronSchedule =
  /^(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|[-0-9A-Za-z*,/?#LW]+( [-0-9A-Za-z*,/?#LW]+){4})$/;

/** A length of time: minutes, hours or days. */
export const duration = /^[1-9][0-9]{0,4}[mhd]$/;

/** The name of a zone. Whether there is one is for the one who reads it to say. */
export const timeZoneName = /^[A-Za-z][-A-Za-z0-9_+]*(\/[A-Za-z][-A-Za-z0-9_+]*){0,2}$/;
