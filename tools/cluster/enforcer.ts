// A program of the node: holds packets to the NetworkPolicies there are, which the bridge that Pods are on does not.
// As with every such program, a new Pod is known, and judged, only once its address stands in its status.
import { must } from '../run.ts';
import { buildTable, type Namespace, type NetworkPolicy, type Pod } from './network-policy.ts';
import { nodeClient } from './node-client.ts';

const [, , folder = ''] = process.argv;
const client = nodeClient(folder, 'enforcer');
let enforced = '';
let turn = Promise.resolve();

/** What is known of one kind; undefined until all of it has been seen once. */
class Known<T> {
  #objects: ReadonlyMap<string, T> | undefined;
  #next = new Map<string, T>();

  get all(): readonly T[] | undefined {
    return this.#objects && [...this.#objects.values()];
  }

  async watch(path: string): Promise<never> {
    return client.watch(
      path,
      async ({ type, object }) => {
        const { metadata } = object as { readonly metadata: { readonly uid: string } };
        if (type === 'ADDED' || type === 'MODIFIED') this.#next.set(metadata.uid, object as T);
        if (type === 'DELETED') this.#next.delete(metadata.uid);
        // After a new beginning the old knowledge holds until the new one is whole.
        if (type === 'BOOKMARK') this.#objects = this.#next;
        if (this.#objects === this.#next) await enforce();
      },
      () => (this.#next = new Map()),
    );
  }
}

const policies = new Known<NetworkPolicy>();
const pods = new Known<Pod>();
const namespaces = new Known<Namespace>();

async function replaceTable(): Promise<void> {
  if (!policies.all || !pods.all || !namespaces.all) return;
  const table = buildTable({ policies: policies.all, pods: pods.all, namespaces: namespaces.all });
  if (table === enforced) return;
  await must(['nft', '-f', '-'], { input: table });
  enforced = table;
}

/** One after the other, so that the last table is the one that stays. */
async function enforce(): Promise<void> {
  turn = turn.catch(() => {}).then(replaceTable); // a failure was told to whom it belongs
  return turn;
}

await Promise.all([
  policies.watch('/apis/networking.k8s.io/v1/networkpolicies'),
  pods.watch('/api/v1/pods'),
  namespaces.watch('/api/v1/namespaces'),
]);
