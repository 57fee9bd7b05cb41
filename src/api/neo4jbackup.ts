// Our kind. Types, validation, CRD and reference docs all come from these schemas: the text of a field is its documentation.
import * as z from 'zod';
import { backupPort } from './names.ts';
import {
  cronSchedule,
  databaseName,
  hostName,
  imageName,
  pathSegment,
  duration,
  timeSpan,
  timeZoneName,
  triggerName,
  versionNumber,
  volumePath,
} from './patterns.ts';
import { quantityPattern } from './quantity.ts';
import { cel } from './structural.ts';

const objectName = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);
const text = z.string().max(1024);
const reasonText = z.string().max(64);
const time = z.iso.datetime();
/** Kubernetes' int64 as far as JavaScript counts exactly: 2^53 - 1 bytes are 8 PiB. */
const bytes = z.int().min(0);
/** Transaction ids may pass 2^53: as text, or a consumer in JavaScript would round them. */
const transactionID = z
  .string()
  .max(20)
  .regex(/^[0-9]+$/);

const secretKey = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[-_a-zA-Z0-9][-._a-zA-Z0-9]*$/);

const SourceTLS = z
  .object({
    clientCertificateSecretRef: z
      .object({ name: objectName.describe('Name of the Secret, in the namespace of this resource.') })
      .describe(
        'Secret with the certificate and the key of the tool, in the keys tls.crt and tls.key, as cert-manager writes them. Neo4j asks for both, whatever the server demands. ' +
          'The key must have no password; write it as PKCS#8 (cert-manager: privateKey.encoding: PKCS8), which every version takes.',
      ),
    caSecretRef: z
      .object({
        name: objectName.describe('Name of the Secret, in the namespace of this resource.'),
        key: secretKey
          .default('ca.crt')
          .describe('Key of the Secret that holds the certificate of the authority, as PEM.'),
      })
      .describe(
        'The authority that the certificate of the server is held against. Default: ca.crt of the Secret with the certificate of the tool.',
      )
      .optional(),
    verifyHostname: z
      .boolean()
      .describe(
        'Whether the certificate of the server must be for the name that the tool connects to: <Service>.<namespace>.svc, or the host. ' +
          'Since 4.0: the tool of 3.4 never looks at it. Default: as the version has it, which is false up to 5 and true since 2025.01.',
      )
      .optional(),
  })
  .describe(
    'TLS on the backup port, since 3.4: the server needs a policy for it, too. In 3.4 and 3.5 only members of a causal cluster speak it. ' +
      "The Secrets are mounted into the container of Neo4j's tool alone: the operator never reads them.",
  );

const Source = z
  .object({
    serviceRef: z
      .object({ name: objectName.describe('Name of the Service, in the namespace of this resource.') })
      .describe('The Service in front of the server. A Service of type ExternalName is refused.')
      .optional(),
    host: z
      .string()
      .min(1)
      .max(253)
      .regex(hostName)
      .describe(
        'Host name or address of a server outside the cluster. The operator must be configured to allow it: a backup port ' +
          'asks for no password, so whoever may name any host may copy any database.',
      )
      .optional(),
    port: z
      .int()
      .min(1)
      .max(65535)
      .default(backupPort)
      .describe(
        'Port of the backup service: 6362 unless the server sets it otherwise ' +
          '(online_backup_server in 2.3, dbms.backup.address up to 3.5, dbms.backup.listen_address in 4.x, server.backup.listen_address since 5).',
      ),
    tls: SourceTLS.optional(),
  })
  .meta(
    cel({
      rule: 'has(self.serviceRef) != has(self.host)',
      message: 'exactly one of serviceRef and host must be set',
    }),
  )
  .describe(
    'The running server to copy from. Online backup must be enabled there, on an address other than loopback.',
  );

const quantity = z.union([z.int().min(0), z.string().max(32).regex(quantityPattern)]).meta({
  'x-kubernetes-int-or-string': true,
  pattern: quantityPattern.source,
  maxLength: 32,
});
const ToolSettings = z
  .object({
    heapSize: quantity
      .describe(
        'Heap of the JVM, such as 1Gi; whole mebibytes are given to it. Default: half of spec.job.resources.limits.memory, less where the rest needs it; without a limit 256Mi.',
      )
      .optional(),
    pageCacheSize: quantity
      .describe('Page cache of the tool, such as 64Mi. Default: as the tool has it, 8Mi. Since 3.2.')
      .optional(),
    options: z
      .record(
        z.string(), // which names there are depends on the version: the controller knows
        z
          .string()
          .max(32)
          .regex(/^[A-Za-z0-9]+$/),
      )
      .meta({ maxProperties: 16 })
      .describe(
        'More settings of the tool, by its own names without dashes, such as timeout. What each version allows is in docs/tuning.md; everything else is refused.',
      )
      .optional(),
  })
  .describe("Tuning of Neo4j's tool. Heap and page cache must fit into the memory of its container.");

const Neo4j = z
  .object({
    version: z
      .string()
      .min(1)
      .max(32)
      .regex(versionNumber)
      .describe(
        'Version of the server, such as 3.4.18. It chooses the backup tool and the default image. Served are 2.3, 3.0 to 3.5, 4.0 to 4.4, 5 and the calendar versions since 2025.',
      ),
    image: z
      .string()
      .min(1)
      .max(512)
      .regex(imageName)
      .describe(
        'Image that holds the backup tool where the official image has it, and a shell. Default: neo4j:<version>-enterprise.',
      )
      .optional(),
    acceptLicenseAgreement: z
      .literal(true)
      .describe(
        'true says that you have a license for the Neo4j Enterprise Edition. Demanded for the default image from 3.3 on, as that image itself would.',
      )
      .optional(),
    tool: ToolSettings.optional(),
  })
  .describe('Which Neo4j is backed up.');

const Destination = z
  .object({
    persistentVolumeClaim: z
      .object({ claimName: objectName.describe('Name of the claim, in the namespace of this resource.') })
      .describe('The claim of the volume that keeps the backups.'),
    path: z
      .string()
      .min(1)
      .max(63)
      .regex(pathSegment)
      .describe(
        'Folder of the volume: one segment of lower-case letters, digits and dashes. Default: the name of the resource.',
      )
      .optional(),
    adoptFrom: z
      .string()
      .min(1)
      .max(255)
      .regex(volumePath)
      .describe(
        'Folder of the same volume with a backup that others took: a cron script, or a Helm chart. It is verified and copied into a first chain, once, while ' +
          'the destination is blank; the next run goes on from it. The original stays as it is. A dot is the root of the volume.',
      )
      .optional(),
  })
  .meta(
    cel({
      rule: 'self == oldSelf',
      message: 'the destination is immutable: create another resource for another destination',
    }),
  )
  .describe('Where the backups are kept. Cannot be changed.');

const kept = z.int().min(1).max(10_000);

export const Retention = z
  .object({
    keepLast: kept.describe('The newest so many.').optional(),
    keepHourly: kept.describe('The newest of each of the last so many hours that have one.').optional(),
    keepDaily: kept.describe('The newest of each of the last so many days that have one.').optional(),
    keepWeekly: kept
      .describe('The newest of each of the last so many weeks (from Monday) that have one.')
      .optional(),
    keepMonthly: kept.describe('The newest of each of the last so many months that have one.').optional(),
    keepYearly: kept.describe('The newest of each of the last so many years that have one.').optional(),
    keepWithin: z
      .string()
      .max(6)
      .regex(timeSpan)
      .describe('All that are no older than this, such as 36h, 30d or 8w, counted back from the newest one.')
      .optional(),
    mode: z
      .enum(['Enforce', 'Plan'])
      .default('Enforce')
      .describe('Enforce: what nothing keeps is removed. Plan: status.retention only shows what would go.'),
  })
  .meta(
    cel({
      rule: '[has(self.keepLast), has(self.keepHourly), has(self.keepDaily), has(self.keepWeekly), has(self.keepMonthly), has(self.keepYearly), has(self.keepWithin)].exists(is, is)',
      message:
        'at least one of keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly and keepWithin must be set',
    }),
  )
  .describe(
    'What is kept on the volume; absent: everything. A restore point stays when any rule keeps it. Up to 4.4 each point is kept or goes by itself, since 5 a whole chain. ' +
      'Whatever the rules say, the newest good one of each database and the one before it stay. Hours to years are those of UTC, and time is counted back from the newest ' +
      'verified point, never from a clock.',
  );

const cron = z.string().min(1).max(100).regex(cronSchedule);

/** More would not be read by anybody. */
const mostWindows = 16;

const BlackoutWindow = z.object({
  schedule: cron.describe(
    'When the window begins: five fields of cron, or @daily and friends, in spec.timeZone.',
  ),
  duration: z
    .string()
    .max(6)
    .regex(duration)
    .describe('For how long it lasts: minutes, hours or days, such as 90m, 10h or 2d.'),
});

const Objectives = z
  .object({
    maxDataLossSeconds: z
      .int()
      .min(60)
      .max(31_536_000)
      .describe(
        'Most that may be lost: the age that the newest verified and consistent backup may have, counted from the start of its run. In seconds.',
      ),
  })
  .describe('What the backups are to achieve. The condition ObjectivesMet tells whether they do.');

const Verification = z
  .object({
    schedule: cron.describe(
      'When to read back all that lies on the volume: five fields of cron in UTC, or @hourly, @daily, @weekly, @monthly, @yearly. A backup that is due goes before.',
    ),
  })
  .describe(
    'Regular verification of what was published before. Absent: each backup is read back once, before it is published.',
  );

const Trigger = z
  .object({
    id: z
      .string()
      .min(1)
      .max(63)
      .regex(triggerName)
      .describe(
        'Any new value starts one run. A value that has fired does not fire again while status remembers its run: it keeps the newest twenty.',
      ),
    type: z
      .enum(['Auto', 'Full'])
      .default('Auto')
      .describe(
        'Auto: incremental where the destination holds a backup to go on from, else full. Full: start a new chain.',
      ),
  })
  .describe(
    'Starts one run when its id changes, also while the schedules are suspended. Works from git: removing it starts nothing, nor does reverting it. Without a trigger and without a schedule there is one run, at creation.',
  );

const resourceList = z.object({
  cpu: quantity.describe('Cores, such as 500m or 2.').optional(),
  memory: quantity.describe('Bytes of memory, such as 512Mi.').optional(),
  'ephemeral-storage': quantity.describe("Bytes of the node's own disk, such as 1Gi.").optional(),
});

const uid = z.int().min(1).max(2_147_483_647);

const toleration = z.object({
  key: z.string().max(316).describe('Key of the taint. Absent, with Exists: every taint.').optional(),
  operator: z.enum(['Exists', 'Equal']).describe('Equal when absent.').optional(),
  value: z.string().max(63).describe('Value of the taint, for Equal.').optional(),
  effect: z
    .enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])
    .describe('Effect of the taint. Absent: every effect.')
    .optional(),
  tolerationSeconds: z
    .int()
    .min(0)
    .describe('How long a taint NoExecute is tolerated. Absent: for ever.')
    .optional(),
});

const JobSettings = z
  .object({
    activeDeadlineSeconds: z
      .int()
      .min(60)
      .max(604_800)
      .default(86_400)
      .describe('Longest time that one run may take, waiting for its Pod included. In seconds.'),
    resources: z
      .object({
        requests: resourceList.describe('What a node must have free to take the Pod.').optional(),
        limits: resourceList.describe('What the container can have at most.').optional(),
      })
      .describe(
        "Requests and limits of the container that runs Neo4j's tool. Small stores need 384Mi of memory. Default: requests of 100m and 512Mi, no limits.",
      )
      .optional(),
    nodeSelector: z
      .record(z.string(), z.string().max(63))
      .meta({ maxProperties: 16 })
      .describe('Labels that a node must have to take the Pod.')
      .optional(),
    tolerations: z
      .array(toleration)
      .max(16)
      .meta({ 'x-kubernetes-list-type': 'atomic' })
      .describe(
        'Taints of nodes that the Pod tolerates. Where it says nothing of nodes that are not ready or unreachable, the Pod stays on such a node for 30 seconds.',
      )
      .optional(),
    priorityClassName: objectName
      .describe('Priority of the Pod of a run. Jobs that only tend the volume never have it.')
      .optional(),
    imagePullSecrets: z
      .array(z.object({ name: objectName.describe('Name of the Secret.') }))
      .max(8)
      .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
      .describe(
        'Secrets of this namespace with which the nodes pull the images of the Pod. The operator never reads them.',
      )
      .optional(),
    securityContext: z
      .object({
        runAsUser: uid
          .describe('User id of the Pod. Default: 7474, the user neo4j of the official images since 4.0.')
          .optional(),
        runAsGroup: uid.describe('Group id of the Pod. Default: 7474.').optional(),
        fsGroup: uid
          .describe('Group that the volume is handed to, where its driver supports that. Default: 7474.')
          .optional(),
      })
      .describe('Ids under which the Pod runs and the backups are written. Never root.')
      .optional(),
  })
  .describe('Settings of the Jobs that take the backups.');

const specFields = z.object({
  source: Source,
  neo4j: Neo4j,
  databases: z
    .array(z.string().min(3).max(63).regex(databaseName))
    .min(1)
    .max(32)
    .meta({ 'x-kubernetes-list-type': 'set' })
    .describe(
      'Names of the databases to back up, of a server since 4.0. Each is a backup of its own: one that fails keeps no other ' +
        'from being taken. Default: neo4j. The users and roles of the server are in the database system.',
    )
    .optional(),
  allDatabases: z
    .literal(true)
    .describe(
      'true: every database that the server has when the run begins, system included, instead of a list of names.',
    )
    .optional(),
  destination: Destination,
  trigger: Trigger.optional(),
  schedule: cron
    .describe(
      'When to take a backup: incremental where the destination holds one to go on from, else full. Five fields of cron, or @hourly, @daily, @weekly, @monthly, @yearly.',
    )
    .optional(),
  fullSchedule: cron
    .describe(
      'When to take a full backup, which starts a new chain. Where both schedules strike at once there is one run, a full one.',
    )
    .optional(),
  timeZone: z
    .string()
    .min(1)
    .max(64)
    .regex(timeZoneName)
    .describe(
      'Zone of the schedules and of the blackout windows, by its name in the IANA database, such as Europe/Madrid. Default: UTC.',
    )
    .optional(),
  startingDeadlineSeconds: z
    .int()
    .min(10)
    .max(2_592_000)
    .describe(
      'How late a scheduled run may start. A moment that is missed for longer has no run and is told of in status.missedRuns. In seconds. Default: until the next moment of the schedules.',
    )
    .optional(),
  suspend: z
    .boolean()
    .default(false)
    .describe(
      'true: the schedules start nothing. A run that is under way goes on, and a trigger still starts one.',
    ),
  spread: z
    .string()
    .max(6)
    .regex(duration)
    .describe(
      'Every run starts later than its schedule says, always by the same part of this span, so that many resources with one schedule do not start at once. Minutes, hours or days, such as 30m.',
    )
    .optional(),
  blackoutWindows: z
    .array(BlackoutWindow)
    .max(mostWindows)
    .meta({ 'x-kubernetes-list-type': 'atomic' })
    .describe(
      'When the schedules start nothing. A run that is under way goes on, and a trigger still starts one.',
    )
    .optional(),
  objectives: Objectives.optional(),
  retention: Retention.optional(),
  verification: Verification.optional(),
  onIncrementalFailure: z
    .enum(['Fail', 'NewChain'])
    .default('Fail')
    .describe(
      'What to do when an incremental backup fails for what the destination holds, such as a backup of an older version. ' +
        'Fail: nothing is taken, and the reason says what to do. NewChain: a full backup starts a new chain; the old one stays. ' +
        'Never a reason to take a backup of another store. Logs that the server has pruned lead to a full backup in any case.',
    ),
  consistencyCheck: z
    .enum(['OnFull', 'Always', 'Never'])
    .default('OnFull')
    .describe(
      "When Neo4j's own consistency check reads the copy before it is published. The tools of 2.3 and 3.0 check full backups only.",
    ),
  job: JobSettings.prefault({}),
});

export const Neo4jBackupSpec = specFields.meta(
  cel({
    rule: '!(has(self.databases) && has(self.allDatabases))',
    message: 'databases and allDatabases must not both be set',
  }),
);

const runType = z
  .enum(['Full', 'Incremental', 'Mixed'])
  .describe(
    'What was taken. Mixed: of several databases, some in full and some incrementally. Absent when nothing was.',
  );

const runFacts = {
  type: runType.optional(),
  fullBecause: reasonText
    .describe(
      'Why a full backup was taken where an incremental one could be expected: DestinationBlank, Requested, LogsPruned, ArtifactCorrupt, ChainBroken, OlderVersion or IncrementalFailed.',
    )
    .optional(),
  sizeBytes: bytes.describe('Size of the backup on the volume.').optional(),
  path: z.string().max(512).describe('Folder or file of the backup on the volume.').optional(),
  storeID: z.string().max(64).describe('Identity of the store that was copied.').optional(),
  firstTransactionID: transactionID
    .describe('The first transaction that an incremental backup brought. Absent when there was nothing new.')
    .optional(),
  lastTransactionID: transactionID.describe('The newest transaction that the backup holds.').optional(),
  consistencyCheck: z
    .enum(['Consistent', 'Inconsistent', 'NotChecked'])
    .describe("What Neo4j's own consistency check found in the copy.")
    .optional(),
};

/** How one database of a run ended. */
const DatabaseRun = z.object({
  name: z.string().max(63).describe('Name of the database.'),
  reason: reasonText.describe('How it ended: one stable word of the table of reasons.'),
  message: z.string().max(512).describe('What happened, when it failed.').optional(),
  ...runFacts,
});

/** What made a run due: at most one of these. */
const runCause = {
  triggerID: z.string().max(63).describe('The id in spec.trigger that started the run.').optional(),
  annotationTriggerID: z.string().max(63).describe('The annotation that started the run.').optional(),
  scheduledTime: time.describe('The moment of the schedules for which the run was made.').optional(),
};

/** How one run ended. Scalars, but for the databases, so that columns can show them. */
export const RunStatus = z.object({
  id: z.string().max(63).describe('Name of the run and of its Job.'),
  requestedType: z.enum(['Auto', 'Full']).describe('What was asked for.'),
  result: z
    .enum(['Succeeded', 'PartiallySucceeded', 'Failed'])
    .describe(
      'Succeeded: a backup was published, read back and verified. PartiallySucceeded: of some databases, not of all.',
    ),
  reason: reasonText.describe('Why the run ended as it did: one stable word of the table of reasons.'),
  message: text.describe('What happened, and what to do next.'),
  ...runCause,
  startTime: time.describe('When the Job was created.'),
  completionTime: time.describe('When the run ended.').optional(),
  ...runFacts,
  neo4jVersion: z
    .string()
    .max(32)
    .describe('Version of the tool that took it, which must be that of the server.')
    .optional(),
  databasesSucceeded: z.int().min(0).describe('Of how many databases a backup was taken.').optional(),
  databasesFailed: z.int().min(0).describe('Of how many databases none was.').optional(),
  databases: z
    .array(DatabaseRun)
    .max(32)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
    .describe('How each database ended, where they have names: the failed ones first. Of the last run alone.')
    .optional(),
  truncated: z
    .literal(true)
    .describe('true: the list of databases is not whole; runs/<run>.json on the volume is.')
    .optional(),
});

/** What stays of a run when a newer one has ended. */
const PastRun = RunStatus.omit({ databases: true, truncated: true });

export const Condition = z.object({
  type: z.string().min(1).max(316),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string().min(1).max(1024),
  message: z.string().max(32768),
  lastTransitionTime: time,
  observedGeneration: z.int().min(0).optional(),
});

const DatabaseStatus = z.object({
  name: z.string().max(63).describe('Name of the database.'),
  storeID: z.string().max(64).describe('Identity of its store in the newest backup.'),
  lastTransactionID: transactionID.describe('The newest transaction in the newest backup.'),
});

const pointID = z.string().max(32);

/** What the volume looked like when a Job last left it. */
export const VolumeStatus = z.object({
  time: time.describe('When this was seen.'),
  totalBytes: bytes.describe('Size of the file system.').optional(),
  freeBytes: bytes.describe('What is left of it for others than root.').optional(),
  backupBytes: bytes.describe('Sizes of all restore points of this destination, added up.'),
  points: z.int().min(0).describe('How many restore points this destination has.'),
  growthBytesPerDay: z
    .int()
    .describe(
      'What the volume fills by each day, as it has since the oldest restore point. Absent while there are too few to tell.',
    )
    .optional(),
  fullTime: time
    .describe('When the volume will be full if it goes on so. Absent: not foreseeable.')
    .optional(),
  policyBytes: bytes
    .describe(
      'What the policy of retention comes to at most: restore points that it keeps, times their size today.',
    )
    .optional(),
});

/** What retention found when a Job last applied it. */
export const RetentionStatus = z.object({
  time: time.describe('When the policy was applied.'),
  mode: z.enum(['Enforce', 'Plan']).describe('Plan: nothing was removed.'),
  policy: z
    .string()
    .max(16)
    .describe('Hash of the policy that was applied: one that is edited is applied again.')
    .optional(),
  startTime: time.describe('When the Job was made that applied it.').optional(),
  kept: z.int().min(0).describe('Restore points that stay.'),
  condemned: z.int().min(0).describe('Restore points that no rule keeps and that are still there.'),
  removed: z.int().min(0).describe('Restore points that went this time.'),
  condemnedBytes: bytes.describe('What those weigh that are condemned.').optional(),
  blockedBecause: reasonText
    .describe(
      'Why nothing was removed though something may be condemned: the reason of a run that found the destination damaged, or of the Job that failed to apply the policy; then the rest is as it was before.',
    )
    .optional(),
  points: z
    .array(
      z.object({
        point: pointID.describe('Name of the restore point.'),
        database: z.string().max(63).optional(),
        verdict: z
          .enum(['Kept', 'Condemned', 'Removed'])
          .describe('Condemned: it goes with the next run in mode Enforce.'),
        because: z.string().max(96).describe('The rules that keep it, or why it goes.'),
      }),
    )
    .max(40)
    .meta({ 'x-kubernetes-list-type': 'atomic' })
    .describe('The verdicts: those that go first, then the newest.')
    .optional(),
  truncated: z
    .literal(true)
    .describe('true: the list of points is not whole; the catalogue on the volume is.')
    .optional(),
});

/** How the last verification of everything ended. */
export const VerificationStatus = z.object({
  id: z.string().max(63).describe('Name of its Job.'),
  result: z.enum(['Succeeded', 'Failed']),
  reason: reasonText.describe('Verified, ArtifactCorrupt, or why it could not be done.'),
  message: text.describe('What was found, and what to do next.'),
  scheduledTime: time.describe('The moment of the schedule for which it was made.').optional(),
  completionTime: time.describe('When it ended.'),
  points: z.int().min(0).describe('Restore points that were read.').optional(),
  readBytes: bytes.describe('Bytes that were read.').optional(),
  damaged: z
    .array(
      z.object({
        point: pointID.describe('The restore point.'),
        database: z.string().max(63).optional(),
        file: z.string().max(256).describe('The first file of it that is not what was written.'),
      }),
    )
    .max(16)
    .meta({ 'x-kubernetes-list-type': 'atomic' })
    .describe('Restore points that cannot be trusted any more.')
    .optional(),
});

/** What decides when a scheduled run starts. */
const Timing = z.object({
  schedule: z.string().max(100).optional(),
  fullSchedule: z.string().max(100).optional(),
  timeZone: z.string().max(64).optional(),
  spread: z.string().max(6).optional(),
  blackoutWindows: z
    .array(z.object({ schedule: z.string().max(100), duration: z.string().max(6) }))
    .max(mostWindows)
    .meta({ 'x-kubernetes-list-type': 'atomic' })
    .optional(),
});

const MissedRuns = z.object({
  reason: z
    .enum(['ControllerDown', 'Suspended', 'PreviousRunActive', 'DeadlinePassed', 'Blackout'])
    .describe(
      'ControllerDown: the operator was not there. Suspended: spec.suspend. PreviousRunActive: another run of this resource was under way. ' +
        'DeadlinePassed: something was in the way until spec.startingDeadlineSeconds were over, or the next moment came. Blackout: a window of spec.blackoutWindows.',
    ),
  firstTime: time.describe('The first of them, as the schedule has it.'),
  lastTime: time.describe('The last of them.'),
  count: z.int().min(1).describe('How many they are.'),
});

export const Neo4jBackupStatus = z.object({
  observedGeneration: z
    .int()
    .min(-1)
    .describe('The generation of the spec that this status speaks of. -1: nobody has looked at it yet.')
    .optional(),
  phase: z
    .enum(['Pending', 'Running', 'Succeeded', 'PartiallySucceeded', 'Failed', 'Stalled', 'Suspended'])
    .describe('A summary for the column, derived from the conditions. Decide on the conditions instead.')
    .optional(),
  conditions: z
    .array(Condition)
    .max(8)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })
    .describe(
      'Ready, Reconciling, Stalled (as kstatus defines them) and LastRunSucceeded; LastVerificationSucceeded where verification is asked for, or was; ObjectivesMet where there are objectives.',
    )
    .optional(),
  currentRun: z
    .object({
      id: z.string().max(63).describe('Name of the run and of its Job.'),
      requestedType: z.enum(['Auto', 'Full']).describe('What was asked for.'),
      ...runCause,
      startTime: time.describe('When the Job was created.'),
      replacedPods: z
        .array(z.string().max(64))
        .max(64)
        .meta({ 'x-kubernetes-list-type': 'atomic' })
        .describe(
          'Present while the Job of the run is made anew, because the spec was corrected before its Pod could start: the uids of the Pods that go with the old Job.',
        )
        .optional(),
    })
    .describe('The run that is under way.')
    .optional(),
  inspecting: z
    .array(PastRun)
    .max(4)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['id'] })
    .describe(
      'Runs that have ended and of which nobody saw how, oldest first: the volume is being asked. Each as it will be told if the volume does not know better.',
    )
    .optional(),
  lastRun: RunStatus.describe('The run that ended last.').optional(),
  lastSuccessfulTime: time.describe('When the newest successful run ended.').optional(),
  lastSuccessfulType: runType.describe('What the newest successful run took.').optional(),
  lastFull: PastRun.describe('The newest full backup.').optional(),
  lastIncremental: PastRun.describe('The newest incremental backup.').optional(),
  lastFailure: PastRun.describe('The newest run that failed.').optional(),
  lastTriggerID: z.string().max(63).describe('The id in spec.trigger that fired last.').optional(),
  lastAnnotationTriggerID: z.string().max(63).describe('The annotation that fired last.').optional(),
  lastScheduleTime: time.describe('The newest moment of the schedules for which a run was made.').optional(),
  nextScheduleTime: time
    .describe(
      'When the next scheduled run starts, blackout windows and spread reckoned in. Absent while suspended.',
    )
    .optional(),
  nextFullScheduleTime: time.describe('When the next scheduled full backup starts, likewise.').optional(),
  spreadSeconds: z
    .int()
    .min(0)
    .describe('So much later than its schedule says does every run start. In seconds.')
    .optional(),
  suspendedSince: time.describe('Since when the schedules are known to be suspended.').optional(),
  fullDueSince: time
    .describe('A full backup was due then and was not taken: the next scheduled run is a full one.')
    .optional(),
  accountedThrough: time
    .describe('Every moment of the schedules up to this one had its run, or is in missedRuns.')
    .optional(),
  observedTiming: Timing.describe(
    'The schedules that accountedThrough speaks of: what is edited starts nothing.',
  ).optional(),
  missedRuns: z
    .array(MissedRuns)
    .max(10)
    .meta({ 'x-kubernetes-list-type': 'atomic' })
    .describe(
      'Moments of the schedules for which no run was made, newest first. Written when the reason changes, or with the next run.',
    )
    .optional(),
  databases: z
    .array(DatabaseStatus)
    .max(64)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
    .describe('What the newest backup of each database holds. At most 64: those that were backed up last.')
    .optional(),
  volume: VolumeStatus.describe('What the volume looked like when a Job last left it.').optional(),
  retention: RetentionStatus.describe('What retention found when a Job last applied it.').optional(),
  lastVerification: VerificationStatus.describe(
    'How the last verification of everything on the volume ended.',
  ).optional(),
  history: z
    .array(PastRun)
    .max(20)
    .meta({ 'x-kubernetes-list-type': 'atomic' })
    .describe('The newest runs, newest first.')
    .optional(),
});

/** The spec as we read it, defaults filled in. */
export type Neo4jBackupSpec = z.output<typeof Neo4jBackupSpec>;
export type Neo4jBackupStatus = Readonly<z.output<typeof Neo4jBackupStatus>>;
export type RunStatus = Readonly<z.output<typeof RunStatus>>;
export type Condition = Readonly<z.output<typeof Condition>>;
export type RetentionPolicy = Readonly<z.output<typeof Retention>>;
export type VolumeStatus = Readonly<z.output<typeof VolumeStatus>>;
export type RetentionStatus = Readonly<z.output<typeof RetentionStatus>>;
export type MissedRuns = Readonly<z.output<typeof MissedRuns>>;
export type Timing = Readonly<z.output<typeof Timing>>;
export type VerificationStatus = Readonly<z.output<typeof VerificationStatus>>;
