// The settings of the tool that a resource may give it: an allow-list per generation, names and what their values look like.

/** What the values of a setting look like. Nothing that could be taken for another argument, a path or an address. */
export interface ToolOption {
  readonly values: RegExp;
  /** For people. */
  readonly takes: string;
  /** It is written without its value. */
  readonly isFlag?: true;
}

export type ToolOptions = Readonly<Record<string, ToolOption>>;

export const switches: ToolOption = { values: /^(true|false)$/, takes: 'true or false' };
export const durations: ToolOption = {
  values: /^[1-9][0-9]{0,5}(ms|s|m|h)$/,
  takes: 'a time such as 90s, 20m or 2h',
};

export const flag: ToolOption = { values: /^true$/, takes: 'true', isFlag: true };

/** @param values plain words */
export function oneOf(...values: readonly string[]): ToolOption {
  return { values: new RegExp(`^(${values.join('|')})$`), takes: values.join(', ') };
}

/** What speaks against these settings, if anything does. */
export function refuseOptions(
  allowed: ToolOptions,
  given: Readonly<Record<string, string>>,
): string | undefined {
  const refused = Object.entries(given).find(([name, value]) => !isAllowed(allowed, name, value));
  if (refused === undefined) return undefined;
  const [name] = refused;
  const option = Object.hasOwn(allowed, name) ? allowed[name] : undefined;
  if (option !== undefined) return `${name} takes ${option.takes}`;
  const known = Object.keys(allowed);
  // The schema cannot bound the name of a setting.
  const shown = /^[A-Za-z]([-A-Za-z]{0,61}[A-Za-z])?$/.test(name) ? name : 'setting of such a name';
  return `there is no ${shown}; there ${known.length > 0 ? `are ${known.join(', ')}` : 'are none at all'}`;
}

function isAllowed(allowed: ToolOptions, name: string, value: string): boolean {
  return Object.hasOwn(allowed, name) && allowed[name]?.values.test(value) === true;
}

/**
 * The arguments of the tool, in the order of the allow-list.
 * @throws Error on a setting that is not allowed: the operator has refused it before
 */
export function optionArguments(
  allowed: ToolOptions,
  given: Readonly<Record<string, string>>,
  dashes: '-' | '--',
): readonly string[] {
  const refused = refuseOptions(allowed, given);
  if (refused !== undefined) throw new Error(`a setting that is not allowed: ${refused}`);
  return Object.entries(allowed).flatMap(([name, { isFlag }]) => {
    const value = given[name];
    if (value === undefined) return [];
    return [isFlag === true ? `${dashes}${name}` : `${dashes}${name}=${value}`];
  });
}
