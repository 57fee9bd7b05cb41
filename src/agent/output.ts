// What the engine container left behind in the exchange folder, read bounded.
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Verdict } from '../engine/engine.ts';
import { exchange, keptOutputBytes, type StepID } from '../run/exchange.ts';
import { joinEnds, readKept } from '../run/kept.ts';
import { readText } from '../volume/files.ts';
import type { Context } from './context.ts';
import type { Plan } from './plan.ts';

/** How a step ended. Undefined: it was not run, or not to its end. */
export async function exitCodeOf({ exchange: folder }: Context, step: StepID): Promise<number | undefined> {
  const code = await readText(join(folder, exchange.exitCode(step)));
  return code !== undefined && /^\d{1,3}\s*$/.test(code) ? Number(code) : undefined;
}

/** The steps of a run in their order. */
export function stepsOfPlan({ targets }: Plan): readonly StepID[] {
  return targets.flatMap(({ tries }) =>
    tries.flatMap(({ backup, inspect, check }) => [
      backup,
      ...inspect,
      ...(check === undefined ? [] : [check]),
    ]),
  );
}

/** What the tool says of a step that takes a backup, or what kept it from saying anything. */
export async function verdictOf(context: Context, plan: Plan, step: StepID): Promise<Verdict> {
  const ended = await exitCodeOf(context, step);
  const cut = ended === 0 ? undefined : await cutShort(context, plan, step);
  if (cut !== undefined) return { kind: 'failed', ...cut };
  if (ended === undefined)
    return {
      kind: 'failed',
      reason: 'EngineFailed',
      detail: 'The container of the tool ended without a result',
    };
  return context.engine.judge({ exitCode: ended, output: await outputOf(context, step) });
}

/** Deadline and stop say something of the last step that ran: after either, no other one is started. */
export async function cutShort(
  context: Context,
  plan: Plan,
  step: StepID,
): Promise<{ readonly reason: 'DeadlineExceeded' | 'Interrupted'; readonly detail: string } | undefined> {
  const steps = stepsOfPlan(plan);
  for (const later of steps.slice(steps.indexOf(step) + 1))
    if ((await exitCodeOf(context, later)) !== undefined) return undefined;
  const has = async (name: string): Promise<boolean> =>
    (await readText(join(context.exchange, name))) !== undefined;
  if (await has(exchange.expired))
    return { reason: 'DeadlineExceeded', detail: 'The tool was still at work when its time was up' };
  if (await has(exchange.stopped))
    return { reason: 'Interrupted', detail: 'The Pod was asked to stop while the tool was at work' };
  return undefined;
}

export async function outputOf(context: Context, step: StepID): Promise<string> {
  return readKept(await keptOutput(context, step));
}

/** Head and tail of what the tool printed. Bounded by what the engine script keeps, and here once more. */
export async function keptOutput(context: Context, step: StepID): Promise<Buffer> {
  const head = await readBounded(join(context.exchange, exchange.head(step)));
  const tail = await readBounded(join(context.exchange, exchange.tail(step)));
  return joinEnds(head, tail, keptOutputBytes);
}

async function readBounded(path: string): Promise<Buffer> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return Buffer.alloc(0);
  const file = await open(path, 'r');
  try {
    const room = Buffer.alloc(Math.min(found.size, keptOutputBytes));
    const { bytesRead } = await file.read(room, 0, room.length, 0);
    return room.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
