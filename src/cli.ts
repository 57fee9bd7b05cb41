#!/usr/bin/env node
// The program for people, without a cluster so far: `neo4j-backup plan FILE.yaml` tells what a resource comes to before it is applied.
import { createReadStream } from 'node:fs';
import { safeJSON } from './api/table.ts';
import { planFile, type Asked } from './cli/plan.ts';
import { printReport } from './cli/print.ts';
import { cliConfig, cliHelp, ConfigError, type PlanConfig } from './config.ts';

/** Exit codes: the plan keeps what the resources promise; an objective is not met; there is nothing that could be planned. */
const exitCodes = { kept: 0, broken: 1, wrong: 2 } as const;

/** More is no file of resources. Bytes. */
const mostBytes = 16 * 1_048_576;

async function main(): Promise<number> {
  const config = cliConfig(process.argv.slice(2));
  if (config === undefined) {
    process.stdout.write(`${cliHelp()}\n`);
    return exitCodes.kept;
  }
  const answer = planFile(await read(config.file), askedOf(config));
  if (answer.kind === 'wrong')
    throw new ConfigError(answer.problems.map((problem) => `${config.file}: ${problem}`).join('\n'));
  const { report } = answer;
  process.stdout.write(config.output === 'json' ? safeJSON(report) : printReport(report));
  return report.plans.some(({ dataLoss }) => dataLoss.met === false) ? exitCodes.broken : exitCodes.kept;
}

function askedOf({ days, from = new Date(), sizeBytes, growthBytes = 0 }: PlanConfig): Asked {
  return { days, from, sizes: sizeBytes === undefined ? undefined : { fullBytes: sizeBytes, growthBytes } };
}

/** @throws ConfigError where it cannot be read */
async function read(file: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of file === '-' ? process.stdin : createReadStream(file)) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes > mostBytes) throw new Error(`it has more than ${mostBytes} bytes`);
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${file} cannot be read: ${why}`, { cause: error });
  }
  return Buffer.concat(chunks).toString('utf8');
}

// Whoever reads may have read enough: the answer is the exit code all the same.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  process.stderr.write(`the plan cannot be written: ${error.message}\n`);
  process.exit(exitCodes.wrong);
});

try {
  process.exitCode = await main();
} catch (error) {
  // A bundle's own trace would print its one huge line: the message is what helps.
  process.stderr.write(
    `${error instanceof ConfigError ? error.message : String(error instanceof Error ? error.stack?.slice(0, 2000) : error)}\n`,
  );
  process.exitCode = exitCodes.wrong;
}
