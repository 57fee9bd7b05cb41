// Starting other programs: the only place of tools/ that does.
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { appendFileSync, closeSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import type { Writable } from 'node:stream';

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Ends the program (SIGTERM, then SIGKILL) when aborted. */
  readonly signal?: AbortSignal;
}

/** Programs under way: when this process goes, they go. A build that nobody waits for would only burn the machine. */
const underWay = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of underWay) child.kill('SIGKILL');
});

function text(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString('utf8');
}

/** Runs a program to its end and gives what it printed, whatever its exit code. 127: it could not be started. */
export async function output(command: readonly string[], options: RunOptions = {}): Promise<Output> {
  const [program = '', ...args] = command;
  const spawned: SpawnOptions = {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  return new Promise((resolve) => {
    const child = spawn(program, args, spawned);
    underWay.add(child);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', (error) => {
      underWay.delete(child);
      resolve({ code: 127, stdout: text(out), stderr: `${text(err)}${error.message}` });
    });
    child.on('close', (code) => {
      underWay.delete(child);
      resolve({ code: code ?? 1, stdout: text(out), stderr: text(err) });
    });
    child.stdin?.on('error', () => {}); // it ended without reading its input: its exit code tells
    child.stdin?.end(options.input ?? '');
  });
}

/**
 * Runs a program that must succeed, and gives its standard output.
 * @throws Error with the command and the last 20 lines that it printed
 */
export async function must(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await output(command, options);
  if (code === 0) return stdout;
  const tail = `${stdout}\n${stderr}`.trim().split('\n').slice(-20).join('\n');
  throw new Error(`${command.join(' ')}: exit code ${code}\n${tail}`);
}

/** A program that goes on in the background, in a session of its own: no key press reaches it. */
export interface Background {
  readonly pid: number;
  /** Resolves with its exit code; waiting for it does not keep this process alive. */
  readonly ended: Promise<number>;
  /** Its standard input. The program sees the end of it when {@link Background.input} is ended or this process dies. */
  readonly input: Writable;
}

/** Starts a program that is to outlive the call. What it prints is appended to the file `log`. */
export function background(
  command: readonly string[],
  { log, env, cwd = '/' }: { log: string; env?: Readonly<Record<string, string>>; cwd?: string },
): Background {
  const [program = '', ...args] = command;
  const file = openSync(log, 'a', 0o600);
  const child = spawn(program, args, {
    detached: true,
    stdio: ['pipe', file, file],
    cwd,
    env: { ...process.env, ...env },
  });
  closeSync(file);
  const ended = new Promise<number>((resolve) => {
    child.on('error', (error) => {
      appendFileSync(log, `${program}: ${error.message}\n`);
      resolve(127);
    });
    child.on('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
  child.unref();
  const { stdin } = child;
  if (!stdin) throw new Error(`${program}: no pipe to its input`);
  stdin.on('error', () => {}); // it ended first: its exit code tells
  // A pipe to a child is a socket to Node, and has the method; the type of a child's input does not say so.
  if (stdin instanceof Socket) stdin.unref();
  return { pid: child.pid ?? 0, ended, input: stdin };
}

/** Runs a program at this terminal, and gives its exit code. */
export async function attached(command: readonly string[]): Promise<number> {
  const [program = '', ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit' });
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
}

/** A program beside this one, which lives no longer than this one: also SIGKILL of this process ends it. */
export interface Companion {
  readonly pid: number;
  /** Asks it to stop, and waits until it has. Stopping twice is fine. */
  stop(): Promise<void>;
}

/** @param inside what to put before the command, such as a change of network */
export function companion(
  command: readonly string[],
  {
    log,
    inside = (bare) => bare,
  }: { log: string; inside?: (command: readonly string[]) => readonly string[] },
): Companion {
  const [program = '', ...args] = inside(['setpriv', '--pdeathsig', 'TERM', ...command]);
  const file = openSync(log, 'a', 0o600);
  const child = spawn(program, args, { stdio: ['ignore', file, file] });
  closeSync(file);
  underWay.add(child);
  const ended = new Promise<void>((resolve) => {
    child.on('error', () => resolve());
    child.on('exit', () => resolve());
  }).then(() => void underWay.delete(child));
  return {
    pid: child.pid ?? 0,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
