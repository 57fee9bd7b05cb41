// A process that dies over any operation of an adoption: what lies there is whole or not there, the original is as it was, and
// the next attempt completes it.
import { expect, test } from 'vitest';
import { cases, diesAt, operationsOf } from '../support/adoption.ts';
import { concludeCampaign } from './campaign.ts';

/** Of all that there are: where PLANS asks for less, they are spread evenly. */
const plans = Number(process.env['PLANS'] ?? 120);

test('adoption', { timeout: 600_000 }, async () => {
  const all: (readonly [one: (typeof cases)[number], k: number])[] = [];
  for (const one of cases) {
    const { count } = await operationsOf(one);
    for (let k = 1; k <= count; k += 1) all.push([one, k]);
  }
  const step = Math.max(1, all.length / plans);
  const violations: string[] = [];
  let played = 0;
  for (let at = 0; at < all.length; at += step) {
    const [one, k] = all[Math.floor(at)] ?? [];
    if (one === undefined || k === undefined) continue;
    played += 1;
    const how = { half: k % 3 === 0, isLater: k % 2 === 0 };
    const problem = await diesAt(one, k, how);
    if (problem !== undefined) violations.push(`${one.name}, operation ${k}: ${problem}`);
  }
  expect(played).toBeLessThanOrEqual(plans + 1);
  concludeCampaign('adoption, a process that dies', played, violations);
});
