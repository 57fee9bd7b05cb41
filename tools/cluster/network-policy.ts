// What NetworkPolicies mean for packets, as a table of nftables. Pure.
//
// A Pod that some policy selects, in a direction, is isolated in that direction: only what a rule of one of its
// policies names may pass. A packet between two Pods has to pass both, the sender's egress and the receiver's ingress.

type Labels = Readonly<Record<string, string>>;

interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Labels;
}

interface LabelSelector {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
    readonly values?: readonly string[];
  }[];
}

interface Peer {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}

interface Port {
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP';
  /** By number; a rule whose port has a name admits nothing here. */
  readonly port?: number | string;
  readonly endPort?: number;
}

export interface NetworkPolicy {
  readonly metadata: Metadata;
  readonly spec: {
    readonly podSelector?: LabelSelector;
    readonly policyTypes?: readonly Direction[];
    readonly ingress?: readonly { readonly from?: readonly Peer[]; readonly ports?: readonly Port[] }[];
    readonly egress?: readonly { readonly to?: readonly Peer[]; readonly ports?: readonly Port[] }[];
  };
}

export interface Pod {
  readonly metadata: Metadata;
  readonly spec: { readonly hostNetwork?: boolean };
  readonly status?: { readonly phase?: string; readonly podIP?: string };
}

export interface Namespace {
  readonly metadata: Metadata;
}

/** Everything that packets are judged by. */
export interface Observed {
  readonly policies: readonly NetworkPolicy[];
  readonly pods: readonly Pod[];
  readonly namespaces: readonly Namespace[];
}

type Direction = 'Ingress' | 'Egress';

interface Rule {
  readonly peers: readonly Peer[];
  readonly ports: readonly Port[];
}

const tableName = 'network-policies';

function selects({ matchLabels = {}, matchExpressions = [] }: LabelSelector, labels: Labels = {}): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key];
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value);
        case 'NotIn':
          return value === undefined || !values.includes(value);
        case 'Exists':
          return value !== undefined;
        case 'DoesNotExist':
          return value === undefined;
      }
    })
  );
}

/** The address of a Pod that has one of its own; of one that has ended it may be another's by now. */
function addressOf({ spec, status }: Pod): string | undefined {
  const isOver = status?.phase === 'Succeeded' || status?.phase === 'Failed';
  return spec.hostNetwork === true || isOver ? undefined : status?.podIP;
}

function rulesOf({ spec }: NetworkPolicy, direction: Direction): readonly Rule[] {
  return direction === 'Ingress'
    ? (spec.ingress ?? []).map(({ from = [], ports = [] }) => ({ peers: from, ports }))
    : (spec.egress ?? []).map(({ to = [], ports = [] }) => ({ peers: to, ports }));
}

/** The addresses a peer stands for. @param home the namespace of the policy */
function matchPeer(peer: Peer, home: string | undefined, { pods, namespaces }: Observed): string | undefined {
  if (peer.ipBlock) {
    const { cidr, except = [] } = peer.ipBlock;
    return except.length === 0 ? cidr : `${cidr} ADDRESS != { ${except.join(', ')} }`;
  }
  const { podSelector = {}, namespaceSelector } = peer;
  const homes = namespaces
    .filter(({ metadata }) =>
      namespaceSelector ? selects(namespaceSelector, metadata.labels) : metadata.name === home,
    )
    .map(({ metadata }) => metadata.name);
  const addresses = pods
    .filter(
      ({ metadata }) => homes.includes(metadata.namespace ?? '') && selects(podSelector, metadata.labels),
    )
    .map(addressOf)
    .filter((address) => address !== undefined);
  return addresses.length === 0 ? undefined : `{ ${addresses.join(', ')} }`;
}

function matchPort({ protocol = 'TCP', port, endPort }: Port): readonly string[] {
  const name = protocol.toLowerCase();
  if (port === undefined) return [`meta l4proto ${name}`];
  if (typeof port === 'string') return [];
  return [`${name} dport ${port}${endPort === undefined ? '' : `-${endPort}`}`];
}

/** One line for each pair of a peer and a port that a rule admits. */
function admit(
  { peers, ports }: Rule,
  direction: Direction,
  home: string | undefined,
  seen: Observed,
): string[] {
  const address = direction === 'Ingress' ? 'ip saddr' : 'ip daddr';
  const whom = peers
    .map((peer) => matchPeer(peer, home, seen))
    .filter((match) => match !== undefined)
    .map((match) => `${address} ${match.replace('ADDRESS', address)} `);
  const what = ports.flatMap(matchPort).map((match) => `${match} `);
  return (peers.length === 0 ? [''] : whom).flatMap((peer) =>
    (ports.length === 0 ? [''] : what).map((port) => `${peer}${port}return`),
  );
}

interface Isolated {
  readonly address: string;
  readonly chain: string;
  readonly lines: readonly string[];
}

function isolatedIn(direction: Direction, seen: Observed): readonly Isolated[] {
  const policies = seen.policies.filter(({ spec }) => (spec.policyTypes ?? ['Ingress']).includes(direction));
  return seen.pods.flatMap((pod): readonly Isolated[] => {
    const address = addressOf(pod);
    const mine = policies.filter(
      ({ metadata, spec }) =>
        metadata.namespace === pod.metadata.namespace && selects(spec.podSelector ?? {}, pod.metadata.labels),
    );
    if (address === undefined || mine.length === 0) return [];
    const lines = mine.flatMap((policy) =>
      rulesOf(policy, direction).flatMap((rule) => admit(rule, direction, policy.metadata.namespace, seen)),
    );
    return [{ address, chain: `${direction}-${address}`.toLowerCase(), lines: [...lines, 'drop'] }];
  });
}

function jumps(field: string, isolated: readonly Isolated[]): readonly string[] {
  if (isolated.length === 0) return [];
  return [
    `${field} vmap { ${isolated.map(({ address, chain }) => `${address} : jump ${chain}`).join(', ')} }`,
  ];
}

function buildChain(name: string, lines: readonly string[]): string {
  return `  chain ${name} {\n${lines.map((line) => `    ${line}\n`).join('')}  }\n`;
}

/**
 * A script for `nft -f` that puts this table in the place of the one before, in one step.
 *
 * Between Pods packets are forwarded; what a Pod sends to the node itself, where the API server and the DNS server
 * are, is input. What the node sends to a Pod always passes: so do the kubelet's probes everywhere.
 */
export function buildTable(seen: Observed): string {
  const senders = isolatedIn('Egress', seen);
  const receivers = isolatedIn('Ingress', seen);
  const fromPods = ['ct state established,related accept', ...jumps('ip saddr', senders)];
  const table = [
    ...[...senders, ...receivers].map(({ chain: name, lines }) => buildChain(name, lines)),
    buildChain('forward', [
      'type filter hook forward priority filter',
      ...fromPods,
      ...jumps('ip daddr', receivers),
    ]),
    buildChain('input', ['type filter hook input priority filter', ...fromPods]),
  ];
  // Named first, for only what exists can be deleted.
  return `table inet ${tableName}\ndelete table inet ${tableName}\ntable inet ${tableName} {\n${table.join('')}}\n`;
}
