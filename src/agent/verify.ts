// `agent verify DIR`: reads everything back, and says which files are damaged and what that takes away.
import { cellOf, safeJSON } from '../api/table.ts';
import { checkDestination, type Checked, type Taken } from '../volume/check.ts';
import { inWords } from '../volume/space.ts';
import type { Place, Printed } from './offline.ts';

export async function printVerification(
  places: readonly Place[],
  output: 'table' | 'json',
): Promise<Printed> {
  const checked: (Checked & { readonly name: string })[] = [];
  for (const { name, root } of places) checked.push({ name, ...(await checkDestination(root)) });
  const exitCode = checked.every(({ faults }) => faults.length === 0) ? 0 : 1;
  const text =
    output === 'json'
      ? safeJSON({ result: exitCode === 0 ? 'Verified' : 'Damaged', destinations: checked })
      : checked.map(asText).join('');
  return { text, exitCode };
}

function asText({ name, faults, notes, sound, sizeBytes }: Checked & { readonly name: string }): string {
  const verdict =
    faults.length === 0
      ? `${sound} restore points are whole, all points weigh ${inWords(sizeBytes)}`
      : `DAMAGED: ${faults.length} faults; ${sound} restore points are whole, of ${inWords(sizeBytes)}`;
  return [
    `${cellOf(name)}: ${verdict}\n`,
    ...faults.flatMap(({ path, why, takes }) => [
      `  ${cellOf(path)}: ${cellOf(why)}\n`,
      ...takes.map((taken) => `    takes away ${takenText(taken)}\n`),
    ]),
    ...notes.map((note) => `  note: ${cellOf(note)}\n`),
  ].join('');
}

function takenText({ database, chain, point, lastTransactionID }: Taken): string {
  const up = lastTransactionID === undefined ? '' : ` up to transaction ${lastTransactionID}`;
  return cellOf(`${point} of the chain ${chain} of ${database}${up}`);
}
