// What a process costs, read when it is asked for. The client's own set of these keeps a timer running, and an observer.
import { readdir } from 'node:fs/promises';
import { Counter, Gauge, type Registry } from '@prometheus-io/client';

/** Names, and their meaning, are those that every Prometheus client has for them. */
export function addProcessMetrics(registry: Registry): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number | Promise<number>): void => {
    const metric: Gauge = new Gauge({ name, help, registers, collect: async () => metric.set(await read()) });
  };
  let counted = 0;
  const cpu: Counter = new Counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time that the process has used. Seconds.',
    registers,
    collect: () => {
      const { user, system } = process.cpuUsage();
      const seconds = (user + system) / 1e6;
      cpu.inc(seconds - counted);
      counted = seconds;
    },
  });
  gauge('process_start_time_seconds', 'When the process started. Seconds since 1970.', () =>
    Math.round(performance.timeOrigin / 1_000),
  );
  gauge('process_resident_memory_bytes', 'Memory that the process holds. Bytes.', () =>
    process.memoryUsage.rss(),
  );
  gauge(
    'process_open_fds',
    'Files and connections that are open; 0 where the system does not tell. Number.',
    async () => (await readdir('/proc/self/fd').catch(() => [])).length,
  );
  gauge(
    'nodejs_heap_size_total_bytes',
    'Memory that JavaScript objects have at their disposal. Bytes.',
    () => process.memoryUsage().heapTotal,
  );
  gauge(
    'nodejs_heap_size_used_bytes',
    'Memory that JavaScript objects take, garbage included. Bytes.',
    () => process.memoryUsage().heapUsed,
  );
  gauge(
    'nodejs_external_memory_bytes',
    'Memory of buffers, and of what else belongs to JavaScript objects. Bytes.',
    () => process.memoryUsage().external,
  );
  gauge('nodejs_eventloop_lag_seconds', 'How long a task waited for its turn just now. Seconds.', lagSeconds);
}

async function lagSeconds(): Promise<number> {
  const startMs = performance.now();
  await new Promise((resolve) => setImmediate(resolve));
  return (performance.now() - startMs) / 1_000;
}
