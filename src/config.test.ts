import { describe, expect, test } from 'vitest';
import { aRequest, podUID } from '../test/support/agent.ts';
import { agentConfig, cliConfig, ConfigError, operatorConfig, operatorHelp } from './config.ts';

/** What a configuration is refused with. */
function problems(read: () => unknown): readonly string[] {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
  throw new Error('it was taken');
}

describe('operatorConfig', () => {
  const image = '--agent-image=registry/agent:1';

  test('has a default for all but the image of the agent', () => {
    expect(operatorConfig([image], { HOSTNAME: 'operator-7f' })).toEqual({
      kubeconfig: undefined,
      namespaces: [],
      agentImage: 'registry/agent:1',
      allowedHosts: [],
      allowedImages: [],
      limits: { runningBackups: 0, runningBackupsPerServer: 1, runningBackupsPerClaim: 0 },
      healthPort: undefined,
      metricsPort: undefined,
      leaderElectionNamespace: undefined,
      logLevel: 'info',
      instance: 'operator-7f',
    });
  });

  interface Case {
    readonly flag: string;
    readonly variable: string;
    readonly field: string;
    readonly text: string;
    readonly value: unknown;
  }
  const cases: readonly Case[] = [
    { flag: 'kubeconfig', variable: 'KUBECONFIG', field: 'kubeconfig', text: '/k', value: '/k' },
    {
      flag: 'namespaces',
      variable: 'NAMESPACES',
      field: 'namespaces',
      text: ' shop,lab-2 ,,0x',
      value: ['shop', 'lab-2', '0x'],
    },
    { flag: 'agent-image', variable: 'AGENT_IMAGE', field: 'agentImage', text: 'a@b', value: 'a@b' },
    {
      flag: 'allowed-hosts',
      variable: 'ALLOWED_HOSTS',
      field: 'allowedHosts',
      text: ' db.example.org, *.internal ,,10.0.0.7,fd00::1',
      value: ['db.example.org', '*.internal', '10.0.0.7', 'fd00::1'],
    },
    {
      flag: 'allowed-images',
      variable: 'ALLOWED_IMAGES',
      field: 'allowedImages',
      text: 'neo4j:3.4.18-enterprise, registry.example.org:5000/neo4j/*,a@sha256:1f',
      value: ['neo4j:3.4.18-enterprise', 'registry.example.org:5000/neo4j/*', 'a@sha256:1f'],
    },
    { flag: 'metrics-port', variable: 'METRICS_PORT', field: 'metricsPort', text: '8080', value: 8080 },
    { flag: 'health-port', variable: 'HEALTH_PORT', field: 'healthPort', text: '8081', value: 8081 },
    {
      flag: 'leader-election-namespace',
      variable: 'LEADER_ELECTION_NAMESPACE',
      field: 'leaderElectionNamespace',
      text: 'backup',
      value: 'backup',
    },
    { flag: 'log-level', variable: 'LOG_LEVEL', field: 'logLevel', text: 'debug', value: 'debug' },
  ];
  test.each(cases)(
    'takes --$flag from the flag, or else from $variable',
    ({ flag, variable, field, text, value }) => {
      const base = { AGENT_IMAGE: 'x' };
      expect(operatorConfig([`--${flag}=${text}`], base)).toMatchObject({ [field]: value });
      expect(operatorConfig([`--${flag}`, text], base)).toMatchObject({ [field]: value });
      expect(operatorConfig([], { ...base, [variable]: text })).toMatchObject({ [field]: value });
      expect(operatorConfig([`--${flag}=${text}`], { ...base, [variable]: 'error' })).toMatchObject({
        [field]: value,
      });
    },
  );

  test.each([
    { flag: 'max-running-backups', limits: { runningBackups: 7 } },
    { flag: 'max-running-backups-per-server', limits: { runningBackupsPerServer: 7 } },
    { flag: 'max-running-backups-per-claim', limits: { runningBackupsPerClaim: 7 } },
  ])('takes the limit --$flag from the flag, or else from the environment', ({ flag, limits }) => {
    const base = { AGENT_IMAGE: 'x' };
    const variable = flag.toUpperCase().replaceAll('-', '_');
    expect(operatorConfig([`--${flag}=7`], { ...base, [variable]: '8' })).toMatchObject({ limits });
    expect(operatorConfig([], { ...base, [variable]: '7' })).toMatchObject({ limits });
  });

  test.each(['-1', '1.5', 'four', '1e3', '10000000'])('has no limit of %j backups', (text) => {
    expect(problems(() => operatorConfig([image, `--max-running-backups=${text}`], {}))).toHaveLength(1);
    expect(problems(() => operatorConfig([image], { MAX_RUNNING_BACKUPS_PER_SERVER: text }))).toEqual([
      `--max-running-backups-per-server is ${text}: it must be a whole number from 0, for no limit, to 999999`,
    ]);
  });

  test('takes an empty variable, as a chart leaves it, for none', () => {
    const empty = { NAMESPACES: '', KUBECONFIG: '', ALLOWED_HOSTS: '', LOG_LEVEL: '', HEALTH_PORT: '' };
    expect(operatorConfig([image], empty)).toMatchObject({
      namespaces: [],
      kubeconfig: undefined,
      allowedHosts: [],
      logLevel: 'info',
      healthPort: undefined,
    });
  });

  test('prints every problem at once', () => {
    const found = problems(() =>
      operatorConfig(['--log-level=loud', '--allowed-hosts=a b,good.example.org,10.0.0.0/8'], {}),
    );
    expect(found).toEqual([
      expect.stringMatching(/^--agent-image is missing/),
      expect.stringMatching(/^--log-level is loud/),
      expect.stringMatching(/^--allowed-hosts holds a b:/),
      expect.stringMatching(/^--allowed-hosts holds 10\.0\.0\.0\/8:/),
    ]);
  });

  test.each(['*.', '**', '*a', '-a', 'a/b', 'http://a', '[::1]', 'a*', '.a'])(
    'does not allow the host %j',
    (host) => {
      expect(problems(() => operatorConfig([image, `--allowed-hosts=${host}`], {}))).toHaveLength(1);
    },
  );

  test.each(['a b', '/a', '-a', ':1', 'a;b', 'a?', 'https://[a]'])('does not allow the image %j', (text) => {
    expect(problems(() => operatorConfig([`--allowed-images=${text}`], { AGENT_IMAGE: 'x' }))).toHaveLength(
      1,
    );
  });

  test.each(['Shop', 'a_b', 'a.b', '-a', 'a-', 'a/b', '*', 'a'.repeat(64)])(
    'does not watch a namespace %j',
    (name) => {
      expect(problems(() => operatorConfig([image, `--namespaces=shop,${name},lab`], {}))).toEqual([
        `--namespaces holds ${name}: it must be the name of a namespace`,
      ]);
    },
  );

  test('names the namespace that stands there twice', () => {
    expect(problems(() => operatorConfig([image, '--namespaces=shop,lab,shop,shop'], {}))).toEqual([
      '--namespaces holds shop more than once',
    ]);
  });

  test('takes nothing but commas not for every namespace', () => {
    expect(problems(() => operatorConfig([image, '--namespaces= ,'], {}))).toHaveLength(1);
  });

  test('serves no health and no metrics on port 0', () => {
    const config = operatorConfig([image, '--health-port=0', '--metrics-port=0'], {});
    expect([config?.healthPort, config?.metricsPort]).toEqual([undefined, undefined]);
  });

  test('does not serve both on one port', () => {
    expect(
      problems(() => operatorConfig([image, '--health-port=8080', '--metrics-port=8080'], {})),
    ).toHaveLength(1);
  });

  test.each(['-1', '65536', '80.5', 'http', '0x'])('refuses the port %j', (port) => {
    expect(
      problems(() => operatorConfig([image, `--health-port=${port}`, `--metrics-port=${port}`], {})),
    ).toEqual([expect.stringMatching(/^--health-port is /), expect.stringMatching(/^--metrics-port is /)]);
  });

  test.each([
    { name: 'an option unknown', argv: ['--frobnicate'] },
    { name: 'a word', argv: ['run'] },
    { name: 'an option without its value', argv: ['--namespaces'] },
    { name: 'a flag with a value', argv: ['--help=yes'] },
  ])('refuses $name', ({ argv }) => {
    expect(problems(() => operatorConfig(argv, { AGENT_IMAGE: 'x' }))).not.toEqual([]);
  });

  test('asks for nothing when help is wanted', () => {
    expect(operatorConfig(['--help'], {})).toBeUndefined();
  });
});

test('the help names every option, and where its twin in the environment is', () => {
  const help = operatorHelp();
  const names = ['kubeconfig', 'namespaces', 'agent-image', 'allowed-hosts', 'allowed-images'];
  const others = ['health-port', 'metrics-port', 'leader-election-namespace', 'log-level', 'help'];
  for (const name of [...names, ...others]) expect(help).toMatch(new RegExp(`^  --${name} +\\w`, 'm'));
  expect(help).toContain('AGENT_IMAGE');
});

describe('agentConfig', () => {
  const env = { POD_UID: podUID(1), NEO4J_BACKUP_RUN: JSON.stringify(aRequest()) };

  test.each(['prepare', 'report', 'inspect'] as const)('reads the request of %s', (verb) => {
    expect(agentConfig([verb], env)).toEqual({
      verb,
      request: aRequest(),
      podUID: podUID(1),
      volume: '/backup',
      exchange: '/exchange',
      terminationLog: '/dev/termination-log',
    });
  });

  test('takes other folders from the environment', () => {
    const folders = { VOLUME_FOLDER: '/v', EXCHANGE_FOLDER: '/e', TERMINATION_LOG: '/t' };
    expect(agentConfig(['prepare'], { ...env, ...folders })).toMatchObject({
      volume: '/v',
      exchange: '/e',
      terminationLog: '/t',
    });
  });

  test('prints every problem at once', () => {
    expect(problems(() => agentConfig([], {}))).toEqual([
      expect.stringContaining('usage: agent prepare|report|inspect|scrub|prune|explain|catalog|verify'),
      expect.stringContaining('POD_UID'),
      expect.stringContaining('NEO4J_BACKUP_RUN'),
    ]);
  });

  test.each(['', 'x', '../../etc', podUID(1).toUpperCase().replace(/0/g, 'G'), `${podUID(1)}/..`])(
    'refuses the Pod %j: it becomes the name of a folder',
    (uid) => {
      expect(problems(() => agentConfig(['prepare'], { ...env, POD_UID: uid }))).toEqual([
        expect.stringContaining('POD_UID'),
      ]);
    },
  );

  test('names the field of a request that is wrong', () => {
    const text = JSON.stringify({ ...aRequest(), path: '../orders' });
    expect(problems(() => agentConfig(['report'], { ...env, NEO4J_BACKUP_RUN: text })).join()).toContain(
      'path',
    );
  });
});

describe('cliConfig', () => {
  test('plans thirty days from now on, for people', () => {
    expect(cliConfig(['plan', 'orders.yaml'])).toEqual({
      verb: 'plan',
      file: 'orders.yaml',
      days: 30,
      from: undefined,
      sizeBytes: undefined,
      growthBytes: undefined,
      output: 'table',
    });
  });

  test('takes all that can be asked', () => {
    const from = '2026-10-01T02:00:00+02:00';
    const args = ['--days=3660', `--from=${from}`, '--size=1.5Gi', '--growth=2M', '--output=json'];
    expect(cliConfig(['plan', '-', ...args])).toEqual({
      verb: 'plan',
      file: '-',
      days: 3660,
      from: new Date('2026-10-01T00:00:00Z'),
      sizeBytes: 1_610_612_736,
      growthBytes: 2_000_000,
      output: 'json',
    });
  });

  test.each([['--help'], ['help'], ['plan', '--help']])('tells of itself: %s %s', (...argv) => {
    expect(cliConfig(argv)).toBeUndefined();
  });

  test.each([
    { argv: [], says: 'a verb is missing' },
    { argv: ['plans', 'x'], says: 'there is no verb plans' },
    { argv: ['plan'], says: 'exactly one file must be named, or - for standard input' },
    { argv: ['plan', 'x', 'y'], says: 'exactly one file' },
    { argv: ['plan', 'x', '--day=3'], says: "Unknown option '--day'" },
    ...['0', '3661', '-1', '1.5', '1e3', '07', ''].map((days) => ({
      argv: ['plan', 'x', `--days=${days}`],
      says: `--days is ${days}: it must be a number from 1 to 3660`,
    })),
    ...['now', '2026-10-01', '2026-10-01T00:00:00', '2026-02-30T00:00:00Z'].map((from) => ({
      argv: ['plan', 'x', `--from=${from}`],
      says: `--from is ${from}: it must be a time with its offset`,
    })),
    ...['20GB', '-1', '1e9', '2048Pi', ''].map((size) => ({
      argv: ['plan', 'x', `--size=${size}`],
      says: `--size is ${size}: it must be a size, such as 20Gi`,
    })),
    { argv: ['plan', 'x', '--growth=1'], says: '--growth says nothing without --size' },
    { argv: ['plan', 'x', '--output=yaml'], says: '--output is yaml: it must be table or json' },
  ])('refuses $argv', ({ argv, says }) => {
    const [first, ...rest] = problems(() => cliConfig(argv));
    expect(first).toContain(says);
    expect(rest[0]).toMatch(/^usage: neo4j-backup plan/);
  });
});
