import { describe, expect, test } from 'vitest';
import {
  explain,
  isReason,
  isRunReason,
  isSuccess,
  reasons,
  waitedInVain,
  type Reason,
  type ReasonRow,
  type RunReason,
} from './reasons.ts';

const rows = Object.entries<ReasonRow>(reasons).map(([reason, row]) => ({
  reason: reason as Reason,
  ...row,
}));

describe.each(rows)('$reason', ({ reason, condition, event, retryable, says, next }) => {
  test('is a word that Kubernetes takes for a reason, and no gerund', () => {
    expect(reason).toMatch(/^[A-Z][A-Za-z]+$/);
    expect(reason.length).toBeLessThanOrEqual(64);
    expect(reason).not.toMatch(/^(Error|Failed|Unknown)$/);
  });

  test('says one sentence', () => {
    expect(says).toMatch(/^[A-Z].*[a-z].*\.$/);
    expect(says).not.toMatch(/[.!?] [A-Z]|\n|  /);
  });

  test('says what to do, if it warns', () => {
    expect(next !== undefined).toBe(event === 'Warning');
    expect(next ?? 'Nothing.').toMatch(/^[A-Z].*\.$/);
  });

  test('is retried only where it is the end of a run', () => {
    expect(retryable && condition !== 'LastRunSucceeded').toBe(false);
  });

  test('explains itself in a message that fits into status', () => {
    const whole = explain(reason, 'x'.repeat(300));
    expect(whole.length).toBeLessThanOrEqual(1024);
    expect(explain(reason)).toBe([says, next].filter((part) => part !== undefined).join(' '));
  });
});

describe('explain', () => {
  const { says, next } = reasons.NoSpaceLeft;
  test.each([
    { name: 'what the reason says without facts', detail: undefined, message: `${says} ${next}` },
    { name: 'what the reason says for empty facts', detail: '', message: `${says} ${next}` },
    { name: 'what the reason says for blank facts', detail: ' \n', message: `${says} ${next}` },
    {
      name: 'facts and advice',
      detail: 'No space left on device',
      message: `No space left on device. ${next}`,
    },
    { name: 'one stop where the facts have one', detail: 'It is full.', message: `It is full. ${next}` },
    { name: 'no stop after another end', detail: 'Really?', message: `Really? ${next}` },
    { name: 'no stop on a line of its own', detail: 'It is full.\n', message: `It is full. ${next}` },
  ])('gives $name', ({ detail, message }) => {
    expect(explain('NoSpaceLeft', detail)).toBe(message);
  });

  test('gives the facts alone where there is nothing to do', () => {
    expect(explain('FullBackupTaken', 'Up to transaction 8')).toBe('Up to transaction 8.');
  });
});

test('isReason knows the words of the table, and no others', () => {
  for (const { reason } of rows) expect(isReason(reason)).toBe(true);
  for (const word of ['', 'constructor', '__proto__', 'toString', 'idle', 'Idle '])
    expect(isReason(word)).toBe(false);
});

test('isRunReason knows what a run can end with', () => {
  const ends = rows.map(({ reason }) => reason).filter(isRunReason);
  const ofTable = rows
    .filter(({ condition }) => condition === 'LastRunSucceeded')
    .map(({ reason }) => reason);
  expect(new Set(ends)).toEqual(
    new Set([...ofTable.filter((reason) => reason !== 'NoRunYet'), ...waitedInVain]),
  );
  expect(isRunReason('constructor')).toBe(false);
});

test('a run is a success when it took a backup without any objection', () => {
  const successes = rows.map(({ reason }) => reason).filter((reason) => isSuccess(reason as RunReason));
  expect(successes).toEqual(['FullBackupTaken', 'IncrementalBackupTaken', 'BackupsTaken']);
});
