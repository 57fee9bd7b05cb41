#!/usr/bin/env node
// The program for people, without a cluster so far: `neo4j-backup plan FILE.yaml` tells what a resource comes to before it is applied.
import { createReadStream } from 'node:fs';
import { planOf } from './cli/plan.ts';
import { printReport } from './cli/print.ts';
import type { Report } from './cli/report.ts';
import { readResources } from './cli/resources.ts';
import { safeJSON } from './api/table.ts';
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
  const report = reportOf(await read(config.file), config);
  process.stdout.write(config.output === 'json' ? safeJSON(report) : printReport(report));
  return report.plans.some(({ dataLoss }) => dataLoss.met === false) ? exitCodes.broken : exitCodes.kept;
}

/** @throws ConfigError with all that is wrong with the file */
function reportOf(
  text: string,
  { file, days, from = new Date(), sizeBytes, growthBytes }: PlanConfig,
): Report {
  const { found, ignored, problems } = readResources(text);
  const sizes = sizeBytes === undefined ? undefined : { fullBytes: sizeBytes, growthBytes };
  const planned = found.map((one) => ({ one, ...planOf(one, { from, days, sizes }) }));
  const plans = planned.flatMap((each) => (each.kind === 'planned' ? [each.plan] : []));
  const refused = planned.flatMap((each) =>
    each.kind === 'tooMany'
      ? [`document ${each.one.document}, ${each.one.backup.metadata.name}: ${each.problem}`]
      : [],
  );
  const wrong = [...problems, ...refused];
  if (wrong.length === 0 && plans.length === 0) wrong.push(`${file} holds no Neo4jBackup`);
  if (wrong.length > 0) throw new ConfigError(wrong.join('\n'));
  return { schemaVersion: 1, plans, ignored: [...ignored] };
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

try {
  process.exitCode = await main();
} catch (error) {
  // A bundle's own trace would print its one huge line: the message is what helps.
  process.stderr.write(
    `${error instanceof ConfigError ? error.message : String(error instanceof Error ? error.stack?.slice(0, 2000) : error)}\n`,
  );
  process.exitCode = exitCodes.wrong;
}
