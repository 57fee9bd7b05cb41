// The contract of a cluster, on the fake.
import { clusterContract, type ClusterWorld } from '../contract/cluster.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeJobs } from './fake-jobs.ts';
import { FakeKube } from './fake-kube.ts';

clusterContract('the fake', async (): Promise<ClusterWorld> => {
  const clock = new FakeClock();
  const client = new FakeKube({ now: () => clock.now() });
  new FakeJobs({ kube: client, clock }).start();
  const until: ClusterWorld['until'] = async (look) => {
    for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 100) {
      const found = await look();
      if (found !== undefined) return found;
      await clock.advance(100);
    }
    throw new Error('nothing within a minute of the fake clock');
  };
  return { client, namespace: 'contract', until, signal: new AbortController().signal };
});
