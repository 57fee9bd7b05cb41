// The program inside the Pod of a run: `agent prepare` before Neo4j's tool, `agent report` after it; or in the place of all:
// `agent inspect`, `agent prune`, and `agent scrub`, which reads everything back. And for people, anywhere: `agent explain`,
// `agent catalog` and `agent verify`.
import { constants, setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from './agent/context.ts';
import { explainFiles } from './agent/explain.ts';
import { runInspection } from './agent/inspect.ts';
import { runOffline } from './agent/offline.ts';
import { runPrune } from './agent/prune.ts';
import { runContainer } from './agent/run.ts';
import { runScrub } from './agent/scrub.ts';
import {
  agentConfig,
  ConfigError,
  explainConfig,
  isOfflineVerb,
  offlineConfig,
  type OfflineConfig,
} from './config.ts';
import { selectEngine } from './engine/select.ts';
import { refusedAs } from './run/address.ts';
import { exitCodes } from './run/report.ts';
import { makeLog } from './telemetry/log.ts';
import { realFiles } from './volume/files.ts';
import { readSpace } from './volume/space.ts';

async function main(): Promise<number> {
  const { verb, request, podUID, volume, exchange, terminationLog, apiServer } = agentConfig(
    process.argv.slice(2),
    process.env,
  );
  const engine = selectEngine(request.neo4jVersion);
  if (engine === undefined) throw new ConfigError(`no engine serves Neo4j ${request.neo4jVersion}`);
  const log = makeLog(verb, 'info');
  const context: Context = {
    request,
    engine,
    podUID,
    files: realFiles,
    volume,
    exchange,
    now: () => new Date(),
    clock: { monotonicMs: () => performance.now(), sleep: (ms, signal) => sleep(ms, undefined, { signal }) },
    readSpace,
    refusedAs: (address) => refusedAs(address, apiServer),
    say: (fields, message) => log.info(fields, message),
  };
  if (verb === 'inspect') return runInspection(context, terminationLog);
  if (verb === 'prune') return runPrune(context, terminationLog);
  if (verb === 'scrub') {
    setPriority(constants.priority.PRIORITY_LOW); // it has all the time: whoever else works on the node goes before
    return runScrub(context, terminationLog);
  }
  return runContainer(verb, context, terminationLog);
}

async function explainVerb(argv: readonly string[]): Promise<number> {
  const explanation = await explainFiles(explainConfig(argv));
  process.stdout.write(`${JSON.stringify(explanation, undefined, 2)}\n`);
  return 0;
}

async function offlineVerb(config: OfflineConfig): Promise<number> {
  const { text, exitCode } = await runOffline(config);
  process.stdout.write(text);
  return exitCode;
}

/** Those that need no run. They end with 2 when they are called wrongly, or cannot do their work. */
function verbForPeople([verb, ...argv]: readonly string[]): (() => Promise<number>) | undefined {
  if (verb === 'explain') return () => explainVerb(argv);
  return isOfflineVerb(verb) ? () => offlineVerb(offlineConfig(verb, argv)) : undefined;
}

const forPeople = verbForPeople(process.argv.slice(2));
try {
  process.exitCode = await (forPeople ?? main)();
} catch (error) {
  // A bundle's own trace would print its one huge line: the message is what helps.
  process.stderr.write(
    `${error instanceof ConfigError ? error.message : String(error instanceof Error ? error.stack?.slice(0, 2000) : error)}\n`,
  );
  process.exitCode = forPeople !== undefined ? 2 : exitCodes.final;
}
