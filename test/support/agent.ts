// One attempt of a run without a cluster: our two containers on temporary folders, and between them a tool that does
// what the test says. The port that prepare tries is a real one.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Context } from '../../src/agent/context.ts';
import { parsePlan, type Plan } from '../../src/agent/plan.ts';
import { runInspection } from '../../src/agent/inspect.ts';
import { runContainer } from '../../src/agent/run.ts';
import { selectEngine } from '../../src/engine/select.ts';
import { exchange, type StepID } from '../../src/run/exchange.ts';
import { parseReport, type RunReport } from '../../src/run/report.ts';
import type { RunRequest } from '../../src/run/request.ts';
import { realFiles } from '../../src/volume/files.ts';
import { readSpace as realSpace } from '../../src/volume/space.ts';
import { FakeClock } from './fake-clock.ts';
import { temporaryFolder } from './temporary.ts';
import { makeStore, type StoreFacts } from './volume.ts';

export function aRequest(over: Partial<RunRequest> = {}): RunRequest {
  return {
    schemaVersion: 1,
    run: 'orders-1',
    resource: { namespace: 'shop', name: 'orders', uid: '7d1e6f0e-0000-4000-8000-000000000001' },
    createdTime: '2026-01-01T03:00:00.000Z',
    path: 'orders',
    source: { host: '127.0.0.1', port: 6362 },
    neo4jVersion: '3.4.18',
    databases: [],
    allDatabases: false,
    onIncrementalFailure: 'Fail',
    requestedType: 'Auto',
    consistencyCheck: 'OnFull',
    tool: { options: {} },
    podDeadlineSeconds: 3600,
    terminalPods: [],
    ...over,
  };
}

/** The uid of the n-th Pod. */
export function podUID(n: number): string {
  return `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
}

/** What the tool is told, as far as a test asks. */
export interface ToolCall {
  readonly step: StepID;
  readonly incremental: boolean;
  /** Where it puts the store. */
  readonly store: string;
  readonly argv: readonly string[];
}

export interface ToolResult {
  readonly exitCode: number;
  readonly output?: string;
}

export type Tool = (call: ToolCall) => Promise<ToolResult | undefined>;

/** A tool that works: it writes a store, or brings the one that is there up to date. */
export function tool(facts: StoreFacts = {}, result: Partial<ToolResult> = {}): Tool {
  return ({ store }) => {
    if (store !== '.') makeStore(store, facts); // steps that look at a backup name no place for one
    return Promise.resolve({ exitCode: 0, output: 'Backup complete.\n', ...result });
  };
}

export function failingTool(output: string, exitCode = 1): Tool {
  return () => Promise.resolve({ exitCode, output });
}

/** A volume, a server that listens, and an exchange folder for each attempt. */
export interface World {
  readonly volume: string;
  /** The folder of the destination on it. */
  readonly root: string;
  readonly port: number;
}

export async function aWorld(): Promise<World> {
  const volume = temporaryFolder();
  const port = await listen();
  return { volume, root: join(volume, 'orders'), port };
}

/** A port that accepts connections for as long as the test runs. */
export async function listen(): Promise<number> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => closed(server));
  return (server.address() as AddressInfo).port;
}

/** A port on which nobody listens. */
export async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await closed(server);
  return port;
}

function closed(server: ReturnType<typeof createServer>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

type Surroundings = Pick<Context, 'files' | 'readSpace' | 'refusedAs' | 'clock'>;

export interface AttemptOptions extends Partial<RunRequest>, Partial<Surroundings> {
  readonly pod?: number;
}

export interface Pod {
  readonly context: Context;
  readonly terminationLog: string;
}

/** The Pod of an attempt: it has done nothing yet. */
export function aPod(world: World, options: AttemptOptions = {}): Pod {
  const {
    pod = 1,
    files = realFiles,
    readSpace = realSpace,
    clock = new FakeClock(), // who waits for the lock in a test moves it
    refusedAs = () => undefined, // the servers of tests listen on loopback
    ...over
  } = options;
  const request = aRequest({ source: { host: '127.0.0.1', port: world.port }, ...over });
  const engine = selectEngine(request.neo4jVersion);
  if (engine === undefined) throw new Error('no engine');
  const own = mkdtempSync(join(temporaryFolder(), 'pod-'));
  const folder = join(own, 'exchange');
  mkdirSync(folder);
  const context: Context = {
    request,
    engine,
    podUID: podUID(pod),
    files,
    volume: world.volume,
    exchange: folder,
    now: () => new Date(Date.parse(request.createdTime) + 60_000),
    clock,
    readSpace,
    refusedAs,
    say: () => undefined,
  };
  return { context, terminationLog: join(own, 'termination-log') };
}

export interface Ended {
  readonly code: number;
  /** Undefined: the container left no message. */
  readonly report: RunReport | undefined;
}

/** Runs one of our containers. */
export async function container(verb: 'prepare' | 'report' | 'inspect', pod: Pod): Promise<Ended> {
  const { context, terminationLog } = pod;
  const code = await (verb === 'inspect'
    ? runInspection(context, terminationLog)
    : runContainer(verb, context, terminationLog));
  const message = existsSync(pod.terminationLog) ? readFileSync(pod.terminationLog, 'utf8') : undefined;
  return { code, report: parseReport(message, pod.context.request.run) };
}

/** What the engine container does, with the tool of the test in the place of Neo4j's. */
export async function runTool(pod: Pod, work: Tool): Promise<readonly ToolCall[]> {
  const { exchange: folder } = pod.context;
  const calls: ToolCall[] = [];
  if (existsSync(join(folder, exchange.skip))) return calls;
  const lines = (name: string): readonly string[] | undefined => {
    const file = join(folder, name);
    return existsSync(file) ? readFileSync(file, 'utf8').replace(/\n$/, '').split('\n') : undefined;
  };
  for (const step of lines(exchange.steps) ?? []) {
    if (!isDue(lines, step)) continue;
    const call = callOf(step, lines(exchange.arguments(step)) ?? []);
    calls.push(call);
    const result = await work(call);
    if (result === undefined) return calls;
    const { exitCode, output = '' } = result;
    writeFileSync(join(folder, exchange.head(step)), output);
    writeFileSync(join(folder, exchange.tail(step)), '');
    writeFileSync(join(folder, exchange.exitCode(step)), `${exitCode}\n`);
  }
  return calls;
}

function callOf(step: StepID, argv: readonly string[]): ToolCall {
  const option = (name: string): string =>
    argv.find((argument) => argument.startsWith(`--${name}=`))?.slice(name.length + 3) ?? '';
  return {
    step,
    incremental: option('fallback-to-full') === 'false',
    store:
      argv.find((argument) => argument.startsWith('-to='))?.slice('-to='.length) ??
      join(option('backup-dir'), option('name') || option('database')),
    argv,
  };
}

/** The condition of a step, as the engine script reads it: one suite of tests there holds both to the same cases. */
function isDue(lines: (name: string) => readonly string[] | undefined, step: StepID): boolean {
  const [after] = lines(exchange.after(step)) ?? [];
  if (after === undefined) return true;
  const [earlier = '', ...codes] = after.split(' ');
  const [code] = lines(exchange.exitCode(earlier)) ?? [];
  if (code === undefined || !(codes.includes('*') || codes.includes(code))) return false;
  return saysSo((lines(exchange.head(earlier)) ?? []).join('\n'), {
    when: lines(exchange.when(step)),
    unless: lines(exchange.unless(step)),
  });
}

interface Marks {
  readonly when: readonly string[] | undefined;
  readonly unless: readonly string[] | undefined;
}

function saysSo(output: string, { when, unless }: Marks): boolean {
  const holds = (marks: readonly string[]): boolean => marks.some((mark) => output.includes(mark));
  if (when === undefined && unless === undefined) return true;
  return (when !== undefined && holds(when)) || (unless !== undefined && !holds(unless));
}

/** A whole attempt. `calls`: how the tool was called. */
export interface Attempted extends Ended {
  readonly calls: readonly ToolCall[];
  readonly plan: Plan | undefined;
}

export async function attempt(world: World, options: AttemptOptions, work: Tool): Promise<Attempted> {
  const pod = aPod(world, options);
  const prepared = await container('prepare', pod);
  // What prepare began to write on a disk that is full is no plan.
  if (prepared.code !== 0) return { ...prepared, calls: [], plan: undefined };
  const calls = await runTool(pod, work);
  return { ...(await container('report', pod)), calls, plan: planOf(pod) };
}

export function planOf({ context }: Pod): Plan | undefined {
  const file = join(context.exchange, exchange.plan);
  return existsSync(file) ? parsePlan(readFileSync(file, 'utf8')) : undefined;
}
