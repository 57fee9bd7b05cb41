// The image that people run: built from the Dockerfile, looked into, started.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundle, nodeFlags } from '../../tools/bundle.ts';
import { operatorImage } from '../../tools/images.ts';
import { steps } from '../../tools/steps.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { unpack, type UnpackedImage } from './unpacked.ts';

const root = join(import.meta.dirname, '../..');
const megabytes = (n: number): number => n * 1_000_000;

let image: UnpackedImage;

beforeAll(async () => {
  const { archive } = await operatorImage(steps());
  image = await unpack(archive);
});

afterAll(() => image?.remove());

function text(path: string): string {
  return readFileSync(join(image.root, path), 'utf8');
}

function version(): string {
  const project = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return project.version;
}

describe('what the image says about itself', () => {
  test('it starts the operator, as a user whose number is not 0', () => {
    const { User, Entrypoint, Cmd, Env, WorkingDir } = image.image.config;
    expect({ User, Entrypoint, Cmd, Env, WorkingDir }).toEqual({
      User: '65532:65532',
      Entrypoint: ['node', ...nodeFlags, '/app/main.js'],
      Cmd: undefined,
      Env: ['PATH=/usr/bin'],
      WorkingDir: '/app',
    });
  });

  test('it has the labels that registries show', () => {
    expect(image.image.config.Labels).toMatchObject({
      'org.opencontainers.image.title': 'neo4j-backup-operator',
      'org.opencontainers.image.description': expect.stringContaining('Neo4j') as string,
      'org.opencontainers.image.licenses': 'Apache-2.0',
      'org.opencontainers.image.version': version(),
      'org.opencontainers.image.revision': expect.any(String) as string,
      'org.opencontainers.image.base.name': 'localhost/node:24-slim',
    });
  });

  test('it tells nothing of how the build came by its packages', () => {
    expect(JSON.stringify(image.image)).not.toMatch(/npm|secret|token|registry|certificate/i);
  });
});

describe('what is in the image', () => {
  test('Node, the libraries it names, our programs, licenses, a user: nothing else', () => {
    const library = /^lib\/x86_64-linux-gnu\/lib(c|m|dl|pthread|gcc_s|stdc\+\+)\.so\.\d$/;
    const files = image.files.filter(({ isFolder }) => !isFolder).map(({ path }) => path);
    expect(files.filter((path) => !library.test(path))).toEqual([
      'app/LICENSE',
      'app/NOTICES.txt',
      'app/agent.js',
      'app/cli.js',
      'app/main.js',
      'app/main.js.LEGAL.txt',
      'app/package.json',
      'etc/group',
      'etc/nsswitch.conf',
      'etc/passwd',
      'lib64/ld-linux-x86-64.so.2',
      'licenses/libc6',
      'licenses/libstdc++6',
      'licenses/node',
      'usr/bin/node',
    ]);
    expect(files.some((path) => library.test(path))).toBe(true);
  });

  test('everybody may read it, nobody but root may change it, and nothing lends root its rights', () => {
    const isOpen = (mode: number, isFolder: boolean): boolean =>
      (mode & 0o444) === 0o444 && (!isFolder || (mode & 0o111) === 0o111);
    const odd = image.files
      .filter(({ path }) => path !== 'tmp')
      .filter(({ mode, uid, isFolder }) => uid !== 0 || (mode & 0o7022) !== 0 || !isOpen(mode, isFolder));
    expect(odd).toEqual([]);
    expect(image.files.find(({ path }) => path === 'tmp')).toMatchObject({ mode: 0o1777, isFolder: true });
  });

  test('it is small: nearly all of it is Node itself', () => {
    // Measured: 50.4 MB, of which the bundles were 0.5 MB; the plan has added 0.1.
    expect(image.pulled).toBeLessThan(megabytes(56));
    // What is ours: 2.1 MB.
    const own = image.files.filter(({ path }) => path.startsWith('app/') && path.endsWith('.js'));
    const bytes = own.reduce((sum, { path }) => sum + Buffer.byteLength(text(path)), 0);
    expect(bytes).toBeLessThan(megabytes(2.5));
  });

  test('its bundles are those of this tree, and hold no compiler, no cloud kit, and no test tool', async () => {
    const folder = temporaryFolder();
    const inputs = await bundle(['main', 'agent', 'cli'], folder);
    const isSame = (program: string): boolean =>
      text(join('app', program)) === readFileSync(join(folder, program), 'utf8'); // too long to be shown when it fails
    expect(['main.js', 'agent.js', 'cli.js'].filter((program) => !isSame(program))).toEqual([]);
    expect(inputs.length).toBeGreaterThan(100);
    expect(
      inputs.filter((input) => /pulumi|aws-sdk|typescript|vitest|esbuild|\.test\.ts$/.test(input)),
    ).toEqual([]);
    expect(text('app/main.js') + text('app/agent.js') + text('app/cli.js')).not.toMatch(
      /@pulumi\/|@aws-sdk\/|createSourceFile|transpileModule/,
    );
  });

  test('the agent has no Kubernetes client', async () => {
    const inputs = await bundle(['agent'], temporaryFolder());
    expect(inputs.filter((input) => /@kubernetes|src\/(kube|runtime|backup)\//.test(input))).toEqual([]);
  });

  test('the licenses of everything that is in it are in it', async () => {
    const inputs = await bundle(['main', 'agent', 'cli'], temporaryFolder());
    const folders = inputs.flatMap((input) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(input) ?? []);
    const packages = [...new Set(folders)].map(
      (folder) =>
        JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Record<
          'name' | 'version',
          string
        >,
    );
    const notices = text('app/NOTICES.txt');
    expect(packages.length).toBeGreaterThan(10);
    expect(packages.filter((one) => !notices.includes(`\n${one.name} ${one.version} (`))).toEqual([]);
    expect(text('app/LICENSE')).toBe(readFileSync(join(root, 'LICENSE'), 'utf8'));
    expect(text('licenses/node')).toContain('Node.js is licensed');
    expect(text('licenses/libc6')).toContain('GNU C Library');
    expect(text('licenses/libstdc++6')).toContain('GCC Runtime Library Exception');
  });
});

describe('started under the restricted profile', () => {
  test('it is nobody and can write nowhere', async () => {
    const script = `
      const { writeFileSync } = require('node:fs');
      const code = (path) => { try { writeFileSync(path, ''); return 'written'; } catch (error) { return error.code; } };
      console.log(process.getuid(), process.getgid(), process.getgroups().join(), code('/app/x'), code('/tmp/x'));`;
    const { stdout, stderr } = await image.start(['node', '-e', script]);
    expect({ stdout, stderr }).toEqual({ stdout: '65532 65532 65532 EROFS EROFS\n', stderr: '' });
  });

  test('the operator tells of its options', async () => {
    const { code, stdout, stderr } = await image.start([...image.image.config.Entrypoint, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('--agent-image');
  });

  test('a plan can be had of it', async () => {
    const { code, stdout, stderr } = await image.start(['node', '/app/cli.js', 'plan', '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('neo4j-backup plan FILE.yaml');
  });

  test.each(['65532:65532', '7474:7474'])(
    'the agent without a request ends for good, as %s',
    async (user) => {
      const { code, stderr } = await image.start(
        ['node', '--max-old-space-size-percentage=60', '/app/agent.js', 'prepare'],
        user,
      );
      expect(code).toBe(20);
      expect(stderr).toContain('POD_UID must be the uid of the Pod');
    },
  );

  test('there is no shell to start', async () => {
    for (const shell of ['sh', '/bin/sh', 'bash', 'busybox']) {
      const { code, stderr } = await image.start([shell, '-c', 'true']);
      expect({ shell, code, stderr }).toMatchObject({ code: 127 });
    }
  });
});
