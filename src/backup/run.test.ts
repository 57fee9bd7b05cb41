import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aBackup, aJob, aRun } from '../../test/support/builders.ts';
import { wishes } from '../api/names.ts';
import type { Job, Neo4jBackup } from './resources.ts';
import { claimMark, destinationPath, dueRun, policyHash, runName, shortName } from './run.ts';

const segment = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

const named = (name: string): Neo4jBackup => aBackup({ metadata: { name } });

/** Whatever Kubernetes takes as the name of a resource: labels joined by dots, 253 characters at most. */
const resourceName = fc
  .array(fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/), { minLength: 1, maxLength: 4 })
  .map((labels) =>
    labels
      .join('.')
      .slice(0, 253)
      .replace(/[-.]+$/, ''),
  );

describe('runName', () => {
  test('is the same in every process', () => {
    expect(runName(aBackup(), 'once')).toBe('orders-fb7a82855b');
  });

  test('differs by uid and by cause', () => {
    const other = aBackup({ metadata: { uid: 'another-uid' } });
    const names = [runName(aBackup(), 'once'), runName(other, 'once'), runName(aBackup(), 'trigger\0once')];
    expect(new Set(names).size).toBe(3);
  });

  test('is a DNS label for any resource name', () => {
    fc.assert(
      fc.property(resourceName, fc.string(), (name, cause) => {
        expect(runName(named(name), cause)).toMatch(segment);
      }),
    );
  });
});

describe('shortName and destinationPath', () => {
  test('fit one segment of the volume for any resource name', () => {
    fc.assert(
      fc.property(resourceName, fc.integer({ min: 12, max: 63 }), (name, most) => {
        expect(shortName(name, most)).toMatch(segment);
        expect(shortName(name, most).length).toBeLessThanOrEqual(most);
        expect(destinationPath(named(name))).toMatch(segment);
      }),
    );
  });

  test.each([
    { name: 'keep a name that fits', given: 'orders', path: 'orders' },
    { name: 'mark a name with a dot', given: 'orders.eu', path: 'orders-eu-e7951fa7' },
  ])('$name', ({ given, path }) => {
    expect(shortName(given, 63)).toBe(path);
  });

  test('tell long names apart that begin alike', () => {
    const long = 'a'.repeat(70);
    expect(shortName(`${long}b`, 63)).not.toBe(shortName(`${long}c`, 63));
  });

  test('leaves the path of the spec as it is', () => {
    const destination = { persistentVolumeClaim: { claimName: 'backups' }, path: 'elsewhere' };
    expect(destinationPath(aBackup({ spec: { destination } }))).toBe('elsewhere');
  });
});

test('a claim of any name has a label of its own', () => {
  const names = ['backups', 'back.ups', 'back-ups', `${'a'.repeat(70)}b`, `${'a'.repeat(70)}c`];
  const marks = names.map(claimMark);
  expect(new Set(marks).size).toBe(names.length);
  for (const mark of marks) expect(mark).toMatch(segment);
});

test('policies that say the same have one hash, others have others', () => {
  const hash = policyHash({ keepLast: 3, keepDaily: 7, mode: 'Plan' });
  expect(policyHash({ mode: 'Plan', keepDaily: 7, keepLast: 3 })).toBe(hash);
  expect(policyHash({ keepLast: 3, keepDaily: 7, mode: 'Enforce' })).not.toBe(hash);
  expect(policyHash({ keepLast: 7, keepDaily: 3, mode: 'Plan' })).not.toBe(hash);
  expect(hash).toMatch(/^[0-9a-f]{16}$/);
});

describe('dueRun', () => {
  const first = { trigger: { id: 'first' } };
  const once = runName(aBackup(), 'once');
  const forFirst = runName(aBackup(), 'trigger\0first');
  const current = { id: 'orders-1', requestedType: 'Auto', startTime: '2026-01-01T00:00:00Z' } as const;

  interface Case {
    readonly name: string;
    readonly backup: Neo4jBackup;
    readonly jobs?: readonly Job[];
    readonly due: string | undefined;
  }
  const cases: readonly Case[] = [
    { name: 'runs once without a trigger', backup: aBackup(), due: once },
    {
      name: 'runs once: not again while its Job is there',
      backup: aBackup(),
      jobs: [aJob()],
      due: undefined,
    },
    {
      name: 'runs once: not again while it is the current run',
      backup: aBackup({ status: { currentRun: current } }),
      due: undefined,
    },
    {
      name: 'runs once: not again after any run, its Job gone',
      backup: aBackup({ status: { lastRun: aRun({ result: 'Failed', reason: 'ResultLost' }) } }),
      due: undefined,
    },
    {
      name: 'takes a trigger at creation for the first run',
      backup: aBackup({ spec: first }),
      due: forFirst,
    },
    {
      name: 'starts no second run when the trigger of the first one is removed',
      backup: aBackup({ status: { lastRun: aRun({ triggerID: 'first' }), lastTriggerID: 'first' } }),
      due: undefined,
    },
    {
      name: 'starts nothing for a removed trigger whose Job is all that is known',
      backup: aBackup(),
      jobs: [aJob({ triggerID: 'first' })],
      due: undefined,
    },
    {
      name: 'starts nothing for the id that fired last',
      backup: aBackup({ spec: first, status: { lastTriggerID: 'first' } }),
      due: undefined,
    },
    {
      name: 'starts nothing for the id of the current run',
      backup: aBackup({ spec: first, status: { currentRun: { ...current, triggerID: 'first' } } }),
      due: undefined,
    },
    {
      name: 'starts nothing for an id that the history remembers',
      backup: aBackup({
        spec: first,
        status: { lastTriggerID: 'second', history: [aRun({ triggerID: 'first' })] },
      }),
      due: undefined,
    },
    {
      name: 'starts nothing for an id that only the newest failure remembers',
      backup: aBackup({
        spec: first,
        status: { lastTriggerID: 'second', lastFailure: aRun({ triggerID: 'first', result: 'Failed' }) },
      }),
      due: undefined,
    },
    {
      name: 'starts nothing for an id that only a Job remembers',
      backup: aBackup({ spec: first, status: { lastTriggerID: 'second' } }),
      jobs: [aJob({ triggerID: 'first' })],
      due: undefined,
    },
    {
      name: 'starts a run for a new id after the one run without a trigger',
      backup: aBackup({ spec: first, status: { lastRun: aRun() } }),
      jobs: [aJob()],
      due: forFirst,
    },
  ];
  test.for(cases)('$name', ({ backup, jobs = [], due }) => {
    expect(dueRun(backup, jobs)?.id).toBe(due);
  });

  test('carries type and id of the trigger', () => {
    const backup = aBackup({ spec: { trigger: { id: 'before-migration', type: 'Full' } } });
    expect(dueRun(backup, [])).toMatchObject({ requestedType: 'Full', triggerID: 'before-migration' });
  });
});

test('an annotation that is cut is cut between characters', () => {
  const run = dueRun(aBackup({ metadata: { annotations: { [wishes.runNow]: `a${'😀'.repeat(60)}` } } }), []);
  expect(run?.annotationTriggerID?.isWellFormed()).toBe(true);
});
