// `npm run bench`: what the operator costs, beside doing the same without it. docs/benchmarks.md says how to read it.
import { benchController } from './bench/controller.ts';
import { benchRuns } from './bench/runs.ts';
import { benchVolume } from './bench/volume.ts';
import { stopRequested } from './stopping.ts';

const usage = `usage: npm run bench [-- runs [REPETITIONS]]        whole runs on a node; 5 where it is not said
       npm run bench -- controller [RESOURCES]       many resources, without a node; 5000 where it is not said
       npm run bench -- volume [MEBIBYTES]           a store of that size on a disk; 2048 where it is not said`;

/** Undefined: no such command. */
function commandOf(args: readonly string[]): ((stopped: Promise<number>) => Promise<number>) | undefined {
  const [mode = 'runs', text, ...rest] = args;
  const number = text === undefined ? undefined : Number(text);
  if (rest.length > 0 || (number !== undefined && !(Number.isInteger(number) && number > 0)))
    return undefined;
  if (mode === 'runs') return (stopped) => benchRuns(number ?? 5, stopped);
  if (mode === 'volume') return (stopped) => benchVolume(number ?? 2_048, stopped);
  return mode === 'controller' ? (stopped) => benchController(number ?? 5_000, stopped) : undefined;
}

const command = commandOf(process.argv.slice(2));
if (command === undefined) console.error(usage);
process.exit(command === undefined ? 2 : await command(stopRequested()));
