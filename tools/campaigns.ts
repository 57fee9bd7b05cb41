// Suites that are campaigns, which count what they played and what did not hold.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attached } from './run.ts';

/** Runs a suite of campaigns: at its end a line for each of them and one for all. @returns the exit code */
export async function playCampaigns(suite: string, args: readonly string[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), `${suite}-`));
  const file = join(folder, 'count');
  process.env['CAMPAIGN_COUNT'] = file; // test/volume/campaign.ts writes to it
  try {
    const code = await attached(['vitest', 'run', '--project', suite, ...args]);
    const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').toSorted() : [];
    for (const line of lines) console.log(line);
    const [plans, violations] = ['plans', 'violations'].map((what) => total(lines, what));
    console.log(`plans ${plans}, violations ${violations}`);
    return code === 0 && violations === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function total(lines: readonly string[], what: string): number {
  const counts = lines.map((line) => Number(new RegExp(`${what} (\\d+)`).exec(line)?.[1]));
  return counts.reduce((sum, count) => sum + count, 0);
}
