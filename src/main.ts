// The operator: reads its configuration, wires the parts, runs until it is told to stop.
import project from '../package.json' with { type: 'json' };
import { servedSchemaPath } from './api/served.ts';
import { BackupController, type StatusChange } from './backup/controller.ts';
import { ConfigError, operatorConfig, operatorHelp, type OperatorConfig } from './config.ts';
import { eventRecorder, type EventRecorder } from './kube/events.ts';
import { kubeClient, type HttpKubeClient } from './kube/http.ts';
import { loadKubeConfig } from './kube/kube-config.ts';
import { Operator } from './operator.ts';
import { systemClock } from './runtime/clock.ts';
import { LeaderElector } from './runtime/leader.ts';
import type { Log } from './runtime/log.ts';
import { serveHealth } from './telemetry/health.ts';
import { makeLog } from './telemetry/log.ts';
import { Metrics } from './telemetry/metrics.ts';
import type { TextServer } from './telemetry/serve.ts';

/** Kubernetes kills after 30 s, people after ten. Passes under way have 6 s of it, the Lease 2, the last Events 1. Milliseconds. */
const exitMs = 9_500;
const lastEventsMs = 1_000;

const { version } = project;

async function main(): Promise<void> {
  const config = operatorConfig(process.argv.slice(2), process.env);
  if (config === undefined) {
    process.stdout.write(`${operatorHelp()}\n`);
    return;
  }
  // Who works on while nobody can hear it is not to be trusted; kubelet and shell give the next one a pipe that is read.
  const log = makeLog('operator', config.logLevel, () => process.exit(1));
  const stop = stopOnSignal(log);
  const metrics = new Metrics(version);
  const client = kubeClient({
    kubeConfig: loadKubeConfig(config.kubeconfig),
    userAgent: 'neo4j-backup-operator',
    onUnreadable: (error) => log.warn({ err: error }, 'an object cannot be read and is left alone'),
    onRequest: (request) => metrics.requestMade(request),
  });
  const events = eventRecorder({
    client,
    now: () => systemClock.now(),
    reportingController: 'neo4j-backup.dev/operator',
    reportingInstance: config.instance,
    onLost: (event, error) => {
      metrics.eventLost();
      log.warn({ reason: event.reason, err: error }, 'an Event was not sent');
    },
  });
  const operator = operatorOf(config, { client, events, metrics, log });
  const servers: TextServer[] = [];
  try {
    const { healthPort, metricsPort } = config;
    if (healthPort !== undefined) servers.push(await serveHealth(healthPort, operator));
    if (metricsPort !== undefined) servers.push(await metrics.serve(metricsPort));
    await operator.run(stop);
  } catch (error) {
    log.error({ err: error }, 'the process ends');
    process.exitCode = 1;
    return;
  } finally {
    exitWithin(exitMs, log);
    await Promise.race([events.flush(), systemClock.sleep(lastEventsMs, new AbortController().signal)]);
    await Promise.all(servers.map((server) => server.close()));
    await client.close();
  }
  log.info({}, 'stopped');
}

interface Parts {
  readonly client: HttpKubeClient;
  readonly events: EventRecorder;
  readonly metrics: Metrics;
  readonly log: Log;
}

function operatorOf(config: OperatorConfig, { client, events, metrics, log }: Parts): Operator {
  const { agentImage, allowedHosts, allowedImages, limits, namespaces, instance, leaderElectionNamespace } =
    config;
  const common = { clock: systemClock, random: Math.random, log };
  const policy = { agentImage, allowedHosts, allowedImages };
  const watched = namespaces.length === 0 ? 'all' : namespaces;
  log.info({ version, namespaces: watched, ...policy, limits }, 'starting');
  const election =
    leaderElectionNamespace === undefined
      ? undefined
      : new LeaderElector({ ...common, client, namespace: leaderElectionNamespace, identity: instance });
  const onStatus = (change: StatusChange): void => metrics.statusWritten(change);
  const work = new BackupController({
    ...common,
    client,
    events,
    metrics,
    namespaces,
    policy,
    limits,
    onStatus,
  });
  metrics.follow({ caches: work.caches, controller: work.controller, queue: work.queue, election });
  return new Operator({
    ...common,
    fetchSchema: (signal) => client.getDocument(servedSchemaPath, { signal }),
    election,
    work,
    onEnding: () => exitWithin(exitMs, log),
  });
}

/** What nobody caught is a bug: the process ends, and is started anew. */
function stopOnSignal(log: Log): AbortSignal {
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const)
    process.once(name, () => {
      exitWithin(exitMs, log);
      stop.abort(new Error(name));
    });
  process.on('uncaughtException', (error, origin) => {
    log.error({ err: error, origin }, 'nobody caught this: the process ends');
    process.exit(1);
  });
  return stop.signal;
}

/** Ends the process by force if it has not ended by itself. Holds nobody up. */
function exitWithin(delayMs: number, log: Log): void {
  const end = (): void => {
    log.error({}, 'something did not end in time: the process ends');
    process.exit(1);
  };
  setTimeout(end, delayMs).unref();
}

try {
  await main();
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${text}\n`);
  process.exitCode = error instanceof ConfigError ? 2 : 1;
}
