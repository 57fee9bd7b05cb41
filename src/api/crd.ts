// The CustomResourceDefinition of our kind, made from the schemas.
import { group, kind, plural, version } from './names.ts';
import { Neo4jBackupSpec, Neo4jBackupStatus } from './neo4jbackup.ts';
import { structural } from './structural.ts';

type Column = readonly [
  name: string,
  type: 'string' | 'date' | 'integer' | 'boolean',
  jsonPath: string,
  description: string,
  wide?: 'wide',
];

/** Scalars, and of the conditions the one that a path can pick by its type. */
const columns: readonly Column[] = [
  [
    'Ready',
    'string',
    '.status.conditions[?(@.type=="Ready")].status',
    'Whether the wish is valid and can be acted on',
  ],
  ['Phase', 'string', '.status.phase', 'Summary of the conditions'],
  ['Reason', 'string', '.status.lastRun.reason', 'Why the last run ended as it did'],
  ['Type', 'string', '.status.lastSuccessfulType', 'What the newest good backup is'],
  ['Last Success', 'date', '.status.lastSuccessfulTime', 'Age of the newest good backup'],
  // As text: kubectl can tell the age of what is past alone.
  ['Next', 'string', '.status.nextScheduleTime', 'When the next scheduled run starts'],
  [
    'Transaction',
    'string',
    '.status.lastRun.lastTransactionID',
    'The newest transaction in the last backup',
    'wide',
  ],
  ['Bytes', 'integer', '.status.lastRun.sizeBytes', 'Size of the last backup', 'wide'],
  ['Message', 'string', '.status.lastRun.message', 'What happened in the last run', 'wide'],
  [
    'Obstacle',
    'string',
    '.status.conditions[?(@.type=="Ready")].reason',
    'What stands in the way where Ready is False',
    'wide',
  ],
  ['Schedule', 'string', '.spec.schedule', 'When backups are taken', 'wide'],
  ['Suspend', 'boolean', '.spec.suspend', 'Whether the schedules are suspended', 'wide'],
  ['Age', 'date', '.metadata.creationTimestamp', 'Age of this resource'],
];

export function customResourceDefinition(): object {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: 'neo4jbackup',
        shortNames: ['neobk'],
        categories: ['all'],
      },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: columns.map(([name, type, jsonPath, description, wide]) => ({
            name,
            type,
            jsonPath,
            description,
            ...(wide === undefined ? {} : { priority: 1 }),
          })),
          schema: { openAPIV3Schema: openAPISchema() },
        },
      ],
    },
  };
}

/** What the API server is asked to check, and to keep: it drops every field that is not in here. */
export function openAPISchema(): object {
  return {
    type: 'object',
    description: 'A standing wish: this server is backed up to this volume.',
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string', description: 'Version of the schema of this object.' },
      kind: { type: 'string', description: 'Kind of this object.' },
      metadata: { type: 'object' },
      spec: { ...structural(Neo4jBackupSpec), description: 'What is backed up, and where to.' },
      status: {
        ...structural(Neo4jBackupStatus),
        description: 'What was taken, or why not. Written by the operator alone.',
        // To kstatus an object without any status is as good as one that is ready.
        default: { observedGeneration: -1 },
      },
    },
  };
}
