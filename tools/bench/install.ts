// From `helm install` to an operator that is ready, and from `kubectl apply` to a Pod that is, of the same image.
import { chartFolder } from '../chart.ts';
import { imageValues, release, type Manifest, type Playground } from '../playground.ts';

/** One sample of each, in milliseconds. */
export interface Install {
  readonly chart: number;
  readonly barePod: number;
}

const inNamespace = `--namespace=${release.namespace}`;

/** Answers as soon as it has started, as the operator cannot: that has to know the cluster first. */
const answer = 'require("http").createServer((_, response) => response.end()).listen(8081)';

/** The least that could be installed: Node from the operator's image, with the probe that the chart has. */
function barePod(): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'bare' },
    spec: {
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'bare',
          image: 'localhost/neo4j-backup-operator:dev',
          imagePullPolicy: 'IfNotPresent',
          command: ['node', '-e', answer],
          readinessProbe: { httpGet: { path: '/readyz', port: 8081 }, periodSeconds: 5, timeoutSeconds: 5 },
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
        },
      ],
    },
  };
}

async function timed(work: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

/** Takes the operator away, and measures its return. Its CustomResourceDefinition, and all Neo4jBackups, stay. */
export async function measureInstall(on: Playground): Promise<Install> {
  await on.helm(['uninstall', release.name, '--wait']);
  const chart = await timed(async () => {
    await on.helm(['install', release.name, chartFolder, ...imageValues]);
    const deployment = `deployment/${release.name}`;
    await on.kubectl(['wait', '--for=condition=Available', deployment, inNamespace, '--timeout=120s']);
  });
  const bare = await timed(async () => {
    await on.apply(barePod());
    await on.kubectl(['wait', '--for=condition=Ready', 'pod/bare', '--timeout=120s']);
  });
  await on.kubectl(['delete', 'pod', 'bare']);
  return { chart, barePod: bare };
}
