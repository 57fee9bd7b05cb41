// A run as it happens, a line for each thing that changes: for people who watch.
import * as z from 'zod';
import type { Playground } from './playground.ts';

const lastRun = z.object({
  reason: z.string(),
  message: z.string(),
  triggerID: z.string().optional(),
  path: z.string().optional(),
});
export type LastRun = Readonly<z.output<typeof lastRun>>;

const backup = z.object({
  status: z
    .object({
      currentRun: z.object({ id: z.string(), triggerID: z.string().optional() }).optional(),
      lastRun: lastRun.optional(),
      conditions: z.array(z.object({ type: z.string(), status: z.string(), reason: z.string() })).default([]),
    })
    .optional(),
});

const containerStatuses = z
  .array(
    z.object({
      name: z.string(),
      state: z.object({
        waiting: z.object({ reason: z.string().optional() }).optional(),
        running: z.object({}).optional(),
        terminated: z.object({ exitCode: z.int() }).optional(),
      }),
    }),
  )
  .default([]);

const podList = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      status: z.object({ initContainerStatuses: containerStatuses, containerStatuses }),
    }),
  ),
});

/** What each container is for. */
const purposes: Readonly<Record<string, string>> = {
  prepare: 'looks at the destination and the port, decides full or incremental, stages',
  engine: "Neo4j's own tool, on the staged copy",
  report: 'reads the backup back, verifies, publishes',
};

/**
 * Says what happens in a run until it has ended, and gives how.
 * @param triggerID of the run that is waited for; absent: the first one
 */
export async function followRun(
  on: Playground,
  {
    name,
    triggerID,
    say,
  }: { readonly name: string; readonly triggerID?: string; readonly say: (line: string) => void },
): Promise<LastRun> {
  const begun = performance.now();
  const told = new Set<string>();
  const tell = (line: string): void => {
    if (told.has(line)) return;
    told.add(line);
    say(`  ${((performance.now() - begun) / 1000).toFixed(1).padStart(5)} s  ${line}`);
  };
  return on.until(
    `end of the run of ${name}`,
    async () => {
      const { status = { conditions: [] } } = backup.parse((await on.get('neo4jbackup', name)) ?? {});
      const { currentRun, lastRun: ended, conditions } = status;
      if (currentRun !== undefined && currentRun.triggerID === triggerID)
        await tellPods(on, currentRun.id, tell);
      for (const { type, status: is, reason } of conditions)
        if (type === 'Ready' && is === 'False') tell(`waits: ${reason}`);
      return ended?.triggerID === triggerID ? ended : undefined;
    },
    180,
  );
}

async function tellPods(on: Playground, job: string, tell: (line: string) => void): Promise<void> {
  tell(`Job ${job}`);
  const text = await on.kubectl(['get', 'pods', '-l', `batch.kubernetes.io/job-name=${job}`, '-o', 'json']);
  for (const { metadata, status } of podList.parse(JSON.parse(text)).items) {
    tell(`Pod ${metadata.name}`);
    for (const { name, state } of [...status.initContainerStatuses, ...status.containerStatuses]) {
      if (state.running !== undefined) tell(`  ${name.padEnd(8)} ${purposes[name] ?? 'runs'}`);
      if (name === 'engine' && state.running !== undefined) await tellLog(on, metadata.name, tell);
      if (state.terminated !== undefined && state.terminated.exitCode !== 0)
        tell(`  ${name.padEnd(8)} ended with exit code ${state.terminated.exitCode}`);
    }
  }
}

/** The line that the tool has just printed: not all of them, it prints hundreds. */
async function tellLog(on: Playground, pod: string, tell: (line: string) => void): Promise<void> {
  const text = await on.kubectl(['logs', pod, '-c', 'engine', '--tail=1']).catch(() => ''); // not begun yet
  const line = text.trim().replace(/^[-\d]+ [:.+\d]+ [A-Z]+ \[[^\]]*\] /, '');
  if (line !== '') tell(`           ${line.slice(0, 100)}`);
}
