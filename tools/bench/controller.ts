// `npm run bench -- controller`: what the operator costs with many resources, beside a bare loop.
import { bundle } from '../bundle.ts';
import { steps } from '../steps.ts';
import { startControlPlane, type ControlPlane } from './controller/control-plane.ts';
import { measureController, stepsOf } from './controller/measure.ts';
import { printController } from './controller/print.ts';

/**
 * Measures and prints.
 *
 * @param most with how many resources it ends: 300, 1,000 or more
 * @param stopped resolves when it has to end, with an exit code
 * @returns the exit code
 */
export async function benchController(most: number, stopped: Promise<number>): Promise<number> {
  const progress = steps(2 + stepsOf(most));
  let plane: ControlPlane | undefined;
  const measured = (async (): Promise<number> => {
    plane = await progress.run('etcd and an API server', () => startControlPlane(progress));
    await bundle(['main'], plane.folder);
    printController(await measureController(plane, most, progress));
    return 0;
  })();
  const code = await Promise.race([measured, stopped]).catch((error: unknown) => {
    console.error(`\nThe bench failed: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  });
  if (plane) await progress.run('removing the control plane', async () => plane?.stop());
  return code;
}
