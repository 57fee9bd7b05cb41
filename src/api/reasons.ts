// The one table of reasons. A reason is API: alerts and scripts match on it, so a row is never renamed.

/**
 * `condition`: where the reason appears. `Ready` and `Stalled` rows describe the wish and the cluster, `LastRunSucceeded`
 * rows how a run ended, `Reconciling` rows what is under way.
 * `event`: the type of the Event when the reason begins to hold, or none.
 * `retryable`: whether the same run may start another Pod: only for what can heal by itself within minutes.
 * `says`: one sentence for people, true whenever the reason is used; the message of the moment adds the facts.
 */
interface ReasonRow {
  readonly condition: 'Ready' | 'Stalled' | 'Reconciling' | 'LastRunSucceeded';
  readonly event: 'Normal' | 'Warning' | 'none';
  readonly retryable: boolean;
  readonly says: string;
}

const ready = { condition: 'Ready', event: 'Warning', retryable: false } as const;
const stalled = { condition: 'Stalled', event: 'Warning', retryable: false } as const;
const under = { condition: 'Reconciling', event: 'none', retryable: false } as const;
const taken = { condition: 'LastRunSucceeded', event: 'Normal', retryable: false } as const;
const failed = { condition: 'LastRunSucceeded', event: 'Warning', retryable: false } as const;
const passing = { condition: 'LastRunSucceeded', event: 'Warning', retryable: true } as const;

export const reasons = {
  // the wish is good
  Accepted: { ...ready, event: 'none', says: 'The resource is valid and can be acted on.' },
  Idle: { ...under, says: 'Nothing is under way and nothing is due.' },
  Running: { ...under, says: 'A run is under way.' },
  NoRunYet: { ...taken, event: 'none', says: 'No run of this resource has ended yet.' },

  // only an edit of the spec, or of the operator's configuration, can help
  UnsupportedVersion: { ...stalled, says: 'No backup tool that the operator knows serves this version of Neo4j.' },
  HostNotAllowed: { ...stalled, says: 'The operator is not configured to back up from this host.' },
  ExternalNameRefused: { ...stalled, says: 'A Service of type ExternalName is refused: it can point anywhere.' },
  LicenseNotAccepted: { ...stalled, says: 'The default image is the Enterprise Edition, whose license must be accepted.' },

  // heals without an edit
  ServiceNotFound: { ...ready, says: 'The Service named in spec.source.serviceRef does not exist.' },
  ClaimNotFound: { ...ready, says: 'The claim named in spec.destination does not exist.' },
  NameConflict: { ...ready, says: 'A Job that is not ours has the name that this run must have.' },
  JobRejected: { ...ready, says: 'The API server refused the Job of this run.' },
  ImagePullFailed: { ...ready, says: 'An image of the run cannot be pulled.' },
  Unschedulable: { ...ready, says: 'No node can take the Pod of the run.' },

  // a run that took a backup
  FullBackupTaken: { ...taken, says: 'A full backup was taken, read back and verified.' },
  IncrementalBackupTaken: { ...taken, says: 'An incremental backup was taken, read back and verified.' },

  // the source
  HostNotFound: { ...passing, says: 'The name of the server does not resolve.' },
  PortUnreachable: { ...passing, says: 'Nothing accepts connections on the backup port of the server.' },
  ServerClosedConnection: { ...passing, says: 'The server ended the connection before the backup was complete.' },

  // the destination
  DestinationNotABackup: { ...failed, says: 'The destination holds something that is not a backup of this operator.' },
  StoreMismatch: { ...failed, says: 'The destination holds backups of a different store.' },
  OlderVersion: { ...failed, says: 'The destination holds a backup of another version of the store format.' },
  DestinationBusy: { ...passing, says: 'Another run published to the destination meanwhile.' },
  LayoutTooNew: { ...failed, says: 'A newer version of the operator wrote to the destination.' },
  NoSpaceLeft: { ...failed, says: 'The volume is full.' },
  PermissionDenied: { ...failed, says: 'The Pod may not write to the volume.' },
  ArtifactMissing: { ...failed, says: 'The tool reported success, but there is no complete backup.' },
  ArtifactCorrupt: { ...failed, says: 'A file of a published backup is not what was written.' },

  // the run
  Inconsistent: { ...failed, says: 'The backup was taken, but the consistency check found inconsistencies in it.' },
  ConsistencyCheckFailed: { ...failed, says: 'The backup was taken, but the consistency check could not be completed.' },
  OutOfMemory: { ...failed, says: 'The tool ran out of memory.' },
  Evicted: { ...passing, says: 'The node evicted the Pod of the run.' },
  Interrupted: { ...passing, says: 'The Pod of the run was stopped from outside.' },
  DeadlineExceeded: { ...failed, says: 'The run took longer than spec.job.activeDeadlineSeconds.' },
  ResultLost: { ...failed, says: 'The Job of the run is gone and its result was never seen.' },
  EngineFailed: { ...failed, says: 'The tool failed for a reason that the operator does not know.' },
} as const satisfies Record<string, ReasonRow>;

export type Reason = keyof typeof reasons;

type WithCondition<C extends ReasonRow['condition']> = {
  [R in Reason]: (typeof reasons)[R]['condition'] extends C ? R : never;
}[Reason];

/** Why a run ended as it did. */
export type RunReason = Exclude<WithCondition<'LastRunSucceeded'>, 'NoRunYet'> | 'ImagePullFailed' | 'Unschedulable';
/** What only an edit can mend. */
export type StalledReason = WithCondition<'Stalled'>;
/** What stands in the way and may go away by itself. */
export type WaitingReason = Exclude<WithCondition<'Ready'>, 'Accepted'>;

const names = new Set<string>(Object.keys(reasons));

export function isReason(text: string): text is Reason {
  return names.has(text);
}

export function isSuccess(reason: RunReason): boolean {
  return reason === 'FullBackupTaken' || reason === 'IncrementalBackupTaken';
}
