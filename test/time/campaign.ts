// What the campaigns of this folder have in common. `SEED=` plays the plans of a failure once more, `PLANS=` more or fewer.
export { concludeCampaign } from '../volume/campaign.ts';

export const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/** How many plans of chance there are to be. */
export function plansOf(usually: number): number {
  return Number(process.env['PLANS'] ?? usually);
}
