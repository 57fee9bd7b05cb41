import { expect, test } from 'vitest';
import { aBackup, aJob, complete } from '../../test/support/builders.ts';
import { claimKey, destinationKey, isShared, markKey, markKeyOf, othersOf, rivalOf } from './crowd.ts';
import { buildJob } from './job.ts';
import { selectEngine } from '../engine/select.ts';
import type { Claim, Job } from './resources.ts';

function claim(...accessModes: readonly string[]): Claim {
  const metadata = { name: 'backups', namespace: 'shop', uid: 'u', resourceVersion: '1' };
  const creationTimestamp = '2026-01-01T00:00:00Z';
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { ...metadata, creationTimestamp },
    spec: { accessModes: [...accessModes] },
  };
}

test.each([
  { modes: ['ReadWriteMany'], many: true },
  { modes: ['ReadWriteOnce', 'ReadWriteMany'], many: true },
  { modes: ['ReadWriteOnce'], many: false },
  { modes: ['ReadWriteOncePod'], many: false },
  { modes: ['ReadOnlyMany'], many: false },
  { modes: [], many: false },
])('a claim with $modes serves many Pods: $many', ({ modes, many }) => {
  expect(isShared(claim(...modes))).toBe(many);
});

test('of a claim that nobody has seen the worse is assumed', () => {
  expect(isShared(undefined)).toBe(false);
});

const ofOther = (name: string, job: Parameters<typeof aJob>[0] = {}): Job => {
  const { metadata, ...rest } = aJob({ ...job, metadata: { name, ...job.metadata } });
  const owner = { apiVersion: 'x', kind: 'Neo4jBackup', name: 'others', uid: 'other-uid' };
  return { ...rest, metadata: { ...metadata, ownerReferences: [owner] } };
};

test('in the way are Jobs of others that have not ended, and nothing that is not ours', () => {
  const later = ofOther('later', { metadata: { creationTimestamp: '2026-01-01T00:01:00Z' } });
  const foreign = aJob({ metadata: { name: 'foreign', ownerReferences: [] } });
  const ended = ofOther('ended', { conditions: [complete] });
  const found = [later, ofOther('first'), aJob(), ended, foreign];
  expect(othersOf('backup-uid', found).map(({ metadata }) => metadata.name)).toEqual(['first', 'later']);
});

test('the older of two has the folder, and of two of one age the one of the lower uid', () => {
  const older = aBackup({ metadata: { uid: 'z', creationTimestamp: '2025-12-31T23:59:59Z' } });
  const [low, high] = ['l', 'm'].map((uid) => aBackup({ metadata: { uid } })) as [typeof older, typeof older];
  const all = [high, low, older];
  expect(rivalOf(high, all)).toBe(older);
  expect(rivalOf(low, all)).toBe(older);
  expect(rivalOf(older, all)).toBeUndefined();
  expect(rivalOf(high, [high, low])).toBe(low);
  expect(rivalOf(low, [high, low])).toBeUndefined();
});

test('one folder has one key, whether it is named or comes from the name of the resource', () => {
  const destination = { persistentVolumeClaim: { claimName: 'backups' }, path: 'orders' };
  const other = { persistentVolumeClaim: { claimName: 'backups' }, path: 'elsewhere' };
  const named = aBackup({ metadata: { name: 'second' }, spec: { destination } });
  expect(destinationKey(named)).toBe(destinationKey(aBackup()));
  expect(destinationKey(aBackup({ spec: { destination: other } }))).not.toBe(destinationKey(aBackup()));
  expect(destinationKey(aBackup({ metadata: { namespace: 'lab' } }))).not.toBe(destinationKey(aBackup()));
  expect(claimKey(named)).toBe(claimKey(aBackup()));
});

test('a Job is found by the claim of its resource', () => {
  const engine = selectEngine('3.4.18');
  if (engine === undefined) throw new Error('no engine');
  const run = { id: 'orders-1', requestedType: 'Auto' } as const;
  const input = { run, engine, agentImage: 'agent:1', now: new Date(), terminalPods: [] };
  const { metadata } = buildJob(aBackup(), input);
  expect(markKeyOf({ ...aJob(), metadata: { ...aJob().metadata, labels: metadata?.labels } })).toBe(
    markKey(aBackup()),
  );
  expect(markKeyOf(aJob())).toBeUndefined();
});
