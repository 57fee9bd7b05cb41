// The Job that asks the volume how a run ended. Pure.
import type { V1Job } from '@kubernetes/client-node';
import { annotations, containers, labels, tasks } from '../api/names.ts';
import type { RunStatus } from '../api/neo4jbackup.ts';
import { mounts } from '../run/exchange.ts';
import { agentContainer, backupVolume, jobMetadata, podSettings, requestOf, ttlSeconds } from './job.ts';
import type { Neo4jBackup } from './resources.ts';
import { jobName } from './run.ts';

/** Deterministic, as the run's own: whoever asks first has asked. */
export function inspectionName(backup: Neo4jBackup, run: string): string {
  return jobName(backup, `inspect\0${run}`, '-inspect');
}

/** It starts two Pods at most; who cannot read the volume twice will not the third time. */
export function buildInspection(
  backup: Neo4jBackup,
  { id, requestedType }: RunStatus,
  { agentImage, now }: { readonly agentImage: string; readonly now: Date },
): V1Job {
  const { activeDeadlineSeconds } = backup.spec.job;
  const metadata = jobMetadata(backup, inspectionName(backup, id));
  const marks = { ...metadata.labels, [labels.task]: tasks.inspect };
  const request = requestOf(
    backup,
    { run: { id, requestedType }, now, terminalPods: [] },
    activeDeadlineSeconds,
    {}, // no tool runs
  );
  const volume = backupVolume(backup);
  const asks = { [annotations.run]: id };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { ...metadata, labels: marks, annotations: asks },
    spec: {
      completions: 1,
      parallelism: 1,
      backoffLimit: 1,
      activeDeadlineSeconds,
      ttlSecondsAfterFinished: ttlSeconds,
      podReplacementPolicy: 'Failed',
      podFailurePolicy: {
        rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }],
      },
      template: {
        metadata: {
          labels: { ...marks, 'sidecar.istio.io/inject': 'false' },
          annotations: { 'linkerd.io/inject': 'disabled', ...asks },
        },
        spec: {
          ...podSettings(backup),
          terminationGracePeriodSeconds: 1, // it has nothing to put in order
          containers: [
            agentContainer(containers.inspect, agentImage, request, [
              { name: volume.name, mountPath: mounts.backup, readOnly: true },
            ]),
          ],
          volumes: [volume],
        },
      },
    },
  };
}
