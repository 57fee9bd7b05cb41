// An objective is broken by time alone, and met again by a backup: status says so once each time.
import { afterEach, expect, test } from 'vitest';
import { pointMark } from '../../src/run/point-mark.ts';
import type { RunReport } from '../../src/run/report.ts';
import { aReport } from '../support/builders.ts';
import { Scene } from './scene.ts';

let scene = new Scene();

afterEach(() => scene.stop());

const hourMs = 3_600_000;
const twoHours = { objectives: { maxDataLossSeconds: 7_200 } };
const objective = (): string | undefined => scene.conditions()['ObjectivesMet'];
const told = (): readonly string[] =>
  scene.events.map(({ reason }) => reason).filter((reason) => /Met$|^MaxDataLoss/.test(reason));
const writes = (): number => scene.kube.requests.filter(({ verb }) => verb === 'replaceStatus').length;

/** A report of now: of what was complete before its Job nobody knows when it began. */
const reportOfNow = (): RunReport => aReport({ completionTime: scene.clock.now().toISOString() });

async function begun(spec: Readonly<Record<string, unknown>>): Promise<void> {
  scene = new Scene();
  await scene.start();
  scene.apply(spec);
  await scene.settle(10_000);
}

test('is unknown, met, broken when its time comes, and met again', async () => {
  await begun(twoHours);
  expect(objective()).toBe('Unknown NoBackupYet');
  await scene.settle(hourMs);
  scene.finish(scene.activeJob(), reportOfNow());
  await scene.settle();
  expect(objective()).toBe('True ObjectiveMet');

  const before = writes();
  await scene.settle(hourMs - 80_000);
  expect([objective(), writes()]).toEqual(['True ObjectiveMet', before]);
  await scene.settle(20_000);
  expect(objective()).toBe('False MaxDataLossExceeded');
  await scene.settle(24 * hourMs);
  expect(writes()).toBe(before + 1);

  scene.trigger('now');
  await scene.settle();
  scene.finish(scene.activeJob(), reportOfNow());
  await scene.settle();
  expect(objective()).toBe('True ObjectiveMet');
  expect(told()).toEqual(['MaxDataLossExceeded', 'ObjectiveMet']);
});

test('is broken at once by a shorter one, and gone with it', async () => {
  await begun(twoHours);
  scene.finish(scene.activeJob(), reportOfNow());
  await scene.settle(hourMs);
  scene.edit({ objectives: { maxDataLossSeconds: 60 } });
  await scene.settle(5_000);
  expect(objective()).toBe('False MaxDataLossExceeded');
  scene.edit({ objectives: undefined });
  await scene.settle(5_000);
  expect(objective()).toBeUndefined();
});

test('is broken when the only backup is found damaged', async () => {
  await begun({ ...twoHours, verification: { schedule: '0 1 * * *' } });
  const run = scene.activeJob();
  scene.finish(run, reportOfNow());
  await scene.settle(hourMs);
  const facts = { reason: 'ArtifactCorrupt', message: 'Damaged.' } as const;
  const completionTime = scene.clock.now().toISOString();
  const damaged = [{ point: `20260101T000000Z-${pointMark(run)}`, file: 'data/neostore' }];
  scene.tended('scrub', {
    ...facts,
    verification: { id: '', result: 'Failed', ...facts, completionTime, damaged },
  });
  await scene.settle();
  expect(objective()).toBe('Unknown NoBackupYet');
  await scene.settle(hourMs);
  expect(objective()).toBe('False MaxDataLossExceeded');
});
