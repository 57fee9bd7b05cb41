// JSON files that vouch for themselves: a body, and a checksum over exactly that. Manifests, marks, records, the catalogue.
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { readSmallFile } from './files.ts';

/** A kind of sealed file. */
export interface Seal<T> {
  /** Under which key the body stands. */
  readonly name: string;
  /** The newest schemaVersion that we understand. */
  readonly version: number;
  readonly schema: z.ZodType<T>;
  /** Whatever is larger was not written by us, and is not read. Bytes. */
  readonly mostBytes: number;
}

export type Parsed<T> =
  /** With the checksum, which is another one as soon as anything in the body is. */
  | { readonly kind: 'good'; readonly value: T; readonly sha256: string }
  | { readonly kind: 'tooNew'; readonly schemaVersion: number }
  | { readonly kind: 'damaged'; readonly why: string };

function checksumOf(body: unknown): string {
  return createHash('sha256').update(JSON.stringify(body)).digest('hex');
}

/**
 * The text of a sealed file.
 * @throws Error on a value that {@link parseSealed} would refuse
 */
export function formatSealed<T>({ name, schema, mostBytes }: Seal<T>, value: T): string {
  const { error } = schema.safeParse(value);
  if (error !== undefined) throw new Error(`no valid ${name}: ${firstProblem(error)}`);
  const text = `${JSON.stringify({ [name]: value, sha256: checksumOf(value) }, undefined, 1)}\n`;
  if (Buffer.byteLength(text) > mostBytes) throw new Error(`no valid ${name}: it is too large`);
  return text;
}

/** Never throws: whatever the text is, it is good, too new, or damaged. */
export function parseSealed<T>({ name, version, schema }: Seal<T>, text: string): Parsed<T> {
  const opened = openSeal(name, text);
  if (opened.kind === 'damaged') return opened;
  const { body } = opened;
  if (typeof body.schemaVersion === 'number' && body.schemaVersion > version)
    return { kind: 'tooNew', schemaVersion: body.schemaVersion };
  const parsed = schema.safeParse(body);
  if (parsed.success) return { kind: 'good', value: parsed.data, sha256: opened.sha256 };
  return { kind: 'damaged', why: firstProblem(parsed.error) };
}

/**
 * Reads a sealed file: never through a link, never more than its kind may have.
 * @throws the system error of a failed call on the volume
 */
export async function readSealed<T>(
  path: string,
  kind: Seal<T>,
): Promise<Parsed<T> | { readonly kind: 'absent' }> {
  const read = await readSmallFile(path, kind.mostBytes);
  return read.kind === 'text' ? parseSealed(kind, read.text) : read;
}

type Opened =
  | {
      readonly kind: 'intact';
      readonly body: { readonly schemaVersion?: unknown };
      readonly sha256: string;
    }
  | { readonly kind: 'damaged'; readonly why: string };

/** What the checksum vouches for. */
function openSeal(name: string, text: string): Opened {
  try {
    const json = JSON.parse(text) as Readonly<Record<string, unknown>> | null;
    const body = json?.[name];
    if (typeof body !== 'object' || body === null) return { kind: 'damaged', why: `it has no ${name} in it` };
    const sha256 = checksumOf(body);
    if (sha256 === json?.['sha256']) return { kind: 'intact', body, sha256 };
    return { kind: 'damaged', why: 'its checksum does not match' };
  } catch {
    return { kind: 'damaged', why: 'it is not JSON' }; // or nested deeper than anything we write
  }
}

function firstProblem(error: z.ZodError): string {
  return z.prettifyError(error).split('\n').slice(0, 2).join(' ');
}
