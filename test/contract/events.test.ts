// Our Events on a real API server, which refuses what is not quite as it expects.
import { randomBytes } from 'node:crypto';
import { expect, inject, onTestFinished, test } from 'vitest';
import { eventRecorder } from '../../src/kube/events.ts';
import { kubeClient } from '../../src/kube/http.ts';
import { loadKubeConfig } from '../../src/kube/kube-config.ts';
import { must } from '../../tools/run.ts';
import { FakeClock } from '../support/fake-clock.ts';

test('an event is told, and what came again of it later, with how often', async () => {
  const namespace = `events-${randomBytes(4).toString('hex')}`;
  const kubectl = (args: readonly string[]): Promise<string> =>
    must([inject('kubectl'), '--kubeconfig', inject('kubeconfig'), '--namespace', namespace, ...args]);
  await kubectl(['create', 'namespace', namespace]);
  const client = kubeClient({ kubeConfig: loadKubeConfig(inject('kubeconfig')), userAgent: 'events' });
  onTestFinished(() => client.close());
  const [clock, lost] = [new FakeClock(), [] as unknown[]];
  const recorder = eventRecorder({
    client,
    now: () => clock.now(),
    reportingController: 'neo4j-backup.dev/operator',
    reportingInstance: 'one',
    onLost: (_event, error) => lost.push(error),
  });
  const object = { apiVersion: 'neo4j-backup.dev/v1alpha1', kind: 'Neo4jBackup', namespace, name: 'orders' };
  const regarding = { ...object, uid: '11111111-2222-4333-8444-555555555555' };
  const event = { regarding, type: 'Warning', reason: 'PortUnreachable', note: 'é'.repeat(2_000) } as const;
  const come = (): void => recorder.record({ ...event, action: 'Backup' });
  come();
  await clock.advance(60_000);
  come();
  await clock.advance(600_000);
  come();
  await recorder.flush();
  expect(lost).toEqual([]);
  const told = await kubectl(['get', 'events.v1.events.k8s.io', '--sort-by=.eventTime', '-o', 'json']);
  expect((JSON.parse(told) as { readonly items: unknown }).items).toMatchObject([
    { eventTime: '2026-01-01T00:00:00.000000Z', regarding },
    {
      eventTime: '2026-01-01T00:01:00.000000Z',
      series: { count: 2, lastObservedTime: '2026-01-01T00:11:00.000000Z' },
    },
  ]);
});
