// `npm run test:volume`: the suite `volume`, and at its end a line for each campaign.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attached } from './run.ts';

async function main(args: readonly string[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'volume-'));
  const file = join(folder, 'count');
  process.env['VOLUME_COUNT'] = file; // test/volume/campaign.ts writes to it
  try {
    const code = await attached(['vitest', 'run', '--project', 'volume', ...args]);
    const lines = readFileSync(file, 'utf8').trim().split('\n').toSorted();
    for (const line of lines) console.log(line);
    return code === 0 && lines.every((line) => line.endsWith(' violations 0')) ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main(process.argv.slice(2));
