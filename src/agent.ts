// The program inside the Pod of a run: `agent prepare` before Neo4j's tool, `agent report` after it; or in the place of all: `agent inspect`.
import type { Context } from './agent/context.ts';
import { runInspection } from './agent/inspect.ts';
import { runContainer } from './agent/run.ts';
import { agentConfig, ConfigError } from './config.ts';
import { selectEngine } from './engine/select.ts';
import { exitCodes } from './run/report.ts';
import { makeLog } from './telemetry/log.ts';
import { realFiles } from './volume/files.ts';

async function main(): Promise<number> {
  const { verb, request, podUID, volume, exchange, terminationLog } = agentConfig(
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
    say: (fields, message) => log.info(fields, message),
  };
  if (verb === 'inspect') return runInspection(context, terminationLog);
  return runContainer(verb, context, terminationLog);
}

try {
  process.exitCode = await main();
} catch (error) {
  // A bundle's own trace would print its one huge line: the message is what helps.
  process.stderr.write(
    `${error instanceof ConfigError ? error.message : String(error instanceof Error ? error.stack?.slice(0, 2000) : error)}\n`,
  );
  process.exitCode = exitCodes.final;
}
