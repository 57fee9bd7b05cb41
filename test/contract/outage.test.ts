// The API server fails under load, and the operator does: no run has two Jobs, none is lost, and work goes on by itself.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, onTestFinished, test, vi } from 'vitest';
import { kubeClient, type HttpKubeClient } from '../../src/kube/http.ts';
import { loadKubeConfig } from '../../src/kube/kube-config.ts';
import { must } from '../../tools/run.ts';
import { ControlPlane } from '../support/control-plane.ts';
import { endsOf, followJobs, furnish, Operator, play, runsOf } from './outage-world.ts';

/** Each with two runs. */
const resources = 40;

vi.setConfig({ testTimeout: 3 * 60_000, hookTimeout: 2 * 60_000 });

/** How soon work has to go on once the API server is there again. Milliseconds. */
const recoveryMs = 30_000;

let controlPlane: ControlPlane;
let client: HttpKubeClient;

beforeAll(async () => {
  controlPlane = await ControlPlane.start(inject('controlPlaneParts'));
  // Nobody else's patience is tested here: who plays the others asks again soon.
  const limits = { callMs: 3_000 };
  client = kubeClient({ kubeConfig: loadKubeConfig(controlPlane.kubeconfig), userAgent: 'others', limits });
  await kubectl(['apply', '--server-side', '-f', join(import.meta.dirname, '../../crds')]);
  await kubectl(['wait', '--for=condition=Established', 'crd', '--all']);
});

afterAll(async () => {
  await client?.close();
  await controlPlane?.stop();
});

function kubectl(args: readonly string[]): Promise<string> {
  return must([inject('kubectl'), '--kubeconfig', controlPlane.kubeconfig, ...args]);
}

interface Scene {
  readonly namespace: string;
  readonly operator: Operator;
  /** Name of every Job that came into being, when it did. */
  readonly made: readonly string[];
}

interface Load {
  readonly withElection?: boolean;
  /** When the trouble begins: so many Jobs have been made, as a share of the resources. Beyond 1 triggers fire again. */
  readonly share?: number;
}

/** Resources have been applied, Jobs are being made. */
async function underLoad({ withElection = false, share = 0.25 }: Load = {}): Promise<Scene> {
  const namespace = `outage-${randomBytes(4).toString('hex')}`;
  await kubectl(['create', 'namespace', namespace]);
  const over = new AbortController();
  const made = await followJobs(controlPlane.etcd, namespace, over.signal);
  await furnish(client, namespace, resources);
  const flags = [`--kubeconfig=${controlPlane.kubeconfig}`, `--namespaces=${namespace}`];
  const election = withElection ? [`--leader-election-namespace=${namespace}`] : [];
  const operator = new Operator('one', [...flags, ...election]);
  const playing = play(client, namespace, over.signal);
  onTestFinished(async () => {
    over.abort();
    await Promise.all([operator.stop(), playing]);
  });
  await reaches(made, share);
  return { namespace, operator, made };
}

async function reaches(made: readonly string[], share: number, timeout = 60_000): Promise<void> {
  await expect.poll(() => made.length, { timeout, interval: 5 }).toBeGreaterThanOrEqual(resources * share);
}

/** Work goes on by itself, to a good end. */
async function goesOn({ namespace, operator, made }: Scene): Promise<void> {
  const before = made.length;
  expect(before).toBeLessThan(resources * 2);
  await reaches(made, (before + 1) / resources, recoveryMs);
  const allWell = Array.from({ length: resources }, () => 'first Succeeded, second Succeeded');
  // A write that the server took and never answered is given up after 30 s, and then done again.
  const late = { timeout: 90_000, interval: 500 };
  await expect.poll(() => endsOf(client, namespace), late).toEqual(allWell);
  expect(await operator.stop()).toBe(0);
  expect(made.toSorted()).toEqual((await runsOf(client, namespace)).toSorted());
  expect(new Set(made).size).toBe(resources * 2);
}

test('the API server is killed, and comes back', async () => {
  const scene = await underLoad();
  await controlPlane.killServer();
  await sleep(3_000);
  await controlPlane.startServer();
  await goesOn(scene);
  expect(scene.operator.ends).toEqual([]);
});

test('the API server hangs while runs end and triggers fire, longer than a read waits, and goes on', async () => {
  const scene = await underLoad({ share: 1.25 });
  controlPlane.freezeServer();
  onTestFinished(() => controlPlane.thawServer());
  await sleep(14_000);
  controlPlane.thawServer();
  await goesOn(scene);
  expect(scene.operator.ends).toEqual([]);
});

test('the API server is away until the Lease is lost: the operator ends, and its next life goes on', async () => {
  const scene = await underLoad({ withElection: true });
  await controlPlane.killServer();
  await expect.poll(() => scene.operator.ends, { timeout: 30_000 }).toEqual([1]);
  await controlPlane.startServer();
  await goesOn(scene);
  expect(scene.operator.ends).toEqual([1]);
});

test('the operator is killed, again and again', async () => {
  const scene = await underLoad();
  for (const share of [0.4, 0.6, 1.25]) {
    scene.operator.kill();
    await reaches(scene.made, share);
  }
  scene.operator.kill();
  await goesOn(scene);
  expect(scene.operator.ends).toEqual(['SIGKILL', 'SIGKILL', 'SIGKILL', 'SIGKILL']);
});
