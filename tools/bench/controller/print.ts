// The figures as tables, each with what is aimed at.
import { spread } from '../spread.ts';
import { fixed, heading, judged, list, mean, row } from '../table.ts';
import { workers, type Loops } from './bare-loop.ts';
import type { Burst, Phase } from './burst.ts';
import { quantile } from './latency.ts';
import type { BurstFigures, Figures, MemorySample } from './measure.ts';

/** What issue 5 asks for. Memory in MiB, growth in KiB. */
const aims = { ratio: 1.3, writesToStart: 2, writesOfRun: 4, idleMemory: 85, fullMemory: 160, growth: 15 };

export function printController(figures: Figures): void {
  for (const burst of figures.bursts) printBurst(burst);
  printMemory(figures.memory);
  heading('From an apply to its Job, one at a time', 'ms: p50, p99');
  for (const { resources, samples } of figures.latencies)
    row(
      `beside ${resources === 0 ? 'nearly none' : resources} (${samples.length} samples)`,
      `${quantile(samples, 0.5)}  ${quantile(samples, 0.99)}`,
    );
}

function printBurst({ burst, loops, idle, noise }: BurstFigures): void {
  const { count, seconds, applySeconds } = burst;
  heading(`${count} at once`, '');
  const { min, median, max } = spread(noise);
  row('this machine: seconds of one and the same job', `${list([min, median, max])} (least, median, most)`);
  row(
    'seconds from the first apply to the last Job',
    `${fixed(seconds)} (applying took ${fixed(applySeconds)})`,
  );
  const kinds = {
    one: 'the Jobs alone, one call at a time',
    several: `the Jobs alone, ${workers} calls at a time`,
    writes: 'the same writes: resources, Jobs, status',
  } as const;
  for (const [kind, title] of Object.entries(kinds) as [keyof Loops, string][]) {
    const taken = loops.map((each) => each[kind].seconds);
    const value = seconds / mean(taken);
    row(
      `ratio to a bare loop: ${title}`,
      `${kind === 'several' ? fixed(value) : judged(value, aims.ratio)}; it took ${list(taken)} s before and after`,
    );
  }
  printCosts(burst, loops);
  const asked = idle.kinds.map(([kind, number]) => `${kind} ${number}`).join(', ');
  row(`a minute with nothing to do${idle.reads + idle.writes > 0 ? ': aim missed' : ''}`, asked);
}

function printCosts({ count, phases }: Burst, loops: readonly Loops[]): void {
  const { start, end, secondStart, secondEnd } = phases;
  const each = (value: number): number => value / count;
  const ms = (value: number): string => fixed(each(value) * 1000);
  const operator = (...of: readonly Phase[]): string =>
    ms(of.reduce((sum, { cpu }) => sum + cpu.operator, 0));
  row('CPU ms of the operator: to the Job, to the end', `${operator(start)}  ${operator(end)}`);
  row('  in the second run', `${operator(secondStart)}  ${operator(secondEnd)}`);
  row(
    'CPU ms of the control plane, to the Job',
    `${ms(start.cpu.server)}; loops: ${(['one', 'writes'] as const).map((kind) => ms(mean(loops.map((loop) => loop[kind].serverCpu)))).join(' and ')}`,
  );
  row('CPU ms of this bench, to the Job', ms(start.cpu.bench));
  row('writes per run until it runs', judged(each(start.requests.writes), aims.writesToStart));
  row(
    'writes per run, with the deletion of the Job before',
    judged(each(secondStart.requests.writes + secondEnd.requests.writes), aims.writesOfRun),
  );
  row(
    'reads per run: the first, the second',
    list([
      each(start.requests.reads + end.requests.reads),
      each(secondStart.requests.reads + secondEnd.requests.reads),
    ]),
  );
  const titles = {
    start: 'to the Job',
    end: 'to its end',
    secondStart: 'to the second',
    secondEnd: 'to its end',
  } as const;
  for (const [name, title] of Object.entries(titles) as [keyof typeof titles, string][])
    row(
      `  requests ${title}`,
      phases[name].requests.kinds.map(([kind, number]) => `${kind} ${fixed(each(number))}`).join(', '),
    );
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
