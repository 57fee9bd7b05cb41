// `npm run bench -- controller`: what the operator costs with many resources, beside a bare loop.
import { steps } from '../steps.ts';
import { measureController, stepsOf } from './controller/measure.ts';
import { printController } from './controller/print.ts';

/** Measures and prints. @param stopped resolves when it has to end, with an exit code. @returns the exit code */
export async function benchController(resources: number, stopped: Promise<number>): Promise<number> {
  const measured = measureController(resources, steps(stepsOf(resources))).then((figures) => {
    printController(figures);
    return 0;
  });
  // What it started ends with it.
  return Promise.race([measured, stopped]).catch((error: unknown) => {
    console.error(`\nThe bench failed: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  });
}
