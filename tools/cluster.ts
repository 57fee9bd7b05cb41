// `npm run cluster:up`, `cluster:down` and `cluster:kubectl`: a Kubernetes to develop against.
import { findCluster, removeCluster, startCluster } from './cluster/cluster.ts';
import { attached } from './run.ts';
import { steps } from './steps.ts';

const usage = `usage: npm run cluster:up [-- NAME]
       npm run cluster:down [-- NAME]
       npm run cluster:kubectl -- ARGUMENT ...     (CLUSTER=NAME in the environment for another than "dev")`;

const defaultName = process.env['CLUSTER'] ?? 'dev';
const progress = steps();

async function up(name: string): Promise<number> {
  const present = await findCluster(name, progress);
  const cluster = present ?? (await startCluster({ name, steps: progress, stays: true }));
  const prefix = name === 'dev' ? '' : `CLUSTER=${name} `;
  console.log(`The cluster "${name}" is up${present ? ' already' : ''}.

  ${prefix}npm run cluster:kubectl -- get pods -A
  npm run cluster:down -- ${name}

It has a network of its own. To run any other program in it (the address in its kubeconfig is one of that network):

  export KUBECONFIG=${cluster.kubeconfig}
  ${cluster.inside(['COMMAND']).join(' ')}

Images come from archives, for nothing can be pulled. Logs of its components are in ${cluster.folder}/log`);
  return 0;
}

async function down(name: string): Promise<number> {
  const existed = await removeCluster(name);
  console.log(existed ? `The cluster "${name}" is gone.` : `There is no cluster "${name}".`);
  return 0;
}

async function kubectl(args: readonly string[]): Promise<number> {
  const cluster = await findCluster(defaultName, progress);
  if (!cluster) {
    console.error(`There is no cluster "${defaultName}": npm run cluster:up -- ${defaultName}`);
    return 1;
  }
  return attached(cluster.kubectlCommand(args));
}

async function main([command = '', ...rest]: readonly string[]): Promise<number> {
  switch (command) {
    case 'up':
      return up(rest[0] ?? defaultName);
    case 'down':
      return down(rest[0] ?? defaultName);
    case 'kubectl':
      return kubectl(rest);
    default:
      console.error(usage);
      return 2;
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
