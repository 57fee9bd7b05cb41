import { describe, expect, test } from 'vitest';
import {
  aBackup,
  aJob,
  aPod,
  aRun,
  complete,
  ended,
  jobFailed,
  anObserved,
} from '../../test/support/builders.ts';
import type { Neo4jBackupStatus } from '../api/neo4jbackup.ts';
import { explain, type Reason } from '../api/reasons.ts';
import { parseRequest, requestVariable } from '../run/request.ts';
import { refusalReason } from './complaint.ts';
import { decide, needsFreshEyes, type Action } from './decide.ts';
import { inspectionName } from './inspection-job.ts';
import type { Policy } from './objection.ts';
import type { Observed } from './observe.ts';
import { runName } from './run.ts';

const policy: Policy = {
  agentImage: 'agent:1',
  allowedHosts: ['*.example.com'],
  allowedImages: ['neo4j:*', 'mine:1'],
};
const now = new Date('2026-01-01T00:10:00Z');

function seeing(overrides: Partial<Observed> = {}): Observed {
  return anObserved({ now, ...overrides });
}

function namesOf(actions: readonly Action[]): readonly string[] {
  return actions.map(({ kind, job }) => `${kind} ${job.metadata?.name}`);
}

const current = { id: 'orders-1', requestedType: 'Auto', startTime: '2026-01-01T00:00:00Z' } as const;
const withSource = (source: object): Observed['backup'] => aBackup({ spec: { source } });
const ourTLS = { clientCertificateSecretRef: { name: 'backup-client' } } as const;
const withTLS = { source: { serviceRef: { name: 'orders-neo4j' }, tls: ourTLS } } as const;
const withTool = (tool: object, version = '3.4.18'): Observed['backup'] =>
  aBackup({ spec: { neo4j: { version, acceptLicenseAgreement: true, tool } } });
const oneGi = { resources: { limits: { memory: '1Gi' } } } as const;

describe('how the resource stands', () => {
  interface Case {
    readonly name: string;
    readonly seen: Partial<Observed>;
    readonly standing: string;
    readonly reason?: Reason;
    readonly next?: string;
  }
  const cases: readonly Case[] = [
    { name: 'starts the first run when all is there', seen: {}, standing: 'starting' },
    {
      name: 'is idle when nothing is due',
      seen: { backup: aBackup({ status: { lastRun: aRun(), history: [aRun()] } }) },
      standing: 'idle',
    },
    {
      name: 'is stalled by a version that nothing serves',
      seen: { backup: aBackup({ spec: { neo4j: { version: '9.9.9', acceptLicenseAgreement: true } } }) },
      standing: 'stalled',
      reason: 'UnsupportedVersion',
    },
    {
      name: 'is stalled by a license that nobody accepted',
      seen: { backup: aBackup({ spec: { neo4j: { version: '3.4.18' } } }) },
      standing: 'stalled',
      reason: 'LicenseNotAccepted',
    },
    {
      name: 'needs no license where the image does not ask for one',
      seen: { backup: aBackup({ spec: { neo4j: { version: '3.0.7' } } }) },
      standing: 'starting',
    },
    {
      name: 'needs no license for an image of the user’s own',
      seen: { backup: aBackup({ spec: { neo4j: { version: '3.4.18', image: 'mine:1' } } }) },
      standing: 'starting',
    },
    {
      name: 'is stalled by names of databases where a server has one',
      seen: { backup: aBackup({ spec: { databases: ['neo4j'] } }) },
      standing: 'stalled',
      reason: 'DatabasesNotSupported',
    },
    {
      name: 'is stalled by all databases where a server has one',
      seen: { backup: aBackup({ spec: { allDatabases: true } }) },
      standing: 'stalled',
      reason: 'DatabasesNotSupported',
    },
    {
      name: 'takes names of databases where a server has several',
      seen: {
        backup: aBackup({ spec: { neo4j: { version: '5.26.28', image: 'mine:1' }, databases: ['neo4j'] } }),
      },
      standing: 'starting',
    },
    {
      name: 'is stalled by an image of another version',
      seen: {
        backup: aBackup({ spec: { neo4j: { version: '3.4.18', image: 'neo4j:5.26.28-enterprise' } } }),
      },
      standing: 'stalled',
      reason: 'ImageVersionMismatch',
    },
    {
      name: 'takes an image of the version',
      seen: { backup: aBackup({ spec: { neo4j: { version: '3.4.18', image: 'neo4j:3.4-enterprise' } } }) },
      standing: 'starting',
    },
    {
      name: 'is stalled by an image that is not allowed',
      seen: { backup: aBackup({ spec: { neo4j: { version: '3.4.18', image: 'yours:1' } } }) },
      standing: 'stalled',
      reason: 'ImageNotAllowed',
    },
    {
      name: 'is stalled by a host that is not allowed',
      seen: { backup: withSource({ host: 'db.example.org' }), service: 'none' },
      standing: 'stalled',
      reason: 'HostNotAllowed',
    },
    {
      name: 'is stalled by TLS that the tool of the version does not speak',
      seen: { backup: aBackup({ spec: { ...withTLS, neo4j: { version: '3.0.7' } } }) },
      standing: 'stalled',
      reason: 'TLSNotSupported',
    },
    {
      name: 'takes TLS where the tool speaks it',
      seen: { backup: aBackup({ spec: withTLS }) },
      standing: 'starting',
    },
    {
      name: 'is stalled by a check of names that the tool cannot be told of',
      seen: {
        backup: withSource({ host: 'db.example.com', tls: { ...ourTLS, verifyHostname: true } }),
        service: 'none',
      },
      standing: 'stalled',
      reason: 'OptionNotSupported',
    },
    {
      name: 'is stalled by a setting that the tool does not have',
      seen: { backup: withTool({ options: { frobnicate: 'true' } }) },
      standing: 'stalled',
      reason: 'OptionNotSupported',
    },
    {
      name: 'takes a setting that the tool has',
      seen: { backup: withTool({ options: { timeout: '40m' } }) },
      standing: 'starting',
    },
    {
      name: 'is stalled by a page cache where the tool has none to set',
      seen: { backup: withTool({ pageCacheSize: '64Mi' }, '3.0.7') },
      standing: 'stalled',
      reason: 'OptionNotSupported',
    },
    {
      name: 'is stalled by a heap that does not go into the container',
      seen: { backup: aBackup({ spec: { ...withTool({ heapSize: '1Gi' }).spec, job: oneGi } }) },
      standing: 'stalled',
      reason: 'ToolMemoryInvalid',
    },
    {
      name: 'takes a host that is allowed',
      seen: { backup: withSource({ host: 'db.example.com' }), service: 'none' },
      standing: 'starting',
    },
    {
      name: 'is stalled by a Service that points anywhere',
      seen: { service: 'externalName' },
      standing: 'stalled',
      reason: 'ExternalNameRefused',
      next: 'onChange',
    },
    {
      name: 'waits for a Service',
      seen: { service: 'absent' },
      standing: 'waiting',
      reason: 'ServiceNotFound',
      next: 'onChange',
    },
    {
      name: 'waits for a port of the Service',
      seen: { service: 'unexposed' },
      standing: 'waiting',
      reason: 'PortNotExposed',
      next: 'onChange',
    },
    {
      name: 'waits for a server behind the Service',
      seen: { isServerReady: false },
      standing: 'waiting',
      reason: 'NoReadyEndpoints',
      next: 'after',
    },
    {
      name: 'does not mind a server that is away while nothing is due',
      seen: { isServerReady: false, backup: aBackup({ status: { lastRun: aRun(), history: [aRun()] } }) },
      standing: 'idle',
    },
    {
      name: 'waits for a claim',
      seen: { claimExists: false },
      standing: 'waiting',
      reason: 'ClaimNotFound',
      next: 'onChange',
    },
    {
      name: 'names what only an edit can mend before what heals by itself',
      seen: {
        backup: aBackup({ spec: { neo4j: { version: '3.4.18' } } }),
        service: 'absent',
        claimExists: false,
      },
      standing: 'stalled',
      reason: 'LicenseNotAccepted',
    },
    {
      name: 'is running while its Job is, whatever else has gone',
      seen: { runs: [{ job: aJob(), pods: [aPod()] }], claimExists: false, service: 'absent' },
      standing: 'running',
      next: 'after',
    },
    {
      name: 'waits for a watch once the run is in status and past its start',
      seen: {
        backup: aBackup({ status: { currentRun: current } }),
        runs: [{ job: aJob(), pods: [aPod()] }],
      },
      standing: 'running',
    },
    {
      name: 'looks again at a Pod that is young, however old its Job is',
      seen: {
        backup: aBackup({ status: { currentRun: current } }),
        runs: [{ job: aJob(), pods: [aPod({ metadata: { creationTimestamp: '2026-01-01T00:09:50Z' } })] }],
      },
      standing: 'running',
      next: 'after',
    },
  ];
  test.for(cases)('$name', ({ seen, standing, reason, next = 'onChange' }) => {
    const decision = decide(seeing(seen), policy);
    expect(decision.standing).toMatchObject({ kind: standing, ...(reason === undefined ? {} : { reason }) });
    expect(decision.next.kind).toBe(next);
    const starts = namesOf(decision.actions).filter((name) => name.startsWith('createJob'));
    expect(starts).toHaveLength(standing === 'starting' ? 1 : 0);
  });

  test('tells what stands in the way of a run, and goes on telling it while its Pods are removed', () => {
    const waiting = { reason: 'ImagePullBackOff', message: 'not found' };
    const status = { initContainerStatuses: [{ name: 'engine', state: { waiting } }] };
    const runs = [{ job: aJob(), pods: [aPod({ status })] }];
    const { standing } = decide(seeing({ runs }), policy);
    expect(standing).toMatchObject({ kind: 'running', obstacle: { reason: 'ImagePullFailed' } });

    const gone = decide(seeing({ backup: blocked(), runs: [{ job: aJob(), pods: [] }] }), policy);
    expect(gone.standing).toMatchObject({ obstacle: { reason: 'ImagePullFailed', detail: 'No image.' } });
  });

  test.each([
    ['pods "a" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1', 'QuotaExceeded'],
    ['pods "a" is forbidden: failed quota: few: must specify limits.memory', 'QuotaExceeded'],
    ['pods "a" is forbidden: violates PodSecurity "restricted:latest": runAsUser=0', 'PodSecurityViolation'],
    ['pods "a" is forbidden: maximum memory usage per Container is 300Mi', 'JobRejected'],
  ])('tells of a Pod that the cluster refuses: %s', (refusal, reason) => {
    const complaint = { reason: refusalReason(refusal), detail: refusal };
    const { standing, next } = decide(seeing({ runs: [{ job: aJob(), pods: [], complaint }] }), policy);
    expect(standing).toMatchObject({ kind: 'running', obstacle: { reason, detail: refusal } });
    expect(next.kind).toBe('after');
  });

  test('tells the advice of an obstacle once when the deadline has struck', () => {
    const runs = [{ job: aJob({ conditions: [jobFailed('DeadlineExceeded')] }), pods: [] }];
    const { ended: over } = decide(seeing({ backup: blocked(), runs }), policy);
    expect(over).toMatchObject([
      { reason: 'ImagePullFailed', message: explain('ImagePullFailed', 'No image.') },
    ]);
  });
});

/** A resource whose run waits for an image. */
function blocked(): Observed['backup'] {
  const condition = {
    type: 'Ready',
    status: 'False',
    reason: 'ImagePullFailed',
    message: explain('ImagePullFailed', 'No image.'),
    lastTransitionTime: '2026-01-01T00:00:00Z',
  } as const;
  return aBackup({ status: { currentRun: current, conditions: [condition] } });
}

describe('a run whose Job was deleted to be made anew', () => {
  const gone = (id: string): Observed['backup'] =>
    aBackup({
      spec: { trigger: { id: 'next' } },
      status: { currentRun: { ...current, id, triggerID: 'first', replacedPods: ['a-pod'] } },
    });

  test('starts again under its name', () => {
    const name = runName(aBackup(), 'trigger\0first');
    const { standing, actions, ended: over } = decide(seeing({ backup: gone(name) }), policy);
    expect([standing.kind, namesOf(actions), over]).toEqual(['starting', [`createJob ${name}`], []]);
  });

  test('does not where the name is none that we give: no status may make Jobs of any name', () => {
    const { actions, inspecting, ended: over } = decide(seeing({ backup: gone('somebody-elses') }), policy);
    expect(namesOf(actions)).toEqual([`createJob ${runName(aBackup(), 'trigger\0next')}`]);
    expect(JSON.stringify(actions)).not.toContain('a-pod');
    expect([over, inspecting]).toMatchObject([[], [{ id: 'somebody-elses', reason: 'ResultLost' }]]);
    expect(inspecting[0]).not.toHaveProperty('replacedPods');
  });

  test('is over when its Job has ended before it was deleted to be made anew', () => {
    const id = runName(aBackup(), 'once');
    const backup = aBackup({ status: { currentRun: { ...current, id, replacedPods: ['a-pod'] } } });
    const job = aJob({ metadata: { name: id }, conditions: [jobFailed('DeadlineExceeded')] });
    const { inspecting, actions } = decide(seeing({ backup, runs: [{ job, pods: [] }] }), policy);
    expect(inspecting.map((run) => run.id)).toEqual([id]);
    expect(namesOf(actions)).toEqual([`createJob ${inspectionName(backup, id)}`]);
  });
});

describe('runs that ended', () => {
  const lost = aBackup({ status: { currentRun: { ...current, triggerID: 'first' } } });
  const over = (name: string, minute: number): Observed['runs'][number] => ({
    job: aJob({
      metadata: { name, creationTimestamp: `2026-01-01T00:0${minute}:00Z` },
      conditions: [complete],
    }),
    pods: [],
  });

  test('a run whose Job is gone is asked about, and its trigger stays fired', () => {
    const { ended: gone, inspecting, actions, standing } = decide(seeing({ backup: lost }), policy);
    expect([gone, inspecting]).toMatchObject([
      [],
      [{ id: 'orders-1', triggerID: 'first', reason: 'ResultLost' }],
    ]);
    expect(namesOf(actions)).toEqual([`createJob ${inspectionName(lost, 'orders-1')}`]);
    expect(standing.kind).toBe('inspecting');
  });

  test('a run that status knows as ended ends no second time', () => {
    const status = { history: [aRun()] };
    expect(
      decide(seeing({ backup: aBackup({ status }), runs: [over('orders-1', 1)] }), policy).ended,
    ).toEqual([]);
  });

  test.each(['lastFull', 'lastIncremental', 'lastFailure', 'lastRun'])(
    'a run that only status.%s knows ends no second time',
    (field) => {
      const history = Array.from({ length: 20 }, (_, index) => aRun({ id: `newer-${index}` }));
      const backup = aBackup({ status: { history, [field]: aRun() } });
      expect(decide(seeing({ backup, runs: [over('orders-1', 1)] }), policy).ended).toEqual([]);
    },
  );

  test('come oldest first', () => {
    const runs = [over('orders-2', 1), over('orders-3', 2)];
    const ids = decide(seeing({ backup: lost, runs }), policy).inspecting.map(({ id }) => id);
    expect(ids).toEqual(['orders-1', 'orders-2', 'orders-3']);
  });

  test('leave of their Jobs the newest of either result', () => {
    const history = ['4', '3', '2', '1'].map((id) =>
      aRun({ id: `orders-${id}`, result: id === '2' ? 'Failed' : 'Succeeded' }),
    );
    const runs = [
      over('orders-1', 1),
      over('orders-2', 2),
      over('orders-3', 3),
      over('orders-4', 4),
      over('orders-5', 5),
    ];
    const backup = aBackup({ status: { history } });
    const deletions = decide(seeing({ backup, runs }), policy).actions.filter(
      ({ kind }) => kind === 'deleteJob',
    );
    expect(namesOf(deletions)).toEqual(['deleteJob orders-3', 'deleteJob orders-1']);
  });

  test('lose no Job before their end is in status', () => {
    const runs = [over('orders-1', 1), over('orders-2', 2)];
    const { actions } = decide(seeing({ runs }), policy);
    expect(actions.filter(({ kind }) => kind === 'deleteJob')).toEqual([]);
  });

  test('make way: the next run starts before anything is tidied up', () => {
    const history = [aRun({ id: 'orders-2' }), aRun()];
    const backup = aBackup({ spec: { trigger: { id: 'next' } }, status: { history } });
    const runs = [over('orders-1', 1), over('orders-2', 2)];
    expect(namesOf(decide(seeing({ backup, runs }), policy).actions)).toEqual([
      `createJob ${runName(backup, 'trigger\0next')}`,
      'deleteJob orders-1',
    ]);
  });

  test('give the next one the Pods that will never write again', () => {
    const pods = [
      aPod({ metadata: { name: 'failed' }, status: { phase: 'Failed' } }),
      aPod({
        metadata: { name: 'done' },
        status: { phase: 'Succeeded', containerStatuses: [ended('report', 0)] },
      }),
      aPod({ metadata: { name: 'working' }, status: { phase: 'Running' } }),
      aPod({ metadata: { name: 'unknown' }, status: {} }),
    ];
    const backup = aBackup({ spec: { trigger: { id: 'next' } }, status: { history: [aRun()] } });
    const { actions } = decide(seeing({ backup, runs: [{ ...over('orders-1', 1), pods }] }), policy);
    const text = JSON.stringify(actions);
    expect(text).toContain(requestVariable);
    const [action] = actions;
    const made = action?.kind === 'createJob' ? action.job.spec?.template.spec?.containers[0]?.env : [];
    const request = made?.find(({ name }) => name === requestVariable)?.value ?? '';
    expect(parseRequest(request).terminalPods).toEqual(['failed-uid', 'done-uid']);
  });
});

test('looks again when the objective will be broken, if nothing is to be seen before', () => {
  const backup = (status: Neo4jBackupStatus): Observed['backup'] =>
    aBackup({ spec: { objectives: { maxDataLossSeconds: 3_600 } }, status });
  const known = { lastRun: aRun(), lastFull: aRun(), history: [aRun()] };
  expect(decide(seeing({ backup: backup(known) }), policy).next).toEqual({
    kind: 'after',
    delayMs: 3_000_000,
  });
  const waiting = seeing({ backup: backup({}), isServerReady: false });
  expect(decide(waiting, policy).next).toEqual({ kind: 'after', delayMs: 15_000 });
});

describe('needsFreshEyes', () => {
  const running = [{ job: aJob(), pods: [] }];
  const over = [{ job: aJob({ conditions: [complete] }), pods: [] }];
  test.each([
    { name: 'a start', seen: seeing(), is: true },
    { name: 'an end', seen: seeing({ runs: over }), is: true },
    { name: 'a lost Job', seen: seeing({ backup: blocked() }), is: true },
    {
      name: 'a Job under way that status knows as ended',
      seen: seeing({ backup: aBackup({ status: { history: [aRun()] } }), runs: running }),
      is: true,
    },
    { name: 'a Job under way', seen: seeing({ runs: running }), is: false },
    { name: 'a wait', seen: seeing({ claimExists: false }), is: false },
    { name: 'rest', seen: seeing({ backup: aBackup({ status: { lastRun: aRun() } }) }), is: false },
  ])('is $is for $name', ({ seen, is }) => {
    expect(needsFreshEyes(seen, decide(seen, policy))).toBe(is);
  });
});
