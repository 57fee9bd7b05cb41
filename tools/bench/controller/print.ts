// The figures as tables, each with what is aimed at.
import { spread } from '../spread.ts';
import { workers, type Burst, type Phase } from './burst.ts';
import { quantile } from './latency.ts';
import type { Figures, MemorySample } from './measure.ts';

/** What issue 5 asks for. Memory in MiB, growth in KiB. */
const aims = { ratio: 1.3, writesToStart: 2, writesOfRun: 4, idleMemory: 85, fullMemory: 160, growth: 15 };

export function printController(figures: Figures): void {
  const { min, median, max } = spread(figures.noise);
  heading('This machine: seconds of one and the same job', '');
  row('least, median, most', [min, median, max].map(fixed).join('  '));
  for (const burst of figures.bursts) printBurst(burst);
  printIdle(figures);
  printMemory(figures.memory);
  heading('From an apply to its Job', 'ms, p50 and p99');
  for (const { resources, samples } of figures.latencies)
    row(
      `beside ${resources === 0 ? 'none' : resources} (${samples.length} samples)`,
      `${quantile(samples, 0.5)}  ${quantile(samples, 0.99)}`,
    );
}

function printBurst({ count, seconds, applySeconds, bare, phases }: Burst): void {
  const { start, end, secondStart, secondEnd } = phases;
  const bareSeconds = (loops: Burst['bare']['one']): readonly number[] => loops.map((loop) => loop.seconds);
  const against = (loops: Burst['bare']['one']): number => seconds / mean(bareSeconds(loops));
  heading(`${count} at once`, '');
  row('ratio: to the last Job / bare loop, one by one', judged(against(bare.one), aims.ratio));
  row(`ratio: to the last Job / bare loop, ${workers} at once`, fixed(against(bare.several)));
  row('seconds: to the last Job; applying took', `${fixed(seconds)}  ${fixed(applySeconds)}`);
  row('seconds: bare loop one by one, before and after', bareSeconds(bare.one).map(fixed).join('  '));
  row(
    `seconds: bare loop ${workers} at once, before and after`,
    bareSeconds(bare.several).map(fixed).join('  '),
  );
  const server = ({ cpu }: Phase): number => cpu.apiServer + cpu.etcd;
  const bareServer = mean([...bare.one, ...bare.several].map(({ serverCpu }) => serverCpu));
  const each = (value: number): string => fixed((value * 1000) / count);
  row(
    'CPU ms of the operator per run: first, second',
    `${each(start.cpu.operator + end.cpu.operator)}  ${each(secondStart.cpu.operator + secondEnd.cpu.operator)}`,
  );
  row(
    '  to the status of the start: first, second',
    `${each(start.cpu.operator)}  ${each(secondStart.cpu.operator)}`,
  );
  row('CPU ms of the control plane to the Job, bare / ours', `${each(bareServer)}  ${each(server(start))}`);
  row('writes per run until it runs', judged(start.requests.writes / count, aims.writesToStart));
  row(
    'writes per run, with the deletion of the Job before',
    judged((secondStart.requests.writes + secondEnd.requests.writes) / count, aims.writesOfRun),
  );
  row(
    'reads per run: first, second',
    `${fixed((start.requests.reads + end.requests.reads) / count)}  ${fixed((secondStart.requests.reads + secondEnd.requests.reads) / count)}`,
  );
  for (const [name, phase] of Object.entries({
    'until it runs': start,
    'to its end': end,
    'second, until it runs': secondStart,
    'second, to its end': secondEnd,
  }))
    row(
      `  per run, ${name}`,
      phase.requests.kinds.map(([kind, number]) => `${kind} ${fixed(number / count)}`).join(', '),
    );
}

function printIdle({ idle, bursts }: Figures): void {
  heading('A minute with nothing to do', 'requests');
  for (const [i, { reads, writes, kinds }] of idle.entries()) {
    const asked = kinds.map(([kind, number]) => `${kind} ${number}`).join(', ');
    row(`with ${bursts[i]?.count ?? 0}${reads + writes > 0 ? ', aim missed' : ''}`, asked);
  }
}

function printMemory(samples: readonly MemorySample[]): void {
  heading('Memory', 'MiB resident, and of that its own');
  for (const { when, resources, resident, own } of samples) {
    const aim = resources === 0 ? aims.idleMemory : aims.fullMemory;
    row(`${when}, ${resources} resources`, `${judged(resident, aim)}  ${fixed(own)}`);
  }
  const grown = samples.filter(({ when }) => when !== 'after a restart');
  for (const [i, to] of grown.entries()) {
    const from = grown[i - 1];
    if (from === undefined) continue;
    const growth = ((to.resident - from.resident) * 1024) / (to.resources - from.resources);
    row(`KiB per resource, ${from.resources} to ${to.resources}`, judged(growth, aims.growth));
  }
}

function heading(title: string, unit: string): void {
  console.log(`\n${title.padEnd(56)}  ${unit}`);
}

function row(name: string, value: string): void {
  console.log(`  ${name.padEnd(54)}  ${value}`);
}

function judged(value: number, aim: number): string {
  return `${fixed(value)} (aim ${aim}${value > aim ? ', missed' : ''})`;
}

function fixed(value: number): string {
  return value.toFixed(2);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
