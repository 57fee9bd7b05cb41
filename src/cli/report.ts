// What `plan --output json` prints: this is its schema, and API. Fields are added, never changed.
import * as z from 'zod';

const time = z.iso.datetime({ offset: true });
const count = z.int().min(0);
const type = z.enum(['Full', 'Incremental']);

const Run = z.strictObject({
  /** When it starts, in the resource's zone. */
  time,
  /** What the schedule says. Absent: the same. */
  scheduledTime: time.optional(),
  type,
  fullBecause: z.enum(['DestinationBlank', 'FullSchedule', 'Owed']).optional(),
  /** The clocks change on the day on which it starts. */
  clocksChange: z.literal(true).optional(),
  /** The offset that nobody knows yet may put it into a blackout window. */
  unsure: z.literal(true).optional(),
  /** Restore points that retention removes after it. */
  pruned: count,
  /** What is there then. */
  points: count,
  chains: count,
});

const Blackout = z.strictObject({
  time,
  type: z.enum(['Full', 'Auto']),
  /** When the window ends that takes it away. */
  until: time,
  /** The offset that nobody knows yet may bring it out of the window. */
  unsure: z.literal(true).optional(),
});

/** Between the starts of two runs. */
const Gap = z.strictObject({ from: time, until: time, seconds: count });

export const Plan = z.strictObject({
  /** Which document of the file. */
  document: z.int().min(1),
  name: z.string(),
  namespace: z.string(),
  neo4jVersion: z.string(),
  from: time,
  until: time,
  timeZone: z.string(),
  schedule: z.string().optional(),
  fullSchedule: z.string().optional(),
  /** The schedules start nothing as long as it is so; the plan tells what they would. */
  suspended: z.boolean(),
  /** Every run starts so much later than its schedule says, always by the same: `seconds`, once it is known, or less than `span`. */
  spread: z.strictObject({ span: z.string(), seconds: count.optional() }).optional(),
  clockChanges: z.array(
    z.strictObject({
      time,
      date: z.string(),
      offsetBefore: z.string(),
      offsetAfter: z.string(),
      runs: count,
    }),
  ),
  totals: z.strictObject({ runs: count, full: count, incremental: count, blackedOut: count }),
  dataLoss: z.strictObject({
    /** The longest time between the starts of two runs. Absent: there are no two. */
    longest: Gap.optional(),
    maxDataLossSeconds: count.optional(),
    /** Whether every gap is shorter than that. Absent: there is no objective, or no schedule. */
    met: z.boolean().optional(),
    tooLong: z.array(Gap),
  }),
  retention: z.strictObject({
    mode: z.enum(['None', 'Enforce', 'Plan']),
    /** What stays or goes by itself. */
    unit: z.enum(['Point', 'Chain']),
    pointsTaken: count,
    pointsPruned: count,
    pointsKept: count,
    /** What a policy in mode Plan would remove. */
    pointsCondemned: count,
    chainsStarted: count,
    chainsKept: count,
    /** Retention is reckoned after every so manieth run, where it would take too long to do it after each: up to so many runs late. */
    reckonedEvery: z.int().min(1),
    kept: z.array(
      z.strictObject({ time, type, chain: time, because: z.string(), condemned: z.literal(true).optional() }),
    ),
  }),
  space: z
    .strictObject({
      /** When most is there: while this run publishes, before retention comes. */
      time,
      points: count,
      full: count,
      incremental: count,
      /** Absent without --size. */
      bytes: count.optional(),
      /** What `status.volume.policyBytes` will say then. */
      policyBytes: count.optional(),
    })
    .optional(),
  verification: z.strictObject({ schedule: z.string(), times: z.array(time) }).optional(),
  runs: z.array(Run),
  blackedOut: z.array(Blackout),
  notes: z.array(z.string()),
});

export const Report = z.strictObject({
  schemaVersion: z.literal(1),
  plans: z.array(Plan),
  ignored: z.array(
    z.strictObject({ document: z.int().min(1), apiVersion: z.string(), kind: z.string(), name: z.string() }),
  ),
});

export type Plan = Readonly<z.output<typeof Plan>>;
export type Report = Readonly<z.output<typeof Report>>;
