// The operator with a known bug in it: a copy of the whole module graph in which one line of src reads otherwise.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'vitest/config';

export interface Bug {
  /** In kebab-case: it becomes part of module ids. */
  readonly name: string;
  readonly changes: readonly Change[];
}

interface Change {
  /** From the root. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const root = join(import.meta.dirname, '../..');
const marked = /[?&]bug=([-a-z0-9]+)/;

/** Serves `module?bug=name`, and everything of ours that it imports, with that bug. */
export function mutants(bugs: readonly Bug[]): Plugin {
  for (const bug of bugs) checkFits(bug);
  return {
    name: 'mutants',
    enforce: 'pre',
    async resolveId(source, importer) {
      const bug = marked.exec(importer ?? '')?.[1];
      if (bug === undefined || importer === undefined || marked.test(source)) return undefined;
      const resolved = await this.resolve(source, importer.split('?')[0], { skipSelf: true });
      const isOurs =
        resolved !== null && resolved.id.startsWith(root) && !resolved.id.includes('node_modules');
      return isOurs ? `${resolved.id}?bug=${bug}` : resolved;
    },
    transform(code, id) {
      const bug = bugs.find(({ name }) => name === marked.exec(id)?.[1]);
      const changes = bug?.changes.filter(({ file }) => id.split('?')[0] === join(root, file)) ?? [];
      return changes.reduce((so, { from, to }) => so.replace(from, () => to), code);
    },
  };
}

/** A bug whose place has changed would never be seeded, and so never be missed. */
function checkFits({ name, changes }: Bug): void {
  for (const { file, from } of changes) {
    const places = readFileSync(join(root, file), 'utf8').split(from).length - 1;
    if (places !== 1) throw new Error(`the bug ${name} fits ${places} places of ${file}, not one`);
  }
}
