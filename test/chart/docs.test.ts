// docs/install.md does what it says: its commands run, in its order, on a real API server without a node.
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { must } from '../../tools/run.ts';
import { environment, helmProgram, kubectlProgram, mustKubectl } from './helm.ts';
import { backups, cleanUp, crd, createBackup, find, installed, uidOf } from './release.ts';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'install-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(() => {
  for (const name of ['charts', 'crds', 'deploy'])
    cpSync(join(root, name), join(folder, name), { recursive: true });
});

async function runScript(script: string): Promise<void> {
  const programs = [dirname(helmProgram), dirname(kubectlProgram), process.env['PATH'] ?? ''];
  await must(['bash', '-c', `set -euo pipefail\n${script}`], {
    cwd: folder,
    env: { ...environment, PATH: programs.join(delimiter) },
  });
}

describe('docs/install.md', () => {
  const page = readFileSync(join(root, 'docs/install.md'), 'utf8');
  const sections = page.split(/^#+ /m).map((section) => {
    const commands = [...section.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block = '']) => block);
    return { heading: section.split('\n')[0] ?? '', commands };
  });

  /** Nothing runs here and nothing is pushed: docker only has to be there, and a rollout to have its Deployment. */
  const prelude = `docker() { :; }
kubectl() {
  local words=() word
  for word in "$@"; do case $word in rollout) words+=(get) ;; status) ;; *) words+=("$word") ;; esac; done
  command kubectl "\${words[@]}"
}
`;

  async function run(heading: string, nth = 0): Promise<void> {
    const block = sections.find((section) => section.heading === heading)?.commands[nth];
    if (block === undefined) throw new Error(`no commands below ${heading}`);
    await runScript(`${prelude}${block}`);
    done.push(`${heading} ${nth}`);
  }
  const done: string[] = [];

  const own = 'neo4j-backup-operator';
  const image = 'registry.example.com/neo4j-backup-operator:0.1.0';
  async function containerOf(namespace: string, name = own): Promise<object | undefined> {
    const deployment = await find(`deployment/${name}`, namespace);
    const spec = deployment?.['spec'] as
      | {
          readonly replicas: number;
          readonly template: { readonly spec: { readonly containers: readonly object[] } };
        }
      | undefined;
    return spec?.template.spec.containers[0];
  }

  afterAll(cleanUp);

  test('Helm: installs, upgrades, scales, uninstalls without a loss, and removes the rest', async () => {
    await run('The image');
    await run('With Helm');
    expect(await containerOf(own)).toMatchObject({ image });
    await mustKubectl(['wait', '--for=condition=Established', crd]);
    const uid = await createBackup('default');
    await run('Upgrade');
    await run('Two replicas');
    expect((await find(`deployment/${own}`, own))?.['spec']).toMatchObject({ replicas: 2 });
    expect(await containerOf(own)).toMatchObject({ image });
    await run('Uninstall');
    expect(await installed(own)).toEqual([]);
    expect(uidOf(await find(`${backups}/orders`))).toBe(uid);
    await run('Uninstall', 1);
    expect(await find(crd)).toBeUndefined();
  });

  test('one namespace: installs beside a definition that is there, and uninstalls', async () => {
    await run('Named namespaces only');
    expect(await containerOf('databases', 'backups-neo4j-backup-operator')).toMatchObject({ image });
    const all = await installed('backups');
    expect(all.filter((name) => name.startsWith('cluster'))).toEqual([]);
    await run('Named namespaces only', 1);
    expect(await installed('backups')).toEqual([]);
    expect(await find(crd)).toBeDefined();
  });

  test('Kustomize: installs with another image, also for the Pods of backups, and uninstalls without a loss', async () => {
    await run('With kubectl and Kustomize');
    const env = [{ name: 'AGENT_IMAGE', value: image }];
    expect(await containerOf(own)).toMatchObject({ image, env: expect.arrayContaining(env) as unknown });
    await run('With kubectl and Kustomize', 1);
    expect(await containerOf(own)).toMatchObject({
      image,
      args: expect.arrayContaining(['--allowed-hosts=db1.example.com,*.example.org']) as unknown,
    });
    const uid = await createBackup('default');
    await run('With kubectl and Kustomize', 2);
    expect(await installed(own)).toEqual([]);
    expect(uidOf(await find(`${backups}/orders`))).toBe(uid);
  });

  test('has no command that was not run', () => {
    const all = sections.flatMap(({ heading, commands }) => commands.map((_, nth) => `${heading} ${nth}`));
    expect(done.toSorted()).toEqual(all.toSorted());
  });
});

describe('README.md', () => {
  afterAll(cleanUp);

  test('its installation, its first backup and its patch work as they stand, in that order', async () => {
    const page = readFileSync(join(root, 'README.md'), 'utf8');
    const blocks = [...page.matchAll(/^```(sh|yaml)\n([\s\S]*?)^```/gm)]
      .map(([, language, text = '']) => ({ language, text }))
      .filter(({ text }) => !text.startsWith('npm ')); // test/docs knows those
    expect(blocks.map(({ language }) => language)).toEqual(['sh', 'yaml', 'sh']);
    const [install, first, patch] = blocks.map(({ text }) => text);
    // Without a node nothing becomes ready; the end-to-end suite waits for that.
    await runScript(
      `${(install ?? '').replace(' --wait', '')}kubectl create -f - <<EOF\n${first}EOF\n${patch}`,
    );
    const backup = await find(`${backups}/orders`);
    expect(backup?.['spec']).toMatchObject({ trigger: { id: 'before-migration' } });
  });
});
