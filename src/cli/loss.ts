// What may be lost between two runs: all that was written since the one before started. Pure.
import type { Span } from '../backup/windows.ts';
import type { Plan } from './report.ts';
import { startBefore, startFrom, type Runs, type Timing } from './runs.ts';

type Gap = Plan['dataLoss']['tooLong'][number];

/** The starts of the runs, and of those before and after: what is lost in these days may have been taken before them. */
export function startsAround(
  timing: Timing | undefined,
  { runs }: Runs,
  { from, until }: Span,
): readonly Date[] | undefined {
  if (timing === undefined) return undefined;
  const before = startBefore(timing, from);
  const after = startFrom(timing, until);
  return [
    ...(before === undefined ? [] : [before]),
    ...runs.map(({ start }) => start),
    ...(after === undefined ? [] : [after]),
  ];
}

/** @param starts undefined: there is no schedule, and whoever sets triggers may do so often enough */
export function dataLossIn(
  starts: readonly Date[] | undefined,
  maxDataLossSeconds: number | undefined,
  tell: (time: Date) => string,
): Plan['dataLoss'] {
  const gaps = (starts ?? []).slice(1).map((until, i): Gap => {
    const from = starts?.[i] ?? until;
    return {
      from: tell(from),
      until: tell(until),
      seconds: Math.round((until.getTime() - from.getTime()) / 1_000),
    };
  });
  const objective = maxDataLossSeconds === undefined ? {} : { maxDataLossSeconds };
  const [first] = gaps;
  if (first === undefined) {
    // Windows may leave no run at all.
    const isUnmet = starts !== undefined && maxDataLossSeconds !== undefined;
    return { ...objective, ...(isUnmet ? { met: false } : {}), tooLong: [] };
  }
  const longest = gaps.reduce((so, gap) => (gap.seconds > so.seconds ? gap : so), first);
  if (maxDataLossSeconds === undefined) return { longest, tooLong: [] };
  // Until the next one is there the one before counts, and no run takes no time at all.
  const tooLong = gaps.filter(({ seconds }) => seconds >= maxDataLossSeconds);
  return { longest, ...objective, met: tooLong.length === 0, tooLong };
}
