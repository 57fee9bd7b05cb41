// Tells every one of some stories with every fault that it has room for, as tests.
import { appendFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { campaign, describe as describeViolation } from './campaign.ts';
import type { Story } from './trial.ts';

/** Tellings with two faults, by chance, for each story. */
const pairs = Number(process.env['PLANS'] ?? 10);
const seed = Number(process.env['SEED'] ?? 1);

/** A test for each story. `npm run test:faults` sums up what they append to a file. */
export function campaigns(stories: readonly Story[]): void {
  let plans = 0;
  let violations = 0;

  afterAll(() => {
    const file = process.env['FAULTS_COUNT'];
    if (file !== undefined) appendFileSync(file, `${plans} ${violations}\n`);
  });

  test.each(stories)('$name', async (story) => {
    const verdict = await campaign(story, { pairs, seed });
    plans += verdict.plans;
    violations += verdict.violations.length;
    const found = verdict.violations.map(describeViolation);
    console.log(`${story.name}: plans ${verdict.plans}, violations ${found.length}, seed ${seed}`);
    expect(found).toEqual([]);
  });
}
