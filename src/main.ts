// The operator: reads its configuration, wires the parts, runs until it is told to stop.
import { BackupController } from './backup/controller.ts';
import { ConfigError, operatorConfig, operatorHelp } from './config.ts';
import { eventRecorder } from './kube/events.ts';
import { kubeClient } from './kube/http.ts';
import { loadKubeConfig } from './kube/kube-config.ts';
import { systemClock } from './runtime/clock.ts';
import { makeLog } from './telemetry/log.ts';

async function main(): Promise<number> {
  const config = operatorConfig(process.argv.slice(2), process.env);
  if (config === undefined) {
    process.stdout.write(`${operatorHelp()}\n`);
    return 0;
  }
  const log = makeLog('operator', config.logLevel);
  const client = kubeClient({
    kubeConfig: loadKubeConfig(config.kubeconfig),
    userAgent: 'neo4j-backup-operator',
    onUnreadable: (error) => log.warn({ err: error }, 'an object cannot be read and is left alone'),
  });
  const events = eventRecorder({
    client,
    now: () => systemClock.now(),
    reportingController: 'neo4j-backup.dev/operator',
    reportingInstance: config.instance,
    onLost: (event, error) => log.warn({ reason: event.reason, err: error }, 'an Event was not sent'),
  });
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => stop.abort(new Error(signal)));

  const { agentImage, allowedHosts, allowedImages, namespace } = config;
  const controller = new BackupController({
    client,
    events,
    clock: systemClock,
    random: Math.random,
    log,
    namespace,
    policy: { agentImage, allowedHosts, allowedImages },
  });
  log.info({ namespace: namespace ?? 'all', agentImage, allowedHosts }, 'starting');
  await controller.run(stop.signal);
  await events.flush();
  await client.close();
  log.info({}, 'stopped');
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${text}\n`);
  process.exitCode = error instanceof ConfigError ? 2 : 1;
}
