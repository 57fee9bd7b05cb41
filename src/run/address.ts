// Addresses that no backup is taken from, whatever the operator is configured to allow. Pure.
import { isIPv4, isIPv6 } from 'node:net';

/** Where a network begins, and how many bits of that count. */
type Network = readonly [address: string, bits: number];

/** What is refused, and what people are told it is. */
const refused: readonly (readonly [what: string, networks: readonly Network[]])[] = [
  [
    'a loopback address',
    [
      ['127.0.0.0', 8],
      ['::1', 128],
    ],
  ],
  [
    'an unspecified address',
    [
      ['0.0.0.0', 8], // all of it: the kernel takes 0.0.0.0 for this machine
      ['::', 128],
    ],
  ],
  [
    'a link-local address', // where clouds serve the credentials of a node
    [
      ['169.254.0.0', 16],
      ['fe80::', 10],
    ],
  ],
  [
    'the address of a metadata service', // of those that are not link-local: AWS, Google, Alibaba
    [
      ['fd00:ec2::254', 128],
      ['fd20:ce::254', 128],
      ['100.100.100.200', 32],
    ],
  ],
];

/**
 * Networks of IPv6 that stand for IPv4, and how many bits follow the address of IPv4: RFC 4291 (compatible and mapped), 2765
 * (translated), 6052 and 8215 (NAT64), 3056 (6to4). A NAT64 network of one's own choice cannot be known.
 */
const embeddings: readonly (readonly [network: Network, bitsAfter: bigint])[] = [
  [['::', 96], 0n],
  [['::ffff:0:0:0', 96], 0n],
  [['64:ff9b::', 96], 0n],
  [['64:ff9b:1::', 48], 0n],
  [['2002::', 16], 80n],
];

const mapped = 0xffffn << 32n;

/**
 * What the address is, if no backup may be taken from it.
 * @param address of IPv4 or IPv6 as a resolver gives it, a zone included. Whatever else it is, it is refused
 * @param apiServer address of the API server of this cluster, where it is known
 */
export function refusedAs(address: string, apiServer?: string): string | undefined {
  const number = numberOf(address);
  if (number === undefined) return 'no address';
  const meant = [number, ...embedded(number)];
  const theirs = numberOf(apiServer ?? '');
  if (theirs !== undefined && meant.includes(theirs)) return 'the address of the Kubernetes API server';
  return refused.find(([, networks]) =>
    networks.some((network) => meant.some((one) => isWithin(one, network))),
  )?.[0];
}

/** The addresses of IPv4 that one of IPv6 may stand for. */
function embedded(number: bigint): readonly bigint[] {
  return embeddings
    .filter(([network]) => isWithin(number, network))
    .map(([, bitsAfter]) => mapped | ((number >> bitsAfter) & 0xffffffffn));
}

function isWithin(number: bigint, [address, bits]: Network): boolean {
  const others = BigInt((isIPv4(address) ? 32 : 128) - bits);
  return number >> others === (numberOf(address) ?? 0n) >> others;
}

/** An address as one number of 128 bits, the same for all of its spellings. Those of IPv4 as IPv6 maps them. */
function numberOf(address: string): bigint | undefined {
  if (isIPv4(address)) return mapped | addUp(address.split('.'), 8n, '');
  if (!isIPv6(address)) return undefined;
  // The canonical form has no dotted quad at its end, and the zone does not count.
  const { hostname } = new URL(`http://[${address.replace(/%.*$/, '')}]/`);
  const [head = [], tail = []] = hostname
    .slice(1, -1)
    .split('::')
    .map((half) => half.split(':').filter((group) => group !== ''));
  const zeros = Array<string>(8 - head.length - tail.length).fill('0');
  return addUp([...head, ...zeros, ...tail], 16n, '0x');
}

function addUp(parts: readonly string[], bits: bigint, prefix: string): bigint {
  return parts.reduce((sum, part) => (sum << bits) | BigInt(`${prefix}${part}`), 0n);
}
