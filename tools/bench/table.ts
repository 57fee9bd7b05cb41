// Figures as lines of a table.

export function heading(title: string, unit: string): void {
  console.log(`\n${title.padEnd(56)}  ${unit}`);
}

export function row(name: string, value: string): void {
  console.log(`  ${name.padEnd(54)}  ${value}`);
}

export function fixed(value: number): string {
  return value.toFixed(2);
}

export function list(values: readonly number[]): string {
  return values.map(fixed).join('  ');
}

/** Names one that was missed. */
export function judged(value: number, aim: number): string {
  return `${fixed(value)} (aim ${aim}${value > aim ? ', missed' : ''})`;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
