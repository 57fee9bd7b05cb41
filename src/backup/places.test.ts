import { describe, expect, test } from 'vitest';
import { aBackup, aJob, complete } from '../../test/support/builders.ts';
import { labels, tasks } from '../api/names.ts';
import { selectEngine } from '../engine/select.ts';
import { buildJob } from './job.ts';
import { claimPlaceIn, placesIn, placesOf } from './places.ts';
import type { Job, Neo4jBackup } from './resources.ts';

const limits = { runningBackups: 4, runningBackupsPerServer: 1, runningBackupsPerClaim: 2 };

function keysOf(backup: Neo4jBackup): readonly string[] {
  return placesOf(backup, limits, { isShared: true }).map(({ key }) => key);
}

/** The Job of a run of it, as the API server gives it. */
function runOf(backup: Neo4jBackup): Job {
  const engine = selectEngine('3.4.18');
  if (engine === undefined) throw new Error('no engine');
  const run = { id: 'orders-1', requestedType: 'Auto' } as const;
  const made = buildJob(backup, { run, engine, agentImage: 'agent:1', now: new Date(), terminalPods: [] });
  const { namespace } = backup.metadata;
  const marks = made.metadata?.labels;
  return aJob({
    metadata: { ...(namespace === undefined ? {} : { namespace }), ...(marks && { labels: marks }) },
  });
}

const long = `${'abcdefg.'.repeat(30)}example`;

describe('the places', () => {
  test.each([
    { source: { serviceRef: { name: 'orders-neo4j' } } },
    { source: { serviceRef: { name: 'a'.repeat(63) }, port: 65_535 } },
    { source: { host: 'DB1.example.com' } },
    { source: { host: long } },
    { source: { host: '2001:db8::1', port: 6363 } },
    { source: { host: '::1' } },
  ])('of the run from $source are those of its Job, whose label can be one', ({ source }) => {
    const backup = aBackup({ spec: { source } });
    const job = runOf(backup);
    expect(placesIn(job).toSorted()).toEqual(keysOf(backup).toSorted());
    expect(job.metadata.labels?.[labels.server]).toMatch(
      /^(?=.{1,63}$)[a-zA-Z0-9]([-_.a-zA-Z0-9]*[a-zA-Z0-9])?$/,
    );
  });

  test('of two servers are two, and a host is one wherever it is named', () => {
    const from = (source: object, namespace = 'shop'): string | undefined =>
      keysOf(aBackup({ metadata: { namespace }, spec: { source } })).find((key) => key.startsWith('server '));
    const service = { serviceRef: { name: 'db' } };
    const different = [
      from(service),
      from(service, 'lab'),
      from({ ...service, port: 6363 }),
      from({ host: 'db' }),
      from({ host: 'db', port: 6363 }),
      from({ host: '2001:db8::1' }),
      from({ host: '2001:db8::2' }),
      from({ serviceRef: { name: 'host-db' } }),
    ];
    expect(new Set(different).size).toBe(different.length);
    expect(from({ host: 'DB' }, 'lab')).toBe(from({ host: 'db' }));
  });

  test('without a limit are none, but that of a claim for one Pod at a time', () => {
    const none = { runningBackups: 0, runningBackupsPerServer: 0, runningBackupsPerClaim: 0 };
    expect(placesOf(aBackup(), none, { isShared: true })).toEqual([]);
    expect(placesOf(aBackup(), none, { isShared: false })).toMatchObject([{ kind: 'claim', room: 1 }]);
    expect(placesOf(aBackup(), limits, { isShared: false })[0]).toMatchObject({ kind: 'claim', room: 1 });
    expect(placesOf(aBackup(), limits, { isShared: true })[0]).toMatchObject({ kind: 'claim', room: 2 });
  });

  test('are taken by no Job that has ended, is none of a run, or is nobody’s', () => {
    const job = runOf(aBackup());
    const { metadata } = job;
    expect(placesIn(job)).toHaveLength(3);
    expect(placesIn({ ...job, status: { conditions: [complete] } })).toEqual([]);
    const marks = { ...metadata.labels, [labels.task]: tasks.scrub };
    expect(placesIn({ ...job, metadata: { ...metadata, labels: marks } })).toEqual([]);
    expect(placesIn({ ...job, metadata: { ...metadata, ownerReferences: [] } })).toEqual([]);
  });

  test('of a Job of an earlier version, which names no server, are the others', () => {
    const marks = { [labels.claim]: 'backups' };
    const job = aJob({ metadata: { labels: marks } });
    expect(placesIn(job)).toEqual(['operator', claimPlaceIn(job)]);
  });
});
