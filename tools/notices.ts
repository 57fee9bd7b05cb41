// The license texts of the packages that ended up in a bundle, as one file: their licenses ask for that.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Package {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly texts: readonly string[];
}

/** `node_modules/@scope/name/lib/x.js` -> `node_modules/@scope/name`; own files are in no package. */
function folderOf(input: string): readonly string[] {
  const [, folder] = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input) ?? [];
  return folder === undefined ? [] : [folder];
}

/** @throws Error when the package brings no license text: then a person must look */
function readPackage(folder: string): Package {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<
    'name' | 'version' | 'license',
    string
  >;
  const texts = readdirSync(folder)
    .filter((file) => /^(un)?licen[cs]e|^notice|^copying/i.test(file))
    .toSorted()
    .map((file) => readFileSync(join(folder, file), 'utf8').trim());
  if (texts.length === 0) throw new Error(`${name} ${version} is bundled and brings no license text`);
  return { name, version, license, texts };
}

/**
 * Gives the text for a list of bundled files, relative to `root`.
 * @throws Error when a package among them has no license text
 */
export function notices(root: string, inputs: readonly string[]): string {
  const packages = [...new Set(inputs.flatMap(folderOf))]
    .toSorted()
    .map((folder) => readPackage(join(root, folder)));
  const parts = packages.map(({ name, version, license, texts }) =>
    [`${name} ${version} (${license})`, ...texts].join('\n\n'),
  );
  return `${['This program contains these packages:', ...parts].join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}
