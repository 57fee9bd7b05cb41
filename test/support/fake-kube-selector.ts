/** True when the labels satisfy a selector as `kubectl -l` takes it: `a=b,c!=d,e in (f,g),h notin (i),j,!k`. */
export function matchesSelector(
  selector: string | undefined,
  labels: Readonly<Record<string, string>>,
): boolean {
  if (selector === undefined || selector.trim() === '') return true;
  return splitRequirements(selector).every((requirement) => isMet(requirement, labels));
}

/** True when the object satisfies a field selector: `a.b=c,d!=e`, on whatever fields it has. */
export function matchesFields(selector: string | undefined, object: object): boolean {
  if (selector === undefined || selector === '') return true;
  return selector.split(',').every((requirement) => {
    const [, path = '', operator, value] = /^([^=!]+)(!?=)(.*)$/.exec(requirement) ?? [];
    const found = path
      .split('.')
      .reduce<unknown>((at, name) => (isRecord(at) ? at[name] : undefined), object);
    return ((found ?? '') === value) === (operator === '=');
  });
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** Splits at the commas outside of parentheses. */
function splitRequirements(selector: string): string[] {
  return selector.split(/,(?![^(]*\))/).map((part) => part.trim());
}

function isMet(requirement: string, labels: Readonly<Record<string, string>>): boolean {
  const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(requirement);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    const values = list.split(',').map((value) => value.trim());
    const isIn = labels[key] !== undefined && values.includes(labels[key]);
    return operator === 'in' ? isIn : !isIn;
  }
  const equality = /^([^\s=!]+)\s*(==|=|!=)\s*(\S*)$/.exec(requirement);
  if (equality !== null) {
    const [, key = '', operator, value] = equality;
    return (labels[key] === value) === (operator !== '!=');
  }
  if (/^!?[^\s=!()]+$/.test(requirement)) {
    return requirement.startsWith('!') ? !(requirement.slice(1) in labels) : requirement in labels;
  }
  throw new Error(`the fake does not understand the selector "${requirement}"`);
}
