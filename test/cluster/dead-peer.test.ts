// An API server whose machine vanishes: no end of the connection, no answer, no packet any more.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { isKubeError } from '../../src/kube/errors.ts';
import { kubeClient } from '../../src/kube/http.ts';
import { loadKubeConfig } from '../../src/kube/kube-config.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { Reflector } from '../../src/runtime/reflector.ts';
import { ensurePackages } from '../../tools/debian.ts';
import { controlPlaneParts } from '../../tools/parts.ts';
import { must } from '../../tools/run.ts';
import { steps } from '../../tools/steps.ts';
import { configMaps } from '../contract/kube-client.ts';
import { ControlPlane } from '../support/control-plane.ts';
import { quietLog } from '../support/quiet-log.ts';

const namespace = 'default';
const table = `dead-peer-${process.pid}`;

/** As long as the issue of it allows, and as our keep-alive probes take: 30 s, and ten of a second each. Milliseconds. */
const noticedMs = 60_000;
const probedMs = 38_000;

let controlPlane: ControlPlane;

beforeAll(async () => {
  await ensurePackages(['nftables'], steps());
  controlPlane = await ControlPlane.start(await controlPlaneParts(steps()));
});

afterAll(async () => {
  await controlPlane?.stop();
});

/** Drops every packet from and to the server. @returns what lets them pass again */
async function vanish(): Promise<() => Promise<unknown>> {
  const { clusters } = parse(readFileSync(controlPlane.kubeconfig, 'utf8')) as {
    readonly clusters: readonly [{ readonly cluster: { readonly server: string } }];
  };
  const { port } = new URL(clusters[0].cluster.server);
  const chain = `type filter hook input priority filter; tcp dport ${port} drop; tcp sport ${port} drop`;
  await must(['nft', '-f', '-'], { input: `table inet ${table} { chain input { ${chain}; }; }\n` });
  let isThere = true;
  return async () => {
    if (isThere) await must(['nft', 'delete', 'table', 'inet', table]);
    isThere = false;
  };
}

interface Ended {
  readonly error: unknown;
  readonly afterMs: number;
}

async function ended(work: Promise<unknown>): Promise<Ended> {
  const startMs = performance.now();
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { error, afterMs: performance.now() - startMs };
}

test('ends watches within a minute and calls at their deadline, and all goes on when it is back', async () => {
  const stop = new AbortController();
  const { signal } = stop;
  const kubeConfig = loadKubeConfig(controlPlane.kubeconfig);
  const client = kubeClient({ kubeConfig, userAgent: 'dead-peer', limits: { callMs: 8_000 } });
  const common = { client, resource: configMaps, namespace, log: quietLog() };
  const reflector = new Reflector({ ...common, clock: systemClock, random: Math.random });
  const reflecting = reflector.run(signal);
  onTestFinished(async () => {
    stop.abort();
    await reflecting;
    await client.close();
  });
  await reflector.whenSynced(signal);
  const { resourceVersion } = await client.list(configMaps, { namespace });
  const events = client.watch(configMaps, { namespace, resourceVersion, signal })[Symbol.asyncIterator]();
  const first = events.next();
  await client.create(configMaps, namespace, { metadata: { name: 'before' } });
  expect(await first).toMatchObject({ value: { type: 'added' } });

  const comeBack = await vanish();
  onTestFinished(async () => void (await comeBack()));
  const name = { namespace, name: 'after' };
  const [watch, read, write] = await Promise.all([
    ended(events.next()),
    ended(client.get(configMaps, name)),
    ended(client.create(configMaps, namespace, { metadata: { name: 'never' } })),
  ]);
  for (const { error } of [watch, read, write]) expect(isKubeError(error, 'unavailable')).toBe(true);
  for (const { afterMs } of [read, write]) expect(afterMs).toBeLessThan(10_000);
  expect(watch.afterMs).toBeGreaterThan(probedMs);
  expect(watch.afterMs).toBeLessThan(noticedMs);

  await comeBack();
  await expect
    .poll(() => ended(client.create(configMaps, namespace, { metadata: name })), { timeout: 20_000 })
    .toMatchObject({ error: undefined });
  await expect.poll(() => reflector.get(name), { timeout: 45_000 }).toBeDefined();
});
