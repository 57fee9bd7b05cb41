// Every state that a Neo4jBackup can be in, by the code that writes its status. The names are those of docs/gitops.md.
import type { Neo4jBackupStatus, RunStatus } from '../../src/api/neo4jbackup.ts';
import { isRunReason, isSuccess, reasons, type Reason } from '../../src/api/reasons.ts';
import type { ActOutcome } from '../../src/backup/act.ts';
import type { Standing } from '../../src/backup/decide.ts';
import { currentRunOf } from '../../src/backup/outcome.ts';
import type { Neo4jBackup } from '../../src/backup/resources.ts';
import { nextStatus } from '../../src/backup/status.ts';
import { aBackup, aJob, aRun, anObserved } from '../support/builders.ts';

export interface State {
  /** The row of the table in the docs. */
  readonly row: string;
  /** What else it is that the row leaves open. */
  readonly variant: string;
  readonly backup: Neo4jBackup;
}

const triggerID = 'before-migration';
const run = currentRunOf(aJob({ triggerID }));
const detail = 'The facts of the moment';
const names = Object.keys(reasons) as readonly Reason[];

interface Pass {
  readonly standing: Standing;
  readonly outcome?: ActOutcome;
  readonly ended?: readonly RunStatus[];
  readonly inspecting?: readonly RunStatus[];
  readonly before?: Neo4jBackupStatus;
}

function after({
  standing,
  outcome = { kind: 'done' },
  ended = [],
  inspecting = [],
  before,
}: Pass): Neo4jBackup {
  const backup = aBackup({ spec: { trigger: { id: triggerID } }, ...(before ? { status: before } : {}) });
  const decision = {
    standing,
    ended,
    inspecting,
    taken: ended,
    findings: [],
    actions: [],
    next: { kind: 'onChange' },
  } as const;
  const status = nextStatus(anObserved({ backup }), decision, outcome);
  return { ...backup, status };
}

function endedBy(reason: string): RunStatus {
  const good = isRunReason(reason) && isSuccess(reason);
  return aRun({ id: 'orders-0', triggerID, reason, result: good ? 'Succeeded' : 'Failed', message: detail });
}

/** What a run before this pass may have left behind. */
const pasts: readonly { readonly name: string; readonly before?: Neo4jBackupStatus }[] = [
  { name: 'before any run' },
  ...['FullBackupTaken', 'PortUnreachable'].map((reason) => {
    const { status = {} } = after({ standing: { kind: 'idle' }, ended: [endedBy(reason)] });
    return { name: `after ${reason}`, before: status };
  }),
];

interface Row {
  readonly row: string;
  readonly passes: readonly (Pass & { readonly name: string })[];
}

const withCondition = (condition: string): readonly never[] =>
  names.filter((name) => reasons[name].condition === condition && name !== 'Accepted') as never[];

const rows: readonly Row[] = [
  { row: 'nothing due, and no run yet', passes: [{ name: '', standing: { kind: 'idle' } }] },
  {
    row: 'a run is under way',
    passes: [
      { name: 'for a while', standing: { kind: 'running', run } },
      { name: 'just made', standing: { kind: 'starting' }, outcome: { kind: 'done', created: aJob() } },
      {
        name: 'not made',
        standing: { kind: 'starting' },
        outcome: { kind: 'failed', error: new Error('no') },
      },
    ],
  },
  {
    row: 'a run is due, and others use its claim',
    passes: [{ name: 'queued', standing: { kind: 'queued', detail } }],
  },
  {
    row: 'a run has ended, nobody saw how, and the volume is being asked',
    passes: [{ name: 'asked', standing: { kind: 'inspecting', run: aRun() }, inspecting: [aRun()] }],
  },
  {
    row: 'a run cannot go on: no image, no room on a node',
    passes: (['ImagePullFailed', 'VolumeNotMounted', 'Unschedulable'] as const).map((reason) => ({
      name: reason,
      standing: { kind: 'running', run, obstacle: { reason, detail } },
    })),
  },
  {
    row: 'it waits: for a Service, a claim, a quota',
    passes: [
      ...withCondition('Ready').map((reason) => ({
        name: reason,
        standing: { kind: 'waiting', reason, detail } as const,
      })),
      {
        name: 'refused',
        standing: { kind: 'starting' },
        outcome: { kind: 'refused', reason: 'JobRejected', detail },
      },
    ],
  },
  {
    row: 'only an edit can help',
    passes: withCondition('Stalled').map((reason) => ({
      name: reason,
      standing: { kind: 'stalled', reason, detail },
    })),
  },
];

const standing: readonly State[] = rows.flatMap(({ row, passes }) =>
  passes.flatMap(({ name, ...pass }) =>
    (row.includes('no run yet') ? pasts.slice(0, 1) : pasts).map((past) => ({
      row,
      variant: `${name} ${past.name}`.trim(),
      backup: after({ ...pass, ...(past.before ? { before: past.before } : {}) }),
    })),
  ),
);

const ended: readonly State[] = names.filter(isRunReason).map((reason) => ({
  row: isSuccess(reason) ? 'the last run took a backup' : 'the last run failed',
  variant: reason,
  backup: after({ standing: { kind: 'idle' }, ended: [endedBy(reason)] }),
}));

const { status: _status, ...untouched } = aBackup();

export const states: readonly State[] = [
  // As the API server makes it from the definition.
  {
    row: 'the operator has never looked at it',
    variant: '',
    backup: { ...untouched, status: { observedGeneration: -1 } },
  },
  ...[...standing, ...ended].map(({ row, variant, backup }) => ({
    row: 'changed, and not looked at since',
    variant: `${row}, ${variant}`,
    backup: { ...backup, metadata: { ...backup.metadata, generation: 2 } },
  })),
  ...standing,
  ...ended,
];
