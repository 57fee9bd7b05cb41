// What `neo4j-admin backup inspect` lists, as JSON or as a table. Pure.
//
// Of the JSON only the key `uri` was ever seen in public; of the table the columns are documented, in three sets. So the
// table is read by the names of its columns, JSON by keys that mean the same, and JSON counts only where it says it all.

import { databaseName } from '../api/patterns.ts';

/** One artifact, as the tool lists it. */
export interface Inspected {
  /** Name of the file, without its folder. */
  readonly file: string;
  readonly database: string;
  readonly databaseID: string;
  readonly isFull: boolean;
  readonly lowestTransactionID: bigint;
  readonly highestTransactionID: bigint;
}

/** A listing never has more lines that count: a chain has a week of an artifact an hour, a folder at most a few chains. */
const mostRows = 10_000;

/** All that a text lists. What is no line of a listing is passed over; nothing found is an empty list. */
export function parseInspection(text: string): readonly Inspected[] {
  const fromJSON = parseJSON(text);
  return fromJSON.length > 0 ? fromJSON : parseTable(text);
}

/** The keys of what we need, in lower case without blanks, underscores and brackets. */
const keys = {
  file: ['file', 'uri', 'path'],
  database: ['database', 'databasename'],
  databaseID: ['databaseid'],
  full: ['full', 'isfull'],
  lowest: ['lowesttx', 'lowesttransactionid', 'lowestappendindex'],
  highest: ['highesttx', 'highesttransactionid', 'highestappendindex'],
} as const;

type Row = ReadonlyMap<string, string>;

function plainKey(key: string): string {
  return key.toLowerCase().replaceAll(/[^a-z]/g, '');
}

function parseJSON(text: string): readonly Inspected[] {
  const line = text.split('\n').find((candidate) => candidate.trimStart().startsWith('[{'));
  if (line === undefined) return [];
  try {
    const items = JSON.parse(line) as unknown;
    if (!Array.isArray(items)) return [];
    return items.slice(0, mostRows).flatMap((item: unknown) => inspectedOf(rowOf(item)) ?? []);
  } catch {
    return []; // cut in the middle, or no JSON after all
  }
}

function rowOf(item: unknown): Row {
  if (typeof item !== 'object' || item === null) return new Map();
  return new Map(
    Object.entries(item).flatMap(([key, value]: [string, unknown]) =>
      ['string', 'number', 'boolean'].includes(typeof value) ? [[plainKey(key), String(value)] as const] : [],
    ),
  );
}

function parseTable(text: string): readonly Inspected[] {
  const found: Inspected[] = [];
  let columns: readonly string[] | undefined;
  for (const line of text.split('\n')) {
    const cells = cellsOf(line);
    if (cells === undefined) continue;
    const named = cells.map(plainKey);
    if (named.includes('databaseid')) columns = named;
    else if (columns?.length === cells.length) {
      const row = new Map(columns.map((column, i) => [column, cells[i] ?? '']));
      const inspected = inspectedOf(row);
      if (inspected !== undefined && found.length < mostRows) found.push(inspected);
    }
  }
  return found;
}

function cellsOf(line: string): readonly string[] | undefined {
  const trimmed = line.trim();
  if (!trimmed.startsWith('|') || !trimmed.endsWith('|')) return undefined;
  return trimmed
    .slice(1, -1)
    .split('|')
    .map((cell) => cell.trim());
}

function inspectedOf(row: Row): Inspected | undefined {
  const get = (names: readonly string[]): string =>
    names.map((name) => row.get(name)).find((value) => value !== undefined) ?? '';
  const file = get(keys.file).split('/').at(-1) ?? '';
  const [database, databaseID] = [get(keys.database), get(keys.databaseID).toLowerCase()];
  const [lowest, highest] = [transaction(get(keys.lowest)), transaction(get(keys.highest))];
  const full = get(keys.full).toLowerCase();
  const isWhole =
    file !== '' && databaseID !== '' && databaseName.test(database) && /^(true|false)$/.test(full);
  if (!isWhole || lowest === undefined || highest === undefined) return undefined;
  return {
    file,
    database,
    databaseID,
    isFull: full === 'true',
    lowestTransactionID: lowest,
    highestTransactionID: highest,
  };
}

function transaction(text: string): bigint | undefined {
  return /^-?\d{1,19}$/.test(text) ? BigInt(text) : undefined;
}
