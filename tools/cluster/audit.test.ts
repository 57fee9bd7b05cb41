import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/support/temporary.ts';
import { AuditLog } from './audit.ts';

/** A line as the API server writes it, but for what differs. */
function line(fields: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify({
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    stage: 'ResponseComplete',
    verb: 'list',
    user: { username: 'reader', groups: ['system:authenticated'] },
    userAgent: 'kubectl/v1.36.0',
    objectRef: { resource: 'pods', namespace: 'shop', apiVersion: 'v1' },
    responseStatus: { metadata: {}, code: 200 },
    requestReceivedTimestamp: '2026-11-30T12:00:00.000001Z',
    stageTimestamp: '2026-11-30T12:00:00.250001Z',
    ...fields,
  })}\n`;
}

test('a request whose credentials were refused is nobody’s: its line names no user', () => {
  const path = join(temporaryFolder(), 'audit.log');
  writeFileSync(
    path,
    line({ auditID: 'a', user: {}, responseStatus: { metadata: {}, status: 'Failure', code: 401 } }),
  );

  expect(new AuditLog(path).read()).toMatchObject([{ user: '', code: 401 }]);
});

test('a line that is still being written is read when it is whole, and each request once', () => {
  const path = join(temporaryFolder(), 'audit.log');
  const second = line({ auditID: 'b', user: { username: 'writer' } });
  writeFileSync(path, line({ auditID: 'a' }) + second.slice(0, 40));
  const log = new AuditLog(path);
  expect(log.read().map(({ user }) => user)).toEqual(['reader']);

  appendFileSync(path, second.slice(40) + line({ auditID: 'a', stage: 'ResponseStarted' }));

  expect(log.read().map(({ user }) => user)).toEqual(['reader', 'writer']);
});
