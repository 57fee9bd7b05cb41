// The commands of docs/gitops.md, on a real API server, with the status that the operator writes.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aSpec } from '../support/builders.ts';
import { gitopsCluster, type GitopsCluster } from './cluster.ts';
import { blocks, truthTable } from './page.ts';
import { states, type State } from './states.ts';

let cluster: GitopsCluster;

beforeAll(async () => {
  cluster = await gitopsCluster();
}, 60_000);

afterAll(() => cluster.close());

const never = 'the operator has never looked at it';
const changed = 'changed, and not looked at since';

/** Makes the resource be in that state. */
async function enter({ row, backup }: State, name: string): Promise<void> {
  const apply = (spec: object): Promise<string> => {
    const metadata = { name, namespace: cluster.namespace };
    const { apiVersion, kind } = backup;
    return cluster.must(['apply', '-f', '-'], JSON.stringify({ apiVersion, kind, metadata, spec }));
  };
  await apply(aSpec());
  if (backup.status !== undefined) await cluster.writeStatus(name, backup.status);
  if (row === changed) await apply(aSpec({ trigger: { id: 'another' } }));
}

/** Does it hold right now? */
async function holds(name: string, condition: string): Promise<boolean> {
  const { code, stderr } = await cluster.kubectl([
    'wait',
    `neo4jbackups.neo4j-backup.dev/${name}`,
    `--for=condition=${condition}`,
    '--timeout=0s',
  ]);
  if (code !== 0 && !/timed out|condition not met/.test(stderr)) throw new Error(stderr);
  return code === 0;
}

const conditions = ['Ready', 'Reconciling', 'Stalled', 'LastRunSucceeded'];

describe('kubectl wait --for=condition', () => {
  test.each(truthTable())('says what the table says of: $state', async ({ state, cells }) => {
    const found = states.find(({ row }) => row === state);
    if (found === undefined) throw new Error('no such state');
    const name = `wait-${truthTable().findIndex((row) => row.state === state)}`;
    await enter(found, name);
    const settled = state !== never && state !== changed;
    for (const condition of conditions) {
      const says = cells[condition];
      if (settled && says === 'any') continue;
      expect({ condition, is: await holds(name, condition) }).toEqual({ condition, is: says === 'True' });
    }
  });
});

/** The commands of the page, without their patience. */
const commands = blocks('sh')
  .flatMap((block) => block.split('\n'))
  .filter((line) => line.startsWith('kubectl wait '))
  .map((line) =>
    line
      .replace(/--timeout=\S+/, '--timeout=0s')
      .replaceAll("'", '')
      .split(' ')
      .slice(1),
  );

/** Which of them end with 0 when the resource is in that state. */
async function passing(row: string, variant: string): Promise<readonly string[]> {
  const state = states.find((one) => one.row === row && one.variant === variant);
  if (state === undefined) throw new Error(`there is no state ${row}, ${variant}`);
  await enter(state, 'orders');
  const passed: string[] = [];
  for (const command of commands)
    if ((await cluster.kubectl(command)).code === 0)
      passed.push(command.find((word) => word.startsWith('--for='))?.slice('--for='.length) ?? '');
  return passed;
}

const ofTrigger = 'jsonpath={.status.lastRun.triggerID}=before-migration';

describe('the commands of the page', () => {
  test('are looked at', () => {
    expect(commands).toHaveLength(4);
  });

  test.each([
    { row: 'nothing due, and no run yet', variant: 'before any run', passes: ['condition=Ready'] },
    { row: 'a run is under way', variant: 'for a while before any run', passes: ['condition=Ready'] },
    {
      row: 'only an edit can help',
      variant: 'LicenseNotAccepted before any run',
      passes: ['condition=Stalled'],
    },
    { row: 'it waits: for a Service, a claim, a quota', variant: 'ClaimNotFound before any run', passes: [] },
    {
      row: 'the last run took a backup',
      variant: 'FullBackupTaken',
      passes: ['condition=Ready', ofTrigger, 'condition=LastRunSucceeded'],
    },
    { row: 'the last run failed', variant: 'PortUnreachable', passes: ['condition=Ready', ofTrigger] },
  ])('pass as they should when: $row', async ({ row, variant, passes }) => {
    expect(await passing(row, variant)).toEqual(passes);
  });
});
