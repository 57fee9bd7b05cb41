// The Job of a run. Pure.
import { createHash } from 'node:crypto';
import type {
  V1Container,
  V1EnvVar,
  V1Job,
  V1JobSpec,
  V1ObjectMeta,
  V1PodFailurePolicyRule,
  V1PodSpec,
  V1Toleration,
  V1Volume,
  V1VolumeMount,
} from '@kubernetes/client-node';
import { annotations, containers, group, kind, labels, managedBy, version } from '../api/names.ts';
import type { Engine } from '../engine/engine.ts';
import { engineScript, mounts, tlsFiles } from '../run/exchange.ts';
import { exitCodes } from '../run/report.ts';
import { requestVariable, type RunRequest } from '../run/request.ts';
import { shareMemory, type Memory } from './memory.ts';
import type { Neo4jBackup } from './resources.ts';
import { claimMark, destinationPath, policyHash, serverMark, shortName, type DueRun } from './run.ts';

/** What a Job is made of, beside the resource. */
export interface JobInput {
  readonly run: DueRun;
  readonly engine: Engine;
  readonly agentImage: string;
  readonly now: Date;
  /** Uids of Pods of earlier runs that have ended. */
  readonly terminalPods: readonly string[];
}

/** The user neo4j of the official images since 4.0; the older ones bind their user at start, which we bypass. */
const neo4jID = 7474;

/** Seconds between the deadlines that nest: the Pod's before the Job's, so that the failed Pod stays as evidence. */
const deadlineStepSeconds = 10;

/** A week: the backstop for what the operator did not delete itself. */
const ttlSeconds = 604_800;

/**
 * Both ends of the output of each step: half a MiB, of four steps at the most for each of 32 databases, which is what a
 * resource may name.
 */
const exchangeSizeLimit = '96Mi';

const hardened = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
} as const;

/** Our agent streams: what it needs does not grow with the store. */
const agentResources = { requests: { cpu: '10m', memory: '96Mi' }, limits: { memory: '256Mi' } };

/** 384 MiB was measured to be enough for the tool; the rest is for the pages of a store that is larger than a test's. */
const engineResources = { requests: { cpu: '100m', memory: '512Mi' } };

/** Host name under which a Pod of the same cluster reaches the source. */
function sourceHost({ spec, metadata }: Neo4jBackup): string {
  const { serviceRef, host } = spec.source;
  return serviceRef === undefined ? (host ?? '') : `${serviceRef.name}.${metadata.namespace}.svc`;
}

/**
 * Changes whenever the Job of a run would be another one. Not with what makes another run, nor with the schedule
 * of verification. With the policy of retention: a run that waits would remove what somebody has just asked to keep.
 */
export function specHash({ spec }: Neo4jBackup, agentImage: string): string {
  const {
    trigger: _trigger,
    verification: _verification,
    schedule: _schedule,
    fullSchedule: _fullSchedule,
    timeZone: _timeZone,
    startingDeadlineSeconds: _startingDeadlineSeconds,
    suspend: _suspend,
    spread: _spread,
    blackoutWindows: _blackoutWindows,
    objectives: _objectives,
    ...shaping
  } = spec;
  return createHash('sha256')
    .update(JSON.stringify([agentImage, shaping]))
    .digest('hex')
    .slice(0, 16);
}

export function buildJob(backup: Neo4jBackup, input: JobInput): V1Job {
  const { run, engine } = input;
  const { spec } = backup;
  const { labels: marks, ...metadata } = jobMetadata(backup, run.id);
  const labelled = { ...marks, [labels.server]: serverMark(spec.source) };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      ...metadata,
      labels: labelled,
      annotations: {
        [annotations.requestedType]: run.requestedType,
        [annotations.specHash]: specHash(backup, input.agentImage),
        ...marksOf(run),
        ...(spec.retention === undefined ? {} : { [annotations.retention]: policyHash(spec.retention) }),
      },
    },
    spec: {
      ...onePodAtATime(backup, [
        {
          action: 'FailJob',
          onExitCodes: { containerName: containers.engine, operator: 'In', values: [...hopeless] },
        },
      ]),
      template: { metadata: podMetadata(labelled), spec: podSpec(backup, engine, input) },
    },
  };
}

/** What made the run due. */
function marksOf({
  triggerID,
  annotationTriggerID,
  scheduledTime,
}: DueRun): Readonly<Record<string, string>> {
  const marks = { triggerID, annotationTriggerID, scheduledTime };
  return Object.fromEntries(
    Object.entries(marks).flatMap(([mark, value]) =>
      value === undefined ? [] : [[annotations[mark as keyof typeof marks], value]],
    ),
  );
}

/** How every Job of ours runs: one Pod, and a second one where that can help. @param rules what else makes a second one vain */
export function onePodAtATime(
  { spec }: Neo4jBackup,
  rules: readonly V1PodFailurePolicyRule[] = [],
): Omit<V1JobSpec, 'template'> {
  return {
    completions: 1,
    parallelism: 1,
    backoffLimit: 1,
    activeDeadlineSeconds: spec.job.activeDeadlineSeconds,
    ttlSecondsAfterFinished: ttlSeconds,
    podReplacementPolicy: 'Failed',
    podFailurePolicy: {
      rules: [
        { action: 'FailJob', onExitCodes: { operator: 'In', values: [exitCodes.final] } },
        { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
        ...rules,
      ],
    },
  };
}

/** Marks of every Pod of ours. A mesh would keep it from ending, and stand between the tool and the server. */
export function podMetadata(
  labelled: Readonly<Record<string, string>>,
  annotated: Readonly<Record<string, string>> = {},
): Pick<V1ObjectMeta, 'labels' | 'annotations'> {
  return {
    labels: { ...labelled, 'sidecar.istio.io/inject': 'false' },
    annotations: { 'linkerd.io/inject': 'disabled', ...annotated },
  };
}

/** Name, owner and marks that every Job of ours has. */
export function jobMetadata(
  { metadata, spec }: Neo4jBackup,
  name: string,
): Pick<V1ObjectMeta, 'name' | 'namespace' | 'ownerReferences'> & {
  readonly labels: Record<string, string>;
} {
  return {
    name,
    ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
    labels: {
      [labels.managedBy]: managedBy,
      [labels.backup]: shortName(metadata.name, 63),
      [labels.backupUID]: metadata.uid,
      [labels.claim]: claimMark(spec.destination.persistentVolumeClaim.claimName),
    },
    ownerReferences: [
      { apiVersion: `${group}/${version}`, kind, name: metadata.name, uid: metadata.uid, controller: true },
    ],
  };
}

/**
 * What the container of the tool ends with that another Pod would end with, too: it could not be started, or was killed, by
 * the kernel for want of memory, by the kubelet for its deadline or for what it wrote to /tmp.
 */
const hopeless = [128, 137] as const;

function podSpec(backup: Neo4jBackup, engine: Engine, input: JobInput): V1PodSpec {
  const { job, neo4j } = backup.spec;
  const podDeadlineSeconds = job.activeDeadlineSeconds - deadlineStepSeconds;
  const memory = memoryOf(backup, engine);
  const request = requestOf(backup, input, podDeadlineSeconds, memory);
  return {
    ...podSettings(backup),
    activeDeadlineSeconds: podDeadlineSeconds,
    initContainers: [
      agentContainer(containers.prepare, input.agentImage, request),
      {
        name: containers.engine,
        image: neo4j.image ?? engine.defaultImage(neo4j.version),
        imagePullPolicy: 'IfNotPresent',
        command: ['/bin/sh', '-c', engineScript],
        env: Object.entries(engine.environment(memory.heapMiB)).map(([name, value]) => ({ name, value })),
        resources: resourcesOf(backup),
        securityContext: hardenedContext(),
        volumeMounts: [
          ...volumeMounts(),
          { name: 'temporary', mountPath: mounts.temporary },
          ...(backup.spec.source.tls === undefined
            ? []
            : [{ name: 'tls', mountPath: mounts.tls, readOnly: true }]),
        ],
      },
    ],
    containers: [agentContainer(containers.report, input.agentImage, request)],
    volumes: [
      backupVolume(backup),
      { name: 'exchange', emptyDir: { sizeLimit: exchangeSizeLimit } },
      { name: 'temporary', emptyDir: { sizeLimit: '1Gi' } },
      ...tlsVolumes(backup),
    ],
  };
}

/** What every Pod of ours is, whatever it runs. */
export function podSettings(backup: Neo4jBackup): Omit<V1PodSpec, 'containers'> {
  const {
    runAsUser = neo4jID,
    runAsGroup = neo4jID,
    fsGroup = neo4jID,
  } = backup.spec.job.securityContext ?? {};
  return {
    restartPolicy: 'Never',
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser,
      runAsGroup,
      fsGroup,
      fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
    },
    ...placement(backup),
    tolerations: tolerationsOf(backup),
  };
}

export function backupVolume({ spec }: Neo4jBackup): V1Volume {
  const { claimName } = spec.destination.persistentVolumeClaim;
  return { name: 'backup', persistentVolumeClaim: { claimName } };
}

/**
 * How long a Pod stays on a node that has fallen silent before it counts as lost. Kubernetes gives five minutes where
 * nobody asks for less, and until then nothing at all shows at a Pod whose init containers still run. Seconds.
 */
const silentNodeSeconds = 30;

/** Those of the resource, and ours for nodes that are gone where it says nothing of them. */
function tolerationsOf({ spec }: Neo4jBackup): V1Toleration[] {
  const tolerations = (spec.job.tolerations ?? []) as readonly V1Toleration[];
  const ours = ['not-ready', 'unreachable'].map((state) => `node.kubernetes.io/${state}`);
  const isLeftOpen = (taint: string): boolean =>
    !tolerations.some(({ key, effect = 'NoExecute' }) => (key ?? taint) === taint && effect === 'NoExecute');
  return [
    ...tolerations,
    ...ours.filter(isLeftOpen).map((key) => ({
      key,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: silentNodeSeconds,
    })),
  ];
}

/** @throws Error where the settings do not fit: the operator objects to them before it makes a Job */
function memoryOf(backup: Neo4jBackup, engine: Engine): Memory {
  const shared = shareMemory(backup, engine.memory);
  if (shared.kind === 'unfit') throw new Error(`no Job can be made: ${shared.problem}`);
  return shared.memory;
}

/**
 * Of the Secrets only what the tool needs, under the names that it looks for. Readable for the group of the Pod, which
 * `fsGroup` makes theirs, and for nobody else. A Secret or key that is missing keeps the Pod from starting.
 */
function tlsVolumes({ spec }: Neo4jBackup): V1Volume[] {
  const { tls } = spec.source;
  if (tls === undefined) return [];
  const own = tls.clientCertificateSecretRef.name;
  const authority = tls.caSecretRef ?? { name: own, key: 'ca.crt' };
  const files = [
    [own, 'tls.key', tlsFiles.privateKey],
    [own, 'tls.crt', tlsFiles.certificate],
    [authority.name, authority.key, tlsFiles.authority],
  ] as const;
  const sources = files.map(([name, key, path]) => ({ secret: { name, items: [{ key, path }] } }));
  return [{ name: 'tls', projected: { defaultMode: 0o440, sources } }];
}

/** What of the settings stands in a Pod as it stands in the resource. */
function placement({ spec }: Neo4jBackup): Partial<V1PodSpec> {
  const { nodeSelector, priorityClassName, imagePullSecrets } = spec.job;
  const settings = { nodeSelector, priorityClassName, imagePullSecrets };
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

/**
 * The image starts the operator by itself. Left to itself Node's heap may grow to all of the limit, and then it is the kernel
 * that ends it, without a word. The rest is for buffers and the program.
 */
const agentCommand = ['node', '--max-old-space-size-percentage=60', '/app/agent.js'];

export function agentContainer(
  name: string,
  image: string,
  request: RunRequest,
  mounted: V1VolumeMount[] = volumeMounts(),
): V1Container {
  const env: V1EnvVar[] = [
    { name: 'POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } },
    { name: requestVariable, value: JSON.stringify(request) },
  ];
  return {
    name,
    image,
    imagePullPolicy: 'IfNotPresent',
    command: agentCommand,
    args: [name],
    env,
    resources: agentResources,
    securityContext: hardenedContext(),
    terminationMessagePolicy: 'File',
    volumeMounts: mounted,
  };
}

export function requestOf(
  backup: Neo4jBackup,
  { run, now, terminalPods }: Pick<JobInput, 'run' | 'now' | 'terminalPods'>,
  podDeadlineSeconds: number,
  memory: Pick<Memory, 'pageCacheMiB'>,
): RunRequest {
  const { metadata, spec } = backup;
  const { adoptFrom } = spec.destination;
  return {
    schemaVersion: 1,
    run: run.id,
    resource: { namespace: metadata.namespace ?? '', name: metadata.name, uid: metadata.uid },
    createdTime: now.toISOString(),
    path: destinationPath(backup),
    ...(adoptFrom === undefined ? {} : { adoptFrom }),
    ...(spec.retention === undefined ? {} : { retention: spec.retention }),
    source: { host: sourceHost(backup), port: spec.source.port },
    neo4jVersion: spec.neo4j.version,
    databases: spec.databases ?? [],
    allDatabases: spec.allDatabases === true,
    onIncrementalFailure: spec.onIncrementalFailure,
    requestedType: run.requestedType,
    consistencyCheck: spec.consistencyCheck,
    tool: toolOf(spec, memory),
    podDeadlineSeconds,
    ...(run.triggerID === undefined ? {} : { triggerID: run.triggerID }),
    terminalPods: terminalPods.slice(-64),
  };
}

function toolOf(
  { source, neo4j }: Neo4jBackup['spec'],
  { pageCacheMiB }: Pick<Memory, 'pageCacheMiB'>,
): RunRequest['tool'] {
  const { tls } = source;
  const verifyHostname = tls?.verifyHostname;
  return {
    ...(tls === undefined ? {} : { tls: verifyHostname === undefined ? {} : { verifyHostname } }),
    ...(pageCacheMiB === undefined ? {} : { pageCacheMiB }),
    options: neo4j.tool?.options ?? {},
  };
}

function resourcesOf({ spec }: Neo4jBackup): NonNullable<V1Container['resources']> {
  const { requests, limits } = spec.job.resources ?? {};
  if (requests === undefined && limits === undefined) return engineResources;
  return {
    ...(requests === undefined ? {} : { requests: quantities(requests) }),
    ...(limits === undefined ? {} : { limits: quantities(limits) }),
  };
}

/** The API takes `2` as well as `"2"`; a Job is compared more easily with one form. */
function quantities(list: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(Object.entries(list).map(([name, quantity]) => [name, String(quantity)]));
}

function hardenedContext(): NonNullable<V1Container['securityContext']> {
  return { ...hardened, capabilities: { drop: [...hardened.capabilities.drop] } };
}

function volumeMounts(): V1VolumeMount[] {
  return [
    { name: 'backup', mountPath: mounts.backup },
    { name: 'exchange', mountPath: mounts.exchange },
  ];
}
