// The frame of a benchmark that needs an API server: what it started is gone afterwards, however it ends.
import { bundle } from '../../bundle.ts';
import type { Steps } from '../../steps.ts';
import { startControlPlane, type ControlPlane } from './control-plane.ts';

/**
 * @param stopped resolves when it has to end, with an exit code
 * @param work measures and prints, and asks for the API server when it needs one
 * @returns the exit code
 */
export async function withPlane(
  progress: Steps,
  stopped: Promise<number>,
  work: (start: () => Promise<ControlPlane>) => Promise<void>,
): Promise<number> {
  let plane: ControlPlane | undefined;
  const start = async (): Promise<ControlPlane> => {
    plane = await progress.run('etcd and an API server', () => startControlPlane(progress));
    await bundle(['main'], plane.folder);
    return plane;
  };
  const measured = work(start).then(() => 0);
  const code = await Promise.race([measured, stopped]).catch((error: unknown) => {
    console.error(`\nThe bench failed: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  });
  if (plane) await progress.run('removing the control plane', async () => plane?.stop());
  return code;
}
