// Every name that others see: group, labels, annotations, container names. Once each.

export const group = 'neo4j-backup.dev';
export const version = 'v1alpha1';
export const kind = 'Neo4jBackup';
export const plural = 'neo4jbackups';

/** Labels of the Jobs and Pods that we make. */
export const labels = {
  managedBy: 'app.kubernetes.io/managed-by',
  /** The uid of the Neo4jBackup: names can be given again, uids cannot. */
  backupUID: `${group}/backup-uid`,
  /** The name of the Neo4jBackup, for people; shortened where it is longer than a label may be. */
  backup: `${group}/backup`,
  /** What a Job is for that takes no backup. Absent on the Jobs of runs. */
  task: `${group}/task`,
  /** The name of the claim that a Job writes to, or reads; shortened where it is longer than a label may be. */
  claim: `${group}/claim`,
  /** The server that a run copies from: its Service or host, and the port; shortened where it is longer than a label may be. */
  server: `${group}/server`,
} as const;

/** Values of that label. */
export const tasks = { inspect: 'inspect', scrub: 'scrub', prune: 'prune' } as const;

export const managedBy = 'neo4j-backup-operator';

/** Annotations of a run's Job: what the run is, so that status can be derived from the Job alone. */
export const annotations = {
  requestedType: `${group}/requested-type`,
  triggerID: `${group}/trigger-id`,
  annotationTriggerID: `${group}/annotation-trigger-id`,
  /** Hash of what the Job was made from: whether an edit of the spec would change it. */
  specHash: `${group}/spec-hash`,
  /** The run that a Job looks into, which is not its own. */
  run: `${group}/run`,
  /** The moment of the schedule for which a Job was made. */
  scheduledTime: `${group}/scheduled-time`,
  /** Hash of the policy of retention that a Job applies. */
  retention: `${group}/retention`,
} as const;

/** Annotations of a Neo4jBackup, for people: each new value of the first starts one run; the second may say Full. */
export const wishes = {
  runNow: `${group}/run-now`,
  runNowType: `${group}/run-now-type`,
} as const;

/** The containers of a run's Pod, in the order in which they run, and the one of a Job that looks into a run. */
export const containers = {
  prepare: 'prepare',
  engine: 'engine',
  report: 'report',
  inspect: 'inspect',
  scrub: 'scrub',
  prune: 'prune',
} as const;

/** The port of Neo4j's backup service, in all versions. */
export const backupPort = 6362;
