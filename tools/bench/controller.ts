// `npm run bench -- controller`: what the operator costs with many resources, beside a bare loop.
import { steps } from '../steps.ts';
import { measureController, stepsOf } from './controller/measure.ts';
import { printController } from './controller/print.ts';
import { withPlane } from './controller/with-plane.ts';

/**
 * Measures and prints.
 *
 * @param most with how many resources it ends: 300, 1,000 or more
 * @param stopped resolves when it has to end, with an exit code
 * @returns the exit code
 */
export async function benchController(most: number, stopped: Promise<number>): Promise<number> {
  const progress = steps(2 + stepsOf(most));
  return withPlane(progress, stopped, async (start) =>
    printController(await measureController(await start(), most, progress)),
  );
}
