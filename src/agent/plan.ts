// What prepare decided, for report to judge by: plan.json in the exchange folder.
import * as z from 'zod';

const Base = z.object({
  /** Path of the tip's identity at the moment of the decision; absent on a blank destination. */
  tip: z
    .object({
      chain: z.string(),
      point: z.string(),
      sequence: z.int(),
      storeID: z.string(),
      storeVersion: z.string(),
      lastTransactionID: z.string(),
    })
    .optional(),
});

export const Plan = z.discriminatedUnion('kind', [
  /** An earlier attempt published already: there is nothing to do but to say so again. */
  z.object({ kind: z.literal('published') }),
  Base.extend({
    kind: z.literal('take'),
    type: z.enum(['Full', 'Incremental']),
    fullBecause: z.string().optional(),
    startTime: z.iso.datetime(),
    checkConsistency: z.object({ first: z.boolean(), second: z.boolean() }),
  }),
]);

export type Plan = z.output<typeof Plan>;
export type Take = Extract<Plan, { kind: 'take' }>;
