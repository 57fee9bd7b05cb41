// The table of docs/gitops.md, by the code of the tools that it speaks of.
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { blocks, healthScript, truthTable } from './page.ts';
import { states, type State } from './states.ts';
import { verdictsOn, type Verdicts } from './verdicts.ts';

const buildMs = 20 * 60_000;
const manifests: readonly unknown[] = blocks('yaml').map((block) => parse(block) as unknown);
const [kustomization] = manifests;
const rows = truthTable();

let verdicts: readonly Verdicts[] = [];

beforeAll(async () => {
  const objects = states.map(({ backup }) => backup);
  verdicts = await verdictsOn({ objects, script: healthScript, kustomization });
}, buildMs);

function cellsOf({ backup }: State, { kstatus, argo, flux }: Verdicts): Record<string, string> {
  const condition = (name: string): string =>
    backup.status?.conditions?.find(({ type }) => type === name)?.status ?? '-';
  const conditions = ['Ready', 'Reconciling', 'Stalled', 'LastRunSucceeded'];
  return {
    ...Object.fromEntries(conditions.map((name) => [name, condition(name)])),
    kstatus: kstatus.status,
    'Argo CD': argo.status,
    'Flux gate': flux.status,
  };
}

/** What is so, with `any` where the docs leave it open. */
function seen(row: string, cells: Readonly<Record<string, string>>): readonly object[] {
  return states.flatMap((state, i) => {
    const verdict = verdicts[i];
    if (state.row !== row || verdict === undefined) return [];
    const is = cellsOf(state, verdict);
    const masked = Object.entries(is).map(([name, value]) => [name, cells[name] === 'any' ? 'any' : value]);
    return [{ variant: state.variant, ...Object.fromEntries(masked) }];
  });
}

describe('the table', () => {
  test('has exactly the states that there are', () => {
    expect(rows.map(({ state }) => state).toSorted()).toEqual(
      [...new Set(states.map(({ row }) => row))].toSorted(),
    );
  });

  test.each(rows)('is right about: $state', ({ state, cells }) => {
    const found = seen(state, cells);
    expect(found).not.toEqual([]);
    expect(found).toEqual(
      states.filter(({ row }) => row === state).map(({ variant }) => ({ variant, ...cells })),
    );
  });
});

test('a resource that is being deleted is Terminating to kstatus, whatever its state', async () => {
  const objects = states.map(({ backup }) => ({
    ...backup,
    metadata: { ...backup.metadata, deletionTimestamp: '2026-01-01T00:20:00Z' },
  }));
  const said = await verdictsOn({ objects, script: healthScript, kustomization });
  expect(new Set(said.map(({ kstatus }) => kstatus.status))).toEqual(new Set(['Terminating']));
});

describe('the health script', () => {
  test('tells why, in the words of the condition that decided', () => {
    const told = Object.fromEntries(states.map(({ variant }, i) => [variant, verdicts[i]?.argo.message]));
    expect(told['ClaimNotFound after FullBackupTaken']).toMatch(/^ClaimNotFound: The facts of the moment/);
    expect(told['ImagePullFailed before any run']).toMatch(/^ImagePullFailed: The facts of the moment/);
    expect(told['LicenseNotAccepted before any run']).toMatch(/^LicenseNotAccepted: The facts/);
    expect(told['for a while before any run']).toBe('Running: The run orders-1 is under way.');
    expect(told['OutOfMemory']).toBe('OutOfMemory: The facts of the moment');
  });

  const metadata = { name: 'orders', generation: 1 };
  const observed = { observedGeneration: 1 };
  test.each([
    { name: 'no status', object: { metadata }, says: 'Progressing' },
    { name: 'an empty status', object: { metadata, status: {} }, says: 'Progressing' },
    {
      name: 'no conditions',
      object: { metadata, status: { ...observed } },
      says: 'Progressing',
    },
    {
      name: 'conditions without words',
      object: {
        metadata,
        status: { ...observed, conditions: [{}, { type: 'Ready' }, { status: 'True' }] },
      },
      says: 'Progressing',
    },
    {
      name: 'the one condition that counts',
      object: { metadata, status: { ...observed, conditions: [{ type: 'Ready', status: 'True' }] } },
      says: 'Healthy',
    },
  ])('stands $name', async ({ object, says }) => {
    const [said] = await verdictsOn({
      objects: [{ apiVersion: 'neo4j-backup.dev/v1alpha1', kind: 'Neo4jBackup', ...object }],
      script: healthScript,
      kustomization,
    });
    expect(said?.argo.status).toBe(says);
  });

  test('is what the ConfigMap of the docs holds', () => {
    const found = manifests.find((manifest) => (manifest as { kind?: unknown }).kind === 'ConfigMap');
    expect(found).toMatchObject({
      data: { 'resource.customizations.health.neo4j-backup.dev_Neo4jBackup': healthScript },
    });
  });
});
