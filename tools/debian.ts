// Debian packages that a machine must have, named before they are installed.
import { must, output } from './run.ts';
import type { Steps } from './steps.ts';

async function absent(names: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await output(['dpkg-query', '-W', '-f', '${Package} ${db:Status-Status}\n', ...names]);
  const installed = new Set(
    stdout
      .split('\n')
      .map((line) => line.split(' '))
      .flatMap(([name, state]) => (state === 'installed' ? [name] : [])),
  );
  return names.filter((name) => !installed.has(name));
}

/** Installs what is not there yet, and says so first. Does nothing, in milliseconds, when all are there. */
export async function ensurePackages(names: readonly string[], steps: Steps): Promise<void> {
  const wanted = await absent(names);
  if (wanted.length === 0) return;
  await steps.run(`installing Debian packages: ${wanted.join(' ')}`, async () => {
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    await must(['apt-get', 'update', '-qq'], { env });
    await must(['apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...wanted], { env });
  });
}
