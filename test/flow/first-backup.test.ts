// The first backup, from the resource to the status, and all that may happen on the way.
import { afterEach, describe, expect, test } from 'vitest';
import type { Neo4jBackupStatus } from '../../src/api/neo4jbackup.ts';
import { backups, jobs, pods } from '../../src/backup/resources.ts';
import { KubeError } from '../../src/kube/errors.ts';
import { aFailure, aReport } from '../support/builders.ts';
import { quiet } from '../support/fake-clock.ts';
import { cutOff, key, namespace, Scene } from './scene.ts';

const scenes: Scene[] = [];

function aScene(options?: { readonly withClaim?: boolean }): Scene {
  const scene = new Scene(options);
  scenes.push(scene);
  return scene;
}

afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.stop();
});

test('a run takes four writes, and while it is under way nobody looks at what stands around it', async () => {
  const scene = aScene();
  await scene.start();
  scene.apply({ trigger: { id: 'a' } });
  await scene.settle();
  scene.finish(scene.activeJob(), aReport());
  await scene.settle();
  const before = scene.writes();
  scene.trigger('b');
  await scene.settle();
  const made = scene.kube.requests.findLastIndex(({ verb }) => verb === 'create');
  const meanwhile = scene.kube.requests.slice(made + 1).map(({ verb, type }) => `${verb} ${type}`);
  expect(new Set(meanwhile)).toEqual(new Set(['replaceStatus neo4jbackups.neo4j-backup.dev', 'list events']));
  scene.finish(scene.activeJob(), aReport());
  await scene.settle();
  // The Job, status at its start and at its end, and the deletion of the Job before.
  expect(scene.writes() - before).toBe(4);
});

describe('the first backup', () => {
  test('goes from the resource over one Job and its report to the status', async () => {
    const scene = aScene();
    await scene.start();
    scene.apply();
    await scene.settle();
    const job = scene.activeJob();
    expect(scene.status()).toMatchObject({ phase: 'Running', currentRun: { id: job } });

    scene.finish(job, aReport());
    await scene.settle();
    const { currentRun, history, lastRun, ...status } = scene.status();
    expect(currentRun).toBeUndefined();
    expect(history).toEqual([lastRun]);
    expect(status).toMatchObject({
      phase: 'Succeeded',
      observedGeneration: 1,
      lastSuccessfulTime: aReport().completionTime,
      lastFull: { id: job, type: 'Full', lastTransactionID: '4711' },
      databases: [{ name: 'graph.db', storeID: '1a2b-3c4d', lastTransactionID: '4711' }],
    });
    expect(scene.events.map(({ type, reason }) => [type, reason])).toEqual([['Normal', 'FullBackupTaken']]);
  });

  test('is followed by one run for each new trigger, and by none for an old one', async () => {
    const scene = aScene();
    await scene.start();
    scene.apply({ trigger: { id: 'a' } });
    await scene.settle();
    const first = scene.activeJob();
    scene.finish(first, aReport());
    await scene.settle();

    scene.trigger('b');
    await scene.settle();
    const second = scene.activeJob();
    expect(second).not.toBe(first);
    scene.finish(second, aReport({ reason: 'IncrementalBackupTaken', type: 'Incremental' }));
    await scene.settle();

    for (const change of [{ trigger: { id: 'a' } }, { trigger: undefined }, { trigger: { id: 'b' } }]) {
      scene.edit(change);
      await scene.settle();
    }
    expect(scene.status()).toMatchObject({
      phase: 'Succeeded',
      observedGeneration: 5,
      lastRun: { id: second, triggerID: 'b' },
      lastFull: { id: first, triggerID: 'a' },
      lastTriggerID: 'b',
      history: [{ id: second }, { id: first }],
    });
    expect(scene.madeJobs()).toEqual([first, second]);
  });

  test('waits for its claim and then starts by itself', async () => {
    const scene = aScene({ withClaim: false });
    await scene.start();
    scene.apply();
    await scene.settle();
    expect(scene.jobNames()).toEqual([]);
    expect(scene.ready()).toBe('ClaimNotFound');
    scene.makeClaim();
    await scene.settle(20_000);
    expect(scene.activeJob()).toBe(scene.status().currentRun?.id);
    expect(scene.ready()).toBe('Accepted');
    expect(scene.events.map(({ reason }) => reason)).toEqual(['ClaimNotFound']);
  });

  test('waits for the server behind its Service', async () => {
    const scene = aScene();
    scene.serve(false);
    await scene.start();
    scene.apply();
    await scene.settle();
    expect([scene.ready(), scene.jobNames()]).toEqual(['NoReadyEndpoints', []]);
    scene.serve(true);
    await scene.settle();
    expect(scene.activeJob()).toBe(scene.status().currentRun?.id);
  });

  test.each(['endpointslices.discovery.k8s.io', 'events'])(
    'is taken, and told of, by an operator that may not list %s',
    async (type) => {
      const scene = aScene();
      const error = new KubeError('forbidden', 'not for you', { status: 403 });
      scene.kube.fail({ verbs: ['list'], type, times: Infinity, error });
      await scene.start();
      scene.apply();
      await scene.settle();
      const job = scene.activeJob();
      scene.edit({ consistencyCheck: 'Always' });
      await scene.settle();
      expect(scene.status()).toMatchObject({ observedGeneration: 2, currentRun: { id: job } });
      scene.finish(job, aReport());
      await scene.settle();
      expect(scene.status()).toMatchObject({ phase: 'Succeeded', lastRun: { id: job } });
    },
  );

  test('notices that its Service points anywhere no longer', async () => {
    const scene = aScene();
    scene.leadAway(true);
    await scene.start();
    scene.apply();
    await scene.settle();
    expect([scene.ready(), scene.status().phase]).toEqual(['ExternalNameRefused', 'Stalled']);
    scene.leadAway(false);
    await scene.settle();
    expect(scene.activeJob()).toBe(scene.status().currentRun?.id);
  });

  test('tells why its Job gets no Pod, until it has one', async () => {
    const scene = aScene();
    await scene.start();
    scene.apply();
    await scene.settle(1_000);
    const job = scene.activeJob();
    scene.refusePod('somebody-else', 'exceeded quota');
    scene.refusePod(job, 'pods "x" is forbidden: exceeded quota: few');
    await scene.settle();
    expect(scene.ready()).toBe('QuotaExceeded');
    expect(scene.status().phase).toBe('Running');
    scene.finish(job, aReport());
    await scene.settle();
    expect([scene.ready(), scene.status().phase]).toEqual(['Accepted', 'Succeeded']);
  });

  test('tells that its volume cannot be mounted, for as long as that is said', async () => {
    const scene = aScene();
    await scene.start();
    scene.apply();
    await scene.settle(1_000);
    const job = scene.activeJob();
    scene.stuck(job, 'PodInitializing');
    scene.complain(`${job}-stuck`, 'FailedMount', 'timed out waiting for the condition');
    await scene.settle(10_000);
    expect(scene.ready()).toBe('Accepted');
    await scene.settle(20_000);
    expect(scene.ready()).toBe('VolumeNotMounted');
    await scene.settle(600_000);
    expect(scene.ready()).toBe('Accepted');
  });

  test('starts anew under its own name when what kept it from starting is corrected', async () => {
    const scene = aScene();
    await scene.start();
    scene.apply({ trigger: { id: 'a' } });
    await scene.settle();
    const job = scene.activeJob();
    const [uid] = scene.kube.made.keys();
    scene.obstruct(job);
    await scene.settle();
    const stuck = scene.kube.peek(pods, { namespace, name: `${job}-stuck` })?.metadata.uid;
    expect([scene.ready(), scene.madeJobs()]).toEqual(['ImagePullFailed', [job]]);

    scene.edit({ trigger: { id: 'b' } });
    await scene.settle();
    expect(scene.madeJobs()).toEqual([job]);

    scene.edit({ neo4j: { version: '3.4.18', image: 'neo4j:right' } });
    await scene.settle();
    expect(scene.madeJobs()).toEqual([job, job]);
    expect([...scene.kube.made.keys()][1]).not.toBe(uid);
    expect(scene.kube.all(pods)).toEqual([]);
    expect(scene.terminalPodsOf(job)).toContain(stuck);
    expect(scene.ready()).toBe('Accepted');
    expect(scene.status().currentRun).not.toHaveProperty('replacedPods');

    scene.finish(job, aReport());
    await scene.settle();
    expect(scene.status().lastRun).toMatchObject({ id: job, triggerID: 'a', result: 'Succeeded' });
    expect(scene.status().currentRun).toMatchObject({ triggerID: 'b' });
  });

  test('stays the current run while what it needs to start anew is missing', async () => {
    const scene = aScene();
    await scene.start();
    scene.apply({ trigger: { id: 'a' } });
    await scene.settle();
    const job = scene.activeJob();
    scene.obstruct(job);
    await scene.settle();
    scene.edit({ neo4j: { version: '3.4.18' } });
    await scene.settle();
    expect(scene.status()).toMatchObject({ phase: 'Stalled', currentRun: { id: job } });
    expect([scene.jobNames(), scene.status().lastRun]).toEqual([[], undefined]);
    scene.edit({ neo4j: { version: '3.4.18', image: 'neo4j:right' } });
    await scene.settle();
    expect(scene.activeJob()).toBe(job);
    expect(scene.status().currentRun).toMatchObject({ id: job, triggerID: 'a' });
  });

  test('starts anew also when its Job is given up while it is on its way out', async () => {
    const scene = aScene();
    await scene.start();
    scene.apply({ trigger: { id: 'a' } });
    await scene.settle();
    const job = scene.activeJob();
    scene.obstruct(job);
    scene.hold(job);
    scene.edit({ neo4j: { version: '3.4.18', image: 'neo4j:right' } });
    await scene.settle();
    expect(scene.kube.peek(jobs, { namespace, name: job })?.metadata.deletionTimestamp).toBeDefined();

    scene.end(job, 'Failed', 'BackoffLimitExceeded'); // its Pods are removed, which counts as their failure
    await scene.settle();
    expect(scene.status()).toMatchObject({ phase: 'Running', currentRun: { id: job } });
    scene.letGo(job);
    await scene.settle();
    expect(scene.madeJobs()).toEqual([job, job]);
    expect(scene.status()).not.toHaveProperty('lastRun');
    scene.finish(job, aReport());
    await scene.settle();
    expect(scene.status()).toMatchObject({ phase: 'Succeeded', history: [{ id: job, triggerID: 'a' }] });
  });

  test('is not tried again when its Job vanishes', async () => {
    const scene = aScene();
    await scene.start();
    scene.apply();
    await scene.settle();
    const job = scene.activeJob();
    scene.kube.remove(jobs, { namespace, name: job });
    await scene.settle();
    const inspection = scene.inspection();
    scene.answer(aFailure({ reason: 'ResultLost' }));
    await scene.settle(600_000);
    expect(scene.status()).toMatchObject({ phase: 'Failed', lastRun: { id: job, reason: 'ResultLost' } });
    expect(scene.madeJobs()).toEqual([job, inspection]);
  });

  test('leaves nothing to write once all is told', async () => {
    const scene = aScene();
    await scene.start();
    scene.apply();
    await scene.settle();
    scene.finish(scene.activeJob(), aFailure());
    await scene.settle();
    const before = scene.writes();
    await scene.settle(2 * 3_600_000);
    scene.kube.edit(backups, key, ({ metadata }) => (metadata.labels = { touched: 'yes' }));
    await scene.settle();
    expect(scene.writes()).toBe(before);
  });

  test('keeps of ended Jobs the newest of each kind, and tells of no run twice', async () => {
    const scene = aScene();
    await scene.start();
    scene.apply({ trigger: { id: 'fails' } });
    await scene.settle();
    const failed = scene.activeJob();
    scene.finish(failed, aFailure());
    await scene.settle();
    for (let run = 0; run < 22; run += 1) {
      scene.trigger(`run-${run}`);
      await scene.settle();
      scene.finish(scene.activeJob(), aReport());
      await scene.settle();
    }
    const { history = [], lastRun, lastFailure } = scene.status();
    expect(lastRun).toMatchObject({ triggerID: 'run-21', result: 'Succeeded' });
    expect(lastFailure).toMatchObject({ id: failed });
    expect(history.map(({ id }) => id)).not.toContain(failed);
    expect(history).toHaveLength(20);
    expect(scene.jobNames()).toHaveLength(2);
    expect(scene.events).toHaveLength(23);
  });
});

describe('a run that nobody remembers', () => {
  test('and that its trigger starts again tells of its old backup, and takes nothing newer from status', async () => {
    const old = aReport({ completionTime: '2026-01-01T00:00:30.000Z' });
    const scene = aScene();
    await scene.start();
    scene.apply({ trigger: { id: 'old' } });
    await scene.settle();
    const job = scene.activeJob();
    scene.finish(job, old);
    await scene.settle();
    for (let run = 0; run < 21; run += 1) {
      scene.trigger(`run-${run}`);
      await scene.settle();
      const completionTime = scene.clock.now().toISOString();
      scene.finish(scene.activeJob(), aReport({ completionTime, lastTransactionID: `${5000 + run}` }));
      await scene.settle();
    }
    const { lastSuccessfulTime, lastFull, databases } = scene.status();
    scene.trigger('old');
    await scene.settle();
    expect(scene.activeJob()).toBe(job);
    scene.finish(job, old); // its point is still there, and told of again
    await scene.settle();
    expect(scene.status()).toMatchObject({ lastRun: { id: job }, lastSuccessfulTime, lastFull, databases });
    expect(databases).toMatchObject([{ lastTransactionID: '5020' }]);
  });
});

describe('caches that lag', () => {
  /** From here on the operators hear nothing more of a kind. */
  async function silence(scene: Scene, type: string): Promise<void> {
    scene.kube.fail({ verbs: ['watch'], times: Infinity, error: cutOff(), type });
    scene.kube.breakWatches();
    await scene.settle(5_000);
  }

  test('of our own status: nothing is written twice', async () => {
    const scene = aScene();
    await scene.start();
    scene.kube.losesStatus = true;
    scene.apply();
    await scene.settle(5_000);
    const job = { namespace, name: scene.activeJob() };
    for (const touched of ['once', 'twice']) {
      scene.kube.edit(
        jobs,
        job,
        ({ metadata }) => (metadata.annotations = { ...metadata.annotations, touched }),
      );
      await scene.settle(1_000);
    }
    expect(scene.kube.requests.filter(({ verb }) => verb === 'replaceStatus')).toHaveLength(1);
  });

  test('of Pods: the report is read all the same', async () => {
    const scene = aScene();
    await scene.start();
    await silence(scene, 'pods');
    scene.apply();
    await scene.settle();
    scene.finish(scene.activeJob(), aReport());
    await scene.settle();
    expect(scene.status().lastRun).toMatchObject({ reason: 'FullBackupTaken' });
  });

  test('of Jobs: no second run starts beside the first', async () => {
    const scene = aScene();
    await scene.start();
    await silence(scene, 'jobs.batch');
    scene.kube.fail({ verbs: ['replaceStatus'], error: cutOff() });
    scene.apply({ trigger: { id: 'a' } });
    await quiet();
    const job = scene.activeJob();
    scene.trigger('b');
    await scene.settle();
    expect(scene.jobNames()).toEqual([job]);
    expect(scene.status().currentRun).toMatchObject({ id: job, triggerID: 'a' });
  });

  test('of the resource: a run whose Job is gone does not start again', async () => {
    const scene = aScene();
    scene.apply();
    scene.kube.fail({
      verbs: ['watch'],
      times: Infinity,
      error: cutOff(),
      type: 'neo4jbackups.neo4j-backup.dev',
    });
    await scene.start();
    const job = scene.activeJob();
    scene.kube.remove(jobs, { namespace, name: job });
    await scene.settle();
    expect(scene.madeJobs()).toEqual([job, scene.inspection()]);
    expect(scene.status()).toMatchObject({ inspecting: [{ id: job, reason: 'ResultLost' }] });
  });
});

/** From the resource to the end of a third run, which has to start twice; every step waits until all is quiet. */
const story: readonly ((scene: Scene) => void)[] = [
  (scene) => scene.apply({ trigger: { id: 'a' } }),
  (scene) => scene.finish(scene.activeJob(), aFailure()),
  (scene) => scene.trigger('b'),
  (scene) => scene.finish(scene.activeJob(), aFailure()),
  (scene) => scene.trigger('c'),
  (scene) => scene.obstruct(scene.activeJob()),
  (scene) => scene.edit({ neo4j: { version: '3.4.18', image: 'neo4j:right' } }),
  (scene) => scene.finish(scene.activeJob(), aReport()),
];

/** What must not depend on when what happened. */
function lasting({ conditions, ...status }: Neo4jBackupStatus): unknown {
  const times = new Set(['lastTransitionTime', 'startTime']);
  return JSON.parse(
    JSON.stringify({ ...status, conditions }, (name, value: unknown) => (times.has(name) ? 'then' : value)),
  );
}

function outcomeOf(scene: Scene): object {
  return { status: lasting(scene.status()), made: scene.madeJobs(), jobs: scene.jobNames() };
}

async function play(scene: Scene): Promise<void> {
  for (const act of story) {
    act(scene);
    await scene.settle();
  }
}

/** Plays the story with an operator that writes nothing from its nth write on, and another one that takes over. */
async function playWithCrash(nth: number, when: 'before' | 'after'): Promise<Scene> {
  const scene = aScene();
  let crashed = false;
  scene.kube.fail({ verbs: ['create', 'replaceStatus', 'delete'], nth, when, error: cutOff() });
  scene.kube.fail({
    verbs: ['create', 'replaceStatus', 'delete'],
    nth: nth + 1,
    times: Infinity,
    error: cutOff(),
  });
  await scene.start();
  for (const act of story) {
    act(scene);
    await quiet();
    if (!crashed && scene.writes() >= nth) {
      crashed = true;
      await scene.stop();
      scene.kube.clearFaults();
      await scene.start();
    }
    await scene.settle();
  }
  expect(crashed).toBe(true);
  return scene;
}

describe('a crash anywhere', () => {
  test('changes nothing about how the story ends', async () => {
    const calm = aScene();
    await calm.start();
    await play(calm);
    const count = calm.writes();
    expect(calm.madeJobs()).toHaveLength(4);
    expect(count).toBeGreaterThan(9);

    for (let crash = 0; crash < 2 * count; crash += 1) {
      const [nth, when] = [1 + Math.floor(crash / 2), crash % 2 === 0 ? 'before' : 'after'] as const;
      const scene = await playWithCrash(nth, when);
      const crashed = `${when} write ${nth}`;
      expect({ crashed, ...outcomeOf(scene) }).toEqual({ crashed, ...outcomeOf(calm) });
    }
  });
});

describe('company', () => {
  test('of a second operator makes no second Job and no other status', async () => {
    const [calm, scene] = [aScene(), aScene()];
    await calm.start();
    await play(calm);
    await scene.start();
    await scene.start();
    await play(scene);
    expect(outcomeOf(scene)).toEqual(outcomeOf(calm));
    expect(scene.events).toHaveLength(calm.events.length);
  });

  test('of somebody who always writes first delays the status and no more', async () => {
    const scene = aScene();
    const conflict = new KubeError('conflict', 'the object has been modified');
    await scene.start();
    scene.kube.fail({ verbs: ['replaceStatus'], times: 25, error: conflict });
    scene.apply();
    await scene.settle();
    const job = scene.activeJob();
    expect(scene.status().currentRun?.id).toBe(job);
    scene.kube.fail({ verbs: ['replaceStatus'], times: 25, error: conflict });
    scene.finish(job, aReport());
    await scene.settle();
    expect(scene.status()).toMatchObject({ phase: 'Succeeded', history: [{ id: job }] });
    expect(scene.madeJobs()).toEqual([job]);
    expect(scene.events).toHaveLength(1);
  });

  test('of a Job that is not ours under the name of the run: it stays as it is', async () => {
    const scene = aScene();
    await scene.start();
    scene.apply();
    await quiet();
    const name = scene.activeJob();
    await scene.stop();
    scene.kube.remove(jobs, { namespace, name });
    scene.kube.edit(backups, key, (draft) => delete draft['status']);
    const theirs = scene.kube.put(jobs, namespace, { metadata: { name, labels: { whose: 'theirs' } } });
    await scene.start();
    await scene.settle();
    expect(scene.ready()).toBe('NameConflict');
    expect(scene.kube.peek(jobs, { namespace, name })).toEqual(theirs);

    scene.kube.remove(jobs, { namespace, name });
    await scene.settle();
    expect(scene.status().currentRun?.id).toBe(name);
  });
});
