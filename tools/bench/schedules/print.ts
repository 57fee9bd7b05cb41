// The figures as tables.
import { workers } from '../controller/bare-loop.ts';
import { quantile } from '../controller/latency.ts';
import { ratios, spread, type Spread } from '../spread.ts';
import { fixed, heading, judged, list, mean, row } from '../table.ts';
import type { Hours } from './hours.ts';
import type { Outage, Passes } from './passes.ts';
import type { BareStrike, Strike, Strikes } from './strike.ts';

/** What issue 8 asks for. Milliseconds. */
const mostOfOutage = 100;

const hourSeconds = 3_600;

export function printMachine(noise: readonly number[]): void {
  heading('This machine: one and the same job', 'seconds: least, median, most');
  row('hashing', shown(spread(noise)));
}

export function printHours({ count, waiting, bare }: Hours): void {
  heading(`An hour in which none of ${count} schedules strikes`, 'least, median, most');
  const [taken, bareTaken] = [waiting, bare].map((hours) => hours.map(({ cpuSeconds }) => cpuSeconds));
  row('CPU seconds', shown(spread(taken ?? [])));
  row('  of a core, %', shown(spread((taken ?? []).map((seconds) => (seconds / hourSeconds) * 100))));
  row('  of a queue whose passes do nothing', shown(spread(bareTaken ?? [])));
  row('  ratio to that', shown(ratios(taken ?? [], bareTaken ?? [])));
  row('passes, and those of the bare queue', passesOf({ waiting, bare }));
  const each = waiting.map(({ cpuSeconds, passes }) => (cpuSeconds * 1e6) / passes);
  row('CPU microseconds of a pass', shown(spread(each)));
  row('requests', waiting.map(({ requests }) => requests).join('  '));
}

function passesOf({ waiting, bare }: Pick<Hours, 'waiting' | 'bare'>): string {
  return [waiting, bare].map((hours) => mean(hours.map(({ passes }) => passes)).toFixed(0)).join('  ');
}

export function printPasses(passes: Passes): void {
  heading('decide() and nextStatus() of one resource at rest', 'CPU microseconds: least, median, most');
  row('with schedules', shown(spread(passes.with)));
  row('without', shown(spread(passes.without)));
  row('ratio', shown(ratios(passes.with, passes.without)));
}

export function printOutage({ moments, told, first, later, stepwise }: Outage): void {
  heading(`After an outage of ${moments} moments: account() and turnOf()`, 'CPU ms');
  row('the first time in a process', judged(first, mostOfOutage));
  row('later: least, median, most', shown(spread(later)));
  row('croner, moment after moment', fixed(stepwise));
  row('ratio of the first time to that', (first / stepwise).toFixed(5));
  row('moments that status tells of', String(told));
}

export function printStrikes({ count, bare, together, apart }: Strikes): void {
  heading(`${count} due in one second: from the moment to the Job`, 'ms: p50, p99');
  const loop = (kind: keyof BareStrike): string =>
    bare
      .map((each) => pair(each[kind]))
      .join(' before, ')
      .concat(' after');
  row('without spread', pair(together.fromNominal));
  row('  bare loop, one call at a time', loop('one'));
  row('  ratio to that', ratioTo(together.fromNominal, bare, 'one'));
  row(`  bare loop, ${workers} calls at a time`, loop('several'));
  row('  ratio to that', ratioTo(together.fromNominal, bare, 'several'));
  row('spread, from the start that status tells of', pair(apart.fromStart));
  row('  bare loop, as many a second, one after the other', loop('paced'));
  row('  ratio to that', ratioTo(apart.fromStart, bare, 'paced'));
  row('spread, from the moment that the schedule names', pair(apart.fromNominal));
  row('requests for a Job, without spread', kindsOf(together));
  row('  with', kindsOf(apart));
  row('CPU ms of the operator for a Job, without and with', list([together, apart].map(costOf)));
}

function kindsOf({ requests, fromStart }: Strike): string {
  return requests.kinds.map(([kind, number]) => `${kind} ${fixed(number / fromStart.length)}`).join(', ');
}

function costOf({ cpuSeconds, fromStart }: Strike): number {
  return (cpuSeconds * 1_000) / fromStart.length;
}

function quantiles(delays: readonly number[]): readonly number[] {
  return [0.5, 0.99].map((part) => quantile(delays, part));
}

function pair(delays: readonly number[]): string {
  return quantiles(delays)
    .map((ms) => ms.toFixed(ms < 100 ? 1 : 0))
    .join('  ');
}

/** To the mean of the loops before and after. */
function ratioTo(delays: readonly number[], bare: readonly BareStrike[], kind: keyof BareStrike): string {
  const loops = bare.map((each) => quantiles(each[kind]));
  return list(
    quantiles(delays).map((value, at) => value / mean(loops.map((loop) => loop[at] ?? Number.NaN))),
  );
}

function shown({ min, median, max }: Spread): string {
  return list([min, median, max]);
}
