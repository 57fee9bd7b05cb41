import { describe, expect, test } from 'vitest';
import { aBackup, anObserved } from '../../test/support/builders.ts';
import { objectionTo } from './objection.ts';

describe('a host, where every host may be named,', () => {
  const policy = { agentImage: 'agent:1', allowedHosts: ['*'], allowedImages: [] } as const;
  test.each([
    { host: 'db.example.com', refused: undefined },
    { host: '10.0.0.7', refused: undefined },
    { host: 'fd12:3456::7', refused: undefined },
    { host: '127.0.0.1', refused: 'a loopback address' },
    { host: '::1', refused: 'a loopback address' },
    { host: '::ffff:127.0.0.1', refused: 'a loopback address' },
    { host: '0.0.0.0', refused: 'an unspecified address' },
    { host: '169.254.169.254', refused: 'a link-local address' },
    { host: 'fe80::1', refused: 'a link-local address' },
    { host: '64:ff9b::a9fe:a9fe', refused: 'a link-local address' },
    // What a name leads to is seen by the agent, at the moment of the connection.
    { host: 'localhost', refused: undefined },
  ])('$host is refused as $refused', ({ host, refused }) => {
    const backup = aBackup({ spec: { source: { host } } });
    expect(objectionTo(anObserved({ backup, service: 'none' }), policy, true)).toEqual(
      refused === undefined
        ? undefined
        : {
            kind: 'stalled',
            reason: 'HostNotAllowed',
            detail: `spec.source.host is ${host}, ${refused}: no allowedHosts lets it in`,
          },
    );
  });
});
