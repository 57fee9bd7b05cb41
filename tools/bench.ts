// `npm run bench`: what the operator costs, beside doing the same without it. docs/benchmarks.md says how to read it.
import { benchController } from './bench/controller.ts';
import { benchRuns } from './bench/runs.ts';
import { benchSchedules } from './bench/schedules.ts';
import { benchVolume } from './bench/volume.ts';
import { stopRequested } from './stopping.ts';

const usage = `usage: npm run bench [-- runs [REPETITIONS]]        whole runs on a node; 5 where it is not said
       npm run bench -- controller [RESOURCES]       many resources, without a node; 5000 where it is not said
       npm run bench -- schedules [RESOURCES]        so many that wait for their time, and a fifth of them due at once, without
                                                     a node; 5000 where it is not said
       npm run bench -- volume [MEBIBYTES]           a store of that size on a disk; 2048 where it is not said`;

type Command = (stopped: Promise<number>) => Promise<number>;

interface Mode {
  /** The number where none is said. */
  readonly usual: number;
  readonly run: (number: number, stopped: Promise<number>) => Promise<number>;
}

const modes: ReadonlyMap<string, Mode> = new Map([
  ['runs', { usual: 5, run: benchRuns }],
  ['controller', { usual: 5_000, run: benchController }],
  ['schedules', { usual: 5_000, run: benchSchedules }],
  ['volume', { usual: 2_048, run: benchVolume }],
]);

/** Undefined: no such command. */
function commandOf(args: readonly string[]): Command | undefined {
  const [name = 'runs', text, ...rest] = args;
  const mode = modes.get(name);
  const number = text === undefined ? mode?.usual : Number(text);
  if (mode === undefined || number === undefined || rest.length > 0) return undefined;
  return Number.isInteger(number) && number > 0 ? (stopped) => mode.run(number, stopped) : undefined;
}

const command = commandOf(process.argv.slice(2));
if (command === undefined) console.error(usage);
process.exit(command === undefined ? 2 : await command(stopRequested()));
