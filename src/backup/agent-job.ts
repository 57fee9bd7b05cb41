// What every Job has that takes no backup: one Pod at a time, with one container, of our image. Pure.
import type { V1Job, V1PodSpec } from '@kubernetes/client-node';
import { containers, labels, tasks } from '../api/names.ts';
import { mounts } from '../run/exchange.ts';
import type { RunRequest } from '../run/request.ts';
import { agentContainer, backupVolume, jobMetadata, onePodAtATime, podMetadata, podSettings } from './job.ts';
import type { Neo4jBackup } from './resources.ts';

export interface AgentJob {
  readonly name: string;
  /** Also the name of the container, and the verb of the agent. */
  readonly task: keyof typeof tasks;
  readonly agentImage: string;
  readonly request: RunRequest;
  readonly annotations: Readonly<Record<string, string>>;
  readonly access: 'read' | 'write';
  /** How long the Pod may take to end when it is told to. */
  readonly graceSeconds: number;
}

/** It starts two Pods at most; who cannot do it twice will not the third time. */
export function buildAgentJob(
  backup: Neo4jBackup,
  { name, task, agentImage, request, annotations, access, graceSeconds }: AgentJob,
): V1Job {
  const metadata = jobMetadata(backup, name);
  const marks = { ...metadata.labels, [labels.task]: tasks[task] };
  const volume = backupVolume(backup);
  const mount = { name: volume.name, mountPath: mounts.backup };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { ...metadata, labels: marks, annotations: { ...annotations } },
    spec: {
      ...onePodAtATime(backup),
      template: {
        metadata: podMetadata(marks, annotations),
        spec: {
          ...withoutPriority(podSettings(backup)),
          terminationGracePeriodSeconds: graceSeconds,
          containers: [
            agentContainer(containers[task], agentImage, request, [
              access === 'read' ? { ...mount, readOnly: true } : mount,
            ]),
          ],
          volumes: [volume],
        },
      },
    },
  };
}

/** The priority of the resource is that of its backups: what only tends the volume displaces nobody. */
function withoutPriority(
  settings: ReturnType<typeof podSettings>,
): Omit<ReturnType<typeof podSettings>, 'priorityClassName'> & Partial<V1PodSpec> {
  const { priorityClassName: _, ...rest } = settings;
  return rest;
}
