// Tells a story with every fault that it has room for, and says what did not hold.
import { allPlans, chance, someFaults, type Plan } from './plan.ts';
import { Trial, type Story, type Told } from './trial.ts';

export interface Violation {
  readonly plans: readonly Plan[];
  readonly what: string;
}

export interface Verdict {
  /** How many times the story was told. */
  readonly plans: number;
  readonly violations: readonly Violation[];
}

interface CampaignOptions {
  /** Tellings with two faults each, by chance. Default 0. */
  readonly pairs?: number;
  readonly seed?: number;
  /** How the story goes without a fault, where somebody else has told it: an operator that is known to be sound. */
  readonly calm?: Told;
  /** Ends with the first violation. */
  readonly isHasty?: boolean;
}

/** @returns what was found, the telling without a fault included */
export async function campaign(story: Story, options: CampaignOptions = {}): Promise<Verdict> {
  const { pairs = 0, seed = 1, isHasty = false } = options;
  const calm = options.calm ?? (await new Trial(story, []).tell());
  const single = allPlans(calm.extent).filter((plan) => fits(plan, story));
  const random = chance(seed);
  const double = Array.from({ length: pairs }, () => someFaults(single, 2, random));
  const violations: Violation[] = calm.violations.map((what) => ({ plans: [], what }));
  let told = 1;
  for (const plans of [...single.map((plan) => [plan]), ...double]) {
    if (isHasty && violations.length > 0) break;
    told += 1;
    const found = await violationsIn(story, plans, calm);
    violations.push(...found.map((what) => ({ plans, what })));
  }
  return { plans: told, violations };
}

const atWrites: ReadonlySet<Plan['kind']> = new Set(['calm', 'pair', 'crash', 'lateWrite']);

function fits({ kind }: Plan, { isOrdered, onlyAtWrites }: Story): boolean {
  if (kind === 'rush' && isOrdered === true) return false;
  return onlyAtWrites !== true || atWrites.has(kind);
}

/** A telling that the faults make impossible (the Job that an act is about is not there) has failed, too. */
async function violationsIn(story: Story, plans: readonly Plan[], calm: Told): Promise<readonly string[]> {
  try {
    return (await new Trial(story, plans).tell(calm)).violations;
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}

/** A violation on one line. */
export function describe({ plans, what }: Violation): string {
  return `${plans.map((plan) => JSON.stringify(plan)).join(' and ')}: ${what}`;
}
