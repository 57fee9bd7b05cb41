// The figures of whole runs beside those of the bare tool.
import type { BackupType } from '../../src/engine/engine.ts';
import type { AuditEntry } from '../cluster/audit.ts';
import type { BareRun } from './bare.ts';
import type { OperatedRun } from './operated.ts';
import { ratios, spread, type Spread } from './spread.ts';
import type { Life } from './timeline.ts';

/** Taken one after the other, so that a busy minute of the machine falls on both. */
export interface Pair {
  readonly type: BackupType;
  readonly operated: OperatedRun;
  readonly bare: BareRun;
}

type Named<T> = readonly (readonly [name: string, value: T])[];

function life(run: OperatedRun | BareRun, container: string): Life {
  const found = run.timeline.containers.find(({ name }) => name === container);
  if (!found) throw new Error(`the Pod had no container ${container}`);
  return found;
}

const whole = ({ jobCreatedAt, statusWrittenAt }: OperatedRun): number => statusWrittenAt - jobCreatedAt;
const bareWhole = (run: BareRun): number => life(run, 'tool').exitedAt - run.createdAt;
const atWork = ({ startedAt, exitedAt }: Life): number => exitedAt - startedAt;

/** Seconds of each, and then the ratios. */
export function comparison(pairs: readonly Pair[]): {
  readonly seconds: Named<Spread>;
  readonly ratios: Named<Spread>;
} {
  const ours = pairs.map(({ operated }) => whole(operated));
  const bare = pairs.map(({ bare: run }) => bareWhole(run));
  const ourTool = pairs.map(({ operated }) => atWork(life(operated, 'engine')));
  const bareTool = pairs.map(({ bare: run }) => atWork(life(run, 'tool')));
  const seconds = (samples: readonly number[]): Spread => spread(samples.map((sample) => sample / 1000));
  return {
    seconds: [
      ['whole run: Job created to status written', seconds(ours)],
      ['bare Pod: created to the end of the tool', seconds(bare)],
      ['tool at work, in the run', seconds(ourTool)],
      ['tool at work, in the bare Pod', seconds(bareTool)],
    ],
    ratios: [
      ['whole run / bare Pod', ratios(ours, bare)],
      ['whole run / tool at work in the bare Pod', ratios(ours, bareTool)],
      ['tool in the run / tool in the bare Pod', ratios(ourTool, bareTool)],
    ],
  };
}

/** What a run passes through, in order; together the whole run. */
function phases(run: OperatedRun): Named<number> {
  const [prepare, engine, report] = ['prepare', 'engine', 'report'].map((name) => life(run, name)) as [
    Life,
    Life,
    Life,
  ];
  const { sandbox } = run.timeline;
  return [
    ['Job created, Pod created and placed', sandbox.askedAt - run.jobCreatedAt],
    ['sandbox of the Pod', sandbox.readyAt - sandbox.askedAt],
    ['prepare: starting', prepare.startedAt - sandbox.readyAt],
    ['prepare: at work', atWork(prepare)],
    ['until the kubelet has seen that', engine.askedAt - prepare.exitedAt],
    ['engine: starting', engine.startedAt - engine.askedAt],
    ['engine: at work', atWork(engine)],
    ['until the kubelet has seen that', report.askedAt - engine.exitedAt],
    ['report: starting', report.startedAt - report.askedAt],
    ['report: at work', atWork(report)],
    ['until status is written', run.statusWrittenAt - report.exitedAt],
  ];
}

/** Seconds of each phase. */
export function breakdown(pairs: readonly Pair[]): Named<Spread> {
  const all = pairs.map(({ operated }) => phases(operated));
  const names = all[0]?.map(([name]) => name) ?? [];
  return names.map((name, i) => [name, spread(all.map((phase) => (phase[i]?.[1] ?? Number.NaN) / 1000))]);
}

const reading = new Set(['get', 'list', 'watch']);

function kindOf({ verb, resource, subresource, code }: AuditEntry): string {
  const what = subresource === undefined ? resource : `${resource}/${subresource}`;
  return `${verb} ${what}${code < 400 ? '' : `, refused (${code})`}`;
}

/** How many requests of each kind the operator makes in a run. */
export function requestsPerRun(pairs: readonly Pair[]): {
  readonly writes: Spread;
  readonly reads: Spread;
  readonly kinds: Named<Spread>;
} {
  const runs = pairs.map(({ operated }) => operated.requests.filter(({ resource }) => resource !== 'events'));
  const isRead = ({ verb }: AuditEntry): boolean => reading.has(verb);
  const count = (test: (entry: AuditEntry) => boolean): Spread =>
    spread(runs.map((requests) => requests.filter(test).length));
  const kinds = [...new Set(runs.flat().map(kindOf))].toSorted();
  return {
    writes: count((entry) => !isRead(entry)),
    reads: count(isRead),
    kinds: kinds.map((kind) => [kind, count((entry) => kindOf(entry) === kind)]),
  };
}
