// The one table of reasons. A reason is API: alerts and scripts match on it, so a row is never renamed.
import { plain } from './plain.ts';

/**
 * `condition`: where the reason appears. `Ready` and `Stalled` rows describe the wish and the cluster, `LastRunSucceeded`
 * rows how a run ended, `Reconciling` rows what is under way.
 * `event`: the type of the Event when the reason begins to hold, or none.
 * `retryable`: whether the same run may start another Pod: only for what can heal by itself within minutes.
 * `says`: one sentence for people, true whenever the reason is used; the message of the moment adds the facts.
 * `next`: what to do. Every reason that warns has one.
 */
export interface ReasonRow {
  readonly condition:
    'Ready' | 'Stalled' | 'Reconciling' | 'LastRunSucceeded' | 'LastVerificationSucceeded' | 'ObjectivesMet';
  readonly event: 'Normal' | 'Warning' | 'none';
  readonly retryable: boolean;
  readonly says: string;
  readonly next?: string;
}

const ready = { condition: 'Ready', event: 'Warning', retryable: false } as const;
const stalled = { condition: 'Stalled', event: 'Warning', retryable: false } as const;
const under = { condition: 'Reconciling', event: 'none', retryable: false } as const;
const taken = { condition: 'LastRunSucceeded', event: 'Normal', retryable: false } as const;
const failed = { condition: 'LastRunSucceeded', event: 'Warning', retryable: false } as const;
const tended = { condition: 'LastVerificationSucceeded', event: 'none', retryable: false } as const;
const aimed = { condition: 'ObjectivesMet', event: 'none', retryable: false } as const;
const passing = { condition: 'LastRunSucceeded', event: 'Warning', retryable: true } as const;

export const reasons = {
  // the wish is good
  Accepted: { ...ready, event: 'none', says: 'The resource is valid and can be acted on.' },
  Idle: { ...under, says: 'No backup is under way and none is due.' },
  Suspended: { ...under, says: 'The schedules are suspended and start nothing; a trigger still does.' },
  Queued: {
    ...under,
    says: 'A run is due, and its Job is about to be made, or waits for its turn.',
  },
  Running: { ...under, says: 'A run is under way.' },
  Inspecting: {
    ...under,
    says: 'A run has ended, nobody saw how, and the volume is being asked.',
  },
  NoRunYet: { ...taken, event: 'none', says: 'No run of this resource has ended yet.' },

  // only an edit of the spec, or of the operator's configuration, can help
  UnsupportedVersion: {
    ...stalled,
    says: 'No backup tool that the operator knows serves this version of Neo4j.',
    next: 'Set spec.neo4j.version to the version of the server; a server of a version that is not served cannot be backed up by this operator yet.',
  },
  DatabasesNotSupported: {
    ...stalled,
    says: 'Before Neo4j 4.0 a server has one database, which has no name for its backup tool.',
    next: 'Remove spec.databases and spec.allDatabases, or correct spec.neo4j.version.',
  },
  ImageVersionMismatch: {
    ...stalled,
    says: 'The tag of the image names another version of Neo4j than spec.neo4j.version.',
    next: 'Set spec.neo4j.version to the version of the server, and spec.neo4j.image to an image of the same version.',
  },
  HostNotAllowed: {
    ...stalled,
    says: 'The operator is not configured to back up from this host.',
    next: "Use spec.source.serviceRef, or have the host added to the operator's allowedHosts.",
  },
  ImageNotAllowed: {
    ...stalled,
    says: 'The operator is not configured to run this image.',
    next: "Name an allowed image in spec.neo4j.image, or have this one added to the operator's allowedImages.",
  },
  ExternalNameRefused: {
    ...stalled,
    says: 'A Service of type ExternalName is refused: it can point anywhere.',
    next: 'Name the server in spec.source.host instead; the operator has to allow that host.',
  },
  LicenseNotAccepted: {
    ...stalled,
    says: 'The default image is the Enterprise Edition, whose license must be accepted.',
    next: 'Set spec.neo4j.acceptLicenseAgreement to true if you have a license, or name another image in spec.neo4j.image.',
  },
  InvalidSchedule: {
    ...stalled,
    says: 'A schedule in the spec is not one.',
    next: 'Correct it: five fields of cron, such as 0 3 * * 0, or @hourly, @daily, @weekly, @monthly or @yearly; in spec.timeZone the name of a zone, such as Europe/Madrid.',
  },

  TLSNotSupported: {
    ...stalled,
    says: 'The backup tool of this version of Neo4j speaks no TLS.',
    next: 'Remove spec.source.tls, and let only the Pods of the runs through to the port: up to 3.3 a backup always travels in the clear.',
  },
  OptionNotSupported: {
    ...stalled,
    says: 'The backup tool of this version of Neo4j has no such setting, or takes no such value for it.',
    next: 'Correct or remove it in spec.neo4j.tool.',
  },
  ToolMemoryInvalid: {
    ...stalled,
    says: 'The heap and the page cache in spec.neo4j.tool do not go together with the memory of the container.',
    next: 'Ask for less in spec.neo4j.tool, or raise spec.job.resources.limits.memory.',
  },

  // heals without an edit
  ServiceNotFound: {
    ...ready,
    says: 'The Service named in spec.source.serviceRef does not exist.',
    next: 'Create the Service, or correct spec.source.serviceRef: the run starts by itself.',
  },
  PortNotExposed: {
    ...ready,
    says: 'The Service has no port of the number in spec.source.port.',
    next: 'Add the port of the backup service to the Service, or correct spec.source.port: the run starts by itself.',
  },
  NoReadyEndpoints: {
    ...ready,
    says: 'No server that is ready stands behind the Service.',
    next: 'Start the server and see that it becomes ready, or correct the selector of the Service: the run starts by itself.',
  },
  ClaimNotFound: {
    ...ready,
    says: 'The claim named in spec.destination does not exist.',
    next: 'Create the claim: the run starts by itself.',
  },
  ClaimNotBound: {
    ...ready,
    says: 'The claim has no volume to give to the run.',
    next: 'See what the claim waits for (its StorageClass, a volume that fits) or make another one: a run that waits goes on by itself, one that has ended needs a new spec.trigger.id.',
  },
  SecretNotFound: {
    ...ready,
    says: 'A Secret that the Pod of the run needs, or a key of it, does not exist.',
    next: 'Create the Secret with that key, or correct its name: a run that waits goes on by itself, one that has ended needs a new spec.trigger.id.',
  },
  DestinationConflict: {
    ...ready,
    says: 'Another resource, which is older, writes to the same folder of the same claim.',
    next: 'Give one of the two another spec.destination.path by creating it anew, or delete one of them: what it has published stays on the volume.',
  },
  NameConflict: {
    ...ready,
    says: 'A Job that is not ours has the name that this run must have.',
    next: 'Delete that Job: the run starts by itself.',
  },
  JobRejected: {
    ...ready,
    says: 'The cluster refused the Job of this run, or its Pod.',
    next: 'Remove what the message names: a run that waits is tried again by itself, one that has ended needs a new spec.trigger.id.',
  },
  PodSecurityViolation: {
    ...ready,
    says: 'Pod Security admission of the namespace refused the Pod of the run.',
    next: 'The Pod as the operator makes it fits the level restricted: see what adds to it, such as a webhook that injects containers, and leave the Pods of runs out there. A run that waits is tried again by itself, one that has ended needs a new spec.trigger.id.',
  },
  QuotaExceeded: {
    ...ready,
    says: 'A quota of the namespace leaves no room for the run.',
    next: 'Raise the quota, or ask for less in spec.job.resources: a run that waits is tried again by itself, one that has ended needs a new spec.trigger.id.',
  },
  ImagePullFailed: {
    ...ready,
    says: 'An image of the run cannot be pulled.',
    next: 'Make the image available, or correct spec.neo4j.image: a run that waits goes on by itself, one that has ended needs a new spec.trigger.id.',
  },
  ContainerNotStarted: {
    ...ready,
    says: 'The node cannot start a container of the run.',
    next: 'Remove what the message names: a run that waits goes on by itself, one that has ended needs a new spec.trigger.id.',
  },
  VolumeNotMounted: {
    ...ready,
    says: 'The volume of the claim cannot be attached to the node, or mounted there.',
    next: 'See what the storage driver of the claim says, and the node: a run that waits goes on by itself.',
  },
  VolumeAttachConflict: {
    ...ready,
    says: 'The volume of the claim is held by another Pod, or by another node.',
    next: 'End what uses the claim elsewhere (a ReadWriteOnce volume serves one node at a time, a ReadWriteOncePod volume one Pod), or see that a node which is gone lets go of it: a run that waits goes on by itself.',
  },
  NodeLost: {
    ...ready,
    says: 'The node of the Pod was lost, or taken from it by a taint.',
    next: 'See to the node. One that does not come back has to be deleted, or tainted with node.kubernetes.io/out-of-service: then the run goes on with another Pod.',
  },
  Unschedulable: {
    ...ready,
    says: 'No node can take the Pod of the run.',
    next: 'Make room, or correct spec.job: a run that waits goes on by itself, one that has ended needs a new spec.trigger.id.',
  },

  // a run that took a backup
  FullBackupTaken: { ...taken, says: 'A full backup was taken, read back and verified.' },
  IncrementalBackupTaken: { ...taken, says: 'An incremental backup was taken, read back and verified.' },

  BackupsTaken: {
    ...taken,
    says: 'Full and incremental backups of several databases were taken, read back and verified.',
  },
  PartiallySucceeded: {
    ...failed,
    says: 'Some databases were backed up, read back and verified; others were not.',
    next: 'Read the reason of each in status.lastRun.databases; what was taken stays and counts. Then start a run with a new spec.trigger.id.',
  },

  // the source
  HostNotFound: {
    ...passing,
    says: 'The name of the server does not resolve.',
    next: 'Correct spec.source and see that the Service exists; then start a run with a new spec.trigger.id.',
  },
  PortUnreachable: {
    ...passing,
    says: 'No connection to the backup port of the server could be opened.',
    next: 'See that online backup is enabled, that it listens on an address other than loopback, and that no NetworkPolicy or firewall is in between; then start a run with a new spec.trigger.id.',
  },
  DatabaseNotFound: {
    ...failed,
    says: 'The server has no database of this name.',
    next: 'Correct spec.databases, or create the database; then start a run with a new spec.trigger.id.',
  },
  NotABackupService: {
    ...failed,
    says: 'Something other than a backup service answers on the port.',
    next: 'Set spec.source.port to the port of the backup service, 6362 unless the server was told otherwise; then start a run with a new spec.trigger.id.',
  },
  AddressNotAllowed: {
    ...failed,
    says: 'The name of the server resolves to an address that no backup is taken from.',
    next: 'Loopback, link-local and metadata addresses and the API server are refused after the name was resolved, whatever allowedHosts says: name the server by another address or name in spec.source; then start a run with a new spec.trigger.id.',
  },
  TLSHandshakeFailed: {
    ...failed,
    says: 'The tool and the server did not agree on TLS on the backup port.',
    next:
      'Either side must have a policy, and trust the authority of the other one: spec.source.tls here, and on the server the policy for backups. ' +
      '"PKIX path" means that the tool does not trust the certificate of the server, "fatal alert" that the server refuses that of the tool, "timed out" that the server speaks no TLS there. Then start a run with a new spec.trigger.id.',
  },
  TLSPolicyRejected: {
    ...failed,
    says: 'The tool cannot use the key and the certificates of spec.source.tls.',
    next:
      "The Secret must hold tls.key without a password, as PKCS#8 (cert-manager: spec.privateKey.encoding: PKCS8), tls.crt, and ca.crt as PEM. A tool that calls a policy unexpected was built without TLS: name the image of Neo4j's own edition in spec.neo4j.image. " +
      'Then start a run with a new spec.trigger.id.',
  },
  ProtocolMismatch: {
    ...failed,
    says: 'The server speaks another version of the backup protocol than the tool.',
    next: 'Set spec.neo4j.version to the version of the server; then start a run with a new spec.trigger.id.',
  },
  ServerClosedConnection: {
    ...passing,
    says: 'The server ended the connection before the backup was complete.',
    next: 'Look into the log of the server for that moment; then start a run with a new spec.trigger.id.',
  },

  // the destination
  DestinationNotABackup: {
    ...failed,
    says: 'The destination holds something that is not a backup of this operator.',
    next: 'Choose a folder of its own in spec.destination.path of a new resource, or move away what is there; nothing was changed. Then start a run with a new spec.trigger.id.',
  },
  StoreMismatch: {
    ...failed,
    says: 'The destination holds backups of a different store.',
    next: 'Point spec.source back to the server that was backed up so far, or give the other store a resource with a path of its own; nothing was changed. Then start a run with a new spec.trigger.id.',
  },
  OlderVersion: {
    ...failed,
    says: 'The destination holds a backup of another version of the store format.',
    next: 'Start a new chain with spec.trigger {id: <new>, type: Full}, or set spec.onIncrementalFailure to NewChain to have that done; the older backups stay.',
  },
  ChainBroken: {
    ...failed,
    says: 'What was taken does not continue the newest backup without a gap.',
    next: 'Start a new chain with spec.trigger {id: <new>, type: Full}, or set spec.onIncrementalFailure to NewChain to have that done; the older backups stay.',
  },
  DestinationBusy: {
    ...passing,
    says: 'Another run published to the destination meanwhile, or holds its lock.',
    next: 'Give each resource a path of its own. Then start a run with a new spec.trigger.id.',
  },
  AdoptionFailed: {
    ...failed,
    says: 'The folder that spec.destination.adoptFrom names holds no backup that could be adopted.',
    next: 'Correct spec.destination.adoptFrom by creating the resource anew, or leave it out to begin with a full backup; nothing was changed.',
  },
  LayoutTooNew: {
    ...failed,
    says: 'A newer version of the operator wrote to the destination.',
    next: 'Upgrade the operator; nothing was changed. Then start a run with a new spec.trigger.id.',
  },
  NoSpaceLeft: {
    ...failed,
    says: 'The volume has no room left.',
    next: 'Enlarge the claim, or remove old points; what was published before is untouched. Then start a run with a new spec.trigger.id.',
  },
  PermissionDenied: {
    ...failed,
    says: 'The Pod may not write to the volume.',
    next: 'Set spec.job.securityContext to ids that may write there, fsGroup above all. Then start a run with a new spec.trigger.id.',
  },
  ArtifactMissing: {
    ...failed,
    says: 'The tool reported success, but there is no complete backup.',
    next: 'Report it to the developers of the operator with runs/<run>.json and runs/<run>.log.gz from the volume; what was published before is untouched.',
  },
  ArtifactCorrupt: {
    ...failed,
    says: 'A file of a published backup is not what was written.',
    next: 'Check the storage below the claim; start a new chain with spec.trigger {id: <new>, type: Full}.',
  },

  // the run
  LogsPruned: {
    ...failed,
    says: 'The server no longer has the logical logs that an incremental backup would need.',
    next: 'Nothing: a full backup is taken instead, in a new chain. To have fewer of those, take incremental ones more often, or have the server keep its logs longer (dbms.tx_log.rotation.retention_policy up to 4.4, db.tx_log.rotation.retention_policy since 5).',
  },
  Inconsistent: {
    ...failed,
    says: 'The backup was taken, but the consistency check found inconsistencies in it.',
    next: "Run the consistency check on the server's own store; older backups without inconsistencies stay what the next run goes on from.",
  },
  ConsistencyCheckFailed: {
    ...failed,
    says: 'The consistency check of the copy could not be completed, so nothing was published.',
    next: 'Give the tool more memory in spec.job.resources.limits, or set spec.consistencyCheck to Never and check elsewhere. Then start a run with a new spec.trigger.id.',
  },
  OutOfMemory: {
    ...failed,
    says: 'A container of the run ran out of memory.',
    next: 'Raise spec.job.resources.limits.memory, to 512Mi at least and to more for a large store. Then start a run with a new spec.trigger.id.',
  },
  Evicted: {
    ...passing,
    says: 'The node evicted the Pod of the run.',
    next: 'Give the Pod the requests that it needs in spec.job.resources, of memory and of ephemeral-storage; then start a run with a new spec.trigger.id.',
  },
  Preempted: {
    ...passing,
    says: 'The Pod of the run had to make room for one of a higher priority.',
    next: 'Give the run a priority of its own in spec.job.priorityClassName, or the cluster more room; then start a run with a new spec.trigger.id.',
  },
  Interrupted: {
    ...passing,
    says: 'The Pod of the run was stopped from outside.',
    next: 'See what stopped it, such as a drained node; then start a run with a new spec.trigger.id.',
  },
  DeadlineExceeded: {
    ...failed,
    says: 'The run took longer than spec.job.activeDeadlineSeconds.',
    next: 'Raise spec.job.activeDeadlineSeconds, or find out what held the run up: a peer that is not a backup service never answers. Then start a run with a new spec.trigger.id.',
  },
  ResultLost: {
    ...failed,
    says: 'Nobody saw how the run ended, and the volume could not tell.',
    next: 'Look into points/ and runs/ on the volume if in doubt; what was published before is untouched. Start a run with a new spec.trigger.id.',
  },
  EngineFailed: {
    ...failed,
    says: 'The tool failed for a reason that the operator does not know.',
    next: 'Read the output of the tool in runs/<run>.log.gz on the volume; then start a run with a new spec.trigger.id.',
  },

  // what tends the volume
  NoVerificationYet: {
    ...tended,
    says: 'What was published before has not been read back again yet.',
  },
  Verified: { ...tended, says: 'All that lies on the volume was read back, and is what was written.' },
  RetentionApplied: { ...tended, says: 'The policy of retention was applied.' },
  UpkeepFailed: {
    ...tended,
    event: 'Warning',
    says: 'The Job that was to verify the volume, or to apply retention, failed.',
    next: 'Read the log of its Pod; it starts again by itself when it is due the next time. Nothing was taken from the volume that it had not told of.',
  },

  // what the backups are to achieve
  NoBackupYet: {
    ...aimed,
    says: 'There is no verified and consistent backup yet, and the time that spec.objectives allows is not over.',
  },
  ObjectiveMet: {
    ...aimed,
    event: 'Normal',
    says: 'The newest verified and consistent backup is no older than spec.objectives allows.',
  },
  MaxDataLossExceeded: {
    ...aimed,
    event: 'Warning',
    says: 'There is no verified and consistent backup that is as new as spec.objectives demands.',
    next: 'See in status.lastRun and status.missedRuns why none was taken, mend that and start a run with a new spec.trigger.id; where all goes well, let the schedule strike more often than spec.objectives.maxDataLossSeconds, by the length of a run.',
  },
} as const satisfies Record<string, ReasonRow>;

export type Reason = keyof typeof reasons;

type WithCondition<C extends ReasonRow['condition']> = {
  [R in Reason]: (typeof reasons)[R]['condition'] extends C ? R : never;
}[Reason];

/** What can keep a run from starting until its time is up: then it is also how the run ended. */
export const waitedInVain = [
  'ImagePullFailed',
  'ContainerNotStarted',
  'SecretNotFound',
  'ClaimNotBound',
  'VolumeNotMounted',
  'VolumeAttachConflict',
  'Unschedulable',
  'NodeLost',
  'QuotaExceeded',
  'PodSecurityViolation',
  'JobRejected',
] as const;

/** Why a run ended as it did. */
export type RunReason =
  Exclude<WithCondition<'LastRunSucceeded'>, 'NoRunYet'> | (typeof waitedInVain)[number];
/** What only an edit can mend. */
export type StalledReason = WithCondition<'Stalled'>;
/** What stands in the way and may go away by itself. */
export type WaitingReason = Exclude<WithCondition<'Ready'>, 'Accepted'>;

const names = new Set<string>(Object.keys(reasons));

export function isReason(text: string): text is Reason {
  return names.has(text);
}

const runReasons: ReadonlySet<string> = new Set<RunReason>([
  ...(Object.keys(reasons) as Reason[]).filter(
    (reason): reason is Exclude<WithCondition<'LastRunSucceeded'>, 'NoRunYet'> =>
      reasons[reason].condition === 'LastRunSucceeded' && reason !== 'NoRunYet',
  ),
  ...waitedInVain,
]);

export function isRunReason(text: string): text is RunReason {
  return runReasons.has(text);
}

export function isSuccess(reason: RunReason): boolean {
  return reason === 'FullBackupTaken' || reason === 'IncrementalBackupTaken' || reason === 'BackupsTaken';
}

/**
 * The message of a condition: the facts of the moment, or else what the reason says, and what to do next. Whoever tells the
 * facts, they are one printable line without credentials: every message of a run and of a condition is made here.
 */
export function explain(reason: Reason, detail?: string): string {
  const row: ReasonRow = reasons[reason];
  const told = plain(detail ?? '');
  const facts = told === '' ? row.says : /[.!?]$/.test(told) ? told : `${told}.`;
  return [facts, row.next].filter((part) => part !== undefined).join(' ');
}

/** The facts alone of a message that {@link explain} made, for where the advice is given later, or elsewhere. */
export function factsIn(message: string, reason: Reason): string {
  const { next }: ReasonRow = reasons[reason];
  return next === undefined ? message : message.replace(next, '').trim();
}
