// The manifest of a point: what was taken, of which store, and the hash of every file.
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { databaseName } from '../api/patterns.ts';
import { pointNamePattern } from './layout.ts';
import { formatSealed, type Seal } from './seal.ts';

const layoutVersion = 1;

/** Path of a file below data/: relative, no empty, `.` or `..` segment, no backslash, no NUL. Read back from a volume that others can write to. */
export const relativePath = z
  .string()
  .max(1024)
  .refine(
    (path) =>
      path.split('/').every((part) => part !== '' && part !== '.' && part !== '..') && !/[\\\0]/.test(path),
  );

const FileEntry = z.object({
  path: relativePath,
  size: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

/** All that a manifest says of a point, but for the files. */
export const Point = z.object({
  schemaVersion: z.literal(layoutVersion),
  run: z.string().max(63),
  resource: z.object({ namespace: z.string().max(63), name: z.string().max(253), uid: z.string().max(64) }),
  chain: z.string().regex(pointNamePattern),
  point: z.string().regex(pointNamePattern),
  /** The point that this one was taken on top of. Absent for a full backup. */
  parent: z.string().regex(pointNamePattern).optional(),
  /** Counts the points of the destination from 1. Orders them without trust in any clock. */
  sequence: z.int().min(1),
  type: z.enum(['Full', 'Incremental']),
  fullBecause: z.string().max(64).optional(),
  generation: z.string().max(8),
  /** `store`: data/ is a database. `artifacts`: files of the tool in the folder of their chain. */
  layout: z.enum(['store', 'artifacts']).default('store'),
  neo4jVersion: z.string().max(32),
  source: z.object({ host: z.string().max(253), port: z.int() }),
  database: z.string().regex(databaseName),
  storeID: z.string().max(64),
  storeVersion: z.string().max(32),
  /** What an artifact says of itself beside that: its `storeID` above is the id of the database. Absent where we cannot read it. */
  artifact: z.object({ storeID: z.string().max(64), recovered: z.boolean() }).optional(),
  /** The first transaction that an increment brought. Absent: a full backup, or nothing new. */
  firstTransactionID: z
    .string()
    .regex(/^[0-9]{1,20}$/)
    .optional(),
  lastTransactionID: z.string().regex(/^[0-9]{1,20}$/),
  /** Absent: the consistency check was not asked for. */
  consistent: z.boolean().optional(),
  startTime: z.iso.datetime(),
  completionTime: z.iso.datetime(),
  sizeBytes: z.int().min(0),
});

const Manifest = Point.extend({ files: z.array(FileEntry).min(1).max(100_000) });

export type FileEntry = Readonly<z.output<typeof FileEntry>>;
export type Point = Readonly<z.output<typeof Point>>;
export type Manifest = Readonly<z.output<typeof Manifest>>;

/** 100,000 files with paths of the usual length. Bytes. */
const maxManifestBytes = 64 * 1_048_576;

export const manifestSeal: Seal<Manifest> = {
  name: 'manifest',
  version: layoutVersion,
  schema: Manifest,
  mostBytes: maxManifestBytes,
};

/**
 * The text of manifest.json: the manifest and, over exactly that, a checksum.
 * @throws Error on a manifest that could not be read back: published, such a point would count as damaged
 */
export function formatManifest(manifest: Manifest): string {
  return formatSealed(manifestSeal, manifest);
}

/** One word for all that a manifest says: another one, as soon as anything in it is another. */
export function fingerprint(manifest: Manifest): string {
  return createHash('sha256')
    .update(JSON.stringify(Manifest.parse(manifest))) // in the order of the schema, whoever made it
    .digest('hex');
}
