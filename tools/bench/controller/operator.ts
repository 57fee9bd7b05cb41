// The operator as the image runs it: the bundle, the flags of the chart, and the heap of its memory limit.
import { join } from 'node:path';
import { nodeFlags } from '../../bundle.ts';
import { companion, type Companion } from '../../run.ts';
import { freePorts } from '../../control-plane.ts';
import { operatorName, type ControlPlane } from './control-plane.ts';
import { until } from './until.ts';

export const agentImage = 'registry.example.com/neo4j-backup-operator:bench';

/**
 * What Node makes of the chart's limit of 256 MiB and its 60 %: measured in a memory cgroup, which would need root here. Left
 * to itself it would take this machine's memory for its own, and collect garbage less often.
 */
const heap = ['--max-old-space-size=153', '--max-semi-space-size=1'];

/** Starts the bundle of the folder, and waits until it leads and has filled its caches. */
export async function startOperator(
  { folder, kubeconfigs }: ControlPlane,
  moreFlags: readonly string[] = [],
): Promise<Companion> {
  const [health = 0, metrics = 0] = await freePorts(2);
  const node = [process.execPath, ...nodeFlags, ...heap, ...moreFlags];
  const flags = [
    `--kubeconfig=${kubeconfigs.operator}`,
    `--agent-image=${agentImage}`,
    `--health-port=${health}`,
    `--metrics-port=${metrics}`,
    `--leader-election-namespace=${operatorName}`,
    // All resources name one server that is not there, and what is measured is the operator.
    '--max-running-backups-per-server=0',
  ];
  const log = join(folder, 'operator.log');
  const operator = companion([...node, join(folder, 'main.js'), ...flags], { log });
  await until('the operator to be ready', () => isReady(health));
  return operator;
}

async function isReady(port: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
  return response?.ok === true;
}
