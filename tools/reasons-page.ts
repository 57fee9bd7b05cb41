// docs/reasons.md, made from the table: a heading for each reason, to link to.
import { reasons, waitedInVain, type Reason, type ReasonRow } from '../src/api/reasons.ts';
import { proofTable } from './proofs.ts';
import { runbook } from './runbook.ts';

const inVain = waitedInVain.map((reason) => `\`${reason}\``).join(', ');

const parts: readonly (readonly [condition: string, heading: string, where: string])[] = [
  [
    'Stalled',
    'Only an edit can help',
    'Reasons of the condition `Stalled`; `Ready` is False with the same one.',
  ],
  [
    'Ready',
    'Heals without an edit of the resource',
    `Reasons of the condition \`Ready\`; while it waits, \`Reconciling\` is True. A run that waited until its time was up ends with the same one: ${inVain}.`,
  ],
  ['Reconciling', 'What is under way', 'Reasons of the condition `Reconciling`.'],
  [
    'LastRunSucceeded',
    'How a run ended',
    'Reasons of the condition `LastRunSucceeded`, and of the runs in status.',
  ],
  [
    'LastVerificationSucceeded',
    'How the volume is tended',
    'Reasons of the condition `LastVerificationSucceeded`, and of `status.lastVerification` and `status.retention`.',
  ],
  [
    'ObjectivesMet',
    'Whether the objectives are met',
    'Reasons of the condition `ObjectivesMet`, which is there where `spec.objectives` is: [what it says](monitoring.md#objectives).',
  ],
];

const intro = `Where they stand: the first command shows how things are, the second all of it in words. In what follows the resource is called
\`orders\`, and its last run \`orders-0123456789\`.

\`\`\`sh
kubectl get neo4jbackups.neo4j-backup.dev orders -o wide
kubectl describe neo4jbackups.neo4j-backup.dev orders
kubectl get neo4jbackups.neo4j-backup.dev orders -o jsonpath='{.status.currentRun.id} {.status.lastRun.id}'
\`\`\`

Once the cause is gone, a run that failed is not repeated by itself. A new trigger starts another one:

\`\`\`sh
kubectl patch neo4jbackups.neo4j-backup.dev orders --type=merge -p '{"spec":{"trigger":{"id":"again-1"}}}'
\`\`\``;

const fullBecause = `## Why a backup is a full one

Not a reason but \`fullBecause\` of a run, where an incremental backup could have been expected.

| \`fullBecause\` | what it says |
| --- | --- |
| \`DestinationBlank\` | There was nothing to go on from. |
| \`Requested\` | \`spec.trigger.type\` was \`Full\`. |
| \`LogsPruned\` | The server no longer has the transaction logs since the newest backup. Take backups more often, or have the server keep them for longer (\`dbms.tx_log.rotation.retention_policy\`). |
| \`ArtifactCorrupt\` | The newest backup on the volume is damaged or cannot be read: check the storage below the claim. |
| \`ChainBroken\` | What the newest backup rests on is not all there, or does not continue without a gap: the log of \`prepare\` says which backup and why. The old chain stays as it is. |`;

const proofs = `By the most real test that produces it. Of a lost node the fake shows what the node and taint controllers of Kubernetes write
to a Pod, as their sources say: with one node, which is what the tests have, Kubernetes evicts nobody. Of a volume that another node holds (\`Multi-Attach
error\`) it shows the Events of the attach controller; that another Pod holds it is proven on the node.`;

function section(name: Reason, { event, retryable, says, next }: ReasonRow): string {
  return [
    `### ${name}`,
    says,
    ...(next === undefined ? [] : [`**What to do.** ${next}`]),
    ...(runbook[name] ?? []),
    ...(event === 'none'
      ? []
      : [`Event: ${event}.${retryable ? ' The same run tries another Pod before it gives up.' : ''}`]),
  ].join('\n\n');
}

export function reasonsPage(): string {
  const rows = Object.entries(reasons) as readonly (readonly [Reason, ReasonRow])[];
  const sections = parts.map(([condition, heading, where]) =>
    [
      `## ${heading}`,
      where,
      ...rows.filter(([, row]) => row.condition === condition).map(([name, row]) => section(name, row)),
    ].join('\n\n'),
  );
  const head = [
    '<!-- Generated from src/api/reasons.ts by `npm run generate`: edit there. -->',
    '# Reasons',
    'Every word that a condition, a run or an Event of a `Neo4jBackup` can carry as its reason. They are stable: alerts and scripts may match on them.',
    intro,
  ];
  const proven = ['## How each is proven', proofs, proofTable()].join('\n\n');
  return `${[...head, ...sections, fullBecause, proven].join('\n\n')}\n`;
}
