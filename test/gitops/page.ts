// What docs/gitops.md says, for the tests that hold it to its word.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const docs = join(import.meta.dirname, '../../docs');
const page = readFileSync(join(docs, 'gitops.md'), 'utf8');

export const healthScript = readFileSync(join(docs, 'argocd/health.lua'), 'utf8');

export function blocks(language: string): readonly string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm');
  return [...page.matchAll(fence)].map(([, block = '']) => block);
}

export interface TruthRow {
  readonly state: string;
  /** The other cells by their column. */
  readonly cells: Readonly<Record<string, string>>;
}

/** The table of states: what each condition is, and what tools make of it. */
export function truthTable(): readonly TruthRow[] {
  const lines = page.split('\n').filter((line) => line.startsWith('|'));
  const [[, ...columns] = [], , ...rows] = lines.map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
  return rows.map(([state = '', ...cells]) => ({
    state,
    cells: Object.fromEntries(columns.map((column, i) => [column, cells[i] ?? ''])),
  }));
}
