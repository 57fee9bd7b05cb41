import type { V1Container, V1Job, V1PodSpec } from '@kubernetes/client-node';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aBackup } from '../../test/support/builders.ts';
import { hostName } from '../api/patterns.ts';
import { annotations, labels, managedBy } from '../api/names.ts';
import { selectEngine } from '../engine/select.ts';
import { engineScript } from '../run/exchange.ts';
import { parseRequest, requestVariable, type RunRequest } from '../run/request.ts';
import { buildJob, specHash, type JobInput } from './job.ts';
import type { Neo4jBackup } from './resources.ts';
import { policyHash } from './run.ts';

const engine = selectEngine('3.4.18');
if (engine === undefined) throw new Error('no engine serves 3.4.18');

const input: JobInput = {
  run: { id: 'orders-0123456789', requestedType: 'Full', triggerID: 'first' },
  engine,
  agentImage: 'agent:1',
  now: new Date('2026-01-01T00:00:00Z'),
  terminalPods: ['pod-uid'],
};

function podOf(job: V1Job): V1PodSpec {
  const pod = job.spec?.template.spec;
  if (pod === undefined || pod === null) throw new Error('the Job has no Pod');
  return pod;
}

function containersOf(job: V1Job): readonly V1Container[] {
  const pod = podOf(job);
  return [...(pod.initContainers ?? []), ...pod.containers];
}

function requestsOf(job: V1Job): readonly RunRequest[] {
  return containersOf(job)
    .flatMap(({ env }) => env ?? [])
    .filter(({ name }) => name === requestVariable)
    .map(({ value }) => parseRequest(value ?? ''));
}

const job = buildJob(aBackup(), input);

/** What a Pod tolerates of its own accord. */
const silentNodes = ['not-ready', 'unreachable'].map((state) => ({
  key: `node.kubernetes.io/${state}`,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds: 30,
}));

describe('specHash', () => {
  const hash = specHash(aBackup(), 'agent:1');

  test.each([
    { name: 'the image', spec: { neo4j: { version: '3.4.18', image: 'mine:1' } } },
    { name: 'the source', spec: { source: { host: 'db.example.com' } } },
    { name: 'the resources', spec: { job: { resources: { limits: { memory: '1Gi' } } } } },
    { name: 'the deadline', spec: { job: { activeDeadlineSeconds: 600 } } },
    { name: 'the consistency check', spec: { consistencyCheck: 'Never' } },
    { name: 'the policy of retention', spec: { retention: { keepLast: 3 } } },
  ])('changes with $name', ({ spec }) => {
    expect(specHash(aBackup({ spec }), 'agent:1')).not.toBe(hash);
  });

  test('changes with the image of the agent', () => {
    expect(specHash(aBackup(), 'agent:2')).not.toBe(hash);
  });

  test.each([
    { name: 'the trigger', spec: { trigger: { id: 'next' } } },
    { name: 'the schedule of verification', spec: { verification: { schedule: '@daily' } } },
  ])('does not change with $name', ({ spec }) => {
    expect(specHash(aBackup({ spec }), 'agent:1')).toBe(hash);
  });
});

describe('the Job', () => {
  test('is what it is called and whose it is, and blocks no deletion', () => {
    expect(job.metadata).toEqual({
      name: 'orders-0123456789',
      namespace: 'shop',
      labels: {
        [labels.managedBy]: managedBy,
        [labels.backup]: 'orders',
        [labels.backupUID]: 'backup-uid',
        [labels.claim]: 'backups',
        [labels.server]: 'orders-neo4j_6362',
      },
      annotations: {
        [annotations.requestedType]: 'Full',
        [annotations.triggerID]: 'first',
        [annotations.specHash]: specHash(aBackup(), input.agentImage),
      },
      ownerReferences: [
        {
          apiVersion: 'neo4j-backup.dev/v1alpha1',
          kind: 'Neo4jBackup',
          name: 'orders',
          uid: 'backup-uid',
          controller: true,
        },
      ],
    });
    expect(job.spec?.template.metadata?.labels).toMatchObject(job.metadata?.labels ?? {});
  });

  test('tries again only what can heal, and one attempt at a time', () => {
    expect(job.spec).toMatchObject({
      backoffLimit: 1,
      completions: 1,
      parallelism: 1,
      podReplacementPolicy: 'Failed',
      ttlSecondsAfterFinished: 604_800,
    });
    expect(job.spec?.podFailurePolicy?.rules).toEqual([
      { action: 'FailJob', onExitCodes: { operator: 'In', values: [20] } },
      { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
      {
        action: 'FailJob',
        onExitCodes: { containerName: 'engine', operator: 'In', values: [128, 137] },
      },
    ]);
    expect(podOf(job).restartPolicy).toBe('Never');
  });

  test('runs prepare, the tool, report, in this order', () => {
    expect(containersOf(job).map(({ name, image }) => [name, image])).toEqual([
      ['prepare', 'agent:1'],
      ['engine', 'neo4j:3.4.18-enterprise'],
      ['report', 'agent:1'],
    ]);
  });

  test('has no token and no links to services', () => {
    expect(podOf(job)).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
  });

  test.each([60, 604_800])('nests its deadlines when it may take %i s', (activeDeadlineSeconds) => {
    const short = buildJob(aBackup({ spec: { job: { activeDeadlineSeconds } } }), input);
    const podDeadlineSeconds = podOf(short).activeDeadlineSeconds ?? 0;
    expect(short.spec?.activeDeadlineSeconds).toBe(activeDeadlineSeconds);
    expect(podDeadlineSeconds).toBeLessThan(activeDeadlineSeconds);
    // Prepare keeps back some of this for the end of the tool and for the report: half a minute must be left of it.
    expect(podDeadlineSeconds).toBeGreaterThanOrEqual(50);
    expect(requestsOf(short).map((request) => request.podDeadlineSeconds)).toEqual([
      podDeadlineSeconds,
      podDeadlineSeconds,
    ]);
  });

  test('asks both of our containers for the same', () => {
    const [prepare, report, ...others] = requestsOf(job);
    expect(others).toEqual([]);
    expect(report).toEqual(prepare);
    expect(prepare).toEqual({
      schemaVersion: 1,
      run: 'orders-0123456789',
      resource: { namespace: 'shop', name: 'orders', uid: 'backup-uid' },
      createdTime: '2026-01-01T00:00:00.000Z',
      path: 'orders',
      source: { host: 'orders-neo4j.shop.svc', port: 6362 },
      neo4jVersion: '3.4.18',
      databases: [],
      allDatabases: false,
      onIncrementalFailure: 'Fail',
      requestedType: 'Full',
      consistencyCheck: 'OnFull',
      tool: { options: {} },
      podDeadlineSeconds: 86_390,
      triggerID: 'first',
      terminalPods: ['pod-uid'],
    });
  });

  test('names the newest Pods that ended where they are too many', () => {
    const terminalPods = Array.from({ length: 70 }, (_, index) => `pod-${index}`);
    const [request] = requestsOf(buildJob(aBackup(), { ...input, terminalPods }));
    expect(request?.terminalPods).toEqual(terminalPods.slice(6));
  });

  test('places the Pod as the spec says', () => {
    const settings = {
      nodeSelector: { disk: 'fast' },
      tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'backups', effect: 'NoSchedule' }],
      priorityClassName: 'low',
      imagePullSecrets: [{ name: 'my-registry' }],
    };
    const placed = buildJob(aBackup({ spec: { job: settings } }), input);
    expect(podOf(placed)).toMatchObject({
      ...settings,
      tolerations: [...settings.tolerations, ...silentNodes],
    });
    const { tolerations, nodeSelector, priorityClassName, imagePullSecrets } = podOf(job);
    expect(tolerations).toEqual(silentNodes);
    expect([nodeSelector, priorityClassName, imagePullSecrets]).toEqual(Array(3).fill(undefined));
  });

  test.each([
    { name: 'every taint', own: { operator: 'Exists' }, left: [] },
    { name: 'every taint of that effect', own: { operator: 'Exists', effect: 'NoExecute' }, left: [] },
    {
      name: 'one of the two',
      own: { key: 'node.kubernetes.io/unreachable', operator: 'Exists', tolerationSeconds: 600 },
      left: silentNodes.slice(0, 1),
    },
    { name: 'another effect', own: { operator: 'Exists', effect: 'NoSchedule' }, left: silentNodes },
  ])('leaves a node that fell silent to who tolerates $name', ({ own, left }) => {
    const placed = buildJob(aBackup({ spec: { job: { tolerations: [own] } } }), input);
    expect(podOf(placed).tolerations).toEqual([own, ...left]);
  });

  test('gives the tool the resources of the spec, as text', () => {
    const resources = { requests: { cpu: 2 }, limits: { memory: '2Gi' } };
    const [, tool] = containersOf(buildJob(aBackup({ spec: { job: { resources } } }), input));
    expect(tool?.resources).toEqual({ requests: { cpu: '2' }, limits: { memory: '2Gi' } });
  });
});

describe('over TLS, the Job', () => {
  const own = { clientCertificateSecretRef: { name: 'backup-client' } };
  const withTLS = (tls: object): V1Job =>
    buildJob(aBackup({ spec: { source: { serviceRef: { name: 'orders-neo4j' }, tls } } }), input);
  const tlsVolume = (made: V1Job): unknown => podOf(made).volumes?.find(({ name }) => name === 'tls');
  const item = (name: string, key: string, path: string): object => ({
    secret: { name, items: [{ key, path }] },
  });

  test('takes three keys of one Secret, each to where the tool looks for it, for its group alone', () => {
    expect(tlsVolume(withTLS(own))).toEqual({
      name: 'tls',
      projected: {
        defaultMode: 0o440,
        sources: [
          item('backup-client', 'tls.key', 'private.key'),
          item('backup-client', 'tls.crt', 'public.crt'),
          item('backup-client', 'ca.crt', 'trusted/ca.crt'),
        ],
      },
    });
  });

  test.each([
    { caSecretRef: { name: 'authority' }, key: 'ca.crt' },
    { caSecretRef: { name: 'authority', key: 'root.pem' }, key: 'root.pem' },
  ])('takes the authority from $caSecretRef', ({ caSecretRef, key }) => {
    expect(tlsVolume(withTLS({ ...own, caSecretRef }))).toMatchObject({
      projected: { sources: [{}, {}, item('authority', key, 'trusted/ca.crt')] },
    });
  });

  test('shows them to the tool and to nobody else', () => {
    const mounted = containersOf(withTLS(own)).filter(({ volumeMounts = [] }) =>
      volumeMounts.some(({ name }) => name === 'tls'),
    );
    expect(mounted.map(({ name }) => name)).toEqual(['engine']);
    expect(mounted[0]?.volumeMounts).toContainEqual({ name: 'tls', mountPath: '/tls', readOnly: true });
    expect(breaches(withTLS(own))).toEqual([]);
  });

  test('says to the agent that it is so, and no more', () => {
    const [request] = requestsOf(withTLS({ ...own, verifyHostname: true }));
    expect(request?.tool).toEqual({ tls: { verifyHostname: true }, options: {} });
    expect(requestsOf(withTLS(own))[0]?.tool).toEqual({ tls: {}, options: {} });
    expect(JSON.stringify(request)).not.toContain('backup-client');
  });

  test('is another one than without', () => {
    const source = { serviceRef: { name: 'orders-neo4j' } };
    expect(specHash(aBackup({ spec: { source: { ...source, tls: own } } }), 'agent:1')).not.toBe(
      specHash(aBackup({ spec: { source } }), 'agent:1'),
    );
    expect(tlsVolume(job)).toBeUndefined();
  });
});

describe('the memory of the tool', () => {
  const tuned = (tool: object, memory: string): V1Job =>
    buildJob(
      aBackup({
        spec: {
          neo4j: { version: '3.4.18', image: 'mine:1', tool },
          job: { resources: { limits: { memory } } },
        },
      }),
      input,
    );
  const heapOf = (made: V1Job): string | undefined =>
    containersOf(made)[1]?.env?.find(({ name }) => name === 'HEAP_SIZE')?.value;

  test('has a heap that fits', () => {
    expect(heapOf(job)).toBe('256m');
    expect(heapOf(tuned({}, '2Gi'))).toBe('1024m');
    expect(heapOf(tuned({ heapSize: '1500Mi' }, '2Gi'))).toBe('1500m');
  });

  test('goes by JAVA_OPTS in generation A, whose launcher knows nothing else', () => {
    const a = selectEngine('3.0.7');
    if (a === undefined) throw new Error('no engine serves 3.0.7');
    const backup = aBackup({ spec: { neo4j: { version: '3.0.7', tool: { heapSize: '64Mi' } } } });
    expect(containersOf(buildJob(backup, { ...input, engine: a }))[1]?.env).toEqual([
      { name: 'JAVA_OPTS', value: '-Xmx64m' },
    ]);
  });

  test('and its other settings go to the agent', () => {
    const [request] = requestsOf(tuned({ pageCacheSize: '64Mi', options: { timeout: '40m' } }, '1Gi'));
    expect(request?.tool).toEqual({ pageCacheMiB: 64, options: { timeout: '40m' } });
  });

  test('is never asked for where it does not fit', () => {
    expect(() => tuned({ heapSize: '1Gi' }, '1Gi')).toThrow('no Job can be made');
  });
});

function isRestricted({ securityContext, ports = [] }: V1Container): boolean {
  const { privileged, allowPrivilegeEscalation, capabilities, runAsUser, runAsNonRoot } =
    securityContext ?? {};
  const drops = capabilities?.drop?.includes('ALL') === true && capabilities.add === undefined;
  const escalates = privileged === true || allowPrivilegeEscalation !== false;
  const isRoot = runAsUser === 0 || runAsNonRoot === false;
  return [drops, !escalates, !isRoot, ports.length === 0].every(Boolean);
}

/** What of the restricted Pod Security profile a Job breaks. https://kubernetes.io/docs/concepts/security/pod-security-standards */
function breaches(made: V1Job): readonly string[] {
  const { securityContext, hostNetwork, hostPID, hostIPC, volumes = [] } = podOf(made);
  const rules: readonly (readonly [string, boolean])[] = [
    ['host namespaces', hostNetwork === true || hostPID === true || hostIPC === true],
    ['runs as root', securityContext?.runAsNonRoot !== true || securityContext.runAsUser === 0],
    ['seccomp', securityContext?.seccompProfile?.type !== 'RuntimeDefault'],
    [
      'volumes',
      volumes.some(
        ({ emptyDir, persistentVolumeClaim, projected }) => !emptyDir && !persistentVolumeClaim && !projected,
      ),
    ],
    ...containersOf(made).map((container) => [container.name, !isRestricted(container)] as const),
  ];
  return rules.filter(([, isBroken]) => isBroken).map(([rule]) => rule);
}

/** Specs that the schema takes, as nasty as it lets them be. */
const word = fc.stringMatching(/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,40}[A-Za-z0-9])?$/);
const nasty = fc.oneof(
  fc.constantFrom('$(reboot)', '`id`', '"; rm -rf / #', '$(POD_UID)', '-x', '\n--flag', '${HOME}'),
  fc.string({ maxLength: 60 }),
);
const hostileBackup: fc.Arbitrary<Neo4jBackup> = fc
  .record({
    host: fc.stringMatching(hostName).filter((host) => host.length <= 253),
    version: fc.stringMatching(/^3\.4\.[0-9]{1,3}([-+.][0-9A-Za-z.]{1,10})?$/),
    image: fc.stringMatching(/^[a-zA-Z0-9][-a-zA-Z0-9._:/@]{0,60}$/),
    claimName: fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?$/),
    id: word,
    nodeSelector: fc.dictionary(nasty, nasty, { maxKeys: 4 }),
    uid: fc.integer({ min: 1, max: 2_147_483_647 }),
  })
  .map(({ host, version, image, claimName, id, nodeSelector, uid }) =>
    aBackup({
      spec: {
        source: { host },
        neo4j: { version, image },
        destination: { persistentVolumeClaim: { claimName } },
        trigger: { id },
        job: { nodeSelector, securityContext: { runAsUser: uid, runAsGroup: uid, fsGroup: uid } },
      },
    }),
  );

function maskClaim({ metadata, spec }: V1Job): void {
  for (const marks of [metadata?.labels, spec?.template.metadata?.labels])
    if (marks !== undefined) Object.assign(marks, { [labels.claim]: 'masked', [labels.server]: 'masked' });
}

/** The Job without the fields where the user's text belongs. */
function withoutKnownFields(made: V1Job): unknown {
  const copy = structuredClone(made);
  const pod = podOf(copy);
  delete pod.nodeSelector;
  delete pod.securityContext;
  delete copy.metadata?.annotations;
  maskClaim(copy);
  for (const container of containersOf(copy)) {
    if (container.name === 'engine') container.image = 'masked';
    for (const variable of container.env ?? [])
      if (variable.name === requestVariable) variable.value = 'masked';
  }
  for (const { persistentVolumeClaim } of pod.volumes ?? [])
    if (persistentVolumeClaim !== undefined) persistentVolumeClaim.claimName = 'masked';
  return copy;
}

test('the request says what to adopt, and what to keep, and the Job by which policy', () => {
  const destination = { persistentVolumeClaim: { claimName: 'backups' }, adoptFrom: 'old/cron' };
  const backup = aBackup({ spec: { destination, retention: { keepDaily: 7 } } });
  const made = buildJob(backup, input);
  for (const request of requestsOf(made))
    expect(request).toMatchObject({ adoptFrom: 'old/cron', retention: { keepDaily: 7, mode: 'Enforce' } });
  expect(requestsOf(made)).toHaveLength(2);
  const policy = policyHash({ keepDaily: 7, mode: 'Enforce' });
  expect(made.metadata?.annotations).toMatchObject({ [annotations.retention]: policy });
});

describe('any spec that the schema takes', () => {
  test('stays within the restricted profile', () => {
    expect(breaches(job)).toEqual([]);
    fc.assert(
      fc.property(hostileBackup, (backup) => {
        expect(breaches(buildJob(backup, input))).toEqual([]);
      }),
    );
  });

  test('puts the text of the user into the known fields and nowhere else', () => {
    const calm = withoutKnownFields(job);
    fc.assert(
      fc.property(hostileBackup, (backup) => {
        const run = { ...input.run, triggerID: backup.spec.trigger?.id ?? '' };
        expect(withoutKnownFields(buildJob(backup, { ...input, run }))).toEqual(calm);
      }),
    );
  });

  const agentCommand = ['node', '--max-old-space-size-percentage=60', '/app/agent.js'];

  test('runs the same commands', () => {
    fc.assert(
      fc.property(hostileBackup, (backup) => {
        const commands = containersOf(buildJob(backup, input)).map(({ command, args }) => [command, args]);
        expect(commands).toEqual([
          [agentCommand, ['prepare']],
          [['/bin/sh', '-c', engineScript], undefined],
          [agentCommand, ['report']],
        ]);
      }),
    );
  });

  test('makes a request that the agent can read', () => {
    fc.assert(
      fc.property(hostileBackup, (backup) => {
        const run = { ...input.run, triggerID: backup.spec.trigger?.id ?? '' };
        for (const request of requestsOf(buildJob(backup, { ...input, run })))
          expect(request).toMatchObject({
            source: { host: backup.spec.source.host },
            triggerID: run.triggerID,
            neo4jVersion: backup.spec.neo4j.version,
          });
      }),
    );
  });
});
