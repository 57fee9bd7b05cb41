// src -> dist: one file per program.
import { dirname, join } from 'node:path';
import { build } from 'esbuild';

const root = dirname(import.meta.dirname);

/** Inputs that must never be part of what we ship. */
const forbidden = /node_modules\/(@pulumi|typescript|@aws-sdk|vitest)\//;

/** Some packages are CommonJS: inside one ES module they need these names. */
const banner = [
  "import { createRequire as makeRequire } from 'node:module';",
  "import { fileURLToPath as toPath } from 'node:url';",
  "const require = makeRequire(import.meta.url), __filename = toPath(import.meta.url), __dirname = toPath(new URL('.', import.meta.url));",
].join('\n');

/** The programs that have a bundle, and where it is written. */
export const bundleFolder = join(root, 'dist');

/** @throws Error when something that must not be shipped is an input */
export async function bundle(programs: readonly string[]): Promise<void> {
  for (const program of programs) {
    const { metafile } = await build({
      entryPoints: [join(root, 'src', `${program}.ts`)],
      outfile: join(bundleFolder, `${program}.mjs`),
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node24',
      minify: true,
      metafile: true,
      legalComments: 'linked',
      external: ['utf-8-validate', 'bufferutil', 'supports-color'],
      banner: { js: banner },
      logLevel: 'warning',
    });
    const bad = Object.keys(metafile.inputs).find((input) => forbidden.test(input));
    if (bad !== undefined) throw new Error(`${program} must not contain ${bad}`);
    if (program === 'agent' && Object.keys(metafile.inputs).some((input) => input.includes('@kubernetes/')))
      throw new Error('the agent must not contain the Kubernetes client');
  }
}

if (import.meta.main) await bundle(['main', 'agent']);
