// What the campaigns of this folder have in common: they say how much they played, and what did not hold.
import { appendFileSync } from 'node:fs';
import { expect } from 'vitest';

/** The most violations that a failing test names. A campaign may end when it has found so many. */
export const enough = 5;

/**
 * Ends a campaign: `npm run test:volume`, or `test:time`, prints the line, and the test fails when anything did not hold.
 * @param violations what did not hold, each with enough to play its plan again
 */
export function concludeCampaign(name: string, plans: number, violations: readonly string[]): void {
  const file = process.env['CAMPAIGN_COUNT'];
  if (file !== undefined) appendFileSync(file, `${name}: plans ${plans}, violations ${violations.length}\n`);
  expect({ campaign: name, violations: violations.slice(0, enough), count: violations.length }).toEqual({
    campaign: name,
    violations: [],
    count: 0,
  });
  expect(plans).toBeGreaterThan(0);
}
