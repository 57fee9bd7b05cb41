// Columns for people. What is in them may come from a volume that others write to: nothing of it moves a cursor.
import { plain } from './plain.ts';

/** Characters of a cell at most. */
const widest = 120;

/** Rows under a heading, columns as wide as they must be. No row: nothing at all. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const lines = [heading, ...rows].map((cells) => cells.map(cellOf));
  const widths = heading.map((_, at) => Math.max(...lines.map((cells) => cells[at]?.length ?? 0)));
  return lines
    .map(
      (cells) =>
        `${cells
          .map((cell, at) => cell.padEnd(widths[at] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** A text as one line of what can be printed. */
export function cellOf(text: string): string {
  const line = plain(text);
  return line.length > widest ? `${line.slice(0, widest - 1).toWellFormed()}…` : line;
}

/** JSON in ASCII, with everything escaped that a terminal could take for more than a character. */
export function safeJSON(value: unknown): string {
  const text = JSON.stringify(value, undefined, 2);
  return `${text.replaceAll(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;
}
