// A real server as a child process, on a free port of the loopback interface.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { serverCommand, type Engine, type ServerOptions } from '../engines.ts';

export interface RunningServer {
  readonly port: number;
  readonly pid: number;
  /** Ends it in order: what was written is in the store, whole. */
  stop(): Promise<void>;
  /** Ends it at once, as a lost node would. */
  kill(): Promise<void>;
}

/** A port that was free a moment ago. Only one of two askers at once can still lose it: the kernel hands them out in turn. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

/**
 * Starts a server and resolves when it is READY: backups can be taken, its first nodes are there.
 * @throws Error with what it printed when it ends before that
 */
export async function startServer(
  on: Engine,
  { settings = {}, ...options }: ServerOptions,
): Promise<RunningServer> {
  const port = await freePort();
  const { command, env } = serverCommand(on, {
    ...options,
    settings: { [on.settings.address]: `127.0.0.1:${port}`, ...settings },
  });
  const [program = '', ...args] = command;
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // A test that ends by a throw must not leave a server behind.
  const abandon = (): void => void child.kill('SIGKILL');
  process.once('exit', abandon);
  const ended = once(child, 'close').then(() => process.off('exit', abandon));
  const lastWords: string[] = [];
  const ready = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        lastWords.push(line);
        if (lastWords.length > 20) lastWords.shift();
        if (line.startsWith('READY')) resolve();
      });
    }
  });
  await Promise.race([
    ready,
    ended.then(() => {
      throw new Error(`the server ended before it was ready:\n${lastWords.join('\n')}`);
    }),
  ]);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await ended;
  };
  return { port, pid: child.pid ?? 0, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
}
