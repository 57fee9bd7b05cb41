// One run on a folder: our two containers, and between them a tool of the bench's own.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../../../src/agent/context.ts';
import { runContainer } from '../../../src/agent/run.ts';
import { selectEngine } from '../../../src/engine/select.ts';
import { exchange } from '../../../src/run/exchange.ts';
import type { RunRequest } from '../../../src/run/request.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { realFiles, type Files } from '../../../src/volume/files.ts';
import { readSpace } from '../../../src/volume/space.ts';

/** A port that prepare finds open: nobody speaks behind it. */
export async function openPort(): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => {
    server.listen(0, resolve);
  });
  return { port: (server.address() as AddressInfo).port, server };
}

/** An address of this machine that the agent does not refuse, as it does loopback. */
const ownHost =
  Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1';

/** @param host of the server; not this machine's own loopback where the agent refuses that */
export function requestOf(n: number, port: number, host: string = ownHost): RunRequest {
  return {
    schemaVersion: 1,
    run: `orders-${n}`,
    resource: { namespace: 'shop', name: 'orders', uid: '7d1e6f0e-0000-4000-8000-000000000001' },
    createdTime: new Date(Date.UTC(2026, 0, 1, n)).toISOString(),
    path: 'orders',
    source: { host, port },
    neo4jVersion: '3.4.18',
    databases: [],
    allDatabases: false,
    onIncrementalFailure: 'Fail',
    requestedType: 'Auto',
    consistencyCheck: 'Never',
    tool: { options: {} },
    podDeadlineSeconds: 36_000,
    terminalPods: [],
  };
}

export const podUID = '00000000-0000-4000-8000-000000000001';

/** Seconds of the parts of a run. */
export interface Timed {
  readonly prepare: number;
  readonly tool: number;
  readonly report: number;
  /** Of prepare and report: while something changed the volume. The rest is reading. */
  readonly changing: number;
}

/** What takes the backup between our two containers: told the folder that it should make, and its whole command line. */
export type Tool = (store: string, argv: readonly string[]) => Promise<void>;

/** @throws Error when the run took no backup */
export async function timedRun(volume: string, request: RunRequest, tool: Tool): Promise<Timed> {
  const own = mkdtempSync(join(tmpdir(), 'neo4j-backup-bench-pod-'));
  const { files, busySeconds } = watched();
  const context = contextOf(volume, join(own, 'exchange'), { request, files });
  mkdirSync(context.exchange);
  const message = join(own, 'message');
  try {
    const prepare = await timed(() => runContainer('prepare', context, message));
    const working = await timed(() => playTool(context.exchange, tool));
    const report = await timed(() => runContainer('report', context, message));
    if (report.result !== 0) throw new Error(readFileSync(message, 'utf8'));
    return {
      prepare: prepare.seconds,
      tool: working.seconds,
      report: report.seconds,
      changing: busySeconds(),
    };
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

/** Does what prepare has asked for, and says so as the container between ours does. */
export async function playTool(folder: string, tool: Tool): Promise<void> {
  const step = '1';
  const told = readFileSync(join(folder, exchange.arguments(step)), 'utf8');
  const read = (name: string): string => new RegExp(`^--${name}=(.*)$`, 'm').exec(told)?.[1] ?? '';
  const argv = told.split('\n').filter((argument) => argument !== '');
  await tool(join(read('backup-dir'), read('name')), argv);
  for (const name of [exchange.head(step), exchange.tail(step)]) writeFileSync(join(folder, name), '');
  writeFileSync(join(folder, exchange.exitCode(step)), '0\n');
}

function contextOf(
  volume: string,
  folder: string,
  { request, files }: { readonly request: RunRequest; readonly files: Files },
): Context {
  const engine = selectEngine(request.neo4jVersion);
  if (engine === undefined) throw new Error('no engine');
  return {
    request,
    engine,
    podUID,
    files,
    volume,
    exchange: folder,
    clock: systemClock,
    now: () => new Date(),
    readSpace,
    refusedAs: () => undefined,
    say: () => undefined,
  };
}

export async function timed<T>(
  work: () => Promise<T>,
): Promise<{ readonly seconds: number; readonly result: T }> {
  const begun = performance.now();
  const result = await work();
  return { seconds: (performance.now() - begun) / 1000, result };
}

/** The real port, and for how long any of its calls was under way. */
function watched(): { readonly files: Files; readonly busySeconds: () => number } {
  let under = 0;
  let since = 0;
  let busyMs = 0;
  const watch = async <T>(work: () => Promise<T>): Promise<T> => {
    if (under === 0) since = performance.now();
    under += 1;
    try {
      return await work();
    } finally {
      under -= 1;
      if (under === 0) busyMs += performance.now() - since;
    }
  };
  const files: Files = {
    makeFolder: (path) => watch(() => realFiles.makeFolder(path)),
    writeNew: (path, content) => watch(() => realFiles.writeNew(path, content)),
    copy: (from, to, seen) => watch(() => realFiles.copy(from, to, seen)),
    link: (from, to) => watch(() => realFiles.link(from, to)),
    rename: (from, to) => watch(() => realFiles.rename(from, to)),
    rewrite: (path, expected, content) => watch(() => realFiles.rewrite(path, expected, content)),
    sync: (path) => watch(() => realFiles.sync(path)),
    remove: (path) => watch(() => realFiles.remove(path)),
  };
  return { files, busySeconds: () => busyMs / 1000 };
}
