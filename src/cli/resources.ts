// The resources of a file of YAML, read as the API server would: what it refuses, and what it would drop in silence, is told.
import { parseAllDocuments } from 'yaml';
import * as z from 'zod';
import { group, kind, version } from '../api/names.ts';
import { Neo4jBackupSpec, Neo4jBackupStatus } from '../api/neo4jbackup.ts';
import { plain } from '../api/plain.ts';
import { reasons } from '../api/reasons.ts';
import { fieldProblem } from '../backup/calendar.ts';
import { objectionTo } from '../backup/objection.ts';
import type { Neo4jBackup } from '../backup/resources.ts';
import { timetableOf } from '../backup/timetable.ts';
import { brokenConstraints } from './constraints.ts';

/** One of ours. */
export interface Found {
  /** Counts the documents of the file from 1. */
  readonly document: number;
  readonly backup: Neo4jBackup;
}

/** Something else. */
interface Ignored {
  readonly document: number;
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
}

interface Contents {
  readonly found: readonly Found[];
  readonly ignored: readonly Ignored[];
  /** What is wrong, a line each: field, what was found, and what would be right. */
  readonly problems: readonly string[];
}

const Head = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z
    .object({ name: z.string().optional(), namespace: z.string().optional(), uid: z.string().optional() })
    .optional(),
});
type Head = z.output<typeof Head>;

/** A document of the file, or an item of a list in it. */
interface Document {
  readonly document: number;
  readonly value: unknown;
}

export function readResources(text: string): Contents {
  const found: Found[] = [];
  const ignored: Ignored[] = [];
  const problems: string[] = [];
  const documents = documentsIn(text);
  if (typeof documents === 'string') return { found, ignored, problems: [documents] };
  for (const one of documents) {
    const head = Head.safeParse(one.value);
    if (!head.success) {
      problems.push(`document ${one.document} is no resource: it has no ${missingIn(head.error)}`);
      continue;
    }
    const { apiVersion, kind: itsKind, metadata } = head.data;
    if (itsKind !== kind || !apiVersion.startsWith(`${group}/`)) {
      ignored.push({ document: one.document, apiVersion, kind: itsKind, name: metadata?.name ?? '' });
      continue;
    }
    const read = backupOf(one, head.data);
    if (read.kind === 'good') found.push({ document: one.document, backup: read.backup });
    else problems.push(...read.problems.map((problem) => `${titleOf(one, head.data)}${problem}`));
  }
  return { found, ignored, problems };
}

/** What is wrong with the text itself, or what is in it. Lists, such as kubectl prints, are taken apart. */
function documentsIn(text: string): readonly Document[] | string {
  const documents: Document[] = [];
  // kubectl reads merge keys, too.
  for (const [i, parsed] of parseAllDocuments(text, { merge: true }).entries()) {
    const document = i + 1;
    const [error] = parsed.errors;
    if (error !== undefined) return `it is no YAML: ${plain(error.message)}`;
    const value = valueOf(parsed);
    if (value instanceof Error) return `document ${document} cannot be read: ${plain(value.message)}`;
    if (value === null || value === undefined) continue; // between two separators, or after the last one
    const items = isFields(value) && String(value['kind']).endsWith('List') ? value['items'] : undefined;
    for (const item of Array.isArray(items) ? items : [value]) documents.push({ document, value: item });
  }
  return documents;
}

/** The library counts how often aliases are followed: few lines can stand for more than any memory holds. */
function valueOf(parsed: { readonly toJS: () => unknown }): unknown {
  try {
    return parsed.toJS();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function missingIn(error: z.ZodError): string {
  return error.issues[0]?.path.join('.') || 'apiVersion';
}

function titleOf({ document }: Document, { metadata }: Head): string {
  return `document ${document}, ${kind} ${plain(metadata?.name ?? '')}: `;
}

type Backup =
  | { readonly kind: 'good'; readonly backup: Neo4jBackup }
  | { readonly kind: 'bad'; readonly problems: readonly string[] };

function backupOf({ value }: Document, { apiVersion, metadata = {} }: Head): Backup {
  const { spec, status } = value as { readonly spec?: unknown; readonly status?: unknown };
  const headProblems = problemsIn(apiVersion, metadata.name);
  const parsed = Neo4jBackupSpec.safeParse(spec ?? {});
  if (!parsed.success) {
    const ofSchema = parsed.error.issues.map((issue) => inWords(issue, spec));
    return { kind: 'bad', problems: [...headProblems, ...ofSchema] };
  }
  const { name = '', namespace = 'default', uid = '' } = metadata;
  const backup: Neo4jBackup = {
    apiVersion,
    kind,
    metadata: { name, namespace, uid, resourceVersion: '', creationTimestamp: new Date(0).toISOString() },
    spec: parsed.data,
    ...statusIn(status),
  };
  const problems = [
    ...headProblems,
    ...unknownFields(spec, parsed.data, 'spec'),
    ...brokenConstraints(parsed.data),
    ...objectionsTo(backup),
  ];
  return problems.length > 0 ? { kind: 'bad', problems } : { kind: 'good', backup };
}

function problemsIn(apiVersion: string, name: string | undefined): readonly string[] {
  const isName = name !== undefined && /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name);
  return [
    ...(apiVersion === `${group}/${version}`
      ? []
      : [`apiVersion is ${plain(apiVersion)}: it must be ${group}/${version}`]),
    ...(isName
      ? []
      : [
          `metadata.name is ${shown(name)}: it must be a name of lower-case letters, digits, dots and dashes`,
        ]),
  ];
}

/** Of a resource that was read from a cluster it tells how it is spread. What cannot be read says nothing. */
function statusIn(status: unknown): Pick<Neo4jBackup, 'status'> {
  const parsed = Neo4jBackupStatus.safeParse(status);
  return parsed.success ? { status: parsed.data } : {};
}

/** A field that the schema does not have: the API server drops it, and whoever wrote it believes in it. */
function unknownFields(given: unknown, taken: unknown, path: string): readonly string[] {
  if (Array.isArray(given) && Array.isArray(taken))
    return given.flatMap((one, i) => unknownFields(one, taken[i], `${path}[${i}]`));
  if (!isFields(given) || !isFields(taken)) return [];
  return Object.entries(given).flatMap(([name, value]) => {
    const inner = `${path}.${name}`;
    if (Object.hasOwn(taken, name)) return unknownFields(value, taken[name], inner);
    const where = path.replaceAll(/\[\d+\]/g, '');
    return [
      `${plain(inner)}: there is no such field; \`kubectl explain neo4jbackups.${where}\` tells of all`,
    ];
  });
}

// --- what the schema objects to

type Issue = z.core.$ZodIssue;

function inWords(issue: Issue, spec: unknown): string {
  const field = fieldOf(issue.path);
  const found = issue.path.reduce<unknown>((inner, key) => innerOf(inner, key), spec);
  const described = descriptionAt(issue.path);
  if (found === undefined) return `${field} is missing. ${described}`.trimEnd();
  const said = meantBy(field, found) ?? `${sayingOf(issue, found)}. ${described}`.trimEnd();
  return `${field} is ${shown(found)}: ${said}`;
}

function fieldOf(path: Issue['path']): string {
  return path.reduce<string>(
    (so, key) => (typeof key === 'number' ? `${so}[${key}]` : `${so}.${plain(String(key))}`),
    'spec',
  );
}

function innerOf(value: unknown, key: PropertyKey): unknown {
  return isFields(value) || Array.isArray(value) ? (value as Record<PropertyKey, unknown>)[key] : undefined;
}

/** What a schedule is held against first is its shape; what reads it can say more. */
function meantBy(field: string, found: unknown): string | undefined {
  if (typeof found !== 'string') return undefined;
  if (field === 'spec.schedule' || field === 'spec.fullSchedule') {
    const parsed = timetableOf({ schedule: found });
    return parsed?.kind === 'invalid' ? parsed.problem : undefined;
  }
  return undefined;
}

function sayingOf(issue: Issue, found: unknown): string {
  if (issue.code === 'invalid_format') return 'that is not of the form that is asked for';
  const isQuoteless = issue.code === 'invalid_type' && issue.expected === 'string' && !isFields(found);
  return `${issue.message.charAt(0).toLowerCase()}${plain(issue.message.slice(1))}${isQuoteless ? ': put it in quotes' : ''}`;
}

/** What the documentation says of a field: so it tells what would be right. */
function descriptionAt(path: Issue['path']): string {
  let schema: z.core.$ZodType | undefined = Neo4jBackupSpec;
  let description = '';
  for (const key of path) {
    schema = schema === undefined ? undefined : bare(schema);
    if (schema instanceof z.ZodObject) schema = schema.shape[String(key)] as z.core.$ZodType | undefined;
    else if (schema instanceof z.ZodArray) schema = schema.element;
    else if (schema instanceof z.ZodRecord) schema = schema.valueType;
    else break;
    description = descriptionOf(schema) ?? description;
  }
  return description;
}

/** Without what makes it optional. */
function bare(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault
    ? bare(schema.unwrap())
    : schema;
}

function descriptionOf(schema: z.core.$ZodType | undefined): string | undefined {
  if (schema === undefined) return undefined;
  return (schema as z.ZodType).description ?? (bare(schema) as z.ZodType).description;
}

/** More of what somebody wrote nobody needs to see. Characters. */
const mostShown = 80;

function shown(value: unknown): string {
  const text = plain(JSON.stringify(value) ?? 'missing');
  return text.length > mostShown ? `${text.slice(0, mostShown - 1).toWellFormed()}…` : text;
}

// --- what the controller objects to

/** As in a cluster that has all that the resource names, and an operator that allows everything. */
function objectionsTo(backup: Neo4jBackup): readonly string[] {
  const { spec } = backup;
  // A zone and windows mean something without schedules, too: they are held against one.
  const problem = fieldProblem({ schedule: '@daily', ...spec });
  const problems = problem === undefined ? [] : [plain(problem)];
  const objection = objectionTo(
    {
      now: new Date(0),
      backup,
      runs: [],
      inspections: [],
      upkeeps: [],
      orphaned: [],
      claimExists: true,
      service: 'present',
    },
    { agentImage: '', allowedHosts: ['*'], allowedImages: [] },
    false,
  );
  if (objection === undefined || (objection.reason === 'InvalidSchedule' && problems.length > 0))
    return problems;
  return [...problems, `${plain(objection.detail)}. ${reasons[objection.reason].next ?? ''}`.trimEnd()];
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
