// `npm run test:faults`: the suite `faults`, and as its last line how often stories were told and how often something did not hold.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attached } from './run.ts';

/** Each line: how many plans a file of tests has played, and how many violations it has found. */
function sum(text: string): readonly [plans: number, violations: number] {
  const rows = text
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number));
  const total = (column: number): number => rows.reduce((so, row) => so + (row[column] ?? 0), 0);
  return [total(0), total(1)];
}

async function main(args: readonly string[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'faults-'));
  const file = join(folder, 'count');
  process.env['FAULTS_COUNT'] = file;
  try {
    const code = await attached(['vitest', 'run', '--project', 'faults', ...args]);
    const [plans, violations] = sum(readFileSync(file, 'utf8'));
    console.log(`plans ${plans}, violations ${violations}`);
    return code === 0 && violations === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main(process.argv.slice(2));
