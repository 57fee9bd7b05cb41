import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { aSpec } from '../../test/support/builders.ts';
import { readResources } from './resources.ts';

interface Over {
  readonly metadata?: object;
  readonly apiVersion?: string;
  readonly status?: unknown;
}

function aFile(spec: Readonly<Record<string, unknown>> = {}, over: Over = {}): string {
  return stringify({
    apiVersion: 'neo4j-backup.dev/v1alpha1',
    kind: 'Neo4jBackup',
    metadata: { name: 'orders' },
    spec: aSpec(spec),
    ...over,
  });
}

const service = 'apiVersion: v1\nkind: Service\nmetadata: { name: web }\n';

describe('a file', () => {
  test('has resources of ours, each with its place, and others that are ignored', () => {
    const text = ['null\n', service, aFile(), aFile({ suspend: true })].join('---\n');
    const { found, ignored, problems } = readResources(text);
    expect(problems).toEqual([]);
    expect(ignored).toEqual([{ document: 2, apiVersion: 'v1', kind: 'Service', name: 'web' }]);
    expect(
      found.map(({ document, backup }) => [document, backup.metadata.name, backup.spec.suspend]),
    ).toEqual([
      [3, 'orders', false],
      [4, 'orders', true],
    ]);
  });

  test('may hold a list, as kubectl prints one', () => {
    const items = [
      JSON.parse(JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' } })) as object,
    ];
    const list = stringify({ apiVersion: 'v1', kind: 'List', items });
    expect(readResources(list).ignored).toMatchObject([{ document: 1, kind: 'Secret' }]);
  });

  test('may be JSON, may merge, and may be empty', () => {
    const json = JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: {} });
    expect(readResources(json).ignored).toHaveLength(1);
    expect(readResources('a: &a { kind: Service }\n<<: *a\napiVersion: v1\n').ignored).toHaveLength(1);
    expect(readResources('')).toEqual({ found: [], ignored: [], problems: [] });
    expect(readResources('---\n---\n')).toEqual({ found: [], ignored: [], problems: [] });
  });

  test('of a resource that was read from a cluster the status tells the spread; what it says amiss says nothing', () => {
    const of = (status: unknown): unknown => readResources(aFile({}, { status })).found[0]?.backup.status;
    expect(of({ spreadSeconds: 12 })).toMatchObject({ spreadSeconds: 12 });
    expect(of({ spreadSeconds: 'x' })).toBeUndefined();
  });

  const bomb = Array.from({ length: 12 }, (_, i) =>
    i === 0
      ? 'a0: &a0 [x, x]'
      : `a${i}: &a${i} [${Array.from({ length: 9 }, () => `*a${i - 1}`).join(', ')}]`,
  ).join('\n');
  test.each([
    { name: 'no YAML', text: 'a: [', says: 'it is no YAML: ' },
    { name: 'two keys of one name', text: 'a: 1\na: 2\n', says: 'it is no YAML: ' },
    { name: 'an alias of nothing', text: 'a: *b\n', says: 'Unresolved alias' },
    { name: 'a few lines that stand for very many', text: bomb, says: 'document 1 cannot be read' },
    { name: 'no resource', text: 'a: 1\n', says: 'document 1 is no resource: it has no apiVersion' },
    { name: 'no mapping', text: 'a\n', says: 'document 1 is no resource: it has no apiVersion' },
    { name: 'no kind', text: 'apiVersion: v1\n', says: 'document 1 is no resource: it has no kind' },
  ])('is refused that is $name', ({ text, says }) => {
    const { found, problems } = readResources(text);
    expect(found).toEqual([]);
    expect(problems).toEqual([expect.stringContaining(says)]);
  });
});

describe('what is wrong with a resource is told by its field', () => {
  interface Case {
    readonly spec?: Readonly<Record<string, unknown>>;
    readonly over?: Over;
    readonly says: readonly string[];
  }
  const neo4j = { version: '3.4.18', acceptLicenseAgreement: true };
  const cases: readonly Case[] = [
    {
      spec: { neo4j: { version: 5.26 } },
      says: ['spec.neo4j.version is 5.26', 'put it in quotes', 'such as 3.4.18'],
    },
    { spec: { neo4j: { version: '1.9' } }, says: ['spec.neo4j.version is 1.9; served are 2.3'] },
    {
      spec: { neo4j: { version: '3.4.18' } },
      says: ['acceptLicenseAgreement is set', 'Set spec.neo4j.accept'],
    },
    { spec: { source: undefined }, says: ['spec.source is missing. The running server'] },
    { spec: { source: { host: '127.0.0.1' } }, says: ['spec.source.host is 127.0.0.1'] },
    { spec: { source: { host: 'a', serviceRef: { name: 'a' } } }, says: ['spec.source: exactly one of'] },
    {
      spec: { schedules: '@daily' },
      says: ['spec.schedules: there is no such field; `kubectl explain neo4jbackups.spec`'],
    },
    {
      spec: { job: { tolerations: [{ key: 'a', efect: 'NoSchedule' }] } },
      says: ['spec.job.tolerations[0].efect: there is no such field', 'neo4jbackups.spec.job.tolerations`'],
    },
    { spec: { schedule: '0 0 * * * *' }, says: ['spec.schedule is "0 0 * * * *"', '6 fields'] },
    { spec: { fullSchedule: '0 25 * * *' }, says: ['spec.fullSchedule is "0 25 * * *": '] },
    { spec: { schedule: '0 0 30 2 *' }, says: ['spec.schedule is "0 0 30 2 *": there is no such day'] },
    {
      spec: { schedule: '@daily', timeZone: 'Europe/Madris' },
      says: ['spec.timeZone is "Europe/Madris": there is no'],
    },
    { spec: { timeZone: 'Europe/Madris' }, says: ['spec.timeZone is "Europe/Madris": there is no'] },
    { spec: { spread: '30' }, says: ['spec.spread is "30"', 'such as 30m'] },
    {
      spec: {
        blackoutWindows: [
          { schedule: '@daily', duration: '2h' },
          { schedule: '0 0 31 4 *', duration: '2h' },
        ],
      },
      says: ['spec.blackoutWindows[1].schedule is "0 0 31 4 *": '],
    },
    {
      spec: { verification: { schedule: '0 25 * * *' } },
      says: ['spec.verification.schedule is "0 25 * * *": '],
    },
    {
      spec: { objectives: { maxDataLossSeconds: 5 } },
      says: ['spec.objectives.maxDataLossSeconds is 5', '60'],
    },
    { spec: { retention: { mode: 'Plan' } }, says: ['spec.retention: at least one of'] },
    {
      spec: { retention: { keepLast: 1, mode: 'plan' } },
      says: ['spec.retention.mode is "plan"', '"Enforce"|"Plan"'],
    },
    {
      spec: { databases: ['neo4j'], neo4j },
      says: ['spec.databases is neo4j, and spec.neo4j.version 3.4.18'],
    },
    { over: { metadata: {} }, says: ['metadata.name is missing'] },
    { over: { metadata: { name: 'Orders' } }, says: ['metadata.name is "Orders"'] },
    { over: { apiVersion: 'neo4j-backup.dev/v1' }, says: ['apiVersion is neo4j-backup.dev/v1', '/v1alpha1'] },
  ];
  test.each(cases)('$says', ({ spec, over, says }) => {
    const { found, problems } = readResources(aFile(spec, over));
    expect(found).toEqual([]);
    expect(problems).toHaveLength(1);
    for (const part of says) expect(problems[0]).toContain(part);
    expect(problems[0]).toMatch(/^document 1, Neo4jBackup /);
  });

  test('all of it at once', () => {
    const { problems } = readResources(aFile({ schedule: 1, spread: 2, retention: { keepLast: 0 } }));
    expect(problems).toHaveLength(3);
  });

  test('and moves no cursor', () => {
    const spec = { 'a\u001b[2J': 1, schedule: '\u001b[2J', source: { host: 'a\nb' } };
    const { problems } = readResources(
      `${aFile(spec)}---\n${aFile({ 'b\u001b[2J': 1 }, { metadata: { name: '\u001b[1m' } })}`,
    );
    expect(problems.length).toBeGreaterThan(3);
    // eslint-disable-next-line no-control-regex
    expect(problems.join('')).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  });
});
