// What the operator asks of the agent: one JSON value in the environment of our two containers.
import * as z from 'zod';
import { Retention } from '../api/neo4jbackup.ts';
import {
  databaseName,
  hostName,
  pathSegment,
  triggerName,
  versionNumber,
  volumePath,
} from '../api/patterns.ts';

/** Name of the environment variable that carries the request. */
export const requestVariable = 'NEO4J_BACKUP_RUN';

/** What the tool is asked for beside the copy. Each generation says it in its own way, in arguments or in a file. */
const ToolSettings = z.object({
  /** Present: it speaks TLS, with what is below `mounts.tls`. */
  tls: z.object({ verifyHostname: z.boolean().optional() }).optional(),
  /** Absent: as large as the tool itself makes it. */
  pageCacheMiB: z.int().min(1).max(1_048_576).optional(),
  /** Settings of the tool by their names. Which ones there are is the generation's to say. */
  options: z
    .record(z.string().regex(/^[a-z]([-a-z]{0,61}[a-z])?$/), z.string().regex(/^[A-Za-z0-9]{1,32}$/))
    .refine((options) => Object.keys(options).length <= 16),
});

export type ToolSettings = Readonly<z.output<typeof ToolSettings>>;

export const RunRequest = z.object({
  schemaVersion: z.literal(1),
  /** Name of the run and of its Job. */
  run: z.string().regex(pathSegment),
  resource: z.object({
    namespace: z.string().max(63),
    name: z.string().max(253),
    uid: z.string().regex(/^[0-9A-Za-z-]{1,64}$/),
  }),
  /** When the operator made the Job. The same for all attempts, so that all publish under one name. */
  createdTime: z.iso.datetime(),
  /** Folder of the volume. One segment: checked here once more, since it becomes a path. */
  path: z.string().regex(pathSegment),
  /** A folder of the volume with a backup that others took, to begin with. */
  adoptFrom: z.string().max(255).regex(volumePath).optional(),
  /** What is kept. Absent: everything. */
  retention: Retention.optional(),
  source: z.object({
    host: z.string().max(253).regex(hostName),
    port: z.int().min(1).max(65535),
  }),
  neo4jVersion: z.string().max(32).regex(versionNumber),
  /** Of a server since 4.0. None: `neo4j`, which is there from the first start on. */
  databases: z.array(z.string().regex(databaseName)).max(32),
  /** Every database that the server has, instead of those. */
  allDatabases: z.boolean(),
  /** After an increment failed: whether a full backup may start a new chain. */
  onIncrementalFailure: z.enum(['Fail', 'NewChain']),
  requestedType: z.enum(['Auto', 'Full']),
  consistencyCheck: z.enum(['OnFull', 'Always', 'Never']),
  tool: ToolSettings,
  /** Seconds that the Pod may take, all containers together. */
  podDeadlineSeconds: z.int().min(1),
  triggerID: z.string().max(63).regex(triggerName).optional(),
  /** Pods of earlier runs that will never write again: their staging folders may be removed. */
  terminalPods: z.array(z.string().max(64)).max(64),
});

export type RunRequest = Readonly<z.output<typeof RunRequest>>;

/** @throws Error that names the field, when the text is not a request of this version */
export function parseRequest(json: string): RunRequest {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new Error(`${requestVariable}: it is not JSON`, { cause: error });
  }
  const parsed = RunRequest.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Error(`${requestVariable}: ${z.prettifyError(parsed.error)}`);
}
