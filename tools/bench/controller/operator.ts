// The operator as the image runs it: the bundle, the flags of the chart, and the heap of its memory limit.
import { join } from 'node:path';
import { bundleFolder } from '../../bundle.ts';
import { companion, type Companion } from '../../run.ts';
import { freePorts, operatorName, type ControlPlane } from './control-plane.ts';
import { until } from './until.ts';

export const agentImage = 'registry.example.com/neo4j-backup-operator:bench';

/**
 * What Node makes of the chart's limit of 256 MiB and its 60 %: measured in a memory cgroup, which would need root here. Left
 * to itself it would take this machine's memory for its own, and collect garbage less often.
 */
const heap = '--max-old-space-size=153 --max-semi-space-size=1';

/** Starts it and waits until it leads and has filled its caches. */
export async function startOperator({ folder, kubeconfigs }: ControlPlane): Promise<Companion> {
  const [port = 0] = await freePorts(1);
  const flags = [`--kubeconfig=${kubeconfigs.operator}`, `--health-port=${port}`, '--log-level=info'];
  const env = {
    AGENT_IMAGE: agentImage,
    LEADER_ELECTION_NAMESPACE: operatorName,
    NODE_OPTIONS: `${heap} ${process.env['BENCH_NODE_OPTIONS'] ?? ''}`,
  };
  const command = [process.execPath, join(bundleFolder, 'main.mjs'), ...flags];
  const operator = companion(command, { log: join(folder, 'operator.log'), env });
  await until('the operator to be ready', () => isReady(port));
  return operator;
}

async function isReady(port: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
  return response?.ok === true;
}
