// What prepare decided, for report to judge by: plan.json in the exchange folder.
import * as z from 'zod';

const Tip = z.object({
  chain: z.string(),
  point: z.string(),
  sequence: z.int(),
  storeID: z.string(),
  lastTransactionID: z.string(),
});

const Plan = z.discriminatedUnion('kind', [
  /** An earlier attempt published already: there is nothing to do but to say so again. */
  z.object({ kind: z.literal('published') }),
  z.object({
    kind: z.literal('take'),
    /**
     * What the first command takes. Where it is incremental, there is a second one, which takes a full backup; with
     * generation A the first does so itself.
     */
    type: z.enum(['Full', 'Incremental']),
    fullBecause: z.string().optional(),
    startTime: z.iso.datetime(),
    /** The tip when this was decided. Absent: the destination was blank. */
    tip: Tip.optional(),
    nextSequence: z.int().min(1),
  }),
]);

export type Plan = Readonly<z.output<typeof Plan>>;
export type Take = Extract<Plan, { readonly kind: 'take' }>;

/** @throws Error when the text is not a plan: only our own prepare writes it */
export function parsePlan(json: string): Plan {
  return Plan.parse(JSON.parse(json));
}
