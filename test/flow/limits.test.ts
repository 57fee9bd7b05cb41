// Limits on backups under way: of the operator, of one server, of one claim; and the queue of those that wait.
import { afterEach, describe, expect, test } from 'vitest';
import { labels, managedBy } from '../../src/api/names.ts';
import { noLimits, type Limits } from '../../src/backup/places.ts';
import { backups, claims, endpointSlices, jobs, services } from '../../src/backup/resources.ts';
import { KubeError } from '../../src/kube/errors.ts';
import { aFailure, aReport } from '../support/builders.ts';
import { cutOff, namespace, Scene } from './scene.ts';

let scene = new Scene();
/** The most runs that were under way at once. */
let most = 0;

afterEach(() => scene.stop());

/** A cluster with a claim for many Pods: what waits there waits for a limit. */
async function begin(limits: Partial<Limits>, accessMode = 'ReadWriteMany'): Promise<void> {
  scene = new Scene({ withClaim: false });
  scene.makeClaim(accessMode);
  most = 0;
  scene.kube.onChange(() => (most = Math.max(most, scene.activeJobs().length)));
  await scene.start({ limits: { ...noLimits, ...limits } });
}

/** Names of the resources whose runs are under way, in the order in which these began. */
function running(): readonly string[] {
  const active = scene.activeJobs();
  return resourcesOf(scene.madeJobs().filter((job) => active.includes(job)));
}

function resourcesOf(names: readonly string[]): readonly string[] {
  return names.map((job) => job.replace(/-[0-9a-f]{10}$/, ''));
}

/** The run of the resource ends. */
async function finish(name: string): Promise<void> {
  const job = scene.activeJobs().find((each) => resourcesOf([each])[0] === name);
  if (job === undefined) throw new Error(`no run of ${name} is under way`);
  scene.finish(job, aReport());
  await scene.settle(5_000);
}

function messageOf(name: string): string {
  const { conditions = [] } = scene.status(name);
  return conditions.find(({ type }) => type === 'Reconciling')?.message ?? '';
}

async function applyInTurn(names: readonly string[], spec = {}): Promise<void> {
  for (const name of names) {
    scene.apply(spec, name);
    await scene.settle(1_000);
  }
}

/** Every run that is under way ends, and those that follow. @returns the resources in the order in which theirs ended */
async function finishAll(): Promise<readonly string[]> {
  const order: string[] = [];
  for (let [first] = running(); first !== undefined; [first] = running()) {
    order.push(first);
    await finish(first);
  }
  return order;
}

const five = ['e', 'd', 'c', 'b', 'a'];
const ofServer = (name: string): object => ({ source: { serviceRef: { name } } });

function makeServer(name: string, ...ports: readonly number[]): void {
  const spec = { type: 'ClusterIP', clusterIP: '10.0.0.2', ports: ports.map((port) => ({ port })) };
  scene.kube.put(services, namespace, { metadata: { name }, spec });
  const marks = { 'kubernetes.io/service-name': name };
  const endpoints = [{ conditions: { ready: true } }];
  scene.kube.put(endpointSlices, namespace, { metadata: { name: `${name}-1`, labels: marks }, endpoints });
}

describe('the limit of the operator', () => {
  test('is kept when more are due at once, and all of them run, in their order', async () => {
    await begin({ runningBackups: 2 });
    await applyInTurn(five);
    expect(running()).toEqual(['e', 'd']);
    expect(messageOf('a')).toMatch(/^The run a-[0-9a-f]{10} waits: 2 of 2 backups are running\./);
    expect(scene.conditions('a')).toMatchObject({
      Ready: 'True Accepted',
      Reconciling: 'True Queued',
      Stalled: 'False Accepted',
    });
    expect(await finishAll()).toEqual(five);
    expect(resourcesOf(scene.madeJobs())).toEqual(five);
    expect(most).toBe(2);
  });

  test('is kept when all are decided on at the same moment', async () => {
    await begin({ runningBackups: 2 });
    for (const name of five) scene.apply({}, name);
    await scene.settle(1_000);
    expect(await finishAll()).toHaveLength(5);
    expect(most).toBe(2);
  });

  test('counts the Jobs of an operator that is gone', async () => {
    await begin({ runningBackups: 2 });
    await applyInTurn(five);
    await scene.stop();
    await scene.start({ limits: { ...noLimits, runningBackups: 2 } });
    await scene.settle();
    expect(running()).toEqual(['e', 'd']);
    expect(await finishAll()).toHaveLength(5);
    expect(most).toBe(2);
  });

  test('may be another one after a restart', async () => {
    await begin({ runningBackups: 1 });
    await applyInTurn(five);
    expect(running()).toHaveLength(1);
    await scene.stop();
    await scene.start({ limits: { ...noLimits, runningBackups: 4 } });
    await scene.settle(5_000);
    expect(running()).toHaveLength(4);
    await scene.stop();
    await scene.start({ limits: { ...noLimits, runningBackups: 2 } });
    await scene.settle(5_000);
    for (const name of running().slice(0, 2)) await finish(name);
    expect(running()).toHaveLength(2);
    await finishAll();
    expect(scene.madeJobs()).toHaveLength(5);
  });

  test('is not taken up by a resource that is deleted while it waits', async () => {
    await begin({ runningBackups: 1 });
    await applyInTurn(['a', 'b', 'c']);
    scene.kube.remove(backups, { namespace, name: 'b' });
    await scene.settle(1_000);
    await finish('a');
    expect(running()).toEqual(['c']);
  });

  test('is not taken up by a Job that the API server refuses', async () => {
    await begin({ runningBackups: 1 });
    const error = new KubeError('forbidden', 'exceeded quota: few', { status: 403 });
    scene.kube.fail({ verbs: ['create'], type: 'jobs.batch', times: 1, error });
    await applyInTurn(['a', 'b']);
    expect(scene.conditions('a')).toMatchObject({ Ready: 'False QuotaExceeded' });
    expect(running()).toEqual(['b']);
    await scene.settle();
    await finish('b');
    expect(running()).toEqual(['a']);
  });

  test('is not taken up by one that came first and cannot be looked at', async () => {
    await begin({ runningBackups: 1 });
    await applyInTurn(['a', 'b', 'c']);
    scene.kube.fail({ verbs: ['get'], name: 'b', times: 8, error: cutOff() });
    await finish('a');
    expect(running()).toEqual(['c']);
    await finish('c');
    await scene.settle(900_000);
    expect(running()).toEqual(['b']);
  });

  test('is kept where nobody was told whether a Job was made', async () => {
    await begin({ runningBackups: 1 });
    scene.kube.losesJobs = true;
    scene.kube.fail({ verbs: ['create'], type: 'jobs.batch', times: 1, error: cutOff(), when: 'after' });
    // Nor can the next passes see whether it was.
    scene.kube.fail({ verbs: ['get'], name: 'a', nth: 2, times: 3, error: cutOff() });
    scene.apply({}, 'a');
    await scene.settle(100);
    scene.kube.losesJobs = false;
    await applyInTurn(['b', 'c']);
    await scene.settle();
    expect(running()).toEqual(['a']);
    expect(await finishAll()).toEqual(['a', 'b', 'c']);
    expect(most).toBe(1);
  });

  test('is kept where no event told of a Job that was made', async () => {
    await begin({ runningBackups: 1 });
    scene.kube.losesJobs = true;
    scene.apply({}, 'a');
    await scene.settle(1_000);
    scene.kube.losesJobs = false;
    await applyInTurn(['b', 'c']);
    await scene.settle();
    expect(running()).toEqual(['a']);
    expect(most).toBe(1);
  });

  test('does not count what is no run, or nobody’s', async () => {
    await begin({ runningBackups: 1 });
    const owner = { apiVersion: 'neo4j-backup.dev/v1alpha1', kind: 'Neo4jBackup', name: 'x', uid: 'x-uid' };
    const marks = { [labels.managedBy]: managedBy };
    scene.kube.put(jobs, namespace, { metadata: { name: 'theirs', labels: marks } });
    const scrub = { ...marks, [labels.task]: 'scrub' };
    scene.kube.put(jobs, namespace, { metadata: { name: 'x-1', labels: scrub, ownerReferences: [owner] } });
    scene.apply({}, 'a');
    await scene.settle(1_000);
    expect(scene.activeJobs()).toHaveLength(2);
  });

  test('lets a Job that tends the volume of one that waits go on', async () => {
    await begin({ runningBackups: 1 });
    scene.apply({ verification: { schedule: '0 3 * * *' } }, 'a');
    await scene.settle(1_000);
    await finish('a');
    scene.apply({}, 'b');
    await scene.settle(3 * 3_600_000);
    const scrubs = scene.activeJobs('scrub');
    expect(scrubs).toHaveLength(1);
    scene.kube.edit(backups, { namespace, name: 'a' }, (draft) =>
      Object.assign(draft['spec'] as object, { trigger: { id: 'now' } }),
    );
    await scene.settle();
    expect(scene.conditions('a')).toMatchObject({ Reconciling: 'True Queued' });
    expect(scene.activeJobs('scrub')).toEqual(scrubs);
    await finish('b');
    expect(running()).toEqual(['a']);
  });

  test('comes to rest while one runs', async () => {
    await begin({ runningBackups: 1 });
    await applyInTurn(five);
    await scene.settle(600_000);
    const before = scene.writes();
    await scene.settle(1_200_000);
    expect(scene.writes()).toBe(before);
  });
});

describe('the limit of a server', () => {
  test('names the Job that is waited for, and holds up no other server', async () => {
    await begin({ runningBackupsPerServer: 1 });
    makeServer('stock-neo4j', 6362);
    await applyInTurn(['a', 'b']);
    await applyInTurn(['c'], ofServer('stock-neo4j'));
    expect(running()).toEqual(['a', 'c']);
    expect(messageOf('b')).toContain(
      ` waits for the Job ${scene.activeJobs()[0]}, which copies from the server orders-neo4j:6362.`,
    );
    await finish('c');
    expect(running()).toEqual(['a']);
    await finish('a');
    expect(running()).toEqual(['b']);
  });

  test('keeps those that wait for it out of the way of others in the operator’s queue', async () => {
    await begin({ runningBackups: 2, runningBackupsPerServer: 1 });
    makeServer('stock-neo4j', 6362);
    await applyInTurn(['a', 'b', 'c']);
    await applyInTurn(['x', 'y'], ofServer('stock-neo4j'));
    expect(running()).toEqual(['a', 'x']);
    await finish('a');
    expect(running()).toEqual(['x', 'b']);
    await finish('x');
    expect(running()).toEqual(['b', 'y']);
    expect(await finishAll()).toEqual(['b', 'y', 'c']);
    expect(most).toBe(2);
  });

  test('tells servers apart by port', async () => {
    await begin({ runningBackupsPerServer: 1 });
    makeServer('two-ports', 6362, 6363);
    await applyInTurn(['a'], { source: { serviceRef: { name: 'two-ports' } } });
    await applyInTurn(['b'], { source: { serviceRef: { name: 'two-ports' }, port: 6363 } });
    expect(running()).toEqual(['a', 'b']);
  });
});

describe('the limit of a claim', () => {
  test('holds where many Pods may use it', async () => {
    await begin({ runningBackupsPerClaim: 2 });
    await applyInTurn(['a', 'b', 'c', 'd']);
    expect(running()).toEqual(['a', 'b']);
    expect(messageOf('d')).toContain(' waits: 2 of 2 backups of the claim backups are running.');
    expect(await finishAll()).toEqual(['a', 'b', 'c', 'd']);
    expect(most).toBe(2);
  });

  test('is one where one Pod at a time may, whatever it says', async () => {
    await begin({ runningBackupsPerClaim: 5 }, 'ReadWriteOnce');
    await applyInTurn(['a', 'b']);
    expect(running()).toEqual(['a']);
  });

  test('holds up nobody on another claim', async () => {
    await begin({ runningBackups: 2 }, 'ReadWriteOnce');
    scene.kube.put(claims, namespace, { metadata: { name: 'others' } });
    await applyInTurn(['a', 'b', 'c']);
    await applyInTurn(['x'], { destination: { persistentVolumeClaim: { claimName: 'others' } } });
    expect(running()).toEqual(['a', 'x']);
    await finish('a');
    expect(running()).toEqual(['x', 'b']);
  });

  test('is taken by one that waits for a Pod of nobody’s run, and nothing else is', async () => {
    await begin({ runningBackups: 1 }, 'ReadWriteOnce');
    scene.kube.put(claims, namespace, { metadata: { name: 'others' } });
    const owner = { apiVersion: 'neo4j-backup.dev/v1alpha1', kind: 'Neo4jBackup', name: 'x', uid: 'x-uid' };
    const marks = { [labels.managedBy]: managedBy, [labels.claim]: 'backups', [labels.task]: 'scrub' };
    scene.kube.put(jobs, namespace, { metadata: { name: 'x-1', labels: marks, ownerReferences: [owner] } });
    scene.hold('x-1');
    await applyInTurn(['a', 'b']);
    await applyInTurn(['c'], { destination: { persistentVolumeClaim: { claimName: 'others' } } });
    expect(running()).toEqual(['c']);
    await finish('c');
    expect(running()).toEqual([]);
    scene.letGo('x-1');
    await scene.settle(5_000);
    expect(running()).toEqual(['a']);
    await finish('a');
    expect(running()).toEqual(['b']);
  });

  test('failed runs make room, too', async () => {
    await begin({ runningBackupsPerClaim: 1 });
    await applyInTurn(['a', 'b']);
    scene.finish(scene.activeJob(), aFailure());
    await scene.settle(5_000);
    expect(running()).toEqual(['b']);
  });
});
