// Hostile names, through everything that takes a name: the schema of our kind, what the operator asks of the agent, and the
// command line of every generation. A name is refused, or it stands in its argument as a calm one would.
import { describe, expect, test } from 'vitest';
import { Neo4jBackupSpec } from '../../src/api/neo4jbackup.ts';
import { databaseName, hostName, imageName, pathSegment, triggerName } from '../../src/api/patterns.ts';
import { selectEngine } from '../../src/engine/select.ts';
import { buildJob } from '../../src/backup/job.ts';
import type { Command } from '../../src/engine/engine.ts';
import { formatArguments } from '../../src/run/exchange.ts';
import { parseRequest } from '../../src/run/request.ts';
import { aRequest } from '../support/agent.ts';
import { aBackup } from '../support/builders.ts';
import { generations } from '../support/captures.ts';
import { payloads } from '../support/payloads.ts';

test('there are enough of them, and no two are the same', () => {
  expect(payloads.length).toBeGreaterThan(600);
});

function takes(spec: object): boolean {
  const calm = {
    source: { host: 'orders' },
    neo4j: { version: '3.4.18' },
    destination: { persistentVolumeClaim: { claimName: 'backups' } },
  };
  return Neo4jBackupSpec.safeParse({ ...calm, ...spec }).success;
}

function asks(over: object): boolean {
  try {
    parseRequest(JSON.stringify({ ...aRequest(), ...over }));
    return true;
  } catch {
    return false;
  }
}

describe('each name', () => {
  const claim = { persistentVolumeClaim: { claimName: 'backups' } };
  interface Field {
    readonly name: string;
    readonly pattern: RegExp;
    readonly maxLength: number;
    /** Whether the schema of our kind takes it; undefined where it has no such field yet. */
    readonly inSchema?: (value: string) => boolean;
    /** Whether the agent takes it; undefined where the agent is not told. */
    readonly inRequest?: (value: string) => boolean;
    /** All that is let in. What they have in common: nobody but us reads more into them than a word. */
    readonly letIn: readonly string[];
  }
  const fields: readonly Field[] = [
    {
      name: 'a host',
      pattern: hostName,
      maxLength: 253,
      inSchema: (host) => takes({ source: { host } }),
      inRequest: (host) => asks({ source: { host, port: 6362 } }),
      letIn: [],
    },
    {
      name: 'a folder of the volume',
      pattern: pathSegment,
      maxLength: 63,
      inSchema: (path) => takes({ destination: { ...claim, path } }),
      inRequest: (path) => asks({ path }),
      letIn: [],
    },
    {
      name: 'a run',
      pattern: pathSegment,
      maxLength: 63,
      inRequest: (run) => asks({ run }),
      letIn: [],
    },
    { name: 'a database', pattern: databaseName, maxLength: 63, letIn: [] },
    {
      name: 'a trigger',
      pattern: triggerName,
      maxLength: 63,
      inSchema: (id) => takes({ trigger: { id } }),
      inRequest: (triggerID) => asks({ triggerID }),
      letIn: [],
    },
    {
      name: 'an image',
      pattern: imageName,
      maxLength: 512,
      inSchema: (image) => takes({ neo4j: { version: '3.4.18', image } }),
      letIn: [],
    },
  ];

  test.each(fields)('$name is refused, or as harmless as it looks', ({ pattern, maxLength, letIn }) => {
    const passed = payloads.filter((value) => pattern.test(value) && value.length <= maxLength);
    expect(passed.toSorted()).toEqual(letIn.toSorted());
  });

  test.each(fields)('$name is judged the same by schema, request and pattern', (field) => {
    const { pattern, maxLength, inSchema, inRequest } = field;
    const judges = [inSchema, inRequest].filter((judge) => judge !== undefined);
    const differing = payloads.filter((value) => {
      const isGood = pattern.test(value) && value.length <= maxLength;
      return judges.some((judge) => judge(value) !== isGood);
    });
    expect(differing).toEqual([]);
  });
});
