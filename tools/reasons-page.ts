// docs/reasons.md, made from the table: a heading for each reason, to link to.
import { reasons, type ReasonRow } from '../src/api/reasons.ts';

const parts: readonly (readonly [condition: string, heading: string])[] = [
  ['Stalled', 'Only an edit can help'],
  ['Ready', 'Heals without an edit of the resource'],
  ['Reconciling', 'What is under way'],
  ['LastRunSucceeded', 'How a run ended'],
];

function section(name: string, { event, retryable, says, next }: ReasonRow): string {
  return [
    `### ${name}`,
    says,
    ...(next === undefined ? [] : [`**What to do.** ${next}`]),
    ...(event === 'none'
      ? []
      : [`Event: ${event}.${retryable ? ' The same run starts one more Pod before it gives up.' : ''}`]),
  ].join('\n\n');
}

export function reasonsPage(): string {
  const rows: readonly (readonly [string, ReasonRow])[] = Object.entries(reasons);
  const sections = parts.map(([condition, heading]) =>
    [
      `## ${heading}`,
      `Reasons of the condition \`${condition}\`.`,
      ...rows.filter(([, row]) => row.condition === condition).map(([name, row]) => section(name, row)),
    ].join('\n\n'),
  );
  const head = [
    '<!-- Generated from src/api/reasons.ts by `npm run generate`: edit there. -->',
    '# Reasons',
    'Every word that a condition, a run or an Event of a `Neo4jBackup` can carry as its reason. They are stable: alerts and scripts may match on them.',
  ];
  return `${[...head, ...sections].join('\n\n')}\n`;
}
