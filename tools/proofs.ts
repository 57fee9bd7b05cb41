// Where each reason is produced by a test: read from the tests themselves, so that the list cannot say more than they do.
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { reasons, type Reason, type ReasonRow } from '../src/api/reasons.ts';

/** The nearer to real life the earlier: a reason counts where it is found first. */
const levels: readonly (readonly [where: string, tests: readonly string[]])[] = [
  ['on a real node, with the real tool', ['test/e2e/*.ts']],
  ['with the real tool and a real server, without a cluster', ['test/engine/**/*.ts']],
  ['on a real API server', ['test/contract/*.test.ts', 'test/crd/*.ts']],
  ['on a fake alone', ['test/flow/*.ts', 'test/faults/*.ts', 'src/**/*.test.ts']],
];

const root = dirname(import.meta.dirname);

function textOf(patterns: readonly string[]): string {
  const files = patterns.flatMap((pattern) => globSync(pattern, { cwd: root }));
  return files.map((file) => readFileSync(join(root, file), 'utf8')).join('\n');
}

/** A word in quotes, or at the beginning of the name of a test. */
function names(text: string, reason: Reason): boolean {
  return new RegExp(`['"\`]${reason}(['"\`]|: )`).test(text);
}

/** A table of Markdown: every reason that people are told of, by the most real test that produces it. */
export function proofTable(): string {
  const told = (Object.entries(reasons) as [Reason, ReasonRow][]).filter(([, { event }]) => event !== 'none');
  const left = new Set(told.map(([reason]) => reason));
  const rows = levels.map(([where, patterns]) => {
    const text = textOf(patterns);
    const here = [...left].filter((reason) => names(text, reason));
    for (const reason of here) left.delete(reason);
    return row(where, here);
  });
  const unproven = left.size === 0 ? [] : [row('by no test yet', [...left])];
  return ['| proven | reasons |', '| --- | --- |', ...rows, ...unproven].join('\n');
}

function row(where: string, found: readonly Reason[]): string {
  return `| ${where} | ${found.map((reason) => `\`${reason}\``).join(', ')} |`;
}
