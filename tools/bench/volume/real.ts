// A real server with a store of some size, and the real tool that takes backups of it.
import { basename, dirname, join } from 'node:path';
import { engine, type EngineVersion } from '../../engines.ts';
import { startServer } from '../../engines/server.ts';
import { runTool } from '../../engines/tool.ts';
import type { Steps } from '../../steps.ts';
import type { Tool } from './run.ts';

export const loopback = '127.0.0.1';

const version: EngineVersion = '3.4.18';

/** Length of the one property that each node has. */
const textBytes = 20_000;

/** What a node with that takes on disk: 167 records of 128 bytes, which hold 120 each, and a few small ones. */
const nodeBytes = 21_500;

export interface RealStore {
  readonly version: string;
  readonly port: number;
  /** The tool by itself: a full backup into a folder that it makes. */
  copy(folder: string): Promise<void>;
  /** The same between our containers, with the command line that they tell. */
  readonly tool: Tool;
  close(): Promise<void>;
}

/** Starts a server, and fills its store. A 2 GiB one takes a minute. */
export async function realStore(folder: string, sizeBytes: number, progress: Steps): Promise<RealStore> {
  const on = await engine(version, progress);
  const settings = {
    ...on.pruning,
    'x.nodes': String(Math.floor(sizeBytes / nodeBytes)),
    'x.bytes': String(textBytes),
  };
  const server = await startServer(on, { store: join(folder, 'graph.db'), settings });
  const run = async (argv: readonly string[]): Promise<void> => {
    const { rc, stdout, stderr } = await runTool(on, argv, { home: join(folder, 'home') });
    if (rc !== 0) throw new Error(`the tool ended with ${rc}: ${(stdout + stderr).slice(-500)}`);
  };
  return {
    version,
    port: server.port,
    copy: (to) =>
      run([
        'backup',
        `--backup-dir=${dirname(to)}`,
        `--name=${basename(to)}`,
        `--from=${loopback}:${server.port}`,
        '--check-consistency=false',
      ]),
    tool: (_, [, ...argv]) => run(argv),
    close: () => server.stop(),
  };
}
