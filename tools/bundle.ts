// src -> dist: one file per program.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { notices } from './notices.ts';

const root = dirname(import.meta.dirname);

/** Inputs that must never be part of what we ship. */
const forbidden = /node_modules\/(@pulumi|typescript|@aws-sdk|vitest)\//;

/** Some packages are CommonJS: inside one ES module they need these names. */
const banner = [
  "import { createRequire as makeRequire } from 'node:module';",
  "import { fileURLToPath as toPath } from 'node:url';",
  "const require = makeRequire(import.meta.url), __filename = toPath(import.meta.url), __dirname = toPath(new URL('.', import.meta.url));",
].join('\n');

/**
 * client-node does not say that loading its files has no effect, so each of its 780 models would be loaded for the one
 * class that we use: 9 MB of memory. Said of the files that bring them along; esbuild asks for each import of such a name.
 */
const withoutModels: Plugin = {
  name: 'without-models',
  setup(building) {
    const filter = /^\.\/([a-z_-]+\.js$|gen\/|models\/|apis\/|types\/)/;
    building.onResolve({ filter }, ({ path, importer, resolveDir }) =>
      importer.includes('/node_modules/@kubernetes/client-node/')
        ? { path: join(resolveDir, path), sideEffects: false }
        : undefined,
    );
  },
};

/**
 * With these Node holds 17 MB less when the operator is idle: memory before speed, and no second, optimized compilation of
 * the one WebAssembly module there is, an HTTP parser. NODE_OPTIONS would not take them; the image's entry point has them.
 */
export const nodeFlags = ['--optimize-for-size', '--wasm-tiering-budget=1000000000'];

/** The programs that have a bundle, and where it is written. */
export const bundleFolder = join(root, 'dist');

/**
 * Writes a file per program, and beside them the licenses of what is in them.
 * @returns the files that they were made from
 * @throws Error when something that must not be shipped is one of them
 */
export async function bundle(programs: readonly string[], folder = bundleFolder): Promise<readonly string[]> {
  const inputs: string[] = [];
  for (const program of programs) {
    const { metafile } = await build({
      entryPoints: [join(root, 'src', `${program}.ts`)],
      outfile: join(folder, `${program}.js`),
      absWorkingDir: root,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node24',
      minify: true,
      metafile: true,
      legalComments: 'linked',
      plugins: [withoutModels],
      external: ['utf-8-validate', 'bufferutil', 'supports-color'],
      banner: { js: banner },
      logLevel: 'warning',
    });
    const bad = Object.keys(metafile.inputs).find((input) => forbidden.test(input));
    if (bad !== undefined) throw new Error(`${program} must not contain ${bad}`);
    if (program === 'agent' && Object.keys(metafile.inputs).some((input) => input.includes('@kubernetes/')))
      throw new Error('the agent must not contain the Kubernetes client');
    inputs.push(...Object.keys(metafile.inputs));
  }
  mkdirSync(folder, { recursive: true });
  // Away from this repository nothing else says that they are modules.
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  writeFileSync(join(folder, 'NOTICES.txt'), notices(root, inputs));
  return inputs;
}

if (import.meta.main) await bundle(['main', 'agent', 'cli']);
