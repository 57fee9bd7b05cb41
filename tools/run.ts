// Starting other programs: the only place of tools/ that does.
import { spawn, type SpawnOptions } from 'node:child_process';

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
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
    const text = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString('utf8');
    child.on('error', (error) => {
      resolve({ code: 127, stdout: text(out), stderr: `${text(err)}${error.message}` });
    });
    child.on('close', (code) => {
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
