// From what a failed tool printed to one reason, and the line that tells it. Shared by the generations.
import { plain } from '../api/plain.ts';
import type { RunReason } from '../api/reasons.ts';
import { formatStoreID } from '../run/store-id.ts';
import type { Ended, Verdict } from './engine.ts';

/** What a line of the output holds, and the reason that it speaks of. */
export type FailureMark = readonly [mark: RegExp, reason: RunReason];

/** How the tool says that it cannot open a store of another version, and that it is the one which it has just copied. */
const wantsUpgrade = /\bUpgradeNotAllowed/;
const opensTheCopy = /Error starting \S+, \S+\/temp-copy$/m;

/** First match of the marks wins, whatever the order of the lines. */
export function judgeFailure({ exitCode, output }: Ended, marks: readonly FailureMark[]): Verdict {
  if (wantsUpgrade.test(output) && opensTheCopy.test(output))
    return failed('ProtocolMismatch', 'The store that the server sent is of another version than the tool');
  const lines = withoutKeys(linesOf(output)).filter((line) => !isFrame(line));
  for (const [mark, reason] of marks) {
    const line = lines.findLast((candidate) => mark.test(candidate)); // causes come last
    if (line !== undefined) return failed(reason, reason === 'StoreMismatch' ? mismatch(line) : line);
  }
  return failed('EngineFailed', telling(lines) ?? `it printed nothing and ended with exit code ${exitCode}`);
}

/** More of a line says nothing that is looked for, and a search may take the square of a line's length. Characters. */
const mostOfLine = 2048;

/** A tool that draws its progress ends lines with a carriage return alone. */
function linesOf(output: string): readonly string[] {
  return output.split(/[\r\n]+/).map((line) => line.slice(0, mostOfLine).trim());
}

/** Leaves out private keys, which no single one of their lines tells apart from a word. */
function withoutKeys(lines: readonly string[]): readonly string[] {
  let isKey = false;
  return lines.filter((line) => {
    const ends = isKey && line.startsWith('-----END ');
    isKey = /^-----BEGIN .{0,40}PRIVATE KEY-----/.test(line) || (isKey && !ends && isOfKey(line));
    return !isKey && !ends;
  });
}

function isOfKey(line: string): boolean {
  return /^(\S*|(Proc-Type|DEK-Info): .*)$/.test(line);
}

/**
 * The kernel's two store ids as ours. A single server's is "Expected" (the folder's) and then "encountered" (the server's); a
 * cluster's member is "Remote", and comes first.
 */
function mismatch(line: string): string {
  const ids = [...line.matchAll(/Store(?:Id)?\{creationTime[=:](\d{1,20}), randomId[=:](-?\d{1,20}),/g)].map(
    ([, creationTime = '0', randomId = '0']) =>
      formatStoreID({ creationTime: BigInt(creationTime), randomId: BigInt(randomId) }),
  );
  const [ours, theirs] = line.includes('Remote store id was') ? ids.toReversed() : ids;
  return ours === undefined || theirs === undefined
    ? line
    : `The destination holds store ${ours}, the server has store ${theirs}`;
}

function failed(reason: RunReason, detail: string): Verdict {
  const told = plain(detail).replace(/^(Caused by: |Suppressed: |Exception in thread "main" (?=\S))/, '');
  return { kind: 'failed', reason, detail: told.slice(0, 300).toWellFormed() };
}

/** How the protocol of clusters fails on a single server, in every run, good ones too. */
const noise = /readerIndex\(\d+\)/;

/** A line of a stack trace. The names in it tell of nothing that happened. */
function isFrame(line: string): boolean {
  return /^at |^\.\.\. \d+ more/.test(line);
}

/** The innermost cause, or else the last line that says something: the dots of the check do not. */
function telling(lines: readonly string[]): string | undefined {
  return (
    lines.findLast((line) => line.startsWith('Caused by: ') && !noise.test(line)) ??
    lines.findLast((line) => line !== '' && !/^\.+ *\d*%?$/.test(line))
  );
}

/**
 * The tool's and the JVM's own words for what goes wrong with it, the telling ones first: that the engine was closed already
 * is printed beside each of them. They were seen with 3.4.18 (test/engine/captures) and are taken to be the same later on.
 */
export const tlsFailures: readonly FailureMark[] = [
  [/Unexpected SSL policy|Cannot find enabled SSL policy/, 'TLSPolicyRejected'],
  [/Failed to load (private key|public certificate chain):/, 'TLSPolicyRejected'],
  [/no trust anchors found in/, 'TLSPolicyRejected'],
  [/Failed to create trust manager/, 'TLSPolicyRejected'],
  [/Could not find or list files in (trusted|revoked) directory/, 'TLSPolicyRejected'],
  [/CertificateExpiredException|CertificateNotYetValidException/, 'TLSHandshakeFailed'],
  [/^(Caused by: )?javax\.net\.ssl\.SSLHandshakeException: /, 'TLSHandshakeFailed'],
  [/SSLException: handshake timed out|NotSslRecordException/, 'TLSHandshakeFailed'],
  [/SSLHandshakeException|SSLException/, 'TLSHandshakeFailed'],
];

/**
 * What the tools since 4.0 fail with, as far as the names of Java's own exceptions and the texts of the system tell: their own
 * words are known for little. First match wins.
 */
export const modernFailures: readonly FailureMark[] = [
  [/MismatchingStoreId|StoreIdMismatch/, 'StoreMismatch'],
  [/java\.lang\.OutOfMemoryError/, 'OutOfMemory'],
  [/No space left on device|Disk quota exceeded/, 'NoSpaceLeft'],
  ...tlsFailures,
  [/UpgradeNotAllowed|UnexpectedStoreVersion|StoreUpgrade|UnsupportedLogVersionException/, 'OlderVersion'],
  [/AccessDeniedException|Permission denied|Read-only file system/, 'PermissionDenied'],
  [/DatabaseNotFound/, 'DatabaseNotFound'],
  [/IllegalProtocolVersionException|Unexpected (internal|application) protocol version/, 'ProtocolMismatch'],
  [/UnknownHostException|UnresolvedAddressException|Name or service not known/, 'HostNotFound'],
  [
    /Connection refused|ConnectTimeoutException|NoRouteToHostException|connection timed out/i,
    'PortUnreachable',
  ],
  [/Channel has been closed|Connection reset|ClosedChannelException|Broken pipe/, 'ServerClosedConnection'],
];

/**
 * Fixed strings in the output of a failed increment that name what a full backup would meet as well, or must not get
 * around: the server is away, there is no room, and above all that the store is another one.
 */
export const stayingMarks: readonly string[] = [
  'MismatchingStoreId',
  'logically different store',
  'Remote store id was ',
  'the target directory contained a backup from database',
  'OutOfMemoryError',
  'No space left on device',
  'Disk quota exceeded',
  'AccessDeniedException',
  'Permission denied',
  'Read-only file system',
  'IllegalProtocolVersionException',
  'UnknownHostException',
  'UnresolvedAddressException',
  'Name or service not known',
  'Connection refused',
  'ConnectTimeoutException',
  'NoRouteToHostException',
  'connection timed out',
  "Couldn't connect to '",
  'SSLException',
  'SSLHandshakeException',
  'Unexpected SSL policy',
  'Cannot find enabled SSL policy',
  'Failed to load private key',
  'Failed to load public certificate chain',
  'Failed to create trust manager',
  'not found', // the shell's word for a tool that is not there
  // What was taken is whole, though the exit code is 1 (generation A, and 3.1): there is nothing to make up for.
  'The database is inconsistent.',
  'Inconsistencies found. See ',
];
