// What the documentation shows is what there is: its manifests are accepted, its commands exist, its links lead somewhere.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { output, type Output } from '../../tools/run.ts';

const root = join(import.meta.dirname, '../..');
const docs = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
const pages = ['README.md', 'CHANGELOG.md', ...docs.map((name) => `docs/${name}`)];

/** Kinds that this API server does not know; test/gitops reads those of Flux with its types. */
const foreign = /^apiVersion: (\S+\.fluxcd\.io|monitoring\.coreos\.com)\//m;

function read(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}

function blocks(page: string, language: string): readonly string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm');
  return [...read(page).matchAll(fence)].map(([, block = '']) => block);
}

function kubectl(args: readonly string[], input: string): Promise<Output> {
  return output([inject('kubectl'), '--kubeconfig', inject('kubeconfig'), ...args], { input });
}

beforeAll(async () => {
  const { code, stderr } = await kubectl(['apply', '--server-side', '-f', join(root, 'crds')], '');
  if (code !== 0) throw new Error(stderr);
});

const manifests = pages
  .flatMap((page) => blocks(page, 'yaml').map((block, i) => ({ page, block, i })))
  .filter(({ block }) => !foreign.test(block));

test('there are manifests to look at', () => {
  expect(manifests).not.toEqual([]);
});

test.each(manifests)('the API server accepts manifest $i of $page', async ({ block }) => {
  const { stderr, code } = await kubectl(
    ['create', '--dry-run=server', '--validate=strict', '-f', '-'],
    block,
  );
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
});

describe('the pages', () => {
  test.each(pages)('%s links only to what is there', (page) => {
    const links = [...read(page).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, link = '']) => link);
    expect(links.filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([]);
  });

  test.each(pages)('%s names only scripts of package.json', (page) => {
    const { scripts } = JSON.parse(read('package.json')) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    const named = [...read(page).matchAll(/npm (?:run )?(?:-s )?([a-z]+(?::[a-z]+)*)/g)].map(
      ([, name = '']) => name,
    );
    expect(named.filter((name) => name !== 'ci' && name !== 'run' && scripts[name] === undefined)).toEqual(
      [],
    );
  });
});

/** Pages whose commands need a run that has failed: they are not run, but read. */
const toRead = ['docs/reasons.md', 'docs/volume.md'];
const commands = toRead.flatMap((page) =>
  blocks(page, 'sh').flatMap((block) =>
    block
      .replaceAll(/\\\n\s*/g, '')
      .trim()
      .split('\n'),
  ),
);

const ours = commands.filter((command) => /^(npm|node) /.test(command));
const others = commands.filter((command) => !ours.includes(command));
const verbs = [...new Set(others.map((command) => command.split(' ').slice(0, 2).join(' ')))];

test.each(verbs)('the runbook names a command that there is: %s', async (command) => {
  const [program, verb = ''] = command.split(' ');
  const { code } = await kubectl([verb, '--help'], '');
  expect([program, code]).toEqual(['kubectl', 0]);
});

test('the runbook names scripts and a program of this repository that there are', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  const verbsOfAgent = ['explain', 'catalog', 'verify'].map((verb) => `node dist/agent.js ${verb}`);
  const known = [...Object.keys(scripts).map((name) => `npm run ${name}`), ...verbsOfAgent];
  expect(ours.length).toBeGreaterThan(0);
  for (const command of ours) expect(known).toContain(command.split(' ').slice(0, 3).join(' '));
});

test('the patches of the runbook are accepted', async () => {
  const patches = commands.flatMap((command) => / -p '(.*)'$/.exec(command)?.[1] ?? []);
  const ofBackups = patches.filter((patch) => /"(trigger|job)":/.test(patch));
  expect(ofBackups.length).toBeGreaterThan(1);
  const [smallest = ''] = blocks('README.md', 'yaml');
  for (const patch of patches) expect(JSON.parse(patch)).toBeTypeOf('object');
  for (const patch of ofBackups) {
    const args = ['patch', '--local', '--type=merge', '-p', patch, '-f', '-', '-o', 'yaml'];
    const patched = await kubectl(args, smallest);
    expect(patched).toMatchObject({ code: 0, stderr: '' });
    const created = await kubectl(
      ['create', '--dry-run=server', '--validate=strict', '-f', '-'],
      patched.stdout,
    );
    expect(created).toMatchObject({ code: 0, stderr: '' });
  }
});

test('the README shows the smallest resource in about ten lines', () => {
  const [first = ''] = blocks('README.md', 'yaml');
  expect(first.trim().split('\n').length).toBeLessThanOrEqual(12);
});
