// What the runbook adds to a reason's own advice: the commands with which people find the cause, for the most common ones.
import type { Reason } from '../src/api/reasons.ts';

const sh = (...lines: readonly string[]): string => ['```sh', ...lines, '```'].join('\n');

const ofRun = 'batch.kubernetes.io/job-name=orders-0123456789';

const seeOutput = [
  'What the tool printed, while the Pod of the run is there, and afterwards in `runs/` on the volume ([how to look there](volume.md#look-at-it)):',
  sh('kubectl logs job/orders-0123456789 -c engine'),
];

/** Paragraphs of Markdown. */
export const runbook: Readonly<Partial<Record<Reason, readonly string[]>>> = {
  PortNotExposed: [
    'Where the Service belongs to somebody else’s chart, make one of your own with the same selector and the port 6362, and name that one.',
  ],
  NoReadyEndpoints: [
    'Which Pods the Service selects, and whether they are ready:',
    sh(
      'kubectl describe service orders-neo4j',
      'kubectl get endpointslices -l kubernetes.io/service-name=orders-neo4j',
    ),
  ],
  QuotaExceeded: [
    'A quota of CPU limits (`must specify limits.cpu`) also asks for those of the two containers that are not the tool’s, and `spec.job.resources` does not set these: give the namespace a LimitRange with defaults.',
    sh('kubectl describe resourcequota'),
  ],
  ImagePullFailed: [
    'A registry that asks for credentials: name a Secret of the namespace in `spec.job.imagePullSecrets`. The run that waits is started anew with it.',
    sh(
      `kubectl patch neo4jbackups.neo4j-backup.dev orders --type=merge -p '{"spec":{"job":{"imagePullSecrets":[{"name":"my-registry"}]}}}'`,
    ),
  ],
  Unschedulable: [
    'The scheduler’s own words are in the message and among the Pod’s events. A volume that only one node or zone can mount is the most common cause. Where the nodes are tainted, set `spec.job.tolerations`. Affinity cannot be set yet.',
    sh(`kubectl describe pod -l ${ofRun}`),
  ],
  VolumeNotMounted: [
    'The message has the words of the kubelet or of the attach controller.',
    sh(`kubectl describe pod -l ${ofRun}`, 'kubectl get volumeattachments'),
  ],
  Running: [
    'How an attempt before ended, where there was one, is in the message. A run that stays here for too long: see what its Pod does.',
    sh(`kubectl describe pod -l ${ofRun}`, 'kubectl logs job/orders-0123456789 -c engine --follow'),
    'To end it, delete its Job: [how](volume.md#end-a-run).',
  ],
  PortUnreachable: [
    'In the server’s `neo4j.conf`, and then start it again. This opens the whole database to whoever reaches the port: [who may](install.md#who-may-reach-port-6362).',
    ['```', 'dbms.backup.enabled=true', 'dbms.backup.address=0.0.0.0:6362', '```'].join('\n'),
    'In 2.3 these are `online_backup_enabled` and `online_backup_server`.',
    'On which address does it listen now? Among the addresses that this prints, 18DA is 6362: before it, zeros alone are all addresses, and `0100007F` is loopback. Nothing printed: nobody listens.',
    sh(
      `kubectl exec orders-neo4j-0 -- grep -i ':18DA 0' /proc/net/tcp /proc/net/tcp6`,
      'kubectl get networkpolicies',
    ),
  ],
  ServerClosedConnection: seeOutput,
  StoreMismatch: [
    'A store that was imported, or made anew, is another store, under the same host name too. The other way to come here is a Service that leads to another server than before. A new resource starts a folder of its own; the old one can be deleted, what it wrote stays on the volume.',
  ],
  NoSpaceLeft: [
    'Each run needs room for one whole store more, an incremental one too. A claim can grow where its StorageClass has `allowVolumeExpansion`; [old points can be removed](volume.md#remove-old-points).',
    sh(`kubectl patch pvc backups -p '{"spec":{"resources":{"requests":{"storage":"200Gi"}}}}'`),
  ],
  PermissionDenied: [
    'To whom the folders belong: [look at the volume](volume.md#look-at-it). NFS and host folders do not heed `fsGroup`: there set `runAsUser` and `runAsGroup` to those that own them, or have the folder handed over to 7474.',
  ],
  OutOfMemory: [
    'With more memory, in one step with the next run:',
    sh(
      'kubectl patch neo4jbackups.neo4j-backup.dev orders --type=merge -p \\',
      `  '{"spec":{"job":{"resources":{"limits":{"memory":"2Gi"}}},"trigger":{"id":"with-more-memory"}}}'`,
    ),
  ],
  ResultLost: [
    'Before this is told, a Job of the operator has asked the volume: what the run published, or why it failed, would have been told in its place. [Look there](volume.md#look-at-it) if the message says that this Job failed.',
  ],
  Inspecting: [
    'A Job reads `points/` and `runs/` on the volume, and hashes what the run published. It changes nothing, and goes when a backup is due. Nobody is told of the run before it has answered.',
    sh('kubectl get jobs -l neo4j-backup.dev/task=inspect', 'kubectl logs -l neo4j-backup.dev/task=inspect'),
  ],
  NodeLost: [
    'The Pod of a run stays for half a minute on a node that Kubernetes takes for not ready or unreachable; other Pods for five. Tolerations of your own in `spec.job.tolerations` for `node.kubernetes.io/not-ready` and `node.kubernetes.io/unreachable` say otherwise. The operator reads no nodes: it takes this from the Pod.',
    sh('kubectl get nodes', `kubectl get pod -l ${ofRun} -o wide`),
  ],
  ClaimNotBound: [
    'A claim that waits for its first consumer is in order: the Pod of the run is that consumer. This is told when the Pod waits for the claim.',
    sh('kubectl describe pvc backups', 'kubectl get storageclass'),
  ],
  VolumeAttachConflict: [
    'Which Pods use the claim, and on which nodes:',
    sh('kubectl describe pvc backups', 'kubectl get volumeattachments'),
  ],
  PodSecurityViolation: [
    'What was added to the Pod is named in the message. The label that decides is of the namespace:',
    sh('kubectl get namespace --show-labels'),
  ],
  Evicted: [
    'The message names what ran short. `Usage of EmptyDir volume` means that the run itself wrote more than the operator lets it: another run would do the same.',
  ],
  MaxDataLossExceeded: [
    'From when the newest backup is that counts, in the message of the condition; what kept a newer one from being taken, in the reason of the last run and in the moments of the schedule for which there was none:',
    sh(
      `kubectl get neo4jbackups.neo4j-backup.dev orders -o jsonpath='{.status.lastRun.reason} {.status.missedRuns}'`,
    ),
    'A backup that a verification has found damaged since, or that is inconsistent, does not count: [what counts](monitoring.md#objectives).',
  ],
  EngineFailed: seeOutput,
};
