// What prepare decided, for report to judge by: plan.json in the exchange folder.
import * as z from 'zod';

const Tip = z.object({
  chain: z.string(),
  point: z.string(),
  storeID: z.string(),
  artifact: z.object({ storeID: z.string(), recovered: z.boolean() }).optional(),
  lastTransactionID: z.string(),
});

/** One try at a backup of a database: a folder of its own in staging, and the steps that fill it and look at it. */
const Try = z.object({
  type: z.enum(['Full', 'Incremental']),
  /** Name of the folder in staging. */
  folder: z.string().regex(/^[a-z0-9.-]+$/),
  /** Step of the exchange folder that takes the backup. */
  backup: z.string(),
  /** Steps that list what was taken, in two formats, and the one that checks it: of generation C alone. */
  inspect: z.array(z.string()),
  check: z.string().optional(),
});

const Target = z.object({
  /** A name, or `*`: then the tool decides, and the artifacts tell. */
  database: z.string(),
  /**
   * The first one is what was decided. Where it is incremental, a full one may follow in case that it fails; with
   * generation A the first itself may end as a full one.
   */
  tries: z.array(Try).min(1).max(2),
  fullBecause: z.string().optional(),
});

/** A database as the destination held it when this was decided. Nothing of it there: it is not in the list. */
const Known = z.object({
  database: z.string(),
  tip: Tip,
  /** The newest point's, which need not be the tip's. */
  newestSequence: z.int().min(1),
  /** Why its tip is not gone on from: then a full one is what is wanted of it. */
  setAside: z.string().optional(),
});

const Plan = z.object({
  startTime: z.iso.datetime(),
  /** What an earlier attempt of the run published is in neither list: report finds it on the volume. */
  targets: z.array(Target),
  known: z.array(Known),
  /** Published points of which a file was found not to be what was written. */
  damaged: z.array(z.object({ database: z.string(), point: z.string(), file: z.string() })).optional(),
});

export type Plan = Readonly<z.output<typeof Plan>>;
export type Target = Readonly<z.output<typeof Target>>;
export type Try = Readonly<z.output<typeof Try>>;
export type Known = Readonly<z.output<typeof Known>>;
export type Damaged = NonNullable<Plan['damaged']>[number];

/** @throws Error when the text is not a plan: only our own prepare writes it */
export function parsePlan(json: string): Plan {
  return Plan.parse(JSON.parse(json));
}
