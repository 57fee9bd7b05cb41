// Hostile names, through everything that takes a name: the schema of our kind, what the operator asks of the agent, and the
// command line of every generation. A name is refused, or it stands in its argument as a calm one would.
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import { Neo4jBackupSpec } from '../../src/api/neo4jbackup.ts';
import { databaseName, hostName, imageName, pathSegment, triggerName } from '../../src/api/patterns.ts';
import { selectEngine } from '../../src/engine/select.ts';
import { buildJob } from '../../src/backup/job.ts';
import { formatArguments } from '../../src/run/exchange.ts';
import { parseRequest } from '../../src/run/request.ts';
import { aRequest } from '../support/agent.ts';
import { aBackup } from '../support/builders.ts';
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

/** A word: what it may begin with, what it may hold beside letters and digits, and that no two of those meet. */
function isWord(value: string, others: string): boolean {
  const held = new Set(value.match(/[^A-Za-z0-9]/g));
  return (
    /^[A-Za-z0-9].*$/.test(value) &&
    /[A-Za-z0-9]$/.test(value) &&
    [...held].every((one) => others.includes(one))
  );
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
    /** What all that is let in has to look like, said in other words than the pattern's. */
    readonly letIn: (value: string) => boolean;
  }
  const fields: readonly Field[] = [
    {
      name: 'a host',
      pattern: hostName,
      maxLength: 253,
      inSchema: (host) => takes({ source: { host } }),
      inRequest: (host) => asks({ source: { host, port: 6362 } }),
      letIn: (value) => isWord(value, '-.') && !value.includes('..') && !/^[\d.x]*$/.test(value),
    },
    {
      name: 'a folder of the volume',
      pattern: pathSegment,
      maxLength: 63,
      inSchema: (path) => takes({ destination: { ...claim, path } }),
      inRequest: (path) => asks({ path }),
      letIn: (value) => isWord(value, '-') && value === value.toLowerCase(),
    },
    {
      name: 'a run',
      pattern: pathSegment,
      maxLength: 63,
      inRequest: (run) => asks({ run }),
      letIn: (value) => isWord(value, '-') && value === value.toLowerCase(),
    },
    {
      name: 'a database',
      pattern: databaseName,
      maxLength: 63,
      letIn: (value) => isWord(value, '-.') && value.length >= 3,
    },
    {
      name: 'what is said to an option of the tool',
      pattern: /^[A-Za-z0-9]+$/,
      maxLength: 32,
      inRequest: (value) => asks({ tool: { options: { 'parallel-recovery': value } } }),
      letIn: (value) => isWord(value, ''),
    },
    {
      name: 'the name of an option of the tool',
      pattern: /^[a-z]([-a-z]*[a-z])?$/,
      maxLength: 63,
      // The reader of JSON drops a prototype without a word.
      inRequest: (name) => name !== '__proto__' && asks({ tool: { options: { [name]: 'true' } } }),
      letIn: (value) => isWord(value, '-'), // and the generation knows it, or refuses
    },
    {
      name: 'a trigger',
      pattern: triggerName,
      maxLength: 63,
      inSchema: (id) => takes({ trigger: { id } }),
      inRequest: (triggerID) => asks({ triggerID }),
      letIn: (value) => isWord(value, '-_.'),
    },
    {
      name: 'an image',
      pattern: imageName,
      maxLength: 512,
      inSchema: (image) => takes({ neo4j: { version: '3.4.18', image } }),
      letIn: (value) => isWord(value.replace(/[-._:/@]+$/, ''), '-._:/@'),
    },
  ];

  test.each(fields)('$name is refused, or as harmless as it looks', ({ pattern, maxLength, letIn }) => {
    const passed = payloads.filter((value) => pattern.test(value) && value.length <= maxLength);
    expect(passed.filter((value) => !letIn(value))).toEqual([]);
    expect(passed.length).toBeLessThan(payloads.length / 3);
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

/** One version of every generation. Each of them joins with a row. */
const engines = ['3.0.7', '3.4.18', '4.4.40', '5.26.0', '2025.06.1'].map((version) => {
  const engine = selectEngine(version);
  if (engine === undefined) throw new Error(`no engine serves ${version}`);
  return { version, engine };
});

const calm = { host: 'calmhost', database: 'calmdatabase', parent: '/backup/calmpath/full' } as const;
type Place = keyof typeof calm;
const words = { host: 'calmhost', database: 'calmdatabase', parent: 'calmpath' } as const;
const patterns = { host: hostName, database: databaseName, parent: pathSegment } as const;

describe.each(engines)('the command line of $version', ({ version, engine }) => {
  const argvOf = (over: Partial<Record<Place, string>>, type: 'Full' | 'Incremental'): readonly string[] => {
    const named = { ...calm, ...over };
    const command = {
      ...named,
      type,
      version,
      port: 6362,
      name: named.database,
      reports: '/reports',
      temporary: '/tmp/x',
      tool: { options: {} },
    };
    return engine.commandLine({ ...command, check: { Full: true, Incremental: false } });
  };
  const types = ['Full', 'Incremental'] as const;
  const placed = (place: Place, value: string): Partial<Record<Place, string>> => ({
    [place]: calm[place].replace(words[place], () => value),
  });

  test.each(Object.keys(calm) as Place[])(
    'holds a %s as the model says, or it was refused before',
    (place) => {
      const escaped = payloads
        .filter((value) => patterns[place].test(value))
        .flatMap((value) =>
          types.flatMap((type) => {
            const model = argvOf({}, type).map((argument) => argument.replaceAll(words[place], () => value));
            const argv = argvOf(placed(place, value), type);
            const written = formatArguments(argv).split('\n').slice(0, -1);
            return isDeepStrictEqual(argv, model) && isDeepStrictEqual(written, model) ? [] : [value];
          }),
        );
      expect(escaped).toEqual([]);
    },
  );

  test.each(['host', 'parent'] as const)('cannot be widened by a %s, were it never checked', (place) => {
    const escaped = payloads.flatMap((value) =>
      types.flatMap((type) => {
        const model = argvOf({}, type);
        const argv = argvOf(placed(place, value), type);
        const keeps = model.every((argument, i) => {
          const [before = ''] = argument.split(words[place]);
          return argv[i]?.startsWith(before.replace(/\[$/, '')) === true;
        });
        return argv.length === model.length && keeps ? [] : [value];
      }),
    );
    expect(escaped).toEqual([]);
  });
});

test('what nobody reads but the kubelet changes no command: an image, and the id of a trigger', () => {
  const engine = engines[0]?.engine;
  if (engine === undefined) throw new Error('no engine');
  const commandsOf = (image: string, triggerID: string): unknown => {
    const backup = aBackup({ spec: { neo4j: { version: '3.0.7', image }, trigger: { id: triggerID } } });
    const run = { id: 'orders-1', requestedType: 'Auto', triggerID } as const;
    const { spec } = buildJob(backup, {
      run,
      engine,
      agentImage: 'agent:1',
      now: new Date(0),
      terminalPods: [],
    });
    const pod = spec?.template.spec;
    return [...(pod?.initContainers ?? []), ...(pod?.containers ?? [])].map(({ command, args }) => [
      command,
      args,
    ]);
  };
  const calmly = commandsOf('image', 'trigger');
  for (const value of payloads) {
    expect(commandsOf(imageName.test(value) && value.length <= 512 ? value : 'image', 'trigger')).toEqual(
      calmly,
    );
    expect(commandsOf('image', triggerName.test(value) && value.length <= 63 ? value : 'trigger')).toEqual(
      calmly,
    );
  }
});
