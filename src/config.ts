// The only reader of process.env and argv.
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { numberOf, quantityPattern } from './api/quantity.ts';
import type { Engine } from './engine/engine.ts';
import { selectEngine, servedVersions } from './engine/select.ts';
import { mounts } from './run/exchange.ts';
import { parseRequest, requestVariable, type RunRequest } from './run/request.ts';

/** A configuration that cannot be used: every problem at once. The program prints it and ends with exit code 2. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export interface OperatorConfig {
  /** Path of a kubeconfig. Absent: the service account of the Pod. */
  readonly kubeconfig: string | undefined;
  /** Namespaces to watch, each once. Empty: all. */
  readonly namespaces: readonly string[];
  /** Image of our agent, which runs before and after Neo4j's tool. */
  readonly agentImage: string;
  /** Hosts that spec.source.host may name: exact names, `*.suffix`, or `*`. Empty: none. */
  readonly allowedHosts: readonly string[];
  /** Images that backups may use; `*` stands for any text without a slash, `**` for any. Empty: all. */
  readonly allowedImages: readonly string[];
  /** How many backups may be under way at once: of all, of one server, on one claim for many Pods. 0: any number. */
  readonly limits: {
    readonly runningBackups: number;
    readonly runningBackupsPerServer: number;
    readonly runningBackupsPerClaim: number;
  };
  /** TCP port of /healthz and /readyz. Absent: they are not served. */
  readonly healthPort: number | undefined;
  /** TCP port of /metrics. Absent: they are not served. */
  readonly metricsPort: number | undefined;
  /** Namespace of the Lease by which replicas agree who works. Absent: this process works alone. */
  readonly leaderElectionNamespace: string | undefined;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  /** Name of this process among its replicas. */
  readonly instance: string;
}

interface Option {
  readonly type: 'string' | 'boolean';
  readonly help: string;
}

const options = {
  kubeconfig: { type: 'string', help: 'kubeconfig file; absent: the service account of the Pod' },
  namespaces: { type: 'string', help: 'the namespaces to watch, comma-separated; absent: all' },
  'agent-image': {
    type: 'string',
    help: 'image of the agent that runs around the tool; the image of this program',
  },
  'allowed-hosts': {
    type: 'string',
    help: 'hosts that spec.source.host may name, comma-separated: exact, *.suffix or *',
  },
  'allowed-images': {
    type: 'string',
    help: 'images that backups may use, comma-separated; * is any text without a slash, ** any; absent: all',
  },
  'max-running-backups': {
    type: 'string',
    help: 'how many backups may run at once, in all namespaces; absent or 0: any number',
  },
  'max-running-backups-per-server': {
    type: 'string',
    help: 'how many of them may be of one server; default 1; 0: any number',
  },
  'max-running-backups-per-claim': {
    type: 'string',
    help: 'how many may use one ReadWriteMany claim; absent or 0: any number; any other claim is for one at a time',
  },
  'health-port': { type: 'string', help: 'port of /healthz and /readyz; absent or 0: none' },
  'metrics-port': { type: 'string', help: 'port of /metrics, for Prometheus; absent or 0: none' },
  'leader-election-namespace': {
    type: 'string',
    help: 'namespace of the Lease by which replicas agree who works; absent: no election',
  },
  'log-level': { type: 'string', help: 'debug, info, warn or error; default info' },
  help: { type: 'boolean', help: 'this text' },
} as const satisfies Record<string, Option>;

export function operatorHelp(): string {
  return [
    usage('operator', options),
    'Every option may come from the environment: --agent-image from AGENT_IMAGE.',
  ].join('\n');
}

function usage(program: string, all: Readonly<Record<string, Option>>): string {
  const width = Math.max(...Object.keys(all).map((name) => name.length)) + 4;
  const lines = Object.entries(all).map(([name, { help }]) => `  --${name}`.padEnd(width + 2) + help);
  return [`usage: ${program} [options]`, ...lines].join('\n');
}

/**
 * Reads flags, then their twins in the environment.
 * @returns undefined when help was asked for
 * @throws ConfigError with every problem found
 */
export function operatorConfig(argv: readonly string[], env: NodeJS.ProcessEnv): OperatorConfig | undefined {
  const values = parseFlags(argv, options);
  if (values['help'] === true) return undefined;
  const read = (name: keyof typeof options): string | undefined => {
    const value = values[name] ?? env[name.toUpperCase().replaceAll('-', '_')];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const wanted = {
    namespaces: splitNames(read('namespaces')),
    agentImage: read('agent-image') ?? '',
    allowedHosts: splitList(read('allowed-hosts')),
    allowedImages: splitList(read('allowed-images')),
    limits: limitFlags.map(({ name, otherwise }) => ({ name, text: read(name) ?? otherwise })),
    healthPort: read('health-port') ?? '0',
    metricsPort: read('metrics-port') ?? '0',
    logLevel: read('log-level') ?? 'info',
  };
  const problems = problemsIn(wanted);
  const { logLevel, healthPort, metricsPort } = wanted;
  if (!isLogLevel(logLevel) || problems.length > 0) throw new ConfigError(problems.join('\n'));
  return {
    ...wanted,
    kubeconfig: read('kubeconfig'),
    limits: limitsIn(wanted),
    healthPort: openPort(healthPort),
    metricsPort: openPort(metricsPort),
    leaderElectionNamespace: read('leader-election-namespace'),
    logLevel,
    instance: env['HOSTNAME'] ?? `pid-${process.pid}`,
  };
}

type LimitFlag = Extract<keyof typeof options, `max-running-${string}`>;

const limitFlags: readonly { readonly name: LimitFlag; readonly otherwise: string }[] = [
  // What a backup loads is its server and its claim. What the network of a cluster bears its people know, and a Pod that cannot
  // start holds its place until its deadline: a low number here would let the mistake of one hold up everybody.
  { name: 'max-running-backups', otherwise: '0' },
  // Two at once read the store twice, and each takes longer for the other.
  { name: 'max-running-backups-per-server', otherwise: '1' },
  { name: 'max-running-backups-per-claim', otherwise: '0' },
];

interface Wanted {
  readonly namespaces: readonly string[];
  readonly agentImage: string;
  readonly allowedHosts: readonly string[];
  readonly allowedImages: readonly string[];
  readonly limits: readonly { readonly name: LimitFlag; readonly text: string }[];
  readonly healthPort: string;
  readonly metricsPort: string;
  readonly logLevel: string;
}

function problemsIn(wanted: Wanted): readonly string[] {
  const { namespaces, agentImage, allowedHosts, allowedImages, logLevel } = wanted;
  const hosts = allowedHosts.filter((host) => !/^(\*|(\*\.)?[A-Za-z0-9:][-A-Za-z0-9.:]*)$/.test(host));
  const images = allowedImages.filter((image) => !/^[A-Za-z0-9*][-\w.:/@*]*$/.test(image));
  return [
    ...namespaceProblems(namespaces),
    ...(agentImage === '' ? ['--agent-image is missing: the image that holds the agent'] : []),
    ...(isLogLevel(logLevel) ? [] : [`--log-level is ${logLevel}: it must be debug, info, warn or error`]),
    ...limitProblems(wanted),
    ...portProblems(wanted),
    ...hosts.map((host) => `--allowed-hosts holds ${host}: it must be a host, *.suffix or *`),
    ...images.map((image) => `--allowed-images holds ${image}: it must be an image, in which * is any text`),
  ];
}

function namespaceProblems(namespaces: readonly string[]): readonly string[] {
  const bad = namespaces.filter((name) => name.length > 63 || !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name));
  const again = namespaces.filter((name, at) => namespaces.indexOf(name) !== at);
  return [
    ...bad.map((name) => `--namespaces holds ${name}: it must be the name of a namespace`),
    ...[...new Set(again)].map((name) => `--namespaces holds ${name} more than once`),
  ];
}

function limitsIn({ limits }: Wanted): OperatorConfig['limits'] {
  const of = (wanted: LimitFlag): number => Number(limits.find(({ name }) => name === wanted)?.text);
  return {
    runningBackups: of('max-running-backups'),
    runningBackupsPerServer: of('max-running-backups-per-server'),
    runningBackupsPerClaim: of('max-running-backups-per-claim'),
  };
}

function limitProblems({ limits }: Wanted): readonly string[] {
  return limits
    .filter(({ text }) => !/^\d{1,6}$/.test(text))
    .map(
      ({ name, text }) => `--${name} is ${text}: it must be a whole number from 0, for no limit, to 999999`,
    );
}

function portProblems({ healthPort, metricsPort }: Wanted): readonly string[] {
  const ports = { 'health-port': healthPort, 'metrics-port': metricsPort };
  const bad = Object.entries(ports).filter(([, port]) => !isPort(port));
  const isSame = healthPort === metricsPort && isPort(healthPort) && Number(healthPort) > 0;
  return [
    ...bad.map(([name, port]) => `--${name} is ${port}: it must be a number from 0 to 65535`),
    ...(isSame ? [`--metrics-port is ${metricsPort}, as --health-port is: each needs its own`] : []),
  ];
}

function openPort(text: string): number | undefined {
  return Number(text) === 0 ? undefined : Number(text);
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535;
}

function parseFlags(
  argv: readonly string[],
  known: Readonly<Record<string, Option>>,
): Readonly<Record<string, string | boolean | undefined>> {
  try {
    return parseArgs({ args: [...argv], options: known, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new ConfigError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function splitList(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** Nothing but commas must not mean every namespace. */
function splitNames(text: string | undefined): readonly string[] {
  const names = splitList(text);
  return names.length > 0 || text === undefined ? names : [text];
}

function isLogLevel(text: string): text is OperatorConfig['logLevel'] {
  return ['debug', 'info', 'warn', 'error'].includes(text);
}

/** What the agent does in a Pod, for a request. */
const verbs = ['prepare', 'report', 'inspect', 'scrub', 'prune'] as const;

export interface AgentConfig {
  readonly verb: (typeof verbs)[number];
  readonly request: RunRequest;
  readonly podUID: string;
  readonly volume: string;
  readonly exchange: string;
  readonly terminationLog: string;
  /** Address of the API server: the kubelet tells every container, also where no other Service is told of. */
  readonly apiServer: string | undefined;
}

/** @throws ConfigError with every problem found */
export function agentConfig(argv: readonly string[], env: NodeJS.ProcessEnv): AgentConfig {
  const [verb] = argv;
  const read = (name: string, otherwise = ''): string => env[name] ?? otherwise;
  const podUID = read('POD_UID');
  const request = readRequest(read(requestVariable));
  const problems = [
    ...(isVerb(verb) ? [] : [`usage: agent ${verbs.join('|')}|explain|catalog|verify, not ${verb}`]),
    ...(/^[0-9a-f-]{36}$/.test(podUID) ? [] : [`POD_UID must be the uid of the Pod, not ${podUID}`]),
    ...(typeof request === 'string' ? [request] : []),
  ];
  if (!isVerb(verb) || typeof request === 'string' || problems.length > 0)
    throw new ConfigError(problems.join('\n'));
  return {
    verb,
    request,
    podUID,
    volume: read('VOLUME_FOLDER', mounts.backup),
    exchange: read('EXCHANGE_FOLDER', mounts.exchange),
    terminationLog: read('TERMINATION_LOG', '/dev/termination-log'),
    apiServer: env['KUBERNETES_SERVICE_HOST'],
  };
}

/** What `agent explain` is asked. */
export interface ExplainConfig {
  readonly engine: Engine;
  readonly exitCode: number;
  /** Files that hold the output, in the order in which they are read. */
  readonly files: readonly { readonly flag: string; readonly path: string }[];
}

const explainOptions = {
  version: { type: 'string', help: 'version of the server, as in spec.neo4j.version' },
  'exit-code': { type: 'string', help: 'exit code of the tool' },
  stdout: { type: 'string', help: 'file with what it printed to its standard output' },
  stderr: { type: 'string', help: 'file with what it printed to its standard error' },
  output: { type: 'string', help: 'file with both, such as runs/<run>.log.gz' },
} as const satisfies Record<string, Option>;

/** @throws ConfigError with every problem found */
export function explainConfig(argv: readonly string[]): ExplainConfig {
  const values = parseFlags(argv, explainOptions);
  const read = (flag: keyof typeof explainOptions): string => String(values[flag] ?? '');
  const engine = selectEngine(read('version'));
  const files = (['output', 'stdout', 'stderr'] as const)
    .map((flag) => ({ flag, path: read(flag) }))
    .filter(({ path }) => path !== '');
  const isCode = /^\d{1,3}$/.test(read('exit-code')) && Number(read('exit-code')) <= 255;
  const problems = [
    ...(isCode
      ? []
      : [`--exit-code is ${read('exit-code') || 'missing'}: it must be a number from 0 to 255`]),
    ...(files.length > 0
      ? []
      : ['--stdout, --stderr or --output is missing: a file with what the tool printed']),
  ];
  if (engine === undefined)
    problems.unshift(`--version is ${read('version') || 'missing'}: served are ${servedVersions}`);
  if (engine === undefined || problems.length > 0)
    throw new ConfigError([...problems, usage('agent explain', explainOptions)].join('\n'));
  return { engine, exitCode: Number(read('exit-code')), files };
}

/** What `agent catalog` and `agent verify` are asked. */
export interface OfflineConfig {
  readonly verb: OfflineVerb;
  /** A destination, or a volume with several. */
  readonly folder: string;
  readonly output: 'table' | 'json';
}

type OfflineVerb = 'catalog' | 'verify';

export function isOfflineVerb(text: string | undefined): text is OfflineVerb {
  return text === 'catalog' || text === 'verify';
}

const offlineOptions = {
  output: { type: 'string', help: 'table, for people, or json; default table' },
} as const satisfies Record<string, Option>;

/** @throws ConfigError with every problem found */
export function offlineConfig(verb: OfflineVerb, argv: readonly string[]): OfflineConfig {
  const { output, folders } = parseOffline(verb, argv);
  const [folder] = folders;
  const problems = folders.length === 1 ? [] : ['exactly one folder must be named'];
  const isOutput = output === 'table' || output === 'json';
  if (!isOutput) problems.push(`--output is ${output}: it must be table or json`);
  if (isOutput && folder !== undefined && problems.length === 0) return { verb, folder, output };
  throw new ConfigError([...problems, offlineHelp(verb)].join('\n'));
}

function parseOffline(
  verb: OfflineVerb,
  argv: readonly string[],
): { readonly output: string; readonly folders: readonly string[] } {
  try {
    const asked = { args: [...argv], options: offlineOptions, strict: true, allowPositionals: true } as const;
    const { values, positionals } = parseArgs(asked);
    return { output: values.output ?? 'table', folders: positionals };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${problem}\n${offlineHelp(verb)}`, { cause: error });
  }
}

function offlineHelp(verb: OfflineVerb): string {
  return usage(`agent ${verb} DIR`, offlineOptions);
}

/** What `neo4j-backup plan` is asked. */
export interface PlanConfig {
  readonly verb: 'plan';
  /** A file of YAML. `-`: standard input. */
  readonly file: string;
  readonly days: number;
  /** Where the plan begins. Absent: now. */
  readonly from: Date | undefined;
  /** Size of a full backup. Absent: nobody knows. */
  readonly sizeBytes: number | undefined;
  /** What a run adds to it. Absent: nothing. */
  readonly growthBytes: number | undefined;
  readonly output: 'table' | 'json';
}

/** Further ahead nobody should plan. */
const mostDays = 3660;

const planOptions = {
  days: { type: 'string', help: `so many days are planned, 1 to ${mostDays}; default 30` },
  from: { type: 'string', help: 'when the plan begins, such as 2026-10-01T00:00:00Z; default now' },
  size: { type: 'string', help: 'size of a full backup, such as 20Gi: then the plan tells sizes' },
  growth: {
    type: 'string',
    help: 'what a run adds, such as 100Mi: up to 4.4 to the store, since 5 the size of an increment',
  },
  output: { type: 'string', help: 'table, for people, or json; default table' },
  help: { type: 'boolean', help: 'this text' },
} as const satisfies Record<string, Option>;

export function cliHelp(): string {
  return usage('neo4j-backup plan FILE.yaml|-', planOptions);
}

/**
 * @returns undefined when help was asked for
 * @throws ConfigError with every problem found
 */
export function cliConfig([verb, ...args]: readonly string[]): PlanConfig | undefined {
  if (verb === '--help' || verb === 'help') return undefined;
  if (verb === 'plan') return planConfig(args);
  const problem = verb === undefined ? 'a verb is missing' : `there is no verb ${verb}`;
  throw new ConfigError(`${problem}\n${cliHelp()}`);
}

function planConfig(args: readonly string[]): PlanConfig | undefined {
  const { values, positionals } = parsePlan(args);
  if (values.help === true) return undefined;
  const { days = '30', output = 'table', from, size, growth } = values;
  const [file = ''] = positionals;
  const problems = [
    ...(positionals.length === 1 ? [] : ['exactly one file must be named, or - for standard input']),
    ...timeProblems(days, from),
    ...sizeProblems(size, growth),
    ...(isTableOrJSON(output) ? [] : [`--output is ${output}: it must be table or json`]),
  ];
  if (!isTableOrJSON(output) || problems.length > 0)
    throw new ConfigError([...problems, cliHelp()].join('\n'));
  return {
    verb: 'plan',
    file,
    days: Number(days),
    from: from === undefined ? undefined : new Date(from),
    sizeBytes: wholeBytes(size),
    growthBytes: wholeBytes(growth),
    output,
  };
}

function isTableOrJSON(text: string): text is PlanConfig['output'] {
  return text === 'table' || text === 'json';
}

function wholeBytes(quantity: string | undefined): number | undefined {
  return quantity === undefined ? undefined : Math.round(numberOf(quantity));
}

function parsePlan(args: readonly string[]): {
  readonly values: { readonly [name in Exclude<keyof typeof planOptions, 'help'>]?: string } & {
    readonly help?: boolean;
  };
  readonly positionals: readonly string[];
} {
  try {
    return parseArgs({ args: [...args], options: planOptions, strict: true, allowPositionals: true });
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${problem}\n${cliHelp()}`, { cause: error });
  }
}

function timeProblems(days: string, from: string | undefined): readonly string[] {
  const isDays = /^[1-9]\d{0,3}$/.test(days) && Number(days) <= mostDays;
  const isTime = from === undefined || z.iso.datetime({ offset: true }).safeParse(from).success;
  return [
    ...(isDays ? [] : [`--days is ${days}: it must be a number from 1 to ${mostDays}`]),
    ...(isTime ? [] : [`--from is ${from}: it must be a time with its offset, such as 2026-10-01T00:00:00Z`]),
  ];
}

/** 1 EiB is more than any volume has, and still counted to the byte by what adds such sizes up, as far as it matters. */
const mostBytes = 2 ** 60;

function sizeProblems(size: string | undefined, growth: string | undefined): readonly string[] {
  const bad = Object.entries({ size, growth }).filter(
    ([, text]) => text !== undefined && !(quantityPattern.test(text) && numberOf(text) <= mostBytes),
  );
  return [
    ...bad.map(([name, text]) => `--${name} is ${text}: it must be a size, such as 20Gi`),
    ...(growth !== undefined && size === undefined ? ['--growth says nothing without --size'] : []),
  ];
}

function isVerb(text: string | undefined): text is AgentConfig['verb'] {
  return verbs.some((verb) => verb === text);
}

/** The request, or what is wrong with it. */
function readRequest(json: string): RunRequest | string {
  try {
    return parseRequest(json);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
