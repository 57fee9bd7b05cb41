// What the operator asks for in all stories together is what it declares, and so what the chart gives it: no less and no more.
import { expect, test } from 'vitest';
import { LeaderElector } from '../../src/runtime/leader.ts';
import { leasePermissions } from '../../src/runtime/leader.ts';
import type { Permission } from '../../src/kube/permission.ts';
import { watchPermissions } from '../../tools/chart.ts';
import { FakeClock } from '../support/fake-clock.ts';
import type { FakeRequest } from '../support/fake-kube-faults.ts';
import { FakeKube } from '../support/fake-kube.ts';
import { quietLog } from '../support/quiet-log.ts';
import { stories } from './stories.ts';
import { Trial } from './trial.ts';

const verbs: Readonly<Record<string, string>> = { replace: 'update', replaceStatus: 'update' };

/** `update neo4jbackups/status.neo4j-backup.dev` */
function rightOf({ verb, type }: FakeRequest): string {
  const [plural, ...group] = type.split('.');
  const resource = verb === 'replaceStatus' ? `${plural}/status` : plural;
  return `${verbs[verb] ?? verb} ${[resource, ...group].join('.')}`;
}

function rightsIn(permissions: readonly Permission[]): readonly string[] {
  return permissions.flatMap(({ apiGroup, resource, verbs: allowed }) =>
    allowed.map((verb) => `${verb} ${[resource, ...(apiGroup === '' ? [] : [apiGroup])].join('.')}`),
  );
}

function distinct(rights: readonly string[]): readonly string[] {
  return [...new Set(rights)].toSorted();
}

test('in the namespaces that are watched', async () => {
  const used: string[] = [];
  for (const story of stories) {
    const { requests } = await new Trial(story, []).tell();
    used.push(...requests.map(rightOf));
  }
  expect(distinct(used)).toEqual(distinct(rightsIn(watchPermissions)));
});

test('in its own namespace', async () => {
  const [kube, clock] = [new FakeKube(), new FakeClock()];
  for (const identity of ['first', 'second']) {
    const stop = new AbortController();
    const elector = new LeaderElector({
      client: kube,
      namespace: 'own',
      identity,
      clock,
      random: () => 0.5,
      log: quietLog(),
    });
    const done = elector.run(stop.signal, async (signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    });
    await clock.advance(60_000);
    stop.abort();
    await clock.advance(10_000);
    await done;
  }
  expect(distinct(kube.requests.map(rightOf))).toEqual(distinct(rightsIn(leasePermissions)));
});
