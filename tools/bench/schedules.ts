// `npm run bench -- schedules`: what it costs to wait for the time of many schedules, and how late their runs start.
import { steps, type Steps } from '../steps.ts';
import type { ControlPlane } from './controller/control-plane.ts';
import { measureNoise, worldOf } from './controller/measure.ts';
import { startOperator } from './controller/operator.ts';
import { withPlane } from './controller/with-plane.ts';
import { measureHours } from './schedules/hours.ts';
import { measureOutage, measurePasses } from './schedules/passes.ts';
import { printHours, printMachine, printOutage, printPasses, printStrikes } from './schedules/print.ts';
import { strike, strikeBare, type Strikes } from './schedules/strike.ts';

/** One in so many is due in one and the same second. */
const dueAtOnce = 5;

/**
 * Measures and prints.
 *
 * @param count how many resources wait
 * @param stopped resolves when it has to end, with an exit code
 * @returns the exit code
 */
export async function benchSchedules(count: number, stopped: Promise<number>): Promise<number> {
  const progress = steps(9);
  return withPlane(progress, stopped, async (start) => {
    const noise = measureNoise();
    const outage = await progress.run('an outage', async () => measureOutage());
    const passes = await progress.run('single passes', async () => measurePasses());
    const hours = await progress.run(`idle hours of ${count}`, () => measureHours(count));
    noise.push(...measureNoise());
    const strikes = await measureStrikes(await start(), Math.ceil(count / dueAtOnce), progress);
    noise.push(...measureNoise());
    printMachine(noise);
    printHours(hours);
    printPasses(passes);
    printOutage(outage);
    printStrikes(strikes);
  });
}

async function measureStrikes(plane: ControlPlane, count: number, progress: Steps): Promise<Strikes> {
  const world = worldOf(plane);
  try {
    const before = await progress.run(`bare loops over ${count}`, () => strikeBare(world, 'before', count));
    const operator = await startOperator(plane);
    const together = await progress.run(`${count} due in one second`, () =>
      strike(world, operator, { name: 'together', count, bare: before }),
    );
    const apart = await progress.run(`${count} due in one second, spread`, () =>
      strike(world, operator, { name: 'apart', count, bare: before, spread: '3m' }),
    );
    await operator.stop();
    const after = await progress.run(`bare loops over ${count}`, () => strikeBare(world, 'after', count));
    return { count, bare: [before, after], together, apart };
  } finally {
    await Promise.all([world.clients.admin.close(), world.clients.account.close()]);
  }
}
