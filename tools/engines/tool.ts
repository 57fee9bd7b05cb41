// The real tool as a child process, to its end, with what may happen to it on the way.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { toolCommand, type Engine, type ToolOptions } from '../engines.ts';

export interface RunOptions extends ToolOptions {
  /** Put before java, e.g. to drop a capability. */
  readonly prefix?: readonly string[];
  /** What happens while it runs. */
  readonly during?: (pid: number) => Promise<void>;
  /** After so long it is killed, in milliseconds. */
  readonly timeoutMs?: number;
}

export interface Ended {
  /** As a shell gives it: 137 after SIGKILL. */
  readonly rc: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the tool as the operator does: with the words that tell why it failed. */
export async function runTool(on: Engine, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { prefix = [], during, timeoutMs = 600_000, ...of } = options;
  const { command, env } = toolCommand(on, args, of);
  const [program = '', ...rest] = [...prefix, ...command];
  const child = spawn(program, rest, {
    env: { ...process.env, ...env, NEO4J_DEBUG: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const [[code, signal]] = await Promise.all([closed, during?.(child.pid ?? 0)]);
  return {
    rc: code ?? 128 + constants.signals[signal ?? 'SIGKILL'],
    stdout: Buffer.concat(out).toString('utf8'),
    stderr: Buffer.concat(err).toString('utf8'),
  };
}
