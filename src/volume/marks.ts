// verification.json: which restore points were read back when, and which of them turned out to be damaged.
import { join } from 'node:path';
import * as z from 'zod';
import { replaceFile, type Files } from './files.ts';
import { partialOf, placeOf, rootFiles } from './layout.ts';
import { fingerprint, type Manifest, type Point } from './manifest.ts';
import { formatSealed, readSealed, type Parsed, type Seal } from './seal.ts';

/** As long as a path in a manifest is at most. */
const mostName = 1024;

const Mark = z.object({
  /** The manifest that the point was read by: {@link fingerprint}. Of a point with another one this mark says nothing. */
  manifest: z.string().regex(/^[0-9a-f]{64}$/),
  /** When its files were last read, all of them or up to the damaged one. */
  time: z.iso.datetime(),
  /** The first file that was not what had been written. Absent: all were. */
  damaged: z.string().max(mostName).optional(),
});

export type Mark = Readonly<z.output<typeof Mark>>;

/** By the place of the manifest. {@link markOf} looks into it, {@link newMark} makes its entries. */
export type Marks = ReadonlyMap<string, Mark>;

const noMarks: Marks = new Map();

const Body = z.object({
  schemaVersion: z.literal(1),
  points: z.array(Mark.extend({ place: z.string().max(256) })).max(100_000),
});

const seal: Seal<z.output<typeof Body>> = {
  name: 'verification',
  version: 1,
  schema: Body,
  mostBytes: 64 * 1_048_576,
};

/** What is known of a point. Undefined: nobody has read it since it was published, or its manifest is another one by now. */
export function markOf(marks: Marks, point: Manifest): Mark | undefined {
  const mark = marks.get(placeOf(point).manifest);
  return mark === undefined || mark.manifest !== fingerprint(point) ? undefined : mark;
}

/** The mark of a point that has just been read, for a map of {@link Marks}. */
export function newMark(
  point: Manifest,
  { time, damaged }: Pick<Mark, 'time' | 'damaged'>,
): readonly [place: string, mark: Mark] {
  // What somebody put there may have any name: it must not cost the marks.
  const named = damaged?.slice(0, mostName).toWellFormed();
  const mark = { manifest: fingerprint(point), time, ...(named === undefined ? {} : { damaged: named }) };
  return [placeOf(point).manifest, mark];
}

/** Without those of points that are gone. */
export function marksOf(marks: Marks, points: readonly Point[]): Marks {
  const places = new Set(points.map((point) => placeOf(point).manifest));
  return new Map([...marks].filter(([place]) => places.has(place)));
}

/**
 * What a destination's marks are. Absent, damaged or too new: none. Nobody ever trusts a point because of them: without them
 * a point is one that nobody has read for long.
 * @throws the system error of a failed call on the volume
 */
export async function readMarks(root: string): Promise<Marks> {
  const read = await parseMarks(root);
  return read.kind === 'good' ? read.value : noMarks;
}

/** The same with the difference: damaged marks are for people to know of, and a newer operator's are not to be replaced. */
export async function parseMarks(root: string): Promise<Parsed<Marks> | { readonly kind: 'absent' }> {
  const read = await readSealed(join(root, rootFiles.marks), seal);
  if (read.kind !== 'good') return read;
  return { ...read, value: new Map(read.value.points.map(({ place, ...mark }) => [place, mark])) };
}

/** Replaces all marks. Whoever calls it holds the lock. */
export async function writeMarks(files: Files, root: string, marks: Marks): Promise<void> {
  const points = [...marks].map(([place, mark]) => ({ place, ...mark }));
  const text = formatSealed(seal, {
    schemaVersion: 1,
    points: points.toSorted((a, b) => (a.place < b.place ? -1 : 1)),
  });
  await replaceFile(files, join(root, rootFiles.marks), text, join(root, partialOf(rootFiles.marks)));
}
