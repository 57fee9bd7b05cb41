// `agent catalog DIR`: what a destination holds. Read from the manifests themselves, not from the cache.
import { cellOf, safeJSON, table } from '../api/table.ts';
import { readPoints, type PointsRead } from '../volume/catalogue.ts';
import { entryOf, type Entry } from '../volume/entry.ts';
import { findRecord, recordedRuns, type FoundRecord } from '../volume/records.ts';
import { inParallel } from '../volume/parallel.ts';
import { inWords } from '../volume/space.ts';
import type { Place, Printed } from './offline.ts';

type Held = Entry & { readonly verifiedTime?: string };

interface Contents {
  readonly name: string;
  readonly read: PointsRead<Held>;
  readonly runs: readonly (readonly [run: string, found: FoundRecord])[];
}

export async function printCatalog(places: readonly Place[], output: 'table' | 'json'): Promise<Printed> {
  const contents: Contents[] = [];
  for (const place of places) contents.push(await contentsOf(place));
  const text =
    output === 'json' ? safeJSON({ destinations: contents.map(asJSON) }) : contents.map(asText).join('\n');
  return { text, exitCode: 0 };
}

/** Records are read of so many runs: more are never kept. */
const mostRuns = 1_000;

async function contentsOf({ name, root }: Place): Promise<Contents> {
  const read = await readPoints(root, (one): Held => {
    const { mark } = one;
    return { ...entryOf(one), ...(mark === undefined ? {} : { verifiedTime: mark.time }) };
  });
  const names = read.kind === 'ours' ? (await recordedRuns(root)).slice(0, mostRuns) : [];
  const runs = await inParallel(names, 16, async (run) => [run, await findRecord(root, run)] as const);
  return { name, read, runs: runs.toSorted(([, a], [, b]) => timeOf(b) - timeOf(a)) };
}

function timeOf(found: FoundRecord): number {
  return found.kind === 'good' ? Date.parse(found.record.report.completionTime) : 0;
}

function asJSON({ name, read, runs }: Contents): object {
  if (read.kind !== 'ours') return { name, ...read };
  return {
    name,
    kind: read.kind,
    points: pointsIn(read.places),
    damaged: read.places.flatMap((one) =>
      one.kind === 'damaged' ? [{ place: one.place, why: one.why }] : [],
    ),
    runs: runs.map(([run, found]) =>
      found.kind === 'good' ? { run, ...found.record, report: found.record.report } : { run, ...found },
    ),
  };
}

type Ours = Extract<PointsRead<Held>, { kind: 'ours' }>;

/** Each database with its chains together, in the order in which they were begun. */
function pointsIn(places: Ours['places']): readonly Held[] {
  const begun = new Map<string, number>();
  const points = places
    .flatMap((one) => (one.kind === 'good' ? [one.kept] : []))
    .toSorted((a, b) => a.sequence - b.sequence);
  const chainOf = ({ database, chain }: Held): string => `${database}/${chain}`;
  for (const point of points) if (!begun.has(chainOf(point))) begun.set(chainOf(point), point.sequence);
  const order = (point: Held): number => begun.get(chainOf(point)) ?? 0;
  return points.toSorted(
    (a, b) => compare(a.database, b.database) || order(a) - order(b) || a.sequence - b.sequence,
  );
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function asText({ name, read, runs }: Contents): string {
  const title = `${cellOf(name)}: `;
  if (read.kind === 'foreign')
    return `${title}it is not of this operator alone: ${read.entries.slice(0, 10).map(cellOf).join(', ')}\n`;
  if (read.kind === 'tooNew') return `${title}a newer version of the operator was here\n`;
  const points = pointsIn(read.places);
  const bytes = points.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const damaged = read.places.flatMap((one) => (one.kind === 'damaged' ? [[one.place, one.why]] : []));
  return [
    `${title}${points.length} restore points, ${inWords(bytes)}${damaged.length > 0 ? `, and ${damaged.length} damaged` : ''}\n`,
    table(
      ['DATABASE', 'CHAIN', 'POINT', 'TYPE', 'TIME', 'TRANSACTION', 'SIZE', 'CONSISTENT', 'VERIFIED'],
      points.map(pointRow),
    ),
    table(['DAMAGED', 'WHY'], damaged),
    runsTable(runs),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function pointRow(point: Held): readonly string[] {
  const { database, chain, type, completionTime, lastTransactionID, sizeBytes, consistent } = point;
  return [
    database,
    chain,
    point.point,
    type,
    completionTime.replace(/\.\d+Z$/, 'Z'),
    lastTransactionID,
    inWords(sizeBytes),
    consistent === undefined ? 'not checked' : consistent ? 'yes' : 'NO',
    point.verifiedTime?.replace(/\.\d+Z$/, 'Z') ?? 'when taken',
  ];
}

/** The newest runs that are shown to people: JSON has all. */
const shownRuns = 20;

function runsTable(runs: Contents['runs']): string {
  const rows = runs.slice(0, shownRuns).map(([run, found]) => {
    if (found.kind !== 'good') return [run, '', 'DAMAGED', found.kind === 'damaged' ? found.why : found.kind];
    const { completionTime, reason, message } = found.record.report;
    return [run, completionTime.replace(/\.\d+Z$/, 'Z'), reason, message];
  });
  const more = runs.length > shownRuns ? `and ${runs.length - shownRuns} runs before\n` : '';
  return table(['RUN', 'ENDED', 'REASON', 'MESSAGE'], rows) + more;
}
