// The agent as a Pod runs it: the bundle, a process of its own, and the heap of its memory limit.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { requestVariable, type RunRequest } from '../../../src/run/request.ts';
import { podUID } from './run.ts';

/** What the process took. */
export interface Taken {
  readonly seconds: number;
  readonly peakMiB: number;
  /** Its termination message, if it left one. */
  readonly message: string;
}

/** Printed by the process itself at its end: nobody else can ask it any more. */
const telling =
  'data:text/javascript,process.on("exit",()=>process.stderr.write(`PEAK ${process.resourceUsage().maxRSS}\\n`))';

/**
 * What Node makes of the container's limit of 256 MiB and the share of it that its command names: measured in a memory cgroup,
 * which would need root here. Left to itself it would take this machine's memory for its own, and collect garbage less often.
 */
const heap = ['--max-old-space-size=153', '--max-semi-space-size=1'];

/** Where the containers of a Pod leave word for each other. */
export function exchangeIn(own: string): string {
  return join(own, 'exchange');
}

/** @throws Error when it ends with another code than 0 */
export async function runAgent(
  bundle: string,
  verb: 'prepare' | 'report' | 'scrub',
  { volume, own, request }: { readonly volume: string; readonly own: string; readonly request: RunRequest },
): Promise<Taken> {
  const exchange = exchangeIn(own);
  mkdirSync(exchange, { recursive: true });
  const message = join(own, `${verb}.json`);
  const begun = performance.now();
  const child = spawn(process.execPath, [...heap, '--import', telling, bundle, verb], {
    env: {
      [requestVariable]: JSON.stringify(request),
      POD_UID: podUID,
      VOLUME_FOLDER: volume,
      EXCHANGE_FOLDER: exchange,
      TERMINATION_LOG: message,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => {
    child.on('close', resolve);
  });
  const seconds = (performance.now() - begun) / 1000;
  if (code !== 0) throw new Error(`agent ${verb} ended with ${code}: ${said.slice(-500)} ${textOf(message)}`);
  return { seconds, peakMiB: Number(/PEAK (\d+)/.exec(said)?.[1] ?? 0) / 1024, message: textOf(message) };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it left none
  }
}
