// What an agent is asked, for tests.
import type { RunRequest } from '../../src/run/request.ts';

export function aRequest(over: Partial<RunRequest> = {}): RunRequest {
  return {
    schemaVersion: 1,
    run: 'orders-1',
    resource: { namespace: 'shop', name: 'orders', uid: '7d1e6f0e-0000-4000-8000-000000000001' },
    createdTime: '2026-01-01T03:00:00.000Z',
    path: 'orders',
    source: { host: '127.0.0.1', port: 6362 },
    neo4jVersion: '3.4.18',
    requestedType: 'Auto',
    consistencyCheck: 'OnFull',
    podDeadlineSeconds: 3600,
    terminalPods: [],
    ...over,
  };
}
