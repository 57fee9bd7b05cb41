// What the API server checks in CEL, for who has no API server: the same rules by their messages, which a test holds together.

type Fields = Readonly<Record<string, unknown>>;

interface Constraint {
  /** As the rule of the schema has it. */
  readonly message: string;
  /** Where it holds, below spec. Empty: spec itself. */
  readonly at: readonly string[];
  readonly holds: (value: Fields) => boolean;
}

const rulesOfRetention = [
  'keepLast',
  'keepHourly',
  'keepDaily',
  'keepWeekly',
  'keepMonthly',
  'keepYearly',
  'keepWithin',
];

/** A rule that looks at the object before, such as what may not change, has nothing to look at here. */
export const constraints: readonly Constraint[] = [
  {
    message: 'exactly one of serviceRef and host must be set',
    at: ['source'],
    holds: (source) => has(source, 'serviceRef') !== has(source, 'host'),
  },
  {
    message:
      'at least one of keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly and keepWithin must be set',
    at: ['retention'],
    holds: (retention) => rulesOfRetention.some((rule) => has(retention, rule)),
  },
  {
    message: 'databases and allDatabases must not both be set',
    at: [],
    holds: (spec) => !(has(spec, 'databases') && has(spec, 'allDatabases')),
  },
];

/** What is wrong with a spec that has the right shape. */
export function brokenConstraints(spec: Fields): readonly string[] {
  return constraints.flatMap(({ message, at, holds }) => {
    const value = at.reduce<unknown>((inner, name) => (isFields(inner) ? inner[name] : undefined), spec);
    return isFields(value) && !holds(value) ? [`${['spec', ...at].join('.')}: ${message}`] : [];
  });
}

function has(value: Fields, name: string): boolean {
  return value[name] !== undefined;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
